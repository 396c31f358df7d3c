/* The choice of keys by an index over pools of them (Qwen 2026, "Qwen4"): every `every` tokens are a pool,
 * whose key is the mean of its tokens'; a row sees the tokens of the pools that it scores highest, and those
 * behind the last full one. */
#ifndef AS_ENGINE_BLOCKS_POOL_INDEX_H
#define AS_ENGINE_BLOCKS_POOL_INDEX_H

#include "engine/blocks/block.h"

typedef struct as_pool_index_spec {
    int64_t top; /* pools of a row; 0: there is no index */
    int64_t every, heads, width;
    int rope, rope_key; /* of queries; of keys, by the position of a pool's first token */
    as_norm_spec q_norm, k_norm;
} as_pool_index_spec;

typedef struct as_pool_index_weights {
    as_linear project; /* slot INDEX_QK: queries of all heads, then the key */
    as_norm_weights q_norm, k_norm;
    const float *zeros, *ones; /* [every, width], [heads] */
} as_pool_index_weights;

/* Keys of a row at most. */
static inline int64_t as_pool_index_keys(const as_pool_index_spec *index)
{
    return index->top * index->every + index->every - 1;
}

AS_MUST_USE as_code as_bind_pool_index(as_binder *binder, const as_model_spec *spec,
                                       const as_pool_index_spec *index, as_pool_index_weights *out,
                                       as_error *err);
/* Adds to a block's needs the second cache, the state (in `part`) and work floats. */
void as_pool_index_needs(const as_model_spec *spec, const as_pool_index_spec *index, int part,
                         as_block_needs *needs);
/* Stores the pools that this pass's rows of x complete; the keys of each row, [N, as_pool_index_keys], in
 * work space. */
const int32_t *as_pass_pool_index(as_pass *pass, const as_pool_index_spec *index,
                                  const as_pool_index_weights *w, float *state, const float *x);

#endif
