/* GLM-4 9B (GLM) and the GLM-4-0414 models (GLM 4): GLM team 2024; transformers models/glm, models/glm4.
 * Pairs of neighbours rotated in half of a head, one projection for gate and up, biases on q, k and v; GLM 4
 * has a norm behind each block too. */
#include "engine/arch/arch.h"

static const char *const glm_names[AS_SLOT_COUNT] = {
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_up_proj#0/2",
    [AS_SLOT_UP] = "layers.%d.mlp.gate_up_proj#1/2",
};

static const char *const glm4_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_self_attn_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_mlp_layernorm",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_up_proj#0/2",
    [AS_SLOT_UP] = "layers.%d.mlp.gate_up_proj#1/2",
};

static double describe_layers(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, 2, 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1.5625e-7);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_rope_defaults rotary = {
        .kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 10000, .partial = 0.5};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec attention =
        as_spec_attention(spec, rope, as_config_bool(c, "attention_bias", true), false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
    return eps;
}

static void describe_glm(as_config *c, as_model_spec *spec)
{
    (void)describe_layers(c, spec);
    spec->names = glm_names;
}

static void describe_glm4(as_config *c, as_model_spec *spec)
{
    double eps = describe_layers(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        spec->layers[i].steps[0].out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        spec->layers[i].steps[1].out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    spec->names = glm4_names;
}

const as_family as_family_glm = {.architectures = {"GlmForCausalLM"}, .describe = describe_glm};
const as_family as_family_glm4 = {.architectures = {"Glm4ForCausalLM"}, .describe = describe_glm4};
