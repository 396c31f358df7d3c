/* Griffin's recurrent block (De et al. 2024): out(act(gate x) * scan(conv(in x))), the scan of a real-gated
 * linear recurrent unit whose two gates are block-diagonal. */
#ifndef AS_ENGINE_BLOCKS_RGLRU_H
#define AS_ENGINE_BLOCKS_RGLRU_H

#include "engine/blocks/block.h"

typedef struct as_rglru_spec {
    int64_t width, blocks, taps; /* blocks divide the width */
    as_activation act;
} as_rglru_spec;

extern const as_block as_block_rglru;

#endif
