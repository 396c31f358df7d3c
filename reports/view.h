/* A result as the page templates want it: every text ready, every decision about what to show taken. */
#ifndef AS_REPORTS_VIEW_H
#define AS_REPORTS_VIEW_H

#include <jansson.h>

#include "base/error.h"
#include "reports/check_view.h"
#include "reports/tree.h"

/* `plots`: suite name -> array of plots (as_plots_make), or NULL. A new reference. */
AS_MUST_USE as_code as_view_result(const json_t *result, const json_t *plots, json_t **out, as_error *err);

/* {pass: n, ...} over the checks of a suite, or of all suites of a result. */
typedef struct as_counts {
    size_t of[6]; /* by as_verdict */
    size_t total;
    size_t cut; /* of the skipped: those that the budget had no room for */
} as_counts;
as_counts as_view_count(const json_t *result_or_suite);
/* "passed", or "skipped (3 cut by the budget)": what stands behind the number of that verdict. */
void as_view_count_words(const as_counts *counts, as_verdict verdict, as_buf *out);
/* "4 of 38 checks failed, 2 are inconclusive": the whole in a line. */
void as_view_headline(const json_t *result, as_buf *out);
/* True when the run did not come to its end. */
bool as_view_interrupted(const json_t *result);

/* The checks that a reader must see, worst first: an array of *count borrowed pointers (as_free), NULL with
 * *count 0 when there are none or memory is out (`tree` tells). */
const json_t **as_view_problems(as_tree *tree, const json_t *result, size_t *count);

#endif
