/* Hunyuan 3 (Tencent 2026); transformers models/hy_v3. Norms on each query and key head, sigmoid routing with
 * a correction of the choice, a shared expert, the first layer dense. */
#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router.gate|layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.expert_bias|layers.%d.mlp.e_score_correction_bias",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_mlp.gate_proj|layers.%d.mlp.shared_experts.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_mlp.up_proj|layers.%d.mlp.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_mlp.down_proj|layers.%d.mlp.shared_experts.down_proj",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 11158840}, spec);
    bool bias = as_config_bool(c, "attention_bias", false), mlp_bias = as_config_bool(c, "mlp_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .other_count = "num_local_experts",
                                                           .count_default = 192,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 1536});
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    moe.scale = as_config_factor(c, "router_scaling_factor", 2.826);
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "num_shared_experts", 1));
    moe.shared.up_bias = moe.shared.down_bias = mlp_bias;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, mlp_bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sparse = as_spec_is_sparse(c, spec, i, 1);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_hy_v3 = {.architectures = {"HYV3ForCausalLM"}, .describe = describe};
