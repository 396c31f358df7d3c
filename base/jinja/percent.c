/* "..." % values, as Python's str. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

enum { MAX_FIELD = 1 << 24, MAX_PRECISION = 4000 };

bool as_jinja_put_float(as_jinja_vm *vm, double f, char type, int precision, bool alternate)
{
    bool upper = type >= 'A' && type <= 'Z';
    f = fabs(f);
    if (!isfinite(f))
        return as_jinja_put_text(vm, isnan(f) ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf");
    if (precision > MAX_PRECISION) return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a precision is too large");
    char form[16], room[MAX_PRECISION + 400];
    snprintf(form, sizeof form, "%%%s.*%c", alternate ? "#" : "", type);
    return as_jinja_put(vm, room, (size_t)snprintf(room, sizeof room, form, precision, f));
}

typedef struct spec {
    bool left, plus, space, alternate, zero;
    int64_t width, precision; /* precision -1: none */
    char type;
} spec;

typedef struct formatter {
    as_jinja_vm *vm;
    const as_jinja_str *format;
    size_t at;
    as_jinja_value arguments;
    int64_t next, count; /* of a tuple; a single value is a tuple of one */
    bool single;
    bool mapping;         /* unused arguments are no error, names are looked up */
    bool escape;          /* the format is Markup */
    as_jinja_value named; /* the value of %(name); AS_JINJA_MISSING: none */
} formatter;

static bool next_argument(formatter *f, as_jinja_value *out)
{
    if (as_jinja_given(f->named)) {
        *out = f->named;
        f->named = (as_jinja_value){.kind = AS_JINJA_UNBOUND};
        return true;
    }
    if (f->named.kind == AS_JINJA_UNBOUND || f->next >= f->count) {
        return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "not enough arguments for format string");
    }
    *out = f->single ? f->arguments : f->arguments.list->items[f->next];
    f->next++;
    return true;
}

static char peek(const formatter *f)
{
    return f->at < f->format->size ? f->format->data[f->at] : 0;
}

/* "(name)": looks it up. */
static bool read_name(formatter *f)
{
    size_t from = ++f->at;
    int depth = 1;
    if (!f->mapping) return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "format requires a mapping");
    for (; f->at < f->format->size && depth > 0; f->at++) {
        depth += f->format->data[f->at] == '(' ? 1 : f->format->data[f->at] == ')' ? -1 : 0;
    }
    if (depth > 0) return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "incomplete format key");
    as_jinja_value key;
    AS_JINJA_TRY(as_jinja_str_copy(f->vm, f->format->data + from, f->at - 1 - from, &key));
    return as_jinja_subscript(f->vm, f->arguments, key, &f->named);
}

/* A number or '*'. */
static bool read_count(formatter *f, int64_t *out)
{
    if (peek(f) == '*') {
        as_jinja_value v;
        f->at++;
        AS_JINJA_TRY(next_argument(f, &v));
        if (!as_jinja_is_int(v)) return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "* wants int");
        AS_JINJA_TRY(as_jinja_to_index(f->vm, v, out));
    } else {
        while (peek(f) >= '0' && peek(f) <= '9') {
            *out = *out * 10 + (peek(f) - '0');
            f->at++;
            if (*out > MAX_FIELD) break;
        }
    }
    if (*out > MAX_FIELD || *out < -MAX_FIELD)
        return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "width or precision too big");
    return true;
}

static bool read_spec(formatter *f, spec *s)
{
    *s = (spec){.precision = -1};
    if (peek(f) == '(') AS_JINJA_TRY(read_name(f));
    for (;; f->at++) {
        char c = peek(f);
        if (c == '-')
            s->left = true;
        else if (c == '+')
            s->plus = true;
        else if (c == ' ')
            s->space = true;
        else if (c == '#')
            s->alternate = true;
        else if (c == '0')
            s->zero = true;
        else
            break;
    }
    AS_JINJA_TRY(read_count(f, &s->width));
    if (s->width < 0) {
        s->left = true;
        s->width = -s->width;
    }
    if (peek(f) == '.') {
        f->at++;
        s->precision = 0;
        AS_JINJA_TRY(read_count(f, &s->precision));
        if (s->precision < 0) s->precision = 0;
    }
    if (peek(f) && strchr("hlL", peek(f))) f->at++;
    if (f->at >= f->format->size) return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "incomplete format");
    s->type = f->format->data[f->at++];
    return true;
}

static bool put_fill(as_jinja_vm *vm, char c, int64_t count)
{
    if (count > 0) AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put(vm, &c, 1));
    return true;
}

/* Writes sign, prefix and digits, which stand in the scratch buffer from `mark` on, with the width. */
static bool put_number(formatter *f, const spec *s, size_t mark, bool negative, const char *prefix)
{
    as_jinja_vm *vm = f->vm;
    as_jinja_value digits;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &digits));
    const char *sign = negative ? "-" : s->plus ? "+" : s->space ? " " : "";
    int64_t size = (int64_t)(strlen(sign) + strlen(prefix) + digits.str->size), fill = s->width - size;
    bool zero = s->zero && !s->left;
    if (!zero && !s->left) AS_JINJA_TRY(put_fill(vm, ' ', fill));
    AS_JINJA_TRY(as_jinja_put_text(vm, sign) && as_jinja_put_text(vm, prefix));
    if (zero) AS_JINJA_TRY(put_fill(vm, '0', fill));
    AS_JINJA_TRY(as_jinja_put(vm, digits.str->data, digits.str->size));
    return !s->left || put_fill(vm, ' ', fill);
}

static bool put_text_field(formatter *f, const spec *s, const as_jinja_str *text)
{
    as_jinja_vm *vm = f->vm;
    int64_t length = as_jinja_str_length(text);
    size_t size = text->size;
    if (s->precision >= 0 && s->precision < length) {
        length = s->precision;
        size = as_jinja_str_offset(text, length);
    }
    if (!s->left) AS_JINJA_TRY(put_fill(vm, ' ', s->width - length));
    AS_JINJA_TRY(as_jinja_put(vm, text->data, size));
    return !s->left || put_fill(vm, ' ', s->width - length);
}

static bool put_string(formatter *f, const spec *s, as_jinja_value v)
{
    as_jinja_vm *vm = f->vm;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(s->type == 's' ? (f->escape ? as_jinja_put_escaped(vm, v) : as_jinja_put_str(vm, v))
                                : as_jinja_put_repr(vm, v));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    if (s->type == 'a') AS_JINJA_TRY(as_jinja_to_ascii(vm, text.str, &text));
    if (s->type != 's' && f->escape) AS_JINJA_TRY(as_jinja_escape(vm, text, &text));
    return put_text_field(f, s, text.str);
}

static bool to_integer(formatter *f, const spec *s, as_jinja_value v, as_jinja_value *out)
{
    bool decimal = strchr("diu", s->type) != NULL;
    *out = v;
    if (as_jinja_is_int(v)) return true;
    if (v.kind == AS_JINJA_FLOAT && decimal) return as_jinja_from_double(f->vm, v.f, out);
    if (v.kind == AS_JINJA_UNDEFINED && decimal) return as_jinja_fail_undefined(f->vm, v);
    return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "%%%c format: %s is required, not %s", s->type,
                         decimal ? "a real number" : "an integer", as_jinja_type_name(v));
}

static bool put_integer(formatter *f, const spec *s, as_jinja_value v)
{
    as_jinja_vm *vm = f->vm;
    AS_JINJA_TRY(to_integer(f, s, v, &v));
    int base = s->type == 'o' ? 8 : (s->type | 32) == 'x' ? 16 : 10;
    const char *prefix = !s->alternate || base == 10 ? "" : base == 8 ? "0o" : s->type == 'x' ? "0x" : "0X";
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_int_text(vm, v, base));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    bool negative = text.str->data[0] == '-';
    const char *digits = text.str->data + negative;
    int64_t size = (int64_t)text.str->size - negative;
    AS_JINJA_TRY(put_fill(vm, '0', s->precision - size));
    for (int64_t i = 0; i < size; i++) {
        char c = s->type == 'X' && digits[i] >= 'a' ? (char)(digits[i] - 32) : digits[i];
        AS_JINJA_TRY(as_jinja_put(vm, &c, 1));
    }
    return put_number(f, s, mark, negative, prefix);
}

static bool put_real(formatter *f, const spec *s, as_jinja_value v)
{
    double x;
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(f->vm, v);
    if (!as_jinja_is_number(v)) {
        return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "must be real number, not %s", as_jinja_type_name(v));
    }
    AS_JINJA_TRY(as_jinja_to_double(f->vm, v, &x));
    size_t mark = as_jinja_mark(f->vm);
    int precision = s->precision < 0 ? 6 : (int)s->precision;
    AS_JINJA_TRY(as_jinja_put_float(f->vm, x, s->type, precision, s->alternate));
    return put_number(f, s, mark, signbit(x) && !isnan(x), "");
}

static bool put_character(formatter *f, const spec *s, as_jinja_value v)
{
    size_t mark = as_jinja_mark(f->vm);
    if (as_jinja_is_str(v) && as_jinja_str_length(v.str) == 1) {
        AS_JINJA_TRY(as_jinja_put(f->vm, v.str->data, v.str->size));
    } else if (as_jinja_is_int(v)) {
        int64_t c;
        AS_JINJA_TRY(as_jinja_to_index(f->vm, v, &c));
        if (c < 0 || c > 0x10FFFF)
            return as_jinja_fail(f->vm, AS_JINJA_X_OVERFLOW, "%%c arg not in range(0x110000)");
        AS_JINJA_TRY(as_jinja_put_codepoint(f->vm, (uint32_t)c));
    } else {
        return as_jinja_fail(f->vm, AS_JINJA_X_TYPE, "%%c requires int or char");
    }
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(f->vm, mark, &text));
    spec whole = *s;
    whole.precision = -1;
    return put_text_field(f, &whole, text.str);
}

static bool put_field(formatter *f)
{
    spec s;
    as_jinja_value v;
    f->named = as_jinja_missing();
    if (peek(f) == '%') {
        f->at++;
        return as_jinja_put_text(f->vm, "%");
    }
    AS_JINJA_TRY(read_spec(f, &s));
    AS_JINJA_TRY(next_argument(f, &v));
    if (strchr("sra", s.type)) return put_string(f, &s, v);
    if (strchr("diuoxX", s.type)) return put_integer(f, &s, v);
    if (strchr("eEfFgG", s.type)) return put_real(f, &s, v);
    if (s.type == 'c') return put_character(f, &s, v);
    return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "unsupported format character");
}

bool as_jinja_percent(as_jinja_vm *vm, as_jinja_str *format, as_jinja_value arguments, as_jinja_value *out)
{
    bool tuple = arguments.kind == AS_JINJA_TUPLE;
    formatter f = {.vm = vm,
                   .format = format,
                   .arguments = arguments,
                   .single = !tuple,
                   .count = tuple ? arguments.list->count : 1,
                   .escape = format->markup};
    switch (arguments.kind) { /* what has __getitem__ */
    case AS_JINJA_DICT:
    case AS_JINJA_LIST:
    case AS_JINJA_RANGE:
    case AS_JINJA_UNDEFINED:
    case AS_JINJA_SELF: f.mapping = true; break;
    default: break;
    }
    size_t mark = as_jinja_mark(vm);
    while (f.at < format->size) {
        const char *from = format->data + f.at, *percent = memchr(from, '%', format->size - f.at);
        size_t plain = percent ? (size_t)(percent - from) : format->size - f.at;
        AS_JINJA_TRY(as_jinja_step(vm, 1) && as_jinja_put(vm, from, plain));
        f.at += plain;
        if (!percent) break;
        f.at++;
        AS_JINJA_TRY(put_field(&f));
    }
    if (f.next < f.count && !f.mapping) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "not all arguments converted during string formatting");
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = format->markup;
    return true;
}

/* format(f, ".3"): as %g, but with a point or exponent always, and the exponent one place earlier. */
bool as_jinja_put_short_float(as_jinja_vm *vm, double f, int precision)
{
    if (!isfinite(f)) return as_jinja_put_float(vm, f, 'g', precision, false);
    if (precision > MAX_PRECISION) return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a precision is too large");
    char room[MAX_PRECISION + 400];
    int digits = precision > 0 ? precision : 1;
    snprintf(room, sizeof room, "%.*e", digits - 1, fabs(f));
    char *exponent = strchr(room, 'e');
    int power = atoi(exponent + 1);
    if (power >= -4 && power < digits - 1) {
        snprintf(room, sizeof room, "%.*f", digits - 1 - power, fabs(f));
        exponent = room + strlen(room);
    }
    char *end = exponent;
    bool point = memchr(room, '.', (size_t)(end - room)) != NULL;
    while (point && end[-1] == '0') end--;
    if (point && end[-1] == '.') end--;
    bool whole = !*exponent && !memchr(room, '.', (size_t)(end - room));
    AS_JINJA_TRY(as_jinja_put(vm, room, (size_t)(end - room)));
    return whole ? as_jinja_put_text(vm, ".0") : as_jinja_put_text(vm, exponent);
}
