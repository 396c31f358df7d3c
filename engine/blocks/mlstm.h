/* The matrix memory of xLSTM (Beck et al. 2024, section 2.3): linear attention whose states and their sums of
 * keys are gated by an exponential and a sigmoid, divided by the query's share of the sum of keys; a norm of
 * each head and an output gate behind. */
#ifndef AS_ENGINE_BLOCKS_MLSTM_H
#define AS_ENGINE_BLOCKS_MLSTM_H

#include "engine/blocks/block.h"

typedef struct as_mlstm_spec {
    int64_t heads, key_width, value_width;
    bool fused; /* slots LINEAR_QKVZ and LINEAR_BA instead of _Q, _K, _V, _GATE and _B (input), _A (forget) */
    bool bias;  /* on the projections but the two gates', which always have one, and on the norm */
    float gate_cap;    /* soft cap of the two gates */
    float eps;         /* of the division */
    as_norm_spec norm; /* of each head, with weights of its own */
} as_mlstm_spec;

extern const as_block as_block_mlstm;

#endif
