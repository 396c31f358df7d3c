/* Recurrence over two stacks of layers (Wang et al. 2025, "Hierarchical Reasoning Model"): a fast and a slow
 * state, in what is carried from layer to layer. A stack reads their sum and gives one of them anew.
 *   begin  before the first layer: the slow state is the embedding, the fast one a vector of the model's
 *   turn   behind a stack, whose last norm it reads: keeps that as a state
 * Both replace the stream by the states' sum; the last turn by what it keeps. */
#ifndef AS_ENGINE_BLOCKS_RECURRENCE_H
#define AS_ENGINE_BLOCKS_RECURRENCE_H

#include "engine/blocks/block.h"

typedef struct as_recurrence_spec {
    bool begin, slow, last; /* slow: the state that a turn gives anew */
} as_recurrence_spec;

extern const as_block as_block_recurrence;

#endif
