/* LFM2 and LFM2-MoE (Liquid AI 2025; transformers models/lfm2, models/lfm2_moe): gated short convolutions
 * with grouped attention between, norms on each query and key head. The feed-forward width of the dense form
 * is adjusted as in the first Llama; the other form has experts behind its first layers, by sigmoid with a
 * bias on the choice. */
#include <string.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/moe.h"
#include "engine/blocks/short_conv.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "embedding_norm",
    [AS_SLOT_NORM_1] = "layers.%d.operator_norm",
    [AS_SLOT_NORM_2] = "layers.%d.ffn_norm",
    [AS_SLOT_O] = "layers.%d.self_attn.out_proj",
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_layernorm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_layernorm",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.w1",
    [AS_SLOT_UP] = "layers.%d.feed_forward.w3",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.w2",
    [AS_SLOT_ROUTER] = "layers.%d.feed_forward.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.feed_forward.expert_bias",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.feed_forward.experts.%e.w1|layers.%d.feed_forward.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] =
        "layers.%d.feed_forward.experts.%e.w3|layers.%d.feed_forward.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.feed_forward.experts.%e.w2|layers.%d.feed_forward.experts.down_proj!",
    [AS_SLOT_SSM_IN] = "layers.%d.conv.in_proj",
    [AS_SLOT_SSM_CONV] = "layers.%d.conv.conv",
    [AS_SLOT_SSM_OUT] = "layers.%d.conv.out_proj",
};

/* By layer_types, or else by full_attn_idxs; where neither is there all are attention. */
static bool is_attention(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (type) {
        bool conv = strcmp(type, "conv") == 0;
        if (!conv && strcmp(type, "full_attention") != 0) {
            as_config_fail(c, AS_E_UNSUPPORTED,
                           "\"layer_types\"[%lld] is \"%s\", expected conv or full_attention",
                           (long long)layer, type);
        }
        return !conv;
    }
    if (!as_config_has(c, "full_attn_idxs")) return true;
    const json_t *list = json_object_get(c->root, "full_attn_idxs");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_integer_value(json_array_get(list, i)) == layer) return true;
    }
    return false;
}

static int64_t feed_forward_width(as_config *c)
{
    const char *key = as_config_has(c, "block_ff_dim") ? "block_ff_dim" : "intermediate_size";
    int64_t width = as_config_size_or(c, key, 12288, AS_MOST_WIDTH);
    if (!as_config_bool(c, "block_auto_adjust_ff_dim", true)) return width;
    width = 2 * width / 3;
    if (!json_is_null(json_object_get(c->root, "block_ffn_dim_multiplier"))) {
        int64_t multiple = as_config_size_or(c, "block_multiple_of", 256, AS_MOST_WIDTH);
        double factor = as_config_number_in(c, "block_ffn_dim_multiplier", 1, 1e-6, 1e6);
        width = (int64_t)(factor * (double)width);
        width = (width + multiple - 1) / multiple * multiple;
    }
    if (width < 1 || width > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" comes to a width of %lld", key, (long long)width);
        return 1;
    }
    return width;
}

static as_attention_spec read_attention(as_config *c, as_model_spec *spec, double eps)
{
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 1e6}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    return attention;
}

/* moe, or NULL; it stands in the layers from `dense` on. */
static void describe(as_config *c, as_model_spec *spec, const as_moe_spec *moe, int64_t dense)
{
    double eps = as_config_eps(c, "norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = read_attention(c, spec, eps);
    as_short_conv_spec conv = {.taps = as_config_size_or(c, "conv_L_cache", 3, 64),
                               .bias = as_config_bool(c, "conv_bias", false)};
    as_mlp_spec mlp = {.width = spec->intermediate,
                       .act = AS_ACT_SILU,
                       .gated = true,
                       .gate = AS_SLOT_GATE,
                       .up = AS_SLOT_UP,
                       .down = AS_SLOT_DOWN};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, spec, i)) {
            as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_short_conv, &conv, norm);
        }
        if (moe && i >= dense) {
            as_spec_add_ffn(c, spec, i, &as_block_moe, moe, norm);
        } else {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        }
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
    spec->tied_head = as_config_bool(c, "tie_embedding", spec->tied_head);
}

static void describe_dense(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 128000);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    spec->intermediate = feed_forward_width(c);
    describe(c, spec, NULL, 0);
}

static void describe_moe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 128000);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 7168, AS_MOST_WIDTH);
    as_moe_spec moe = {.experts = as_config_size_or(c, "num_experts", 32, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 4, AS_MOST_EXPERTS),
                       .width = as_config_size_or(c, "moe_intermediate_size", 1792, AS_MOST_WIDTH),
                       .act = AS_ACT_SILU,
                       .gated = true,
                       .route = AS_ROUTE_SIGMOID,
                       .correction = as_config_bool(c, "use_expert_bias", true),
                       .normalise = as_config_bool(c, "norm_topk_prob", true),
                       .norm_added = 1e-6f,
                       .scale = as_config_factor(c, "routed_scaling_factor", 1),
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    describe(c, spec, &moe, as_config_int(c, "num_dense_layers", 2));
}

const as_family as_family_lfm2 = {.architectures = {"Lfm2ForCausalLM"}, .describe = describe_dense};
const as_family as_family_lfm2_moe = {.architectures = {"Lfm2MoeForCausalLM"}, .describe = describe_moe};
