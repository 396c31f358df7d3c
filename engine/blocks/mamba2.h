/* Mamba-2 (Dao and Gu 2024): in -> convolution of x, B and C -> scan by heads -> gated norm -> out. */
#ifndef AS_ENGINE_BLOCKS_MAMBA2_H
#define AS_ENGINE_BLOCKS_MAMBA2_H

#include "engine/blocks/block.h"

/* Factors on the parts of the input projection's output; 0 means 1. */
typedef struct as_mamba2_factors {
    float gate, x, b, c, dt;
} as_mamba2_factors;

typedef struct as_mamba2_spec {
    int64_t heads, head_dim, states, groups, taps;
    as_activation act; /* of the convolution; the gate is SiLU always */
    bool in_bias, conv_bias, out_bias;
    float dt_least, dt_most; /* step sizes are kept between them */
    as_norm_spec norm;       /* before the output projection, each group alone; may be absent */
    bool norm_before_gate;   /* norm(y) * gate, else norm(y * gate) */
    as_mamba2_factors factors;
    bool holds_a;    /* the checkpoint holds a itself, not ln(-a) */
    float out_scale; /* on what the output projection is given; 0 means 1 */
} as_mamba2_spec;

extern const as_block as_block_mamba2;

#endif
