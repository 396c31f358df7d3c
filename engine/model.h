/* A model's insides, for the engine's own files. */
#ifndef AS_ENGINE_MODEL_H
#define AS_ENGINE_MODEL_H

#include "base/sha256.h"
#include "engine/binder.h"
#include "engine/blocks/block.h"
#include "engine/engine.h"

typedef struct as_step_weights {
    void *block; /* block->weights_size bytes */
    as_norm_weights in_norm, out_norm, stream_norm;
    as_affine_weights out_affine, residual_affine;
    const float *out_conv;        /* [hidden, out_taps] */
    as_linear gate_down, gate_up; /* of in_gate */
    float scale;                  /* of a `scaled` step; else 1 */
} as_step_weights;

typedef struct as_layer_weights {
    as_step_weights steps[AS_MAX_STEPS];
} as_layer_weights;

struct as_model {
    as_model_spec spec;
    as_precision precision;
    as_repository *repository; /* NULL when generated */
    as_model_memory memory;
    json_t *config;
    struct as_tokenizer *tokenizer;
    const as_backend *backend;

    as_matrix embed, positions;
    as_affine_weights embed_affine;
    const float *rope_stretch; /* [rotary/2] or NULL */
    const float *rope_table;   /* [context, rotary]: sines, then cosines; NULL: computed */
    as_linear embed_in, embed_out, head_layer, head;
    bool blank_logit; /* of spec.blank: it is 0 */
    as_norm_weights embed_norm;
    as_norm_weights final_norm, head_norm;
    as_layer_weights *layers;

    as_model_info info;
    char digest[2 * AS_SHA256_BYTES + 1];
};

/* Asks the binder for all weights: model->spec and memory are there. */
AS_MUST_USE as_code as_model_bind(as_model *model, as_binder *binder, as_error *err);

#endif
