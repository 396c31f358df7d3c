/* Per-layer inputs (Gemma 3n and 4): each token has, beside its embedding, a small vector for every layer,
 *   e_l = (norm(P_l x / sqrt(hidden)) + table_l[token] sqrt(width)) / sqrt(2)      x: the embedding
 * which the layer multiplies into its stream:
 *   y = norm(out(act(gate(scale * stream)) * e_l)) */
#ifndef AS_ENGINE_BLOCKS_PER_LAYER_H
#define AS_ENGINE_BLOCKS_PER_LAYER_H

#include "engine/blocks/block.h"

typedef struct as_per_layer_spec {
    int64_t width, layers;
    int64_t vocab; /* rows of the table; tokens beyond it take its first */
    int64_t at;    /* of the inputs in what is carried */
    as_activation act;
    as_norm_spec in_norm, out_norm;
    bool scaled; /* slot ALTUP_SCALE; else no scale */
    /* Streams after the first, to which y is added (see altup.h), and their place in what is carried; 0: y is
     * the block's output. */
    int64_t other_streams, other_at;
} as_per_layer_spec;

/* Makes all layers' inputs: the first step of the first layer. */
extern const as_block as_block_per_layer_inputs;
/* Applies one layer's. */
extern const as_block as_block_per_layer;

#endif
