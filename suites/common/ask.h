/* One request, answered or not: what every suite asks a target when it does not measure load. */
#ifndef AS_SUITES_COMMON_ASK_H
#define AS_SUITES_COMMON_ASK_H

#include "base/buf.h"
#include "suites/suite.h"

typedef enum {
    AS_ANSWERED,       /* it ended with "length" or "stop" */
    AS_ANSWER_REFUSED, /* submit refused it, or it ended with an error before any token */
    AS_ANSWER_BROKEN,  /* it ended with an error, or was cancelled, after the first token */
    AS_ANSWER_SILENT   /* no event within the time allowed; it was cancelled */
} as_answer_state;
const char *as_answer_state_name(as_answer_state state);

/* One token as it came. */
typedef struct as_answer_token {
    int32_t token;
    int64_t time_ns;
    float logprob; /* NAN when not asked for */
    float margin;  /* log-probability of the best minus the second best; NAN when fewer than two came */
} as_answer_token;

typedef struct as_answer {
    as_answer_state state;
    as_finish finish;
    char message[512]; /* why it was refused or broke; empty when answered */
    int64_t sent_ns;
    int64_t count, room;
    as_answer_token *tokens;
    int64_t prompt_tokens, completion_tokens; /* as the target reports them; -1: it did not */
    as_buf text;
} as_answer;

void as_answer_free(as_answer *answer);

/* Submits and polls until the end, or until nothing came for silence_s seconds. What the target does wrong is
 * in the answer; an error here is AS_E_CANCELLED, AS_E_MEMORY, or a target that cannot be polled any more.
 * The answer is to be freed in every case. */
AS_MUST_USE as_code as_ask(as_suite_context *context, as_target *target, const as_request *request,
                           double silence_s, as_answer *answer, as_error *err);

/* Speeds of one short request, for estimates; 0 where it could not be told, as when nothing comes for
 * silence_s. */
typedef struct as_speeds {
    double prefill, decode; /* tokens a second */
} as_speeds;
AS_MUST_USE as_code as_ask_speeds(as_suite_context *context, as_target *target, double silence_s,
                                  as_speeds *out, as_error *err);
/* Seconds for a prompt of `tokens`, from the speed of a short one and the growth of attention with length. */
double as_prefill_seconds(const as_target *target, const as_speeds *speeds, int64_t tokens);

#endif
