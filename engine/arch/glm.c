/* GLM-4 9B (GLM) and the GLM-4-0414 models (GLM 4): GLM team 2024; transformers models/glm, models/glm4.
 * Pairs of neighbours rotated in half of a head, one projection for gate and up, biases on q, k and v; GLM 4
 * has a norm behind each block too. GLM-4.1V and GLM-OCR read with GLM 4 (models/glm4v, models/glm_ocr). */
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

/* What the classes differ in; head_dim 0: hidden / heads. */
typedef struct defaults {
    int64_t context, kv_heads, head_dim;
    double eps, partial;
    bool bias;
} defaults;

static double describe_layers(as_config *c, as_model_spec *spec, const defaults *d)
{
    as_spec_base(c, spec, d->context);
    as_spec_heads(c, spec, d->kv_heads, d->head_dim);
    double eps = as_config_eps(c, "rms_norm_eps", d->eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_rope_defaults rotary = {
        .kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 10000, .partial = d->partial};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, d->bias, false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
    return eps;
}

static defaults text_defaults(as_config *c)
{
    return (defaults){.context = 131072,
                      .kv_heads = 2,
                      .head_dim = 128,
                      .eps = 1.5625e-7,
                      .partial = 0.5,
                      .bias = as_config_bool(c, "attention_bias", true)};
}

static void describe_glm(as_config *c, as_model_spec *spec)
{
    defaults d = text_defaults(c);
    (void)describe_layers(c, spec, &d);
    spec->names = glm_names;
}

static void describe_sandwich(as_config *c, as_model_spec *spec, const defaults *d)
{
    double eps = describe_layers(c, spec, d);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        spec->layers[i].steps[0].out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        spec->layers[i].steps[1].out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    spec->names = glm4_names;
}

static void describe_glm4(as_config *c, as_model_spec *spec)
{
    defaults d = text_defaults(c);
    describe_sandwich(c, spec, &d);
}

static void describe_glm4v(as_config *c, as_model_spec *spec)
{
    describe_sandwich(c, spec,
                      &(defaults){.context = 32768, .kv_heads = 2, .eps = 1e-5, .partial = 1, .bias = true});
}

/* Published with a layer more, which predicts further tokens. */
static void describe_glm_ocr(as_config *c, as_model_spec *spec)
{
    describe_sandwich(c, spec, &(defaults){.context = 131072, .kv_heads = 8, .eps = 1e-5, .partial = 1});
    as_spec_ignore_numbered(c, spec, "*layers.%lld.*", spec->layer_count, 1);
}

const as_family as_family_glm = {.architectures = {"GlmForCausalLM"}, .describe = describe_glm};
const as_family as_family_glm4 = {.architectures = {"Glm4ForCausalLM"}, .describe = describe_glm4};
const as_family as_family_glm4v = {.describe = describe_glm4v};
const as_family as_family_glm_ocr = {.describe = describe_glm_ocr};
