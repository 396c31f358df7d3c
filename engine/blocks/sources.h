/* A residual stream that reads its own past (Thinking Machines 2026, "Inkling 2"): what the stream was at the
 * beginning of every few layers is kept in what is carried from layer to layer, and each block reads, instead
 * of the stream, a mix of those states and the stream: each is normalised without weights, and a learned
 * query weighs them by a softmax of its products with them. The step puts its mixes into what is carried, or
 * gives one back, and may keep the stream as a further state. */
#ifndef AS_ENGINE_BLOCKS_SOURCES_H
#define AS_ENGINE_BLOCKS_SOURCES_H

#include "engine/blocks/block.h"

typedef struct as_sources_spec {
    int64_t at, count; /* of the states kept so far, in what is carried */
    int64_t mixes;     /* with a query each */
    int64_t to;        /* where they go in what is carried; -1: the first is what the step gives */
    as_slot queries;   /* [mixes, hidden]; AS_SLOT_NONE: each mix is the stream as it is */
    bool keeps;        /* the stream becomes state number `count` */
    float eps;
} as_sources_spec;

/* Sources of a mix at most. */
enum { AS_MOST_SOURCES = AS_MOST_STREAMS };

extern const as_block as_block_sources;

#endif
