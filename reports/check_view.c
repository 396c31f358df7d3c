/* Checks for templates; see check_view.h. */
#include "reports/check_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "reports/value.h"

enum {
    MOST_TITLE = 300,
    MOST_WHY = 1500,
    MOST_VALUE = 240,
    MOST_TEXT = 4000, /* of one piece of evidence */
    MOST_ROWS = 60,
    MOST_COLUMNS = 9,
    MOST_LISTED = 16, /* numbers of a list that are shown one by one */
    MOST_EVIDENCE = 60,
};

/* How a verdict is told, worst last in severity. */
static const struct {
    const char *adjective;
    int severity;
} verdicts[AS_VERDICT_COUNT] = {
    [AS_PASS] = {"passed", 0}, [AS_SKIP] = {"skipped", 1},
    [AS_WARN] = {"warned", 2}, [AS_INCONCLUSIVE] = {"inconclusive", 3},
    [AS_FAIL] = {"failed", 4}, [AS_ERROR] = {"broke", 5},
};

as_verdict as_view_verdict(const json_t *object)
{
    const char *name = json_string_value(json_object_get(object, "verdict"));
    as_verdict verdict;
    if (!name) return AS_SKIP;
    return as_verdict_parse(name, &verdict) ? verdict : AS_ERROR;
}

const char *as_verdict_adjective(as_verdict verdict)
{
    return verdicts[verdict].adjective;
}

int as_verdict_severity(as_verdict verdict)
{
    return verdicts[verdict].severity;
}

double as_view_excess(const json_t *check)
{
    as_number number;
    as_expected gate;
    if (!as_value_number(json_object_get(check, "measured"), &number)) return INFINITY;
    if (!as_value_expected(check, &gate)) return INFINITY;
    return as_value_excess(&number, &gate);
}

json_t *as_view_value(as_tree *tree, const json_t *value, const char *unit, size_t most)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_value_write(value, unit, most, &text);
    return as_tree_buf(tree, &text);
}

json_t *as_view_label(as_tree *tree, const char *key)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_tree_clean(key, strlen(key), 60, &text);
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '_') text.data[i] = ' ';
    }
    return as_tree_buf(tree, &text);
}

static json_t *hundredths(as_tree *tree, double x, double from, double span)
{
    return as_tree_printf(tree, "%.1f", 100 * (x - from) / span);
}

json_t *as_view_strip(as_tree *tree, const json_t *check)
{
    as_number m;
    as_expected g;
    const json_t *measured = json_object_get(check, "measured");
    if (!as_value_number(measured, &m) || !as_value_expected(check, &g)) return json_null();
    /* An end that is not bounded is drawn to the estimate only. */
    double low = m.has_interval && isfinite(m.low) ? m.low : m.value;
    double high = m.has_interval && isfinite(m.high) ? m.high : m.value;
    double from = fmin(low, m.value), to = fmax(high, m.value);
    from = fmin(from, g.has_min ? g.min : g.max);
    to = fmax(to, g.has_max ? g.max : g.min);
    if (!isfinite(from) || !isfinite(to) || !(to > from) || !isfinite(to - from)) return json_null();
    double room = 0.12 * (to - from), span = to - from + 2 * room;
    from -= room;
    json_t *strip = as_tree_object(tree);
    if (m.has_interval) {
        as_tree_put(tree, strip, "low", hundredths(tree, low, from, span));
        as_tree_put(tree, strip, "width", hundredths(tree, high - low, 0, span));
    }
    as_tree_put(tree, strip, "value", hundredths(tree, m.value, from, span));
    json_t *gates = as_tree_array(tree);
    if (g.has_min) as_tree_push(tree, gates, hundredths(tree, g.min, from, span));
    if (g.has_max && !(g.has_min && g.min == g.max)) {
        as_tree_push(tree, gates, hundredths(tree, g.max, from, span));
    }
    as_tree_put(tree, strip, "gates", gates);
    return strip;
}

/* Many numbers are told by their count, ends and middle; all of them stand in results.json. */
static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static json_t *summarise_numbers(as_tree *tree, const json_t *list)
{
    size_t size = json_array_size(list), count = 0;
    double *values = AS_NEW_ARRAY(double, size);
    if (!values) return as_tree_buf(tree, &(as_buf){.failed = AS_E_MEMORY});
    for (size_t i = 0; i < size; i++) {
        double x;
        if (as_json_number(json_array_get(list, i), &x) && !isnan(x)) values[count++] = x;
    }
    qsort(values, count, sizeof *values, by_value);
    as_buf text;
    as_buf_init(&text, 0);
    as_value_write_real((double)size, &text);
    as_buf_str(&text, " values");
    if (count > 0) {
        as_buf_str(&text, " from ");
        as_value_write_real(values[0], &text);
        as_buf_str(&text, " to ");
        as_value_write_real(values[count - 1], &text);
        as_buf_str(&text, ", median ");
        as_value_write_real(count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2,
                            &text);
    }
    as_free(values);
    return as_tree_buf(tree, &text);
}

static bool all_numbers(const json_t *list)
{
    size_t index;
    json_t *item;
    double x;
    json_array_foreach(list, index, item)
    {
        if (!as_json_number(item, &x)) return false;
    }
    return json_is_array(list);
}

/* A table when every item is an object of few plain values and all have the first one's keys. */
static bool is_table(const json_t *list)
{
    size_t index;
    json_t *row, *cell;
    const char *key;
    as_number number;
    const json_t *first = json_array_get(list, 0);
    if (!json_is_object(first) || json_object_size(first) > MOST_COLUMNS || !json_object_size(first))
        return false;
    json_array_foreach(list, index, row)
    {
        if (!json_is_object(row) || json_object_size(row) != json_object_size(first)) return false;
        json_object_foreach(row, key, cell)
        {
            if (!json_object_get(first, key)) return false;
            if ((json_is_object(cell) || json_is_array(cell)) && !as_value_number(cell, &number))
                return false;
        }
    }
    return true;
}

static void put_table(as_tree *tree, json_t *item, const json_t *list)
{
    json_t *header = as_tree_array(tree), *rows = as_tree_array(tree), *row, *cell;
    const char *key;
    size_t index;
    json_object_foreach(json_array_get(list, 0), key, cell)
    {
        as_tree_push(tree, header, as_view_label(tree, key));
    }
    json_array_foreach(list, index, row)
    {
        if (index == MOST_ROWS) break;
        json_t *cells = as_tree_array(tree);
        json_object_foreach(json_array_get(list, 0), key, cell)
        {
            as_tree_push(tree, cells, as_view_value(tree, json_object_get(row, key), NULL, MOST_VALUE));
        }
        as_tree_push(tree, rows, cells);
    }
    as_tree_put(tree, item, "header", header);
    as_tree_put(tree, item, "rows", rows);
    size_t more = json_array_size(list) > MOST_ROWS ? json_array_size(list) - MOST_ROWS : 0;
    as_tree_put(tree, item, "more", json_integer((json_int_t)more));
}

static json_t *pretty(as_tree *tree, const json_t *value)
{
    as_buf raw, text;
    as_buf_init(&raw, 0);
    as_buf_init(&text, 0);
    as_json_write(value, json_is_object(value) || json_is_array(value) ? 1 : 0, &raw);
    as_tree_clean(as_buf_text(&raw), raw.size, MOST_TEXT, &text);
    if (raw.failed) tree->failed = true;
    as_buf_free(&raw);
    return as_tree_buf(tree, &text);
}

static bool is_plain(const json_t *value)
{
    size_t index;
    json_t *item;
    as_number number;
    if (json_is_object(value)) return as_value_number(value, &number);
    json_array_foreach(value, index, item)
    {
        if (json_is_object(item) || json_is_array(item)) return false;
    }
    return true;
}

static void put_with_interval(as_tree *tree, json_t *item, const json_t *value)
{
    as_number number;
    as_buf text;
    as_buf_init(&text, 0);
    as_value_write(value, NULL, MOST_TEXT, &text);
    if (as_value_number(value, &number) && (number.has_interval || number.n)) {
        as_buf_str(&text, " (");
        as_value_write_interval(&number, &text);
        as_buf_char(&text, ')');
    }
    as_tree_put(tree, item, "text", as_tree_buf(tree, &text));
}

static json_t *evidence_item(as_tree *tree, const char *key, const json_t *value)
{
    json_t *item = as_tree_object(tree);
    as_tree_put(tree, item, "key", as_view_label(tree, key));
    if (json_is_string(value) && strchr(json_string_value(value), '\n')) {
        as_tree_put(tree, item, "lines", as_tree_string(tree, value, MOST_TEXT));
    } else if (json_array_size(value) > MOST_LISTED && all_numbers(value)) {
        as_tree_put(tree, item, "text", summarise_numbers(tree, value));
    } else if (is_table(value)) {
        put_table(tree, item, value);
    } else if (is_plain(value)) {
        put_with_interval(tree, item, value);
    } else {
        as_tree_put(tree, item, "lines", pretty(tree, value));
    }
    return item;
}

json_t *as_view_evidence(as_tree *tree, const json_t *evidence)
{
    json_t *items = as_tree_array(tree), *value;
    const char *key;
    if (evidence && !json_is_null(evidence) && !json_is_object(evidence)) {
        as_tree_push(tree, items, evidence_item(tree, "", evidence));
    }
    json_object_foreach((json_t *)evidence, key, value)
    {
        if (strcmp(key, "better") == 0 || strcmp(key, "sense") == 0) continue; /* told by the gate's words */
        if (json_array_size(items) < MOST_EVIDENCE)
            as_tree_push(tree, items, evidence_item(tree, key, value));
    }
    return items;
}

static void put_numbers(as_tree *tree, json_t *view, const json_t *check)
{
    as_number number;
    as_expected gate;
    as_buf interval, excess;
    as_buf_init(&interval, 0);
    as_buf_init(&excess, 0);
    if (as_value_number(json_object_get(check, "measured"), &number)) {
        as_value_write_interval(&number, &interval);
        as_verdict verdict = as_view_verdict(check);
        if (as_value_expected(check, &gate) && verdict != AS_PASS) {
            as_value_write_excess(&number, &gate, &excess);
        }
    }
    as_tree_put(tree, view, "interval", as_tree_buf(tree, &interval));
    as_tree_put(tree, view, "excess", as_tree_buf(tree, &excess));
}

/* An expectation in words carries its own unit. */
static json_t *expected_text(as_tree *tree, const json_t *check, const char *unit)
{
    const json_t *expected = json_object_get(check, "expected");
    as_expected gate;
    if (json_is_string(expected) || !as_value_expected(check, &gate)) {
        return as_view_value(tree, expected, NULL, MOST_VALUE);
    }
    as_buf text;
    as_buf_init(&text, 0);
    as_value_write_expected(&gate, unit, &text);
    return as_tree_buf(tree, &text);
}

json_t *as_view_check(as_tree *tree, const json_t *check, size_t number)
{
    const json_t *measured = json_object_get(check, "measured");
    const char *unit = json_string_value(json_object_get(check, "unit"));
    json_t *view = as_tree_object(tree);
    as_tree_put(tree, view, "id", as_tree_string(tree, json_object_get(check, "id"), MOST_TITLE));
    as_tree_put(tree, view, "anchor", as_tree_printf(tree, "check-%zu", number));
    as_tree_put(tree, view, "title", as_tree_string(tree, json_object_get(check, "title"), MOST_TITLE));
    as_tree_put(tree, view, "verdict", as_tree_text(tree, as_verdict_name(as_view_verdict(check)), 0));
    as_tree_put(tree, view, "measured", as_view_value(tree, measured, unit, MOST_VALUE));
    as_tree_put(tree, view, "expected", expected_text(tree, check, unit));
    put_numbers(tree, view, check);
    as_tree_put(tree, view, "why", as_tree_string(tree, json_object_get(check, "why"), MOST_WHY));
    as_tree_put(tree, view, "strip", as_view_strip(tree, check));
    as_tree_put(tree, view, "evidence", as_view_evidence(tree, json_object_get(check, "evidence")));
    return view;
}
