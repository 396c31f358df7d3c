/* Keys of several tokens: what blocks that pool tokens share. */
#ifndef AS_ENGINE_BLOCKS_POOL_H
#define AS_ENGINE_BLOCKS_POOL_H

#include "engine/pass.h"

/* Work floats that as_pass_pool_spans takes for each row. */
static inline int64_t as_pass_pool_span_needs(void)
{
    return (int64_t)(sizeof(as_span) / sizeof(float));
}

/* The pools of `every` tokens that end in this pass, as rows of spans of their own. */
as_span *as_pass_pool_spans(as_pass *pass, int64_t every);
/* Brings the rows [N, width] in which a pool ends to the front. */
void as_pass_gather_pools(const as_pass *pass, int64_t every, int64_t width, float *rows);

/* The tokens of the pools that each row chose: pools [N, top], as index_keys writes them, become keys
 * [N, top * every + every - 1], likewise; with `tail` those behind the last full pool too. */
void as_pass_pool_tokens(const as_pass *pass, const int32_t *pools, int64_t top, int64_t every, bool tail,
                         int32_t *keys, int64_t key_stride);

#endif
