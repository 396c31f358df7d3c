/* The gated delta rule: queries, keys and values through a short convolution, a matrix of state for each head
 * that forgets by a gate and, at each token, replaces what stands under its key (Yang et al. 2024, Gated
 * Delta Networks); with a decay for each channel it is Kimi Delta Attention (Kimi team 2025). */
#ifndef AS_ENGINE_BLOCKS_DELTA_H
#define AS_ENGINE_BLOCKS_DELTA_H

#include "engine/blocks/block.h"

/* How the projections are stored. */
typedef enum {
    AS_DELTA_SEPARATE,     /* LINEAR_Q, _K, _V, _GATE, _B, _A */
    AS_DELTA_QKV,          /* LINEAR_QKV, _GATE, _B, _A */
    AS_DELTA_QKV_EITHER,   /* LINEAR_QKV, _GATE and, for each key head, _BA; or as PER_KEY_HEAD */
    AS_DELTA_PER_KEY_HEAD, /* LINEAR_QKVZ and _BA: for each key head its query, its key, then its values,
                              their gates; its updates, its decays */
} as_delta_layout;

typedef struct as_delta_spec {
    as_delta_layout layout;
    int64_t key_heads, value_heads; /* a key head serves value_heads / key_heads of them */
    int64_t key_width, value_width, taps;
    as_activation conv_act;
    float beta_scale;    /* the update is beta_scale * sigmoid */
    as_decay_kind decay; /* SOFTPLUS: exp(-e^A_log softplus(a + bias)); SIGMOID: exp(-most sigmoid(e^A_log (a
                            + bias))) */
    float most;          /* for SIGMOID */
    bool channel_decay;  /* a decay for each channel of the keys instead of each value head */
    int64_t decay_rank;  /* of the decay's projection in two halves; 0: one */
    int64_t gate_rank;   /* of the gate's; 0: one */
    as_activation gate_act;
    bool holds_a; /* the checkpoint holds -e^A_log itself */
    bool tiled;   /* value head h is served by key head h % key_heads, not by h / (value_heads / key_heads) */
    float eps;    /* of the norm before the gate */
} as_delta_spec;

extern const as_block as_block_delta;

#endif
