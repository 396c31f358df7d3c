/* RWKV 4's time mix (Peng et al. 2023): keys, values and receptance of each token mixed with the one before,
 * and an average of values whose weights fall off with time. */
#ifndef AS_ENGINE_BLOCKS_RWKV4_H
#define AS_ENGINE_BLOCKS_RWKV4_H

#include "engine/blocks/block.h"

typedef struct as_rwkv4_spec {
    int64_t width;
} as_rwkv4_spec;

extern const as_block as_block_rwkv4;

#endif
