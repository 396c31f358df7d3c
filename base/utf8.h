/* UTF-8: decoding, encoding, checking. */
#ifndef AS_BASE_UTF8_H
#define AS_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AS_UTF8_REPLACEMENT 0xFFFDu

/* Length in bytes (1..4) of the valid sequence at text[0..size), its codepoint in *codepoint. Overlong forms,
 * surrogates and values above U+10FFFF are invalid. For an invalid sequence returns minus the length of its
 * maximal subpart (1..3, what a replacing decoder substitutes by one U+FFFD) and sets the replacement
 * character. size must be above 0. */
int as_utf8_next(const char *text, size_t size, uint32_t *codepoint);

/* Writes 1..4 bytes to out (room for 4) and returns how many; an invalid codepoint is written as U+FFFD. */
int as_utf8_put(uint32_t codepoint, char *out);

/* Offset of the first invalid byte, or size if all is valid. */
size_t as_utf8_valid_prefix(const char *text, size_t size);
bool as_utf8_is_valid(const char *text, size_t size);

/* Number of codepoints of a valid string (invalid subparts count as one each). */
size_t as_utf8_length(const char *text, size_t size);

#endif
