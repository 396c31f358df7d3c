/* Alternating updates (Baykal et al. 2023, "Alternating Updates for Efficient Transformers", as Gemma 3n has
 * them): several residual streams, of which each layer computes one and derives the others. They lie side by
 * side in what is carried from layer to layer; the session's one stream is the computed one, within a layer.
 *   spread   in the first layer: the other streams from the first
 *   predict  at a layer's start: x_s += sum_k p_sk x_k; replaces the stream by the active one
 *   correct  at its end: x_s += (1 + c_s) (stream - x_active); replaces the stream by the active one
 *   gather   in the last layer: replaces the stream by the mean of the first and of the others, mapped back
 * with p and c linear in tanh of a small router's output. */
#ifndef AS_ENGINE_BLOCKS_ALTUP_H
#define AS_ENGINE_BLOCKS_ALTUP_H

#include "engine/blocks/block.h"

typedef struct as_altup_spec {
    int64_t streams, active;
    int64_t at; /* of the streams in what is carried */
    as_norm_spec router_norm;
} as_altup_spec;

extern const as_block as_block_altup_spread, as_block_altup_predict, as_block_altup_correct,
    as_block_altup_gather;

/* The learned augmented residual (Menghani et al. 2024, "LAuReL"), low-rank: x + norm(up(down(x))). */
typedef struct as_laurel_spec {
    int64_t rank;
    as_norm_spec norm;
} as_laurel_spec;

extern const as_block as_block_laurel;

#endif
