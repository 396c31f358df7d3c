/* GLM-5.3-Flash (Z.ai 2026): transformers models/glm5_next, its text part. Kimi Delta Attention in three
 * layers of four and latent attention without positions in the fourth, which sees the keys that an index over
 * pools of them picks; experts as in DeepSeek-V3, clamped; hyper-connections around every block, whose
 * streams are averaged at the end. */
#include "engine/arch/deepseek.h"
#include "engine/arch/hyper.h"
#include "engine/arch/kda.h"

#define HYPER(ours, theirs) "layers.%d." ours "|layers.%d." theirs
static const char *const names[AS_SLOT_COUNT] = {
    AS_KDA_NAMES,
    [AS_SLOT_INDEX_POOL_GATE] = "layers.%d.self_attn.indexer.index_kpool_compress_gate!",
    [AS_SLOT_INDEX_POOL_BIAS] = "layers.%d.self_attn.indexer.index_kpool_compress_ape",
    [AS_SLOT_HYPER_1] = HYPER("attn_hc.fn!", "hc_attn_fn!"),
    [AS_SLOT_HYPER_1_BASE] = HYPER("attn_hc.base", "hc_attn_base"),
    [AS_SLOT_HYPER_1_SCALE] = HYPER("attn_hc.scale", "hc_attn_scale"),
    [AS_SLOT_HYPER_2] = HYPER("ffn_hc.fn!", "hc_ffn_fn!"),
    [AS_SLOT_HYPER_2_BASE] = HYPER("ffn_hc.base", "hc_ffn_base"),
    [AS_SLOT_HYPER_2_SCALE] = HYPER("ffn_hc.scale", "hc_ffn_scale"),
};

static const as_deepseek_defaults defaults = {
    .attention = {.q_rank = 1536, .kv_rank = 512, .nope = 256, .v_width = 256, .undivided = true},
    .context = 1048576,
    .eps = 1e-5,
    .experts = 288,
    .top_k = 8,
    .shared = 1,
    .width = 2048,
    .scale = 2.5,
    .groups = 1,
    .group_top = 1,
    .first_dense = 3,
    .first_fixed = true,
    .listed = true,
    .normalise = true,
    .route = AS_ROUTE_SIGMOID};

static as_mla_spec read_attention(as_config *c, as_model_spec *spec, double eps)
{
    enum { MOST_POOL = 1 << 12 };
    as_mla_spec m = as_spec_mla(c, spec, &defaults.attention);
    m.q_norm.eps = m.kv_norm.eps = (float)eps;
    m.index = AS_INDEX_OWN;
    m.index_heads = as_config_size_or(c, "index_n_heads", 32, AS_MOST_INDEX_HEADS);
    m.index_width = as_config_size_or(c, "index_head_dim", 128, AS_MOST_INDEX_WIDTH);
    m.index_pool = as_config_size_or(c, "index_kpool", 16, MOST_POOL);
    m.index_norm = as_spec_layer_norm(AS_SLOT_INDEX_K_NORM, 1e-6);
    m.index_rope = -1;
    int64_t tokens = as_config_size_or(c, "index_topk", 2048, AS_MOST_INDEX_KEYS - MOST_POOL);
    if (m.q_rank == 0) {
        as_config_fail(c, AS_E_INPUT, "\"q_lora_rank\" is null, which the index cannot do without");
    }
    if (tokens % m.index_pool) {
        as_config_fail(c, AS_E_INPUT, "\"index_topk\" is %lld, not a multiple of \"index_kpool\" %lld",
                       (long long)tokens, (long long)m.index_pool);
    }
    if (m.index_pool > 1 && !as_config_bool(c, "index_kpool_always_select_tail", true)) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"index_kpool_always_select_tail\" is false: tokens before the first full pool would "
                       "see nothing");
    }
    m.index_pools = tokens / m.index_pool;
    m.index_top = tokens + m.index_pool - 1;
    m.index_at = spec->carried;
    spec->carried += m.index_top;
    return m;
}

/* linear_attn_config goes before the fields of its own. */
static as_delta_spec read_kda(as_config *c, double eps)
{
    as_config linear = as_config_nested(c, "linear_attn_config");
    int64_t width = as_config_size_or(c, "linear_head_dim", 128, 1 << 14),
            heads = as_config_size_or(c, "linear_num_heads", 64, AS_MOST_HEADS),
            taps = as_config_size_or(c, "linear_conv_kernel_dim", 4, AS_MOST_TAPS);
    width = as_config_size_or(&linear, "head_dim", width, 1 << 14);
    heads = as_config_size_or(&linear, "num_heads", heads, AS_MOST_HEADS);
    taps = as_config_size_or(&linear, "short_conv_kernel_size", taps, AS_MOST_TAPS);
    as_delta_spec kda = as_spec_kda(c, heads, width, taps, eps);
    kda.decay_rank = kda.gate_rank = width;
    const json_t *nested = json_object_get(linear.root, "gate_lower_bound"),
                 *own = json_object_get(c->root, "linear_lower_bound");
    bool none = json_is_null(nested) || (!nested && json_is_null(own));
    bool safe = json_is_object(json_object_get(c->root, "linear_attn_config")) &&
                as_config_bool(&linear, "safe_gate", true);
    double bound = as_config_number_in(c, "linear_lower_bound", -5, -1e6, -1e-6);
    bound = as_config_number_in(&linear, "gate_lower_bound", bound, -1e6, -1e-6);
    if (none) bound = -5;
    if (!none || safe) {
        kda.decay = AS_DECAY_SIGMOID;
        kda.most = (float)-bound;
    }
    as_config_return(c, &linear);
    return kda;
}

static void describe(as_config *c, as_model_spec *spec)
{
    double eps = as_config_eps(c, "rms_norm_eps", defaults.eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_spec_base(c, spec, defaults.context);
    if (c->rc != AS_OK) return;
    as_hyper_spec hyper = as_spec_hyper(c, spec, eps);
    int64_t iterations = as_config_int(c, "hc_sinkhorn_iters", 20);
    hyper.mean = true;
    hyper.magnitude = 2;
    hyper.iterations = iterations < 1 ? 1 : iterations > 1000 ? 1000 : iterations;
    as_mla_spec attention = read_attention(c, spec, eps);
    as_delta_spec kda = read_kda(c, eps);
    as_moe_spec moe = as_deepseek_experts(c, &defaults);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    moe.act = AS_ACT_SILU; /* hidden_act is the shared expert's and the dense layers' */
    moe.limit = (float)as_config_number_in(c, "swiglu_limit", 10, 1e-6, 1e30);
    moe.shared.limit = mlp.limit = moe.limit;
    bool chose = false; /* the layer before has made a choice of its own */
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool attends = as_spec_layer_is_indexed(c, spec, i, i % 4 == 3);
        as_mla_spec here = attention;
        if (attends && as_deepseek_shares_index(c, spec, i)) {
            here.index = AS_INDEX_SHARED;
            if (!chose) {
                as_config_fail(
                    c, AS_E_INPUT,
                    "\"indexer_types\" lets layer %lld share a choice that the one before does not make",
                    (long long)i);
            }
        }
        chose = attends && here.index == AS_INDEX_OWN;
        bool dense = as_deepseek_layer_is_dense(c, spec, i, &defaults);
        as_spec_add_streamed(c, spec, i, &hyper, 0, attends ? &as_block_mla : &as_block_delta,
                             attends ? (const void *)&here : &kda, norm);
        as_spec_add_streamed(c, spec, i, &hyper, 1, dense ? &as_block_mlp : &as_block_moe,
                             dense ? (const void *)&mlp : &moe, norm);
    }
    spec->names = names;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_glm5_next = {.describe = describe};
