/* The difference of two measured numbers; see compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "reports/compare.h"
#include "suites/stats.h"

enum { FEWEST_SAMPLES = 5, DEFAULT_RESAMPLES = 4000, STREAM = 0x636d70 };

/* The values behind a number, which is their mean by weight, or e to the power of it, or their median. */
typedef struct samples {
    double *values, *weights, *drawn; /* drawn: room for a resample */
    size_t count;
    bool exponential, median;
} samples;

static void free_samples(samples *s)
{
    as_free(s->values);
    as_free(s->weights);
    as_free(s->drawn);
}

static bool read_list(const json_t *list, size_t count, double absent, double *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = absent;
        if (list && (!as_json_number(json_array_get(list, i), &out[i]) || !isfinite(out[i]))) return false;
    }
    return true;
}

/* Leaves out->values NULL when there are none that can be used. */
static as_code read_samples(const json_t *check, samples *out, as_error *err)
{
    const json_t *evidence = json_object_get(check, "evidence");
    const json_t *list = json_object_get(evidence, "samples");
    const json_t *weights = json_object_get(evidence, "sample_weights");
    const char *transform = json_string_value(json_object_get(evidence, "sample_transform"));
    const char *statistic = json_string_value(json_object_get(evidence, "sample_statistic"));
    size_t count = json_array_size(list);
    bool is_median = statistic && strcmp(statistic, "median") == 0;
    if (statistic && !is_median) return AS_OK;
    if (count < FEWEST_SAMPLES || (weights && json_array_size(weights) != count)) return AS_OK;
    samples s = {.values = AS_NEW_ARRAY(double, count),
                 .weights = AS_NEW_ARRAY(double, count),
                 .drawn = AS_NEW_ARRAY(double, count),
                 .count = count,
                 .exponential = transform && strcmp(transform, "exp") == 0,
                 .median = is_median};
    bool memory = s.values && s.weights && s.drawn;
    bool usable = memory && read_list(list, count, 0, s.values) && read_list(weights, count, 1, s.weights);
    for (size_t i = 0; usable && i < count; i++) usable = s.weights[i] > 0;
    if (usable) {
        *out = s;
        return AS_OK;
    }
    free_samples(&s);
    return memory ? AS_OK : as_fail_memory(err, "samples");
}

static bool same_ids(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(json_object_get(a, "evidence"), "sample_ids");
    const json_t *y = json_object_get(json_object_get(b, "evidence"), "sample_ids");
    return (!x && !y) || (x && y && json_equal(x, y));
}

static double estimate(const samples *s, double sum, double weight)
{
    return s->exponential ? exp(sum / weight) : sum / weight;
}

/* The value with at least half of them up to it, as the suites take it. */
static double median_of_drawn(const samples *s)
{
    as_stats_sort(s->drawn, (int64_t)s->count);
    return s->drawn[as_stats_rank((int64_t)s->count, 0.5) - 1];
}

static double middle(const samples *s)
{
    double sum = 0, weight = 0;
    if (s->median) {
        memcpy(s->drawn, s->values, s->count * sizeof *s->values);
        return median_of_drawn(s);
    }
    for (size_t i = 0; i < s->count; i++) sum += s->weights[i] * s->values[i], weight += s->weights[i];
    return estimate(s, sum, weight);
}

static double resampled(const samples *s, as_rng *rng)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < s->count; i++) {
        size_t pick = as_rng_below(rng, s->count);
        s->drawn[i] = s->values[pick];
        sum += s->weights[pick] * s->values[pick];
        weight += s->weights[pick];
    }
    return s->median ? median_of_drawn(s) : estimate(s, sum, weight);
}

static double resampled_pairs(const samples *a, const samples *b, as_rng *rng)
{
    double sums[2] = {0}, weights[2] = {0};
    for (size_t i = 0; i < a->count; i++) {
        size_t pick = as_rng_below(rng, a->count);
        sums[0] += a->weights[pick] * a->values[pick];
        sums[1] += b->weights[pick] * b->values[pick];
        weights[0] += a->weights[pick];
        weights[1] += b->weights[pick];
    }
    return estimate(b, sums[1], weights[1]) - estimate(a, sums[0], weights[0]);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double level_of(const as_compare_options *options)
{
    return options->level > 0 ? options->level : 0.95;
}

/* Percentile interval of the difference of means or medians over resamples. */
static as_code bootstrap(const samples *a, const samples *b, bool paired, const as_compare_options *options,
                         as_difference *d, as_error *err)
{
    int resamples = options->resamples > 0 ? options->resamples : DEFAULT_RESAMPLES;
    double level = level_of(options);
    double *found = AS_NEW_ARRAY(double, resamples);
    if (!found) return as_fail_memory(err, "resamples");
    as_rng rng;
    as_rng_init(&rng, options->seed, STREAM);
    for (int i = 0; i < resamples; i++) {
        found[i] = paired ? resampled_pairs(a, b, &rng) : resampled(b, &rng) - resampled(a, &rng);
    }
    qsort(found, (size_t)resamples, sizeof *found, by_value);
    double tail = (1 - level) / 2 * (resamples - 1);
    d->value = middle(b) - middle(a);
    d->base = fabs(middle(a));
    d->low = found[(int)floor(tail)];
    d->high = found[(int)ceil(resamples - 1 - tail)];
    d->has_interval = true;
    d->n = (int64_t)(a->count < b->count ? a->count : b->count);
    d->method = paired ? "paired samples" : "samples";
    as_free(found);
    return AS_OK;
}

/* MOVER: the distance of each estimate to its own bound, joined as independent. */
static void from_intervals(const as_number *a, const as_number *b, as_difference *d)
{
    double a_low = a->has_interval ? a->low : a->value, a_high = a->has_interval ? a->high : a->value;
    double b_low = b->has_interval ? b->low : b->value, b_high = b->has_interval ? b->high : b->value;
    d->value = b->value - a->value;
    d->base = fabs(a->value);
    d->has_interval = a->has_interval || b->has_interval;
    d->low = d->value - hypot(b->value - b_low, a_high - a->value);
    d->high = d->value + hypot(b_high - b->value, a->value - a_low);
    d->method = d->has_interval ? "intervals" : "exact";
    d->n = a->n && b->n ? (a->n < b->n ? a->n : b->n) : 0;
}

static double margin_of(const json_t *check, const as_compare_options *options)
{
    double own;
    if (as_json_number(json_object_get(json_object_get(check, "evidence"), "margin"), &own) && own >= 0)
        return own;
    return options->margin > 0 ? options->margin : 0.01;
}

static as_change decide(const as_difference *d, as_better better, double margin)
{
    double room = margin * d->base;
    if (d->value == 0 && !d->has_interval) return AS_CHANGE_SAME;
    if (d->low >= -room && d->high <= room) return AS_CHANGE_SAME;
    bool up = d->low > 0, down = d->high < 0;
    if (!up && !down) return AS_CHANGE_INCONCLUSIVE;
    if (better == AS_BETTER_UNKNOWN) return AS_CHANGE_INCONCLUSIVE;
    return up == (better == AS_BETTER_HIGHER) ? AS_CHANGE_BETTER : AS_CHANGE_WORSE;
}

/* The same estimate and interval from the same samples, if there are any. */
static bool same_numbers(const json_t *a, const json_t *b)
{
    const json_t *x = json_object_get(json_object_get(a, "evidence"), "samples");
    const json_t *y = json_object_get(json_object_get(b, "evidence"), "samples");
    return json_equal(json_object_get(a, "measured"), json_object_get(b, "measured")) &&
           ((!x && !y) || json_equal(x, y));
}

as_code as_compare_numbers(const json_t *check_a, const json_t *check_b, as_better better,
                           const as_compare_options *options, as_difference *out, bool *comparable,
                           as_error *err)
{
    as_number a, b;
    *comparable = as_value_number(json_object_get(check_a, "measured"), &a) &&
                  as_value_number(json_object_get(check_b, "measured"), &b) && isfinite(a.value) &&
                  isfinite(b.value);
    if (!*comparable) return AS_OK;
    as_difference d = {0};
    samples x = {0}, y = {0};
    as_code rc = read_samples(check_a, &x, err);
    if (rc == AS_OK) rc = read_samples(check_b, &y, err);
    bool alike = x.median == y.median;
    if (rc == AS_OK && as_compare_shares(check_a, check_b, level_of(options), &d)) {
        /* done */
    } else if (rc == AS_OK && x.values && y.values && alike) {
        /* Requests of two runs share nothing but their order: medians never pair. */
        bool paired = !x.median && x.count == y.count && same_ids(check_a, check_b);
        rc = bootstrap(&x, &y, paired, options, &d, err);
    } else if (rc == AS_OK) {
        from_intervals(&a, &b, &d);
    }
    free_samples(&x);
    free_samples(&y);
    if (rc != AS_OK) return rc;
    /* The very same estimate and interval: one run, or one that repeats it exactly. */
    bool equal = d.value == 0 && same_numbers(check_a, check_b);
    d.change = equal ? AS_CHANGE_SAME : decide(&d, better, margin_of(check_b, options));
    bool told = d.change == AS_CHANGE_BETTER || d.change == AS_CHANGE_WORSE;
    if (told && d.has_p && d.p >= 1 - level_of(options)) d.change = AS_CHANGE_INCONCLUSIVE;
    *out = d;
    return AS_OK;
}
