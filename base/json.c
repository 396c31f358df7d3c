/* JSON by jansson; see json.h. */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/utf8.h"

enum { MAX_DEPTH = 512 };

/* What stands between the quotes and braces of a text: enough of a lexer to rewrite literals. */
typedef struct scanner {
    const char *text;
    size_t size, at;
    as_buf *out;  /* NULL while nothing had to change */
    size_t taken; /* bytes of text already copied to out */
} scanner;

static bool starts_with(const scanner *s, const char *word)
{
    size_t n = strlen(word);
    return s->size - s->at >= n && memcmp(s->text + s->at, word, n) == 0;
}

static void replace(scanner *s, size_t length, const char *with)
{
    as_buf_add(s->out, s->text + s->taken, s->at - s->taken);
    as_buf_str(s->out, with);
    s->at += length;
    s->taken = s->at;
}

static void skip_string(scanner *s)
{
    for (s->at++; s->at < s->size && s->text[s->at] != '"'; s->at++) {
        if (s->text[s->at] == '\\') s->at++;
    }
    s->at++;
}

/* A number too large for the parser's types: integers beyond int64 become reals, reals beyond double become
 * infinities. */
static void scan_number(scanner *s)
{
    size_t start = s->at, end = start;
    bool real = false;
    while (end < s->size && strchr("+-0123456789.eE", s->text[end]) && s->text[end]) {
        if (strchr(".eE", s->text[end])) real = true;
        end++;
    }
    size_t length = end - start;
    if (length < 18 && !real) {
        s->at = end;
        return;
    }
    if (!real) {
        s->at = end;
        if (length >= 19) replace(s, 0, ".0");
        return;
    }
    char copy[64];
    if (length < sizeof copy && !memchr(s->text + start, 'e', length) &&
        !memchr(s->text + start, 'E', length)) {
        s->at = end; /* short and without an exponent: in range */
        return;
    }
    char *number = as_strndup(s->text + start, length);
    double value = number ? strtod(number, NULL) : 0;
    as_free(number);
    if (isinf(value)) {
        replace(s, length, value > 0 ? "{\"__float__\":\"Infinity\"}" : "{\"__float__\":\"-Infinity\"}");
    } else {
        s->at = end;
    }
}

/* Rewrites what jansson would refuse. Also refuses nesting beyond MAX_DEPTH, before any tree is built. */
static as_code normalise(scanner *s, const char *name, as_error *err)
{
    static const struct {
        const char *word, *with;
    } literals[] = {
        {"NaN", "{\"__float__\":\"NaN\"}"},
        {"Infinity", "{\"__float__\":\"Infinity\"}"},
        {"-Infinity", "{\"__float__\":\"-Infinity\"}"},
    };
    int depth = 0;
    while (s->at < s->size) {
        char c = s->text[s->at];
        if (c == '"') {
            skip_string(s);
            continue;
        }
        if (c == '{' || c == '[') {
            if (++depth > MAX_DEPTH) {
                return as_fail(err, AS_E_LIMIT, "%s: nested more than %d levels deep", name, MAX_DEPTH);
            }
        } else if (c == '}' || c == ']') {
            depth--;
        } else if (c == 'N' || c == 'I' || (c == '-' && s->at + 1 < s->size && s->text[s->at + 1] == 'I')) {
            for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
                if (starts_with(s, literals[i].word)) {
                    replace(s, strlen(literals[i].word), literals[i].with);
                    s->at--; /* the loop below steps over it */
                    break;
                }
            }
            s->at++;
            if (s->at < s->taken) s->at = s->taken;
            continue;
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            scan_number(s);
            continue;
        }
        s->at++;
    }
    if (s->taken && s->taken < s->size) as_buf_add(s->out, s->text + s->taken, s->size - s->taken);
    return AS_OK;
}

/* jansson reports a failed allocation as a syntax error or not at all: its lexer goes on without the
 * character that it could not store, and may then find an assertion broken. So a failed request is noted and
 * made once more, and what was parsed is given up afterwards. */
static _Thread_local bool out_of_memory;

static void *allocate(size_t size)
{
    void *at = as_alloc(size);
    if (at) return at;
    out_of_memory = true;
    return as_alloc(size);
}

static void install_allocator(void)
{
    static bool done; /* set to the same values by every thread: no order matters */
    if (__atomic_load_n(&done, __ATOMIC_ACQUIRE)) return;
    json_set_alloc_funcs(allocate, as_free);
    __atomic_store_n(&done, true, __ATOMIC_RELEASE);
}

as_code as_json_parse(const char *text, size_t size, as_json_mode mode, const char *name, json_t **out,
                      as_error *err)
{
    install_allocator();
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        text += 3;
        size -= 3;
    }
    as_buf changed;
    as_buf_init(&changed, 0);
    scanner s = {.text = text, .size = size, .out = &changed};
    as_code rc = normalise(&s, name, err);
    if (rc == AS_OK) rc = as_buf_check(&changed, name, err);
    if (rc != AS_OK) {
        as_buf_free(&changed);
        return rc;
    }
    if (s.taken) {
        text = changed.data;
        size = changed.size;
    }
    json_error_t why;
    out_of_memory = false;
    size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    if (mode == AS_JSON_NO_DUPLICATES) flags |= JSON_REJECT_DUPLICATES;
    json_t *value = size ? json_loadb(text, size, flags, &why) : NULL;
    if (value && out_of_memory) {
        json_decref(value);
        value = NULL;
    }
    if (value) {
        *out = value;
    } else if (size == 0) {
        rc = as_fail(err, AS_E_INPUT, "%s: empty, expected JSON", name);
    } else if (out_of_memory) {
        rc = as_fail_memory(err, name);
    } else {
        rc = as_fail(err, AS_E_INPUT, "%s: line %d, column %d: not valid JSON: %s", name, why.line,
                     why.column, why.text);
    }
    as_buf_free(&changed);
    return rc;
}

as_code as_json_read(const char *path, as_json_mode mode, size_t max_bytes, json_t **out, as_error *err)
{
    as_buf bytes;
    as_buf_init(&bytes, max_bytes ? max_bytes : (size_t)1 << 30);
    as_code rc = as_file_read(path, &bytes, err);
    if (rc == AS_OK) rc = as_json_parse(as_buf_text(&bytes), bytes.size, mode, as_path_base(path), out, err);
    as_buf_free(&bytes);
    return rc;
}

const char *as_json_describe(const json_t *value, char room[static 64])
{
    double real;
    const char *name = json_string_value(json_object_get(value, "__float__"));
    if (name && as_json_number(value, &real)) { /* as it stands in the file */
        snprintf(room, 64, "%s", name);
        return room;
    }
    as_buf text;
    as_buf_init(&text, 0);
    as_json_write(value, 0, &text);
    size_t size = text.size < 60 ? text.size : 57;
    while (size && size < text.size && ((unsigned char)text.data[size] & 0xC0) == 0x80) size--;
    snprintf(room, 64, "%.*s%s", (int)size, as_buf_text(&text), size < text.size ? "..." : "");
    as_buf_free(&text);
    return room;
}

static as_code wrong_type(const char *key, const json_t *value, const char *expected, as_error *err)
{
    char room[64];
    return as_fail(err, AS_E_INPUT, "\"%s\" is %s, expected %s", key, as_json_describe(value, room),
                   expected);
}

bool as_json_has(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value);
}

bool as_json_number(const json_t *value, double *out)
{
    if (json_is_number(value)) {
        *out = json_number_value(value);
        return true;
    }
    const char *name = json_string_value(json_object_get(value, "__float__"));
    if (!name) return false;
    if (strcmp(name, "Infinity") == 0) {
        *out = INFINITY;
    } else if (strcmp(name, "-Infinity") == 0) {
        *out = -INFINITY;
    } else if (strcmp(name, "NaN") == 0) {
        *out = NAN;
    } else {
        return false;
    }
    return true;
}

as_code as_json_get_int(const json_t *object, const char *key, int64_t *out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    const json_t *value = json_object_get(object, key);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return AS_OK;
    }
    double real = json_real_value(value); /* 0 unless a real */
    if (json_is_real(value) && real == floor(real) && fabs(real) < 9.0e15) {
        *out = (int64_t)real;
        return AS_OK;
    }
    return wrong_type(key, value, "an integer", err);
}

as_code as_json_get_number(const json_t *object, const char *key, double *out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    const json_t *value = json_object_get(object, key);
    return as_json_number(value, out) ? AS_OK : wrong_type(key, value, "a number", err);
}

as_code as_json_get_bool(const json_t *object, const char *key, bool *out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) return wrong_type(key, value, "true or false", err);
    *out = json_is_true(value);
    return AS_OK;
}

as_code as_json_get_string(const json_t *object, const char *key, const char **out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) return wrong_type(key, value, "a string", err);
    *out = json_string_value(value);
    return AS_OK;
}

as_code as_json_get_object(const json_t *object, const char *key, json_t **out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value)) return wrong_type(key, value, "an object", err);
    *out = value;
    return AS_OK;
}

as_code as_json_get_array(const json_t *object, const char *key, json_t **out, as_error *err)
{
    if (!as_json_has(object, key)) return AS_OK;
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) return wrong_type(key, value, "an array", err);
    *out = value;
    return AS_OK;
}

int as_json_format_real(double x, char room[static 32])
{
    if (isnan(x)) return snprintf(room, 32, "nan");
    if (isinf(x)) return snprintf(room, 32, x > 0 ? "inf" : "-inf");
    char digits[32];
    int precision = 1;
    for (; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*e", precision - 1, x);
        if (strtod(digits, NULL) == x) break;
    }
    int exponent = atoi(strchr(digits, 'e') + 1);
    if (exponent < -4 || exponent >= 16) { /* Python's bounds for the exponent form */
        *strchr(digits, 'e') = 0;
        return snprintf(room, 32, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs(exponent));
    }
    int decimals = precision - 1 - exponent;
    return snprintf(room, 32, "%.*f", decimals > 1 ? decimals : 1, x);
}

static void newline(as_buf *out, int indent, int depth)
{
    if (indent) as_buf_printf(out, "\n%*s", indent * depth, "");
}

static void write_value(const json_t *value, int indent, int depth, as_buf *out)
{
    char room[32];
    size_t index;
    const char *key;
    json_t *item;
    bool first = true;
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        as_buf_char(out, '{');
        json_object_foreach((json_t *)value, key, item)
        {
            if (!first) as_buf_char(out, ',');
            first = false;
            newline(out, indent, depth + 1);
            as_buf_json_string(out, key, strlen(key));
            as_buf_str(out, indent ? ": " : ":");
            write_value(item, indent, depth + 1, out);
        }
        if (!first) newline(out, indent, depth);
        as_buf_char(out, '}');
        break;
    case JSON_ARRAY:
        as_buf_char(out, '[');
        json_array_foreach(value, index, item)
        {
            if (index) as_buf_char(out, ',');
            newline(out, indent, depth + 1);
            write_value(item, indent, depth + 1, out);
        }
        if (json_array_size(value)) newline(out, indent, depth);
        as_buf_char(out, ']');
        break;
    case JSON_STRING: as_buf_json_string(out, json_string_value(value), json_string_length(value)); break;
    case JSON_INTEGER: as_buf_printf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value)); break;
    case JSON_REAL:
        if (!isfinite(json_real_value(value))) {
            as_buf_str(out, "null");
        } else {
            as_json_format_real(json_real_value(value), room);
            as_buf_str(out, room);
        }
        break;
    case JSON_TRUE: as_buf_str(out, "true"); break;
    case JSON_FALSE: as_buf_str(out, "false"); break;
    case JSON_NULL: as_buf_str(out, "null"); break;
    }
}

void as_json_write(const json_t *value, int indent, as_buf *out)
{
    write_value(value, indent, 0, out);
}
