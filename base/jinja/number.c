/* Arithmetic on bool, int and float, as Python does it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/big.h"

static int64_t small(aj_value v)
{
    return v.kind == AJ_BOOL ? v.truth : v.i;
}

bool aj_to_double(aj_vm *vm, aj_value v, double *out)
{
    if (v.kind == AJ_FLOAT) {
        *out = v.f;
    } else if (v.kind == AJ_BIG) {
        *out = aj_big_to_double(v);
        if (isinf(*out)) return aj_fail(vm, AJ_X_OVERFLOW, "int too large to convert to float");
    } else {
        *out = (double)small(v);
    }
    return true;
}

bool aj_from_double(aj_vm *vm, double f, aj_value *out)
{
    if (isnan(f)) return aj_fail(vm, AJ_X_VALUE, "cannot convert float NaN to integer");
    if (isinf(f)) return aj_fail(vm, AJ_X_OVERFLOW, "cannot convert float infinity to integer");
    return aj_big_from_double(vm, f, out);
}

bool aj_to_index(aj_vm *vm, aj_value v, int64_t *out)
{
    if (v.kind == AJ_BIG) {
        *out = v.big->negative ? INT64_MIN : INT64_MAX;
    } else if (v.kind == AJ_INT || v.kind == AJ_BOOL) {
        *out = small(v);
    } else {
        return aj_fail(vm, AJ_X_TYPE, "'%s' object cannot be interpreted as an integer", aj_type_name(v));
    }
    return true;
}

/* int64 against a finite double, exactly. */
static int order_mixed(int64_t i, double f)
{
    if (f >= 9223372036854775808.0) return -1;
    if (f < -9223372036854775808.0) return 1;
    int64_t whole = (int64_t)f;
    if (i != whole) return i < whole ? -1 : 1;
    double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

int aj_number_order(aj_value a, aj_value b)
{
    if (a.kind == AJ_FLOAT && b.kind == AJ_FLOAT) {
        return isnan(a.f) || isnan(b.f) ? 2 : a.f < b.f ? -1 : a.f > b.f;
    }
    if (a.kind == AJ_FLOAT) {
        int order = aj_number_order(b, a);
        return order == 2 ? 2 : -order;
    }
    if (b.kind == AJ_FLOAT) {
        if (isnan(b.f)) return 2;
        if (isinf(b.f)) return b.f > 0 ? -1 : 1;
        if (a.kind != AJ_BIG) return order_mixed(small(a), b.f);
        double f = aj_big_to_double(a);
        return f < b.f ? -1 : f > b.f;
    }
    if (a.kind == AJ_BIG || b.kind == AJ_BIG) return aj_big_order(a, b);
    return small(a) < small(b) ? -1 : small(a) > small(b);
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    return h;
}

bool aj_number_hash(aj_value v, uint64_t *out)
{
    double f = v.kind == AJ_FLOAT ? v.f : v.kind == AJ_BIG ? aj_big_to_double(v) : 0;
    if (v.kind == AJ_INT || v.kind == AJ_BOOL) {
        *out = mix((uint64_t)small(v));
    } else if (v.kind == AJ_FLOAT && f == floor(f) && fabs(f) < 9e18) {
        *out = mix((uint64_t)(int64_t)f);
    } else {
        uint64_t bits;
        memcpy(&bits, &f, sizeof bits);
        *out = mix(bits + 1);
    }
    return true;
}

/* --- floats --- */

static bool float_divmod(aj_vm *vm, double a, double b, double *quotient, double *remainder)
{
    if (b == 0) return aj_fail(vm, AJ_X_OTHER, "float floor division or modulo by zero");
    double mod = fmod(a, b), div = (a - mod) / b;
    if (mod != 0) {
        if ((b < 0) != (mod < 0)) {
            mod += b;
            div -= 1;
        }
    } else {
        mod = copysign(0, b);
    }
    double whole = div != 0 ? floor(div) : copysign(0, a / b);
    if (div != 0 && div - whole > 0.5) whole += 1;
    *quotient = whole;
    *remainder = mod;
    return true;
}

static bool float_pow(aj_vm *vm, double a, double b, aj_value *out)
{
    if (a == 0 && b < 0) return aj_fail(vm, AJ_X_OTHER, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b)) {
        return aj_fail(vm, AJ_X_OTHER, "a root of a negative number is complex, which is not supported");
    }
    double f = pow(a, b);
    if (isinf(f) && isfinite(a) && isfinite(b)) {
        return aj_fail(vm, AJ_X_OVERFLOW, "the result of ** is too large for a float");
    }
    *out = aj_float(f);
    return true;
}

static bool float_binary(aj_vm *vm, aj_binop op, aj_value left, aj_value right, aj_value *out)
{
    double a, b, quotient = 0, remainder = 0;
    AJ_TRY(aj_to_double(vm, left, &a) && aj_to_double(vm, right, &b));
    switch (op) {
    case AJ_ADD: *out = aj_float(a + b); return true;
    case AJ_SUB: *out = aj_float(a - b); return true;
    case AJ_MUL: *out = aj_float(a * b); return true;
    case AJ_DIV:
        if (b == 0) return aj_fail(vm, AJ_X_OTHER, "float division by zero");
        *out = aj_float(a / b);
        return true;
    case AJ_POW: return float_pow(vm, a, b, out);
    default: break;
    }
    AJ_TRY(float_divmod(vm, a, b, &quotient, &remainder));
    *out = aj_float(op == AJ_MOD ? remainder : quotient);
    return true;
}

/* --- ints --- */

static bool is_zero(aj_value v)
{
    return v.kind != AJ_BIG && small(v) == 0;
}

static bool int_divide(aj_vm *vm, aj_value a, aj_value b, aj_value *out)
{
    if (is_zero(b)) return aj_fail(vm, AJ_X_OTHER, "division by zero");
    if (a.kind != AJ_BIG && b.kind != AJ_BIG) {
        *out = aj_float((double)((long double)small(a) / (long double)small(b)));
        return true;
    }
    double x = aj_big_to_double(a), y = aj_big_to_double(b);
    if (isinf(x) || isinf(y))
        return aj_fail(vm, AJ_X_OVERFLOW, "integer division result too large for a float");
    *out = aj_float(x / y);
    return true;
}

static bool int_divmod(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out)
{
    if (is_zero(b)) return aj_fail(vm, AJ_X_OTHER, "integer division or modulo by zero");
    if (a.kind == AJ_BIG || b.kind == AJ_BIG || small(a) == INT64_MIN) {
        aj_value quotient, remainder;
        AJ_TRY(aj_big_divmod(vm, a, b, &quotient, &remainder));
        *out = op == AJ_MOD ? remainder : quotient;
        return true;
    }
    int64_t x = small(a), y = small(b), q = x / y, r = x % y;
    if (r != 0 && (r < 0) != (y < 0)) {
        q--;
        r += y;
    }
    *out = aj_int(op == AJ_MOD ? r : q);
    return true;
}

static bool int_pow(aj_vm *vm, aj_value a, aj_value b, aj_value *out)
{
    int64_t exponent;
    AJ_TRY(aj_to_index(vm, b, &exponent));
    if (exponent < 0) {
        double x, y;
        AJ_TRY(aj_to_double(vm, a, &x) && aj_to_double(vm, b, &y));
        return float_pow(vm, x, y, out);
    }
    return aj_big_pow(vm, a, exponent, out);
}

static bool int_binary(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out)
{
    bool fits = a.kind != AJ_BIG && b.kind != AJ_BIG;
    *out = aj_int(0);
    switch (op) {
    case AJ_ADD:
        if (fits && !__builtin_add_overflow(small(a), small(b), &out->i)) return true;
        return aj_big_add(vm, a, b, false, out);
    case AJ_SUB:
        if (fits && !__builtin_sub_overflow(small(a), small(b), &out->i)) return true;
        return aj_big_add(vm, a, b, true, out);
    case AJ_MUL:
        if (fits && !__builtin_mul_overflow(small(a), small(b), &out->i)) return true;
        return aj_big_mul(vm, a, b, out);
    case AJ_DIV: return int_divide(vm, a, b, out);
    case AJ_POW: return int_pow(vm, a, b, out);
    default: return int_divmod(vm, op, a, b, out);
    }
}

bool aj_number_binary(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out)
{
    if (a.kind == AJ_FLOAT || b.kind == AJ_FLOAT) return float_binary(vm, op, a, b, out);
    return int_binary(vm, op, a, b, out);
}

/* --- text --- */

bool aj_int_text(aj_vm *vm, aj_value v, int base)
{
    bool negative = v.kind == AJ_BIG ? v.big->negative : small(v) < 0;
    if (negative) AJ_TRY(aj_put_text(vm, "-"));
    if (v.kind == AJ_BIG || base != 10) return aj_big_text(vm, v, base);
    uint64_t u = negative ? 0 - (uint64_t)small(v) : (uint64_t)small(v);
    char room[24];
    return aj_put(vm, room, (size_t)snprintf(room, sizeof room, "%llu", (unsigned long long)u));
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* text[0..size) with decimal digits of any script as ASCII, trimmed; the caller frees nothing (arena). */
static bool ascii_number(aj_vm *vm, const char *text, size_t size, aj_value *out)
{
    size_t mark = aj_mark(vm), end = size, from = 0;
    while (from < end) {
        size_t next = from;
        if (!aj_space(aj_next_codepoint(text, size, &next))) break;
        from = next;
    }
    while (end > from) {
        size_t before = end;
        if (!aj_space(aj_previous_codepoint(text, &before))) break;
        end = before;
    }
    for (size_t at = from; at < end;) {
        uint32_t c = aj_next_codepoint(text, end, &at);
        int value = c < 0x80 ? -1 : aj_decimal_value(c);
        char one = c < 0x80 ? (char)c : value >= 0 ? (char)('0' + value) : '?';
        AJ_TRY(aj_put(vm, &one, 1));
    }
    return aj_str_cut(vm, mark, out);
}

static int prefix_base(const char *s)
{
    char kind = s[0] == '0' ? (char)(s[1] | 32) : 0;
    return kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
}

bool aj_parse_int(aj_vm *vm, const char *text, size_t size, int base, aj_value *out)
{
    aj_value clean;
    if (base != 0 && (base < 2 || base > 36)) {
        return aj_fail(vm, AJ_X_VALUE, "int() base must be >= 2 and <= 36, or 0");
    }
    AJ_TRY(ascii_number(vm, text, size, &clean));
    const char *s = clean.str->data, *end = s + clean.str->size;
    bool negative = *s == '-';
    if (*s == '-' || *s == '+') s++;
    int prefix = prefix_base(s);
    bool plain = base == 0 && !prefix; /* then leading zeros are only for zero itself */
    if (base == 0) base = prefix ? prefix : 10;
    if (prefix && prefix == base) {
        s += 2;
        if (*s == '_') s++;
    }
    size_t mark = aj_mark(vm);
    bool valid = s < end && *s != '_' && end[-1] != '_', zeros = true;
    bool leading_zero = *s == '0';
    for (; s < end && valid; s++) {
        if (*s == '_') {
            valid = s[-1] != '_';
            continue;
        }
        valid = digit_value(*s) < base;
        zeros = zeros && *s == '0';
        AJ_TRY(aj_put(vm, s, 1));
    }
    aj_value digits;
    AJ_TRY(aj_str_cut(vm, mark, &digits));
    if (!valid || (plain && leading_zero && !zeros)) {
        return aj_fail(vm, AJ_X_VALUE, "invalid literal for int() with base %d: '%.*s'", base,
                       (int)(size < 100 ? size : 100), text);
    }
    return aj_big_from_digits(vm, digits.str->data, digits.str->size, base, negative, out);
}

/* Digits with single underscores between them, copied without; false when there are none or a stray one. */
static bool float_digits(const char **s, char *to, size_t *count)
{
    const char *from = *s;
    while ((**s >= '0' && **s <= '9') || (**s == '_' && *s > from && (*s)[-1] != '_')) {
        if (**s != '_') to[(*count)++] = **s;
        (*s)++;
    }
    return *s == from || (*s)[-1] != '_';
}

static bool float_special(const char *s, double *out)
{
    bool negative = *s == '-';
    if (*s == '-' || *s == '+') s++;
    double f;
    if (strcasecmp(s, "inf") == 0 || strcasecmp(s, "infinity") == 0) {
        f = INFINITY;
    } else if (strcasecmp(s, "nan") == 0) {
        f = NAN;
    } else {
        return false;
    }
    *out = negative ? -f : f;
    return true;
}

bool aj_parse_float(aj_vm *vm, const char *text, size_t size, double *out)
{
    aj_value clean;
    AJ_TRY(ascii_number(vm, text, size, &clean));
    const char *s = clean.str->data, *end = s + clean.str->size;
    if (strlen(s) == clean.str->size && float_special(s, out)) return true;
    char *number = aj_alloc(vm, clean.str->size + 2);
    if (!number) return false;
    size_t count = 0, mantissa = 0;
    if (*s == '-' || *s == '+') number[count++] = *s++;
    size_t sign = count;
    bool valid = float_digits(&s, number, &count);
    mantissa = count - sign;
    if (*s == '.') {
        number[count++] = *s++;
        size_t before = count;
        valid = valid && float_digits(&s, number, &count);
        mantissa += count - before;
    }
    valid = valid && mantissa > 0;
    if (valid && (*s | 32) == 'e') {
        number[count++] = *s++;
        if (*s == '-' || *s == '+') number[count++] = *s++;
        size_t before = count;
        valid = float_digits(&s, number, &count) && count > before;
    }
    number[count] = 0;
    if (!valid || s != end) {
        return aj_fail(vm, AJ_X_VALUE, "could not convert string to float: '%.*s'",
                       (int)(size < 100 ? size : 100), text);
    }
    *out = strtod(number, NULL);
    return true;
}

/* --- rounding --- */

/* round(f, digits) for digits < 0: through the exact decimal expansion of the integral part. */
static double round_left(double f, int64_t digits)
{
    char text[400];
    int size = snprintf(text, sizeof text, "%.60f", fabs(f));
    char *point = memchr(text, '.', (size_t)size);
    int64_t whole = point - text, keep = whole + digits;
    if (keep < 0) return copysign(0, f);
    int order = text[keep] > '5' ? 1 : text[keep] < '5' ? -1 : 0;
    for (char *c = text + keep + 1; order == 0 && *c; c++) {
        if (*c != '.' && *c != '0') order = 1;
    }
    bool odd = keep > 0 && (text[keep - 1] - '0') % 2;
    bool up = order > 0 || (order == 0 && odd);
    for (int64_t i = keep; i < whole; i++) text[i] = '0';
    *point = 0;
    double result = strtod(text, NULL);
    if (up) result += pow(10, (double)-digits);
    return copysign(result, f);
}

static bool round_int(aj_vm *vm, aj_value v, int64_t digits, aj_value *out)
{
    if (v.kind == AJ_BOOL) v = aj_int(v.truth);
    *out = v;
    if (digits >= 0) return true;
    aj_value unit, half, quotient, rest;
    if (digits < -10000) digits = -10000;
    AJ_TRY(aj_big_pow(vm, aj_int(10), -digits, &unit));
    AJ_TRY(aj_big_divmod(vm, v, unit, &quotient, &rest));
    AJ_TRY(aj_big_mul(vm, rest, aj_int(2), &half));
    int order = aj_number_order(half, unit);
    aj_value two, odd;
    AJ_TRY(aj_big_divmod(vm, quotient, aj_int(2), &two, &odd));
    if (order > 0 || (order == 0 && small(odd)))
        AJ_TRY(aj_big_add(vm, quotient, aj_int(1), false, &quotient));
    return aj_big_mul(vm, quotient, unit, out);
}

bool aj_round(aj_vm *vm, aj_value v, aj_value digits, aj_value *out)
{
    int64_t n = 0;
    if (digits.kind != AJ_NONE) AJ_TRY(aj_to_index(vm, digits, &n));
    if (aj_is_int(v)) return round_int(vm, v, n, out);
    if (v.kind == AJ_UNDEFINED)
        return aj_fail(vm, AJ_X_TYPE, "type Undefined doesn't define __round__ method");
    if (v.kind != AJ_FLOAT) {
        return aj_fail(vm, AJ_X_TYPE, "type %s doesn't define __round__ method", aj_type_name(v));
    }
    if (digits.kind == AJ_NONE) return aj_from_double(vm, rint(v.f), out);
    *out = v;
    if (!isfinite(v.f) || n > 323 || v.f == 0) return true;
    if (n < 0) {
        *out = aj_float(n < -308 ? copysign(0, v.f) : round_left(v.f, n));
        return isfinite(out->f) || aj_fail(vm, AJ_X_OVERFLOW, "rounded value too large to represent");
    }
    char text[800];
    snprintf(text, sizeof text, "%.*f", (int)n, v.f);
    *out = aj_float(strtod(text, NULL));
    return true;
}
