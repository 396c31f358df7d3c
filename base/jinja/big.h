/* Integers of any size, as Python's. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_BIG_H
#define AS_BASE_JINJA_BIG_H

#include "base/jinja/value.h"

struct as_jinja_big {
    bool negative;
    int count;        /* limbs; the highest is not 0, and the value does not fit int64_t */
    uint32_t limbs[]; /* lowest first */
};

/* The operands are AS_JINJA_BOOL, AS_JINJA_INT or AS_JINJA_BIG; results are AS_JINJA_INT where they fit. */
bool as_jinja_big_add(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool subtract,
                      as_jinja_value *out);
bool as_jinja_big_mul(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out);
/* Python's // and %: rounds down. b is not 0. */
bool as_jinja_big_divmod(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *quotient,
                         as_jinja_value *remainder);
/* Python's /: the exact quotient, rounded once, infinite when too large. b is not 0. */
bool as_jinja_big_divide(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, double *out);
bool as_jinja_big_pow(as_jinja_vm *vm, as_jinja_value a, int64_t exponent, as_jinja_value *out);
int as_jinja_big_order(as_jinja_value a, as_jinja_value b);
double as_jinja_big_to_double(as_jinja_value v); /* rounded to nearest, infinite when too large */
bool as_jinja_big_from_double(as_jinja_vm *vm, double f, as_jinja_value *out);
bool as_jinja_big_from_digits(as_jinja_vm *vm, const char *digits, size_t size, int base, bool negative,
                              as_jinja_value *out);
bool as_jinja_big_text(as_jinja_vm *vm, as_jinja_value v, int base); /* appends the digits of the magnitude */

#endif
