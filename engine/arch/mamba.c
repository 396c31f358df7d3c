/* Mamba: Gu and Dao 2023; transformers models/mamba. One mixer a layer and no positions; the context has no
 * end. Falcon Mamba (Zuo et al. 2024; models/falcon_mamba) adds weightless norms of dt, B and C. */
#include "engine/arch/hybrid.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_NORM_1] = "layers.%d.norm",
    AS_MAMBA1_NAMES("layers.%d.mixer"),
};

static const char *const prefixes[] = {"backbone.", "", NULL};
static const char *const ignored[] = {NULL};

static void describe(as_config *c, as_model_spec *spec, as_norm_spec parts)
{
    as_spec_base(c, spec, 1);
    spec->context = 0;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5), 0);
    spec->intermediate =
        as_config_size_or(c, "intermediate_size", as_spec_expanded(c, spec, "expand"), AS_MOST_WIDTH);
    as_mamba_spec mamba = {
        .width = spec->intermediate,
        .states = as_config_size_or(c, "state_size", 16, 4096),
        .taps = as_config_size_or(c, "conv_kernel", 4, 64),
        .dt_rank = as_spec_auto_size(c, "time_step_rank", (spec->hidden + 15) / 16, AS_MOST_WIDTH),
        .act = as_config_activation(c, "hidden_act", "silu"),
        .conv_bias = as_config_bool(c, "use_conv_bias", true),
        .bias = as_config_bool(c, "use_bias", false),
        .out_scale = as_spec_rescaled(c, spec),
        .dt_norm = parts,
        .b_norm = parts,
        .c_norm = parts};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_mamba, &mamba, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

static void describe_mamba(as_config *c, as_model_spec *spec)
{
    describe(c, spec, (as_norm_spec){.present = false});
}

static void describe_falcon(as_config *c, as_model_spec *spec)
{
    as_norm_spec parts = as_spec_rms(AS_SLOT_NONE, as_config_eps(c, "mixer_rms_eps", 1e-6), 0);
    parts.weightless = true;
    describe(c, spec, parts);
}

const as_family as_family_mamba = {.architectures = {"MambaForCausalLM"}, .describe = describe_mamba};
const as_family as_family_falcon_mamba = {.architectures = {"FalconMambaForCausalLM"},
                                          .describe = describe_falcon};
