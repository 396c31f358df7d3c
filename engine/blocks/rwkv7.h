/* RWKV 7's time mix (Peng et al. 2025, Goose): a matrix of state for each head that forgets by channel and
 * replaces what stands under a key, at rates of each token; values are drawn towards those of the first
 * layer. */
#ifndef AS_ENGINE_BLOCKS_RWKV7_H
#define AS_ENGINE_BLOCKS_RWKV7_H

#include "engine/blocks/rwkv_shift.h"

typedef struct as_rwkv7_spec {
    int64_t heads, head_dim, value_dim; /* value_dim: of a head */
    bool first; /* the first layer: its values are handed on (as_model_spec.carried) */
    int64_t decay_rank, rate_rank, value_rank, gate_rank; /* of generated weights */
    float eps;
} as_rwkv7_spec;

extern const as_block as_block_rwkv7;

#endif
