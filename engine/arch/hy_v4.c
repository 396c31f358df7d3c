/* Hunyuan 4 (Tencent 2026): transformers models/hy_v4. Hyper-connections that do not mix the streams with
 * each other; latent attention with an index whose choice later layers share, sinks and an element-wise gate;
 * experts, clamped, beside a shared one. */
#include <string.h>

#include "engine/arch/deepseek.h"
#include "engine/arch/hyper.h"

/* transformers' names, those of the hub, and what transformers saves, whose renaming back goes too far. */
#define HC(ours, theirs, what)                                                                               \
    "layers.%d." ours "." what "|layers.%d." theirs ".hc_pre.hc_" what "|layers.%d.hc_pre." theirs ".hc"     \
    "_" what
#define HC_WHOLE(ours, theirs, what)                                                                         \
    "layers.%d." ours "." what "!|layers.%d." theirs ".hc_pre.hc_" what "!|layers.%d.hc_pre." theirs         \
    ".hc_" what "!"
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_SINKS] = "layers.%d.self_attn.sinks|layers.%d.self_attn.learnable_sink_param",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj|layers.%d.self_attn.linear_gate",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj|layers.%d.mlp.linear_gate",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_experts.gate_proj|layers.%d.mlp.shared_experts.linear_gate",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.%e.gate_proj|layers.%d.mlp.experts.%e.linear_gate|"
                            "layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_HYPER_1] = HC_WHOLE("attn_hc", "hc_attn_layer", "fn"),
    [AS_SLOT_HYPER_1_BASE] = HC("attn_hc", "hc_attn_layer", "base"),
    [AS_SLOT_HYPER_1_SCALE] = HC("attn_hc", "hc_attn_layer", "scale"),
    [AS_SLOT_HYPER_2] = HC_WHOLE("ffn_hc", "hc_mlp_layer", "fn"),
    [AS_SLOT_HYPER_2_BASE] = HC("ffn_hc", "hc_mlp_layer", "base"),
    [AS_SLOT_HYPER_2_SCALE] = HC("ffn_hc", "hc_mlp_layer", "scale"),
    [AS_SLOT_HYPER_OUT] = "hc_head.hc_fn!|hc_head.hc_head_fn!|hc_pre.hc_head.hc_head_fn!",
    [AS_SLOT_HYPER_OUT_BASE] = "hc_head.hc_base|hc_head.hc_head_base|hc_pre.hc_head.hc_head_base",
    [AS_SLOT_HYPER_OUT_SCALE] = "hc_head.hc_scale|hc_head.hc_head_scale|hc_pre.hc_head.hc_head_scale",
};
#undef HC
#undef HC_WHOLE

static const char *const ignored[] = {"*rotary_emb.inv_freq", "*mtp_layers.*", NULL};

static const as_deepseek_defaults defaults = {.attention = {.q_rank = 1536,
                                                            .kv_rank = 512,
                                                            .nope = 192,
                                                            .rope = 64,
                                                            .v_width = 256,
                                                            .theta = 10000,
                                                            .kind = AS_ROPE_HALF},
                                              .context = 262144,
                                              .eps = 1e-5,
                                              .experts = 256,
                                              .top_k = 8,
                                              .shared = 1,
                                              .width = 768,
                                              .scale = 2.827,
                                              .groups = 1,
                                              .group_top = 1,
                                              .first_dense = 1,
                                              .first_fixed = true,
                                              .listed = true,
                                              .normalise = true,
                                              .route = AS_ROUTE_SIGMOID};

/* Whether the layer takes the choice of an earlier one: by indexer_types, else all but every fourth. */
static bool shares_index(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_name(c, "indexer_types", layer, spec->layer_count);
    if (!type) return layer > 0 && (layer - 1) % 4 != 0;
    bool shared = strcmp(type, "shared") == 0;
    if (!shared && strcmp(type, "full") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"indexer_types\"[%lld] is \"%s\", expected full or shared",
                       (long long)layer, type);
    } else if (shared && layer == 0) {
        as_config_fail(c, AS_E_INPUT, "\"indexer_types\" lets the first layer share an earlier one's choice");
    }
    return shared;
}

static as_mla_spec read_attention(as_config *c, as_model_spec *spec, double eps)
{
    static const as_index_defaults index = {
        .heads = 16, .width = 128, .top = 2048, .kind = AS_ROPE_HALF, .at_end = true};
    as_mla_spec m = as_spec_mla(c, spec, &defaults.attention);
    as_deepseek_index(c, spec, &m, defaults.attention.theta, &index);
    m.index_norm.eps = (float)eps;
    m.out_gate = AS_ATTENTION_GATE_ELEMENTS;
    m.sinks = true;
    return m;
}

static as_moe_spec read_experts(as_config *c)
{
    as_moe_spec moe = as_deepseek_experts(c, &defaults);
    moe.act = AS_ACT_SILU; /* hidden_act is the shared expert's and the dense layers' */
    moe.limit = (float)as_config_number_in(c, "swiglu_limit", 10, 1e-6, 1e30);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    double eps = as_config_eps(c, "rms_norm_eps", defaults.eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_spec_base(c, spec, defaults.context);
    if (c->rc != AS_OK) return;
    as_hyper_spec hyper = as_spec_hyper(c, spec, eps);
    hyper.independent = true;
    hyper.magnitude = (float)as_config_number_in(c, "hc_magnitude", 2, -1e6, 1e6);
    hyper.out_eps = hyper.eps;
    as_mla_spec attention = read_attention(c, spec, eps);
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = read_experts(&experts);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.shared.act, false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_mla_spec here = attention;
        if (shares_index(c, spec, i)) here.index = AS_INDEX_SHARED;
        bool dense = as_deepseek_layer_is_dense(c, spec, i, &defaults);
        if (!dense) as_config_return(c, &experts);
        as_spec_add_streamed(c, spec, i, &hyper, 0, &as_block_mla, &here, norm);
        as_spec_add_streamed(c, spec, i, &hyper, 1, dense ? &as_block_mlp : &as_block_moe,
                             dense ? (const void *)&mlp : &moe, norm);
    }
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_hy_v4 = {.architectures = {"HYV4ForCausalLM"}, .describe = describe};
