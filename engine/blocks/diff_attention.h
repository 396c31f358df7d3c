/* Differential attention (Ye et al. 2024): two softmax attentions, of which the second half of the heads is
 * subtracted from the first, lambda times; then a norm of each head and the output projection. */
#ifndef AS_ENGINE_BLOCKS_DIFF_ATTENTION_H
#define AS_ENGINE_BLOCKS_DIFF_ATTENTION_H

#include "engine/blocks/block.h"

typedef struct as_diff_attention_spec {
    int64_t heads, kv_heads, width; /* both even; width of queries, keys and values */
    bool bias;                      /* on all four projections */
    int rope;                       /* index into as_model_spec.ropes, -1: none */
    float eps;                      /* of the norm */
    double initial;                 /* lambda at the beginning of training, by depth */
} as_diff_attention_spec;

extern const as_block as_block_diff_attention;

#endif
