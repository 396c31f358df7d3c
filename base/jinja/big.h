/* Integers of any size, as Python's. Internal to base/jinja. */
#ifndef AS_BASE_JINJA_BIG_H
#define AS_BASE_JINJA_BIG_H

#include "base/jinja/value.h"

struct aj_big {
    bool negative;
    int count;        /* limbs; the highest is not 0, and the value does not fit int64_t */
    uint32_t limbs[]; /* lowest first */
};

/* The operands are AJ_BOOL, AJ_INT or AJ_BIG; results are AJ_INT where they fit. */
bool aj_big_add(aj_vm *vm, aj_value a, aj_value b, bool subtract, aj_value *out);
bool aj_big_mul(aj_vm *vm, aj_value a, aj_value b, aj_value *out);
/* Python's // and %: rounds down. b is not 0. */
bool aj_big_divmod(aj_vm *vm, aj_value a, aj_value b, aj_value *quotient, aj_value *remainder);
bool aj_big_pow(aj_vm *vm, aj_value a, int64_t exponent, aj_value *out);
int aj_big_order(aj_value a, aj_value b);
double aj_big_to_double(aj_value v); /* rounded to nearest, infinite when too large */
bool aj_big_from_double(aj_vm *vm, double f, aj_value *out);
bool aj_big_from_digits(aj_vm *vm, const char *digits, size_t size, int base, bool negative, aj_value *out);
bool aj_big_text(aj_vm *vm, aj_value v, int base); /* appends the digits of the magnitude */

#endif
