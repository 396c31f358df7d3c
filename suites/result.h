/* The result record: one JSON document, "schema": "assay.results/1" (reports/schema/results.schema.json),
 * built while a run goes on and read by every rendering.
 *
 *   {schema, tool{version, commit, build}, run{id, started, finished, command, seed, machine, limits},
 *    model{id, revision, digest, architecture, class, parameters, dtype, context}, target, profile, verdict,
 *    suites: [{name, verdict, checks: [...], series: [...]}]}
 *
 * check  {id, title, verdict, measured, expected, unit, why, evidence}
 * series {name, title, x{label, unit}, y{label, unit}, scale{x, y}, kind, points, lines, groups}
 *
 * Keys are stable for ever once released; a reader ignores what it does not know. */
#ifndef AS_SUITES_RESULT_H
#define AS_SUITES_RESULT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Ordered from best to worst: the verdict of a whole is the worst of its parts, except that skip stands
 * aside: a whole of skips alone is skip. */
typedef enum {
    AS_PASS,
    AS_SKIP, /* cannot be known here; `why` says what would be needed */
    AS_WARN,
    AS_INCONCLUSIVE, /* measured, but the interval does not clear the gate */
    AS_FAIL,
    AS_ERROR, /* the check itself broke, or the load asked for was not offered */
    AS_VERDICT_COUNT
} as_verdict;

const char *as_verdict_name(as_verdict verdict); /* "pass" ... */
bool as_verdict_parse(const char *name, as_verdict *out);
/* Exit status of a whole run: 0 for pass, warn and skip; 1 for fail, error and inconclusive (0 for
 * inconclusive where allowed). */
int as_verdict_status(as_verdict verdict, bool inconclusive_passes);

/* One check. References in json_t fields are taken over (NULL: null). Texts are copied. */
typedef struct as_check {
    const char *id;    /* "suite/name" or "profile/name" */
    const char *title; /* what is promised, in one line for a reader */
    as_verdict verdict;
    json_t *measured; /* number, string, bool, array or object */
    json_t *expected;
    const char *unit; /* "tokens", "ms", "tokens/s", "" */
    const char *why;  /* what decides, in a sentence: required for every verdict but pass */
    json_t *evidence; /* object: what a doubter would ask for; or NULL */
} as_check;

typedef enum { AS_SERIES_LINE, AS_SERIES_POINTS, AS_SERIES_BARS, AS_SERIES_GRID } as_series_kind;

/* One plot's data. points: array of [x, y] or [x, y, low, high]; several lines: object name -> points; a
 * grid: array of [x, y, value]. `gate` draws a horizontal line at that y (NAN: none). */
typedef struct as_series {
    const char *name; /* file-name safe, unique in the suite: "recall", "kl-by-position" */
    const char *title;
    as_series_kind kind;
    const char *x_label, *x_unit, *y_label, *y_unit;
    bool x_log, y_log;
    double gate;
    const char *gate_label;
    json_t *points; /* taken over */
} as_series;

/* A JSON string of bytes from anywhere: what is not UTF-8 is replaced. NULL for NULL or when memory is out.
 */
json_t *as_result_text(const char *text);

/* A new document with its tool, run and empty suites parts; NULL when memory is out. */
json_t *as_result_new(void);
/* The suite of that name, made if absent; borrowed. */
json_t *as_result_suite(json_t *result, const char *name);
/* Adds a check (or replaces the one of the same id). */
AS_MUST_USE as_code as_result_add_check(json_t *suite, const as_check *check, as_error *err);
AS_MUST_USE as_code as_result_add_series(json_t *suite, const as_series *series, as_error *err);
/* The check of that id, or NULL; borrowed. */
const json_t *as_result_find_check(const json_t *result, const char *id);
/* Sets the verdict of every suite and of the whole from the checks; returns the whole's. */
as_verdict as_result_conclude(json_t *result);

/* Reading a document written earlier, here or elsewhere: schema tag, types and verdict names are checked,
 * with a message that names the place. Newer minor fields are ignored. */
AS_MUST_USE as_code as_result_read(const char *path, json_t **out, as_error *err);
AS_MUST_USE as_code as_result_validate(const json_t *result, const char *name, as_error *err);
/* Replaces the file at `path` (DIR/results.json) in one step. */
AS_MUST_USE as_code as_result_write(const json_t *result, const char *path, as_error *err);

#endif
