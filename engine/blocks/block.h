/* A kind of block: new mathematics is one new entry that every family may then use. */
#ifndef AS_ENGINE_BLOCKS_BLOCK_H
#define AS_ENGINE_BLOCKS_BLOCK_H

#include "engine/binder.h"
#include "engine/pass.h"
#include "engine/spec.h"

/* What a block asks of a session. */
typedef struct as_block_needs {
    int64_t kv_heads, k_width, v_width; /* key/value cache of the layer; 0: none */
    int64_t state[AS_MAX_STATES];       /* float32 of recurrent state for each sequence, part by part */
    int64_t row;                        /* float32 of work space for each row of a pass */
} as_block_needs;

typedef struct as_block {
    const char *name;
    size_t weights_size;
    /* Fetches the block's tensors into *weights (weights_size bytes, zeroed). */
    as_code (*bind)(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err);
    as_block_needs (*needs)(const as_model_spec *spec, const as_step *step);
    /* y [N, hidden] = block(x [N, hidden]). Work space from as_pass_floats, given back by the caller. */
    void (*forward)(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y);
} as_block;

extern const as_block as_block_attention, as_block_mlp, as_block_moe, as_block_mamba;

#endif
