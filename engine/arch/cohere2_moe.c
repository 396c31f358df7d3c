/* Command with experts (Cohere 2026); transformers models/cohere2_moe. Attention and feed-forward side by
 * side behind one norm; windows with rotary positions on most layers, none of either on the others; the first
 * layers may be dense; shared experts added or averaged in. */
#include <string.h>

#include "engine/arch/experts.h"

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .count_default = 8,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 2,
                                                           .width = "intermediate_size"});
    const char *choice = as_config_string(c, "expert_selection_fn", "softmax"),
               *combine = as_config_string(c, "shared_expert_combination_strategy", "average");
    bool sigmoid = strcmp(choice, "sigmoid") == 0, average = strcmp(combine, "average") == 0;
    if (!sigmoid && strcmp(choice, "softmax") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"expert_selection_fn\" is \"%s\", expected softmax or sigmoid",
                       choice);
    }
    if (!average && strcmp(combine, "sum") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"shared_expert_combination_strategy\" is \"%s\", expected average or sum", combine);
    }
    moe.route = sigmoid ? AS_ROUTE_TOPK_SIGMOID : AS_ROUTE_SOFTMAX_TOPK;
    moe.normalise = sigmoid && as_config_bool(c, "norm_topk_prob", true);
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "num_shared_experts", 0));
    if (moe.shared.width && average) moe.scale = moe.shared_scale = 0.5f;
    return moe;
}

static as_norm_spec norm_of(as_config *c)
{
    if (as_config_has(c, "rms_norm_eps")) {
        return as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    }
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    norm.has_bias = false;
    return norm;
}

/* Layers of the dense beginning and those behind it count their windows anew. */
static bool is_sliding_by_rule(int64_t layer, int64_t dense, int64_t dense_pattern, int64_t pattern)
{
    return layer < dense ? (layer + 1) % dense_pattern != 0 : (layer - dense + 1) % pattern != 0;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 128);
    /* The class has a field rope_scaling, which it leaves unread. */
    as_rope_defaults rotary = {
        .kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 10000, .own_scaling = true};
    int rope = as_config_rope(c, &rotary, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_norm_spec norm = norm_of(c);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    mlp.width = as_config_size_or(c, "prefix_dense_intermediate_size", mlp.width, AS_MOST_WIDTH);
    int64_t window = as_spec_window(c, 4096), dense = as_config_int(c, "first_k_dense_replace", 0),
            pattern = as_config_size_or(c, "sliding_window_pattern", 4, AS_MOST_LAYERS),
            dense_pattern = as_config_size_or(c, "prefix_dense_sliding_window_pattern", 1, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sparse = as_spec_is_sparse(c, spec, i, dense);
        attention.window =
            as_spec_layer_window(c, spec, i, is_sliding_by_rule(i, dense, dense_pattern, pattern), window);
        attention.rope = attention.window || (!sparse && dense_pattern == 1) ? rope : -1;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_step *ffn = as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
        ffn->in_norm.slot = AS_SLOT_NORM_1;
        ffn->parallel = true;
    }
    spec->logit_scale = as_config_factor(c, "logit_scale", 0.0625);
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_cohere2_moe = {.architectures = {"Cohere2MoeForCausalLM"}, .describe = describe};
