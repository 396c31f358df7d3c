/* Accumulation in constant memory, for per-token quantities of a text of any length.
 *
 * Moments are exact: float64 with compensated sums (Neumaier 1974). Quantiles come from a histogram whose
 * buckets grow by a constant factor (DDSketch: Masson, Rim, Lee 2019): any quantile is within AS_SKETCH_ERROR
 * of the value that sorting would give, relative to it, for magnitudes of 1e-15 to 1e9; smaller ones count as
 * zero, larger ones as the largest seen. About 75 KB a sketch, whatever the number of values. */
#ifndef AS_SUITES_STATS_STREAM_H
#define AS_SUITES_STATS_STREAM_H

#include <stdint.h>

#include "suites/stats.h"

typedef struct as_sum {
    double sum, rest; /* the sum is sum + rest */
} as_sum;
void as_sum_add(as_sum *total, double value);
double as_sum_value(const as_sum *total);

typedef struct as_moments {
    int64_t n;
    as_sum sum, squares;
    double min, max;
} as_moments;
void as_moments_add(as_moments *moments, double value);
double as_moments_mean(const as_moments *moments); /* NAN when empty */
double as_moments_rms(const as_moments *moments);

#define AS_SKETCH_ERROR 0.006
enum { AS_SKETCH_BUCKETS = 4606 }; /* ln(1e9 / 1e-15) / ln(1.006 / 0.994), rounded up */

typedef struct as_sketch {
    as_moments moments;
    uint64_t zero;
    uint64_t above[AS_SKETCH_BUCKETS]; /* by magnitude */
    uint64_t below[AS_SKETCH_BUCKETS]; /* negative values, by magnitude */
} as_sketch;
void as_sketch_add(as_sketch *sketch, double value); /* value is finite */
/* The value of a 1-based rank. The first and the last are exact. */
double as_sketch_at(const as_sketch *sketch, int64_t rank);
/* As as_stats_quantile; the interval takes the values for independent. */
as_interval as_sketch_quantile(const as_sketch *sketch, double q, double level);

#endif
