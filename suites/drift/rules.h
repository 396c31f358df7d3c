/* The rules of a profile about the served precision. */
#ifndef AS_SUITES_DRIFT_RULES_H
#define AS_SUITES_DRIFT_RULES_H

#include "suites/drift/options.h"

/* What the run has learnt of the first format. */
typedef struct as_drift_facts {
    const as_drift_options *options;
    bool measured;        /* the format was made and compared */
    int64_t weight_bytes; /* at it; 0: unknown */
    int64_t rows, not_finite;
    double kl_mean, top1, perplexity_ratio; /* NAN: unknown */
} as_drift_facts;

/* True when the profile serves a model of so many parameters at fp8; unknown parameters count as large. */
bool as_drift_serves_fp8(const as_drift_options *options, int64_t parameters);
/* A sentence for gates that only warn, or NULL where the profile serves this model at fp8. */
const char *as_drift_lenience(const as_drift_options *options, const as_target *target,
                              char room[static 256]);

/* "drift/served-precision", "drift/memory" and the profile's rules. */
AS_MUST_USE as_code as_drift_note_rules(as_suite_context *context, const as_drift_facts *facts,
                                        as_error *err);

#endif
