/* Matching by PCRE2; see regex.h. */
#include "engine/text/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/unicode.h"

enum {
    PATTERN_MAX = 1 << 16,
    STACK_START = 32 << 10,
    STACK_MAX = 64 << 20, /* of the compiled matcher; beyond it the interpreter takes over */
    HEAP_MAX_KIB = 256 << 10,
    STEPS_MAX = 10000000 /* as Oniguruma's retry limit */
};

struct as_regex {
    pcre2_code *code; /* NULL for a literal */
    bool compiled;    /* to machine code */
    char *literal;
    size_t literal_size;
    as_regex_bounds bounds;
};

enum { MEMO = 64 };

struct as_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    struct {
        const as_regex *regex;
        uint32_t point, stand_in;
    } memo[MEMO]; /* of stand-ins */
};

static void *allocate(size_t size, void *unused)
{
    (void)unused;
    return as_alloc(size);
}

static void release(void *at, void *unused)
{
    (void)unused;
    as_free(at);
}

/* ---- patterns ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static as_code compile(as_regex *regex, const char *pattern, size_t size, as_error *err)
{
    as_buf text;
    as_buf_init(&text, PATTERN_MAX * 16);
    as_code rc = as_regex_translate(pattern, size, &text, &regex->bounds, err);
    if (rc == AS_OK) rc = as_buf_check(&text, "the pattern", err);
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = general ? pcre2_compile_context_create(general) : NULL;
    if (rc == AS_OK && !context) rc = as_fail_memory(err, "the pattern");
    if (rc == AS_OK) {
        int code = 0;
        PCRE2_SIZE at = 0;
        pcre2_set_newline(context, PCRE2_NEWLINE_LF);
        pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
        regex->code = pcre2_compile((PCRE2_SPTR)as_buf_text(&text), text.size,
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &code,
                                    &at, context);
        if (!regex->code) {
            PCRE2_UCHAR why[128] = "";
            pcre2_get_error_message(code, why, sizeof why);
            rc = code == PCRE2_ERROR_HEAP_FAILED || code == PCRE2_ERROR_NOMEMORY
                     ? as_fail_memory(err, "the pattern")
                     : as_fail(err, AS_E_UNSUPPORTED, "the regular expression \"%.*s\" cannot be used: %s",
                               (int)(size < 300 ? size : 300), pattern, (char *)why);
        }
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    as_buf_free(&text);
    if (regex->bounds.count) qsort(regex->bounds.points, regex->bounds.count, sizeof(uint32_t), by_value);
    if (rc == AS_OK) regex->compiled = pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE) == 0;
    return rc;
}

as_code as_regex_open(const char *pattern, size_t size, as_regex_form form, as_regex **out, as_error *err)
{
    if (size > PATTERN_MAX) {
        return as_fail(err, AS_E_LIMIT, "a pattern of %zu bytes, at most %d are taken", size,
                       (int)PATTERN_MAX);
    }
    as_regex *regex = AS_NEW(as_regex);
    if (!regex) return as_fail_memory(err, "the pattern");
    as_code rc = AS_OK;
    if (form == AS_REGEX_PATTERN) {
        rc = compile(regex, pattern, size, err);
    } else {
        regex->literal = as_strndup(pattern, size);
        regex->literal_size = size;
        if (!regex->literal) rc = as_fail_memory(err, "the pattern");
    }
    if (rc != AS_OK) {
        as_regex_close(regex);
        return rc;
    }
    *out = regex;
    return AS_OK;
}

void as_regex_close(as_regex *regex)
{
    if (!regex) return;
    pcre2_code_free(regex->code);
    as_free(regex->literal);
    as_free(regex->bounds.points);
    as_free(regex);
}

/* ---- matchers ---- */

as_code as_matcher_new(as_matcher **out)
{
    as_matcher *m = AS_NEW(as_matcher);
    if (!m) return AS_E_MEMORY;
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    if (general) {
        m->data = pcre2_match_data_create(1, general);
        m->context = pcre2_match_context_create(general);
        m->stack = pcre2_jit_stack_create(STACK_START, STACK_MAX, general); /* NULL: a small one is used */
    }
    pcre2_general_context_free(general);
    if (!m->data || !m->context) {
        as_matcher_free(m);
        return AS_E_MEMORY;
    }
    pcre2_set_match_limit(m->context, STEPS_MAX);
    pcre2_set_heap_limit(m->context, HEAP_MAX_KIB);
    pcre2_jit_stack_assign(m->context, NULL, m->stack);
    *out = m;
    return AS_OK;
}

void as_matcher_free(as_matcher *matcher)
{
    if (!matcher) return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    as_free(matcher);
}

/* ---- searching ---- */

/* A stand-in on which the pattern's own characters and ranges decide as on the character itself. */
static uint32_t stand_in(as_matcher *m, const as_regex *regex, uint32_t point)
{
    const as_regex_bounds *bounds = &regex->bounds;
    uint32_t low = 0, high = 0x110000;
    if (m->memo[point % MEMO].regex == regex && m->memo[point % MEMO].point == point) {
        return m->memo[point % MEMO].stand_in;
    }
    for (size_t i = 0; i < bounds->count; i++) {
        if (bounds->points[i] <= point) low = bounds->points[i];
        if (bounds->points[i] > point) {
            high = bounds->points[i];
            break;
        }
    }
    uint32_t found = as_unicode_stand_in(point, low, high);
    m->memo[point % MEMO].regex = regex;
    m->memo[point % MEMO].point = point;
    m->memo[point % MEMO].stand_in = found;
    return found;
}

/* The text with newer characters replaced by their stand-ins, or the text itself where there are none. */
static as_code prepare(as_finder *finder, as_buf *room, as_error *err)
{
    const char *text = finder->text;
    size_t taken = 0;
    bool changed = false;
    for (size_t at = 0; at < finder->size;) {
        if ((unsigned char)text[at] < 0xCD) { /* nothing below U+0340 has a stand-in */
            at++;
            continue;
        }
        int length;
        uint32_t c = as_unicode_read(text + at, &length);
        if (as_unicode_is(c, AS_U_NEWER)) {
            if (!changed) as_buf_clear(room);
            changed = true;
            as_buf_add(room, text + taken, at - taken);
            as_buf_codepoint(room, stand_in(finder->matcher, finder->regex, c));
            taken = at + (size_t)length;
        }
        at += (size_t)length;
    }
    if (!changed) return AS_OK;
    as_buf_add(room, text + taken, finder->size - taken);
    AS_TRY(as_buf_check(room, "the text", err));
    finder->text = as_buf_text(room);
    return AS_OK;
}

as_code as_finder_start(as_finder *finder, const as_regex *regex, as_matcher *matcher, const char *text,
                        size_t size, as_buf *room, as_error *err)
{
    /* Characters that back references compare must stay what they are. */
    *finder =
        (as_finder){.regex = regex, .matcher = matcher, .text = text, .size = size, .last_end = SIZE_MAX};
    return regex->code && !regex->bounds.back_references ? prepare(finder, room, err) : AS_OK;
}

static as_code search(as_finder *finder, bool *found, size_t *start, size_t *end, as_error *err)
{
    const as_regex *regex = finder->regex;
    *found = false;
    if (!regex->code) {
        const char *hit =
            memmem(finder->text + finder->at, finder->size - finder->at, regex->literal, regex->literal_size);
        if (!hit) return AS_OK;
        *found = true;
        *start = (size_t)(hit - finder->text);
        *end = *start + regex->literal_size;
        return AS_OK;
    }
    as_matcher *m = finder->matcher;
    PCRE2_SPTR subject = (PCRE2_SPTR)finder->text;
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->compiled) {
        rc = pcre2_jit_match(regex->code, subject, finder->size, finder->at, 0, m->data, m->context);
    }
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        rc = pcre2_match(regex->code, subject, finder->size, finder->at, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         m->data, m->context);
    }
    if (rc == PCRE2_ERROR_NOMATCH) return AS_OK;
    if (rc == PCRE2_ERROR_NOMEMORY) return as_fail_memory(err, "the matching of a pattern");
    if (rc < 0) {
        PCRE2_UCHAR why[128] = "";
        pcre2_get_error_message(rc, why, sizeof why);
        return as_fail(err, AS_E_LIMIT, "a regular expression fails on this text at byte %zu: %s", finder->at,
                       (char *)why);
    }
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(m->data);
    *found = true;
    *start = at[0];
    *end = at[1];
    return AS_OK;
}

as_code as_finder_next(as_finder *finder, bool *found, size_t *start, size_t *end, as_error *err)
{
    for (;;) {
        *found = false;
        if (finder->at > finder->size) return AS_OK;
        AS_TRY(search(finder, found, start, end, err));
        if (!*found) return AS_OK;
        if (*start != *end || finder->last_end != *end) {
            finder->at = finder->last_end = *end;
            return AS_OK;
        }
        /* an empty match where the last one ended: try again one character on */
        finder->at += finder->at < finder->size ? (size_t)as_unicode_length(finder->text + finder->at) : 1;
    }
}
