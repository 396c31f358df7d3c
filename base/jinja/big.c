/* Integers of any size; see big.h. Schoolbook methods: numbers in templates are short, and the length is
 * bounded. */
#include "base/jinja/big.h"

#include <math.h>
#include <string.h>

enum { MAX_LIMBS = 1 << 14, MAX_DIGITS = 4300 /* Python's limit for conversion to text */ };

/* Sign and magnitude of any int. */
typedef struct magnitude {
    bool negative;
    int count;
    const uint32_t *limbs;
    uint32_t small[2];
} magnitude;

static void read_int(as_jinja_value v, magnitude *m)
{
    if (v.kind == AS_JINJA_BIG) {
        *m = (magnitude){.negative = v.big->negative, .count = v.big->count, .limbs = v.big->limbs};
        return;
    }
    int64_t i = v.kind == AS_JINJA_BOOL ? v.truth : v.i;
    uint64_t u = i < 0 ? 0 - (uint64_t)i : (uint64_t)i;
    m->negative = i < 0;
    m->small[0] = (uint32_t)u;
    m->small[1] = (uint32_t)(u >> 32);
    m->limbs = m->small;
    m->count = m->small[1] ? 2 : m->small[0] ? 1 : 0;
}

static as_jinja_big *new_big(as_jinja_vm *vm, int count)
{
    if (count > MAX_LIMBS) {
        as_jinja_fail(vm, AS_JINJA_X_LIMIT, "an integer is too large");
        return NULL;
    }
    as_jinja_big *big = as_jinja_alloc_zero(vm, 1, sizeof *big + (size_t)count * sizeof big->limbs[0]);
    if (big) big->count = count;
    return big;
}

/* Drops leading zeros; an int that fits 64 bits becomes AS_JINJA_INT. */
static bool settle(as_jinja_big *big, bool negative, as_jinja_value *out)
{
    while (big->count && big->limbs[big->count - 1] == 0) big->count--;
    big->negative = negative && big->count;
    if (big->count <= 2) {
        uint64_t u = (big->count > 0 ? big->limbs[0] : 0) | (uint64_t)(big->count > 1 ? big->limbs[1] : 0)
                                                                << 32;
        if (u <= (uint64_t)INT64_MAX) {
            *out = as_jinja_int(big->negative ? -(int64_t)u : (int64_t)u);
            return true;
        }
        if (big->negative && u == (uint64_t)INT64_MAX + 1) {
            *out = as_jinja_int(INT64_MIN);
            return true;
        }
    }
    *out = (as_jinja_value){.kind = AS_JINJA_BIG, .big = big};
    return true;
}

static int order_magnitudes(const magnitude *a, const magnitude *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (int i = a->count - 1; i >= 0; i--) {
        if (a->limbs[i] != b->limbs[i]) return a->limbs[i] < b->limbs[i] ? -1 : 1;
    }
    return 0;
}

int as_jinja_big_order(as_jinja_value a, as_jinja_value b)
{
    magnitude x, y;
    read_int(a, &x);
    read_int(b, &y);
    if (x.negative != y.negative) return x.negative ? -1 : 1;
    int order = order_magnitudes(&x, &y);
    return x.negative ? -order : order;
}

static bool add_magnitudes(as_jinja_vm *vm, const magnitude *a, const magnitude *b, bool negative,
                           as_jinja_value *out)
{
    int count = (a->count > b->count ? a->count : b->count) + 1;
    as_jinja_big *sum = new_big(vm, count);
    if (!sum) return false;
    uint64_t carry = 0;
    for (int i = 0; i < count; i++) {
        carry += (uint64_t)(i < a->count ? a->limbs[i] : 0) + (i < b->count ? b->limbs[i] : 0);
        sum->limbs[i] = (uint32_t)carry;
        carry >>= 32;
    }
    return settle(sum, negative, out);
}

/* a - b for a >= b. */
static bool sub_magnitudes(as_jinja_vm *vm, const magnitude *a, const magnitude *b, bool negative,
                           as_jinja_value *out)
{
    as_jinja_big *rest = new_big(vm, a->count);
    if (!rest) return false;
    int64_t borrow = 0;
    for (int i = 0; i < a->count; i++) {
        borrow += (int64_t)a->limbs[i] - (i < b->count ? b->limbs[i] : 0);
        rest->limbs[i] = (uint32_t)borrow;
        borrow >>= 32;
    }
    return settle(rest, negative, out);
}

bool as_jinja_big_add(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool subtract, as_jinja_value *out)
{
    magnitude x, y;
    read_int(a, &x);
    read_int(b, &y);
    if (subtract) y.negative = !y.negative;
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)(x.count + y.count) / 16));
    if (x.negative == y.negative) return add_magnitudes(vm, &x, &y, x.negative, out);
    if (order_magnitudes(&x, &y) >= 0) return sub_magnitudes(vm, &x, &y, x.negative, out);
    return sub_magnitudes(vm, &y, &x, y.negative, out);
}

bool as_jinja_big_mul(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    magnitude x, y;
    read_int(a, &x);
    read_int(b, &y);
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)x.count * (uint64_t)y.count / 32));
    as_jinja_big *product = new_big(vm, x.count + y.count);
    if (!product) return false;
    for (int i = 0; i < x.count; i++) {
        uint64_t carry = 0;
        for (int k = 0; k < y.count; k++) {
            carry += (uint64_t)x.limbs[i] * y.limbs[k] + product->limbs[i + k];
            product->limbs[i + k] = (uint32_t)carry;
            carry >>= 32;
        }
        product->limbs[i + y.count] = (uint32_t)carry;
    }
    return settle(product, x.negative != y.negative, out);
}

/* Divides in place by one limb; the remainder. */
static uint32_t divide_small(uint32_t *limbs, int count, uint32_t by)
{
    uint64_t rest = 0;
    for (int i = count - 1; i >= 0; i--) {
        rest = rest << 32 | limbs[i];
        limbs[i] = (uint32_t)(rest / by);
        rest %= by;
    }
    return (uint32_t)rest;
}

/* Shift left by less than 32 bits into to[0..count]. */
static void shift_left(uint32_t *to, const uint32_t *from, int count, int bits)
{
    uint64_t carry = 0;
    for (int i = 0; i < count; i++) {
        carry |= (uint64_t)from[i] << bits;
        to[i] = (uint32_t)carry;
        carry >>= 32;
    }
    to[count] = (uint32_t)carry;
}

/* Knuth's algorithm D: u (m + n + 1 limbs, normalised) by v (n limbs): q gets m + 1 limbs, u the remainder.
 */
static void divide_long(uint32_t *u, const uint32_t *v, int n, int m, uint32_t *q)
{
    for (int j = m; j >= 0; j--) {
        uint64_t top = (uint64_t)u[j + n] << 32 | u[j + n - 1];
        uint64_t guess = top / v[n - 1], rest = top % v[n - 1];
        while (guess >> 32 || guess * v[n - 2] > (rest << 32 | u[j + n - 2])) {
            guess--;
            rest += v[n - 1];
            if (rest >> 32) break;
        }
        int64_t borrow = 0;
        uint64_t carry = 0;
        for (int i = 0; i < n; i++) {
            carry += guess * v[i];
            borrow += (int64_t)u[i + j] - (int64_t)(uint32_t)carry;
            u[i + j] = (uint32_t)borrow;
            borrow >>= 32;
            carry >>= 32;
        }
        borrow += (int64_t)u[j + n] - (int64_t)carry;
        u[j + n] = (uint32_t)borrow;
        if (borrow < 0) { /* one too many */
            guess--;
            carry = 0;
            for (int i = 0; i < n; i++) {
                carry += (uint64_t)u[i + j] + v[i];
                u[i + j] = (uint32_t)carry;
                carry >>= 32;
            }
            u[j + n] += (uint32_t)carry;
        }
        q[j] = (uint32_t)guess;
    }
}

/* Quotient and remainder of the magnitudes, truncated. */
static bool divide_magnitudes(as_jinja_vm *vm, const magnitude *a, const magnitude *b,
                              as_jinja_big **quotient, as_jinja_big **remainder)
{
    as_jinja_big *q = new_big(vm, a->count >= b->count ? a->count - b->count + 1 : 1);
    as_jinja_big *u = q ? new_big(vm, a->count + 1) : NULL;
    if (!u) return false;
    *quotient = q;
    *remainder = u;
    if (b->count == 1) {
        q = *quotient = new_big(vm, a->count);
        if (!q) return false;
        if (a->count) memcpy(q->limbs, a->limbs, (size_t)a->count * sizeof q->limbs[0]);
        u->limbs[0] = divide_small(q->limbs, a->count, b->limbs[0]);
        return true;
    }
    int bits = __builtin_clz(b->limbs[b->count - 1]);
    if (a->count < b->count) {
        memcpy(u->limbs, a->limbs, (size_t)a->count * sizeof u->limbs[0]);
        return true;
    }
    as_jinja_big *v = new_big(vm, b->count + 1);
    if (!v) return false;
    shift_left(u->limbs, a->limbs, a->count, bits);
    shift_left(v->limbs, b->limbs, b->count, bits);
    divide_long(u->limbs, v->limbs, b->count, a->count - b->count, q->limbs);
    for (int i = 0; bits && i < u->count; i++) {
        uint32_t above = i + 1 < u->count ? u->limbs[i + 1] : 0;
        u->limbs[i] = u->limbs[i] >> bits | above << (32 - bits);
    }
    return true;
}

bool as_jinja_big_divmod(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *quotient,
                         as_jinja_value *remainder)
{
    magnitude x, y;
    read_int(a, &x);
    read_int(b, &y);
    as_jinja_big *q, *r;
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)x.count * (uint64_t)y.count / 32));
    AS_JINJA_TRY(divide_magnitudes(vm, &x, &y, &q, &r));
    settle(q, x.negative != y.negative, quotient);
    settle(r, x.negative, remainder);
    bool exact = remainder->kind == AS_JINJA_INT && remainder->i == 0;
    if (exact || x.negative == y.negative) return true;
    return as_jinja_big_add(vm, *quotient, as_jinja_int(1), true, quotient) &&
           as_jinja_big_add(vm, *remainder, b, false, remainder);
}

bool as_jinja_big_pow(as_jinja_vm *vm, as_jinja_value a, int64_t exponent, as_jinja_value *out)
{
    as_jinja_value result = as_jinja_int(1), base = a;
    while (exponent > 0) {
        if (exponent & 1) AS_JINJA_TRY(as_jinja_big_mul(vm, result, base, &result));
        exponent >>= 1;
        if (exponent) AS_JINJA_TRY(as_jinja_big_mul(vm, base, base, &base));
    }
    *out = result;
    return true;
}

double as_jinja_big_to_double(as_jinja_value v)
{
    magnitude m;
    read_int(v, &m);
    if (m.count == 0) return 0;
    /* The top 64 bits, with a sticky bit for what is below, round correctly to 53. */
    int top = m.count - 1, shift = __builtin_clz(m.limbs[top]);
    uint64_t bits = 0;
    for (int i = 0; i < 3 && top - i >= 0; i++) {
        uint64_t limb = m.limbs[top - i];
        int at = 32 + shift - 32 * i;
        bits |= at >= 0 ? limb << at : limb >> -at;
    }
    bool sticky = false;
    for (int i = 0; i < top - 2; i++) sticky = sticky || m.limbs[i];
    if (top >= 2) sticky = sticky || (shift < 32 && (uint32_t)((uint64_t)m.limbs[top - 2] << shift));
    uint64_t rounded = bits >> 11, rest = bits & 0x7FF;
    if (rest > 0x400 || (rest == 0x400 && (sticky || (rounded & 1)))) rounded++;
    double f = ldexp((double)rounded, 32 * top + 32 - shift - 64 + 11);
    return m.negative ? -f : f;
}

static int bit_length(as_jinja_value v)
{
    magnitude m;
    read_int(v, &m);
    return m.count ? 32 * m.count - __builtin_clz(m.limbs[m.count - 1]) : 0;
}

/* One side is shifted until the whole quotient has two bits more than as_jinja_big_to_double looks at; what
 * remains only has to be told from nothing. */
bool as_jinja_big_divide(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, double *out)
{
    enum { BITS = 66, EXACT = 53 };
    if (bit_length(a) <= EXACT && bit_length(b) <= EXACT) {
        *out = as_jinja_big_to_double(a) / as_jinja_big_to_double(b);
        return true;
    }
    int shift = BITS - (bit_length(a) - bit_length(b));
    as_jinja_value power, quotient, rest, odd, half;
    AS_JINJA_TRY(as_jinja_big_pow(vm, as_jinja_int(2), abs(shift), &power));
    AS_JINJA_TRY(as_jinja_big_mul(vm, shift > 0 ? a : b, power, shift > 0 ? &a : &b));
    AS_JINJA_TRY(as_jinja_big_divmod(vm, a, b, &quotient, &rest));
    AS_JINJA_TRY(as_jinja_big_divmod(vm, quotient, as_jinja_int(2), &half, &odd));
    bool sticky =
        bit_length(rest) > 0 && bit_length(odd) == 0; /* rounded down, so the lowest bit stands for more */
    if (sticky) AS_JINJA_TRY(as_jinja_big_add(vm, quotient, as_jinja_int(1), false, &quotient));
    *out = ldexp(as_jinja_big_to_double(quotient), -shift);
    return true;
}

bool as_jinja_big_from_double(as_jinja_vm *vm, double f, as_jinja_value *out)
{
    int exponent;
    double fraction = frexp(fabs(f), &exponent);
    if (exponent <= 63) {
        *out = as_jinja_int((int64_t)f);
        return true;
    }
    uint64_t bits = (uint64_t)ldexp(fraction, 53);
    int shift = exponent - 53;
    as_jinja_big *big = new_big(vm, shift / 32 + 3);
    if (!big) return false;
    unsigned __int128 wide = (unsigned __int128)bits << (shift % 32);
    for (int i = 0; i < 3; i++) big->limbs[shift / 32 + i] = (uint32_t)(wide >> (32 * i));
    return settle(big, f < 0, out);
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

bool as_jinja_big_from_digits(as_jinja_vm *vm, const char *digits, size_t size, int base, bool negative,
                              as_jinja_value *out)
{
    bool power_of_two = (base & (base - 1)) == 0;
    if (!power_of_two && size > MAX_DIGITS) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE,
                             "Exceeds the limit (%d digits) for integer string conversion", MAX_DIGITS);
    }
    if (size > (size_t)MAX_LIMBS * 5) return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "an integer is too large");
    AS_JINJA_TRY(as_jinja_step(vm, 1 + size * size / 256));
    as_jinja_big *big = new_big(vm, (int)(size / 5 + 2)); /* base 36: 5.17 bits a digit */
    if (!big) return false;
    int count = 0;
    for (size_t i = 0; i < size; i++) {
        uint64_t carry = (uint64_t)digit_value(digits[i]);
        for (int k = 0; k < count; k++) {
            carry += (uint64_t)big->limbs[k] * (uint64_t)base;
            big->limbs[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry) big->limbs[count++] = (uint32_t)carry;
    }
    return settle(big, negative, out);
}

bool as_jinja_big_text(as_jinja_vm *vm, as_jinja_value v, int base)
{
    magnitude m;
    read_int(v, &m);
    if (m.count > MAX_LIMBS / 8)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "an integer is too large for its text");
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)m.count * (uint64_t)m.count / 4));
    uint32_t *limbs = AS_JINJA_NEW_ARRAY(vm, uint32_t, m.count + 1);
    char *text = as_jinja_alloc(vm, (size_t)m.count * 32 + 2);
    if (!limbs || !text) return false;
    if (m.count) memcpy(limbs, m.limbs, (size_t)m.count * sizeof *limbs);
    size_t at = (size_t)m.count * 32 + 2, end = at;
    int count = m.count;
    do {
        text[--at] = "0123456789abcdefghijklmnopqrstuvwxyz"[divide_small(limbs, count, (uint32_t)base)];
        while (count && limbs[count - 1] == 0) count--;
    } while (count);
    if (base == 10 && end - at > MAX_DIGITS) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE,
                             "Exceeds the limit (%d digits) for integer string conversion", MAX_DIGITS);
    }
    return as_jinja_put(vm, text + at, end - at);
}
