/* Jinja templates, rendered as Python's jinja2 3.1 renders them.
 *
 * Two dialects. CHAT has the settings under which transformers renders chat templates: the immutable sandbox,
 * trim_blocks, lstrip_blocks, loop controls, the generation tag, raise_exception, strftime_now, a tojson that
 * is json.dumps(x, ensure_ascii=False). HTML is for reports: the same, with autoescape on and jinja2's own
 * tojson, whose text is safe inside a page.
 *
 * A template comes from strangers: rendering is bounded in steps, memory, output and nesting, and never
 * executes or reads anything outside the values it was given.
 *
 * A compiled template does not change: any number of threads may render it at once. */
#ifndef AS_BASE_JINJA_JINJA_H
#define AS_BASE_JINJA_JINJA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_jinja_template as_jinja_template;

typedef enum { AS_JINJA_CHAT, AS_JINJA_HTML } as_jinja_dialect;

typedef struct as_jinja_syntax {
    as_jinja_dialect dialect;
    bool keep_newlines; /* trim_blocks off: the newline behind a block tag stays */
    bool keep_indent;   /* lstrip_blocks off: the blanks in front of a block tag stay */
} as_jinja_syntax;

/* Compile `size` bytes of UTF-8. `name` stands in messages ("chat template: line 3: ..."). NULL syntax: CHAT.
 * AS_E_INPUT for what jinja2 refuses to compile, AS_E_LIMIT for a template above 4 MiB or nested too deep. */
AS_MUST_USE as_code as_jinja_compile(const char *text, size_t size, const char *name,
                                     const as_jinja_syntax *syntax, as_jinja_template **out, as_error *err);
void as_jinja_free(as_jinja_template *template); /* NULL is allowed */

/* Whether `now` below can be this text. */
bool as_jinja_is_time(const char *text);

/* Finds the template that include, import and extends name; NULL when there is none. What it returns must
 * outlive the rendering. */
typedef const as_jinja_template *as_jinja_find(void *context, const char *name);

typedef struct as_jinja_options {
    const char *now;     /* local time of strftime_now, "2026-01-02T03:04:05[.ffffff]"; NULL: the clock */
    as_jinja_find *find; /* NULL: include, import and extends are errors */
    void *find_context;
    size_t max_output;  /* bytes of text; 0: 64 MiB */
    size_t max_memory;  /* bytes of values; 0: 256 MiB */
    uint64_t max_steps; /* about one per operation, more for long strings; 0: 20 million */
    int max_depth;      /* nesting of calls and expressions; 0: 1000 */
} as_jinja_options;

/* Bytes [start, end) of the output. */
typedef struct as_jinja_span {
    size_t start, end;
} as_jinja_span;

/* What a rendering has to tell beside its text; filled in on success and on failure. */
typedef struct as_jinja_report {
    as_jinja_span *spans; /* what {% generation %} blocks rendered, in order */
    size_t span_count;
    char *raised; /* the text that the template gave to raise_exception; NULL if it did not */
} as_jinja_report;
void as_jinja_report_free(as_jinja_report *report);

/* Render with the members of the object `variables` (NULL: none) as variables, and append the text to `out`.
 * NULL options and report are allowed. On failure nothing is appended. AS_E_INPUT for every error that jinja2
 * would raise, raise_exception included (report->raised tells); AS_E_LIMIT when a bound was reached. */
AS_MUST_USE as_code as_jinja_render(const as_jinja_template *template, const json_t *variables,
                                    const as_jinja_options *options, as_buf *out, as_jinja_report *report,
                                    as_error *err);

#endif
