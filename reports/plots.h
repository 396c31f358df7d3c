/* The plots of a result: scripts, data and drawings in a folder, and what the page shows of them. */
#ifndef AS_REPORTS_PLOTS_H
#define AS_REPORTS_PLOTS_H

#include <jansson.h>

#include "base/error.h"

/* Writes DIR/SUITE-NAME.gp, .dat and .svg for each series. *out is an object: suite name -> array of
 * {anchor, title, alt, stem, width, height, top, body, problem, header, rows, more}; `body` is the content
 * of the svg element, absent where there is a `problem`. That gnuplot is absent or fails is no error: scripts
 * and data are there, and the page says so. A new reference. */
AS_MUST_USE as_code as_plots_make(const json_t *result, const char *dir, json_t **out, as_error *err);

#endif
