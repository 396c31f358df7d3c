/* Two shares of the same questions; see compare.h. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "reports/compare.h"
#include "suites/stats.h"

enum { FEWEST_PAIRS = 5 };

/* How often each side was right: [A right][B right]. */
typedef struct table {
    int64_t count[2][2];
} table;

static bool is_share(const json_t *check)
{
    const char *statistic =
        json_string_value(json_object_get(json_object_get(check, "evidence"), "sample_statistic"));
    return statistic && strcmp(statistic, "share") == 0;
}

/* The answers by the question's name; NULL where they cannot be read. A new reference. */
static json_t *answers_of(const json_t *check)
{
    const json_t *evidence = json_object_get(check, "evidence");
    const json_t *ids = json_object_get(evidence, "sample_ids"),
                 *samples = json_object_get(evidence, "samples");
    json_t *answers = json_object(), *id;
    size_t i;
    bool usable = answers && json_array_size(ids) == json_array_size(samples);
    json_array_foreach(ids, i, id)
    {
        double right;
        usable = usable && json_is_string(id) && as_json_number(json_array_get(samples, i), &right) &&
                 (right == 0 || right == 1) &&
                 json_object_set_new(answers, json_string_value(id), json_boolean(right != 0)) == 0;
    }
    if (usable) return answers;
    json_decref(answers);
    return NULL;
}

static int64_t pair_answers(json_t *a, const json_t *b, table *out)
{
    const char *id;
    json_t *answer;
    int64_t pairs = 0;
    json_object_foreach(a, id, answer)
    {
        const json_t *other = json_object_get(b, id);
        if (!other) continue;
        out->count[json_is_true(answer)][json_is_true(other)]++;
        pairs++;
    }
    return pairs;
}

/* The correlation of the pairs as Newcombe takes it, with its correction for continuity. */
static double correlation(const table *t, double n)
{
    double both = (double)t->count[1][1], a_alone = (double)t->count[1][0], b_alone = (double)t->count[0][1],
           none = (double)t->count[0][0];
    double margins = (both + a_alone) * (b_alone + none) * (both + b_alone) * (a_alone + none);
    double cross = both * none - a_alone * b_alone;
    if (margins <= 0) return 0;
    if (cross > 0) cross = fmax(cross - n / 2, 0);
    return cross / sqrt(margins);
}

static double joined(double x, double y, double phi)
{
    return sqrt(fmax(x * x - 2 * phi * x * y + y * y, 0));
}

/* Newcombe, Statistics in Medicine 17 (1998) 2635-2650, method 10. */
static void paired_interval(const table *t, int64_t pairs, double level, as_difference *d)
{
    double phi = correlation(t, (double)pairs);
    as_interval a = as_stats_proportion(t->count[1][1] + t->count[1][0], pairs, level);
    as_interval b = as_stats_proportion(t->count[1][1] + t->count[0][1], pairs, level);
    d->value = b.value - a.value;
    d->base = a.value;
    d->low = d->value - joined(b.value - b.low, a.high - a.value, phi);
    d->high = d->value + joined(b.high - b.value, a.value - a.low, phi);
    d->has_interval = true;
    d->n = pairs;
    d->method = "paired questions";
    /* The exact test of McNemar: of the questions on which they part, each is one's or the other's by even
     * chance. */
    int64_t lost = t->count[1][0], won = t->count[0][1];
    d->p = fmin(1, 2 * as_stats_binomial_cdf(lost < won ? lost : won, lost + won, 0.5));
    d->has_p = true;
}

bool as_compare_shares(const json_t *check_a, const json_t *check_b, double level, as_difference *out)
{
    if (!is_share(check_a) || !is_share(check_b)) return false;
    table t = {0};
    json_t *a = answers_of(check_a), *b = answers_of(check_b);
    int64_t pairs = a && b ? pair_answers(a, b, &t) : 0;
    json_decref(a);
    json_decref(b);
    if (pairs < FEWEST_PAIRS) return false;
    paired_interval(&t, pairs, level, out);
    return true;
}
