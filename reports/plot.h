/* A series of a result made ready to draw: numbers out of JSON, ranges, categories, a description in words.
 *
 * Points are [x, y], [x, y, low, high], or [x, y, value] for a grid; several named lines stand in an object
 * (`points` itself, or `lines`). What is no number becomes NAN and is drawn as a gap. */
#ifndef AS_REPORTS_PLOT_H
#define AS_REPORTS_PLOT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"

enum { AS_PLOT_HUES = 6 }; /* colours of lines; further lines take them again */
typedef enum { AS_PLOT_LINE, AS_PLOT_POINTS, AS_PLOT_BARS, AS_PLOT_GRID } as_plot_kind;

typedef struct as_plot_point {
    double x, y;
    double low, high; /* NAN: no interval. In a grid `low` is the value */
} as_plot_point;

typedef struct as_plot_line {
    const char *name; /* "" for the only one */
    as_plot_point *points;
    size_t count,
        hue; /* hue: which colour and dash; its place in the plot unless as_plots_make shares them */
    bool has_band;
} as_plot_line;

typedef struct as_plot_axis {
    const char *label, *unit;
    bool log;
    double min, max; /* of what is drawn: finite, min < max; above 0 where log */
    /* The values named on the axis. Of categories (bars and grids) the names stand at 0, 1, 2, ... */
    const char **names;
    double *ticks; /* NULL: gnuplot chooses */
    size_t tick_count;
} as_plot_axis;

typedef struct as_plot {
    const char *suite, *name, *title;
    as_plot_kind kind;
    as_plot_axis x, y, value; /* value: of a grid's cells */
    double gate;              /* NAN: none */
    const char *gate_label;
    as_plot_line *lines;
    size_t line_count;
    size_t drawn; /* points that have something to show; 0: there is no plot */
} as_plot;

/* All memory from the arena; texts are borrowed from the series and not cleaned. */
AS_MUST_USE as_code as_plot_read(const char *suite, const json_t *series, as_arena *arena, as_plot *out,
                                 as_error *err);

/* "label (unit)", with what is there; cleaned. */
void as_plot_write_label(const as_plot_axis *axis, as_buf *out);
/* Whether x is a whole number, but for rounding. */
bool as_plot_is_whole(double x);
/* What the plot shows, in a sentence or two, for those who cannot see it. */
void as_plot_describe(const as_plot *plot, as_buf *out);

#endif
