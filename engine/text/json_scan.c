/* Reading JSON from front to back; see json_scan.h. */
#include "engine/text/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

static as_code fail(const as_scan *scan, const char *what, as_error *err)
{
    size_t line = 1;
    for (size_t i = 0; i < scan->at && i < scan->size; i++) line += scan->text[i] == '\n';
    return as_fail(err, AS_E_INPUT, "line %zu, byte %zu: not valid JSON: %s", line, scan->at, what);
}

char as_scan_peek(as_scan *scan)
{
    for (; scan->at < scan->size; scan->at++) {
        char c = scan->text[scan->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return c;
    }
    return 0;
}

as_code as_scan_expect(as_scan *scan, char c, as_error *err)
{
    if (as_scan_peek(scan) != c) {
        char what[32] = "expected ' '";
        what[10] = c;
        return fail(scan, what, err);
    }
    scan->at++;
    return AS_OK;
}

as_code as_scan_more(as_scan *scan, char close, bool *first, bool *more, as_error *err)
{
    char c = as_scan_peek(scan);
    *more = c != close;
    if (c == close) {
        scan->at++;
    } else if (!*first) {
        AS_TRY(as_scan_expect(scan, ',', err));
        if (as_scan_peek(scan) == close) return fail(scan, "a comma before the end", err);
    }
    *first = false;
    return AS_OK;
}

/* ---- strings ---- */

static int hex4(const char *text)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = text[i];
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                         : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* \uXXXX or a pair of them; at stands at the u. Returns the bytes taken, 0 for none. */
static size_t unescape_point(const char *at, const char *end, uint32_t *point)
{
    int first = end - at >= 5 ? hex4(at + 1) : -1;
    if (first < 0 || (first >= 0xDC00 && first <= 0xDFFF)) return 0;
    *point = (uint32_t)first;
    if (first < 0xD800 || first > 0xDFFF) return 5;
    if (end - at < 11 || at[5] != '\\' || at[6] != 'u') return 0;
    int second = hex4(at + 7);
    if (second < 0xDC00 || second > 0xDFFF) return 0;
    *point = 0x10000 + ((uint32_t)(first - 0xD800) << 10) + (uint32_t)(second - 0xDC00);
    return 11;
}

static as_code unescape(as_scan *scan, size_t start, size_t end, const char **out, size_t *size,
                        as_error *err)
{
    char *to = as_arena_alloc(scan->arena, end - start);
    if (!to) return as_fail_memory(err, "the vocabulary");
    *out = to;
    for (const char *at = scan->text + start, *stop = scan->text + end; at < stop;) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        static const char letters[] = "\"\\/bfnrt", means[] = "\"\\/\b\f\n\r\t";
        at++;
        uint32_t point;
        const char *letter = strchr(letters, *at);
        size_t taken = *at == 'u' ? unescape_point(at, stop, &point) : 0;
        if (taken) {
            to += as_utf8_put(point, to);
            at += taken;
        } else if (*at && letter) {
            *to++ = means[letter - letters];
            at++;
        } else {
            return fail(scan, "a bad escape in a string", err);
        }
    }
    *size = (size_t)(to - *out);
    return AS_OK;
}

as_code as_scan_string(as_scan *scan, const char **out, size_t *size, as_error *err)
{
    if (as_scan_peek(scan) != '"') return fail(scan, "expected a string", err);
    size_t start = scan->at + 1, at = start;
    bool escapes = false;
    for (; at < scan->size && scan->text[at] != '"'; at++) {
        unsigned char c = (unsigned char)scan->text[at];
        if (c < 0x20) break;
        if (c == '\\') {
            escapes = true;
            at++;
        }
    }
    if (at >= scan->size || scan->text[at] != '"') return fail(scan, "a string without end", err);
    if (escapes) {
        AS_TRY(unescape(scan, start, at, out, size, err));
    } else {
        *out = scan->text + start;
        *size = at - start;
    }
    scan->at = at + 1;
    return AS_OK;
}

/* ---- numbers, as serde_json without float_roundtrip reads them ---- */

typedef struct number {
    bool negative, real, overflow;
    uint64_t digits;
    int exponent;
} number;

static bool take_digit(as_scan *scan, int *digit)
{
    if (scan->at >= scan->size || scan->text[scan->at] < '0' || scan->text[scan->at] > '9') return false;
    *digit = scan->text[scan->at++] - '0';
    return true;
}

static bool room_for(uint64_t digits, int digit)
{
    return digits < UINT64_MAX / 10 || (digits == UINT64_MAX / 10 && digit <= (int)(UINT64_MAX % 10));
}

static bool scan_exponent(as_scan *scan, number *n)
{
    bool minus = scan->at < scan->size && scan->text[scan->at] == '-';
    if (minus || (scan->at < scan->size && scan->text[scan->at] == '+')) scan->at++;
    int digit, exponent = 0, count = 0;
    for (; take_digit(scan, &digit); count++) {
        if (exponent < 100000) exponent = exponent * 10 + digit;
    }
    n->exponent += minus ? -exponent : exponent;
    return count > 0;
}

static bool scan_number(as_scan *scan, number *n)
{
    int digit, count = 0;
    n->negative = as_scan_peek(scan) == '-';
    if (n->negative) scan->at++;
    size_t start = scan->at;
    for (; take_digit(scan, &digit); count++) {
        if (n->overflow || !room_for(n->digits, digit)) {
            n->overflow = true;
            n->exponent++;
        } else {
            n->digits = n->digits * 10 + (uint64_t)digit;
        }
    }
    if (count == 0 || (count > 1 && scan->text[start] == '0')) return false;
    if (scan->at < scan->size && scan->text[scan->at] == '.') {
        scan->at++;
        n->real = true;
        bool full = n->overflow;
        for (count = 0; take_digit(scan, &digit); count++) {
            if (full || !room_for(n->digits, digit)) {
                full = true;
            } else {
                n->digits = n->digits * 10 + (uint64_t)digit;
                n->exponent--;
            }
        }
        if (count == 0) return false;
    }
    if (scan->at < scan->size && (scan->text[scan->at] | 32) == 'e') {
        scan->at++;
        n->real = true;
        return scan_exponent(scan, n);
    }
    return true;
}

static double power_of_ten(int exponent) /* 0 to 308: the nearest double, as a literal would be */
{
    char text[8] = "1e";
    int at = 2;
    if (exponent >= 100) text[at++] = (char)('0' + exponent / 100);
    if (exponent >= 10) text[at++] = (char)('0' + exponent / 10 % 10);
    text[at++] = (char)('0' + exponent % 10);
    return strtod(text, NULL);
}

static double number_value(const number *n)
{
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    double value = (double)n->digits;
    int exponent = n->exponent;
    while (exponent < -308 && value != 0) {
        value /= 1e308;
        exponent += 308;
    }
    int size = exponent < 0 ? -exponent : exponent;
    if (value != 0 && size <= 308) {
        double power = size <= 22 ? exact[size] : power_of_ten(size);
        value = exponent < 0 ? value / power : value * power;
    } else if (value != 0) {
        value = INFINITY;
    }
    return n->negative ? -value : value;
}

as_code as_scan_real(as_scan *scan, double *out, as_error *err)
{
    number n = {0};
    if (!scan_number(scan, &n)) return fail(scan, "expected a number", err);
    double value = number_value(&n);
    if (isinf(value)) return fail(scan, "a number out of range", err);
    *out = value;
    return AS_OK;
}

as_code as_scan_count(as_scan *scan, int64_t max, int64_t *out, as_error *err)
{
    number n = {0};
    size_t start = scan->at;
    if (!scan_number(scan, &n)) return fail(scan, "expected a number", err);
    if (n.real || n.overflow || (n.negative && n.digits) || n.digits > (uint64_t)max) {
        return as_fail(err, AS_E_INPUT, "%.*s is not an id from 0 to %lld",
                       (int)(scan->at - start < 40 ? scan->at - start : 40), scan->text + start,
                       (long long)max);
    }
    *out = (int64_t)n.digits;
    return AS_OK;
}

/* ---- skipping ---- */

static void skip_string(as_scan *scan)
{
    for (scan->at++; scan->at < scan->size && scan->text[scan->at] != '"'; scan->at++) {
        if (scan->text[scan->at] == '\\') scan->at++;
    }
    scan->at++;
}

as_code as_scan_skip(as_scan *scan, size_t *start, size_t *end, as_error *err)
{
    size_t depth = 0;
    as_scan_peek(scan);
    *start = scan->at;
    while (scan->at < scan->size) {
        char c = scan->text[scan->at];
        if (c == '"') {
            skip_string(scan);
        } else if (c == '[' || c == '{') {
            depth++;
            scan->at++;
        } else if (c == ']' || c == '}') {
            if (depth == 0) break;
            depth--;
            scan->at++;
        } else if (c == ',' && depth == 0) {
            break;
        } else {
            scan->at++;
            continue;
        }
        if (depth == 0) break;
    }
    if (scan->at > scan->size || depth || scan->at == *start) {
        if (scan->at > scan->size) scan->at = scan->size;
        return fail(scan, "the text is cut short", err);
    }
    *end = scan->at;
    return AS_OK;
}
