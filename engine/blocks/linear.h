/* One matrix in place of a block: y = W x, as architecture searches leave it where they replace a whole
 * block. */
#ifndef AS_ENGINE_BLOCKS_LINEAR_H
#define AS_ENGINE_BLOCKS_LINEAR_H

#include "engine/blocks/block.h"

typedef struct as_linear_spec {
    as_slot slot;
    bool bias;
    as_activation act; /* y = act(W x) */
} as_linear_spec;

extern const as_block as_block_linear;

#endif
