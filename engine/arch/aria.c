/* Aria, the text part: Li et al. 2024; transformers models/aria. Llama with experts in every layer: the best
 * few by their scores, weighed by a softmax over those alone, and shared ones beside them. */
#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router",
    [AS_SLOT_EXPERT_GATE] = "~layers.%d.mlp.experts.gate_up_proj!#0/2|~layers.%d.mlp.experts.fc1#0/2",
    [AS_SLOT_EXPERT_UP] = "~layers.%d.mlp.experts.gate_up_proj!#1/2|~layers.%d.mlp.experts.fc1#1/2",
    [AS_SLOT_EXPERT_DOWN] = "~layers.%d.mlp.experts.down_proj!|~layers.%d.mlp.experts.fc2",
};

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "moe_num_experts",
                                                           .count_default = 8,
                                                           .top_k = "moe_topk",
                                                           .top_k_default = 2,
                                                           .width = "intermediate_size"});
    moe.normalise = true;
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "moe_num_shared_experts", 2));
    moe.act = AS_ACT_SILU; /* of the shared ones alone hidden_act says */
    moe.shared.up_bias = moe.shared.down_bias = as_config_bool(c, "mlp_bias", false);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    as_moe_spec moe = experts_of(c);
    spec->intermediate = moe.width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_aria_text = {.describe = describe};
