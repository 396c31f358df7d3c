/* Compressed convolutional attention (Figliolia et al. 2025; ZAYA1): two convolutions over tokens, one of
 * each channel and one within each head, mix queries and keys, to which the mean of both is added; half of
 * the values are those of the token before. */
#ifndef AS_ENGINE_BLOCKS_CONV_ATTENTION_H
#define AS_ENGINE_BLOCKS_CONV_ATTENTION_H

#include "engine/blocks/block.h"

typedef struct as_conv_attention_spec {
    int64_t heads, kv_heads, width;
    int64_t channel_taps, head_taps;
    bool bias; /* on the projections */
    int rope;  /* index into as_model_spec.ropes, -1: none */
    int64_t window;
} as_conv_attention_spec;

extern const as_block as_block_conv_attention;

#endif
