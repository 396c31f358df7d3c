/* What RWKV's blocks share: each token's input mixed with that of the token before. */
#ifndef AS_ENGINE_BLOCKS_RWKV_SHIFT_H
#define AS_ENGINE_BLOCKS_RWKV_SHIFT_H

#include "engine/blocks/block.h"

/* The rows of one pass. */
typedef struct as_shifted {
    const float *x, *before; /* [N, hidden] */
} as_shifted;

/* The rows before, from the work space; state: of hidden floats for each sequence. */
as_shifted as_rwkv_shift(as_pass *pass, const float *x, float *state);

/* Which way a share counts: as part of the token itself (versions 4 and 5), or of the one before. */
typedef enum { AS_SHARE_OF_SELF, AS_SHARE_OF_BEFORE } as_share;

/* The mixture of the two in the given shares [hidden]; amount, if any, is added to them, [N, stride]. */
void as_rwkv_mix(as_pass *pass, const as_shifted *rows, as_share kind, const float *share,
                 const float *amount, int64_t amount_stride, float *out);

/* The rank of a pair of low-rank matrices, which no config states: the elements of the first, divided by
 * `per_rank`; `usual` for generated weights. */
AS_MUST_USE as_code as_rwkv_rank(as_binder *binder, const as_model_spec *spec, as_slot slot, int64_t per_rank,
                                 int64_t usual, int64_t *out, as_error *err);
int64_t as_rwkv_most_rank(const as_model_spec *spec); /* what work space is reckoned for */

/* A layer norm over each head, with weights of its own, in place. */
void as_rwkv_head_norm(as_pass *pass, const as_norm_weights *weights, int64_t heads, int64_t width, float eps,
                       float *x);

#endif
