/* Mamba-2: Dao and Gu 2024; transformers models/mamba2. One mixer a layer and no positions; the context has
 * no end. chunk_size is a matter of speed. Step sizes are kept within time_step_limit on every path: the
 * oracle's single-step path leaves them as they are, so that its continuations with a cache differ from its
 * own passes over the whole text where a limit binds. */
#include "engine/arch/hybrid.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings|embedding",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_NORM_1] = "layers.%d.norm",
    AS_MAMBA2_NAMES("layers.%d.mixer"),
};

static const char *const prefixes[] = {"backbone.", "", NULL};
static const char *const ignored[] = {NULL};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 1);
    spec->context = 0;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5), 0);
    spec->intermediate = as_spec_expanded(c, spec, "expand");
    as_mamba2_spec mamba = {.heads = as_config_size_or(c, "num_heads", 128, AS_MOST_HEADS),
                            .head_dim = as_config_size_or(c, "head_dim", 64, AS_MOST_WIDTH),
                            .states = as_config_size_or(c, "state_size", 128, 1 << 16),
                            .groups = as_config_size_or(c, "n_groups", 8, AS_MOST_HEADS),
                            .taps = as_config_size_or(c, "conv_kernel", 4, 64),
                            .act = as_config_activation(c, "hidden_act", "silu"),
                            .in_bias = as_config_bool(c, "use_bias", false),
                            .conv_bias = as_config_bool(c, "use_conv_bias", true),
                            .norm = as_spec_rms(AS_SLOT_SSM_NORM, norm.eps, 0),
                            .out_scale = as_spec_rescaled(c, spec)};
    mamba.out_bias = mamba.in_bias;
    as_spec_step_limit(c, "time_step_limit", &mamba);
    as_spec_check_mamba2(c, &mamba, spec->intermediate, "num_heads", "n_groups");
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_mamba2 = {.architectures = {"Mamba2ForCausalLM"}, .describe = describe};
