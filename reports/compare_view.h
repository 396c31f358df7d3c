/* A comparison as the page and the terminal show it, and the series of two results set side by side. */
#ifndef AS_REPORTS_COMPARE_VIEW_H
#define AS_REPORTS_COMPARE_VIEW_H

#include <jansson.h>

#include "base/error.h"
#include "reports/tree.h"

/* What templates/compare.html renders. `plots` is what as_plots_make gave for as_compare_overlay, or NULL. */
AS_MUST_USE as_code as_view_compare(const json_t *compare, const json_t *plots, json_t **out, as_error *err);

/* Two series of one name, point by point: {suite, name, title, points, differ, mean, at}. `mean` is the mean
 * difference as a fraction of A's mean; null where there is none. A series describes; the checks decide. */
AS_MUST_USE as_code as_compare_series(as_tree *tree, const char *suite, const json_t *a, const json_t *b,
                                      json_t **out, as_error *err);

/* A result that holds only series: those of both, A's and B's lines in one plot. */
AS_MUST_USE as_code as_compare_overlay(const json_t *a, const json_t *b, json_t **out, as_error *err);

#endif
