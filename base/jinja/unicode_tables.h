/* Tables behind unicode.c. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_UNICODE_TABLES_H
#define AS_BASE_JINJA_UNICODE_TABLES_H

#include <stdint.h>

typedef struct as_jinja_special_case {
    uint32_t codepoint, upper[3], title[3]; /* 0 behind the last */
} as_jinja_special_case;

typedef struct as_jinja_code_range {
    uint32_t first, last;
} as_jinja_code_range;

/* All in rising order. */
extern const as_jinja_special_case as_jinja_special_cases[];
extern const int as_jinja_special_case_count;
extern const as_jinja_code_range as_jinja_digit_ranges[], as_jinja_numeric_ranges[];
extern const int as_jinja_digit_range_count, as_jinja_numeric_range_count;

#endif
