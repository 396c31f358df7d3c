/* The load generator: requests to a target, closed (N at a time) or open (at times of their own), and when
 * each of their tokens came.
 *
 * Open arrivals are due at times fixed beforehand, whatever the target does; latency is counted from the due
 * time, so that waiting to be sent is waiting. Nothing is ever sent twice: a request that fails is a sample
 * that failed. Times are nanoseconds of the clock given. */
#ifndef AS_SUITES_SPEED_LOAD_H
#define AS_SUITES_SPEED_LOAD_H

#include "suites/suite.h"

/* Where time comes from: the monotonic clock, or a test's own. */
typedef struct as_clock_source {
    int64_t (*now)(void *context);
    void (*sleep_until)(void *context, int64_t at_ns);
    void *context;
} as_clock_source;
extern const as_clock_source as_clock_real;

typedef enum { AS_ARRIVAL_CLOSED, AS_ARRIVAL_CONSTANT, AS_ARRIVAL_POISSON } as_arrival;
const char *as_arrival_name(as_arrival arrival);

typedef enum {
    AS_SAMPLE_OPEN, /* not ended: the run was cut */
    AS_SAMPLE_DONE,
    AS_SAMPLE_REFUSED,
    AS_SAMPLE_BROKEN, /* ended with an error, or was cancelled by the target */
    AS_SAMPLE_SILENT
} as_sample_state;
const char *as_sample_state_name(as_sample_state state);

typedef struct as_sample {
    as_sample_state state;
    int64_t id;
    int64_t due_ns, sent_ns, first_ns, last_ns; /* first and last token */
    int64_t received;                           /* tokens, as they came */
    int64_t prompt_reported, completion_reported;
    as_finish finish;
} as_sample;

typedef enum { AS_LOAD_COMPLETE, AS_LOAD_NARROW, AS_LOAD_CUT, AS_LOAD_SILENT } as_load_end;

typedef struct as_load_result {
    as_sample *samples;
    int64_t count; /* requests sent */
    double *gaps;  /* seconds between tokens of one request, all requests together */
    int64_t gap_count, gap_room;
    int64_t start_ns, end_ns;
    int64_t longest_poll_ns;
    as_load_end end;
    char problem[256]; /* of the first request that failed */
} as_load_result;

typedef struct as_load {
    as_suite_context *context; /* for cancellation and progress */
    as_target *target;
    const as_clock_source *clock;
    as_arrival arrival;
    int64_t concurrency; /* closed */
    double rate;         /* open: requests a second */
    int64_t requests;    /* at most */
    int64_t prompt_tokens, completion_tokens;
    const int32_t *tokens; /* prompts are cut from these, each at another place */
    int64_t token_count;   /* at least prompt_tokens */
    uint64_t seed;
    double silence_s;
    int64_t until_ns; /* no request is sent after it; 0: none */
    /* Closed: asked after each request that ended; true ends the run when those under way are done. */
    bool (*enough)(void *context, const as_load_result *result);
    void *enough_context;
    const char *phrase;
} as_load;

/* Failures of requests are samples; an error is AS_E_CANCELLED, AS_E_MEMORY, or a target that cannot be
 * polled. The result is to be freed when AS_OK. */
AS_MUST_USE as_code as_load_run(const as_load *load, as_load_result *out, as_error *err);
void as_load_free(as_load_result *result);

#endif
