/* Bootstrap over clusters; see stats.h. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "suites/stats.h"

enum { DEFAULT_RESAMPLES = 4000 };

static void total(const as_cluster *clusters, int64_t n, double *sum, double *weight)
{
    *sum = *weight = 0;
    for (int64_t i = 0; i < n; i++) {
        *sum += clusters[i].sum;
        *weight += clusters[i].weight;
    }
}

/* Ratios of `resamples` draws of n clusters, sorted. Returns how many were defined. */
static int64_t draw(const as_cluster *clusters, int64_t n, const as_bootstrap *options, int64_t resamples,
                    double *out)
{
    as_rng rng;
    as_rng_init(&rng, options->seed, options->stream);
    int64_t count = 0;
    for (int64_t b = 0; b < resamples; b++) {
        double sum = 0, weight = 0;
        for (int64_t i = 0; i < n; i++) {
            const as_cluster *c = &clusters[as_rng_below(&rng, (uint64_t)n)];
            sum += c->sum;
            weight += c->weight;
        }
        if (weight > 0 && isfinite(sum)) out[count++] = sum / weight;
    }
    as_stats_sort(out, count);
    return count;
}

/* Acceleration from the jackknife: a sixth of the skewness of the leave-one-out ratios. */
static double acceleration(const as_cluster *clusters, int64_t n)
{
    double sum, weight, mean = 0, square = 0, cube = 0;
    total(clusters, n, &sum, &weight);
    for (int64_t i = 0; i < n; i++) mean += (sum - clusters[i].sum) / (weight - clusters[i].weight);
    mean /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        double d = mean - (sum - clusters[i].sum) / (weight - clusters[i].weight);
        square += d * d;
        cube += d * d * d;
    }
    double a = square > 0 ? cube / (6 * pow(square, 1.5)) : 0;
    return isfinite(a) ? a : 0;
}

/* The value at probability p of the sorted draws, between neighbours. */
static double at(const double *sorted, int64_t count, double p)
{
    double place = p * (double)(count + 1) - 1;
    if (place <= 0) return sorted[0];
    if (place >= (double)(count - 1)) return sorted[count - 1];
    int64_t below = (int64_t)place;
    double part = place - (double)below;
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

static void bounds(const double *sorted, int64_t count, double accel, as_interval *out)
{
    int64_t below = 0, equal = 0;
    for (int64_t i = 0; i < count; i++) {
        below += sorted[i] < out->value;
        equal += sorted[i] == out->value;
    }
    double share = ((double)below + 0.5 * (double)equal) / (double)count, edge = 0.5 / (double)count;
    share = fmin(fmax(share, edge), 1 - edge);
    double bias = as_stats_normal_quantile(share);
    double ends[2];
    for (int side = 0; side < 2; side++) {
        double z = as_stats_normal_quantile(side ? 1 - (1 - out->level) / 2 : (1 - out->level) / 2);
        double moved = bias + (bias + z) / (1 - accel * (bias + z));
        ends[side] = at(sorted, count, as_stats_normal_cdf(moved));
    }
    /* Interpolation may step past the value by rounding when all draws are equal. */
    out->low = fmin(ends[0], out->value);
    out->high = fmax(ends[1], out->value);
}

as_code as_stats_ratio(const as_cluster *clusters, int64_t n, const as_bootstrap *options, as_interval *out,
                       as_error *err)
{
    as_interval result = {NAN, NAN, NAN, n, options->level > 0 ? options->level : 0.95};
    int64_t resamples = options->resamples > 0 ? options->resamples : DEFAULT_RESAMPLES;
    double sum, weight;
    total(clusters, n, &sum, &weight);
    if (weight > 0) result.value = sum / weight;
    if (n >= 2 && isfinite(result.value)) {
        double *draws = AS_NEW_ARRAY(double, resamples);
        if (!draws) return as_fail_memory(err, "bootstrap draws");
        int64_t count = draw(clusters, n, options, resamples, draws);
        if (count > 0) bounds(draws, count, acceleration(clusters, n), &result);
        as_free(draws);
    }
    *out = result;
    return AS_OK;
}

static as_code mean_of(const double *a, const double *b, int64_t n, const as_bootstrap *options,
                       as_interval *out, as_error *err)
{
    as_cluster *clusters = AS_NEW_ARRAY(as_cluster, n);
    if (!clusters) return as_fail_memory(err, "bootstrap clusters");
    for (int64_t i = 0; i < n; i++) clusters[i] = (as_cluster){a[i] - (b ? b[i] : 0), 1};
    as_code rc = as_stats_ratio(clusters, n, options, out, err);
    as_free(clusters);
    return rc;
}

as_code as_stats_mean(const double *values, int64_t n, const as_bootstrap *options, as_interval *out,
                      as_error *err)
{
    return mean_of(values, NULL, n, options, out, err);
}

as_code as_stats_paired(const double *a, const double *b, int64_t n, const as_bootstrap *options,
                        as_interval *out, as_error *err)
{
    return mean_of(a, b, n, options, out, err);
}
