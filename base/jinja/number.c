/* Arithmetic on bool, int and float, as Python does it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/big.h"

static int64_t small(as_jinja_value v)
{
    return v.kind == AS_JINJA_BOOL ? v.truth : v.i;
}

bool as_jinja_to_double(as_jinja_vm *vm, as_jinja_value v, double *out)
{
    if (v.kind == AS_JINJA_FLOAT) {
        *out = v.f;
    } else if (v.kind == AS_JINJA_BIG) {
        *out = as_jinja_big_to_double(v);
        if (isinf(*out)) return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "int too large to convert to float");
    } else {
        *out = (double)small(v);
    }
    return true;
}

bool as_jinja_from_double(as_jinja_vm *vm, double f, as_jinja_value *out)
{
    if (isnan(f)) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "cannot convert float NaN to integer");
    if (isinf(f)) return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "cannot convert float infinity to integer");
    return as_jinja_big_from_double(vm, f, out);
}

bool as_jinja_to_index(as_jinja_vm *vm, as_jinja_value v, int64_t *out)
{
    if (v.kind == AS_JINJA_BIG) {
        *out = v.big->negative ? INT64_MIN : INT64_MAX;
    } else if (v.kind == AS_JINJA_INT || v.kind == AS_JINJA_BOOL) {
        *out = small(v);
    } else {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object cannot be interpreted as an integer",
                             as_jinja_type_name(v));
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

int as_jinja_number_order(as_jinja_value a, as_jinja_value b)
{
    if (a.kind == AS_JINJA_FLOAT && b.kind == AS_JINJA_FLOAT) {
        return isnan(a.f) || isnan(b.f) ? 2 : a.f < b.f ? -1 : a.f > b.f;
    }
    if (a.kind == AS_JINJA_FLOAT) {
        int order = as_jinja_number_order(b, a);
        return order == 2 ? 2 : -order;
    }
    if (b.kind == AS_JINJA_FLOAT) {
        if (isnan(b.f)) return 2;
        if (isinf(b.f)) return b.f > 0 ? -1 : 1;
        if (a.kind != AS_JINJA_BIG) return order_mixed(small(a), b.f);
        double f = as_jinja_big_to_double(a);
        return f < b.f ? -1 : f > b.f;
    }
    if (a.kind == AS_JINJA_BIG || b.kind == AS_JINJA_BIG) return as_jinja_big_order(a, b);
    return small(a) < small(b) ? -1 : small(a) > small(b);
}

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    h ^= h >> 33;
    return h;
}

bool as_jinja_number_hash(as_jinja_value v, uint64_t *out)
{
    double f = v.kind == AS_JINJA_FLOAT ? v.f : v.kind == AS_JINJA_BIG ? as_jinja_big_to_double(v) : 0;
    if (v.kind == AS_JINJA_INT || v.kind == AS_JINJA_BOOL) {
        *out = mix((uint64_t)small(v));
    } else if (v.kind == AS_JINJA_FLOAT && f == floor(f) && fabs(f) < 9e18) {
        *out = mix((uint64_t)(int64_t)f);
    } else {
        uint64_t bits;
        memcpy(&bits, &f, sizeof bits);
        *out = mix(bits + 1);
    }
    return true;
}

/* --- floats --- */

static bool float_divmod(as_jinja_vm *vm, double a, double b, double *quotient, double *remainder)
{
    if (b == 0) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "float floor division or modulo by zero");
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

static bool float_pow(as_jinja_vm *vm, double a, double b, as_jinja_value *out)
{
    if (a == 0 && b < 0)
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "0.0 cannot be raised to a negative power");
    if (a < 0 && isfinite(a) && isfinite(b) && b != floor(b)) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER,
                             "a root of a negative number is complex, which is not supported");
    }
    double f = pow(a, b);
    if (isinf(f) && isfinite(a) && isfinite(b)) {
        return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "the result of ** is too large for a float");
    }
    *out = as_jinja_float(f);
    return true;
}

static bool float_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value left, as_jinja_value right,
                         as_jinja_value *out)
{
    double a, b, quotient = 0, remainder = 0;
    AS_JINJA_TRY(as_jinja_to_double(vm, left, &a) && as_jinja_to_double(vm, right, &b));
    switch (op) {
    case AS_JINJA_ADD: *out = as_jinja_float(a + b); return true;
    case AS_JINJA_SUB: *out = as_jinja_float(a - b); return true;
    case AS_JINJA_MUL: *out = as_jinja_float(a * b); return true;
    case AS_JINJA_DIV:
        if (b == 0) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "float division by zero");
        *out = as_jinja_float(a / b);
        return true;
    case AS_JINJA_POW: return float_pow(vm, a, b, out);
    default: break;
    }
    AS_JINJA_TRY(float_divmod(vm, a, b, &quotient, &remainder));
    *out = as_jinja_float(op == AS_JINJA_MOD ? remainder : quotient);
    return true;
}

/* --- ints --- */

static bool is_zero(as_jinja_value v)
{
    return v.kind != AS_JINJA_BIG && small(v) == 0;
}

static bool int_divide(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    if (is_zero(b)) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "division by zero");
    double quotient;
    AS_JINJA_TRY(as_jinja_big_divide(vm, a, b, &quotient));
    if (isinf(quotient))
        return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "integer division result too large for a float");
    *out = as_jinja_float(quotient);
    return true;
}

static bool int_divmod(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                       as_jinja_value *out)
{
    if (is_zero(b)) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "integer division or modulo by zero");
    if (a.kind == AS_JINJA_BIG || b.kind == AS_JINJA_BIG || small(a) == INT64_MIN) {
        as_jinja_value quotient, remainder;
        AS_JINJA_TRY(as_jinja_big_divmod(vm, a, b, &quotient, &remainder));
        *out = op == AS_JINJA_MOD ? remainder : quotient;
        return true;
    }
    int64_t x = small(a), y = small(b), q = x / y, r = x % y;
    if (r != 0 && (r < 0) != (y < 0)) {
        q--;
        r += y;
    }
    *out = as_jinja_int(op == AS_JINJA_MOD ? r : q);
    return true;
}

static bool int_pow(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    int64_t exponent;
    AS_JINJA_TRY(as_jinja_to_index(vm, b, &exponent));
    if (exponent < 0) {
        double x, y;
        AS_JINJA_TRY(as_jinja_to_double(vm, a, &x) && as_jinja_to_double(vm, b, &y));
        return float_pow(vm, x, y, out);
    }
    return as_jinja_big_pow(vm, a, exponent, out);
}

static bool int_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                       as_jinja_value *out)
{
    bool fits = a.kind != AS_JINJA_BIG && b.kind != AS_JINJA_BIG;
    *out = as_jinja_int(0);
    switch (op) {
    case AS_JINJA_ADD:
        if (fits && !__builtin_add_overflow(small(a), small(b), &out->i)) return true;
        return as_jinja_big_add(vm, a, b, false, out);
    case AS_JINJA_SUB:
        if (fits && !__builtin_sub_overflow(small(a), small(b), &out->i)) return true;
        return as_jinja_big_add(vm, a, b, true, out);
    case AS_JINJA_MUL:
        if (fits && !__builtin_mul_overflow(small(a), small(b), &out->i)) return true;
        return as_jinja_big_mul(vm, a, b, out);
    case AS_JINJA_DIV: return int_divide(vm, a, b, out);
    case AS_JINJA_POW: return int_pow(vm, a, b, out);
    default: return int_divmod(vm, op, a, b, out);
    }
}

bool as_jinja_number_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                            as_jinja_value *out)
{
    if (a.kind == AS_JINJA_FLOAT || b.kind == AS_JINJA_FLOAT) return float_binary(vm, op, a, b, out);
    return int_binary(vm, op, a, b, out);
}

/* --- text --- */

bool as_jinja_int_text(as_jinja_vm *vm, as_jinja_value v, int base)
{
    bool negative = v.kind == AS_JINJA_BIG ? v.big->negative : small(v) < 0;
    if (negative) AS_JINJA_TRY(as_jinja_put_text(vm, "-"));
    if (v.kind == AS_JINJA_BIG || base != 10) return as_jinja_big_text(vm, v, base);
    uint64_t u = negative ? 0 - (uint64_t)small(v) : (uint64_t)small(v);
    char room[24];
    return as_jinja_put(vm, room, (size_t)snprintf(room, sizeof room, "%llu", (unsigned long long)u));
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* text[0..size) with decimal digits of any script as ASCII, trimmed; the caller frees nothing (arena). */
static bool ascii_number(as_jinja_vm *vm, const char *text, size_t size, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm), end = size, from = 0;
    while (from < end) {
        size_t next = from;
        if (!as_jinja_space(as_jinja_next_codepoint(text, size, &next))) break;
        from = next;
    }
    while (end > from) {
        size_t before = end;
        if (!as_jinja_space(as_jinja_previous_codepoint(text, &before))) break;
        end = before;
    }
    for (size_t at = from; at < end;) {
        uint32_t c = as_jinja_next_codepoint(text, end, &at);
        int value = c < 0x80 ? -1 : as_jinja_decimal_value(c);
        char one = c < 0x80 ? (char)c : value >= 0 ? (char)('0' + value) : '?';
        AS_JINJA_TRY(as_jinja_put(vm, &one, 1));
    }
    return as_jinja_str_cut(vm, mark, out);
}

static int prefix_base(const char *s)
{
    char kind = s[0] == '0' ? (char)(s[1] | 32) : 0;
    return kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
}

bool as_jinja_parse_int(as_jinja_vm *vm, const char *text, size_t size, int base, as_jinja_value *out)
{
    as_jinja_value clean;
    if (base != 0 && (base < 2 || base > 36)) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "int() base must be >= 2 and <= 36, or 0");
    }
    AS_JINJA_TRY(ascii_number(vm, text, size, &clean));
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
    size_t mark = as_jinja_mark(vm);
    bool valid = s < end && *s != '_' && end[-1] != '_', zeros = true;
    bool leading_zero = *s == '0';
    for (; s < end && valid; s++) {
        if (*s == '_') {
            valid = s[-1] != '_';
            continue;
        }
        valid = digit_value(*s) < base;
        zeros = zeros && *s == '0';
        AS_JINJA_TRY(as_jinja_put(vm, s, 1));
    }
    as_jinja_value digits;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &digits));
    if (!valid || (plain && leading_zero && !zeros)) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "invalid literal for int() with base %d: '%.*s'", base,
                             (int)(size < 100 ? size : 100), text);
    }
    return as_jinja_big_from_digits(vm, digits.str->data, digits.str->size, base, negative, out);
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

bool as_jinja_parse_float(as_jinja_vm *vm, const char *text, size_t size, double *out)
{
    as_jinja_value clean;
    AS_JINJA_TRY(ascii_number(vm, text, size, &clean));
    const char *s = clean.str->data, *end = s + clean.str->size;
    if (strlen(s) == clean.str->size && float_special(s, out)) return true;
    char *number = as_jinja_alloc(vm, clean.str->size + 2);
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
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "could not convert string to float: '%.*s'",
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

static bool round_int(as_jinja_vm *vm, as_jinja_value v, int64_t digits, as_jinja_value *out)
{
    if (v.kind == AS_JINJA_BOOL) v = as_jinja_int(v.truth);
    *out = v;
    if (digits >= 0) return true;
    as_jinja_value unit, half, quotient, rest;
    if (digits < -10000) digits = -10000;
    AS_JINJA_TRY(as_jinja_big_pow(vm, as_jinja_int(10), -digits, &unit));
    AS_JINJA_TRY(as_jinja_big_divmod(vm, v, unit, &quotient, &rest));
    AS_JINJA_TRY(as_jinja_big_mul(vm, rest, as_jinja_int(2), &half));
    int order = as_jinja_number_order(half, unit);
    as_jinja_value two, odd;
    AS_JINJA_TRY(as_jinja_big_divmod(vm, quotient, as_jinja_int(2), &two, &odd));
    if (order > 0 || (order == 0 && small(odd)))
        AS_JINJA_TRY(as_jinja_big_add(vm, quotient, as_jinja_int(1), false, &quotient));
    return as_jinja_big_mul(vm, quotient, unit, out);
}

bool as_jinja_round(as_jinja_vm *vm, as_jinja_value v, as_jinja_value digits, as_jinja_value *out)
{
    int64_t n = 0;
    if (digits.kind != AS_JINJA_NONE) AS_JINJA_TRY(as_jinja_to_index(vm, digits, &n));
    if (as_jinja_is_int(v)) return round_int(vm, v, n, out);
    if (v.kind == AS_JINJA_UNDEFINED)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "type Undefined doesn't define __round__ method");
    if (v.kind != AS_JINJA_FLOAT) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "type %s doesn't define __round__ method",
                             as_jinja_type_name(v));
    }
    if (digits.kind == AS_JINJA_NONE) return as_jinja_from_double(vm, rint(v.f), out);
    *out = v;
    if (!isfinite(v.f) || n > 323 || v.f == 0) return true;
    if (n < 0) {
        *out = as_jinja_float(n < -308 ? copysign(0, v.f) : round_left(v.f, n));
        return isfinite(out->f) ||
               as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "rounded value too large to represent");
    }
    char text[800];
    snprintf(text, sizeof text, "%.*f", (int)n, v.f);
    *out = as_jinja_float(strtod(text, NULL));
    return true;
}
