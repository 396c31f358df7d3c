/* Regular expressions written for Oniguruma, as tokenizer.json has them, run by PCRE2.
 *
 * A pattern is rewritten where the two languages differ (\h, \v, \w, {,n}, {n,m}+, set operations in classes,
 * scripts, the meaning of (?m) and ^); what cannot be expressed is refused with a message. Characters that
 * PCRE2's Unicode tables do not know yet are matched as older ones with the same properties. */
#ifndef AS_ENGINE_TEXT_REGEX_H
#define AS_ENGINE_TEXT_REGEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_regex as_regex;
typedef struct as_matcher as_matcher; /* memory of a matching thread */

typedef enum { AS_REGEX_PATTERN, AS_REGEX_LITERAL } as_regex_form;

AS_MUST_USE as_code as_regex_open(const char *pattern, size_t size, as_regex_form form, as_regex **out,
                                  as_error *err);
void as_regex_close(as_regex *regex);

AS_MUST_USE as_code as_matcher_new(as_matcher **out);
void as_matcher_free(as_matcher *matcher);

/* All matches from left to right, as rust-onig's find_iter gives them: an empty match is passed over where
 * the match before it ended. */
typedef struct as_finder {
    const as_regex *regex;
    as_matcher *matcher;
    const char *text; /* as the matcher sees it: same length as the text given */
    size_t size;
    size_t at;       /* where the search goes on */
    size_t last_end; /* of the last match; SIZE_MAX: there was none */
} as_finder;

/* text is valid UTF-8; room is for a changed copy and must stay until the search is over. */
AS_MUST_USE as_code as_finder_start(as_finder *finder, const as_regex *regex, as_matcher *matcher,
                                    const char *text, size_t size, as_buf *room, as_error *err);
/* *found is false after the last match. AS_E_LIMIT where the pattern needs too many steps. */
AS_MUST_USE as_code as_finder_next(as_finder *finder, bool *found, size_t *start, size_t *end, as_error *err);

/* What a pattern says of single characters: where classes and literals beyond ASCII begin and end. */
typedef struct as_regex_bounds {
    uint32_t *points; /* sorted by as_regex_open; as_free */
    size_t count, room;
    bool back_references;
} as_regex_bounds;

/* The pattern in PCRE2's language; regex_translate.c. */
AS_MUST_USE as_code as_regex_translate(const char *pattern, size_t size, as_buf *out, as_regex_bounds *bounds,
                                       as_error *err);

#endif
