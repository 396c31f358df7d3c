/* Oniguruma's regular expressions in PCRE2's words. What means the same in both is copied.
 *
 * Source: doc/RE of Oniguruma 6.9 (syntax ONIG_SYNTAX_ONIGURUMA, UTF-8) against pcre2pattern(3). */
#include <string.h>

#include "base/utf8.h"
#include "engine/text/regex_reader.h"

enum { CLASS_DEPTH = 16 };

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
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

static as_code read_class(as_regex_reader *r, int depth, as_buf *out, as_error *err);

static as_code read_posix(as_regex_reader *r, as_buf *plain, bool *taken, as_error *err)
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
    as_code rc = as_regex_property(r, as_regex_has_property(posix) ? posix : name, negative, true, err);
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

static as_code read_class_item(as_regex_reader *r, set *s, int depth, as_error *err)
{
    int c = as_regex_peek(r, 0);
    bool taken = false;
    if (c == '[' && as_regex_peek(r, 1) == ':') AS_TRY(read_posix(r, &s->plain, &taken, err));
    if (taken) return AS_OK;
    if (c == '[') {
        if (s->nested.size) as_buf_char(&s->nested, '|');
        return read_class(r, depth + 1, &s->nested, err);
    }
    if (c == '&' && as_regex_peek(r, 1) == '&') {
        r->at += 2;
        as_buf_str(&s->before, "(?=");
        close_side(s, &s->before);
        as_buf_char(&s->before, ')');
        return AS_OK;
    }
    if (c == '\\') {
        int letter = as_regex_peek(r, 1);
        r->at++;
        if (letter == 'W' || letter == 'H') {
            as_buf_printf(&s->nested, "%s[^%s]", s->nested.size ? "|" : "",
                          letter == 'W' ? AS_REGEX_WORD : "0-9a-fA-F");
            r->at++;
            return AS_OK;
        }
        as_buf *out = r->out;
        r->out = &s->plain;
        as_code rc = as_regex_escape(r, true, err);
        r->out = out;
        return rc;
    }
    return as_regex_copy(r, &s->plain, err);
}

static as_code read_class(as_regex_reader *r, int depth, as_buf *out, as_error *err)
{
    if (depth > CLASS_DEPTH) return as_regex_refuse(r, "classes nested too deeply", err);
    set s = {.negative = as_regex_peek(r, 1) == '^'};
    r->at += s.negative ? 2 : 1;
    as_code rc = AS_OK;
    if (as_regex_peek(r, 0) == ']') { /* first in a class it is itself */
        as_buf_str(&s.plain, "\\]");
        r->at++;
    }
    while (rc == AS_OK && as_regex_peek(r, 0) != ']') {
        rc = as_regex_peek(r, 0) < 0 ? as_regex_refuse(r, "a class without end", err)
                                     : read_class_item(r, &s, depth, err);
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

static as_code read_options(as_regex_reader *r, as_error *err) /* (?imx-imx) and (?imx-imx: */
{
    bool on = true;
    as_buf_str(r->out, "(?");
    for (r->at += 2;; r->at++) {
        int c = as_regex_peek(r, 0);
        if (c == 'i') r->ignore_case = on;
        if (c == '-') on = false;
        if (c == 'm') {
            as_buf_char(r->out, 's'); /* their m is everyone's s */
        } else if (c == 'i' || c == 'x' || c == '-') {
            as_buf_char(r->out, (char)c);
        } else if (c == ')' || c == ':') {
            break;
        } else {
            return as_regex_refuse(r, "a group option that is not known", err);
        }
    }
    return AS_OK;
}

static as_code open_group(as_regex_reader *r, as_error *err)
{
    if (r->depth == (int)(sizeof r->groups / sizeof r->groups[0]))
        return as_regex_refuse(r, "groups nested too deeply", err);
    size_t begin = r->out->size;
    bool outer = r->ignore_case;
    int kind = as_regex_peek(r, 1) == '?' ? as_regex_peek(r, 2) : -1;
    if (kind == '#') {
        while (as_regex_peek(r, 0) >= 0 && as_regex_peek(r, 0) != ')') r->at++;
        r->at++;
        return AS_OK;
    }
    if (kind == '~' || kind == 'P' || kind == 'R' || kind == '(' || kind == '{' || kind == '^') {
        return as_regex_refuse(r, "a group of this kind", err);
    }
    if (kind == 'i' || kind == 'm' || kind == 'x' || kind == '-') {
        AS_TRY(read_options(r, err));
        if (as_regex_peek(r, 0) == ')') { /* set from here on: no group opens */
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
    } else if (as_regex_peek(r, 0) == ':') {
        as_buf_char(r->out, ':');
    } else if (kind >= 0) {
        return as_regex_refuse(r, "a group of this kind", err);
    }
    r->at++;
    r->outer_case[r->depth] = outer;
    r->groups[r->depth++] = begin;
    r->repeatable = false;
    return AS_OK;
}

/* Puts a group around the last atom with its repetition, so that another repetition may follow. */
static void wrap_atom(as_regex_reader *r)
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
static bool read_interval(as_regex_reader *r)
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
    if (as_regex_peek(r, 0) == '+') { /* not possessive here, but a repetition of the repetition */
        wrap_atom(r);
        as_buf_char(r->out, '+');
        r->at++;
    }
    return true;
}

static as_code read_repeat(as_regex_reader *r, as_error *err)
{
    int c = as_regex_peek(r, 0);
    r->last_letter = 0;
    if (!r->repeatable) return as_regex_refuse(r, "nothing to repeat", err);
    if (c == '{') {
        if (!read_interval(r)) {
            as_buf_str(r->out, "\\{");
            r->at++;
            return AS_OK;
        }
    } else {
        as_buf_char(r->out, (char)c);
        r->at++;
        if (as_regex_peek(r, 0) == '+') {
            as_buf_char(r->out, '+');
            r->at++;
        }
    }
    if (as_regex_peek(r, 0) == '?') {
        as_buf_char(r->out, '?');
        r->at++;
    }
    int next = as_regex_peek(r, 0);
    if (next == '*' || next == '+' || next == '?' || next == '{') wrap_atom(r);
    return as_buf_check(r->out, "the pattern", err);
}

/* Without regard to case Oniguruma also matches "ss" with one sharp s, "fi" with its ligature and so on,
 * which PCRE2 does not. */
static as_code check_fold(as_regex_reader *r, as_error *err)
{
    static const char *const pairs[] = {"ss", "st", "ff", "fi", "fl"};
    static const uint32_t several[][2] = {{0xDF, 0xDF},     {0x130, 0x130},  {0x149, 0x149}, {0x1F0, 0x1F0},
                                          {0x390, 0x390},   {0x3B0, 0x3B0},  {0x587, 0x587}, {0x1E96, 0x1E9E},
                                          {0x1F50, 0x1FFC}, {0xFB00, 0xFB17}};
    uint32_t point, last = r->last_letter;
    if (as_utf8_next(r->text + r->at, r->size - r->at, &point) < 0)
        return AS_OK; /* refused where it is copied */
    if (point >= 'A' && point <= 'Z') point += 32;
    r->last_letter = point;
    if (!r->ignore_case) return AS_OK;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        if (last == (uint32_t)pairs[i][0] && point == (uint32_t)pairs[i][1]) {
            return as_regex_refuse(r, "letters that have a ligature, without regard to case", err);
        }
    }
    for (size_t i = 0; i < sizeof several / sizeof several[0]; i++) {
        if (point >= several[i][0] && point <= several[i][1]) {
            return as_regex_refuse(r, "a letter that is several in the other case, without regard to case",
                                   err);
        }
    }
    return AS_OK;
}

static as_code read_item(as_regex_reader *r, as_error *err)
{
    int c = as_regex_peek(r, 0);
    if (c == '*' || c == '+' || c == '?' || (c == '{' && r->repeatable)) return read_repeat(r, err);
    size_t begin = r->out->size;
    bool again = true;
    uint32_t last = r->last_letter;
    r->last_letter = 0;
    if (c == '(') return open_group(r, err);
    if (c == ')') {
        if (r->depth == 0) return as_regex_refuse(r, "a bracket that was not opened", err);
        begin = r->groups[--r->depth];
        r->ignore_case = r->outer_case[r->depth];
        as_buf_char(r->out, ')');
        r->at++;
    } else if (c == '\\') {
        r->at++;
        AS_TRY(as_regex_escape(r, false, err));
    } else if (c == '[') {
        AS_TRY(read_class(r, 0, r->out, err));
    } else {
        if (c == '{') as_buf_char(r->out, '\\');
        r->last_letter = last;
        AS_TRY(check_fold(r, err));
        AS_TRY(as_regex_copy(r, r->out, err));
        again = c != '|';
    }
    r->atom = begin;
    r->repeatable = again;
    return as_buf_check(r->out, "the pattern", err);
}

as_code as_regex_translate(const char *pattern, size_t size, as_buf *out, as_regex_bounds *bounds,
                           as_error *err)
{
    as_regex_reader r = {.text = pattern, .size = size, .out = out, .bounds = bounds};
    while (r.at < r.size) AS_TRY(read_item(&r, err));
    return AS_OK;
}
