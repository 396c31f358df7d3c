/* A target whose model and whose faults are scripted, on a clock that only moves when it computes.
 *
 * Tokens are bytes (and 256, the first token of every text). The model copies: after a run of tokens that
 * occurred before it predicts what followed then, else something that depends on the last tokens alone. So it
 * recalls facts over any distance, and a prompt whose head was cut off shows. */
#ifndef TESTS_SUITES_FAKE_TARGET_H
#define TESTS_SUITES_FAKE_TARGET_H

#include "suites/suite.h"
#include "suites/target.h"

enum { FAKE_VOCAB = 257, FAKE_REQUESTS = 64 };

typedef enum {
    FAKE_TRUNCATES = 1 << 0,       /* only the last `window` tokens of a prompt reach the model */
    FAKE_MISCOUNTS = 1 << 1,       /* reports three prompt tokens fewer */
    FAKE_IGNORES_MAX = 1 << 2,     /* goes on to twice max_tokens */
    FAKE_NO_LIMIT = 1 << 3,        /* serves any length */
    FAKE_REFUSES_VAGUELY = 1 << 4, /* without naming the limit */
    FAKE_SILENT = 1 << 5,          /* takes requests and never answers */
    FAKE_DUPLICATES = 1 << 6,      /* sends every token twice */
    FAKE_BREAKS = 1 << 7,          /* an error after three tokens */
    FAKE_REFUSES_LATE = 1 << 8,    /* by an event instead of at submit */
    FAKE_CHUNKS_MATTER = 1 << 9,   /* logits depend on the chunk size */
    FAKE_NOT_A_NUMBER = 1 << 10,   /* NaN in every eighth row */
    FAKE_BOUNDS = 1 << 11,         /* too long a request is cut to the limit instead of refused */
    FAKE_STOPS_EARLY = 1 << 12,    /* refuses at four fifths of the limit */
    FAKE_SLOW_POLL = 1 << 13,      /* every poll takes `slow_ns` */
    FAKE_FORGETS = 1 << 14,        /* does not recall at all */
} fake_fault;

typedef struct fake_request {
    int64_t id; /* 0: free */
    int32_t *tokens;
    int64_t count, room, prompt, max_tokens, logprobs, sent;
    void *user;
    bool prefilled, cancelled;
} fake_request;

typedef struct fake_target fake_target;
typedef void fake_logits(const fake_target *target, const int32_t *tokens, int64_t index, float *out);

struct fake_target {
    as_target base;
    as_model_info info;
    unsigned faults;
    int64_t window;
    double noise;        /* of the logits: what a precision costs */
    fake_logits *logits; /* NULL: the copying model */
    int64_t visible;     /* for `logits`: tokens that may be read */
    int64_t *now_ns;     /* the clock, shared by the variants; NULL: the real one */
    int64_t own_now;
    int64_t prefill_ns, step_ns, slow_ns; /* a prompt token; a decoding step; a slow poll */
    int64_t jitter_ns;                    /* largest addition to a step */
    fake_request requests[FAKE_REQUESTS];
    int64_t next_id, steps;
    int64_t submitted, scored; /* calls so far */
    int64_t refuse_variant;    /* 1: `variant` is not supported; 2: it is interrupted */
    int64_t layers_width;
    int64_t fail_score_after; /* rows; 0: never */
};

fake_target *fake_target_new(int64_t context);
void fake_target_free(fake_target *target);

/* A suite context with a result, a profile (parsed, quotes may be '), the fake target. */
typedef struct fake_run {
    as_suite_context context;
    json_t *result;
    json_t *profile;
    int64_t cancel_after; /* checks; 0: never */
    int64_t recorded;
    char last_phrase[128];
} fake_run;

void fake_run_open(fake_run *run, const char *suite, fake_target *target, const char *profile);
void fake_run_close(fake_run *run);
/* The recorded check; the test fails when there is none. */
const json_t *fake_check(const fake_run *run, const char *id);
const char *fake_verdict(const fake_run *run, const char *id);
const char *fake_why(const fake_run *run, const char *id);
const json_t *fake_measured(const fake_run *run, const char *id);
const json_t *fake_series(const fake_run *run, const char *name);
/* Asserts a verdict and, where `word` is not NULL, that the why holds it. */
void fake_expect(const fake_run *run, const char *id, const char *verdict, const char *word);

#endif
