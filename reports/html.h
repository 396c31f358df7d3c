/* Pages from the templates in templates/, which are part of the program. */
#ifndef AS_REPORTS_HTML_H
#define AS_REPORTS_HTML_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/* Renders the template of that name ("report.html", "junit.xml") with the members of `view`, and appends. */
AS_MUST_USE as_code as_html_render(const char *name, const json_t *view, as_buf *out, as_error *err);
/* The same, written to DIR/FILE. */
AS_MUST_USE as_code as_html_write(const char *name, const json_t *view, const char *dir, const char *file,
                                  as_error *err);

#endif
