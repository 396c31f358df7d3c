/* Plots by gnuplot: for each a data file and a script with relative names, so that anyone can run
 * `gnuplot NAME.gp` in their folder; and the run of gnuplot itself. */
#ifndef AS_REPORTS_GNUPLOT_H
#define AS_REPORTS_GNUPLOT_H

#include "base/buf.h"
#include "base/error.h"
#include "reports/plot.h"

/* The columns of NAME.dat stand in a comment at its top. */
void as_gnuplot_write_data(const as_plot *plot, as_buf *out);
/* `stem` is NAME: letters, digits, '-', '_' and '.'. */
void as_gnuplot_write_script(const as_plot *plot, const char *stem, as_buf *out);

/* Runs `gnuplot NAME.gp` inside dir, without a shell and without the user's start-up file. AS_E_NOT_FOUND
 * where there is no gnuplot on the PATH, AS_E_TIMEOUT after timeout_s seconds (it is killed), AS_E_INTERNAL
 * with what it printed when it complained. */
AS_MUST_USE as_code as_gnuplot_run(const char *dir, const char *script, double timeout_s, as_error *err);

/* The colours of the scripts, which the page replaces by its own so that they suit light and dark. */
typedef struct as_plot_color {
    const char *rgb;      /* "#1f5fbf" */
    const char *variable; /* the page's name for it, as CSS: "var(--p1)", "currentColor" */
} as_plot_color;
extern const as_plot_color as_plot_colors[];
extern const size_t as_plot_color_count;
/* Text in this colour is the title, which the page shows by itself. */
extern const char as_plot_title_rgb[];
/* The size of a plot, and the height of the strip at its top that holds the title. */
enum { AS_PLOT_WIDTH = 560, AS_PLOT_HEIGHT = 344, AS_PLOT_TITLE = 30 };

#endif
