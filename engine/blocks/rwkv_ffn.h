/* RWKV's channel mix: down(relu(up x)^2) of each token mixed with the one before, behind a sigmoid gate but
 * in version 7. */
#ifndef AS_ENGINE_BLOCKS_RWKV_FFN_H
#define AS_ENGINE_BLOCKS_RWKV_FFN_H

#include "engine/blocks/rwkv_shift.h"

typedef struct as_rwkv_ffn_spec {
    int64_t width;
    as_share share;
    bool gated; /* slots GATE and FFN_MIX_R */
} as_rwkv_ffn_spec;

extern const as_block as_block_rwkv_ffn;

#endif
