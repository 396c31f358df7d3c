/* tokenizer.json. The vocabulary and the merges, nearly all of it, are read as they stand in the file; the
 * rest becomes a tree. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/json_scan.h"
#include "engine/text/load.h"

typedef struct span {
    size_t start, end; /* start == end: not there */
} span;

/* ---- vocabulary reader ---- */

void as_vocab_reader_free(as_vocab_reader *reader)
{
    as_arena_free(&reader->arena);
    as_free(reader->tokens);
    as_free(reader->merges);
    *reader = (as_vocab_reader){0};
}

static as_code grow(void **at, size_t *room, size_t count, size_t size, as_error *err)
{
    if (count < *room) return AS_OK;
    size_t more = *room ? *room * 2 : 1024, bytes;
    void *now = as_mul_size(more, size, &bytes) ? as_realloc(*at, bytes) : NULL;
    if (!now) return as_fail_memory(err, "the vocabulary");
    *at = now;
    *room = more;
    return AS_OK;
}

as_code as_vocab_reader_token(as_vocab_reader *reader, as_vocab_token token, as_error *err)
{
    void *at = reader->tokens;
    AS_TRY(grow(&at, &reader->token_room, reader->token_count, sizeof token, err));
    reader->tokens = at;
    reader->tokens[reader->token_count++] = token;
    return AS_OK;
}

as_code as_vocab_reader_merge(as_vocab_reader *reader, as_vocab_merge merge, as_error *err)
{
    void *at = reader->merges;
    AS_TRY(grow(&at, &reader->merge_room, reader->merge_count, sizeof merge, err));
    reader->merges = at;
    reader->merges[reader->merge_count++] = merge;
    return AS_OK;
}

static as_code read_map(as_vocab_reader *reader, as_scan *scan, as_error *err)
{
    bool first = true, more;
    AS_TRY(as_scan_expect(scan, '{', err));
    for (;;) {
        AS_TRY(as_scan_more(scan, '}', &first, &more, err));
        if (!more) return AS_OK;
        as_vocab_token token = {0};
        int64_t id;
        AS_TRY(as_scan_string(scan, &token.text, &token.size, err));
        AS_TRY(as_scan_expect(scan, ':', err));
        as_scan_peek(scan);
        as_code rc = as_scan_count(scan, INT32_MAX - 1, &id, err);
        if (rc != AS_OK) {
            return as_wrap(err, "token \"%.*s\"", (int)(token.size < 60 ? token.size : 60), token.text);
        }
        token.id = (int32_t)id;
        AS_TRY(as_vocab_reader_token(reader, token, err));
    }
}

static as_code read_scores(as_vocab_reader *reader, as_scan *scan, as_error *err)
{
    bool first = true, more;
    AS_TRY(as_scan_expect(scan, '[', err));
    for (;;) {
        AS_TRY(as_scan_more(scan, ']', &first, &more, err));
        if (!more) return AS_OK;
        as_vocab_token token = {.id = (int32_t)reader->token_count};
        if (reader->token_count >= INT32_MAX) return as_fail(err, AS_E_LIMIT, "too many tokens");
        AS_TRY(as_scan_expect(scan, '[', err));
        AS_TRY(as_scan_string(scan, &token.text, &token.size, err));
        AS_TRY(as_scan_expect(scan, ',', err));
        AS_TRY(as_scan_real(scan, &token.score, err));
        AS_TRY(as_scan_expect(scan, ']', err));
        AS_TRY(as_vocab_reader_token(reader, token, err));
    }
}

as_code as_vocab_reader_json(as_vocab_reader *reader, const char *text, size_t size, as_error *err)
{
    as_scan scan = {.text = text, .size = size, .arena = &reader->arena};
    AS_TRY(as_scan_peek(&scan) == '[' ? read_scores(reader, &scan, err) : read_map(reader, &scan, err));
    if (as_scan_peek(&scan)) return as_fail(err, AS_E_INPUT, "there is more after the end of the vocabulary");
    return AS_OK;
}

/* ---- merges ---- */

/* "a b": exactly one space. */
static as_code split_merge(const char *text, size_t size, size_t rank, as_vocab_merge *merge, as_error *err)
{
    const char *space = memchr(text, ' ', size);
    if (!space || memchr(space + 1, ' ', size - (size_t)(space + 1 - text))) {
        return as_fail(err, AS_E_INPUT, "merge %zu is \"%.*s\", expected two tokens with a space between",
                       rank, (int)(size < 60 ? size : 60), text);
    }
    *merge = (as_vocab_merge){text, space + 1, (size_t)(space - text), size - (size_t)(space + 1 - text)};
    return AS_OK;
}

static as_code read_merge(as_vocab_reader *reader, as_scan *scan, as_error *err)
{
    as_vocab_merge merge = {0};
    if (as_scan_peek(scan) == '[') {
        AS_TRY(as_scan_expect(scan, '[', err));
        AS_TRY(as_scan_string(scan, &merge.left, &merge.left_size, err));
        AS_TRY(as_scan_expect(scan, ',', err));
        AS_TRY(as_scan_string(scan, &merge.right, &merge.right_size, err));
        AS_TRY(as_scan_expect(scan, ']', err));
    } else {
        const char *text;
        size_t size;
        AS_TRY(as_scan_string(scan, &text, &size, err));
        if (size >= 8 && memcmp(text, "#version", 8) == 0) return AS_OK;
        AS_TRY(split_merge(text, size, reader->merge_count, &merge, err));
    }
    return as_vocab_reader_merge(reader, merge, err);
}

static as_code read_merges(as_vocab_reader *reader, as_scan *scan, as_error *err)
{
    bool first = true, more;
    AS_TRY(as_scan_expect(scan, '[', err));
    reader->merges = as_alloc(sizeof *reader->merges); /* a list is there, if an empty one */
    if (!reader->merges) return as_fail_memory(err, "the merges");
    reader->merge_room = 1;
    for (;;) {
        AS_TRY(as_scan_more(scan, ']', &first, &more, err));
        if (!more) return AS_OK;
        AS_TRY(read_merge(reader, scan, err));
    }
}

/* ---- the file ---- */

/* Finds fields of the object that begins at scan->at. */
static as_code find_fields(as_scan *scan, const char *const *names, span *spans, size_t count, as_error *err)
{
    bool first = true, more;
    AS_TRY(as_scan_expect(scan, '{', err));
    for (;;) {
        AS_TRY(as_scan_more(scan, '}', &first, &more, err));
        if (!more) return AS_OK;
        const char *key;
        size_t size;
        span value;
        AS_TRY(as_scan_string(scan, &key, &size, err));
        AS_TRY(as_scan_expect(scan, ':', err));
        AS_TRY(as_scan_skip(scan, &value.start, &value.end, err));
        for (size_t i = 0; i < count; i++) {
            if (strlen(names[i]) == size && memcmp(names[i], key, size) == 0) spans[i] = value;
        }
    }
}

static bool is_null(const char *text, span at)
{
    return at.end - at.start == 4 && memcmp(text + at.start, "null", 4) == 0;
}

/* The file without its large lists. */
static as_code parse_rest(const char *text, size_t size, span a, span b, json_t **out, as_error *err)
{
    as_buf rest;
    as_buf_init(&rest, 0);
    if (a.start > b.start) {
        span swap = a;
        a = b;
        b = swap;
    }
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        span cut = i ? b : a;
        if (cut.start == cut.end) continue;
        as_buf_add(&rest, text + at, cut.start - at);
        as_buf_str(&rest, "null");
        at = cut.end;
    }
    as_buf_add(&rest, text + at, size - at);
    as_code rc = as_buf_check(&rest, "tokenizer.json", err);
    if (rc == AS_OK) {
        rc = as_json_parse(as_buf_text(&rest), rest.size, AS_JSON_LENIENT, "without vocabulary and merges",
                           out, err);
    }
    as_buf_free(&rest);
    return rc;
}

static as_code check_version(const json_t *parts, as_error *err)
{
    const char *version = "1.0";
    AS_TRY(as_json_get_string(parts, "version", &version, err));
    if (strcmp(version, "1.0") == 0) return AS_OK;
    return as_fail(err, AS_E_UNSUPPORTED, "\"version\" is \"%.20s\", expected \"1.0\"", version);
}

static as_code read_vocab(as_vocab_reader *reader, const char *text, span vocab, span merges, as_error *err)
{
    if (vocab.start == vocab.end || is_null(text, vocab))
        return as_fail(err, AS_E_INPUT, "\"vocab\" is missing");
    as_scan scan = {.text = text, .size = vocab.end, .at = vocab.start, .arena = &reader->arena};
    as_code rc = as_scan_peek(&scan) == '[' ? read_scores(reader, &scan, err) : read_map(reader, &scan, err);
    if (rc != AS_OK) return as_wrap(err, "vocab");
    if (merges.start == merges.end || is_null(text, merges)) return AS_OK;
    scan.at = merges.start;
    scan.size = merges.end;
    rc = read_merges(reader, &scan, err);
    return rc == AS_OK ? AS_OK : as_wrap(err, "merges");
}

static as_code load(const char *text, size_t size, as_vocab_reader *reader, as_tokenizer **out,
                    json_t **parts, as_error *err)
{
    static const char *const top_names[] = {"model"}, *const model_names[] = {"vocab", "merges"};
    span model = {0, 0}, lists[2] = {{0, 0}, {0, 0}};
    as_scan scan = {.text = text, .size = size, .arena = &reader->arena};
    AS_TRY(find_fields(&scan, top_names, &model, 1, err));
    if (model.start == model.end || text[model.start] != '{') {
        return as_fail(err, AS_E_INPUT, "\"model\" is missing");
    }
    scan.at = model.start;
    as_code rc = find_fields(&scan, model_names, lists, 2, err);
    if (rc == AS_OK) rc = read_vocab(reader, text, lists[0], lists[1], err);
    if (rc != AS_OK) return as_wrap(err, "model");
    AS_TRY(parse_rest(text, size, lists[0], lists[1], parts, err));
    AS_TRY(check_version(*parts, err));
    as_tokenizer_spec spec = {.tokens = reader->tokens,
                              .token_count = reader->token_count,
                              .merges = reader->merges,
                              .merge_count = reader->merge_count};
    return as_tokenizer_assemble(&spec, *parts, out, err);
}

as_code as_load_json(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                     as_error *err)
{
    (void)config; /* the file decides */
    as_map map;
    AS_TRY(as_map_open(path, &map, err));
    as_vocab_reader reader = {0};
    const char *text = (const char *)map.data;
    size_t bad = as_utf8_valid_prefix(text, map.size);
    json_t *tree = NULL;
    as_code rc = bad == map.size ? load(text, map.size, &reader, out, &tree, err)
                                 : as_fail(err, AS_E_INPUT, "byte %zu is not valid UTF-8", bad);
    as_vocab_reader_free(&reader);
    as_map_close(&map);
    if (rc != AS_OK) {
        json_decref(tree);
        return as_wrap(err, "%s", as_path_base(path));
    }
    *parts = tree;
    return AS_OK;
}
