/* A transformer layer whose weights several layers share (Glorioso et al. 2024, figure 2 of both Zamba
 * papers): linear(mlp(norm(attention(norm([x, embedding]))))) with no residual inside. Each use may add
 * low-rank adapters of its own to the query, key, value, gate and up projections. */
#ifndef AS_ENGINE_BLOCKS_SHARED_LAYER_H
#define AS_ENGINE_BLOCKS_SHARED_LAYER_H

#include "engine/blocks/block.h"

typedef struct as_shared_layer_spec {
    int64_t layer;  /* this one, under whose name it may have weights of its own */
    int64_t source; /* the layer under whose name the shared weights stand otherwise */
    int64_t use;    /* which of the uses this is, counted over all shared layers: %p in the adapters' names */
    int64_t heads, kv_heads, head_dim;
    int rope; /* index into as_model_spec.ropes, -1: none */
    float scale;
    double eps;
    int64_t rank; /* of the adapters */
    bool adapt_qkv, adapt_mlp;
    int64_t width; /* of the feed-forward part */
    as_activation act;
    bool mlp_bias;
} as_shared_layer_spec;

extern const as_block as_block_shared_layer;

#endif
