/* The choice of keys by an index over runs of them (MiniMax 2026, "MiniMax-M3"): every token has an index
 * key; each head of the index lets the queries of its group see the runs of `every` tokens that hold the keys
 * it scores highest, and the last `local` ones. */
#ifndef AS_ENGINE_BLOCKS_RUN_INDEX_H
#define AS_ENGINE_BLOCKS_RUN_INDEX_H

#include "engine/blocks/block.h"

typedef struct as_run_index_spec {
    int64_t top; /* runs of a row; 0: there is no index */
    int64_t every, local, heads, width;
    int rope; /* of the beginning of queries and keys */
    as_norm_spec q_norm, k_norm;
} as_run_index_spec;

typedef struct as_run_index_weights {
    as_linear q, k; /* slots INDEX_Q, INDEX_K */
    as_norm_weights q_norm, k_norm;
} as_run_index_weights;

/* Keys of a row at most, of each list. */
static inline int64_t as_run_index_keys(const as_run_index_spec *index)
{
    return index->top * index->every;
}

/* Lists of keys, one for each key/value head of the cache: so many that each belongs to one head of the index
 * and to one of the model's. Key/value heads stand in the cache lists / kv_heads times. */
int64_t as_run_index_lists(const as_run_index_spec *index, int64_t kv_heads);

AS_MUST_USE as_code as_bind_run_index(as_binder *binder, const as_model_spec *spec,
                                      const as_run_index_spec *index, as_run_index_weights *out,
                                      as_error *err);
/* Adds to a block's needs the second cache and work floats. */
void as_run_index_needs(const as_model_spec *spec, const as_run_index_spec *index, int64_t lists,
                        as_block_needs *needs);
/* Stores this pass's index keys; the keys of each row, [N, lists, as_run_index_keys], in work space. */
const int32_t *as_pass_run_index(as_pass *pass, const as_run_index_spec *index, const as_run_index_weights *w,
                                 int64_t lists, const float *x);

#endif
