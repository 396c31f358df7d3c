/* Pages of a session: which sequence holds which, and the memory behind them. */
#ifndef AS_ENGINE_KV_H
#define AS_ENGINE_KV_H

#include "engine/model.h"

typedef struct as_sequence {
    bool active;
    int64_t length;
    int64_t page_count;
    int32_t *pages; /* [pages of the session] */
} as_sequence;

/* The cache and the recurrent states of one step of one layer. */
typedef struct as_step_memory {
    as_kv_layer cache, index, entries; /* kv_heads 0: none; the last two of keys alone */
    float *state[AS_MAX_STATES];
    int64_t state_size[AS_MAX_STATES];
} as_step_memory;

typedef struct as_layer_memory {
    as_step_memory steps[AS_MAX_STEPS];
} as_layer_memory;

typedef struct as_kv {
    int64_t pages, free_count;
    int32_t *free_pages; /* a stack */
    int64_t sequence_count;
    as_sequence *sequences;
    as_layer_memory *layers;
    int64_t layer_count;
    int64_t bytes;
    as_model_memory memory;
} as_kv;

AS_MUST_USE as_code as_kv_open(as_kv *kv, const as_model_spec *spec, as_dtype dtype, int64_t tokens,
                               int64_t sequences, as_error *err);
void as_kv_close(as_kv *kv);
/* A free sequence with empty states, or -1. */
int64_t as_kv_add(as_kv *kv);
void as_kv_drop(as_kv *kv, int64_t sequence);
/* Pages that `more` further tokens of the sequence would take. */
int64_t as_kv_pages_needed(const as_kv *kv, int64_t sequence, int64_t more);
/* Takes them; the caller has checked that there are enough. */
void as_kv_grow(as_kv *kv, int64_t sequence, int64_t more);

#endif
