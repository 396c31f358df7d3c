/* The time mix of RWKV 5 and 6 (Peng et al. 2024, Eagle and Finch): a matrix of state for each head that
 * forgets by channel, at constant rates (5) or at rates of each token (6). Also that of models converted from
 * attention (QRWKV: Goldstein et al. 2025, RADLADS): fewer key and value heads, no bonus and no norm. */
#ifndef AS_ENGINE_BLOCKS_RWKV6_H
#define AS_ENGINE_BLOCKS_RWKV6_H

#include "engine/blocks/rwkv_shift.h"

/* What a token's input is mixed for. */
typedef enum { AS_MIX_W, AS_MIX_K, AS_MIX_V, AS_MIX_R, AS_MIX_G, AS_MIX_PARTS } as_mix_part;

typedef struct as_rwkv6_spec {
    int64_t heads, kv_heads, head_dim;
    bool dynamic;                    /* shares and decays of each token, by matrices of a low rank */
    as_mix_part order[AS_MIX_PARTS]; /* how the matrices of the shares are stacked */
    int64_t mix_rank, decay_rank;    /* of generated weights; a checkpoint's own shapes decide */
    bool bonus;                      /* the current token counts by slot BONUS instead of fully */
    bool norm;                       /* over each head, before the gate */
    bool balanced;                   /* keys times 1 - decay, the decay at least e^-5 */
    bool qkv_bias, out_bias;
    as_activation gate_act;
    float scale, eps;
} as_rwkv6_spec;

extern const as_block as_block_rwkv6;

#endif
