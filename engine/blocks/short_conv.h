/* A gated short convolution (Liquid AI 2025): [B, C, x] = in(h); out(C * conv(B * x)). */
#ifndef AS_ENGINE_BLOCKS_SHORT_CONV_H
#define AS_ENGINE_BLOCKS_SHORT_CONV_H

#include "engine/blocks/block.h"

typedef struct as_short_conv_spec {
    int64_t taps;
    bool bias; /* of both projections and the convolution */
} as_short_conv_spec;

extern const as_block as_block_short_conv;

#endif
