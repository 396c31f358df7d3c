/* The tables of unicode_data.c; used by unicode.c alone. */
#ifndef AS_ENGINE_TEXT_UNICODE_DATA_H
#define AS_ENGINE_TEXT_UNICODE_DATA_H

#include <stddef.h>
#include <stdint.h>

typedef struct as_unicode_range { /* from start to the next range's start */
    uint32_t start;
    uint16_t value;
} as_unicode_range;

typedef struct as_unicode_case { /* every step-th character of first..last */
    uint32_t first, last;
    int32_t step, delta;
} as_unicode_case;

extern const uint32_t as_unicode_classes[];
extern const as_unicode_range as_unicode_ranges[], as_unicode_scripts[];
extern const size_t as_unicode_ranges_count, as_unicode_scripts_count;
extern const as_unicode_case as_unicode_lower[];
extern const size_t as_unicode_lower_count;

#endif
