/* HunYuan, dense: Tencent 2025; transformers models/hunyuan_v1_dense. Llama with norms on each query and key
 * head after the rotation, whose base a "dynamic" scaling with an "alpha" stretches once for all lengths. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.query_layernorm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.key_layernorm",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .ntk_alpha = true};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    attention.norm_after_rope = true;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_hunyuan = {.architectures = {"HunYuanDenseV1ForCausalLM"}, .describe = describe};
