/* Streaming accumulation; see stats_stream.h. */
#include "suites/stats_stream.h"

#include <math.h>

static const double SMALLEST = 1e-15;

void as_sum_add(as_sum *total, double value)
{
    double next = total->sum + value;
    if (fabs(total->sum) >= fabs(value))
        total->rest += (total->sum - next) + value;
    else
        total->rest += (value - next) + total->sum;
    total->sum = next;
}

double as_sum_value(const as_sum *total)
{
    return total->sum + total->rest;
}

void as_moments_add(as_moments *m, double value)
{
    if (m->n == 0 || value < m->min) m->min = value;
    if (m->n == 0 || value > m->max) m->max = value;
    m->n++;
    as_sum_add(&m->sum, value);
    as_sum_add(&m->squares, value * value);
}

double as_moments_mean(const as_moments *m)
{
    return m->n ? as_sum_value(&m->sum) / (double)m->n : NAN;
}

double as_moments_rms(const as_moments *m)
{
    return m->n ? sqrt(as_sum_value(&m->squares) / (double)m->n) : NAN;
}

/* ln of the growth factor (1 + e) / (1 - e) of a bucket's bounds. */
static double log_growth(void)
{
    return log1p(AS_SKETCH_ERROR) - log1p(-AS_SKETCH_ERROR);
}

/* Bucket i holds (SMALLEST * g^i, SMALLEST * g^(i+1)]. */
static int64_t bucket(double magnitude)
{
    int64_t i = (int64_t)ceil(log(magnitude / SMALLEST) / log_growth()) - 1;
    if (i < 0) return 0;
    return i < AS_SKETCH_BUCKETS ? i : AS_SKETCH_BUCKETS - 1;
}

/* The point from which both bounds of the bucket are equally far in relative terms. */
static double centre(int64_t i)
{
    return SMALLEST * exp((double)i * log_growth()) * (1 + AS_SKETCH_ERROR);
}

void as_sketch_add(as_sketch *s, double value)
{
    as_moments_add(&s->moments, value);
    double magnitude = fabs(value);
    if (magnitude <= SMALLEST)
        s->zero++;
    else if (value > 0)
        s->above[bucket(magnitude)]++;
    else
        s->below[bucket(magnitude)]++;
}

/* The bucket's value for a rank counted over negatives (largest magnitude first), zeros, positives. */
static double inner(const as_sketch *s, uint64_t rank)
{
    uint64_t seen = 0;
    for (int64_t i = AS_SKETCH_BUCKETS - 1; i >= 0; i--) {
        seen += s->below[i];
        if (seen >= rank) return -centre(i);
    }
    seen += s->zero;
    if (seen >= rank) return 0;
    for (int64_t i = 0; i < AS_SKETCH_BUCKETS; i++) {
        seen += s->above[i];
        if (seen >= rank) return centre(i);
    }
    return s->moments.max;
}

double as_sketch_at(const as_sketch *s, int64_t rank)
{
    if (s->moments.n == 0) return NAN;
    if (rank <= 1) return s->moments.min;
    if (rank >= s->moments.n) return s->moments.max;
    return fmin(fmax(inner(s, (uint64_t)rank), s->moments.min), s->moments.max);
}

as_interval as_sketch_quantile(const as_sketch *s, double q, double level)
{
    int64_t n = s->moments.n, low, high;
    as_interval out = {NAN, NAN, NAN, n, level};
    if (n < 1) return out;
    as_stats_rank_interval(n, q, level, &low, &high);
    out.value = as_sketch_at(s, as_stats_rank(n, q));
    if (low) out.low = as_sketch_at(s, low);
    if (high) out.high = as_sketch_at(s, high);
    return out;
}
