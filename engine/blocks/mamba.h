/* Mamba (Gu and Dao 2023): in -> convolution -> selective scan -> gate -> out. */
#ifndef AS_ENGINE_BLOCKS_MAMBA_H
#define AS_ENGINE_BLOCKS_MAMBA_H

#include "engine/blocks/block.h"

typedef struct as_mamba_spec {
    int64_t width, states, taps, dt_rank;
    int64_t heads;     /* equal parts of the channels, each with a dt, b and c of its own (Zamba), stored as
                          stacks with     slot SSM_DT_BIAS beside; 0: one for all channels */
    bool split_in;     /* the gate is projected by slot SSM_GATE, not in SSM_IN's second half */
    as_activation act; /* of the convolution; the gate is SiLU always */
    bool conv_bias, bias;
    as_norm_spec dt_norm, b_norm, c_norm; /* of what the x projection gives */
    float out_scale;                      /* on what the output projection is given; 0 means 1 */
    bool holds_a;                         /* the checkpoint holds a itself, not ln(-a) */
} as_mamba_spec;

/* The decay rates a, of which checkpoints usually hold ln(-a) in slot SSM_A_LOG. */
AS_MUST_USE as_code as_mamba_bind_decay(as_binder *binder, int64_t count, bool holds_a, const float **out,
                                        as_error *err);

extern const as_block as_block_mamba;

#endif
