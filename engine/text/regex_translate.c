/* Oniguruma's regular expressions in PCRE2's words. What means the same in both is copied.
 *
 * Source: doc/RE of Oniguruma 6.9 (syntax ONIG_SYNTAX_ONIGURUMA, UTF-8) against pcre2pattern(3). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/regex.h"

/* Oniguruma's \w in words that PCRE2 takes inside a class. Outside of one it has six characters more, the
 * superscripts and fractions of Latin-1. */
#define WORD       "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}"
#define WORD_ALONE WORD "\\xB2\\xB3\\xB9\\xBC-\\xBE"

enum { CLASS_DEPTH = 16 };

typedef struct reader {
    const char *text;
    size_t size, at;
    as_buf *out;
    size_t atom; /* where in out the last thing that can be repeated begins */
    bool repeatable;
    size_t groups[256]; /* where open groups begin */
    int depth;
    as_regex_bounds *bounds;
} reader;

static int peek(const reader *r, size_t ahead)
{
    return r->at + ahead < r->size ? (unsigned char)r->text[r->at + ahead] : -1;
}

static as_code refuse(const reader *r, const char *what, as_error *err)
{
    return as_fail(err, AS_E_UNSUPPORTED, "the regular expression \"%.*s\" cannot be used: %s",
                   (int)(r->size < 300 ? r->size : 300), r->text, what);
}

/* Takes note of a character that the pattern names. */
static as_code note_point(reader *r, uint32_t point, as_error *err)
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
    {"word", WORD_ALONE},
    {":word", WORD},
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
static as_code property(reader *r, const char *name, bool negative, bool in_class, as_error *err)
{
    char words[256];
    const char *known = find_property(name);
    if (known) {
        snprintf(words, sizeof words, "%s", known);
    } else {
        snprintf(words, sizeof words, "\\p{sc:%s}", name);
        if (!compiles(words)) snprintf(words, sizeof words, "\\p{%s}", name);
        if (!compiles(words)) return refuse(r, "it names an unknown property", err);
    }
    bool single = strncmp(words, "\\p{", 3) == 0 && !strchr(words + 1, '\\');
    if (negative && single) {
        words[1] = 'P';
        as_buf_str(r->out, words);
    } else if (negative && in_class) {
        return refuse(r, "a negative property of this kind inside a class", err);
    } else if (in_class || single) {
        as_buf_str(r->out, words);
    } else {
        as_buf_printf(r->out, "[%s%s]", negative ? "^" : "", words);
    }
    return AS_OK;
}

/* \p{name}, \p{^name}, \P{name}; r->at stands at the p. */
static as_code read_property(reader *r, bool in_class, as_error *err)
{
    bool negative = r->text[r->at] == 'P';
    char name[64];
    size_t n = 0;
    if (peek(r, 1) != '{') return refuse(r, "a property without braces", err);
    for (r->at += 2; peek(r, 0) != '}'; r->at++) {
        int c = peek(r, 0);
        if (c == '^' && n == 0) {
            negative = !negative;
        } else if (c == ' ' || c == '_' || c == '-') {
            continue;
        } else if (c < 0 || c >= 0x80 || n + 1 >= sizeof name ||
                   (!is_digit(c) && ((c | 32) < 'a' || (c | 32) > 'z'))) {
            return refuse(r, "a property that is not known", err);
        } else {
            name[n++] = (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
        }
    }
    name[n] = 0;
    r->at++;
    return property(r, name, negative, in_class, err);
}

/* ---- escapes ---- */

static as_code put_point(reader *r, uint32_t point, as_error *err)
{
    as_buf_printf(r->out, "\\x{%X}", (unsigned)point);
    return note_point(r, point, err);
}

/* Copies the character at r->at. */
static as_code copy_point(reader *r, as_buf *out, as_error *err)
{
    uint32_t point;
    int length = as_utf8_next(r->text + r->at, r->size - r->at, &point);
    if (length < 0) return refuse(r, "it is not valid UTF-8", err);
    as_buf_add(out, r->text + r->at, (size_t)length);
    r->at += (size_t)length;
    return note_point(r, point, err);
}

/* \xHH stands for a byte: bytes from 80 on have to make a character together. */
static as_code read_bytes(reader *r, as_error *err)
{
    char bytes[4];
    size_t n = 0;
    int need = 1;
    while (n < 4 && (int)n < need && peek(r, 0) == 'x') {
        int high = hex_value(peek(r, 1)), low = high < 0 ? -1 : hex_value(peek(r, 2));
        if (high < 0) return refuse(r, "\\x without digits", err);
        bytes[n] = (char)(low < 0 ? high : high * 16 + low);
        r->at += low < 0 ? 2 : 3;
        unsigned char lead = (unsigned char)bytes[0];
        if (n == 0) need = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        n++;
        if ((int)n < need && peek(r, 0) == '\\') r->at++;
    }
    uint32_t point;
    if (as_utf8_next(bytes, n, &point) != (int)n) return refuse(r, "bytes that make no character", err);
    return put_point(r, point, err);
}

static as_code read_hex(reader *r, size_t skip, size_t digits, bool braces, as_error *err)
{
    uint32_t point = 0;
    size_t n = 0;
    for (r->at += skip; n < digits && hex_value(peek(r, 0)) >= 0; r->at++, n++) {
        point = point * 16 + (uint32_t)hex_value(peek(r, 0));
    }
    if (n == 0 || (!braces && n != digits) || (braces && peek(r, 0) != '}') || point > 0x10FFFF) {
        return refuse(r, "a bad hexadecimal character", err);
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
    {'w', WORD, "[" WORD_ALONE "]"},
    {'W', NULL, "[^" WORD_ALONE "]"},
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
    {'b', "\\x08", "(?:(?<=[" WORD_ALONE "])(?![" WORD_ALONE "])|(?<![" WORD_ALONE "])(?=[" WORD_ALONE "]))"},
    {'B', NULL, "(?:(?<=[" WORD_ALONE "])(?=[" WORD_ALONE "])|(?<![" WORD_ALONE "])(?![" WORD_ALONE "]))"},
    {'A', NULL, "\\A"},
    {'Z', NULL, "\\Z"},
    {'z', NULL, "\\z"},
    {'G', NULL, "\\G"},
    {'K', NULL, "\\K"},
    {'R', NULL, "\\R"},
    {'N', NULL, "\\N"},
    {'O', NULL, "(?s:.)"},
};

static as_code read_escape(reader *r, bool in_class, as_error *err)
{
    int c = peek(r, 0);
    if (c < 0) return refuse(r, "it ends with a backslash", err);
    if (c == 'p' || c == 'P') return read_property(r, in_class, err);
    if (c == 'u') return read_hex(r, 1, 4, false, err);
    if (c == 'x' && peek(r, 1) == '{') return read_hex(r, 2, 8, true, err);
    if (c == 'x') return read_bytes(r, err);
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++) {
        if (escapes[i].letter != c) continue;
        const char *words = in_class ? escapes[i].inside : escapes[i].outside;
        if (!words) return refuse(r, "an escape that has no counterpart inside a class", err);
        as_buf_str(r->out, words);
        r->at++;
        return AS_OK;
    }
    if (c == 'X' || c == 'y' || c == 'Y' || c == 'M' || c == 'C' || c == 'c')
        return refuse(r, "an escape without counterpart", err);
    if (c == '0' || (in_class && is_digit(c))) {
        uint32_t value = 0;
        for (int n = 0; n < 3 && is_digit(peek(r, 0)) && peek(r, 0) < '8'; n++, r->at++) {
            value = value * 8 + (uint32_t)(peek(r, 0) - '0');
        }
        return put_point(r, value, err);
    }
    bool named = c == 'k' || c == 'g' || is_digit(c);
    bool letter = (c | 32) >= 'a' && (c | 32) <= 'z' && c < 0x80;
    if (c >= 0x80) return copy_point(r, r->out, err);
    if (named && !in_class) r->bounds->back_references = true;
    if (!letter || (named && !in_class)) as_buf_char(r->out, '\\'); /* a letter without meaning is itself */
    as_buf_char(r->out, (char)c);
    r->at++;
    return AS_OK;
}

/* ---- classes ---- */

/* A class may hold further classes and intersections, which PCRE2 has not. It becomes one bracket expression
 * where that is enough, else a group of look-aheads that agree on one character. */
typedef struct set {
    as_buf plain;  /* what one bracket expression can hold */
    as_buf nested; /* alternatives beside it, each a pattern for one character */
    as_buf before; /* intersections so far: look-aheads */
    bool negative;
} set;

static as_code read_class(reader *r, int depth, as_buf *out, as_error *err);

static as_code read_posix(reader *r, as_buf *plain, bool *taken, as_error *err)
{
    char name[32];
    size_t n = 0, at = r->at + 2;
    bool negative = at < r->size && r->text[at] == '^';
    if (negative) at++;
    while (at < r->size && n + 1 < sizeof name && r->text[at] >= 'a' && r->text[at] <= 'z')
        name[n++] = r->text[at++];
    name[n] = 0;
    *taken = n && at + 1 < r->size && r->text[at] == ':' && r->text[at + 1] == ']';
    if (!*taken) return AS_OK;
    r->at = at + 2;
    as_buf *out = r->out;
    r->out = plain;
    char posix[33] = ":";
    memcpy(posix + 1, name, n + 1);
    as_code rc = property(r, find_property(posix) ? posix : name, negative, true, err);
    r->out = out;
    return rc;
}

/* What has been read up to a && or to the end, as a pattern for one character. */
static void close_side(set *s, as_buf *out)
{
    if (s->nested.size == 0) {
        if (s->plain.size == 0) {
            as_buf_str(out, "(?!)");
        } else {
            as_buf_printf(out, "[%s]", as_buf_text(&s->plain));
        }
    } else {
        as_buf_str(out, "(?:");
        if (s->plain.size) as_buf_printf(out, "[%s]|", as_buf_text(&s->plain));
        as_buf_printf(out, "%s)", as_buf_text(&s->nested));
    }
    as_buf_clear(&s->plain);
    as_buf_clear(&s->nested);
}

static as_code read_class_item(reader *r, set *s, int depth, as_error *err)
{
    int c = peek(r, 0);
    bool taken = false;
    if (c == '[' && peek(r, 1) == ':') AS_TRY(read_posix(r, &s->plain, &taken, err));
    if (taken) return AS_OK;
    if (c == '[') {
        if (s->nested.size) as_buf_char(&s->nested, '|');
        return read_class(r, depth + 1, &s->nested, err);
    }
    if (c == '&' && peek(r, 1) == '&') {
        r->at += 2;
        as_buf_str(&s->before, "(?=");
        close_side(s, &s->before);
        as_buf_char(&s->before, ')');
        return AS_OK;
    }
    if (c == '\\') {
        int letter = peek(r, 1);
        r->at++;
        if (letter == 'W' || letter == 'H') {
            as_buf_printf(&s->nested, "%s[^%s]", s->nested.size ? "|" : "",
                          letter == 'W' ? WORD : "0-9a-fA-F");
            r->at++;
            return AS_OK;
        }
        as_buf *out = r->out;
        r->out = &s->plain;
        as_code rc = read_escape(r, true, err);
        r->out = out;
        return rc;
    }
    return copy_point(r, &s->plain, err);
}

static as_code read_class(reader *r, int depth, as_buf *out, as_error *err)
{
    if (depth > CLASS_DEPTH) return refuse(r, "classes nested too deeply", err);
    set s = {.negative = peek(r, 1) == '^'};
    r->at += s.negative ? 2 : 1;
    as_code rc = AS_OK;
    if (peek(r, 0) == ']') { /* first in a class it is itself */
        as_buf_str(&s.plain, "\\]");
        r->at++;
    }
    while (rc == AS_OK && peek(r, 0) != ']') {
        rc = peek(r, 0) < 0 ? refuse(r, "a class without end", err) : read_class_item(r, &s, depth, err);
        if (rc == AS_OK) rc = as_buf_check(&s.plain, "the pattern", err);
        if (rc == AS_OK) rc = as_buf_check(&s.nested, "the pattern", err);
    }
    r->at++;
    if (rc == AS_OK && s.before.size == 0 && s.nested.size == 0) {
        as_buf_printf(out, "[%s%s]", s.negative ? "^" : "", as_buf_text(&s.plain));
    } else if (rc == AS_OK) {
        as_buf_printf(out, s.negative ? "(?:(?!%s" : "(?:%s", as_buf_text(&s.before));
        close_side(&s, out);
        as_buf_str(out, s.negative ? ")(?s:.))" : ")");
    }
    if (rc == AS_OK) rc = as_buf_check(&s.before, "the pattern", err);
    if (rc == AS_OK) rc = as_buf_check(out, "the pattern", err);
    as_buf_free(&s.plain);
    as_buf_free(&s.nested);
    as_buf_free(&s.before);
    return rc;
}

/* ---- groups and repetition ---- */

static as_code read_options(reader *r, as_error *err) /* (?imx-imx) and (?imx-imx: */
{
    as_buf_str(r->out, "(?");
    for (r->at += 2;; r->at++) {
        int c = peek(r, 0);
        if (c == 'm') {
            as_buf_char(r->out, 's'); /* their m is everyone's s */
        } else if (c == 'i' || c == 'x' || c == '-') {
            as_buf_char(r->out, (char)c);
        } else if (c == ')' || c == ':') {
            break;
        } else {
            return refuse(r, "a group option that is not known", err);
        }
    }
    return AS_OK;
}

static as_code open_group(reader *r, as_error *err)
{
    if (r->depth == (int)(sizeof r->groups / sizeof r->groups[0]))
        return refuse(r, "groups nested too deeply", err);
    size_t begin = r->out->size;
    int kind = peek(r, 1) == '?' ? peek(r, 2) : -1;
    if (kind == '#') {
        while (peek(r, 0) >= 0 && peek(r, 0) != ')') r->at++;
        r->at++;
        return AS_OK;
    }
    if (kind == '~' || kind == 'P' || kind == 'R' || kind == '(' || kind == '{' || kind == '^') {
        return refuse(r, "a group of this kind", err);
    }
    if (kind == 'i' || kind == 'm' || kind == 'x' || kind == '-') {
        AS_TRY(read_options(r, err));
        if (peek(r, 0) == ')') { /* set from here on: no group opens */
            as_buf_char(r->out, ')');
            r->at++;
            r->repeatable = false;
            return AS_OK;
        }
    } else {
        as_buf_char(r->out, '(');
    }
    if (kind == ':' || kind == '=' || kind == '!' || kind == '>' || kind == '<') {
        as_buf_str(r->out, "?");
        as_buf_char(r->out, (char)kind);
        r->at += 2;
    } else if (peek(r, 0) == ':') {
        as_buf_char(r->out, ':');
    } else if (kind >= 0) {
        return refuse(r, "a group of this kind", err);
    }
    r->at++;
    r->groups[r->depth++] = begin;
    r->repeatable = false;
    return AS_OK;
}

/* Puts a group around the last atom with its repetition, so that another repetition may follow. */
static void wrap_atom(reader *r)
{
    as_buf copy;
    as_buf_init(&copy, 0);
    as_buf_add(&copy, r->out->data + r->atom, r->out->size - r->atom);
    r->out->size = r->atom;
    as_buf_printf(r->out, "(?:%s)", as_buf_text(&copy));
    if (copy.failed != AS_OK) r->out->failed = copy.failed;
    as_buf_free(&copy);
}

/* {n}, {n,}, {n,m}, {,m}; anything else in braces is text. */
static bool read_interval(reader *r)
{
    size_t at = r->at + 1, low = 0, high = 0;
    char first[12] = "0", second[12] = "";
    while (at < r->size && is_digit(r->text[at]) && low < 9) first[low++] = r->text[at++];
    if (low) first[low] = 0;
    bool comma = at < r->size && r->text[at] == ',';
    if (comma) at++;
    while (comma && at < r->size && is_digit(r->text[at]) && high < 9) second[high++] = r->text[at++];
    second[high] = 0;
    if (at >= r->size || r->text[at] != '}' || (!low && !high)) return false;
    as_buf_printf(r->out, comma ? "{%s,%s}" : "{%s}", first, second);
    r->at = at + 1;
    if (peek(r, 0) == '+') { /* not possessive here, but a repetition of the repetition */
        wrap_atom(r);
        as_buf_char(r->out, '+');
        r->at++;
    }
    return true;
}

static as_code read_repeat(reader *r, as_error *err)
{
    int c = peek(r, 0);
    if (!r->repeatable) return refuse(r, "nothing to repeat", err);
    if (c == '{') {
        if (!read_interval(r)) {
            as_buf_str(r->out, "\\{");
            r->at++;
            return AS_OK;
        }
    } else {
        as_buf_char(r->out, (char)c);
        r->at++;
        if (peek(r, 0) == '+') {
            as_buf_char(r->out, '+');
            r->at++;
        }
    }
    if (peek(r, 0) == '?') {
        as_buf_char(r->out, '?');
        r->at++;
    }
    int next = peek(r, 0);
    if (next == '*' || next == '+' || next == '?' || next == '{') wrap_atom(r);
    return as_buf_check(r->out, "the pattern", err);
}

static as_code read_item(reader *r, as_error *err)
{
    int c = peek(r, 0);
    if (c == '*' || c == '+' || c == '?' || (c == '{' && r->repeatable)) return read_repeat(r, err);
    size_t begin = r->out->size;
    bool again = true;
    if (c == '(') return open_group(r, err);
    if (c == ')') {
        if (r->depth == 0) return refuse(r, "a bracket that was not opened", err);
        begin = r->groups[--r->depth];
        as_buf_char(r->out, ')');
        r->at++;
    } else if (c == '\\') {
        r->at++;
        AS_TRY(read_escape(r, false, err));
    } else if (c == '[') {
        AS_TRY(read_class(r, 0, r->out, err));
    } else {
        if (c == '{') as_buf_char(r->out, '\\');
        AS_TRY(copy_point(r, r->out, err));
        again = c != '|';
    }
    r->atom = begin;
    r->repeatable = again;
    return as_buf_check(r->out, "the pattern", err);
}

as_code as_regex_translate(const char *pattern, size_t size, as_buf *out, as_regex_bounds *bounds,
                           as_error *err)
{
    reader r = {.text = pattern, .size = size, .out = out, .bounds = bounds};
    while (r.at < r.size) AS_TRY(read_item(&r, err));
    return AS_OK;
}
