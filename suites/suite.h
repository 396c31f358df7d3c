/* A suite: a table entry with a plan and a run. The harness makes the context, calls `estimate`, tells the
 * user, calls `run`, and writes the result after every check. */
#ifndef AS_SUITES_SUITE_H
#define AS_SUITES_SUITE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/repository.h"
#include "suites/result.h"
#include "suites/target.h"

typedef struct as_suite_context as_suite_context;

/* What a run gives its suites. Borrowed for the length of the run. */
struct as_suite_context {
    const as_repository *repository; /* NULL for an endpoint or a synth: model */
    as_target *target;               /* NULL when only the rules run */
    const json_t *profile;           /* the profile file's object */
    const json_t *catalog;           /* models and classes: as_catalog_load */
    const json_t *model_class;       /* the serving class found for this model, or NULL */
    const json_t *limits;  /* machine limits measured in this run: {"read_gbps", "fma_gflops"}, or NULL */
    const char *text_path; /* held-out text for drift and perplexity (a directory with documents), or NULL */
    int64_t context_limit; /* --context: the largest length to examine; 0: none */
    uint64_t seed;
    double budget_s;  /* for this suite; 0: none */
    double started_s; /* as_clock_seconds when it began */
    json_t *suite;    /* this suite's part of the result */
    bool resume;      /* checks already in `suite` stand and are not measured again */

    /* Records a check and saves the result; use this, not as_result_add_check. */
    as_code (*record)(as_suite_context *context, const as_check *check, as_error *err);
    /* Progress: done of total steps (total 0: unknown), with a phrase. Cheap; call it often. */
    void (*progress)(as_suite_context *context, int64_t done, int64_t total, const char *phrase);
    /* True once the user has interrupted: return AS_E_CANCELLED soon. */
    bool (*cancelled)(const as_suite_context *context);
    void *harness; /* for the three above */
};

/* True when less than `seconds` of the budget is left: record what is cut as skip. */
bool as_suite_over_budget(const as_suite_context *context, double seconds);
/* The check of that id in the suite's record so far; NULL: none. */
const json_t *as_suite_check(const as_suite_context *context, const char *id);
/* True when the check is to be left alone, because a resumed run has it already. */
bool as_suite_done(const as_suite_context *context, const char *id);

typedef struct as_suite {
    const char *name;  /* "rules" */
    const char *title; /* for a reader */
    bool needs_target;
    /* About how many seconds the run will take, from a measurement of at most some seconds; below 0: unknown.
     */
    double (*estimate)(as_suite_context *context);
    /* A failure of a check is a recorded check, not an error; an error here means that the suite could not go
     * on. */
    as_code (*run)(as_suite_context *context, as_error *err);
} as_suite;

extern const as_suite *const as_suites[]; /* NULL-terminated, in the order they run */
const as_suite *as_suite_find(const char *name);

#endif
