/* How many ids a tokenizer file gives. The files are walked once and nothing is built: a vocabulary of 30 MB
 * would become a tree of ten times the size. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "suites/rules/rules.h"

typedef struct walker {
    const char *text;
    size_t size, at;
    int64_t largest; /* id seen, -1: none */
    as_error *err;
} walker;

static as_code malformed(walker *w, const char *expected)
{
    return as_fail(w->err, AS_E_INPUT, "byte %zu: expected %s", w->at, expected);
}

static char next(walker *w)
{
    while (w->at < w->size && strchr(" \t\r\n", w->text[w->at]) && w->text[w->at]) w->at++;
    return w->at < w->size ? w->text[w->at] : 0;
}

static as_code take(walker *w, char c)
{
    char what[] = {'\'', c, '\'', 0};
    if (next(w) != c) return malformed(w, what);
    w->at++;
    return AS_OK;
}

/* A string between its quotes, escapes left as they are. */
static as_code take_string(walker *w, const char **text, size_t *size)
{
    AS_TRY(take(w, '"'));
    size_t start = w->at;
    while (w->at < w->size && w->text[w->at] != '"') w->at += w->text[w->at] == '\\' ? 2 : 1;
    if (w->at >= w->size) return malformed(w, "a closing quote");
    *text = w->text + start;
    *size = w->at++ - start;
    return AS_OK;
}

/* Any value. Counts brackets instead of recursing: depth is the file's to choose. */
static as_code skip_value(walker *w)
{
    const char *text;
    size_t size;
    int64_t depth = 0;
    do {
        char c = next(w);
        if (c == 0) return malformed(w, "a value");
        if (c == '"') {
            AS_TRY(take_string(w, &text, &size));
        } else {
            if (c == '{' || c == '[') depth++;
            if (c == '}' || c == ']') {
                if (--depth < 0) return malformed(w, "a value");
            }
            w->at++;
            if (!strchr("{}[],:", c)) {
                while (w->at < w->size && w->text[w->at] && !strchr("{}[],: \t\r\n\"", w->text[w->at]))
                    w->at++;
            }
        }
    } while (depth > 0);
    return AS_OK;
}

static as_code take_id(walker *w)
{
    char c = next(w);
    int64_t value = 0;
    if (c < '0' || c > '9') return skip_value(w); /* not an id: null, a text */
    for (; w->at < w->size && w->text[w->at] >= '0' && w->text[w->at] <= '9'; w->at++) {
        if (value > INT64_MAX / 100) return malformed(w, "an id within reason");
        value = value * 10 + (w->text[w->at] - '0');
    }
    if (value > w->largest) w->largest = value;
    return AS_OK;
}

typedef as_code member_function(walker *w, const char *key, size_t size);

static as_code walk_object(walker *w, member_function *member)
{
    AS_TRY(take(w, '{'));
    if (next(w) == '}') {
        w->at++;
        return AS_OK;
    }
    for (;;) {
        const char *key;
        size_t size;
        AS_TRY(take_string(w, &key, &size));
        AS_TRY(take(w, ':'));
        AS_TRY(member(w, key, size));
        if (next(w) == '}') {
            w->at++;
            return AS_OK;
        }
        AS_TRY(take(w, ','));
    }
}

static as_code walk_array(walker *w, as_code (*item)(walker *w), int64_t *count)
{
    AS_TRY(take(w, '['));
    *count = 0;
    if (next(w) == ']') {
        w->at++;
        return AS_OK;
    }
    for (;;) {
        AS_TRY(item(w));
        (*count)++;
        if (next(w) == ']') {
            w->at++;
            return AS_OK;
        }
        AS_TRY(take(w, ','));
    }
}

static bool is_key(const char *key, size_t size, const char *wanted)
{
    return size == strlen(wanted) && memcmp(key, wanted, size) == 0;
}

static as_code vocabulary_member(walker *w, const char *key, size_t size)
{
    (void)key;
    (void)size;
    return take_id(w);
}

static as_code model_member(walker *w, const char *key, size_t size)
{
    if (!is_key(key, size, "vocab")) return skip_value(w);
    if (next(w) == '{') return walk_object(w, vocabulary_member);
    if (next(w) != '[') return skip_value(w);
    int64_t count; /* pieces with scores, their place is their id */
    AS_TRY(walk_array(w, skip_value, &count));
    if (count - 1 > w->largest) w->largest = count - 1;
    return AS_OK;
}

static as_code token_member(walker *w, const char *key, size_t size)
{
    return is_key(key, size, "id") ? take_id(w) : skip_value(w);
}

static as_code added_token(walker *w)
{
    return next(w) == '{' ? walk_object(w, token_member) : skip_value(w);
}

static as_code top_member(walker *w, const char *key, size_t size)
{
    int64_t count;
    if (is_key(key, size, "model") && next(w) == '{') return walk_object(w, model_member);
    if (is_key(key, size, "added_tokens") && next(w) == '[') return walk_array(w, added_token, &count);
    return skip_value(w);
}

static as_code walk(const char *text, size_t size, member_function *member, int64_t *out, as_error *err)
{
    walker w = {.text = text, .size = size, .largest = -1, .err = err};
    AS_TRY(walk_object(&w, member));
    if (w.largest < 0) return as_fail(err, AS_E_INPUT, "no vocabulary in it");
    *out = w.largest + 1;
    return AS_OK;
}

as_code as_token_count_json(const char *text, size_t size, int64_t *out, as_error *err)
{
    return walk(text, size, top_member, out, err);
}

as_code as_token_count_vocab_json(const char *text, size_t size, int64_t *out, as_error *err)
{
    return walk(text, size, vocabulary_member, out, err);
}

static bool take_varint(const unsigned char *bytes, size_t size, size_t *at, uint64_t *out)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && *at < size; shift += 7) {
        unsigned char byte = bytes[(*at)++];
        value |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80)) {
            *out = value;
            return true;
        }
    }
    return false;
}

/* sentencepiece_model.proto: field 1 of the message, repeated, is a piece. */
as_code as_token_count_sentencepiece(const char *bytes, size_t size, int64_t *out, as_error *err)
{
    enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 };
    const unsigned char *from = (const unsigned char *)bytes;
    int64_t pieces = 0;
    for (size_t at = 0; at < size;) {
        uint64_t tag = 0, length = 0;
        bool ok = take_varint(from, size, &at, &tag);
        int kind = (int)(tag & 7);
        if (ok && (kind == VARINT || kind == LENGTH)) ok = take_varint(from, size, &at, &length);
        if (kind == VARINT) length = 0;
        if (kind == FIXED64) length = 8;
        if (kind == FIXED32) length = 4;
        if (!ok || kind == 3 || kind == 4 || kind > FIXED32 || length > size - at) {
            return as_fail(err, AS_E_INPUT, "byte %zu: not a SentencePiece model", at);
        }
        if (tag >> 3 == 1 && kind == LENGTH) pieces++;
        at += length;
    }
    if (pieces == 0) return as_fail(err, AS_E_INPUT, "no vocabulary in it");
    *out = pieces;
    return AS_OK;
}

/* A token a line; where lines begin with a number, that is the id. */
as_code as_token_count_lines(const char *text, size_t size, int64_t *out, as_error *err)
{
    int64_t lines = 0, largest = -1;
    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t stop = end ? (size_t)(end - text) : size;
        int64_t id = 0;
        size_t digits = at;
        while (digits < stop && digits - at < 15 && text[digits] >= '0' && text[digits] <= '9') {
            id = id * 10 + (text[digits++] - '0');
        }
        if (digits > at && digits < stop && text[digits] == ' ' && id > largest) largest = id;
        lines++;
        at = stop + 1;
    }
    if (lines == 0) return as_fail(err, AS_E_INPUT, "no vocabulary in it");
    *out = largest >= lines - 1 ? largest + 1 : lines;
    return AS_OK;
}
