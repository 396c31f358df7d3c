/* Mamba: Gu and Dao 2023; transformers models/mamba. One mixer a layer and no positions; the context has no
 * end. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/block.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_HEAD] = "^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.norm",
    [AS_SLOT_SSM_IN] = "layers.%d.mixer.in_proj",
    [AS_SLOT_SSM_CONV] = "layers.%d.mixer.conv1d",
    [AS_SLOT_SSM_X] = "layers.%d.mixer.x_proj",
    [AS_SLOT_SSM_DT] = "layers.%d.mixer.dt_proj",
    [AS_SLOT_SSM_A_LOG] = "layers.%d.mixer.A_log",
    [AS_SLOT_SSM_D] = "layers.%d.mixer.D",
    [AS_SLOT_SSM_OUT] = "layers.%d.mixer.out_proj",
};

static const char *const prefixes[] = {"backbone.", "", NULL};
static const char *const ignored[] = {NULL};

/* "auto" is hidden / 16, rounded up. */
static int64_t dt_rank(as_config *c, int64_t hidden)
{
    const char *word = json_string_value(json_object_get(c->root, "time_step_rank"));
    int64_t automatic = (hidden + 15) / 16;
    return word && strcmp(word, "auto") == 0
               ? automatic
               : as_config_size_or(c, "time_step_rank", automatic, AS_MOST_WIDTH);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 1);
    spec->context = 0;
    double eps = as_config_eps(c, "layer_norm_epsilon", 1e-5);
    double expand = as_config_number_in(c, "expand", 2, 1e-3, 1024);
    int64_t width = (int64_t)(expand * (double)spec->hidden);
    spec->intermediate = width > 0 ? width : 1; /* whatever "intermediate_size" says */
    as_mamba_spec mamba = {.width = spec->intermediate,
                           .states = as_config_size_or(c, "state_size", 16, 4096),
                           .taps = as_config_size_or(c, "conv_kernel", 4, 64),
                           .dt_rank = dt_rank(c, spec->hidden),
                           .act = as_config_activation(c, "hidden_act", "silu"),
                           .conv_bias = as_config_bool(c, "use_conv_bias", true),
                           .bias = as_config_bool(c, "use_bias", false)};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *mixer = as_spec_add_step(&spec->layers[i], &as_block_mamba, "mixer");
        mixer->in_norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
        mixer->u.mamba = mamba;
    }
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", true);
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
}

const as_family as_family_mamba = {.architectures = {"MambaForCausalLM"}, .describe = describe};
