/* From sums to checks and series: what the drift suite writes into the result. */
#ifndef AS_SUITES_DRIFT_REPORT_H
#define AS_SUITES_DRIFT_REPORT_H

#include "suites/drift/greedy.h"

typedef struct as_drift_report {
    as_suite_context *context;
    const as_drift_options *options;
    const char *source;   /* of the documents */
    const char *format;   /* that these numbers are of */
    const char *lenient;  /* not NULL: the gates only warn, for this reason */
    int64_t weight_bytes; /* at this format; 0: unknown */
} as_drift_report;

/* "drift/<format>/summary": every metric with its interval, reported. */
AS_MUST_USE as_code as_drift_report_summary(const as_drift_report *report, const as_drift_stats *stats,
                                            as_error *err);
/* The judged checks of the first format: kl-mean, kl-p99, top1-agreement, perplexity-ratio, finite. */
AS_MUST_USE as_code as_drift_report_gates(const as_drift_report *report, const as_drift_stats *stats,
                                          as_error *err);
AS_MUST_USE as_code as_drift_report_layers(const as_drift_report *report, const as_drift_stats *stats,
                                           as_error *err);
AS_MUST_USE as_code as_drift_report_greedy(const as_drift_report *report, const as_greedy *greedy,
                                           as_error *err);
/* "drift/floor": the reference against itself, computed in other chunks. */
AS_MUST_USE as_code as_drift_report_floor(const as_drift_report *report, const as_drift_stats *stats,
                                          double near_tie, as_error *err);
/* Lines of this format in the series by position, by percentile and by layer. */
AS_MUST_USE as_code as_drift_report_series(const as_drift_report *report, const as_drift_stats *stats,
                                           as_error *err);

#endif
