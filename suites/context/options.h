/* What the context suite examines: the object "context" of a profile, each key with its default in options.c.
 */
#ifndef AS_SUITES_CONTEXT_OPTIONS_H
#define AS_SUITES_CONTEXT_OPTIONS_H

#include "suites/common/settings.h"
#include "suites/suite.h"

enum { AS_CONTEXT_LENGTHS = 16, AS_RECALL_DEPTHS = 32 };

typedef struct as_context_options {
    const char *served; /* whose promise: "class" (the serving class's) or "native" (the model's own) */
    int64_t lengths[AS_CONTEXT_LENGTHS];
    int64_t length_count;
    int64_t completion;            /* tokens generated up to the length */
    int64_t chunk;                 /* rows a pass when the prompt is computed in other chunks */
    int64_t recall_depths;         /* facts in one prompt, evenly spread from the first token on */
    int64_t recall_prompts;        /* at each length within the model's reach */
    int64_t recall_prompts_beyond; /* at each length beyond it, or where it is unknown */
    int64_t recall_reach;          /* tokens over which the model is known to recall; 0: ask reach.json */
    double timeout_s;              /* without any event */
    as_gate recall, perplexity_rise, chunk_difference, step_difference;
} as_context_options;

AS_MUST_USE as_code as_context_options_read(const json_t *profile, as_context_options *out, as_error *err);

/* The lengths to examine, and why the others are not. */
typedef struct as_context_plan {
    int64_t promised;  /* 0: nobody promises one */
    int64_t enforced;  /* what the target refuses beyond; the promise where it does not say */
    const char *whose; /* "the class llama31-8b-16k", "the model itself" */
    char class_name[96];
    int64_t count;
    int64_t lengths[AS_CONTEXT_LENGTHS];
    int64_t cut_count; /* promised, but above --context or above what the model can */
    struct {
        int64_t length;
        char why[192];
    } cut[AS_CONTEXT_LENGTHS];
} as_context_plan;
void as_context_plan_make(const as_suite_context *context, const as_context_options *options,
                          as_context_plan *out);

#endif
