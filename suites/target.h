/* Who answers a suite: the engine in this process, or an endpoint. The suites know only this.
 *
 * A target declares what it can do; a check that needs more is a skip that says so. All calls come from one
 * thread. Times are as_clock_ns. */
#ifndef AS_SUITES_TARGET_H
#define AS_SUITES_TARGET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/engine.h" /* as_request, as_event, as_logprob: plain data, the same for every target */

typedef enum {
    AS_CAN_TOKENIZE = 1 << 0,
    AS_CAN_TEMPLATE = 1 << 1,
    AS_CAN_LOGPROBS = 1 << 2,  /* top-k log-probabilities of generated tokens */
    AS_CAN_LOGITS = 1 << 3,    /* full distributions of given tokens: `score` */
    AS_CAN_PRECISION = 1 << 4, /* `variant`: the same model at another precision */
    AS_CAN_CHUNKS = 1 << 5,    /* `score` honours the chunk size */
    AS_CAN_LAYERS = 1 << 6,    /* `score` reports hidden states */
} as_capability;

typedef struct as_target as_target;

typedef struct as_target_facts {
    const char *kind;  /* "engine", "http" */
    const char *model; /* id */
    const char *precision;
    unsigned can;              /* as_capability */
    int64_t vocab;             /* 0: unknown */
    int64_t context;           /* enforced for prompt + completion; 0: unknown */
    int64_t max_batch;         /* requests it computes together; 0: unknown */
    const as_model_info *info; /* engine target; else NULL */
} as_target_facts;

/* What `score` hands over, row by row in order: full logits for token `index` of the input (the distribution
 * of token index + 1). Not AS_OK stops. */
typedef as_code as_score_sink(void *context, int64_t index, const float *logits, as_error *err);
/* Hidden states after each layer for rows first..first+rows-1, where asked for. */
typedef void as_layer_sink(void *context, int64_t layer, int64_t first, int64_t rows, int64_t width,
                           const float *values);

typedef struct as_score {
    const int32_t *tokens;
    int64_t count;
    int64_t from;  /* rows before it are computed but not handed over */
    int64_t chunk; /* rows per pass: 0 the target's own, 1 token by token */
    as_score_sink *sink;
    as_layer_sink *layer_sink; /* NULL: none */
    void *context;
} as_score;

typedef struct as_target_ops {
    as_code (*tokenize)(as_target *target, const char *text, size_t size, bool special, int32_t **tokens,
                        int64_t *count, as_error *err); /* *tokens by as_free */
    as_code (*detokenize)(as_target *target, const int32_t *tokens, int64_t count, as_buf *out,
                          as_error *err);
    as_code (*render)(as_target *target, const json_t *messages, bool generation_prompt, as_buf *out,
                      as_error *err);
    /* Requests. submit refuses at once with AS_E_LIMIT (too long) or later by an event with AS_FINISH_ERROR.
     * poll runs or waits for at most wait_ns and hands over what came; *busy tells whether requests are open.
     */
    as_code (*submit)(as_target *target, const as_request *request, int64_t *id, as_error *err);
    void (*cancel)(as_target *target, int64_t id);
    as_code (*poll)(as_target *target, int64_t wait_ns, as_event_sink *sink, void *context, bool *busy,
                    as_error *err);
    as_code (*score)(as_target *target, const as_score *score, as_error *err);
    /* The same model at another precision, sharing what can be shared; close it first. */
    as_code (*variant)(as_target *target, const char *dtype, as_target **out, as_error *err);
    void (*close)(as_target *target);
} as_target_ops;

/* The base of every target; an implementation puts it first in its own struct. */
struct as_target {
    const as_target_ops *ops;
    as_target_facts facts;
};

#endif
