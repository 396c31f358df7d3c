/* Attention with compressed keys (DeepSeek-AI 2026, "DeepSeek-V4", section 2.3). All heads share one vector a
 * token that is key and value at once. Its last elements turn by its position; the output's turn back by the
 * row's, so that what a value brings depends on its distance. A row sees
 *   - the tokens of a window, and a sink for each head;
 *   - with a rate, one key of every `rate` tokens before it (operation pool_keys), turned by the first one's
 *     position: all of them, or with an index those that it scores highest. The index has smaller keys,
 * pooled likewise. The heads' outputs are projected in groups (slot O_DOWN) and together (slot O). */
#ifndef AS_ENGINE_BLOCKS_COMPRESSED_H
#define AS_ENGINE_BLOCKS_COMPRESSED_H

#include "engine/blocks/block.h"

typedef struct as_compressed_spec {
    int64_t heads, width;
    int64_t q_rank; /* of the queries' latent */
    int64_t window;
    int64_t groups, group_rank;
    int rope, rope_back;                     /* of tokens, of outputs: turn the last elements of a head */
    as_norm_spec q_norm, head_norm, kv_norm; /* of the queries' latent, of each query, of the shared vector */
    float scale;

    int64_t rate; /* tokens of one compressed key; 0: there are none */
    bool overlap; /* the tokens of two windows make a key */
    int rope_key; /* by the position of a window's first token */
    as_norm_spec entry_norm;

    int64_t index_heads, index_width, index_top; /* index_top 0: rows see all compressed keys before them */
    as_norm_spec index_norm;
} as_compressed_spec;

extern const as_block as_block_compressed;

#endif
