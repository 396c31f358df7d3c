/* The drawing that gnuplot made, fit to stand inside a page: only the elements and attributes that a drawing
 * needs, every id with a prefix of its own, colours replaced by the page's. What gnuplot wrote carries text
 * of strangers, so nothing is passed on that is not known to be harmless. */
#ifndef AS_REPORTS_SVG_H
#define AS_REPORTS_SVG_H

#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the content of the svg element (not its tag, so that the page gives it title and size). `prefix`
 * is a name, unique in the page. AS_E_INPUT with the place when the text is not well formed. */
AS_MUST_USE as_code as_svg_inline(const char *svg, size_t size, const char *prefix, as_buf *out,
                                  as_error *err);

#endif
