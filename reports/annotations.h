/* A line for each check that needs attention, in a form that CI shows beside a commit. */
#ifndef AS_REPORTS_ANNOTATIONS_H
#define AS_REPORTS_ANNOTATIONS_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "reports/report.h"

typedef enum {
    AS_ANNOTATE_PLAIN,  /* "fail: drift/kl-mean: measured 0.06 nats, expected at most 0.05 nats: ..." */
    AS_ANNOTATE_GITHUB, /* workflow commands: "::error title=...::..." */
} as_annotation_form;

/* The form for where the program runs: GITHUB where GITHUB_ACTIONS is "true", else PLAIN. */
as_annotation_form as_annotations_form(void);

/* Appends the lines, worst first. An inconclusive check is an error, or a warning where it is let pass. */
AS_MUST_USE as_code as_annotations_write(const json_t *result, as_annotation_form form,
                                         as_inconclusive inconclusive, as_buf *out, as_error *err);

#endif
