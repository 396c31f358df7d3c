/* Single characters, escapes and properties of Oniguruma's patterns in PCRE2's words; see regex_reader.h. */
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/regex_reader.h"

as_code as_regex_refuse(const as_regex_reader *r, const char *what, as_error *err)
{
    return as_fail(err, AS_E_UNSUPPORTED, "the regular expression \"%.*s\" cannot be used: %s",
                   (int)(r->size < 300 ? r->size : 300), r->text, what);
}

/* Takes note of a character that the pattern names. */
static as_code note_point(as_regex_reader *r, uint32_t point, as_error *err)
{
    as_regex_bounds *b = r->bounds;
    if (point < 0x80) return AS_OK;
    if (b->count + 2 > b->room) {
        size_t room = b->room ? b->room * 2 : 64;
        uint32_t *points = as_realloc(b->points, room * sizeof *points);
        if (!points) return as_fail_memory(err, "the pattern");
        b->points = points;
        b->room = room;
    }
    b->points[b->count++] = point;
    b->points[b->count++] = point + 1;
    return AS_OK;
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_digit(c)) return c - '0';
    c |= 32;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* ---- properties ---- */

static const struct {
    const char *name, *words; /* words stand inside a class */
} properties[] = {
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"alpha", "\\p{Alphabetic}"},
    {"blank", "\\p{Zs}\\t"},
    {"cntrl", "\\p{Cc}"},
    {"digit", "\\p{Nd}"},
    {"lower", "\\p{Lowercase}"},
    {"punct", "\\p{P}"},
    {":punct", "\\p{P}\\p{S}"}, /* a name in [: :] that means something else there */
    {"space", "\\s"},
    {"upper", "\\p{Uppercase}"},
    {"xdigit", "0-9a-fA-F"},
    {"word", AS_REGEX_WORD_ALONE},
    {":word", AS_REGEX_WORD},
    {"graph", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}"},
    {"print", "\\p{L}\\p{M}\\p{N}\\p{P}\\p{S}\\p{Cf}\\p{Co}\\p{Zs}"},
    {"ascii", "\\x{0}-\\x{7F}"},
    {"any", "\\x{0}-\\x{10FFFF}"},
    {"letter", "\\p{L}"},
    {"mark", "\\p{M}"},
    {"number", "\\p{N}"},
    {"punctuation", "\\p{P}"},
    {"symbol", "\\p{S}"},
    {"separator", "\\p{Z}"},
    {"other", "\\p{C}"},
    {"uppercaseletter", "\\p{Lu}"},
    {"lowercaseletter", "\\p{Ll}"},
    {"titlecaseletter", "\\p{Lt}"},
    {"casedletter", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"lc", "\\p{Lu}\\p{Ll}\\p{Lt}"},
    {"modifierletter", "\\p{Lm}"},
    {"otherletter", "\\p{Lo}"},
    {"nonspacingmark", "\\p{Mn}"},
    {"spacingmark", "\\p{Mc}"},
    {"enclosingmark", "\\p{Me}"},
    {"decimalnumber", "\\p{Nd}"},
    {"letternumber", "\\p{Nl}"},
    {"othernumber", "\\p{No}"},
    {"connectorpunctuation", "\\p{Pc}"},
    {"dashpunctuation", "\\p{Pd}"},
    {"openpunctuation", "\\p{Ps}"},
    {"closepunctuation", "\\p{Pe}"},
    {"initialpunctuation", "\\p{Pi}"},
    {"finalpunctuation", "\\p{Pf}"},
    {"otherpunctuation", "\\p{Po}"},
    {"mathsymbol", "\\p{Sm}"},
    {"currencysymbol", "\\p{Sc}"},
    {"modifiersymbol", "\\p{Sk}"},
    {"othersymbol", "\\p{So}"},
    {"spaceseparator", "\\p{Zs}"},
    {"lineseparator", "\\p{Zl}"},
    {"paragraphseparator", "\\p{Zp}"},
    {"control", "\\p{Cc}"},
    {"format", "\\p{Cf}"},
    {"unassigned", "\\p{Cn}"},
    {"privateuse", "\\p{Co}"},
    {"surrogate", "\\p{Cs}"},
};

static const char *find_property(const char *name)
{
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        if (strcmp(properties[i].name, name) == 0) return properties[i].words;
    }
    return NULL;
}

bool as_regex_has_property(const char *name)
{
    return find_property(name) != NULL;
}

static bool compiles(const char *pattern)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re =
        pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_UCP, &code, &at, NULL);
    pcre2_code_free(re);
    return re != NULL;
}

/* Writes a property's words. A script is asked for by its own property: PCRE2 would take the extensions of
 * \p{Han} in as well. */
as_code as_regex_property(as_regex_reader *r, const char *name, bool negative, bool in_class, as_error *err)
{
    char words[256];
    const char *known = find_property(name);
    if (known) {
        snprintf(words, sizeof words, "%s", known);
    } else {
        snprintf(words, sizeof words, "\\p{sc:%s}", name);
        if (!compiles(words)) snprintf(words, sizeof words, "\\p{%s}", name);
        if (!compiles(words)) return as_regex_refuse(r, "it names an unknown property", err);
    }
    bool single = strncmp(words, "\\p{", 3) == 0 && !strchr(words + 1, '\\');
    if (negative && single) {
        words[1] = 'P';
        as_buf_str(r->out, words);
    } else if (negative && in_class) {
        return as_regex_refuse(r, "a negative property of this kind inside a class", err);
    } else if (in_class || single) {
        as_buf_str(r->out, words);
    } else {
        as_buf_printf(r->out, "[%s%s]", negative ? "^" : "", words);
    }
    return AS_OK;
}

/* \p{name}, \p{^name}, \P{name}; r->at stands at the p. */
static as_code read_property(as_regex_reader *r, bool in_class, as_error *err)
{
    bool negative = r->text[r->at] == 'P';
    char name[64];
    size_t n = 0;
    if (as_regex_peek(r, 1) != '{') return as_regex_refuse(r, "a property without braces", err);
    for (r->at += 2; as_regex_peek(r, 0) != '}'; r->at++) {
        int c = as_regex_peek(r, 0);
        if (c == '^' && n == 0) {
            negative = !negative;
        } else if (c == ' ' || c == '_' || c == '-') {
            continue;
        } else if (c < 0 || c >= 0x80 || n + 1 >= sizeof name ||
                   (!is_digit(c) && ((c | 32) < 'a' || (c | 32) > 'z'))) {
            return as_regex_refuse(r, "a property that is not known", err);
        } else {
            name[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    name[n] = 0;
    r->at++;
    return as_regex_property(r, name, negative, in_class, err);
}

/* ---- escapes ---- */

static as_code put_point(as_regex_reader *r, uint32_t point, as_error *err)
{
    as_buf_printf(r->out, "\\x{%X}", (unsigned)point);
    return note_point(r, point, err);
}

/* Copies the character at r->at. */
as_code as_regex_copy(as_regex_reader *r, as_buf *out, as_error *err)
{
    uint32_t point;
    int length = as_utf8_next(r->text + r->at, r->size - r->at, &point);
    if (length < 0) return as_regex_refuse(r, "it is not valid UTF-8", err);
    as_buf_add(out, r->text + r->at, (size_t)length);
    r->at += (size_t)length;
    return note_point(r, point, err);
}

/* \xHH stands for a byte: bytes from 80 on have to make a character together. */
static as_code read_bytes(as_regex_reader *r, as_error *err)
{
    char bytes[4];
    size_t n = 0;
    int need = 1;
    while (n < 4 && (int)n < need && as_regex_peek(r, 0) == 'x') {
        int high = hex_value(as_regex_peek(r, 1)), low = high < 0 ? -1 : hex_value(as_regex_peek(r, 2));
        if (high < 0) return as_regex_refuse(r, "\\x without digits", err);
        bytes[n] = (char)(low < 0 ? high : high * 16 + low);
        r->at += low < 0 ? 2 : 3;
        unsigned char lead = (unsigned char)bytes[0];
        if (n == 0) need = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        n++;
        if ((int)n < need && as_regex_peek(r, 0) == '\\') r->at++;
    }
    uint32_t point;
    if (as_utf8_next(bytes, n, &point) != (int)n)
        return as_regex_refuse(r, "bytes that make no character", err);
    return put_point(r, point, err);
}

static as_code read_hex(as_regex_reader *r, size_t skip, size_t digits, bool braces, as_error *err)
{
    uint32_t point = 0;
    size_t n = 0;
    for (r->at += skip; n < digits && hex_value(as_regex_peek(r, 0)) >= 0; r->at++, n++) {
        point = point * 16 + (uint32_t)hex_value(as_regex_peek(r, 0));
    }
    if (n == 0 || (!braces && n != digits) || (braces && as_regex_peek(r, 0) != '}') || point > 0x10FFFF) {
        return as_regex_refuse(r, "a bad hexadecimal character", err);
    }
    if (braces) r->at++;
    return put_point(r, point, err);
}

/* Escapes that mean the same inside and outside of a class, or differ only in brackets; r->at stands after
 * the backslash. */
static const struct {
    char letter;
    const char *inside, *outside; /* NULL: refused there */
} escapes[] = {
    {'h', "0-9a-fA-F", "[0-9a-fA-F]"},
    {'H', NULL, "[^0-9a-fA-F]"},
    {'w', AS_REGEX_WORD, "[" AS_REGEX_WORD_ALONE "]"},
    {'W', NULL, "[^" AS_REGEX_WORD_ALONE "]"},
    {'s', "\\s", "\\s"},
    {'S', "\\S", "\\S"},
    {'d', "\\d", "\\d"},
    {'D', "\\D", "\\D"},
    {'v', "\\x0B", "\\x0B"},
    {'n', "\\n", "\\n"},
    {'r', "\\r", "\\r"},
    {'t', "\\t", "\\t"},
    {'f', "\\f", "\\f"},
    {'a', "\\a", "\\a"},
    {'e', "\\e", "\\e"},
    {'b', "\\x08",
     "(?:(?<=[" AS_REGEX_WORD_ALONE "])(?![" AS_REGEX_WORD_ALONE "])|(?<![" AS_REGEX_WORD_ALONE
     "])(?=[" AS_REGEX_WORD_ALONE "]))"},
    {'B', NULL,
     "(?:(?<=[" AS_REGEX_WORD_ALONE "])(?=[" AS_REGEX_WORD_ALONE "])|(?<![" AS_REGEX_WORD_ALONE
     "])(?![" AS_REGEX_WORD_ALONE "]))"},
    {'A', NULL, "\\A"},
    {'Z', NULL, "\\Z"},
    {'z', NULL, "\\z"},
    {'G', NULL, "\\G"},
    {'K', NULL, "\\K"},
    {'R', NULL, "\\R"},
    {'N', NULL, "\\N"},
    {'O', NULL, "(?s:.)"},
};

as_code as_regex_escape(as_regex_reader *r, bool in_class, as_error *err)
{
    int c = as_regex_peek(r, 0);
    if (c < 0) return as_regex_refuse(r, "it ends with a backslash", err);
    if (c == 'p' || c == 'P') return read_property(r, in_class, err);
    if (c == 'u') return read_hex(r, 1, 4, false, err);
    if (c == 'x' && as_regex_peek(r, 1) == '{') return read_hex(r, 2, 8, true, err);
    if (c == 'x') return read_bytes(r, err);
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (escapes[i].letter != c) continue;
        const char *words = in_class ? escapes[i].inside : escapes[i].outside;
        if (!words) return as_regex_refuse(r, "an escape that has no counterpart inside a class", err);
        as_buf_str(r->out, words);
        r->at++;
        return AS_OK;
    }
    if (c == 'X' || c == 'y' || c == 'Y' || c == 'M' || c == 'C' || c == 'c')
        return as_regex_refuse(r, "an escape without counterpart", err);
    if (c == '0' || (in_class && is_digit(c))) {
        uint32_t value = 0;
        for (int n = 0; n < 3 && is_digit(as_regex_peek(r, 0)) && as_regex_peek(r, 0) < '8'; n++, r->at++) {
            value = value * 8 + (uint32_t)(as_regex_peek(r, 0) - '0');
        }
        return put_point(r, value, err);
    }
    bool named = c == 'k' || c == 'g' || is_digit(c);
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z' && c < 0x80;
    if (c >= 0x80) return as_regex_copy(r, r->out, err);
    if (named && !in_class) r->bounds->back_references = true;
    if (!letter || (named && !in_class)) as_buf_char(r->out, '\\'); /* a letter without meaning is itself */
    as_buf_char(r->out, (char)c);
    r->at++;
    return AS_OK;
}
