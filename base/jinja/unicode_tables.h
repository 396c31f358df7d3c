/* Tables behind unicode.c. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_UNICODE_TABLES_H
#define AS_BASE_JINJA_UNICODE_TABLES_H

#include <stdint.h>

typedef struct aj_special_case {
    uint32_t codepoint, upper[3], title[3]; /* 0 behind the last */
} aj_special_case;

typedef struct aj_code_range {
    uint32_t first, last;
} aj_code_range;

/* All in rising order. */
extern const aj_special_case aj_special_cases[];
extern const int aj_special_case_count;
extern const aj_code_range aj_digit_ranges[], aj_numeric_ranges[];
extern const int aj_digit_range_count, aj_numeric_range_count;

#endif
