/* StableLM 3B and 2: Bellagente et al. 2024; transformers models/stablelm. Llama with layer norms, rotary on
 * a quarter of a head, and by choice biases, a norm with weights of its own for each query and key head, and
 * both blocks side by side. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_layernorm.norms.%e",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_layernorm.norms.%e",
};

static as_norm_spec head_norm(as_slot slot, double eps)
{
    as_norm_spec norm = as_spec_layer_norm(slot, eps);
    norm.has_bias = false;
    return norm;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_even_heads(c, spec, 32);
    double eps = as_config_eps(c, "layer_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    as_rope_defaults rotary = {
        .head_dim = spec->head_dim, .theta = 10000, .partial = 0.25, .even_share = true};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec attention =
        as_spec_attention(spec, rope, as_config_bool(c, "use_qkv_bias", false), false);
    if (as_config_bool(c, "qk_layernorm", false)) {
        attention.q_norm = head_norm(AS_SLOT_Q_NORM, eps);
        attention.k_norm = head_norm(AS_SLOT_K_NORM, eps);
        attention.head_norm = AS_HEAD_NORM_OWN;
    }
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    bool parallel = as_config_bool(c, "use_parallel_residual", false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (parallel) {
            as_spec_parallel_layer(c, spec, i, &attention, &mlp, norm);
        } else {
            as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
        }
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_stablelm = {.architectures = {"StableLmForCausalLM"}, .describe = describe};
