/* Phi-1, 1.5 and 2: Li et al. 2023; transformers models/phi. Attention and feed-forward side by side behind
 * one layer norm, rotary on part of a head, biases everywhere, the head's too. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_O] = "layers.%d.self_attn.dense",
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_layernorm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_layernorm",
    [AS_SLOT_UP] = "layers.%d.mlp.fc1",
    [AS_SLOT_DOWN] = "layers.%d.mlp.fc2",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "layer_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    as_rope_defaults rotary = {
        .head_dim = spec->head_dim, .theta = 10000, .partial = 0.5, .even_share = true};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), true, true);
    if (as_config_bool(c, "qk_layernorm", false)) {
        attention.q_norm = as_spec_layer_norm(AS_SLOT_Q_NORM, eps);
        attention.k_norm = as_spec_layer_norm(AS_SLOT_K_NORM, eps);
    }
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "gelu_new"), true);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_parallel_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    spec->head_bias = true;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_phi = {.architectures = {"PhiForCausalLM"}, .describe = describe};
