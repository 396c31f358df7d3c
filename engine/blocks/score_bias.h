/* What is added to the scores of softmax attention beside the products: a bias of each key, or one of the
 * distance to it that the query chooses. */
#ifndef AS_ENGINE_BLOCKS_SCORE_BIAS_H
#define AS_ENGINE_BLOCKS_SCORE_BIAS_H

#include "engine/blocks/block.h"

typedef enum {
    AS_SCORE_BIAS_NONE,
    /* exp(rate softplus(w v)), a number of each key and key/value head, of the key's values of all heads: the
     * dynamic mask of Doge. Slots SCORE_BIAS and SCORE_BIAS_RATE. */
    AS_SCORE_BIAS_KEY,
    /* A mixture of learned profiles over the distances, the shares of which each head reads from what the
     * block is given: Inkling's. Slots SCORE_BIAS and SCORE_BIAS_PROFILES. */
    AS_SCORE_BIAS_DISTANCE,
} as_score_bias_kind;

typedef struct as_score_bias_spec {
    as_score_bias_kind kind;
    bool projection_bias; /* KEY: w v + b */
    int64_t keep;         /* KEY: a row sees so many keys, those of the greatest biases; 0: all */
    int64_t profiles;     /* DISTANCE: of each head */
    int64_t distances;    /* from 0 on; beyond them nothing is added */
    float most_length; /* DISTANCE: the shares, scaled (slot SCORE_BIAS_SCALE), are shortened to it; 0: not */
} as_score_bias_spec;

/* The heads that it is for. */
typedef struct as_score_heads {
    int64_t heads, kv_heads, v_width, window;
} as_score_heads;

typedef struct as_score_bias_weights {
    as_linear projection;
    as_matrix profiles;
    const float *scale; /* [heads, profiles] or NULL */
    const float *rate;  /* [kv_heads], negated */
    const float *units; /* [kv_heads, kv_heads]: ones on the diagonal */
    const float *one;
} as_score_bias_weights;

AS_MUST_USE as_code as_bind_score_bias(as_binder *binder, const as_model_spec *spec,
                                       const as_score_bias_spec *bias, const as_score_heads *heads,
                                       as_score_bias_weights *out, as_error *err);
/* Work floats for each row. */
int64_t as_score_bias_needs(const as_model_spec *spec, const as_score_bias_spec *bias,
                            const as_score_heads *heads);
/* Stores the biases of keys with values v [N, kv_heads * v_width] in the step's second cache. */
void as_score_bias_store(as_pass *pass, const as_score_bias_spec *bias, const as_score_heads *heads,
                         const as_score_bias_weights *w, const float *v);
/* Sets what attention adds and which keys it sees, for rows of the block's input x; the numbers lie in work
 * space. Returns those that distances have, [N, heads, distances], or NULL. */
float *as_score_bias_set(as_pass *pass, const as_score_bias_spec *bias, const as_score_heads *heads,
                         const as_score_bias_weights *w, const float *x, as_attention_args *args);

#endif
