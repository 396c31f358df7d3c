/* Two results of the same checks; see compare.h. */
#include "reports/compare.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "reports/check_view.h"
#include "reports/compare_view.h"
#include "reports/tree.h"
#include "reports/view.h"

enum { MOST_WHY = 1500 };

static const char *const change_names[] = {
    [AS_CHANGE_SAME] = "same",
    [AS_CHANGE_BETTER] = "better",
    [AS_CHANGE_INCONCLUSIVE] = "inconclusive",
    [AS_CHANGE_WORSE] = "worse",
};

const char *as_change_name(as_change change)
{
    return change_names[change];
}

typedef struct comparison {
    as_tree tree;
    const json_t *a, *b;
    as_compare_options options;
    json_t *checks, *series, *vanished, *appeared;
    size_t counts[AS_CHANGE_WORSE + 1];
} comparison;

static json_t *find_by(const json_t *list, const char *key, const char *name)
{
    size_t index;
    json_t *item;
    json_array_foreach(list, index, item)
    {
        const char *found = json_string_value(json_object_get(item, key));
        if (found && name && strcmp(found, name) == 0) return item;
    }
    return NULL;
}

/* The items of `list` of all suites by their key, so that ten thousand checks pair quickly. Borrowed items.
 */
static json_t *index_checks(as_tree *tree, const json_t *result)
{
    json_t *index = as_tree_object(tree), *suite, *check;
    size_t s, c;
    json_array_foreach(json_object_get(result, "suites"), s, suite)
    {
        json_array_foreach(json_object_get(suite, "checks"), c, check)
        {
            const char *id = json_string_value(json_object_get(check, "id"));
            if (id) as_tree_put(tree, index, id, json_incref(check));
        }
    }
    return index;
}

static bool is_measured(const json_t *check)
{
    return check && as_view_verdict(check) != AS_SKIP;
}

static bool held(const json_t *check)
{
    as_verdict verdict = as_view_verdict(check);
    return verdict == AS_PASS || verdict == AS_WARN;
}

static void copy_key(as_tree *tree, json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    as_tree_put(tree, to, key, value ? json_incref(value) : json_null());
}

static json_t *side(as_tree *tree, const json_t *check)
{
    if (!check) return json_null();
    json_t *out = as_tree_object(tree);
    copy_key(tree, out, check, "verdict");
    copy_key(tree, out, check, "measured");
    copy_key(tree, out, check, "expected");
    return out;
}

static json_t *finite_real(double x)
{
    return isfinite(x) ? json_real(x) : json_null();
}

static json_t *difference_json(as_tree *tree, const as_difference *d)
{
    json_t *out = as_tree_object(tree);
    as_tree_put(tree, out, "value", finite_real(d->value));
    as_tree_put(tree, out, "low", d->has_interval ? finite_real(d->low) : json_null());
    as_tree_put(tree, out, "high", d->has_interval ? finite_real(d->high) : json_null());
    as_tree_put(tree, out, "of", d->base > 0 ? json_real(d->base) : json_null());
    as_tree_put(tree, out, "n", json_integer(d->n));
    as_tree_put(tree, out, "method", json_string(d->method));
    if (d->has_p) as_tree_put(tree, out, "p", json_real(d->p));
    return out;
}

/* In words: "10.1 tokens/s, was 12.9 tokens/s: ". */
static void write_step(const json_t *a, const json_t *b, as_buf *out)
{
    const char *unit = json_string_value(json_object_get(b, "unit"));
    as_value_write(json_object_get(b, "measured"), unit, 120, out);
    as_buf_str(out, ", was ");
    as_value_write(json_object_get(a, "measured"), unit, 120, out);
}

static void write_signed(double x, double base, as_buf *out)
{
    as_buf_str(out, x < 0 ? "\xE2\x88\x92" : "+");
    if (base > 0) {
        as_buf_printf(out, "%.3g%%", fabs(100 * x / base));
    } else {
        as_value_write_real(fabs(x), out);
    }
}

static void write_difference(const as_difference *d, as_buf *out)
{
    as_buf_str(out, ": ");
    write_signed(d->value, d->base, out);
    if (d->has_interval && isfinite(d->low) && isfinite(d->high)) {
        as_buf_str(out, " (");
        write_signed(d->low, d->base, out);
        as_buf_str(out, " to ");
        write_signed(d->high, d->base, out);
        bool paired = strncmp(d->method, "paired", 6) == 0;
        as_buf_printf(out, ", by %s%s", paired ? "" : "unpaired ", d->method);
        if (d->has_p) as_buf_printf(out, ", exact p %.2g", d->p);
        as_buf_str(out, ")");
    } else if (d->has_interval) {
        as_buf_str(out, " (too few samples to bound it)");
    }
}

/* How a step from one verdict to another is judged before any number; AS_CHANGE_SAME leaves it to them. */
static as_change judge_verdicts(as_verdict a, as_verdict b)
{
    int step = as_verdict_severity(b) - as_verdict_severity(a);
    if (a != AS_INCONCLUSIVE && b != AS_INCONCLUSIVE) {
        return step > 0 ? AS_CHANGE_WORSE : step < 0 ? AS_CHANGE_BETTER : AS_CHANGE_SAME;
    }
    if (step > 0) return b == AS_INCONCLUSIVE ? AS_CHANGE_INCONCLUSIVE : AS_CHANGE_WORSE;
    return AS_CHANGE_SAME;
}

static void write_why(const json_t *a, const json_t *b, as_change by_verdict, as_change change,
                      as_better better, const as_difference *d, as_buf *out)
{
    as_verdict was = as_view_verdict(a), is = as_view_verdict(b);
    const char *reason = json_string_value(json_object_get(b, "why"));
    if (was != is) as_buf_printf(out, "%s, was %s. ", as_verdict_name(is), as_verdict_name(was));
    if (d || as_json_has(b, "measured") || as_json_has(a, "measured")) write_step(a, b, out);
    if (d) write_difference(d, out);
    if (d && change == AS_CHANGE_INCONCLUSIVE && by_verdict == AS_CHANGE_SAME) {
        as_buf_str(out, ". The interval holds both a difference that matters and none");
    }
    if (d && change == AS_CHANGE_SAME && better == AS_BETTER_UNKNOWN && d->value != 0) {
        as_buf_str(out, ". Nothing says which way is better");
    }
    if (by_verdict == AS_CHANGE_WORSE && reason && *reason) {
        as_buf_str(out, ". In B: ");
        as_tree_clean(reason, strlen(reason), MOST_WHY, out);
    }
}

static json_t *make_row(comparison *c, const json_t *check, const json_t *a, const json_t *b,
                        as_change change, as_buf *why)
{
    static const char *const better_names[] = {NULL, "higher", "lower"};
    as_tree *tree = &c->tree;
    json_t *row = as_tree_object(tree);
    const char *better = better_names[as_value_better(check)];
    copy_key(tree, row, check, "id");
    copy_key(tree, row, check, "title");
    copy_key(tree, row, check, "unit");
    as_tree_put(tree, row, "better", better ? json_string(better) : json_null());
    as_tree_put(tree, row, "change", json_string(as_change_name(change)));
    as_tree_put(tree, row, "why", as_tree_buf(tree, why));
    as_tree_put(tree, row, "a", side(tree, a));
    as_tree_put(tree, row, "b", side(tree, b));
    c->counts[change]++;
    return row;
}

static as_code compare_pair(comparison *c, const json_t *a, const json_t *b, as_error *err)
{
    as_better better = as_value_better(b);
    if (!better) better = as_value_better(a);
    as_difference d;
    bool numbers;
    AS_TRY(as_compare_numbers(a, b, better, &c->options, &d, &numbers, err));
    as_change by_verdict = judge_verdicts(as_view_verdict(a), as_view_verdict(b)), change = by_verdict;
    bool unjudged = numbers && !better && d.change == AS_CHANGE_INCONCLUSIVE;
    if (change == AS_CHANGE_SAME && numbers && !unjudged) change = d.change;
    if (change == AS_CHANGE_INCONCLUSIVE && numbers && d.change == AS_CHANGE_WORSE) change = AS_CHANGE_WORSE;
    as_buf why;
    as_buf_init(&why, 0);
    write_why(a, b, by_verdict, change, better, numbers ? &d : NULL, &why);
    json_t *row = make_row(c, b, a, b, change, &why);
    as_tree_put(&c->tree, row, "difference", numbers ? difference_json(&c->tree, &d) : json_null());
    bool differs =
        change == AS_CHANGE_SAME &&
        (numbers ? unjudged : !json_equal(json_object_get(a, "measured"), json_object_get(b, "measured")));
    as_tree_put(&c->tree, row, "differs", json_boolean(differs));
    as_tree_push(&c->tree, c->checks, row);
    return AS_OK;
}

/* A skip that more time would have decided says nothing about the model. */
static bool was_cut(const json_t *check)
{
    return json_is_true(json_object_get(json_object_get(check, "evidence"), "cut_by_budget"));
}

/* Whether the check is a rule of a profile that only one of the two results was held to. */
static bool of_other_profile(const comparison *c, const json_t *check)
{
    const json_t *a = json_object_get(c->a, "profile"), *b = json_object_get(c->b, "profile");
    const char *id = json_string_value(json_object_get(check, "id")), *slash = id ? strchr(id, '/') : NULL;
    if (!slash || !json_is_string(a) || !json_is_string(b) || json_equal(a, b)) return false;
    size_t size = (size_t)(slash - id);
    for (int i = 0; i < 2; i++) {
        const char *profile = json_string_value(i ? b : a);
        if (strlen(profile) == size && memcmp(profile, id, size) == 0) return true;
    }
    return false;
}

/* A check that only one side measured. */
static void add_single(comparison *c, json_t *list, const json_t *a, const json_t *b, bool suite_ran)
{
    const json_t *known = is_measured(a) ? a : b, *other = known == a ? b : a;
    bool elsewhere = !other && of_other_profile(c, known);
    bool lost = known == a && held(a) && suite_ran && !was_cut(other) && !elsewhere;
    as_change change = lost         ? AS_CHANGE_WORSE
                       : known == a ? AS_CHANGE_INCONCLUSIVE
                       : as_verdict_severity(as_view_verdict(b)) > as_verdict_severity(AS_WARN)
                           ? AS_CHANGE_INCONCLUSIVE
                           : AS_CHANGE_SAME;
    const char *reason = json_string_value(json_object_get(other, "why"));
    as_buf why;
    as_buf_init(&why, 0);
    as_buf_printf(&why, "%s in %s, %s in %s", as_verdict_name(as_view_verdict(known)), known == a ? "A" : "B",
                  other       ? "skipped"
                  : elsewhere ? "held to another profile"
                  : suite_ran ? "absent"
                              : "its suite did not run",
                  known == a ? "B" : "A");
    if (reason && *reason) {
        as_buf_str(&why, ": ");
        as_tree_clean(reason, strlen(reason), MOST_WHY, &why);
    }
    as_tree_push(&c->tree, list, make_row(c, known, a, b, change, &why));
}

static as_code compare_checks(comparison *c, as_error *err)
{
    json_t *in_a = index_checks(&c->tree, c->a), *in_b = index_checks(&c->tree, c->b), *suite, *check;
    const json_t *suites_b = json_object_get(c->b, "suites");
    as_code rc = AS_OK;
    size_t s, k;
    json_array_foreach(json_object_get(c->a, "suites"), s, suite)
    {
        const json_t *twin = find_by(suites_b, "name", json_string_value(json_object_get(suite, "name")));
        json_array_foreach(json_object_get(suite, "checks"), k, check)
        {
            const char *id = json_string_value(json_object_get(check, "id"));
            const json_t *other = id ? json_object_get(in_b, id) : NULL;
            if (is_measured(check) && is_measured(other)) {
                AS_TRY_OUT(rc, compare_pair(c, check, other, err));
            } else if (is_measured(check)) {
                add_single(c, c->vanished, check, other, twin != NULL);
            }
        }
    }
    json_array_foreach(suites_b, s, suite)
    {
        json_array_foreach(json_object_get(suite, "checks"), k, check)
        {
            const char *id = json_string_value(json_object_get(check, "id"));
            const json_t *other = id ? json_object_get(in_a, id) : NULL;
            if (is_measured(check) && !is_measured(other)) add_single(c, c->appeared, other, check, true);
        }
    }
out:
    json_decref(in_a);
    json_decref(in_b);
    return rc;
}

static as_code compare_series(comparison *c, as_error *err)
{
    size_t s, k;
    json_t *suite, *series;
    json_array_foreach(json_object_get(c->a, "suites"), s, suite)
    {
        const char *name = json_string_value(json_object_get(suite, "name"));
        const json_t *twin = find_by(json_object_get(c->b, "suites"), "name", name);
        json_array_foreach(json_object_get(suite, "series"), k, series)
        {
            const json_t *other = find_by(json_object_get(twin, "series"), "name",
                                          json_string_value(json_object_get(series, "name")));
            json_t *row = NULL;
            if (other) AS_TRY(as_compare_series(&c->tree, name, series, other, &row, err));
            if (row) as_tree_push(&c->tree, c->series, row);
        }
    }
    return AS_OK;
}

static json_t *origin(as_tree *tree, const json_t *result)
{
    json_t *out = as_tree_object(tree);
    const json_t *run = json_object_get(result, "run");
    static const char *const keys[] = {"model", "target", "profile", "verdict", "tool"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) copy_key(tree, out, result, keys[i]);
    copy_key(tree, out, run, "id");
    copy_key(tree, out, run, "started");
    copy_key(tree, out, run, "finished");
    copy_key(tree, out, run, "machine");
    copy_key(tree, out, run, "seed");
    return out;
}

static as_change conclude(const comparison *c)
{
    if (c->counts[AS_CHANGE_WORSE]) return AS_CHANGE_WORSE;
    if (c->counts[AS_CHANGE_INCONCLUSIVE] || json_array_size(c->checks) == 0) return AS_CHANGE_INCONCLUSIVE;
    return c->counts[AS_CHANGE_BETTER] ? AS_CHANGE_BETTER : AS_CHANGE_SAME;
}

static json_t *assemble(comparison *c)
{
    as_tree *tree = &c->tree;
    json_t *out = as_tree_object(tree), *counts = as_tree_object(tree);
    as_tree_put(tree, out, "schema", json_string("assay.compare/1"));
    as_tree_put(tree, out, "verdict", json_string(as_change_name(conclude(c))));
    as_tree_put(tree, out, "margin", json_real(c->options.margin));
    as_tree_put(tree, out, "level", json_real(c->options.level));
    for (int i = AS_CHANGE_WORSE; i >= 0; i--) {
        as_tree_put(tree, counts, change_names[i], json_integer((json_int_t)c->counts[i]));
    }
    as_tree_put(tree, out, "counts", counts);
    as_tree_put(tree, out, "a", origin(tree, c->a));
    as_tree_put(tree, out, "b", origin(tree, c->b));
    as_tree_put(tree, out, "checks", c->checks);
    as_tree_put(tree, out, "vanished", c->vanished);
    as_tree_put(tree, out, "appeared", c->appeared);
    as_tree_put(tree, out, "series", c->series);
    return out;
}

as_code as_compare(const json_t *a, const json_t *b, const as_compare_options *options, json_t **out,
                   as_error *err)
{
    comparison c = {.a = a, .b = b};
    if (options) c.options = *options;
    if (!(c.options.margin > 0)) c.options.margin = 0.01;
    if (!(c.options.level > 0 && c.options.level < 1)) c.options.level = 0.95;
    c.checks = as_tree_array(&c.tree);
    c.series = as_tree_array(&c.tree);
    c.vanished = as_tree_array(&c.tree);
    c.appeared = as_tree_array(&c.tree);
    as_code rc = compare_checks(&c, err);
    if (rc == AS_OK) rc = compare_series(&c, err);
    json_t *made = assemble(&c);
    if (rc == AS_OK) rc = as_tree_check(&c.tree, "the comparison", err);
    if (rc == AS_OK) {
        *out = made;
    } else {
        json_decref(made);
    }
    return rc;
}

int as_compare_status(const json_t *compare, as_inconclusive inconclusive)
{
    const char *verdict = json_string_value(json_object_get(compare, "verdict"));
    if (!verdict || strcmp(verdict, "worse") == 0) return 1;
    return strcmp(verdict, "inconclusive") == 0 && inconclusive == AS_INCONCLUSIVE_FAILS;
}
