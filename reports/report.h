/* Every rendering of a result: one entry, one table of writers.
 *
 * A result is a document as suites/result.h and reports/schema/results.schema.json describe it; call
 * as_result_validate first on one that was not made here. All its texts are treated as hostile. Files are
 * written whole (as_file_write) or not at all. */
#ifndef AS_REPORTS_REPORT_H
#define AS_REPORTS_REPORT_H

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"

typedef enum {
    AS_REPORT_HTML = 1 << 0,  /* report.html, and the plots in it: plots/SUITE-NAME.{gp,dat,svg} */
    AS_REPORT_JUNIT = 1 << 1, /* junit.xml */
    AS_REPORT_PLOTS = 1 << 2, /* plots/ alone */
    AS_REPORT_ALL = AS_REPORT_HTML | AS_REPORT_JUNIT | AS_REPORT_PLOTS,
} as_report_format;

/* What an inconclusive check is to a gate: the meaning of --inconclusive=pass. */
typedef enum { AS_INCONCLUSIVE_FAILS, AS_INCONCLUSIVE_PASSES } as_inconclusive;

typedef struct as_report_options {
    unsigned formats;             /* as_report_format; 0: all */
    as_inconclusive inconclusive; /* in junit.xml */
} as_report_options;

/* Writes the renderings into dir, which is made if need be. NULL options: all of them. That gnuplot is absent
 * is no error: the page says so and has the tables. */
AS_MUST_USE as_code as_report_write(const json_t *result, const char *dir, const as_report_options *options,
                                    as_error *err);

/* matrix.html for many results: rows models, columns suites, and the checks of each suite. pages[i] is the
 * path of result i's own page, relative to dir ("a/report.html"); NULL or an entry NULL: no link. */
AS_MUST_USE as_code as_report_write_matrix(const json_t *const *results, const char *const *pages,
                                           size_t count, const char *dir, as_error *err);

#endif
