/* Reading a large JSON text from front to back without building a tree: for vocabularies, whose trees would
 * cost ten times their size. Grammar and numbers are serde_json's: strict JSON, numbers rounded as its fast
 * path rounds them (a score may differ in the last bit from the correctly rounded one, and ties between
 * tokens depend on it). */
#ifndef AS_ENGINE_TEXT_JSON_SCAN_H
#define AS_ENGINE_TEXT_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

typedef struct as_scan {
    const char *text; /* valid UTF-8 */
    size_t size, at;
    as_arena *arena; /* for strings with escapes */
} as_scan;

/* The next character after white space, 0 at the end; it is not taken. */
char as_scan_peek(as_scan *scan);
/* Takes one character of punctuation. */
AS_MUST_USE as_code as_scan_expect(as_scan *scan, char c, as_error *err);
/* Before each item of a list or object that ends in `close`: takes the comma or the end. *more is false at
 * the end. first is true before the first item and set to false. */
AS_MUST_USE as_code as_scan_more(as_scan *scan, char close, bool *first, bool *more, as_error *err);
/* A string: lies in the text, or in the arena where it has escapes. Not terminated. */
AS_MUST_USE as_code as_scan_string(as_scan *scan, const char **out, size_t *size, as_error *err);
AS_MUST_USE as_code as_scan_real(as_scan *scan, double *out, as_error *err);
/* An integer from 0 to max. */
AS_MUST_USE as_code as_scan_count(as_scan *scan, int64_t max, int64_t *out, as_error *err);
/* Steps over a value without looking closely at it; *start and *end are where it lies. */
AS_MUST_USE as_code as_scan_skip(as_scan *scan, size_t *start, size_t *end, as_error *err);

#endif
