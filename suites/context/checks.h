/* The parts of the context suite, and what they share. */
#ifndef AS_SUITES_CONTEXT_CHECKS_H
#define AS_SUITES_CONTEXT_CHECKS_H

#include "suites/common/ask.h"
#include "suites/common/note.h"
#include "suites/context/options.h"

enum { AS_CONTEXT_ID = 96 };

typedef struct as_context_run {
    as_suite_context *context;
    as_context_options options;
    as_context_plan plan;
    as_speeds speeds;
    int32_t *filler; /* enough tokens for the longest prompt and one more */
    int64_t filler_count;
    bool over_served;                       /* some request got more tokens than the length allows */
    int64_t served_exactly, refused_beyond; /* lengths at which it was seen */
    char over_message[256];
} as_context_run;

/* Seconds that one prompt of `length` takes; -1 unknown. */
double as_context_prefill_s(const as_context_run *run, int64_t length);
/* True when the check is done already, or was recorded as a skip because less than `seconds` are left. */
AS_MUST_USE as_code as_context_passed_over(as_context_run *run, const char *id, const char *title,
                                           double seconds, bool *passed_over, as_error *err);

/* Exact length, refusal, stop, counts, influence of the first tokens, agreement of chunks and steps. */
AS_MUST_USE as_code as_context_check_length(as_context_run *run, int64_t length, as_error *err);
/* Beyond what the target enforces. */
AS_MUST_USE as_code as_context_check_limit(as_context_run *run, as_error *err);
#define AS_CONTEXT_CHUNKS_TITLE "The end of a long prompt has the same logits in one pass and in chunks"
#define AS_CONTEXT_STEPS_TITLE  "Token-by-token decoding gives what one pass over the same tokens gives"
/* `answer` is to a prompt of the first `prompt` filler tokens. */
AS_MUST_USE as_code as_context_check_numbers(as_context_run *run, int64_t length, int64_t prompt,
                                             const as_answer *answer, as_error *err);
AS_MUST_USE as_code as_context_check_recall(as_context_run *run, as_error *err);
AS_MUST_USE as_code as_context_check_perplexity(as_context_run *run, as_error *err);
AS_MUST_USE as_code as_context_check_rules(as_context_run *run, as_error *err);

#endif
