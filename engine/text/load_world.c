/* RWKV's world vocabulary; see load_world.h. */
#include "engine/text/load_world.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/byte_level.h"

const char as_world_parts[] = "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_"
                              "offsets\":true,\"use_regex\":"
                              "false},\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_"
                              "offsets\":true,\"use_regex\":"
                              "false},\"model\":{\"type\":\"World\"}";

/* ---- Python literals ---- */

/* Digits of an escape: value, or -1 where one of them is no hexadecimal digit. */
static int64_t hex(const char *text, size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = text[i];
        const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c + 32 : c) : NULL;
        if (!digit) return -1;
        value = value * 16 + (digit - digits);
    }
    return value;
}

/* An escape of several digits at text[0], which is its letter; *used is its length. */
static bool put_number(const char *text, size_t size, as_world_escapes form, as_buf *out, size_t *used)
{
    size_t digits = text[0] == 'x' ? 2 : text[0] == 'u' ? 4 : text[0] == 'U' ? 8 : 0;
    if (digits == 0 || (digits > 2 && form == AS_WORLD_BYTES) || size - 1 < digits) return false;
    int64_t value = hex(text + 1, digits);
    if (value < 0 || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return false;
    if (form == AS_WORLD_BYTES) {
        as_buf_char(out, (char)value);
    } else {
        as_buf_codepoint(out, (uint32_t)value);
    }
    *used = 1 + digits;
    return true;
}

as_code as_world_unescape(const char *text, size_t size, as_world_escapes form, as_buf *out, as_error *err)
{
    static const char names[] = "\\'\"nrtabfv", values[] = "\\'\"\n\r\t\a\b\f\v";
    for (size_t at = 0; at < size;) {
        const char *escape = memchr(text + at, '\\', size - at);
        size_t plain = escape ? (size_t)(escape - (text + at)) : size - at, used = 1;
        as_buf_add(out, text + at, plain);
        at += plain;
        if (!escape) break;
        at++;
        const char *name = at < size && text[at] ? strchr(names, text[at]) : NULL;
        if (name) {
            as_buf_char(out, values[name - names]);
        } else if (at >= size || !put_number(text + at, size - at, form, out, &used)) {
            return as_fail(err, AS_E_INPUT, "\"%.*s\" has an escape that is not known",
                           (int)(size < 60 ? size : 60), text);
        }
        at += used;
    }
    return as_buf_check(out, "the vocabulary", err);
}

/* 'text', "text", b'bytes' or b"bytes", nothing before or behind it. */
static bool find_literal(const char *text, size_t size, const char **inside, size_t *inside_size,
                         as_world_escapes *form)
{
    size_t start = size && text[0] == 'b';
    if (size < start + 2 || (text[start] != '\'' && text[start] != '"')) return false;
    char quote = text[start];
    if (text[size - 1] != quote) return false;
    *inside = text + start + 1;
    *inside_size = size - start - 2;
    *form = start ? AS_WORLD_BYTES : AS_WORLD_TEXT;
    /* The quote must not end earlier, nor the last one be escaped. */
    for (size_t i = 0; i < *inside_size; i++) {
        if ((*inside)[i] == quote) return false;
        if ((*inside)[i] == '\\' && ++i == *inside_size) return false;
    }
    return true;
}

static as_code read_literal(const char *text, size_t size, as_buf *out, as_error *err)
{
    const char *inside;
    size_t inside_size;
    as_world_escapes form;
    if (!find_literal(text, size, &inside, &inside_size, &form)) {
        return as_fail(err, AS_E_INPUT, "%.*s is not a Python string", (int)(size < 60 ? size : 60), text);
    }
    as_buf_clear(out);
    return as_world_unescape(inside, inside_size, form, out, err);
}

/* ---- lines ---- */

static size_t line_size(const char *text, size_t size)
{
    const char *end = size ? memchr(text, '\n', size) : NULL; /* an empty file has no text at all */
    return end ? (size_t)(end - text) : size;
}

bool as_world_is_vocab(const char *text, size_t size)
{
    const char *inside;
    as_world_escapes form;
    size_t line = line_size(text, size), at = 0, skipped;
    if (line && text[line - 1] == '\r') line--;
    while (at < line && text[at] >= '0' && text[at] <= '9') at++;
    if (at == 0) return find_literal(text, line, &inside, &skipped, &form);
    return at + 2 < line && text[at] == ' ' && (text[at + 1] == 'b' || strchr("'\"", text[at + 1]));
}

/* Digits of at most nine places; false for anything else. */
static bool read_count(const char *text, size_t size, int32_t *out)
{
    int32_t value = 0;
    if (size == 0 || size > 9) return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (text[i] - '0');
    }
    *out = value;
    return true;
}

/* `ID LITERAL LENGTH` */
static as_code read_numbered(const char *text, size_t size, as_buf *bytes, int32_t *id, as_error *err)
{
    const char *first = memchr(text, ' ', size), *last = memrchr(text, ' ', size);
    int32_t length;
    if (!first || first == last || !read_count(text, (size_t)(first - text), id) ||
        !read_count(last + 1, (size_t)(text + size - last - 1), &length)) {
        return as_fail(err, AS_E_INPUT, "expected a number, a Python string and its length");
    }
    AS_TRY(read_literal(first + 1, (size_t)(last - first - 1), bytes, err));
    if (bytes->size == (size_t)length) return AS_OK;
    return as_fail(err, AS_E_INPUT, "the token has %zu bytes, the line says %d", bytes->size, (int)length);
}

as_code as_world_add(as_vocab_reader *reader, const as_buf *bytes, int32_t id, as_error *err)
{
    as_buf letters;
    as_buf_init(&letters, 0);
    as_byte_level_write(as_buf_text(bytes), bytes->size, &letters);
    as_code rc = as_buf_check(&letters, "the vocabulary", err);
    char *text = rc == AS_OK ? as_arena_strndup(&reader->arena, as_buf_text(&letters), letters.size) : NULL;
    size_t size = letters.size;
    as_buf_free(&letters);
    AS_TRY(rc);
    if (!text) return as_fail_memory(err, "the vocabulary");
    return as_vocab_reader_token(reader, (as_vocab_token){text, size, id, 0}, err);
}

static as_code read_lines(as_vocab_reader *reader, const char *text, size_t size, as_buf *bytes,
                          bool *has_zero, as_error *err)
{
    bool numbered = size && text[0] >= '0' && text[0] <= '9';
    int32_t line = 0;
    for (size_t at = 0; at < size; line++) {
        size_t length = line_size(text + at, size - at);
        size_t keep = length && text[at + length - 1] == '\r' ? length - 1 : length;
        int32_t id = line;
        if (line == INT32_MAX - 1) return as_fail(err, AS_E_LIMIT, "too many lines");
        if (keep) {
            as_code rc = numbered ? read_numbered(text + at, keep, bytes, &id, err)
                                  : read_literal(text + at, keep, bytes, err);
            if (rc == AS_OK) rc = as_world_add(reader, bytes, id, err);
            if (rc != AS_OK) return as_wrap(err, "line %d", (int)line + 1);
            if (id == 0) *has_zero = true;
        }
        at += length + 1;
    }
    return reader->token_count ? AS_OK : as_fail(err, AS_E_INPUT, "it has no tokens");
}

/* Id 0 stands in no such file: it ends a document. */
static as_code add_end(as_vocab_reader *reader, const char *name, as_error *err)
{
    as_buf bytes;
    as_buf_init(&bytes, 0);
    as_buf_str(&bytes, name);
    as_code rc = as_buf_check(&bytes, "the vocabulary", err);
    if (rc == AS_OK) rc = as_world_add(reader, &bytes, 0, err);
    as_buf_free(&bytes);
    return rc;
}

static as_code read_file(as_vocab_reader *reader, const as_map *map, const char *end_name, as_error *err)
{
    const char *text = (const char *)map->data;
    size_t bad = as_utf8_valid_prefix(text, map->size);
    if (bad != map->size) return as_fail(err, AS_E_INPUT, "byte %zu is not valid UTF-8", bad);
    as_buf bytes;
    bool has_zero = false;
    as_buf_init(&bytes, 0);
    as_code rc = read_lines(reader, text, map->size, &bytes, &has_zero, err);
    as_buf_free(&bytes);
    return rc == AS_OK && !has_zero ? add_end(reader, end_name, err) : rc;
}

as_code as_load_world(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                      as_error *err)
{
    const char *named = as_tokenizer_config_token(config, "eos_token");
    const char *end = named && *named ? named : "<|endoftext|>";
    as_map map = {0};
    as_vocab_reader reader = {0};
    AS_TRY(as_map_open(path, &map, err));
    as_code rc = read_file(&reader, &map, end, err);
    as_load_class class = {.defaults = {end, end, end, NULL, end},
                           .parts = as_world_parts,
                           .parts_size = strlen(as_world_parts)};
    if (rc == AS_OK) rc = as_load_assemble(&class, config, &reader, out, parts, err);
    as_vocab_reader_free(&reader);
    as_map_close(&map);
    return rc == AS_OK ? rc : as_wrap(err, "%s", as_path_base(path));
}
