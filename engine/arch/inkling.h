/* What Inkling and Inkling 2 share. */
#ifndef AS_ENGINE_ARCH_INKLING_H
#define AS_ENGINE_ARCH_INKLING_H

#include "engine/arch/experts.h"

/* A size under one of two names, the first before the other. */
int64_t as_inkling_size(as_config *config, const char *own, const char *other, int64_t otherwise,
                        int64_t most);
/* Whether a layer slides: layer_types, or local_layer_ids, or all but every sixth. */
bool as_inkling_slides(as_config *config, const as_model_spec *spec, int64_t layer);

typedef struct as_inkling_defaults {
    int64_t heads, kv_heads, window; /* of layers that slide */
    int64_t floor;                   /* log_scaling_n_floor; 0: queries do not grow unless it is stated */
} as_inkling_defaults;

/* Attention of the layers that see everything, or of those that slide; without scale and norms. */
as_attention_spec as_inkling_attention(as_config *config, const as_model_spec *spec,
                                       const as_inkling_defaults *defaults, bool sliding);
/* The logits that count, of those that the head gives. */
void as_inkling_cut_vocabulary(as_config *config, as_model_spec *spec, int64_t otherwise);

#endif
