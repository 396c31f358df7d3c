/* MiniMax-M2 (MiniMax 2025); transformers models/minimax_m2. Norms over all queries and all keys at once,
 * rotary on part of a head, sigmoid routing with a correction of the choice, weights divided by their sum. */
#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = "layers.%d.block_sparse_moe.gate|layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] =
        "layers.%d.block_sparse_moe.e_score_correction_bias|layers.%d.mlp.e_score_correction_bias",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.block_sparse_moe.experts.%e.w1|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.block_sparse_moe.experts.%e.w3|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.block_sparse_moe.experts.%e.w2|layers.%d.mlp.experts.down_proj!",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 196608);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    int64_t rotated = as_config_size_or(c, "rotary_dim", spec->head_dim, 1 << 14);
    as_rope_defaults rotary = {
        .head_dim = spec->head_dim, .theta = 5e6, .partial = (double)rotated / (double)spec->head_dim};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), false, false);
    as_spec_norm_heads(&attention, eps);
    attention.head_norm = AS_HEAD_NORM_ROW;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 256,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "intermediate_size",
                                                           .width_default = 1536});
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    spec->intermediate = moe.width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_minimax_m2 = {.architectures = {"MiniMaxM2ForCausalLM"}, .describe = describe};
