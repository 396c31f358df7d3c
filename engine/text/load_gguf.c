/* The tokenizer of a GGUF file: its lists of tokens, scores, types and merges, and the parts that go with
 * each tokenizer.ggml.model, put together as for the other file forms. */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/load/gguf.h"
#include "engine/text/base64.h"
#include "engine/text/gguf_pre.h"
#include "engine/text/load_class.h"
#include "engine/text/load_world.h"

#define KEY(name) "tokenizer.ggml." name

/* tokenizer.ggml.token_type */
enum { TYPE_NORMAL = 1, TYPE_UNKNOWN = 2, TYPE_CONTROL = 3, TYPE_USER = 4, TYPE_UNUSED = 5, TYPE_BYTE = 6 };

typedef struct gguf_tokens {
    const as_gguf *gguf;
    as_vocab_reader reader;
    const as_gguf_value *scores, *types; /* NULL: none */
    as_load_token *specials;             /* control and user-defined tokens */
    size_t special_count;
    bool adds_bos, adds_eos, adds_space; /* what the model does unless the file says otherwise */
    const char *first, *last;            /* tokens that always stand around a text */
} gguf_tokens;

typedef struct gguf_model {
    const char *name; /* tokenizer.ggml.model */
    bool adds_bos, adds_eos, adds_space;
    bool cleans_spaces; /* in what it decodes, as clean_up_tokenization_spaces does */
    /* Turns one token of the file into one of the vocabulary. */
    as_code (*put)(gguf_tokens *t, const char *text, size_t size, int64_t type, as_vocab_token *token,
                   as_error *err);
    /* Reads what else the model needs and writes the parts. */
    as_code (*finish)(gguf_tokens *t, as_buf *parts, as_error *err);
} gguf_model;

/* ---- look-ups ---- */

/* The spelling of the token whose id stands under a key, NULL where there is none. */
static const char *named_token(const gguf_tokens *t, const char *key)
{
    int64_t id = -1;
    if (as_gguf_get_int(t->gguf, key, &id, NULL) != AS_OK) return NULL;
    return id >= 0 && (uint64_t)id < t->reader.token_count ? t->reader.tokens[id].text : NULL;
}

static as_code flag(const gguf_tokens *t, const char *key, bool *out, as_error *err)
{
    return as_gguf_get_bool(t->gguf, key, out, err);
}

static void write_model(const char *type, const char *unk, const char *more, as_buf *out)
{
    as_buf_printf(out, ",\"model\":{\"type\":\"%s\"%s", type, more);
    if (unk) {
        as_buf_str(out, ",\"unk_token\":");
        as_buf_json_string(out, unk, strlen(unk));
    }
    as_buf_char(out, '}');
}

/* ---- llama: SentencePiece BPE ---- */

static as_code put_plain(gguf_tokens *t, const char *text, size_t size, int64_t type, as_vocab_token *token,
                         as_error *err)
{
    (void)t, (void)type, (void)err;
    token->text = text;
    token->size = size;
    return AS_OK;
}

static as_code write_spm(const gguf_tokens *t, as_buf *out)
{
    as_buf_str(out, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (t->adds_space) as_buf_str(out, "{\"type\":\"Prepend\",\"prepend\":\"\u2581\"},");
    as_buf_str(out,
               "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]},"
               "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
               "\"String\":\"\u2581\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}");
    if (t->adds_space) as_buf_str(out, ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}");
    as_buf_str(out, "]}");
    write_model("BPE", named_token(t, KEY("unknown_token_id")), ",\"byte_fallback\":true,\"fuse_unk\":true",
                out);
    return AS_OK;
}

static as_code finish_spm(gguf_tokens *t, as_buf *out, as_error *err)
{
    AS_TRY(as_spm_make_merges(&t->reader, t->scores ? AS_SPM_BY_SCORE : AS_SPM_BY_ID, err));
    return write_spm(t, out);
}

/* ---- gpt2: byte-level BPE ---- */

static as_code read_merges(gguf_tokens *t, as_error *err)
{
    const as_gguf_value *merges = NULL;
    as_gguf_cursor at;
    const char *text;
    size_t size;
    AS_TRY(as_gguf_get_strings(t->gguf, KEY("merges"), &merges, err));
    if (!merges) return as_fail(err, AS_E_INPUT, "\"" KEY("merges") "\" is missing");
    t->reader.merges = as_alloc(sizeof *t->reader.merges);
    if (!t->reader.merges) return as_fail_memory(err, "the merges");
    t->reader.merge_room = 1;
    for (as_gguf_first(&at, merges); as_gguf_next(&at, &text, &size);) {
        /* A token may begin with a space itself, so the first place is not looked at. */
        const char *space = size > 2 ? memchr(text + 1, ' ', size - 1) : NULL;
        if (!space || space + 1 == text + size || !as_utf8_is_valid(text, size)) {
            return as_fail(err, AS_E_INPUT, "merge %llu is not two tokens with a space between",
                           (unsigned long long)at.done - 1);
        }
        size_t left = (size_t)(space - text);
        AS_TRY(
            as_vocab_reader_merge(&t->reader, (as_vocab_merge){text, space + 1, left, size - left - 1}, err));
    }
    return AS_OK;
}

/* Gemma 4: the same letters, with merges of its own. */
static as_code finish_gemma4(gguf_tokens *t, as_buf *out, as_error *err)
{
    AS_TRY(read_merges(t, err));
    return write_spm(t, out);
}

static as_code finish_bpe(gguf_tokens *t, as_buf *out, as_error *err)
{
    const char *name = "";
    size_t size = 0;
    const as_gguf_pre *pre;
    AS_TRY(read_merges(t, err));
    AS_TRY(as_gguf_get_string(t->gguf, KEY("pre"), &name, &size, err));
    AS_TRY(as_gguf_pre_find(name, size, &pre, err));
    if (!as_gguf_find(t->gguf, KEY("add_bos_token"))) t->adds_bos = pre->adds_bos;
    as_gguf_pre_write(pre, t->adds_space, out);
    as_buf_str(out, ",\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,\"trim_offsets\":true,"
                    "\"use_regex\":true}");
    write_model("BPE", NULL, pre->ignore_merges ? ",\"ignore_merges\":true" : "", out);
    return AS_OK;
}

/* ---- bert: WordPiece ---- */

/* The file marks the begin of a word where the vocabulary marked its continuation. */
static as_code put_word(gguf_tokens *t, const char *text, size_t size, int64_t type, as_vocab_token *token,
                        as_error *err)
{
    static const char mark[] = "\u2581";
    size_t marked = sizeof mark - 1;
    if (size >= marked && memcmp(text, mark, marked) == 0) {
        return put_plain(t, text + marked, size - marked, type, token, err);
    }
    if (type != TYPE_NORMAL || (size && text[0] == '[' && text[size - 1] == ']')) {
        return put_plain(t, text, size, type, token, err);
    }
    char *room = as_arena_alloc(&t->reader.arena, size + 3);
    if (!room) return as_fail_memory(err, "the vocabulary");
    memcpy(room, "##", 2);
    memcpy(room + 2, text, size);
    room[size + 2] = 0;
    return put_plain(t, room, size + 2, type, token, err);
}

static as_code finish_wordpiece(gguf_tokens *t, as_buf *out, as_error *err)
{
    bool lower = true, strip = true;
    AS_TRY(flag(t, KEY("normalizer.lowercase"), &lower, err));
    AS_TRY(flag(t, KEY("normalizer.strip_accents"), &strip, err));
    t->first = named_token(t, KEY("cls_token_id"));
    if (!t->first) t->first = named_token(t, KEY("bos_token_id"));
    t->last = named_token(t, KEY("seperator_token_id")); /* so spelled in the format */
    if (!t->last) t->last = named_token(t, KEY("eos_token_id"));
    as_buf_printf(out,
                  "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":"
                  "true,\"strip_accents\":%s,\"lowercase\":%s},\"pre_tokenizer\":{\"type\":"
                  "\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":"
                  "true}",
                  strip ? "true" : "false", lower ? "true" : "false");
    const char *unk = named_token(t, KEY("unknown_token_id"));
    write_model("WordPiece", unk ? unk : "[UNK]",
                ",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100", out);
    return AS_OK;
}

/* ---- t5: SentencePiece Unigram ---- */

static as_code write_charsmap(const gguf_tokens *t, as_buf *out, as_error *err)
{
    const as_gguf_value *map = as_gguf_find(t->gguf, KEY("precompiled_charsmap"));
    if (!map || map->count == 0) return AS_OK;
    if (map->type != AS_GGUF_ARRAY || (map->item != AS_GGUF_U8 && map->item != AS_GGUF_I8)) {
        return as_fail(err, AS_E_INPUT, "\"" KEY("precompiled_charsmap") "\" is no array of bytes");
    }
    as_buf_str(out, "\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
    as_base64_encode(map->at, map->count, out);
    as_buf_str(out, "\"},");
    return AS_OK;
}

static as_code finish_unigram(gguf_tokens *t, as_buf *out, as_error *err)
{
    bool squeeze = false;
    int64_t unk = 0;
    AS_TRY(flag(t, KEY("remove_extra_whitespaces"), &squeeze, err));
    AS_TRY(as_gguf_get_int(t->gguf, KEY("unknown_token_id"), &unk, err));
    if (!t->scores) return as_fail(err, AS_E_INPUT, "\"" KEY("scores") "\" is missing");
    AS_TRY(write_charsmap(t, out, err));
    const char *scheme = t->adds_space ? "always" : "never";
    as_buf_printf(
        out,
        "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[%s{\"type\":\"Metaspace\","
        "\"replacement\":\"\u2581\",\"prepend_scheme\":\"%s\",\"split\":true}]},\"decoder\":{"
        "\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"%s\",\"split\":true}",
        squeeze ? "{\"type\":\"WhitespaceSplit\"}," : "", scheme, scheme);
    as_buf_printf(out, ",\"model\":{\"type\":\"Unigram\",\"unk_id\":%lld}", (long long)unk);
    return AS_OK;
}

/* ---- rwkv: byte strings ---- */

static as_code put_world(gguf_tokens *t, const char *text, size_t size, int64_t type, as_vocab_token *token,
                         as_error *err)
{
    (void)type, (void)token; /* adds the token itself */
    as_buf bytes;
    as_buf_init(&bytes, 0);
    as_code rc = as_world_unescape(text, size, AS_WORLD_BYTES, &bytes, err);
    if (rc == AS_OK) rc = as_world_add(&t->reader, &bytes, token->id, err);
    as_buf_free(&bytes);
    return rc;
}

static as_code finish_world(gguf_tokens *t, as_buf *out, as_error *err)
{
    (void)t, (void)err;
    as_buf_str(out, as_world_parts);
    return AS_OK;
}

static const gguf_model models[] = {
    {"llama", true, false, true, false, put_plain, finish_spm},
    {"gpt2", false, false, false, false, put_plain, finish_bpe},
    {"gemma4", true, false, false, false, put_plain, finish_gemma4},
    {"bert", true, false, false, true, put_word, finish_wordpiece},
    {"t5", false, true, true, false, put_plain, finish_unigram},
    {"rwkv", false, false, false, false, put_world, finish_world},
};
enum { MODELS = sizeof models / sizeof models[0] };

/* ---- tokens ---- */

static as_code find_model(const as_gguf *gguf, const gguf_model **out, as_error *err)
{
    const char *name = NULL;
    size_t size = 0;
    AS_TRY(as_gguf_get_string(gguf, KEY("model"), &name, &size, err));
    if (!name) return as_fail(err, AS_E_NOT_FOUND, "it holds no tokenizer");
    for (size_t i = 0; i < MODELS; i++) {
        if (strlen(models[i].name) == size && memcmp(models[i].name, name, size) == 0) {
            *out = &models[i];
            return AS_OK;
        }
    }
    if (size == 4 && memcmp(name, "none", 4) == 0)
        return as_fail(err, AS_E_NOT_FOUND, "it holds no tokenizer");
    return as_fail(err, AS_E_UNSUPPORTED,
                   "the tokenizer \"%.*s\" is not known, expected llama, gpt2, gemma4, bert, t5 or rwkv",
                   (int)(size < 60 ? size : 60), name);
}

static as_code read_lists(gguf_tokens *t, const as_gguf_value **tokens, as_error *err)
{
    AS_TRY(as_gguf_get_strings(t->gguf, KEY("tokens"), tokens, err));
    if (!*tokens) return as_fail(err, AS_E_INPUT, "\"" KEY("tokens") "\" is missing");
    AS_TRY(as_gguf_get_numbers(t->gguf, KEY("scores"), &t->scores, err));
    AS_TRY(as_gguf_get_numbers(t->gguf, KEY("token_type"), &t->types, err));
    uint64_t count = (*tokens)->count;
    if (count > INT32_MAX - 2) return as_fail(err, AS_E_LIMIT, "too many tokens");
    if ((t->scores && t->scores->count != count) || (t->types && t->types->count != count)) {
        return as_fail(err, AS_E_INPUT, "%llu tokens, but %llu scores and %llu types",
                       (unsigned long long)count, (unsigned long long)(t->scores ? t->scores->count : 0),
                       (unsigned long long)(t->types ? t->types->count : 0));
    }
    return AS_OK;
}

static as_code read_token(gguf_tokens *t, const gguf_model *model, uint64_t i, const char *text, size_t size,
                          as_error *err)
{
    int64_t type = TYPE_NORMAL;
    as_vocab_token token = {.id = (int32_t)i, .score = t->scores ? as_gguf_number(t->scores, i) : 0};
    if (!as_utf8_is_valid(text, size)) return as_fail(err, AS_E_INPUT, "it is not valid UTF-8");
    if (t->types && !as_gguf_integer(t->types, i, &type)) type = TYPE_NORMAL;
    AS_TRY(model->put(t, text, size, type, &token, err));
    if (t->reader.token_count == i) {
        char *copy = as_arena_strndup(&t->reader.arena, token.text, token.size); /* terminated */
        if (!copy) return as_fail_memory(err, "the vocabulary");
        token.text = copy;
        AS_TRY(as_vocab_reader_token(&t->reader, token, err));
    }
    const as_vocab_token *made = &t->reader.tokens[i];
    if ((type != TYPE_CONTROL && type != TYPE_USER) || made->size == 0) return AS_OK;
    t->specials[t->special_count++] = (as_load_token){made->text, made->size, type == TYPE_CONTROL};
    return AS_OK;
}

static as_code read_tokens(gguf_tokens *t, const gguf_model *model, as_error *err)
{
    const as_gguf_value *tokens = NULL;
    as_gguf_cursor at;
    const char *text;
    size_t size;
    AS_TRY(read_lists(t, &tokens, err));
    t->specials = AS_NEW_ARRAY(as_load_token, tokens->count);
    if (!t->specials) return as_fail_memory(err, "the vocabulary");
    for (as_gguf_first(&at, tokens); as_gguf_next(&at, &text, &size);) {
        as_code rc = read_token(t, model, at.done - 1, text, size, err);
        if (rc != AS_OK) return as_wrap(err, "token %llu", (unsigned long long)at.done - 1);
    }
    return AS_OK;
}

/* ---- together ---- */

/* tokenizer_config.json as it would be, which load.c and load_class.c read. */
static as_code write_config(const gguf_tokens *t, const gguf_model *model, as_tokenizer_config *config,
                            as_error *err)
{
    static const char *const keys[][2] = {{"bos_token", KEY("bos_token_id")},
                                          {"eos_token", KEY("eos_token_id")},
                                          {"unk_token", KEY("unknown_token_id")},
                                          {"pad_token", KEY("padding_token_id")}};
    json_object_clear(config->special);
    json_object_clear(config->config);
    bool made = json_object_set_new(config->config, "add_bos_token", json_boolean(t->adds_bos)) == 0 &&
                json_object_set_new(config->config, "add_eos_token", json_boolean(t->adds_eos)) == 0 &&
                json_object_set_new(config->config, "clean_up_tokenization_spaces",
                                    json_boolean(model->cleans_spaces)) == 0;
    for (size_t i = 0; made && i < sizeof keys / sizeof keys[0]; i++) {
        const char *token = named_token(t, keys[i][1]);
        if (token && *token) made = json_object_set_new(config->config, keys[i][0], json_string(token)) == 0;
    }
    return made ? AS_OK : as_fail_memory(err, "the tokenizer");
}

static as_code build(gguf_tokens *t, const gguf_model *model, as_tokenizer_config *config, as_tokenizer **out,
                     json_t **parts, as_error *err)
{
    as_buf text;
    t->adds_bos = model->adds_bos;
    t->adds_eos = model->adds_eos;
    t->adds_space = model->adds_space;
    AS_TRY(flag(t, KEY("add_bos_token"), &t->adds_bos, err));
    AS_TRY(flag(t, KEY("add_eos_token"), &t->adds_eos, err));
    AS_TRY(flag(t, KEY("add_space_prefix"), &t->adds_space, err));
    AS_TRY(read_tokens(t, model, err));
    as_buf_init(&text, 0);
    as_code rc = model->finish(t, &text, err);
    if (rc == AS_OK) rc = as_buf_check(&text, "the parts", err);
    if (rc == AS_OK) rc = write_config(t, model, config, err);
    as_load_class class = {.parts = as_buf_text(&text),
                           .parts_size = text.size,
                           .extras = t->specials,
                           .extra_count = t->special_count,
                           .always_first = t->first,
                           .always_last = t->last};
    if (rc == AS_OK) rc = as_load_assemble(&class, config, &t->reader, out, parts, err);
    as_buf_free(&text);
    return rc;
}

as_code as_load_gguf(const char *path, as_tokenizer_config *config, as_tokenizer **out, json_t **parts,
                     as_error *err)
{
    as_gguf_file file;
    const gguf_model *model = NULL;
    AS_TRY(as_gguf_open(path, &file, err));
    gguf_tokens t = {.gguf = &file.gguf};
    as_code rc = find_model(&file.gguf, &model, err);
    if (rc == AS_OK) rc = build(&t, model, config, out, parts, err);
    as_free(t.specials);
    as_vocab_reader_free(&t.reader);
    as_gguf_close(&file);
    return rc == AS_OK ? rc : as_wrap(err, "%s", as_path_base(path));
}
