/* The metrics of one comparison, with intervals over documents. */
#ifndef AS_SUITES_DRIFT_SUMMARY_H
#define AS_SUITES_DRIFT_SUMMARY_H

#include "suites/drift/measure.h"

typedef struct as_drift_summary {
    as_interval kl_mean, top1, overlap, chosen_mean, perplexity_reference, perplexity_candidate,
        perplexity_ratio;
    double chosen_rms, reversed_mean, kl_max;
} as_drift_summary;

/* What a gated mean is of, document by document, so that two results can be compared in pairs. */
typedef enum { AS_DRIFT_KL, AS_DRIFT_TOP1, AS_DRIFT_PERPLEXITY_RATIO } as_drift_mean;
/* Adds "samples", "sample_weights", "sample_ids" and, for a ratio of perplexities, "sample_transform". */
void as_drift_add_samples(const as_drift_stats *stats, as_drift_mean mean, json_t *evidence);

AS_MUST_USE as_code as_drift_summarize(const as_drift_stats *stats, uint64_t seed, as_drift_summary *out,
                                       as_error *err);
/* A percentile of a sketch as JSON: an interval, or {"value": null, "reason": ...} where too few values back
 * it. */
json_t *as_drift_percentile(const as_sketch *sketch, double q);

#endif
