/* What the drift suite measures and against which gates: the object "drift" of a profile, each key with its
 * default in options.c. */
#ifndef AS_SUITES_DRIFT_OPTIONS_H
#define AS_SUITES_DRIFT_OPTIONS_H

#include "suites/common/settings.h"
#include "suites/suite.h"

enum { AS_DRIFT_FORMATS = 16 };

typedef struct as_drift_options {
    const char *reference;                 /* precision that the others are compared with */
    const char *formats[AS_DRIFT_FORMATS]; /* the first is the one the gates judge */
    int64_t format_count;
    int64_t document_tokens; /* of a document at most */
    int64_t tokens;          /* over all documents, of the judged format */
    int64_t other_tokens;    /* of each other format, and of the floor */
    int64_t layer_tokens;    /* on which hidden states are compared too */
    int64_t rows;            /* held of the reference at a time */
    int64_t greedy_prompts, greedy_prompt_tokens, greedy_tokens;
    double near_tie;             /* nats between the reference's best two */
    int64_t fp8_from_parameters; /* smaller models are served at 16 bits; 0: all at fp8 */
    as_gate kl_mean, kl_p99, top1, perplexity_ratio, memory_ratio;
} as_drift_options;

AS_MUST_USE as_code as_drift_options_read(const json_t *profile, as_drift_options *out, as_error *err);

#endif
