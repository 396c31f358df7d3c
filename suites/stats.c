/* Percentiles, proportions and verdicts; see stats.h. */
#include "suites/stats.h"

#include <math.h>
#include <stdlib.h>

json_t *as_interval_json(const as_interval *i)
{
    json_t *out = json_object();
    const struct {
        const char *name;
        double value;
    } fields[] = {{"value", i->value}, {"low", i->low}, {"high", i->high}};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
        json_object_set_new(out, fields[f].name,
                            isfinite(fields[f].value) ? json_real(fields[f].value) : json_null());
    }
    json_object_set_new(out, "n", json_integer(i->n));
    json_object_set_new(out, "level", json_real(i->level));
    return out;
}

double as_stats_normal_cdf(double x)
{
    return 0.5 * erfc(-x * M_SQRT1_2);
}

/* Acklam's rational approximation (relative error 1e-9), then one step of Halley's method. */
double as_stats_normal_quantile(double p)
{
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                               6.680131188771972e+01, -1.328068155288572e+01};
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    double x, tail = p < 0.5 ? p : 1 - p;
    if (tail < 0.02425) {
        double q = sqrt(-2 * log(tail));
        x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
            ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
        if (p > 0.5) x = -x;
    } else {
        double q = p - 0.5, r = q * q;
        x = (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
            (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
    }
    double e = as_stats_normal_cdf(x) - p;
    double u = e * sqrt(2 * M_PI) * exp(x * x / 2);
    return x - u / (1 + x * u / 2);
}

/* Continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double h = d;
    for (int m = 1; m < 100000; m++) {
        for (int half = 0; half < 2; half++) {
            double top = half ? -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
                              : m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
            d = 1 + top * d;
            d = 1 / (fabs(d) < tiny ? tiny : d);
            c = 1 + top / c;
            if (fabs(c) < tiny) c = tiny;
            h *= c * d;
        }
        if (fabs(c * d - 1) < 1e-15) break;
    }
    return h;
}

/* Regularised incomplete beta function I_x(a, b). */
static double beta_regularised(double x, double a, double b)
{
    if (x <= 0) return 0;
    if (x >= 1) return 1;
    int sign;
    double front =
        exp(lgamma_r(a + b, &sign) - lgamma_r(a, &sign) - lgamma_r(b, &sign) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
    return 1 - front * beta_fraction(1 - x, b, a) / b;
}

double as_stats_binomial_cdf(int64_t k, int64_t n, double p)
{
    if (k < 0) return 0;
    if (k >= n) return 1;
    return beta_regularised(1 - p, (double)(n - k), (double)(k + 1));
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void as_stats_sort(double *values, int64_t n)
{
    if (n > 1) qsort(values, (size_t)n, sizeof *values, ascending);
}

int64_t as_stats_rank(int64_t n, double q)
{
    /* 0.07 * 100 is a hair above 7 in binary: such a hair must not move the rank. */
    int64_t rank = (int64_t)ceil(q * (double)n * (1 - 1e-12));
    if (rank < 1) return 1;
    return rank > n ? n : rank;
}

void as_stats_rank_interval(int64_t n, double q, double level, int64_t *low, int64_t *high)
{
    double alpha = (1 - level) / 2;
    int64_t from = 0, to = n; /* the largest r in 0..n with P(B <= r-1) <= alpha */
    while (from < to) {
        int64_t r = from + (to - from + 1) / 2;
        if (as_stats_binomial_cdf(r - 1, n, q) <= alpha)
            from = r;
        else
            to = r - 1;
    }
    *low = from;
    from = 1, to = n + 1; /* the smallest s in 1..n with P(B <= s-1) >= 1 - alpha; n + 1: none */
    while (from < to) {
        int64_t s = from + (to - from) / 2;
        if (as_stats_binomial_cdf(s - 1, n, q) >= 1 - alpha)
            to = s;
        else
            from = s + 1;
    }
    *high = from > n ? 0 : from;
}

as_interval as_stats_quantile(const double *sorted, int64_t n, double q, double level)
{
    as_interval out = {NAN, NAN, NAN, n, level};
    if (n < 1) return out;
    int64_t low, high;
    as_stats_rank_interval(n, q, level, &low, &high);
    out.value = sorted[as_stats_rank(n, q) - 1];
    if (low) out.low = sorted[low - 1];
    if (high) out.high = sorted[high - 1];
    return out;
}

int64_t as_stats_min_count(double q, double confidence)
{
    double beyond = q < 0.5 ? q : 1 - q;
    int64_t from = 2, to = 4;
    while (as_stats_binomial_cdf(1, to, beyond) > 1 - confidence) to *= 2;
    while (from < to) {
        int64_t n = from + (to - from) / 2;
        if (as_stats_binomial_cdf(1, n, beyond) <= 1 - confidence)
            to = n;
        else
            from = n + 1;
    }
    return from;
}

as_interval as_stats_proportion(int64_t successes, int64_t n, double level)
{
    if (n < 1) return (as_interval){NAN, NAN, NAN, n, level};
    double z = as_stats_normal_quantile(1 - (1 - level) / 2), count = (double)n;
    double p = (double)successes / count, z2 = z * z / count;
    double middle = (p + z2 / 2) / (1 + z2);
    double half = z / (1 + z2) * sqrt(p * (1 - p) / count + z2 / (4 * count));
    as_interval out = {p, middle - half, middle + half, n, level};
    if (successes == 0) out.low = 0;
    if (successes == n) out.high = 1;
    return out;
}

as_interval as_stats_map(as_interval i, double (*increasing)(double))
{
    return (as_interval){increasing(i.value), increasing(i.low), increasing(i.high), i.n, i.level};
}

as_verdict as_stats_judge(const as_interval *i, as_gate_sense sense, double gate)
{
    double near = i->low, far = i->high; /* the end that proves a pass is `near` */
    bool kept, broken;
    if (isnan(i->value)) return AS_INCONCLUSIVE;
    switch (sense) {
    case AS_GATE_AT_MOST:
        kept = far <= gate;
        broken = near > gate;
        break;
    case AS_GATE_AT_LEAST:
        kept = near >= gate;
        broken = far < gate;
        break;
    default:
        kept = near > gate;
        broken = far <= gate;
        break;
    }
    return kept ? AS_PASS : broken ? AS_FAIL : AS_INCONCLUSIVE;
}
