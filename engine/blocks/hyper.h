/* Hyper-connections (Zhu et al. 2024; Xie et al. 2026, "mHC: Manifold-Constrained Hyper-Connections"):
 * several residual streams side by side in what is carried from layer to layer. Each block reads one mix of
 * them and its output is spread over a mix of all, both with weights that the streams themselves give. spread
 * in the first layer: every stream is the embedding enter    before a block: replaces the session's stream by
 * sum_s in_s x_s, and keeps the other weights leave    behind it: x_s = out_s stream + sum_k mix_sk x_k; the
 * block's step replaces the stream gather   in the last layer: replaces the session's stream by sum_s in_s
 * x_s with weights of its own The weights are hyper_weights (kernels/ops.h) of a projection of all streams,
 * normalised together. */
#ifndef AS_ENGINE_BLOCKS_HYPER_H
#define AS_ENGINE_BLOCKS_HYPER_H

#include "engine/blocks/block.h"

typedef struct as_hyper_spec {
    int64_t streams;
    int64_t at;                    /* of the streams in what is carried; behind them their weights */
    as_slot project, base, factor; /* [parts, streams * hidden], [parts], one for each kind of weights */
    float norm_eps, eps, magnitude, out_eps;
    int64_t iterations;
    bool mean;        /* the last layer's gather is one, without weights */
    bool independent; /* streams are not mixed: x_s = out_s stream + x_s */
} as_hyper_spec;

/* Floats of each row that the streams and their weights take in what is carried. */
static inline int64_t as_hyper_carried(int64_t streams, int64_t hidden)
{
    return streams * hidden + streams + streams * streams;
}

extern const as_block as_block_hyper_spread, as_block_hyper_enter, as_block_hyper_leave,
    as_block_hyper_gather;

#endif
