/* Residual streams behind low-rank gates (Qwen 2026, "Qwen4"): as in hyper.h there are several streams, which
 * a block's output is spread over; what it reads is the mean of the streams, each normalised and multiplied
 * channel by channel by a gate that all of them give,
 *   n_s = norm(x_s)    y = mean_s of sigmoid(up(silu(down(n) / streams)))_s n_s
 * enter    before a block: replaces the session's stream by y, and keeps the shares of the way out,
 *          2 sigmoid(inject(n) / streams), for as_block_hyper_leave
 * gather   in the last layer: replaces the session's stream by y
 * The streams lie in what is carried as as_hyper_spec says, whose `independent` is set. */
#ifndef AS_ENGINE_BLOCKS_GATED_STREAMS_H
#define AS_ENGINE_BLOCKS_GATED_STREAMS_H

#include "engine/blocks/hyper.h"

typedef struct as_gated_streams_spec {
    int64_t streams, at, rank;
    as_norm_spec norm; /* of each stream, with weights of its own */
    as_slot down, up, inject;
} as_gated_streams_spec;

extern const as_block as_block_gated_enter, as_block_gated_gather;

/* out [N, streams * hidden] = each stream of x normalised with weights of its own. */
void as_pass_norm_streams(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights,
                          const float *x, int64_t x_stride, float *out, int64_t streams);

#endif
