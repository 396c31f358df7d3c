/* What families with hyper-connections share. */
#ifndef AS_ENGINE_ARCH_HYPER_H
#define AS_ENGINE_ARCH_HYPER_H

#include "engine/arch/arch.h"
#include "engine/blocks/hyper.h"

/* Streams by hc_mult and hc_eps, with room for them in what is carried; magnitude and iterations are the
 * family's. eps is that of the norm over all streams. */
as_hyper_spec as_spec_hyper(as_config *config, as_model_spec *spec, double eps);

/* The first layer's first step, which makes every stream the embedding. */
void as_spec_spread(as_config *config, as_model_spec *spec, const as_hyper_spec *hyper);

/* A block of a layer between its streams, the first (0) or the second (1) behind its norm. The first layer's
 * first spreads the embedding over the streams, the last layer's second gathers them. */
as_step *as_spec_add_streamed(as_config *config, as_model_spec *spec, int64_t layer,
                              const as_hyper_spec *hyper, int which, const as_block *block, const void *form,
                              as_norm_spec norm);

#endif
