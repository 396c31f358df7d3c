/* The series of two results side by side; see compare_view.h. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "reports/compare_view.h"
#include "reports/plot.h"

enum { MOST_OVERLAID = 3, LOOK_AHEAD = 64 };

typedef struct sums {
    size_t points, differ;
    double a, difference;
    double largest, at;
} sums;

static const as_plot_line *line_named(const as_plot *plot, const char *name)
{
    for (size_t i = 0; i < plot->line_count; i++) {
        if (strcmp(plot->lines[i].name, name) == 0) return &plot->lines[i];
    }
    return NULL;
}

static double y_of(const as_plot *plot, const as_plot_point *point)
{
    return plot->kind == AS_PLOT_GRID ? point->low : point->y;
}

/* What a point stands at: a number, or the names of its cell or bar. */
static bool same_place(const as_plot *a, const as_plot_point *p, const as_plot *b, const as_plot_point *q)
{
    if (!isfinite(p->x) || !isfinite(q->x)) return false;
    if (!a->x.names) return p->x == q->x;
    bool same = strcmp(a->x.names[(size_t)p->x], b->x.names[(size_t)q->x]) == 0;
    if (!same || a->kind != AS_PLOT_GRID) return same;
    return isfinite(p->y) && isfinite(q->y) &&
           strcmp(a->y.names[(size_t)p->y], b->y.names[(size_t)q->y]) == 0;
}

static void add_pair(double from, double to, double x, sums *s)
{
    if (!isfinite(from) || !isfinite(to)) return;
    s->points++;
    s->differ += from != to;
    s->a += fabs(from);
    s->difference += to - from;
    if (fabs(to - from) > fabs(s->largest)) {
        s->largest = to - from;
        s->at = x;
    }
}

/* Both lines run in one order; a point that one of them lacks is looked for a little way on. */
static void add_lines(const as_plot *a, const as_plot_line *x, const as_plot *b, const as_plot_line *y,
                      sums *s)
{
    size_t next = 0;
    for (size_t i = 0; i < x->count; i++) {
        for (size_t k = next; k < y->count && k < next + LOOK_AHEAD; k++) {
            if (!same_place(a, &x->points[i], b, &y->points[k])) continue;
            add_pair(y_of(a, &x->points[i]), y_of(b, &y->points[k]), x->points[i].x, s);
            next = k + 1;
            break;
        }
    }
}

as_code as_compare_series(as_tree *tree, const char *suite, const json_t *a, const json_t *b, json_t **out,
                          as_error *err)
{
    as_arena arena;
    as_arena_init(&arena, 0);
    as_plot x, y;
    sums s = {.at = NAN};
    as_code rc = as_plot_read(suite, a, &arena, &x, err);
    if (rc == AS_OK) rc = as_plot_read(suite, b, &arena, &y, err);
    for (size_t l = 0; rc == AS_OK && l < x.line_count && x.kind == y.kind; l++) {
        const as_plot_line *other = line_named(&y, x.lines[l].name);
        if (other) add_lines(&x, &x.lines[l], &y, other, &s);
    }
    as_arena_free(&arena);
    if (rc != AS_OK) return rc;
    json_t *row = as_tree_object(tree);
    as_tree_put(tree, row, "suite", as_tree_text(tree, suite, 200));
    as_tree_put(tree, row, "name", as_tree_string(tree, json_object_get(a, "name"), 200));
    as_tree_put(tree, row, "title", as_tree_string(tree, json_object_get(a, "title"), 300));
    as_tree_put(tree, row, "points", json_integer((json_int_t)s.points));
    as_tree_put(tree, row, "differ", json_integer((json_int_t)s.differ));
    as_tree_put(tree, row, "mean", s.a > 0 ? json_real(s.difference / s.a) : json_null());
    as_tree_put(tree, row, "largest", s.points ? json_real(s.largest) : json_null());
    as_tree_put(tree, row, "at", isfinite(s.at) ? json_real(s.at) : json_null());
    *out = row;
    return AS_OK;
}

static size_t lines_of(const json_t *series)
{
    const json_t *lines = json_object_get(series, "lines");
    return json_array_size(json_object_get(series, "points")) ? 1 : json_object_size(lines);
}

static void put_lines(as_tree *tree, json_t *lines, const json_t *series, const char *side)
{
    const char *name;
    json_t *points = json_object_get(series, "points"), *line;
    char label[128];
    if (json_array_size(points)) as_tree_put(tree, lines, side, json_incref(points));
    json_object_foreach(json_object_get(series, "lines"), name, line)
    {
        snprintf(label, sizeof label, "%s: %.60s", side, name);
        json_t *key = as_tree_text(tree, label, 0); /* may have been cut inside a character */
        as_tree_put(tree, lines, json_string_value(key) ? json_string_value(key) : side, json_incref(line));
        json_decref(key);
    }
}

static json_t *find_series(const json_t *result, const char *suite_name, const char *name)
{
    size_t s, k;
    json_t *suite, *series;
    json_array_foreach(json_object_get(result, "suites"), s, suite)
    {
        const char *found = json_string_value(json_object_get(suite, "name"));
        if (!found || !suite_name || strcmp(found, suite_name) != 0) continue;
        json_array_foreach(json_object_get(suite, "series"), k, series)
        {
            const char *title = json_string_value(json_object_get(series, "name"));
            if (title && name && strcmp(title, name) == 0) return series;
        }
    }
    return NULL;
}

/* Heat maps and crowds of lines cannot be laid over one another. */
static bool can_overlay(const json_t *a, const json_t *b)
{
    const char *kind = json_string_value(json_object_get(a, "kind"));
    if (kind && strcmp(kind, "grid") == 0) return false;
    return lines_of(a) <= MOST_OVERLAID && lines_of(b) <= MOST_OVERLAID;
}

as_code as_compare_overlay(const json_t *a, const json_t *b, json_t **out, as_error *err)
{
    as_tree tree = {0};
    json_t *result = as_tree_object(&tree), *suites = as_tree_array(&tree), *suite, *series;
    size_t s, k;
    json_array_foreach(json_object_get(a, "suites"), s, suite)
    {
        json_t *made = as_tree_object(&tree), *list = as_tree_array(&tree);
        const char *name = json_string_value(json_object_get(suite, "name"));
        json_array_foreach(json_object_get(suite, "series"), k, series)
        {
            json_t *other = find_series(b, name, json_string_value(json_object_get(series, "name")));
            if (!other || !can_overlay(series, other)) continue;
            json_t *both = as_tree_object(&tree), *lines = as_tree_object(&tree), *value;
            const char *key;
            json_object_foreach(series, key, value)
            {
                as_tree_put(&tree, both, key, json_incref(value));
            }
            put_lines(&tree, lines, series, "A");
            put_lines(&tree, lines, other, "B");
            as_tree_put(&tree, both, "points", as_tree_array(&tree));
            as_tree_put(&tree, both, "lines", lines);
            as_tree_push(&tree, list, both);
        }
        as_tree_put(&tree, made, "name", as_tree_text(&tree, name, 0));
        as_tree_put(&tree, made, "series", list);
        as_tree_push(&tree, suites, made);
    }
    as_tree_put(&tree, result, "suites", suites);
    as_code rc = as_tree_check(&tree, "the plots", err);
    if (rc == AS_OK) {
        *out = result;
    } else {
        json_decref(result);
    }
    return rc;
}
