/* "...".format(values) and the mini-language of format specifications, as Python's string.Formatter. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

enum { MAX_WIDTH = 1 << 24 };

typedef struct spec {
    uint32_t fill;
    char align, sign, grouping, type; /* 0: not given */
    bool alternate, zero, no_negative_zero;
    int64_t width, precision; /* -1: none */
} spec;

typedef struct formatter {
    as_jinja_vm *vm;
    const as_jinja_value *pos;
    int64_t count;
    as_jinja_value mapping; /* of names; AS_JINJA_NONE: none */
    bool escape;
    int64_t automatic; /* next number for {}; -1 after a number was given */
} formatter;

/* --- specifications --- */

static bool digits(as_jinja_vm *vm, const char *s, size_t size, size_t *at, int64_t *out)
{
    if (*at >= size || s[*at] < '0' || s[*at] > '9') return true;
    for (*out = 0; *at < size && s[*at] >= '0' && s[*at] <= '9'; (*at)++) {
        *out = *out * 10 + (s[*at] - '0');
        if (*out > MAX_WIDTH)
            return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Too many decimal digits in format string");
    }
    return true;
}

static bool read_spec(as_jinja_vm *vm, const as_jinja_str *text, spec *out)
{
    const char *s = text->data;
    size_t size = text->size, at = 0, next = 0;
    spec r = {.fill = ' ', .width = -1, .precision = -1};
    bool filled = false;
    if (size) {
        uint32_t first = as_jinja_next_codepoint(s, size, &next);
        if (next < size && strchr("<>=^", s[next])) {
            r.fill = first;
            filled = true;
            r.align = s[next];
            at = next + 1;
        } else if (strchr("<>=^", s[0])) {
            r.align = s[0];
            at = 1;
        }
    }
    if (at < size && strchr("+- ", s[at])) r.sign = s[at++];
    if (at < size && s[at] == 'z') {
        r.no_negative_zero = true;
        at++;
    }
    if (at < size && s[at] == '#') {
        r.alternate = true;
        at++;
    }
    if (at < size && s[at] == '0') {
        if (!filled) r.fill = '0';
        r.zero = !r.align;
        at++;
    }
    AS_JINJA_TRY(digits(vm, s, size, &at, &r.width));
    if (at < size && (s[at] == ',' || s[at] == '_')) r.grouping = s[at++];
    if (at < size && (s[at] == ',' || s[at] == '_'))
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Cannot specify both ',' and '_'.");
    if (at < size && s[at] == '.') {
        at++;
        AS_JINJA_TRY(digits(vm, s, size, &at, &r.precision));
        if (r.precision < 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Format specifier missing precision");
    }
    if (size - at > 1) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Invalid format specifier");
    if (at < size) r.type = s[at];
    *out = r;
    return true;
}

static bool put_fill(as_jinja_vm *vm, uint32_t c, int64_t count)
{
    if (count > 0) AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put_codepoint(vm, c));
    return true;
}

static bool bad_type(as_jinja_vm *vm, const spec *s, as_jinja_value v)
{
    return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Unknown format code '%c' for object of type '%s'", s->type,
                         as_jinja_type_name(v));
}

static bool put_str_spec(as_jinja_vm *vm, const as_jinja_str *text, const spec *s, as_jinja_value v)
{
    if (s->type && s->type != 's') return bad_type(vm, s, v);
    if (s->sign) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Sign not allowed in string format specifier");
    if (s->no_negative_zero)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Negative zero coercion (z) not allowed");
    if (s->alternate)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE,
                             "Alternate form (#) not allowed in string format specifier");
    if (s->align == '=')
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "'=' alignment not allowed in string format specifier");
    if (s->grouping) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Cannot specify '%c' with 's'.", s->grouping);
    int64_t length = as_jinja_str_length(text);
    size_t size = text->size;
    if (s->precision >= 0 && s->precision < length) {
        length = s->precision;
        size = as_jinja_str_offset(text, length);
    }
    int64_t fill = s->width > length ? s->width - length : 0;
    int64_t left = s->align == '>' ? fill : s->align == '^' ? fill / 2 : 0;
    return put_fill(vm, s->fill, left) && as_jinja_put(vm, text->data, size) &&
           put_fill(vm, s->fill, fill - left);
}

/* Digits with separators every `group` places, zero-padded to `width` when that is above 0. */
static bool group_digits(as_jinja_vm *vm, const char *text, size_t size, char separator, int group,
                         int64_t width, as_jinja_value *out)
{
    int64_t need = (int64_t)size, total;
    for (;; need++) { /* zeros in front until the width is reached */
        total = need + (separator ? (need - 1) / group : 0);
        if (total >= width) break;
        AS_JINJA_TRY(as_jinja_step(vm, 1));
    }
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < need; i++) {
        int64_t left = need - i;
        char c = left > (int64_t)size ? '0' : text[(int64_t)size - left];
        AS_JINJA_TRY(as_jinja_put(vm, &c, 1));
        if (separator && left > 1 && (left - 1) % group == 0) AS_JINJA_TRY(as_jinja_put(vm, &separator, 1));
    }
    return as_jinja_str_cut(vm, mark, out);
}

/* digits: the part before the point, which is grouped; rest: what follows. */
static bool put_number_spec(as_jinja_vm *vm, const spec *s, bool negative, const char *prefix,
                            const as_jinja_str *number, size_t whole, int group)
{
    const char *sign = negative ? "-" : s->sign == '+' ? "+" : s->sign == ' ' ? " " : "";
    size_t rest = number->size - whole;
    int64_t fixed = (int64_t)(strlen(sign) + strlen(prefix) + rest);
    bool pad_zeros = (s->zero || (s->fill == '0' && s->align == '=')) && s->width > 0;
    as_jinja_value digits_text;
    bool numeric = whole > 0;
    if (numeric) {
        AS_JINJA_TRY(group_digits(vm, number->data, whole, s->grouping, group,
                                  pad_zeros ? s->width - fixed : 0, &digits_text));
    } else {
        AS_JINJA_TRY(as_jinja_str_literal(vm, "", &digits_text));
    }
    int64_t size = fixed + (int64_t)digits_text.str->size, fill = s->width > size ? s->width - size : 0;
    char align = s->align ? s->align : s->zero ? '=' : '>';
    int64_t left = align == '>' ? fill : align == '^' ? fill / 2 : 0, inside = align == '=' ? fill : 0;
    return put_fill(vm, s->fill, left) && as_jinja_put_text(vm, sign) && as_jinja_put_text(vm, prefix) &&
           put_fill(vm, s->fill, inside) && as_jinja_put(vm, digits_text.str->data, digits_text.str->size) &&
           as_jinja_put(vm, number->data + whole, rest) && put_fill(vm, s->fill, fill - left - inside);
}

static bool put_float_spec(as_jinja_vm *vm, double x, const spec *s, as_jinja_value v)
{
    if (s->type && !strchr("eEfFgGn%", s->type)) return bad_type(vm, s, v);
    if (s->type == 'n' && s->grouping)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Cannot specify ',' with 'n'.");
    size_t mark = as_jinja_mark(vm);
    int precision = s->precision < 0 ? 6 : (int)s->precision;
    char room[32];
    if (s->type == '%') x *= 100;
    if (!s->type && s->precision < 0) {
        AS_JINJA_TRY(as_jinja_put(vm, room, (size_t)as_json_format_real(fabs(x), room)));
    } else if (!s->type) {
        AS_JINJA_TRY(as_jinja_put_short_float(vm, x, precision));
    } else {
        AS_JINJA_TRY(as_jinja_put_float(vm, x,
                                        s->type == '%'   ? 'f'
                                        : s->type == 'n' ? 'g'
                                                         : s->type,
                                        precision, s->alternate));
    }
    if (s->type == '%') AS_JINJA_TRY(as_jinja_put_text(vm, "%"));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    size_t whole = 0;
    while (whole < text.str->size && text.str->data[whole] >= '0' && text.str->data[whole] <= '9') whole++;
    bool negative = signbit(x) && !isnan(x);
    if (negative && s->no_negative_zero && strspn(text.str->data, "0.%") == text.str->size) negative = false;
    return put_number_spec(vm, s, negative, "", text.str, whole, 3);
}

static bool put_char_spec(as_jinja_vm *vm, as_jinja_value v, const spec *s)
{
    int64_t c;
    if (s->sign)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Sign not allowed with integer format specifier 'c'");
    if (s->alternate) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Alternate form (#) not allowed with 'c'");
    AS_JINJA_TRY(as_jinja_to_index(vm, v, &c));
    if (c < 0 || c > 0x10FFFF)
        return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "%%c arg not in range(0x110000)");
    size_t mark = as_jinja_mark(vm);
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_put_codepoint(vm, (uint32_t)c) && as_jinja_str_cut(vm, mark, &text));
    spec as_text = *s;
    as_text.type = 0;
    if (!s->align || s->align == '=') as_text.align = '>';
    return put_str_spec(vm, text.str, &as_text, v);
}

static bool check_int_spec(as_jinja_vm *vm, as_jinja_value v, const spec *s, int base)
{
    if (s->type && !strchr("bcdoxXn", s->type)) return bad_type(vm, s, v);
    if (s->precision >= 0)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Precision not allowed in integer format specifier");
    if (s->no_negative_zero)
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Negative zero coercion (z) not allowed");
    bool grouped = s->grouping && (s->type == 'n' || s->type == 'c' || (s->grouping == ',' && base != 10));
    return !grouped ||
           as_jinja_fail(vm, AS_JINJA_X_VALUE, "Cannot specify '%c' with '%c'.", s->grouping, s->type);
}

static bool put_int_spec(as_jinja_vm *vm, as_jinja_value v, const spec *s)
{
    if (s->type && strchr("eEfFgG%", s->type)) {
        double x;
        return as_jinja_to_double(vm, v, &x) && put_float_spec(vm, x, s, v);
    }
    char lower = (char)(s->type | 32);
    int base = lower == 'b' ? 2 : lower == 'o' ? 8 : lower == 'x' ? 16 : 10;
    AS_JINJA_TRY(check_int_spec(vm, v, s, base));
    if (s->type == 'c') return put_char_spec(vm, v, s);
    size_t mark = as_jinja_mark(vm);
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_int_text(vm, v, base) && as_jinja_str_cut(vm, mark, &text));
    bool negative = text.str->data[0] == '-';
    as_jinja_str number = {
        .data = text.str->data + negative, .size = text.str->size - negative, .length = -1};
    if (s->type == 'X') {
        AS_JINJA_TRY(as_jinja_put_upper(vm, number.data, number.size) && as_jinja_str_cut(vm, mark, &text));
        number = *text.str;
    }
    static const char *const prefixes[] = {[2] = "0b", [8] = "0o", [10] = "", [16] = "0x"};
    const char *prefix = !s->alternate ? "" : s->type == 'X' ? "0X" : prefixes[base];
    return put_number_spec(vm, s, negative, prefix, &number, number.size, base == 10 ? 3 : 4);
}

/* format(v, spec) */
static bool put_formatted(formatter *f, as_jinja_value v, const as_jinja_str *text)
{
    as_jinja_vm *vm = f->vm;
    spec s;
    if (text->size == 0) return as_jinja_put_str(vm, v);
    if (!as_jinja_is_str(v) && !as_jinja_is_number(v)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "unsupported format string passed to %s.__format__",
                             as_jinja_type_name(v));
    }
    AS_JINJA_TRY(read_spec(vm, text, &s));
    if (as_jinja_is_str(v)) return put_str_spec(vm, v.str, &s, v);
    if (v.kind == AS_JINJA_FLOAT) return put_float_spec(vm, v.f, &s, v);
    return put_int_spec(vm, v, &s);
}

/* --- fields --- */

static bool is_number(const char *s, size_t size, int64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < size; i++) {
        if (s[i] < '0' || s[i] > '9' || *out > INT32_MAX) return false;
        *out = *out * 10 + (s[i] - '0');
    }
    return size > 0;
}

static bool first_value(formatter *f, const char *name, size_t size, as_jinja_value *out)
{
    int64_t number;
    if (is_number(name, size, &number)) {
        if (number >= f->count)
            return as_jinja_fail(f->vm, AS_JINJA_X_LOOKUP, "Replacement index out of range");
        *out = f->pos[number];
        return true;
    }
    as_jinja_value key;
    AS_JINJA_TRY(as_jinja_str_copy(f->vm, name, size, &key));
    if (f->mapping.kind == AS_JINJA_NONE)
        return as_jinja_fail(f->vm, AS_JINJA_X_LOOKUP, "there is no argument '%.100s'", key.str->data);
    return as_jinja_subscript(f->vm, f->mapping, key, out);
}

/* name(.attribute | [index])* */
static bool field_value(formatter *f, const char *name, size_t size, as_jinja_value *out)
{
    size_t at = 0;
    while (at < size && name[at] != '.' && name[at] != '[') at++;
    AS_JINJA_TRY(first_value(f, name, at, out));
    while (at < size) {
        bool attribute = name[at] == '.';
        if (!attribute && name[at] != '[') {
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE,
                                 "Only '.' or '[' may follow ']' in format field specifier");
        }
        size_t from = ++at;
        while (at < size && (attribute ? name[at] != '.' && name[at] != '[' : name[at] != ']')) at++;
        if (!attribute && at >= size)
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Missing ']' in format string");
        if (at == from) return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Empty attribute in format string");
        as_jinja_value key;
        int64_t number;
        AS_JINJA_TRY(as_jinja_str_copy(f->vm, name + from, at - from, &key));
        if (attribute) {
            AS_JINJA_TRY(as_jinja_getattr(f->vm, *out, key.str, out));
        } else {
            if (is_number(name + from, at - from, &number)) key = as_jinja_int(number);
            AS_JINJA_TRY(as_jinja_getitem(f->vm, *out, key, out));
            at++;
        }
    }
    return true;
}

static bool convert(formatter *f, char conversion, as_jinja_value *v)
{
    if (!conversion) return true;
    size_t mark = as_jinja_mark(f->vm);
    if (conversion == 's') return as_jinja_put_str(f->vm, *v) && as_jinja_str_cut(f->vm, mark, v);
    if (conversion != 'r' && conversion != 'a') {
        return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Unknown conversion specifier '%c'", conversion);
    }
    AS_JINJA_TRY(as_jinja_put_repr(f->vm, *v) && as_jinja_str_cut(f->vm, mark, v));
    return conversion == 'r' || as_jinja_to_ascii(f->vm, v->str, v);
}

static bool put_escaped_field(formatter *f, as_jinja_value v, const as_jinja_str *text)
{
    if (as_jinja_is_markup(v)) {
        if (text->size)
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Unsupported format specification for Markup.");
        return as_jinja_put_str(f->vm, v);
    }
    size_t mark = as_jinja_mark(f->vm);
    as_jinja_value field;
    AS_JINJA_TRY(put_formatted(f, v, text) && as_jinja_str_cut(f->vm, mark, &field));
    return as_jinja_put_escaped(f->vm, field);
}

static bool put_all(formatter *f, const char *s, size_t size, int depth);

/* Where the parts of a field {name!c:spec} without its braces lie. */
typedef struct field {
    size_t name, spec; /* the name's size; where the specification begins */
    char conversion;
} field;

static bool read_field(formatter *f, const char *s, size_t size, field *out)
{
    size_t at = 0;
    for (bool inside = false; at < size && (inside || (s[at] != ':' && s[at] != '!')); at++) {
        if (s[at] == '{') return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "unexpected '{' in field name");
        inside = s[at] == '[' || (inside && s[at] != ']');
    }
    *out = (field){.name = at};
    if (at < size && s[at] == '!') {
        if (at + 1 >= size) return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "unmatched '{' in format spec");
        out->conversion = s[at + 1];
        at += 2;
        if (at < size && s[at] != ':') {
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "expected ':' after conversion specifier");
        }
    }
    out->spec = at < size ? at + 1 : at;
    return true;
}

/* The value a field names; {} takes the next one. */
static bool named_value(formatter *f, const char *name, size_t size, as_jinja_value *out)
{
    char room[24];
    int64_t number;
    if (size == 0) {
        if (f->automatic < 0) {
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE,
                                 "cannot switch from manual to automatic field numbering");
        }
        size = (size_t)snprintf(room, sizeof room, "%lld", (long long)f->automatic++);
        return field_value(f, room, size, out);
    }
    if (is_number(name, size, &number)) {
        if (f->automatic > 0) {
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE,
                                 "cannot switch from automatic to manual field numbering");
        }
        f->automatic = -1;
    }
    return field_value(f, name, size, out);
}

static bool put_field(formatter *f, const char *s, size_t size, int depth)
{
    field parts = {0};
    as_jinja_value v, spec_text;
    AS_JINJA_TRY(read_field(f, s, size, &parts));
    AS_JINJA_TRY(named_value(f, s, parts.name, &v) && convert(f, parts.conversion, &v));
    size_t mark = as_jinja_mark(f->vm);
    AS_JINJA_TRY(put_all(f, s + parts.spec, size - parts.spec, depth - 1) &&
                 as_jinja_str_cut(f->vm, mark, &spec_text));
    return f->escape ? put_escaped_field(f, v, spec_text.str) : put_formatted(f, v, spec_text.str);
}

/* Where the field that begins at `from` ends; size if it does not. */
static size_t field_end(const char *s, size_t size, size_t from)
{
    int nested = 1;
    for (; from < size; from++) {
        nested += s[from] == '{' ? 1 : s[from] == '}' ? -1 : 0;
        if (nested == 0) break;
    }
    return from;
}

/* Text with fields; depth is how deep fields may nest. */
static bool put_all(formatter *f, const char *s, size_t size, int depth)
{
    if (depth < 0) return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Max string recursion exceeded");
    for (size_t at = 0; at < size; at++) {
        char c = s[at];
        if ((c == '{' || c == '}') && at + 1 < size && s[at + 1] == c) {
            AS_JINJA_TRY(as_jinja_put(f->vm, &c, 1));
            at++;
            continue;
        }
        if (c == '}')
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE, "Single '}' encountered in format string");
        if (c != '{') {
            AS_JINJA_TRY(as_jinja_put(f->vm, &c, 1));
            continue;
        }
        size_t from = at + 1, end = field_end(s, size, from);
        if (end >= size) {
            return as_jinja_fail(f->vm, AS_JINJA_X_VALUE,
                                 from < size ? "expected '}' before end of string"
                                             : "Single '{' encountered in format string");
        }
        AS_JINJA_TRY(as_jinja_step(f->vm, 1));
        AS_JINJA_TRY(put_field(f, s + from, end - from, depth));
        at = end;
    }
    return true;
}

bool as_jinja_str_format(as_jinja_vm *vm, as_jinja_str *format, const as_jinja_value *pos, int64_t count,
                         as_jinja_value mapping, as_jinja_value *out)
{
    formatter f = {.vm = vm, .pos = pos, .count = count, .mapping = mapping, .escape = format->markup};
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(put_all(&f, format->data, format->size, 2));
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = format->markup;
    return true;
}
