/* String literals of a template: what Python's unicode-escape codec makes of the text between the quotes. */
#include <stdio.h>

#include "base/jinja/ast.h"
#include "base/utf8.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH, \uHHHH, \UHHHHHHHH; *at stands behind the letter. */
static bool put_hex(as_jinja_vm *vm, const char *text, size_t size, size_t *at, int count)
{
    uint32_t value = 0;
    for (int i = 0; i < count; i++) {
        int digit = *at < size ? hex_value(text[*at]) : -1;
        if (digit < 0) return as_jinja_fail(vm, AS_JINJA_X_SYNTAX, "truncated \\%c escape", "xuU"[count / 4]);
        value = value << 4 | (uint32_t)digit;
        (*at)++;
    }
    if (value > 0x10FFFF) return as_jinja_fail(vm, AS_JINJA_X_SYNTAX, "illegal Unicode character");
    return as_jinja_put_codepoint(vm, value);
}

static bool put_octal(as_jinja_vm *vm, const char *text, size_t size, size_t *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 3 && *at < size && text[*at] >= '0' && text[*at] <= '7'; i++) {
        value = value << 3 | (uint32_t)(text[(*at)++] - '0');
    }
    return as_jinja_put_codepoint(vm, value);
}

static bool put_escape(as_jinja_vm *vm, const char *text, size_t size, size_t *at)
{
    static const char letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    char c = text[*at];
    for (int i = 0; letters[i]; i++) {
        if (letters[i] == c) {
            (*at)++;
            return as_jinja_put(vm, values + i, 1);
        }
    }
    if (c >= '0' && c <= '7') return put_octal(vm, text, size, at);
    if (c == '\n') {
        (*at)++;
        return true;
    }
    if (c == 'x' || c == 'u' || c == 'U') {
        (*at)++;
        return put_hex(vm, text, size, at, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    }
    if (c == 'N') return as_jinja_fail(vm, AS_JINJA_X_SYNTAX, "\\N escapes are not supported");
    if ((unsigned char)c < 0x80) return as_jinja_put(vm, "\\", 1); /* the letter follows as itself */
    /* jinja2 encodes it as \xe9 first, so that the codec sees an escaped backslash and the letters xe9 */
    uint32_t codepoint = as_jinja_next_codepoint(text, size, at);
    char room[16];
    snprintf(room, sizeof room,
             codepoint < 0x100     ? "\\x%02x"
             : codepoint < 0x10000 ? "\\u%04x"
                                   : "\\U%08x",
             (unsigned)codepoint);
    return as_jinja_put_text(vm, room);
}

bool as_jinja_lex_string(as_jinja_vm *vm, const char *text, size_t size, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < size;) {
        if (text[at] != '\\' || at + 1 >= size) {
            AS_JINJA_TRY(as_jinja_put(vm, text + at, 1));
            at++;
            continue;
        }
        at++;
        AS_JINJA_TRY(put_escape(vm, text, size, &at));
    }
    return as_jinja_str_cut(vm, mark, out);
}
