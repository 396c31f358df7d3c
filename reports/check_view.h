/* A check as the templates show it: texts ready to stand in a page, the strip that sets the measured interval
 * against the gate, and the evidence in a form that can be read. */
#ifndef AS_REPORTS_CHECK_VIEW_H
#define AS_REPORTS_CHECK_VIEW_H

#include <jansson.h>

#include "reports/tree.h"
#include "suites/result.h"

/* The verdict of a check, a suite or a whole; AS_ERROR for a name that is none. AS_SKIP where it is absent:
 * nothing was found out. */
as_verdict as_view_verdict(const json_t *object);
/* "failed", "inconclusive", "skipped": as an adjective of a check. */
const char *as_verdict_adjective(as_verdict verdict);
/* Higher is worse: the order in which a reader wants to see what went wrong. */
int as_verdict_severity(as_verdict verdict);

/* {id, anchor, title, verdict, measured, interval, expected, excess, why, strip, evidence}. `number` makes
 * the anchor unique. */
json_t *as_view_check(as_tree *tree, const json_t *check, size_t number);
/* How bad: orders checks of one verdict. Without a number to go by: infinite, as a thing that is absent or of
 * the wrong kind comes before one that is too slow. */
double as_view_excess(const json_t *check);

/* {low, width, value, gates: [..]}, all in hundredths of the strip's length; null when there is no gate or
 * no number. */
json_t *as_view_strip(as_tree *tree, const json_t *check);
/* [{key, text} | {key, lines} | {key, header, rows, more}] */
json_t *as_view_evidence(as_tree *tree, const json_t *evidence);
/* A key of the result as words: "read_gbps" -> "read gbps". */
json_t *as_view_label(as_tree *tree, const char *key);

/* The value in a page's words (as_value_write). */
json_t *as_view_value(as_tree *tree, const json_t *value, const char *unit, size_t most);

#endif
