/* Pages of a session: which sequence holds which, and the memory behind them. */
#ifndef AS_ENGINE_KV_H
#define AS_ENGINE_KV_H

#include "engine/model.h"

/* Layers that look back as far share pages of their own: those of whole sequences, and those of a window,
 * which hold no more than a window asks for. */
enum { AS_MAX_PAGE_POOLS = 4, AS_WHOLE_SEQUENCES = 0 };

typedef struct as_page_pool {
    int64_t window; /* keys that a row reads at most; 0: all before it */
    int64_t pages, free_count;
    int32_t *free_pages; /* a stack */
} as_page_pool;

/* The pages that a sequence holds of one pool: entries first..count-1; those before were given back. */
typedef struct as_page_table {
    int64_t first, count;
    int32_t *pages;
} as_page_table;

typedef struct as_sequence {
    bool active;
    int64_t length;
    int64_t prompt;  /* rows of what it began with */
    int64_t skipped; /* tokens that positions do not count (as_position_spec) */
    as_page_table tables[AS_MAX_PAGE_POOLS];
} as_sequence;

/* The cache and the recurrent states of one step of one layer. */
typedef struct as_step_memory {
    int pool;                          /* whose pages the caches are of */
    as_kv_layer cache, index, entries; /* kv_heads 0: none; the last two of keys alone */
    float *state[AS_MAX_STATES];
    int64_t state_size[AS_MAX_STATES];
} as_step_memory;

typedef struct as_layer_memory {
    as_step_memory steps[AS_MAX_STEPS];
} as_layer_memory;

typedef struct as_kv {
    as_page_pool pools[AS_MAX_PAGE_POOLS]; /* the first is of whole sequences */
    int pool_count;
    int64_t sequence_count;
    as_sequence *sequences;
    as_layer_memory *layers;
    int64_t layer_count;
    int64_t bytes;
    as_model_memory memory;
} as_kv;

/* What is to be held: so many tokens over all sequences, of which one pass computes at most `rows`. */
typedef struct as_kv_size {
    int64_t tokens, sequences, rows;
} as_kv_size;

AS_MUST_USE as_code as_kv_open(as_kv *kv, const as_model_spec *spec, as_dtype dtype, const as_kv_size *size,
                               as_error *err);
void as_kv_close(as_kv *kv);
/* A free sequence with empty states, or -1. */
int64_t as_kv_add(as_kv *kv);
void as_kv_drop(as_kv *kv, int64_t sequence);
/* Pages for whole sequences that `more` further tokens of the sequence would take. */
int64_t as_kv_pages_needed(const as_kv *kv, int64_t sequence, int64_t more);
/* Takes them; the caller has checked that there are enough. */
void as_kv_grow(as_kv *kv, int64_t sequence, int64_t more);
/* Around a pass: pages of windows for the next `rows` tokens, of which there are always enough; and, the
 * sequence's length being what it then is, back what the next row no longer reads. */
void as_kv_begin_pass(as_kv *kv, int64_t sequence, int64_t rows);
void as_kv_end_pass(as_kv *kv, int64_t sequence);

/* Keys that a step's rows read at most, and those of steps that read its cache; 0: all before them. */
int64_t as_kv_window(const as_model_spec *spec, int64_t layer, int step);
/* Tokens for which sequences of `tokens` tokens each hold pages, where rows read `window` keys at most. */
int64_t as_kv_held_tokens(int64_t window, int64_t tokens, int64_t sequences, int64_t rows);

/* Rows of one pass where none are asked for. */
int64_t as_session_default_chunk(const as_model_spec *spec, int64_t sequences);

#endif
