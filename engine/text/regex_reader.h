/* The reader of Oniguruma's patterns: what regex_translate.c and regex_words.c share. */
#ifndef AS_ENGINE_TEXT_REGEX_READER_H
#define AS_ENGINE_TEXT_REGEX_READER_H

#include "engine/text/regex.h"

/* Oniguruma's \w in words that PCRE2 takes inside a class. Outside of one it has six characters more, the
 * superscripts and fractions of Latin-1. */
#define AS_REGEX_WORD       "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define AS_REGEX_WORD_ALONE AS_REGEX_WORD "\\xB2\\xB3\\xB9\\xBC-\\xBE"

typedef struct as_regex_reader {
    const char *text;
    size_t size, at;
    as_buf *out;
    size_t atom; /* where in out the last thing that can be repeated begins */
    bool repeatable;
    size_t groups[256];   /* where open groups begin */
    bool outer_case[256]; /* ignore_case as it is again after the group */
    int depth;
    bool ignore_case;
    uint32_t last_letter; /* the literal just before, in lower case; 0: none */
    as_regex_bounds *bounds;
} as_regex_reader;

/* The byte `ahead` of the place where the reader stands, -1 behind the end. */
static inline int as_regex_peek(const as_regex_reader *r, size_t ahead)
{
    return r->at + ahead < r->size ? (unsigned char)r->text[r->at + ahead] : -1;
}

as_code as_regex_refuse(const as_regex_reader *r, const char *what, as_error *err); /* fails with a message */

/* Copies the character at r->at to out and takes note of it. */
AS_MUST_USE as_code as_regex_copy(as_regex_reader *r, as_buf *out, as_error *err);
/* Writes an escape to r->out; r->at stands after the backslash. */
AS_MUST_USE as_code as_regex_escape(as_regex_reader *r, bool in_class, as_error *err);
/* Writes a property that is named in lower case without separators. */
AS_MUST_USE as_code as_regex_property(as_regex_reader *r, const char *name, bool negative, bool in_class,
                                      as_error *err);
bool as_regex_has_property(const char *name); /* in the table of those that need other words */

#endif
