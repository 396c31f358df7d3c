/* Lightning attention (Qin et al. 2024; MiniMax-01, section 2.2): linear attention without a softmax, whose
 * heads forget at rates fixed by head and layer; a norm over all heads and a sigmoid gate before the output.
 */
#ifndef AS_ENGINE_BLOCKS_LIGHTNING_H
#define AS_ENGINE_BLOCKS_LIGHTNING_H

#include "engine/blocks/block.h"

typedef struct as_lightning_spec {
    int64_t heads, head_dim;
    as_activation act; /* on queries, keys and values */
    double slope;      /* head h of H forgets e^(-slope 2^(-8 (h + 1) / H)) at each token */
    float eps;
    /* The checkpoint may hold the decay as tables for blocks of so many tokens, which then count; 0: it holds
     * none that differ. */
    int64_t block;
} as_lightning_spec;

extern const as_block as_block_lightning;

#endif
