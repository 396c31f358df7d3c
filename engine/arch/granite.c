/* Granite 3 and 4 dense: Granite team 2024; transformers models/granite. Llama with multipliers on the
 * embedding, the scores, the residual additions and (as a divisor) the logits. Granite SWA
 * (models/granite_swa) adds sinks, a window in three layers of four and a rotary base for each layer, 0 for
 * none. HyperCLOVA X SEED (models/hyperclovax) adds norms behind the blocks, and multiplies the logits. */
#include <math.h>

#include "engine/arch/arch.h"

static const char *const swa_names[AS_SLOT_COUNT] = {[AS_SLOT_SINKS] = "layers.%d.self_attn.sinks!"};

static const char *const hyperclovax_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_norm1",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_norm2",
};

static double multiplier(as_config *c, const char *key, double otherwise)
{
    return as_config_factor(c, key, otherwise);
}

static as_attention_spec describe_attention(as_config *c, as_model_spec *spec, double scale)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale = (float)multiplier(c, "attention_multiplier", scale);
    return attention;
}

static as_mlp_spec describe_mlp(as_config *c, as_model_spec *spec)
{
    return as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                             as_config_bool(c, "mlp_bias", false));
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, const as_attention_spec *attention,
                      const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_spec_pre_norm_layer(c, spec, layer, attention, mlp, norm);
    float residual = (float)multiplier(c, "residual_multiplier", 1);
    for (int s = 0; s < 2; s++) spec->layers[layer].steps[s].residual_scale = residual;
}

static void describe_granite(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    as_attention_spec attention = describe_attention(c, spec, 1);
    as_mlp_spec mlp = describe_mlp(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = (float)multiplier(c, "embedding_multiplier", 1);
    spec->logit_scale = (float)(1 / as_config_number_in(c, "logits_scaling", 1, 1e-9, 1e9));
    as_spec_finish(c, spec, norm, false);
}

/* The layer's entry of layer_rope_theta: its base, or none for 0 and null. */
static int layer_rope(as_config *c, as_model_spec *spec, int64_t layer, int rope)
{
    const json_t *list = json_object_get(c->root, "layer_rope_theta");
    if (!list || json_is_null(list)) return rope;
    if ((int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT,
                       "\"layer_rope_theta\" must be a list of one number for each of %lld layers",
                       (long long)spec->layer_count);
        return rope;
    }
    double theta = json_number_value(json_array_get(list, (size_t)layer));
    if (!(theta >= 0 && theta < 1e30)) as_config_fail(c, AS_E_INPUT, "\"layer_rope_theta\" holds %g", theta);
    return theta > 0 ? as_config_rope_of_base(c, spec, rope, theta) : -1;
}

static void describe_granite_swa(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 4, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_attention_spec attention = describe_attention(c, spec, 1);
    as_mlp_spec mlp = describe_mlp(c, spec);
    int64_t window = as_spec_window(c, 128);
    int rope = attention.rope;
    attention.sinks = true;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i % 4 != 0, window);
        attention.rope = layer_rope(c, spec, i, rope);
        add_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = (float)multiplier(c, "embedding_multiplier", 1);
    spec->logit_scale = (float)(1 / as_config_number_in(c, "logits_scaling", 1, 1e-9, 1e9));
    spec->names = swa_names;
    as_spec_finish(c, spec, norm, true);
}

static void describe_hyperclovax(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = describe_attention(c, spec, 1 / sqrt((double)spec->head_dim));
    as_mlp_spec mlp = describe_mlp(c, spec);
    bool behind = as_config_bool(c, "use_post_norm", true);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, i, &attention, &mlp, norm);
        if (!behind) continue;
        spec->layers[i].steps[0].out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        spec->layers[i].steps[1].out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    spec->embed_scale = (float)multiplier(c, "embedding_multiplier", 1);
    spec->logit_scale = (float)multiplier(c, "logits_scaling", 1);
    spec->names = hyperclovax_names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_granite = {.architectures = {"GraniteForCausalLM"}, .describe = describe_granite};
const as_family as_family_granite_swa = {.architectures = {"GraniteSWAForCausalLM"},
                                         .describe = describe_granite_swa};
const as_family as_family_hyperclovax = {.architectures = {"HyperCLOVAXForCausalLM"},
                                         .describe = describe_hyperclovax};
