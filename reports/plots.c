/* The plots of a result; see plots.h. */
#include "reports/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/file.h"
#include "reports/gnuplot.h"
#include "reports/svg.h"
#include "reports/tree.h"
#include "reports/value.h"

enum {
    MOST_PLOTS = 200, /* drawn in one report: a run of gnuplot each */
    MOST_ROWS = 200,  /* of the table under a plot */
    TIMEOUT_S = 30,
};

typedef struct maker {
    as_tree tree;
    const char *dir;
    json_t *stems;    /* names already given */
    size_t count;     /* plots so far */
    bool has_gnuplot; /* until it was not found once */
} maker;

/* A name that is safe as a file's on any system, and not yet given. */
static void make_stem(maker *m, const as_plot *plot, char room[static 96])
{
    char base[80];
    size_t used = (size_t)snprintf(base, sizeof base, "%.30s-%.44s", plot->suite, plot->name);
    for (size_t i = 0; i < used && i < sizeof base; i++) {
        char c = base[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '_' || (c == '.' && i);
        if (!plain && c) base[i] = '-';
    }
    if (base[0] == '-') base[0] = '_'; /* a leading dash would be an option to gnuplot */
    snprintf(room, 96, "%s", base);
    for (int n = 2; json_object_get(m->stems, room); n++) snprintf(room, 96, "%s-%d", base, n);
    as_tree_put(&m->tree, m->stems, room, json_true());
}

static as_code write_file(const maker *m, const char *stem, const char *ending, const as_buf *text,
                          as_error *err)
{
    char path[AS_PATH_MAX], name[112];
    snprintf(name, sizeof name, "%s.%s", stem, ending);
    AS_TRY(as_path_join(path, m->dir, name, err));
    AS_TRY(as_buf_check(text, name, err));
    return as_file_write(path, as_buf_text(text), text->size, err);
}

static as_code write_sources(const maker *m, const as_plot *plot, const char *stem, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_gnuplot_write_data(plot, &text);
    as_code rc = write_file(m, stem, "dat", &text, err);
    as_buf_clear(&text);
    if (rc == AS_OK) as_gnuplot_write_script(plot, stem, &text);
    if (rc == AS_OK) rc = write_file(m, stem, "gp", &text, err);
    as_buf_free(&text);
    return rc;
}

static as_code draw(maker *m, const char *stem, const char *prefix, as_buf *body, as_error *err)
{
    char path[AS_PATH_MAX], name[112];
    snprintf(name, sizeof name, "%s.gp", stem);
    as_code rc = as_gnuplot_run(m->dir, name, TIMEOUT_S, err);
    if (rc == AS_E_NOT_FOUND) m->has_gnuplot = false;
    if (rc != AS_OK) return rc;
    snprintf(name, sizeof name, "%s.svg", stem);
    AS_TRY(as_path_join(path, m->dir, name, err));
    as_buf svg;
    as_buf_init(&svg, 16 << 20);
    rc = as_file_read(path, &svg, err);
    if (rc == AS_OK) rc = as_svg_inline(as_buf_text(&svg), svg.size, prefix, body, err);
    as_buf_free(&svg);
    return rc;
}

static json_t *real_text(as_tree *tree, double x)
{
    as_buf text;
    as_buf_init(&text, 0);
    if (isfinite(x)) as_value_write_real(x, &text);
    return as_tree_buf(tree, &text);
}

static json_t *axis_text(as_tree *tree, const as_plot_axis *axis, double at)
{
    size_t place = isfinite(at) ? (size_t)at : axis->tick_count;
    if (!axis->names) return real_text(tree, at);
    return as_tree_text(tree, place < axis->tick_count ? axis->names[place] : "", 60);
}

static json_t *label_text(as_tree *tree, const as_plot_axis *axis)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_plot_write_label(axis, &text);
    return as_tree_buf(tree, &text);
}

static bool any_band(const as_plot *plot)
{
    for (size_t l = 0; l < plot->line_count; l++) {
        if (plot->lines[l].has_band) return true;
    }
    return false;
}

static bool is_named(const as_plot *plot)
{
    return plot->line_count > 1 || (plot->line_count == 1 && *plot->lines[0].name);
}

static void put_header(as_tree *tree, json_t *view, const as_plot *plot)
{
    json_t *header = as_tree_array(tree);
    if (is_named(plot)) as_tree_push(tree, header, as_tree_text(tree, "line", 0));
    as_tree_push(tree, header, label_text(tree, &plot->x));
    as_tree_push(tree, header, label_text(tree, &plot->y));
    if (plot->kind == AS_PLOT_GRID) {
        bool named = *plot->value.label || *plot->value.unit;
        as_tree_push(tree, header, named ? label_text(tree, &plot->value) : as_tree_text(tree, "value", 0));
    } else if (any_band(plot)) {
        as_tree_push(tree, header, as_tree_text(tree, "low", 0));
        as_tree_push(tree, header, as_tree_text(tree, "high", 0));
    }
    as_tree_put(tree, view, "header", header);
}

static void put_rows(as_tree *tree, json_t *view, const as_plot *plot)
{
    json_t *rows = as_tree_array(tree);
    size_t more = 0;
    for (size_t l = 0; l < plot->line_count; l++) {
        for (size_t i = 0; i < plot->lines[l].count; i++) {
            const as_plot_point *p = &plot->lines[l].points[i];
            if (json_array_size(rows) >= MOST_ROWS) {
                more++;
                continue;
            }
            json_t *row = as_tree_array(tree);
            if (is_named(plot)) as_tree_push(tree, row, as_tree_text(tree, plot->lines[l].name, 60));
            as_tree_push(tree, row, axis_text(tree, &plot->x, p->x));
            as_tree_push(tree, row, axis_text(tree, &plot->y, p->y));
            if (plot->kind == AS_PLOT_GRID || any_band(plot))
                as_tree_push(tree, row, real_text(tree, p->low));
            if (plot->kind != AS_PLOT_GRID && any_band(plot))
                as_tree_push(tree, row, real_text(tree, p->high));
            as_tree_push(tree, rows, row);
        }
    }
    as_tree_put(tree, view, "rows", rows);
    as_tree_put(tree, view, "more", json_integer((json_int_t)more));
}

static json_t *describe(maker *m, const as_plot *plot, const char *stem)
{
    as_tree *tree = &m->tree;
    json_t *view = as_tree_object(tree);
    as_buf alt;
    as_buf_init(&alt, 0);
    as_plot_describe(plot, &alt);
    as_tree_put(tree, view, "anchor", as_tree_printf(tree, "plot-%zu", m->count));
    as_tree_put(tree, view, "title", as_tree_text(tree, plot->title, 200));
    as_tree_put(tree, view, "alt", as_tree_buf(tree, &alt));
    as_tree_put(tree, view, "stem", as_tree_text(tree, stem, 0));
    as_tree_put(tree, view, "width", json_integer(AS_PLOT_WIDTH));
    as_tree_put(tree, view, "height", json_integer(AS_PLOT_HEIGHT));
    as_tree_put(tree, view, "top", json_integer(AS_PLOT_TITLE));
    put_header(tree, view, plot);
    put_rows(tree, view, plot);
    return view;
}

/* The names that stand in several series of a suite, so that what has one name has one colour in all its
 * plots. A new reference. */
static json_t *shared_names(const json_t *suite)
{
    json_t *seen = json_object(), *shared = json_array(), *series, *line;
    const char *name;
    size_t index;
    json_array_foreach(json_object_get(suite, "series"), index, series)
    {
        json_object_foreach(json_object_get(series, "lines"), name, line)
        {
            json_int_t times = json_integer_value(json_object_get(seen, name)) + 1;
            (void)json_object_set_new(seen, name, json_integer(times));
        }
    }
    json_object_foreach(seen, name, line)
    {
        if (json_integer_value(line) > 1) (void)json_array_append_new(shared, json_string(name));
    }
    json_decref(seen);
    return shared;
}

/* Shared names have their colours, the others of a plot take what is left. Too many for the colours: each
 * plot counts for itself. */
static void share_hues(as_plot *plot, const json_t *shared)
{
    bool taken[AS_PLOT_HUES] = {false};
    size_t count = json_array_size(shared), next = 0;
    if (count > AS_PLOT_HUES || plot->line_count > AS_PLOT_HUES) return;
    for (size_t l = 0; l < plot->line_count; l++) {
        plot->lines[l].hue = AS_PLOT_HUES;
        for (size_t i = 0; i < count; i++) {
            if (strcmp(plot->lines[l].name, json_string_value(json_array_get(shared, i))) != 0) continue;
            plot->lines[l].hue = i;
            taken[i] = true;
        }
    }
    for (size_t l = 0; l < plot->line_count; l++) {
        if (plot->lines[l].hue < AS_PLOT_HUES) continue;
        while (taken[next]) next++;
        plot->lines[l].hue = next;
        taken[next] = true;
    }
}

static as_code make_plot(maker *m, const char *suite, const json_t *shared, const json_t *series,
                         json_t *views, as_arena *arena, as_error *err)
{
    as_plot plot;
    char stem[96], prefix[32];
    AS_TRY(as_plot_read(suite, series, arena, &plot, err));
    share_hues(&plot, shared);
    m->count++;
    make_stem(m, &plot, stem);
    snprintf(prefix, sizeof prefix, "plot-%zu-", m->count);
    AS_TRY(write_sources(m, &plot, stem, err));
    json_t *view = describe(m, &plot, stem);
    as_tree_push(&m->tree, views, view); /* the array keeps it */
    const char *problem = NULL;
    as_error trouble;
    as_buf body;
    as_buf_init(&body, 0);
    if (plot.drawn == 0) {
        problem = "There is no point to draw.";
    } else if (m->count > MOST_PLOTS) {
        problem = "Not drawn: there are too many plots in this result.";
    } else if (!m->has_gnuplot) {
        problem = "Not drawn: gnuplot is not installed here.";
    } else {
        as_code rc = draw(m, stem, prefix, &body, &trouble);
        if (rc == AS_E_NOT_FOUND) problem = "Not drawn: gnuplot is not installed here.";
        if (rc != AS_OK && !problem) problem = trouble.text;
    }
    if (problem) {
        as_tree_put(&m->tree, view, "problem", as_tree_text(&m->tree, problem, 400));
        as_buf_free(&body);
    } else {
        as_tree_put(&m->tree, view, "body", as_tree_buf(&m->tree, &body));
    }
    return AS_OK;
}

static as_code make_suite(maker *m, const json_t *suite, json_t *views, as_error *err)
{
    const char *name = json_string_value(json_object_get(suite, "name"));
    size_t index;
    json_t *series, *shared = shared_names(suite);
    as_code rc = AS_OK;
    json_array_foreach(json_object_get(suite, "series"), index, series)
    {
        as_arena arena;
        as_arena_init(&arena, 0);
        rc = make_plot(m, name ? name : "", shared, series, views, &arena, err);
        as_arena_free(&arena);
        if (rc != AS_OK) break;
    }
    json_decref(shared);
    return rc;
}

as_code as_plots_make(const json_t *result, const char *dir, json_t **out, as_error *err)
{
    maker m = {.dir = dir, .has_gnuplot = true};
    m.stems = as_tree_object(&m.tree);
    json_t *all = as_tree_object(&m.tree), *suite;
    size_t index;
    as_code rc = as_dir_make(dir, err);
    json_array_foreach(json_object_get(result, "suites"), index, suite)
    {
        const char *name = json_string_value(json_object_get(suite, "name"));
        json_t *views = as_tree_array(&m.tree);
        if (rc == AS_OK) rc = make_suite(&m, suite, views, err);
        as_tree_put(&m.tree, all, name ? name : "", views);
    }
    if (rc == AS_OK) rc = as_tree_check(&m.tree, "the plots", err);
    json_decref(m.stems);
    if (rc == AS_OK) {
        *out = all;
    } else {
        json_decref(all);
    }
    return rc;
}
