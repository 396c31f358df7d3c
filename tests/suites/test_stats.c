/* suites/stats*.h: against closed forms and against values computed with 30 digits. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "suites/stats.h"
#include "suites/stats_stream.h"

static void near(double found, double expected, double tolerance, const char *what)
{
    cr_assert(fabs(found - expected) <= tolerance * fmax(1, fabs(expected)),
              "%s: found %.17g, expected %.17g, difference %.3g", what, found, expected, found - expected);
}

Test(stats, binomial_and_normal_match_long_sums)
{
    near(as_stats_binomial_cdf(3, 10, 0.3), 0.6496107184, 1e-14, "3 of 10");
    near(as_stats_binomial_cdf(39, 100, 0.5), 0.017600100108852408, 1e-14, "39 of 100");
    near(as_stats_binomial_cdf(950, 1000, 0.95), 0.5202589429126794, 1e-12, "950 of 1000");
    near(as_stats_binomial_cdf(0, 5000, 0.001), 0.0067211119598656178, 1e-13, "0 of 5000");
    near(as_stats_binomial_cdf(990, 1000, 0.999), 1.0742833868464871e-7, 1e-15, "990 of 1000");
    cr_assert_eq(as_stats_binomial_cdf(-1, 10, 0.5), 0);
    cr_assert_eq(as_stats_binomial_cdf(10, 10, 0.5), 1);
    near(as_stats_normal_quantile(0.975), 1.9599639845400542, 1e-14, "z 0.975");
    near(as_stats_normal_quantile(0.0001), -3.7190164854556806, 1e-13, "z 0.0001");
    near(as_stats_normal_quantile(0.5), 0, 1e-15, "z 0.5");
}

Test(stats, minimum_counts_are_those_of_the_design)
{
    cr_assert_eq(as_stats_min_count(0.9, 0.99), 64);
    cr_assert_eq(as_stats_min_count(0.99, 0.99), 662);
    cr_assert_eq(as_stats_min_count(0.999, 0.99), 6636);
    cr_assert_eq(as_stats_min_count(0.1, 0.99), 64);
    /* The definition itself, on both sides of the bound. */
    cr_assert_gt(as_stats_binomial_cdf(1, 661, 0.01), 0.01);
    cr_assert_leq(as_stats_binomial_cdf(1, 662, 0.01), 0.01);
}

Test(stats, rank_intervals_are_exact)
{
    static const struct {
        int64_t n;
        double q, level;
        int64_t low, high;
    } cases[] = {{10, 0.5, 0.95, 2, 9},     {100, 0.5, 0.95, 40, 61},   {5, 0.5, 0.95, 0, 0},
                 {6, 0.5, 0.95, 1, 6},      {64, 0.9, 0.95, 53, 63},    {64, 0.9, 0.99, 51, 64},
                 {200, 0.99, 0.95, 195, 0}, {700, 0.99, 0.95, 687, 699}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t low, high;
        as_stats_rank_interval(cases[i].n, cases[i].q, cases[i].level, &low, &high);
        cr_assert(low == cases[i].low && high == cases[i].high,
                  "n %ld q %g: found %ld..%ld, expected %ld..%ld", (long)cases[i].n, cases[i].q, (long)low,
                  (long)high, (long)cases[i].low, (long)cases[i].high);
    }
}

Test(stats, percentiles_are_values_that_occurred)
{
    double values[100];
    for (int i = 0; i < 100; i++) values[i] = (double)((i * 37) % 100 + 1);
    as_stats_sort(values, 100);
    cr_assert_eq(as_stats_quantile(values, 100, 0.07, 0.95).value, 7);
    cr_assert_eq(as_stats_quantile(values, 100, 0.5, 0.95).value, 50);
    cr_assert_eq(as_stats_quantile(values, 100, 0.999, 0.95).value, 100);
    as_interval median = as_stats_quantile(values, 100, 0.5, 0.95);
    cr_assert(median.low == 40 && median.high == 61 && median.n == 100);
    cr_assert(isnan(as_stats_quantile(values, 5, 0.5, 0.95).low));
    cr_assert(isnan(as_stats_quantile(values, 0, 0.5, 0.95).value));
}

Test(stats, wilson_intervals)
{
    as_interval w = as_stats_proportion(81, 263, 0.95);
    near(w.low, 0.255288519878, 1e-11, "81/263 low");
    near(w.high, 0.366209576983, 1e-11, "81/263 high");
    w = as_stats_proportion(20, 20, 0.95);
    near(w.low, 0.838874841947, 1e-11, "20/20 low");
    cr_assert_eq(w.high, 1);
    w = as_stats_proportion(0, 10, 0.95);
    near(w.high, 0.277532799863, 1e-11, "0/10 high");
    cr_assert_eq(w.low, 0);
}

Test(stats, bootstrap_of_equal_clusters_has_no_width)
{
    as_cluster clusters[8];
    for (int i = 0; i < 8; i++) clusters[i] = (as_cluster){0.1 * (i + 1), i + 1};
    as_interval out;
    as_bootstrap options = {.seed = 1};
    cr_assert_eq(as_stats_ratio(clusters, 8, &options, &out, NULL), AS_OK);
    near(out.value, 0.1, 1e-15, "value");
    near(out.low, 0.1, 1e-14, "low");
    near(out.high, 0.1, 1e-14, "high");
    cr_assert_eq(as_stats_ratio(clusters, 1, &options, &out, NULL), AS_OK);
    cr_assert(isnan(out.low) && isnan(out.high) && out.value == 0.1);
}

/* For a mean of many values the interval is close to the normal one; its coverage is close to its level. */
Test(stats, bootstrap_covers_as_often_as_it_says)
{
    enum { N = 40, ROUNDS = 300 };
    as_rng rng;
    as_rng_init(&rng, 7, 0);
    int covered = 0, skewed = 0;
    double width = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double normal[N], exponential[N];
        for (int i = 0; i < N; i++) normal[i] = 3 + as_rng_normal(&rng);
        for (int i = 0; i < N; i++) exponential[i] = as_rng_exponential(&rng);
        as_interval a, b;
        as_bootstrap options = {.seed = (uint64_t)round, .resamples = 1000};
        cr_assert_eq(as_stats_mean(normal, N, &options, &a, NULL), AS_OK);
        cr_assert_eq(as_stats_mean(exponential, N, &options, &b, NULL), AS_OK);
        covered += a.low <= 3 && 3 <= a.high;
        skewed += b.low <= 1 && 1 <= b.high;
        width += (a.high - a.low) / ROUNDS;
    }
    cr_assert(covered >= 0.90 * ROUNDS && covered <= 0.99 * ROUNDS, "normal: %d of %d", covered, ROUNDS);
    cr_assert(skewed >= 0.88 * ROUNDS, "exponential: %d of %d", skewed, ROUNDS);
    near(width, 2 * 1.96 / sqrt(N), 0.05, "mean width");
}

Test(stats, bootstrap_is_seeded_and_paired)
{
    double a[30], b[30];
    as_rng rng;
    as_rng_init(&rng, 3, 0);
    for (int i = 0; i < 30; i++) {
        b[i] = 100 * as_rng_normal(&rng);
        a[i] = b[i] + 1 + 0.01 * as_rng_normal(&rng);
    }
    as_bootstrap options = {.seed = 5};
    as_interval one, two, pair;
    cr_assert_eq(as_stats_mean(a, 30, &options, &one, NULL), AS_OK);
    cr_assert_eq(as_stats_mean(a, 30, &options, &two, NULL), AS_OK);
    cr_assert(memcmp(&one, &two, sizeof one) == 0);
    cr_assert_eq(as_stats_paired(a, b, 30, &options, &pair, NULL), AS_OK);
    near(pair.value, 1, 0.01, "paired difference");
    cr_assert(pair.high - pair.low < 0.02, "pairs must cancel: width %g", pair.high - pair.low);
    as_interval mapped = as_stats_map(pair, exp);
    cr_assert_eq(mapped.low, exp(pair.low));
}

Test(stats, bootstrap_survives_a_failed_allocation)
{
    double a[3] = {1, 2, 3};
    as_bootstrap options = {.seed = 5};
    for (uint64_t n = 1; n <= 2; n++) {
        as_interval out = {.value = 42};
        as_error err;
        as_alloc_fail_after(n);
        cr_assert_eq(as_stats_mean(a, 3, &options, &out, &err), AS_E_MEMORY);
        as_alloc_fail_after(0);
        cr_assert_eq(out.value, 42);
    }
}

Test(stats, verdicts_follow_the_whole_interval)
{
    as_interval i = {5, 4, 6, 10, 0.95};
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_MOST, 6), AS_PASS);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_MOST, 5), AS_INCONCLUSIVE);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_MOST, 3.9), AS_FAIL);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_LEAST, 4), AS_PASS);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_ABOVE, 4), AS_INCONCLUSIVE);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_ABOVE, 6), AS_FAIL);
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_LEAST, 6.1), AS_FAIL);
    i.low = i.high = NAN;
    cr_assert_eq(as_stats_judge(&i, AS_GATE_AT_MOST, 100), AS_INCONCLUSIVE);
    i.value = NAN;
    cr_assert_eq(as_stats_judge(&i, AS_GATE_ABOVE, 0), AS_INCONCLUSIVE);
}

Test(stats, compensated_sums_keep_what_plain_sums_lose)
{
    as_sum sum = {0};
    as_sum_add(&sum, 1);
    as_sum_add(&sum, 1e100);
    as_sum_add(&sum, 1);
    as_sum_add(&sum, -1e100);
    cr_assert_eq(as_sum_value(&sum), 2);
}

Test(stats, sketch_keeps_its_error_bound)
{
    enum { N = 20000 };
    double *values = AS_NEW_ARRAY(double, N);
    as_sketch *sketch = AS_NEW(as_sketch);
    as_rng rng;
    as_rng_init(&rng, 11, 0);
    for (int i = 0; i < N; i++) {
        double x = exp(6 * as_rng_normal(&rng) - 8);
        if (i % 5 == 0) x = -x;
        if (i % 50 == 1) x = 0;
        values[i] = x;
        as_sketch_add(sketch, x);
    }
    as_stats_sort(values, N);
    static const double qs[] = {0.001, 0.01, 0.1, 0.19, 0.21, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999};
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        double exact = values[as_stats_rank(N, qs[i]) - 1];
        double found = as_sketch_quantile(sketch, qs[i], 0.95).value;
        cr_assert(fabs(found - exact) <= AS_SKETCH_ERROR * 1.0001 * fabs(exact) + 1e-15,
                  "q %g: %g against %g", qs[i], found, exact);
    }
    cr_assert_eq(as_sketch_at(sketch, 1), values[0]);
    cr_assert_eq(as_sketch_at(sketch, N), values[N - 1]);
    as_interval median = as_sketch_quantile(sketch, 0.5, 0.95);
    cr_assert(median.low <= median.value && median.value <= median.high);
    as_free(values);
    as_free(sketch);
}

Test(stats, sketch_takes_any_magnitude)
{
    as_sketch *sketch = AS_NEW(as_sketch);
    as_sketch_add(sketch, 1e-300);
    as_sketch_add(sketch, 1e30);
    as_sketch_add(sketch, -1e30);
    cr_assert_eq(as_sketch_at(sketch, 2), 0);
    cr_assert_eq(sketch->moments.max, 1e30);
    cr_assert(isnan(as_moments_mean(&(as_moments){0})));
    as_free(sketch);
}

Test(stats, interval_as_json)
{
    as_interval i = {1.5, NAN, 2, 7, 0.95};
    json_t *json = as_interval_json(&i);
    cr_assert_eq(json_real_value(json_object_get(json, "value")), 1.5);
    cr_assert(json_is_null(json_object_get(json, "low")));
    cr_assert_eq(json_integer_value(json_object_get(json, "n")), 7);
    json_decref(json);
}
