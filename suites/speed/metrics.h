/* From the samples of one load to its metrics; docs/metrics.md defines each. */
#ifndef AS_SUITES_SPEED_METRICS_H
#define AS_SUITES_SPEED_METRICS_H

#include "suites/speed/load.h"
#include "suites/speed/options.h"
#include "suites/stats.h"

typedef struct as_speed_metrics {
    int64_t sent, done, failed; /* requests; sent - done - failed were cut */
    int64_t miscounted;         /* done, but with other counts than received or asked for */
    int64_t tokens;             /* generated, of requests that are done */
    double seconds;             /* from the start to the last token */
    as_interval rate;           /* median tokens a second of a request, first token excluded */
    as_interval ttft_due, ttft_send, tpot, end_to_end, gap; /* medians, seconds */
    double total_rate, requests_rate, goodput;              /* tokens, requests, good requests a second */
    double worst_lag_s;                                     /* sent minus due */
} as_speed_metrics;

AS_MUST_USE as_code as_speed_measure(const as_load *load, const as_load_result *result,
                                     const as_speed_options *options, as_speed_metrics *out, as_error *err);
/* Median tokens a second of the requests done so far. */
AS_MUST_USE as_code as_speed_rate(const as_load_result *result, as_interval *out, as_error *err);
/* All of it for the record: medians with intervals, p90 and p99 where enough samples back them. */
AS_MUST_USE as_code as_speed_json(const as_load_result *result, const as_speed_metrics *metrics, json_t **out,
                                  as_error *err);
/* Raw values of at most 512 requests: [due, sent, first, last, tokens, state], times in seconds from the
 * start. */
json_t *as_speed_raw(const as_load_result *result);

#endif
