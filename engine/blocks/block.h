/* A kind of block: new mathematics is one new entry that every family may then use. */
#ifndef AS_ENGINE_BLOCKS_BLOCK_H
#define AS_ENGINE_BLOCKS_BLOCK_H

#include "base/buf.h"
#include "engine/binder.h"
#include "engine/pass.h"
#include "engine/spec.h"

/* What a block asks of a session. */
typedef struct as_block_needs {
    int64_t kv_heads, k_width, v_width; /* key/value cache of the layer; 0: none */
    bool values_in_keys;                /* the values are the first v_width elements of the keys */
    int64_t index_width;                /* a second cache, of one head of keys without values; 0: none */
    int64_t
        entry_width; /* a third, of one head of keys that are the values too, beside the layer's; 0: none */
    int64_t every;   /* the last two hold a key of so many tokens; 0: of each */
    int64_t state[AS_MAX_STATES]; /* float32 of recurrent state for each sequence, part by part */
    int64_t row;                  /* float32 of work space for each row of a pass */
} as_block_needs;

/* Numbers that the second and third cache hold for each token, rounded up. */
static inline int64_t as_block_entry_width(const as_block_needs *needs)
{
    int64_t every = needs->every > 1 ? needs->every : 1;
    return (needs->index_width + needs->entry_width + every - 1) / every;
}

/* Numbers that the caches hold for each token. */
static inline int64_t as_block_cache_width(const as_block_needs *needs)
{
    int64_t values = needs->values_in_keys ? 0 : needs->v_width;
    return needs->kv_heads * (needs->k_width + values) + as_block_entry_width(needs);
}

/* What a step of the block costs. */
typedef struct as_block_cost {
    double products;       /* multiply-adds of one row in its matrices and scans */
    double key_products;   /* multiply-adds of one row for each key that it sees */
    int64_t window, chunk; /* keys that a row sees at most; 0: all before it */
    double table;          /* weights of tables of which a row reads one row */
    int64_t experts, used; /* routed experts, and those that one row is sent to; 0: none */
} as_block_cost;

typedef struct as_block {
    const char *name;
    size_t form_size;    /* of as_step.form */
    size_t weights_size; /* of *weights */
    /* Fetches the block's tensors into *weights (weights_size bytes, zeroed). */
    as_code (*bind)(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err);
    as_block_needs (*needs)(const as_model_spec *spec, const as_step *step);
    as_block_cost (*cost)(const as_model_spec *spec, const as_step *step);
    /* What distinguishes the step, for a reader: "32 heads of 128 over 8". NULL: the name says it all. */
    void (*describe)(const as_model_spec *spec, const as_step *step, as_buf *out);
    /* y [N, hidden] = block(x [N, hidden]). Work space from as_pass_floats, given back by the caller. */
    void (*forward)(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y);
} as_block;

/* The part of a step's state that its output's convolution keeps. */
enum { AS_OUTPUT_STATE = AS_MAX_STATES - 1 };

/* What a step asks of a session: its block, and what stands around it. */
as_block_needs as_step_needs(const as_model_spec *spec, const as_step *step);

#endif
