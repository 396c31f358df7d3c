/* The summary on a terminal: the verdict first, then what failed and by how much, then a line for each
 * suite. */
#ifndef AS_REPORTS_TEXT_H
#define AS_REPORTS_TEXT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_text_style {
    int width;  /* columns; 0: 100 */
    bool color; /* ANSI colours */
} as_text_style;

/* For a stream: colour only on a terminal that has it, and without NO_COLOR; the terminal's width (or
 * COLUMNS). */
as_text_style as_text_style_of(int fd);

/* `report` is the path of the page to point to, or NULL. */
AS_MUST_USE as_code as_text_summary(const json_t *result, const as_text_style *style, const char *report,
                                    as_buf *out, as_error *err);
/* The same for a comparison (as_compare). */
AS_MUST_USE as_code as_text_compare(const json_t *compare, const as_text_style *style, const char *report,
                                    as_buf *out, as_error *err);
/* Many results: a line each. */
AS_MUST_USE as_code as_text_matrix(const json_t *const *results, size_t count, const as_text_style *style,
                                   as_buf *out, as_error *err);

#endif
