/* CTRL: Keskar et al. 2019; transformers models/ctrl. Sinusoidal positions, embeddings times sqrt(hidden),
 * layer norms of which only the last takes its epsilon from the config (the others have 1e-6), a head with a
 * bias. */
#include <math.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {"n_embd", "n_layer", "n_head", "n_positions"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "w",
    [AS_SLOT_FINAL_NORM] = "layernorm",
    [AS_SLOT_NORM_1] = "h.%d.layernorm1",
    [AS_SLOT_NORM_2] = "h.%d.layernorm2",
    [AS_SLOT_Q] = "h.%d.multi_head_attention.Wq",
    [AS_SLOT_K] = "h.%d.multi_head_attention.Wk",
    [AS_SLOT_V] = "h.%d.multi_head_attention.Wv",
    [AS_SLOT_O] = "h.%d.multi_head_attention.dense",
    [AS_SLOT_UP] = "h.%d.ffn.0",
    [AS_SLOT_DOWN] = "h.%d.ffn.2",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*pos_encoding", NULL};

/* The sines of the even elements' angles, then the cosines of the odd ones'. */
static void fill_sinusoids(int64_t position, int64_t width, float *out)
{
    for (int64_t i = 0; i < width; i++) {
        float exponent = (float)(2 * (i / 2)) / (float)width;
        float angle = (float)position * (1 / powf(10000, exponent));
        out[i % 2 ? (width + 1) / 2 + i / 2 : i / 2] = i % 2 ? cosf(angle) : sinf(angle);
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 256);
    spec->intermediate =
        as_config_size_or(c, as_config_key(c, "dff", "intermediate_size"), 8192, AS_MOST_WIDTH);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-6);
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_RELU, true);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->positions = (as_position_spec){.present = true, .fill = fill_sinusoids};
    spec->head_bias = true;
    spec->names = names;
    norm.eps = (float)as_config_eps(c, "layer_norm_epsilon", 1e-6);
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_ctrl = {.architectures = {"CTRLLMHeadModel"}, .describe = describe};
