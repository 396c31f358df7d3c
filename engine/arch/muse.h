/* What Muse Glimmer and Muse Spark share. */
#ifndef AS_ENGINE_ARCH_MUSE_H
#define AS_ENGINE_ARCH_MUSE_H

#include "engine/arch/experts.h"

/* Whether a layer rotates: layer_rope_theta says which, not by what base; else all but every fourth, counted
 * from the last. */
bool as_muse_rotates(as_config *config, const as_model_spec *spec, int64_t layer);
/* Gated attention whose queries and keys are normalised without weights; `scale`: qk_scale_factor where it is
 * absent. */
as_attention_spec as_muse_attention(as_config *config, const as_model_spec *spec, double eps, double scale);

#endif
