/* Mixtral: Jiang et al. 2024; transformers models/mixtral. Mistral's attention, no window unless the config
 * sets one, and eight experts of which two: softmax over all, the best, renormalised. */
#include "engine/arch/arch.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = "layers.%d.block_sparse_moe.gate|layers.%d.mlp.gate",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.block_sparse_moe.experts.%e.w1|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.block_sparse_moe.experts.%e.w3|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.block_sparse_moe.experts.%e.w2|layers.%d.mlp.experts.down_proj!",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 1e6}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.window = as_spec_window(c, 0);
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH);
    const char *count = as_config_has(c, "num_experts") ? "num_experts" : "num_local_experts";
    as_moe_spec moe = {.experts = as_config_size_or(c, count, 8, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS),
                       .width = spec->intermediate,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .normalise = true,
                       .scale = 1,
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_mixtral = {.architectures = {"MixtralForCausalLM"}, .describe = describe};
