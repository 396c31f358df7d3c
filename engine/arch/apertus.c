/* Apertus: Swiss AI 2025; transformers models/apertus. Norms on each query and key head and a plain
 * feed-forward block of xIELU, an activation with two learned numbers a layer. */
#include <string.h>

#include "base/json.h"
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1] = "layers.%d.attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.feedforward_layernorm",
    [AS_SLOT_XIELU_ALPHA_P] = "layers.%d.mlp.act_fn.alpha_p!",
    [AS_SLOT_XIELU_ALPHA_N] = "layers.%d.mlp.act_fn.alpha_n!",
    [AS_SLOT_XIELU_BETA] = "layers.%d.mlp.act_fn.beta!",
    [AS_SLOT_XIELU_EPS] = "layers.%d.mlp.act_fn.eps!",
};

static as_mlp_spec describe_mlp(as_config *c, as_model_spec *spec)
{
    bool xielu = strcmp(as_config_string(c, "hidden_act", "xielu"), "xielu") == 0;
    as_activation act = xielu ? AS_ACT_NONE : as_config_activation(c, "hidden_act", "xielu");
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, act, false);
    mlp.xielu = xielu;
    return mlp;
}

/* A layer's four numbers where the configuration holds them (that of a GGUF file), not the checkpoint. */
static const double *stated_xielu(as_config *c, as_model_spec *spec, int64_t layer)
{
    static const char *const keys[] = {"xielu_alpha_p", "xielu_alpha_n", "xielu_beta", "xielu_eps"};
    if (!as_config_has(c, keys[0])) return NULL;
    double *stated = AS_ARENA_NEW_ARRAY(&spec->arena, double, 4);
    for (size_t i = 0; stated && i < 4; i++) {
        if (as_json_number(json_array_get(json_object_get(c->root, keys[i]), (size_t)layer), &stated[i]))
            continue;
        as_config_fail(c, AS_E_INPUT, "\"%s\" has no number for layer %lld", keys[i], (long long)layer);
    }
    if (!stated) as_config_fail(c, AS_E_MEMORY, "out of memory for the activation");
    return stated;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 65536);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rotary = {.head_dim = spec->head_dim,
                               .theta = 12000000,
                               .parameters =
                                   "{\"rope_type\": \"llama3\", \"rope_theta\": 12000000, \"factor\": 8, "
                                   "\"original_max_position_embeddings\": 8192, \"low_freq_factor\": 1, "
                                   "\"high_freq_factor\": 4}"};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    as_mlp_spec mlp = describe_mlp(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (mlp.xielu) mlp.xielu_stated = stated_xielu(c, spec, i);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_apertus = {.architectures = {"ApertusForCausalLM"}, .describe = describe};
