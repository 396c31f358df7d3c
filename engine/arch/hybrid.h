/* What families share that mix recurrent layers with attention. */
#ifndef AS_ENGINE_ARCH_HYBRID_H
#define AS_ENGINE_ARCH_HYBRID_H

#include "engine/arch/arch.h"
#include "engine/blocks/mamba.h"
#include "engine/blocks/mamba2.h"

/* The tensors of a Mamba or Mamba-2 mixer under a path, as entries of a table of names. */
#define AS_MAMBA_NAMES(path)                                                                                 \
    [AS_SLOT_SSM_IN] = path ".in_proj", [AS_SLOT_SSM_CONV] = path ".conv1d",                                 \
    [AS_SLOT_SSM_A_LOG] = path ".A_log", [AS_SLOT_SSM_D] = path ".D", [AS_SLOT_SSM_OUT] = path ".out_proj"
#define AS_MAMBA1_NAMES(path)                                                                                \
    AS_MAMBA_NAMES(path), [AS_SLOT_SSM_X] = path ".x_proj", [AS_SLOT_SSM_DT] = path ".dt_proj"
#define AS_MAMBA2_NAMES(path)                                                                                \
    AS_MAMBA_NAMES(path), [AS_SLOT_SSM_DT_BIAS] = path ".dt_bias", [AS_SLOT_SSM_NORM] = path ".norm"

/* A width that is "auto" or absent: `automatic`. */
int64_t as_spec_auto_size(as_config *config, const char *key, int64_t automatic, int64_t most);
/* int(factor * hidden), at least 1. */
int64_t as_spec_expanded(as_config *config, const as_model_spec *spec, const char *key);

/* Checks that heads, head size and groups fit the inner width: names of the keys for the message. */
void as_spec_check_mamba2(as_config *config, const as_mamba2_spec *mamba, int64_t inner,
                          const char *heads_key, const char *groups_key);
/* A pair of bounds on step sizes, "Infinity" in either form; null or absent: none. */
void as_spec_step_limit(as_config *config, const char *key, as_mamba2_spec *mamba);
/* Mamba-2 under the keys that Bamba began with (mamba_n_heads, ...), of inner width `inner`. */
as_mamba2_spec as_spec_mamba2(as_config *config, int64_t inner, double eps);

/* Whether entry i of the list under the first of the two keys that the config has is an attention layer:
 * "attention" or "full_attention" against "mamba" or "linear_attention". No list: `otherwise`. */
bool as_spec_is_attention(as_config *config, const as_model_spec *spec, int64_t layer, bool otherwise);

/* Whether entry i of the list under "layers_block_type" or "layer_types" is "hybrid", against "mamba" or
 * "linear_attention". No list: `otherwise`. */
bool as_spec_is_hybrid(as_config *config, const as_model_spec *spec, int64_t layer, bool otherwise);

/* The factor on the output matrices of Mamba that transformers applies whenever it reads a model whose
 * rescale_prenorm_residual is set, as if it were still to be trained; 1 otherwise. */
float as_spec_rescaled(as_config *config, const as_model_spec *spec);
/* A list of `count` factors; null or absent: all 1. */
void as_spec_factors(as_config *config, const char *key, int count, float *out);

#endif
