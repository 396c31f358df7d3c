/* Statistics of measurements: percentiles with exact intervals, proportions, bootstrap over clusters, and the
 * verdict of an interval against a gate. docs/metrics.md gives the formulas and their sources.
 *
 * A number that is not known is NAN (JSON null). Nothing here allocates unless its comment says so. */
#ifndef AS_SUITES_STATS_H
#define AS_SUITES_STATS_H

#include <stdint.h>

#include "base/error.h"
#include "suites/result.h"

/* A measured value with its confidence interval. An end that the sample cannot bound is NAN. */
typedef struct as_interval {
    double value, low, high;
    int64_t n;    /* independent samples: values, trials, or clusters of a bootstrap */
    double level; /* 0.95 */
} as_interval;

/* {"value", "low", "high", "n", "level"}, what is not finite as null. A new reference, NULL without memory.
 */
json_t *as_interval_json(const as_interval *interval);

/* ---- distributions ---------------------------------------------------------------------------------------
 */

double as_stats_normal_cdf(double x);
double as_stats_normal_quantile(double p); /* p in (0, 1) */
/* P(B <= k) for B binomial with n trials of probability p. */
double as_stats_binomial_cdf(int64_t k, int64_t n, double p);

/* ---- percentiles -----------------------------------------------------------------------------------------
 */

void as_stats_sort(double *values, int64_t n); /* ascending; values are not NAN */
/* 1-based rank of quantile q of n values: the smallest value with at least q*n values up to it (numpy's
 * method "inverted_cdf"), so a percentile is always a value that occurred. */
int64_t as_stats_rank(int64_t n, double q);
/* Ranks of the order statistics that bound quantile q at that level, by the exact binomial; 0 for an end that
 * n values cannot bound. */
void as_stats_rank_interval(int64_t n, double q, double level, int64_t *low, int64_t *high);
as_interval as_stats_quantile(const double *sorted, int64_t n, double q, double level);
/* The smallest n with which quantile q may be quoted: with that confidence at least two of n values lie
 * beyond it, so that neither it nor its upper bound is merely the largest value seen. At 99 %: 64 for p90,
 * 662 for p99, 6636 for p99.9. Quantiles below one half are counted from their own end. */
int64_t as_stats_min_count(double q, double confidence);

/* ---- means and proportions -------------------------------------------------------------------------------
 */

/* Wilson's score interval. */
as_interval as_stats_proportion(int64_t successes, int64_t n, double level);

/* One cluster (a document) of a ratio of sums: its part of the numerator and of the denominator. */
typedef struct as_cluster {
    double sum, weight;
} as_cluster;

typedef struct as_bootstrap {
    double level;      /* 0: 0.95 */
    int64_t resamples; /* 0: 4000 */
    uint64_t seed, stream;
} as_bootstrap;

/* Sum of sums over sum of weights, with a bias-corrected and accelerated bootstrap interval over clusters
 * (Efron 1987). The same seed and stream resample the same clusters, so quantities of the same documents stay
 * paired. With fewer than two clusters both ends are NAN. Allocates. */
AS_MUST_USE as_code as_stats_ratio(const as_cluster *clusters, int64_t n, const as_bootstrap *options,
                                   as_interval *out, as_error *err);
/* Mean of n values, each its own cluster. */
AS_MUST_USE as_code as_stats_mean(const double *values, int64_t n, const as_bootstrap *options,
                                  as_interval *out, as_error *err);
/* Mean of a[i] - b[i], resampled in pairs. */
AS_MUST_USE as_code as_stats_paired(const double *a, const double *b, int64_t n, const as_bootstrap *options,
                                    as_interval *out, as_error *err);
/* The interval of an increasing function of the value, exp for a perplexity. */
as_interval as_stats_map(as_interval interval, double (*increasing)(double));

/* ---- verdicts --------------------------------------------------------------------------------------------
 */

typedef enum {
    AS_GATE_AT_MOST,  /* value <= gate */
    AS_GATE_AT_LEAST, /* value >= gate */
    AS_GATE_ABOVE,    /* value > gate */
} as_gate_sense;

/* Pass when the whole interval keeps the gate, fail when the whole interval breaks it, else inconclusive; an
 * end or a value that is not known decides nothing. */
as_verdict as_stats_judge(const as_interval *interval, as_gate_sense sense, double gate);

#endif
