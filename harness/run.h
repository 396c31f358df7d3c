/* A run: suites over one model, results and reports. */
#ifndef AS_HARNESS_RUN_H
#define AS_HARNESS_RUN_H

#include <jansson.h>

#include "harness/options.h"
#include "suites/suite.h"

typedef struct as_run_options {
    const char *profile; /* NULL: the default */
    const char *suites;  /* "rules,drift"; NULL: all */
    const char *target;  /* NULL or "engine" */
    const char *out;     /* directory, or NULL: nothing is written */
    const char *text;    /* documents for drift and perplexity, or NULL */
    char **words;        /* the command line from the verb on, for the record */
    int word_count;
    double budget_s; /* 0: none */
    bool resume;
    bool rules_only; /* `assay check`: no weights are opened */
    bool inconclusive_passes;
} as_run_options;

/* Runs and writes DIR/results.json after every check, and the reports at the end. *result is a new reference,
 * set also when the run was interrupted or the model could not be used (then the code says so). */
AS_MUST_USE as_code as_run_model(const char *name, const as_run_options *options, json_t **result,
                                 as_error *err);

#endif
