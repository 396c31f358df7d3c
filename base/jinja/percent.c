/* "..." % values, as Python's str. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

enum { MAX_FIELD = 1 << 24, MAX_PRECISION = 4000 };

bool aj_put_float(aj_vm *vm, double f, char type, int precision, bool alternate)
{
    bool upper = type >= 'A' && type <= 'Z';
    f = fabs(f);
    if (!isfinite(f)) return aj_put_text(vm, isnan(f) ? (upper ? "NAN" : "nan") : upper ? "INF" : "inf");
    if (precision > MAX_PRECISION) return aj_fail(vm, AJ_X_LIMIT, "a precision is too large");
    char form[16], room[MAX_PRECISION + 400];
    snprintf(form, sizeof form, "%%%s.*%c", alternate ? "#" : "", type);
    return aj_put(vm, room, (size_t)snprintf(room, sizeof room, form, precision, f));
}

typedef struct spec {
    bool left, plus, space, alternate, zero;
    int64_t width, precision; /* precision -1: none */
    char type;
} spec;

typedef struct formatter {
    aj_vm *vm;
    const aj_str *format;
    size_t at;
    aj_value arguments;
    int64_t next, count; /* of a tuple; a single value is a tuple of one */
    bool single;
    bool mapping;   /* unused arguments are no error, names are looked up */
    bool escape;    /* the format is Markup */
    aj_value named; /* the value of %(name); AJ_MISSING: none */
} formatter;

static bool next_argument(formatter *f, aj_value *out)
{
    if (aj_given(f->named)) {
        *out = f->named;
        f->named = (aj_value){.kind = AJ_UNBOUND};
        return true;
    }
    if (f->named.kind == AJ_UNBOUND || f->next >= f->count) {
        return aj_fail(f->vm, AJ_X_TYPE, "not enough arguments for format string");
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
    if (!f->mapping) return aj_fail(f->vm, AJ_X_TYPE, "format requires a mapping");
    for (; f->at < f->format->size && depth > 0; f->at++) {
        depth += f->format->data[f->at] == '(' ? 1 : f->format->data[f->at] == ')' ? -1 : 0;
    }
    if (depth > 0) return aj_fail(f->vm, AJ_X_VALUE, "incomplete format key");
    aj_value key;
    AJ_TRY(aj_str_copy(f->vm, f->format->data + from, f->at - 1 - from, &key));
    return aj_subscript(f->vm, f->arguments, key, &f->named);
}

/* A number or '*'. */
static bool read_count(formatter *f, int64_t *out)
{
    if (peek(f) == '*') {
        aj_value v;
        f->at++;
        AJ_TRY(next_argument(f, &v));
        if (!aj_is_int(v)) return aj_fail(f->vm, AJ_X_TYPE, "* wants int");
        AJ_TRY(aj_to_index(f->vm, v, out));
    } else {
        while (peek(f) >= '0' && peek(f) <= '9') {
            *out = *out * 10 + (peek(f) - '0');
            f->at++;
            if (*out > MAX_FIELD) break;
        }
    }
    if (*out > MAX_FIELD || *out < -MAX_FIELD)
        return aj_fail(f->vm, AJ_X_VALUE, "width or precision too big");
    return true;
}

static bool read_spec(formatter *f, spec *s)
{
    *s = (spec){.precision = -1};
    if (peek(f) == '(') AJ_TRY(read_name(f));
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
    AJ_TRY(read_count(f, &s->width));
    if (s->width < 0) {
        s->left = true;
        s->width = -s->width;
    }
    if (peek(f) == '.') {
        f->at++;
        s->precision = 0;
        AJ_TRY(read_count(f, &s->precision));
        if (s->precision < 0) s->precision = 0;
    }
    if (peek(f) && strchr("hlL", peek(f))) f->at++;
    if (f->at >= f->format->size) return aj_fail(f->vm, AJ_X_VALUE, "incomplete format");
    s->type = f->format->data[f->at++];
    return true;
}

static bool put_fill(aj_vm *vm, char c, int64_t count)
{
    if (count > 0) AJ_TRY(aj_step(vm, (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AJ_TRY(aj_put(vm, &c, 1));
    return true;
}

/* Writes sign, prefix and digits, which stand in the scratch buffer from `mark` on, with the width. */
static bool put_number(formatter *f, const spec *s, size_t mark, bool negative, const char *prefix)
{
    aj_vm *vm = f->vm;
    aj_value digits;
    AJ_TRY(aj_str_cut(vm, mark, &digits));
    const char *sign = negative ? "-" : s->plus ? "+" : s->space ? " " : "";
    int64_t size = (int64_t)(strlen(sign) + strlen(prefix) + digits.str->size), fill = s->width - size;
    bool zero = s->zero && !s->left;
    if (!zero && !s->left) AJ_TRY(put_fill(vm, ' ', fill));
    AJ_TRY(aj_put_text(vm, sign) && aj_put_text(vm, prefix));
    if (zero) AJ_TRY(put_fill(vm, '0', fill));
    AJ_TRY(aj_put(vm, digits.str->data, digits.str->size));
    return !s->left || put_fill(vm, ' ', fill);
}

static bool put_text_field(formatter *f, const spec *s, const aj_str *text)
{
    aj_vm *vm = f->vm;
    int64_t length = aj_str_length(text);
    size_t size = text->size;
    if (s->precision >= 0 && s->precision < length) {
        length = s->precision;
        size = aj_str_offset(text, length);
    }
    if (!s->left) AJ_TRY(put_fill(vm, ' ', s->width - length));
    AJ_TRY(aj_put(vm, text->data, size));
    return !s->left || put_fill(vm, ' ', s->width - length);
}

static bool put_string(formatter *f, const spec *s, aj_value v)
{
    aj_vm *vm = f->vm;
    size_t mark = aj_mark(vm);
    AJ_TRY(s->type == 's' ? (f->escape ? aj_put_escaped(vm, v) : aj_put_str(vm, v)) : aj_put_repr(vm, v));
    aj_value text;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    if (s->type == 'a') AJ_TRY(aj_to_ascii(vm, text.str, &text));
    if (s->type != 's' && f->escape) AJ_TRY(aj_escape(vm, text, &text));
    return put_text_field(f, s, text.str);
}

static bool to_integer(formatter *f, const spec *s, aj_value v, aj_value *out)
{
    bool decimal = strchr("diu", s->type) != NULL;
    *out = v;
    if (aj_is_int(v)) return true;
    if (v.kind == AJ_FLOAT && decimal) return aj_from_double(f->vm, v.f, out);
    if (v.kind == AJ_UNDEFINED && decimal) return aj_fail_undefined(f->vm, v);
    return aj_fail(f->vm, AJ_X_TYPE, "%%%c format: %s is required, not %s", s->type,
                   decimal ? "a real number" : "an integer", aj_type_name(v));
}

static bool put_integer(formatter *f, const spec *s, aj_value v)
{
    aj_vm *vm = f->vm;
    AJ_TRY(to_integer(f, s, v, &v));
    int base = s->type == 'o' ? 8 : (s->type | 32) == 'x' ? 16 : 10;
    const char *prefix = !s->alternate || base == 10 ? "" : base == 8 ? "0o" : s->type == 'x' ? "0x" : "0X";
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_int_text(vm, v, base));
    aj_value text;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    bool negative = text.str->data[0] == '-';
    const char *digits = text.str->data + negative;
    int64_t size = (int64_t)text.str->size - negative;
    AJ_TRY(put_fill(vm, '0', s->precision - size));
    for (int64_t i = 0; i < size; i++) {
        char c = s->type == 'X' && digits[i] >= 'a' ? (char)(digits[i] - 32) : digits[i];
        AJ_TRY(aj_put(vm, &c, 1));
    }
    return put_number(f, s, mark, negative, prefix);
}

static bool put_real(formatter *f, const spec *s, aj_value v)
{
    double x;
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(f->vm, v);
    if (!aj_is_number(v)) {
        return aj_fail(f->vm, AJ_X_TYPE, "must be real number, not %s", aj_type_name(v));
    }
    AJ_TRY(aj_to_double(f->vm, v, &x));
    size_t mark = aj_mark(f->vm);
    int precision = s->precision < 0 ? 6 : (int)s->precision;
    AJ_TRY(aj_put_float(f->vm, x, s->type, precision, s->alternate));
    return put_number(f, s, mark, signbit(x) && !isnan(x), "");
}

static bool put_character(formatter *f, const spec *s, aj_value v)
{
    size_t mark = aj_mark(f->vm);
    if (aj_is_str(v) && aj_str_length(v.str) == 1) {
        AJ_TRY(aj_put(f->vm, v.str->data, v.str->size));
    } else if (aj_is_int(v)) {
        int64_t c;
        AJ_TRY(aj_to_index(f->vm, v, &c));
        if (c < 0 || c > 0x10FFFF) return aj_fail(f->vm, AJ_X_OVERFLOW, "%%c arg not in range(0x110000)");
        AJ_TRY(aj_put_codepoint(f->vm, (uint32_t)c));
    } else {
        return aj_fail(f->vm, AJ_X_TYPE, "%%c requires int or char");
    }
    aj_value text;
    AJ_TRY(aj_str_cut(f->vm, mark, &text));
    spec whole = *s;
    whole.precision = -1;
    return put_text_field(f, &whole, text.str);
}

static bool put_field(formatter *f)
{
    spec s;
    aj_value v;
    f->named = aj_missing();
    if (peek(f) == '%') {
        f->at++;
        return aj_put_text(f->vm, "%");
    }
    AJ_TRY(read_spec(f, &s));
    AJ_TRY(next_argument(f, &v));
    if (strchr("sra", s.type)) return put_string(f, &s, v);
    if (strchr("diuoxX", s.type)) return put_integer(f, &s, v);
    if (strchr("eEfFgG", s.type)) return put_real(f, &s, v);
    if (s.type == 'c') return put_character(f, &s, v);
    return aj_fail(f->vm, AJ_X_VALUE, "unsupported format character");
}

bool aj_percent(aj_vm *vm, aj_str *format, aj_value arguments, aj_value *out)
{
    bool tuple = arguments.kind == AJ_TUPLE;
    formatter f = {.vm = vm,
                   .format = format,
                   .arguments = arguments,
                   .single = !tuple,
                   .count = tuple ? arguments.list->count : 1,
                   .escape = format->markup};
    switch (arguments.kind) { /* what has __getitem__ */
    case AJ_DICT:
    case AJ_LIST:
    case AJ_RANGE:
    case AJ_UNDEFINED:
    case AJ_SELF: f.mapping = true; break;
    default: break;
    }
    size_t mark = aj_mark(vm);
    while (f.at < format->size) {
        const char *from = format->data + f.at, *percent = memchr(from, '%', format->size - f.at);
        size_t plain = percent ? (size_t)(percent - from) : format->size - f.at;
        AJ_TRY(aj_step(vm, 1) && aj_put(vm, from, plain));
        f.at += plain;
        if (!percent) break;
        f.at++;
        AJ_TRY(put_field(&f));
    }
    if (f.next < f.count && !f.mapping) {
        return aj_fail(vm, AJ_X_TYPE, "not all arguments converted during string formatting");
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = format->markup;
    return true;
}

/* format(f, ".3"): as %g, but with a point or exponent always, and the exponent one place earlier. */
bool aj_put_short_float(aj_vm *vm, double f, int precision)
{
    if (!isfinite(f)) return aj_put_float(vm, f, 'g', precision, false);
    if (precision > MAX_PRECISION) return aj_fail(vm, AJ_X_LIMIT, "a precision is too large");
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
    AJ_TRY(aj_put(vm, room, (size_t)(end - room)));
    return whole ? aj_put_text(vm, ".0") : aj_put_text(vm, exponent);
}
