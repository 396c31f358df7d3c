/* Multi-head latent attention (DeepSeek-AI 2024, "DeepSeek-V2", section 2.1): keys and values of all heads
 * are products of one latent vector a token, beside which stands one rotated key for all heads. The cache
 * holds the latent and that key alone. Queries are brought into the latent's space (they absorb the key
 * projection) and the heads' outputs out of it, so that attention is that of many heads over one head of
 * keys, whose first part is the values too.
 *
 * With an indexer (DeepSeek-AI 2025, "DeepSeek-V3.2", section 2.1) each row attends only to the keys that its
 * index scores highest; the index has a small cache of keys of its own. */
#ifndef AS_ENGINE_BLOCKS_MLA_H
#define AS_ENGINE_BLOCKS_MLA_H

#include "engine/blocks/attention.h"

typedef enum {
    AS_INDEX_NONE,   /* rows see all keys before them */
    AS_INDEX_OWN,    /* slots INDEX_Q, INDEX_K, INDEX_K_NORM, INDEX_WEIGHTS; the choice is carried on */
    AS_INDEX_SHARED, /* the choice of the last layer that made one */
} as_index_source;

typedef struct as_mla_spec {
    int64_t heads;
    int64_t q_rank;     /* of the queries' latent; 0: they are projected at once (slot Q) */
    int64_t kv_rank;    /* of the keys' and values' latent */
    int64_t nope, rope; /* widths of a head's parts without and with rotation */
    int64_t v_width;
    int rope_table; /* index into as_model_spec.ropes, -1: the second part is not rotated either */
    bool bias;      /* on the projections into latents and on the output's */
    as_norm_spec q_norm, kv_norm;
    float q_scale, kv_scale; /* on queries, on the keys' and values' latent; 0 means 1 */
    as_query_growth growth;
    /* Queries times a ln(position + 1) + b, each head its own (slots HEAD_GROWTH and HEAD_GROWTH_BASE); those
     * of the index too. */
    bool head_growth;
    bool shared_cache; /* keys of another layer (as_step.cache_layer) */
    float scale;
    int64_t window;             /* 0: none */
    bool sinks;                 /* slot SINKS */
    as_attention_gate out_gate; /* of the heads' outputs, by a sigmoid */
    bool q_with_raw; /* queries are projected from their latent and, behind it, the same before its norm */
    as_norm_spec k_norm; /* of the rotated key, before the rotation */

    as_index_source index; /* without a queries' latent its queries are of the input, behind index_q_norm */
    int64_t index_at;      /* of the choice in what is carried from layer to layer */
    int64_t index_heads, index_width, index_top;
    /* Tokens of one of its keys, weighed by a gate (slots INDEX_POOL_GATE and INDEX_POOL_BIAS; operation
     * pool_keys): a row sees the tokens of the `index_pools` that score highest, and those behind the last
     * full one; index_top counts them all. 0: each token has a key. */
    int64_t index_pool, index_pools;
    int index_rope;       /* turns `rope` elements */
    int64_t index_offset; /* where in a head they begin */
    as_norm_spec index_norm, index_q_norm;
} as_mla_spec;

extern const as_block as_block_mla;

#endif
