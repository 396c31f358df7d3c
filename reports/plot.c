/* Series made ready to draw; see plot.h. */
#include "reports/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "reports/tree.h"
#include "reports/value.h"

enum {
    MOST_LINES = 64,  /* more cannot be told apart anyway */
    MOST_TICKS = 9,   /* values of x that are each named */
    MOST_NAMES = 512, /* categories */
};

/* Beyond these gnuplot's own arithmetic overflows. */
static const double largest = 1e150, smallest = 1e-150;

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static as_plot_kind kind_of(const json_t *series)
{
    static const char *const names[] = {"line", "points", "bars", "grid"};
    const char *kind = text_of(series, "kind");
    for (int i = 0; i < 4; i++) {
        if (strcmp(kind, names[i]) == 0) return (as_plot_kind)i;
    }
    return AS_PLOT_LINE;
}

static bool is_log(const json_t *series, const char *axis)
{
    const json_t *scale = json_object_get(json_object_get(series, "scale"), axis);
    return json_is_string(scale) && strcmp(json_string_value(scale), "log") == 0;
}

static void read_axis(const json_t *series, const char *key, as_plot_axis *axis)
{
    const json_t *object = json_object_get(series, key);
    axis->label = text_of(object, "label");
    axis->unit = text_of(object, "unit");
    axis->log = is_log(series, key);
}

static double number_at(const json_t *point, size_t index)
{
    double x;
    if (!as_json_number(json_array_get(point, index), &x) || !(fabs(x) < largest)) return NAN;
    return fabs(x) < smallest ? 0 : x;
}

/* The place of a name among the axis's categories, added if new; NAN when there are too many, or memory is
 * out (*failed). */
static double category_of(as_plot_axis *axis, const json_t *name, as_arena *arena, bool *failed)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_value_write(name, NULL, 60, &text);
    const char *copy = text.failed ? NULL : as_arena_strdup(arena, as_buf_text(&text));
    as_buf_free(&text);
    if (!copy) {
        *failed = true;
        return NAN;
    }
    for (size_t i = 0; i < axis->tick_count; i++) {
        if (strcmp(axis->names[i], copy) == 0) return (double)i;
    }
    if (axis->tick_count == MOST_NAMES) return NAN;
    axis->names[axis->tick_count] = copy;
    if (!as_json_number(name, &axis->ticks[axis->tick_count])) axis->ticks[axis->tick_count] = NAN;
    return (double)axis->tick_count++;
}

static bool make_categories(as_plot_axis *axis, as_arena *arena)
{
    axis->names = AS_ARENA_NEW_ARRAY(arena, const char *, MOST_NAMES);
    axis->ticks = AS_ARENA_NEW_ARRAY(arena, double, MOST_NAMES);
    axis->log = false;
    return axis->names && axis->ticks;
}

/* Values that a linear or a logarithmic axis cannot show become gaps. */
static double on_axis(double x, const as_plot_axis *axis)
{
    return axis->log && !(x > 0) ? NAN : x;
}

static as_plot_point read_point(as_plot *plot, const json_t *from, as_arena *arena, bool *failed)
{
    as_plot_point point = {NAN, NAN, NAN, NAN};
    if (plot->kind == AS_PLOT_GRID) {
        point.x = category_of(&plot->x, json_array_get(from, 0), arena, failed);
        point.y = category_of(&plot->y, json_array_get(from, 1), arena, failed);
        point.low = number_at(from, 2);
        return point;
    }
    point.x = plot->kind == AS_PLOT_BARS ? category_of(&plot->x, json_array_get(from, 0), arena, failed)
                                         : on_axis(number_at(from, 0), &plot->x);
    point.y = on_axis(number_at(from, 1), &plot->y);
    point.low = on_axis(number_at(from, 2), &plot->y);
    point.high = on_axis(number_at(from, 3), &plot->y);
    if (!(point.low <= point.high)) point.low = point.high = NAN;
    return point;
}

static bool is_drawn(const as_plot *plot, const as_plot_point *point)
{
    return isfinite(point->x) && isfinite(point->y) && (plot->kind != AS_PLOT_GRID || isfinite(point->low));
}

static bool read_line(as_plot *plot, const char *name, const json_t *points, as_arena *arena)
{
    as_plot_line *line = &plot->lines[plot->line_count];
    line->name = name;
    line->count = json_array_size(points);
    line->points = AS_ARENA_NEW_ARRAY(arena, as_plot_point, line->count + 1);
    if (!line->points) return false;
    bool failed = false;
    for (size_t i = 0; i < line->count; i++) {
        line->points[i] = read_point(plot, json_array_get(points, i), arena, &failed);
        if (isfinite(line->points[i].low) && plot->kind != AS_PLOT_GRID) line->has_band = true;
        plot->drawn += is_drawn(plot, &line->points[i]);
    }
    line->hue = plot->line_count++;
    return !failed;
}

/* Categories stand in the order of the data, but numbers in their own. On return ticks[i] is i. */
static bool order_categories(as_plot *plot, as_plot_axis *axis, bool is_x, as_arena *arena)
{
    size_t count = axis->tick_count, numbers = 0;
    size_t *rank = AS_ARENA_NEW_ARRAY(arena, size_t, count + 1);
    const char **names = AS_ARENA_NEW_ARRAY(arena, const char *, count + 1);
    if (!rank || !names) return false;
    for (size_t i = 0; i < count; i++) numbers += isfinite(axis->ticks[i]);
    for (size_t i = 0; i < count; i++) {
        rank[i] = numbers == count ? 0 : i;
        for (size_t k = 0; k < count && numbers == count; k++) rank[i] += axis->ticks[k] < axis->ticks[i];
        names[rank[i]] = axis->names[i];
    }
    for (size_t i = 0; i < count; i++) axis->ticks[i] = (double)i;
    axis->names = names;
    for (size_t l = 0; l < plot->line_count; l++) {
        for (size_t i = 0; i < plot->lines[l].count; i++) {
            double *at = is_x ? &plot->lines[l].points[i].x : &plot->lines[l].points[i].y;
            if (isfinite(*at)) *at = (double)rank[(size_t)*at];
        }
    }
    return true;
}

static bool read_lines(as_plot *plot, const json_t *series, as_arena *arena)
{
    const json_t *points = json_object_get(series, "points");
    const json_t *lines = json_is_object(points) ? points : json_object_get(series, "lines");
    plot->lines = AS_ARENA_NEW_ARRAY(arena, as_plot_line, MOST_LINES + 1);
    if (!plot->lines) return false;
    if (json_array_size(points) && !read_line(plot, "", points, arena)) return false;
    const char *name;
    json_t *line;
    json_object_foreach((json_t *)lines, name, line)
    {
        if (!json_array_size(line)) continue; /* an empty block would shift the numbers of those behind it */
        if (plot->line_count < MOST_LINES && !read_line(plot, name, line, arena)) return false;
    }
    return true;
}

static void widen(double x, double *min, double *max)
{
    if (!isfinite(x)) return;
    if (x < *min) *min = x;
    if (x > *max) *max = x;
}

/* Room beyond the extremes, so that nothing is drawn on the frame; zero is kept as an end where near. */
static void set_range(as_plot_axis *axis, double min, double max, double room)
{
    if (!(min <= max)) min = max = 1;
    if (axis->log) {
        double factor = max > min ? pow(max / min, room) : 2;
        axis->min = min / factor;
        axis->max = max * factor;
    } else {
        double span = max > min ? max - min : (max != 0 ? fabs(max) : 1);
        bool from_zero =
            min >= 0 && (min <= 0.5 * max || min == max); /* one value alone: seen against zero */
        axis->min = from_zero ? 0 : min - room * span;
        axis->max = max + room * span;
    }
}

static void set_ranges(as_plot *plot)
{
    double x_min = INFINITY, x_max = -INFINITY, y_min = INFINITY, y_max = -INFINITY;
    for (size_t l = 0; l < plot->line_count; l++) {
        for (size_t i = 0; i < plot->lines[l].count; i++) {
            const as_plot_point *p = &plot->lines[l].points[i];
            if (!is_drawn(plot, p)) continue;
            widen(p->x, &x_min, &x_max);
            if (plot->kind == AS_PLOT_GRID) {
                widen(p->low, &y_min, &y_max);
            } else {
                widen(p->y, &y_min, &y_max);
                widen(p->low, &y_min, &y_max);
                widen(p->high, &y_min, &y_max);
            }
        }
    }
    if (plot->kind == AS_PLOT_GRID) {
        bool fraction = y_min >= 0 && y_max <= 1; /* recall and agreement: the same colours everywhere */
        plot->value.min = fraction ? 0 : y_min;
        plot->value.max = fraction ? 1 : y_max > y_min ? y_max : y_min + 1;
        return;
    }
    widen(on_axis(plot->gate, &plot->y), &y_min, &y_max);
    if (plot->kind == AS_PLOT_BARS && !plot->y.log) widen(0, &y_min, &y_max);
    set_range(&plot->x, x_min, x_max, 0.03);
    set_range(&plot->y, y_min, y_max, 0.08);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

bool as_plot_is_whole(double x)
{
    return fabs(x - nearbyint(x)) <= 1e-9 * fabs(x);
}

/* Between numbers of things (layers, requests) that follow one another there is nothing to name. */
static bool are_counted(const double *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!as_plot_is_whole(x[i])) return false;
    }
    return x[count - 1] - x[0] < MOST_TICKS;
}

/* Few distinct x on a logarithmic axis (lengths that double) are each named, and whole numbers that follow
 * one another on a linear one. */
static bool name_few_ticks(as_plot *plot, as_arena *arena)
{
    if (plot->kind == AS_PLOT_GRID || plot->kind == AS_PLOT_BARS) return true;
    double seen[MOST_TICKS + 1];
    size_t count = 0;
    for (size_t l = 0; l < plot->line_count; l++) {
        for (size_t i = 0; i < plot->lines[l].count && count <= MOST_TICKS; i++) {
            double x = plot->lines[l].points[i].x;
            bool known = !isfinite(x);
            for (size_t k = 0; k < count && !known; k++) known = seen[k] == x;
            if (!known) seen[count++] = x;
        }
    }
    if (count == 0 || count > MOST_TICKS) return true;
    qsort(seen, count, sizeof seen[0], by_value);
    if (!plot->x.log && !are_counted(seen, count)) return true;
    plot->x.ticks = AS_ARENA_NEW_ARRAY(arena, double, count);
    if (!plot->x.ticks) return false;
    memcpy(plot->x.ticks, seen, count * sizeof seen[0]);
    plot->x.tick_count = count;
    return true;
}

as_code as_plot_read(const char *suite, const json_t *series, as_arena *arena, as_plot *out, as_error *err)
{
    as_plot plot = {.suite = suite, .kind = kind_of(series), .gate = NAN};
    plot.name = text_of(series, "name");
    plot.title = *text_of(series, "title") ? text_of(series, "title") : plot.name;
    plot.gate_label = text_of(series, "gate_label");
    read_axis(series, "x", &plot.x);
    read_axis(series, "y", &plot.y);
    read_axis(series, "value", &plot.value);
    double gate;
    if (as_json_number(json_object_get(series, "gate"), &gate) && isfinite(gate)) plot.gate = gate;
    bool named_x = plot.kind == AS_PLOT_GRID || plot.kind == AS_PLOT_BARS;
    bool ok = (!named_x || make_categories(&plot.x, arena)) &&
              (plot.kind != AS_PLOT_GRID || make_categories(&plot.y, arena)) &&
              read_lines(&plot, series, arena) &&
              (!named_x || order_categories(&plot, &plot.x, true, arena)) &&
              (plot.kind != AS_PLOT_GRID || order_categories(&plot, &plot.y, false, arena)) &&
              name_few_ticks(&plot, arena);
    if (!ok) return as_fail_memory(err, "a plot");
    set_ranges(&plot);
    *out = plot;
    return AS_OK;
}

void as_plot_write_label(const as_plot_axis *axis, as_buf *out)
{
    as_tree_clean(axis->label, strlen(axis->label), 100, out);
    size_t label = strlen(axis->label), unit = strlen(axis->unit);
    if (!unit || (label >= unit && strcmp(axis->label + label - unit, axis->unit) == 0))
        return; /* said already */
    as_buf_str(out, *axis->label ? " (" : "(");
    as_tree_clean(axis->unit, strlen(axis->unit), 40, out);
    as_buf_char(out, ')');
}

static void describe_extremes(const as_plot *plot, const as_plot_line *line, as_buf *out)
{
    double min = INFINITY, max = -INFINITY, at_min = NAN, at_max = NAN;
    bool grid = plot->kind == AS_PLOT_GRID;
    for (size_t i = 0; i < line->count; i++) {
        if (!is_drawn(plot, &line->points[i])) continue;
        double y = grid ? line->points[i].low : line->points[i].y;
        if (y < min) at_min = line->points[i].x;
        if (y > max) at_max = line->points[i].x;
        widen(y, &min, &max);
    }
    if (min > max) return;
    if (*line->name) {
        as_buf_char(out, ' ');
        as_tree_clean(line->name, strlen(line->name), 60, out);
        as_buf_char(out, ':');
    }
    as_buf_str(out, *line->name ? " from " : " From ");
    as_value_write_real(min, out);
    if (!plot->x.names) {
        as_buf_str(out, " at ");
        as_value_write_real(at_min, out);
    }
    as_buf_str(out, " to ");
    as_value_write_real(max, out);
    if (!plot->x.names) {
        as_buf_str(out, " at ");
        as_value_write_real(at_max, out);
    }
    as_buf_char(out, '.');
}

void as_plot_describe(const as_plot *plot, as_buf *out)
{
    static const char *const kinds[] = {"Line plot", "Scatter plot", "Bar chart", "Heat map"};
    as_buf_str(out, kinds[plot->kind]);
    as_buf_str(out, " of ");
    as_plot_write_label(&plot->y, out);
    as_buf_str(out, plot->kind == AS_PLOT_GRID ? " and " : " over ");
    as_plot_write_label(&plot->x, out);
    as_buf_printf(out, ", %zu %s.", plot->drawn, plot->drawn == 1 ? "point" : "points");
    for (size_t l = 0; l < plot->line_count && l < 8; l++) describe_extremes(plot, &plot->lines[l], out);
    if (isfinite(plot->gate)) {
        as_buf_str(out, " Gate at ");
        as_value_write_real(plot->gate, out);
        as_buf_char(out, '.');
    }
}
