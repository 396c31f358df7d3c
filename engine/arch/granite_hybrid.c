/* Granite 4.0 (IBM 2025; transformers models/granitemoehybrid): Mamba-2 or attention by layer_types,
 * Granite's four factors, no positions unless position_embedding_type is "rope", and a feed-forward part that
 * stands alone or, with num_local_experts above 0, beside routed experts. */
#include <string.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/moe.h"

#define SHARED_NAMES(gate, up, down)                                                                         \
    [gate] = "layers.%d.shared_mlp.input_linear#0/2", [up] = "layers.%d.shared_mlp.input_linear#1/2",        \
    [down] = "layers.%d.shared_mlp.output_linear"

static const char *const names[AS_SLOT_COUNT] = {
    SHARED_NAMES(AS_SLOT_GATE, AS_SLOT_UP, AS_SLOT_DOWN),
    SHARED_NAMES(AS_SLOT_SHARED_GATE, AS_SLOT_SHARED_UP, AS_SLOT_SHARED_DOWN),
    [AS_SLOT_ROUTER] = "layers.%d.block_sparse_moe.router.layer|layers.%d.block_sparse_moe.router",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.block_sparse_moe.input_linear#0/2|"
                            "layers.%d.block_sparse_moe.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.block_sparse_moe.input_linear#1/2|"
                          "layers.%d.block_sparse_moe.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] =
        "layers.%d.block_sparse_moe.output_linear|layers.%d.block_sparse_moe.experts.down_proj!",
    AS_MAMBA2_NAMES("layers.%d.mamba"),
};

static as_attention_spec read_attention(as_config *c, as_model_spec *spec)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    const char *positions = as_config_string(c, "position_embedding_type", "");
    int rope = -1;
    if (strcmp(positions, "rope") == 0) {
        rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    }
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale = as_config_factor(c, "attention_multiplier", 1);
    return attention;
}

/* The routed experts; none where their number is 0. */
static as_moe_spec read_experts(as_config *c, as_model_spec *spec, const as_mlp_spec *shared)
{
    as_moe_spec moe = {.act = shared->act, .gated = true, .route = AS_ROUTE_SOFTMAX_TOPK, .groups = 1};
    int64_t count = as_config_int(c, "num_local_experts", 8);
    if (count == 0) return moe;
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH);
    moe.experts = as_config_size_or(c, "num_local_experts", 8, AS_MOST_EXPERTS);
    moe.top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS);
    moe.width = spec->intermediate;
    moe.shared = *shared;
    moe.shared.gate = AS_SLOT_SHARED_GATE;
    moe.shared.up = AS_SLOT_SHARED_UP;
    moe.shared.down = AS_SLOT_SHARED_DOWN;
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = read_attention(c, spec);
    int64_t least = as_config_int(c, "num_local_experts", 8) > 0 ? 0 : 1; /* beside experts it may lack */
    spec->intermediate =
        (int64_t)as_config_number_in(c, "shared_intermediate_size", 1024, (double)least, AS_MOST_WIDTH);
    as_mlp_spec mlp = {.width = spec->intermediate,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .gate = AS_SLOT_GATE,
                       .up = AS_SLOT_UP,
                       .down = AS_SLOT_DOWN};
    as_moe_spec moe = read_experts(c, spec, &mlp);
    as_mamba2_spec mamba = as_spec_mamba2(c, as_spec_expanded(c, spec, "mamba_expand"), eps);
    float residual = as_config_factor(c, "residual_multiplier", 1);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *mixer = as_spec_is_attention(c, spec, i, false)
                             ? as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm)
                             : as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
        as_step *ffn = moe.experts ? as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm)
                                   : as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        mixer->residual_scale = ffn->residual_scale = residual;
    }
    spec->embed_scale = as_config_factor(c, "embedding_multiplier", 1);
    spec->logit_scale = (float)(1 / as_config_number_in(c, "logits_scaling", 1, 1e-9, 1e9));
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_granite_hybrid = {.architectures = {"GraniteMoeHybridForCausalLM"},
                                            .describe = describe};
