/* vocab.json with merges.txt (byte-level BPE) and vocab.txt (WordPiece), as transformers makes tokenizers of
 * them by the tokenizer_class of tokenizer_config.json. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/load_class.h"

#define SPLIT_QWEN2                                                                                          \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| "                        \
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"                                                               \
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

/* The first is for a class that is not named here. */
static const struct merges_class {
    const char *name;
    const char *normalizer, *split; /* NULL: the split of GPT-2 */
    const char *defaults[AS_NAMED_TOKENS];
    bool roberta; /* puts cls before and sep after the text */
} merges_classes[] = {
    {"GPT2Tokenizer", "null", NULL, {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>"}, false},
    {"Qwen2Tokenizer",
     "{\"type\":\"NFC\"}",
     SPLIT_QWEN2,
     {NULL, "<|endoftext|>", "<|endoftext|>", NULL, "<|endoftext|>"},
     false},
    {"GPTNeoXTokenizer",
     "{\"type\":\"NFC\"}",
     NULL,
     {"<|endoftext|>", "<|endoftext|>", "<|endoftext|>", NULL, "<|padding|>"},
     false},
    {"RobertaTokenizer", "null", NULL, {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"}, true},
};

static const struct merges_class *find_class(const as_tokenizer_config *config)
{
    char room[64];
    const char *name = as_load_class_name(config, room);
    for (size_t i = 0; i < sizeof merges_classes / sizeof merges_classes[0]; i++) {
        if (strcmp(merges_classes[i].name, name) == 0) return &merges_classes[i];
    }
    return &merges_classes[0];
}

/* Lines "left right" after a first line "#version". */
static as_code read_merges(as_vocab_reader *reader, const char *text, size_t size, as_error *err)
{
    reader->merges = as_alloc(sizeof *reader->merges);
    if (!reader->merges) return as_fail_memory(err, "the merges");
    reader->merge_room = 1;
    for (size_t at = 0, line = 1; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (text + at)) : size - at;
        size_t next = at + length + 1;
        if (length && text[at + length - 1] == '\r') length--;
        const char *space = length ? memchr(text + at, ' ', length) : NULL;
        bool skip = length == 0 || (length >= 8 && memcmp(text + at, "#version", 8) == 0);
        if (!skip) {
            size_t left = space ? (size_t)(space - (text + at)) : 0;
            if (!space || memchr(space + 1, ' ', length - left - 1)) {
                return as_fail(err, AS_E_INPUT, "line %zu: not two tokens with a space between", line);
            }
            AS_TRY(as_vocab_reader_merge(
                reader, (as_vocab_merge){text + at, space + 1, left, length - left - 1}, err));
        }
        at = next;
    }
    return AS_OK;
}

static as_code check_text(const as_map *map, as_error *err)
{
    size_t bad = as_utf8_valid_prefix((const char *)map->data, map->size);
    return bad == map->size ? AS_OK : as_fail(err, AS_E_INPUT, "byte %zu is not valid UTF-8", bad);
}

static void merges_parts(const struct merges_class *class, bool add_space, as_buf *out)
{
    const char *space = add_space ? "true" : "false";
    as_buf_printf(out, "\"normalizer\":%s,\"pre_tokenizer\":", class->normalizer);
    if (class->split) {
        as_buf_printf(
            out,
            "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":\"%s\"},"
            "\"behavior\":\"Isolated\",\"invert\":false},",
            class->split);
    }
    as_buf_printf(
        out, "{\"type\":\"ByteLevel\",\"add_prefix_space\":%s,\"trim_offsets\":true,\"use_regex\":%s}%s,",
        space, class->split ? "false" : "true", class->split ? "]}" : "");
    as_buf_str(out, "\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                    "\"use_regex\":true},\"model\":{\"type\":\"BPE\"}");
}

static as_code assemble_merges(const as_vocab_reader *reader, as_tokenizer_config *config, as_tokenizer **out,
                               json_t **parts, as_error *err)
{
    const struct merges_class *kind = find_class(config);
    bool add_space = false;
    AS_TRY(as_json_get_bool(config->config, "add_prefix_space", &add_space, err));
    as_buf text;
    as_buf_init(&text, 0);
    merges_parts(kind, add_space, &text);
    as_load_class class = {.parts = as_buf_text(&text), .parts_size = text.size};
    memcpy(class.defaults, kind->defaults, sizeof class.defaults);
    if (kind->roberta) {
        const char *cls = as_tokenizer_config_token(config, "cls_token"),
                   *sep = as_tokenizer_config_token(config, "sep_token");
        class.always_first = cls ? cls : "<s>";
        class.always_last = sep ? sep : "</s>";
    }
    as_code rc = as_buf_check(&text, "the parts", err);
    if (rc == AS_OK) rc = as_load_assemble(&class, config, reader, out, parts, err);
    as_buf_free(&text);
    return rc;
}

as_code as_load_merges(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                       as_error *err)
{
    char merges_path[AS_PATH_MAX];
    as_map vocab = {0}, merges = {0};
    as_vocab_reader reader = {0};
    AS_TRY(as_path_join(merges_path, config->dir, "merges.txt", err));
    AS_TRY(as_map_open(path, &vocab, err));
    as_code rc = check_text(&vocab, err);
    if (rc == AS_OK) rc = as_vocab_reader_json(&reader, (const char *)vocab.data, vocab.size, err);
    if (rc != AS_OK) as_wrap(err, "%s", as_path_base(path));
    if (rc == AS_OK) {
        rc = as_map_open(merges_path, &merges, err);
        if (rc == AS_OK) rc = check_text(&merges, err);
        if (rc == AS_OK) rc = read_merges(&reader, (const char *)merges.data, merges.size, err);
        if (rc != AS_OK) as_wrap(err, "merges.txt");
    }
    if (rc == AS_OK) rc = assemble_merges(&reader, config, out, parts, err);
    as_vocab_reader_free(&reader);
    as_map_close(&merges);
    as_map_close(&vocab);
    return rc;
}

/* ---- vocab.txt ---- */

/* One token a line; a repeated one has the id of its last line. */
static as_code read_lines(as_vocab_reader *reader, const char *text, size_t size, as_error *err)
{
    int32_t line = 0;
    for (size_t at = 0; at < size; line++) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t length = end ? (size_t)(end - (text + at)) : size - at;
        if (line == INT32_MAX - 1) return as_fail(err, AS_E_LIMIT, "too many lines");
        size_t keep = length && text[at + length - 1] == '\r' ? length - 1 : length;
        AS_TRY(as_vocab_reader_token(reader, (as_vocab_token){text + at, keep, line, 0}, err));
        at += length + 1;
    }
    return AS_OK;
}

static as_code assemble_wordpiece(const as_vocab_reader *reader, as_tokenizer_config *config,
                                  as_tokenizer **out, json_t **parts, as_error *err)
{
    static const char *const names[] = {"do_lower_case", "tokenize_chinese_chars"};
    bool flags[2] = {true, true};
    for (int i = 0; i < 2; i++) AS_TRY(as_json_get_bool(config->config, names[i], &flags[i], err));
    const json_t *accents = json_object_get(config->config, "strip_accents");
    const char *unk = as_tokenizer_config_token(config, "unk_token"),
               *cls = as_tokenizer_config_token(config, "cls_token"),
               *sep = as_tokenizer_config_token(config, "sep_token");
    as_buf text;
    as_buf_init(&text, 0);
    as_buf_printf(
        &text, "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":%s,",
        flags[1] ? "true" : "false");
    as_buf_printf(&text,
                  "\"strip_accents\":%s,\"lowercase\":%s},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},",
                  json_is_true(accents)    ? "true"
                  : json_is_false(accents) ? "false"
                                           : "null",
                  flags[0] ? "true" : "false");
    as_buf_str(
        &text,
        "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},\"model\":{\"type\":"
        "\"WordPiece\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,\"unk_token\":");
    as_buf_json_string(&text, unk ? unk : "[UNK]", strlen(unk ? unk : "[UNK]"));
    as_buf_char(&text, '}');
    as_load_class class = {.defaults = {NULL, NULL, "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"},
                           .parts = as_buf_text(&text),
                           .parts_size = text.size,
                           .always_first = cls ? cls : "[CLS]",
                           .always_last = sep ? sep : "[SEP]"};
    as_code rc = as_buf_check(&text, "the parts", err);
    if (rc == AS_OK) rc = as_load_assemble(&class, config, reader, out, parts, err);
    as_buf_free(&text);
    return rc;
}

as_code as_load_wordpiece(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                          as_error *err)
{
    as_map map = {0};
    as_vocab_reader reader = {0};
    AS_TRY(as_map_open(path, &map, err));
    as_code rc = check_text(&map, err);
    if (rc == AS_OK) rc = read_lines(&reader, (const char *)map.data, map.size, err);
    if (rc == AS_OK) rc = assemble_wordpiece(&reader, config, out, parts, err);
    as_vocab_reader_free(&reader);
    as_map_close(&map);
    return rc == AS_OK ? rc : as_wrap(err, "%s", as_path_base(path));
}
