/* tokenizer.model and spiece.model: a SentencePiece model as transformers 5 converts it, by the
 * tokenizer_class of tokenizer_config.json. The file form is sentencepiece_model.proto. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/base64.h"
#include "engine/text/load_class.h"
#include "engine/text/protobuf.h"
#include "engine/text/unicode.h"

enum { PIECE_NORMAL = 1, PIECE_CONTROL = 3, PIECE_USER = 4, MODEL_UNIGRAM = 1, MODEL_BPE = 2 };

typedef struct piece {
    const char *text;
    size_t size;
    float score;
    int type;
} piece;

typedef struct spm {
    piece *pieces;
    size_t count, room;
    int64_t model_type, unk_id, bos_id, eos_id;
    bool byte_fallback;
    const char *unk_piece, *bos_piece, *eos_piece; /* in the arena */
    const unsigned char *charsmap;
    size_t charsmap_size;
    as_load_token *specials; /* control and user-defined pieces */
    size_t special_count;
    as_vocab_reader reader;
} spm;

/* ---- reading ---- */

static as_code read_piece(spm *m, const as_proto_field *message, as_error *err)
{
    as_proto proto = {message->bytes, message->size, 0};
    as_proto_field field;
    piece p = {.text = "", .type = PIECE_NORMAL};
    for (bool more = true;;) {
        AS_TRY(as_proto_next(&proto, &field, &more, err));
        if (!more) break;
        if (field.number == 1 && field.wire == AS_PROTO_BYTES) {
            p.text = (const char *)field.bytes;
            p.size = field.size;
        } else if (field.number == 2 && field.wire == AS_PROTO_32) {
            uint32_t bits = (uint32_t)field.value;
            memcpy(&p.score, &bits, sizeof p.score);
        } else if (field.number == 3 && field.wire == AS_PROTO_VARINT) {
            p.type = (int)field.value;
        }
    }
    if (!as_utf8_is_valid(p.text, p.size))
        return as_fail(err, AS_E_INPUT, "piece %zu is not valid UTF-8", m->count);
    if (m->count == m->room) {
        size_t room = m->room ? m->room * 2 : 1024;
        if (room > INT32_MAX / 2) return as_fail(err, AS_E_LIMIT, "too many pieces");
        piece *more = as_realloc(m->pieces, room * sizeof *more);
        if (!more) return as_fail_memory(err, "the vocabulary");
        m->pieces = more;
        m->room = room;
    }
    m->pieces[m->count++] = p;
    return AS_OK;
}

static as_code read_trainer(spm *m, const as_proto_field *message, as_error *err)
{
    as_proto proto = {message->bytes, message->size, 0};
    as_proto_field field;
    for (bool more = true;;) {
        AS_TRY(as_proto_next(&proto, &field, &more, err));
        if (!more) return AS_OK;
        const char **text = field.number == 45   ? &m->unk_piece
                            : field.number == 46 ? &m->bos_piece
                            : field.number == 47 ? &m->eos_piece
                                                 : NULL;
        if (text && field.wire == AS_PROTO_BYTES) {
            *text = as_arena_strndup(&m->reader.arena, (const char *)field.bytes, field.size);
            if (!*text) return as_fail_memory(err, "the vocabulary");
        }
        if (field.wire != AS_PROTO_VARINT) continue;
        if (field.number == 3) m->model_type = (int64_t)field.value;
        if (field.number == 35) m->byte_fallback = field.value != 0;
        if (field.number == 40) m->unk_id = (int32_t)field.value;
        if (field.number == 41) m->bos_id = (int32_t)field.value;
        if (field.number == 42) m->eos_id = (int32_t)field.value;
    }
}

static as_code read_normalizer(spm *m, const as_proto_field *message, as_error *err)
{
    as_proto proto = {message->bytes, message->size, 0};
    as_proto_field field;
    for (bool more = true;;) {
        AS_TRY(as_proto_next(&proto, &field, &more, err));
        if (!more) return AS_OK;
        if (field.number != 2 || field.wire != AS_PROTO_BYTES) continue;
        m->charsmap = field.bytes;
        m->charsmap_size = field.size;
    }
}

static as_code read_model(spm *m, const as_map *map, as_error *err)
{
    as_proto proto = {map->data, map->size, 0};
    as_proto_field field;
    for (bool more = true;;) {
        AS_TRY(as_proto_next(&proto, &field, &more, err));
        if (!more) break;
        if (field.wire != AS_PROTO_BYTES) continue;
        if (field.number == 1) AS_TRY(read_piece(m, &field, err));
        if (field.number == 2) AS_TRY(read_trainer(m, &field, err));
        if (field.number == 3) AS_TRY(read_normalizer(m, &field, err));
    }
    if (m->count == 0) return as_fail(err, AS_E_INPUT, "not a SentencePiece model: it has no pieces");
    m->specials = AS_NEW_ARRAY(as_load_token, m->count);
    if (!m->specials) return as_fail_memory(err, "the vocabulary");
    for (size_t i = 0; i < m->count; i++) {
        const piece *p = &m->pieces[i];
        if (p->type != PIECE_CONTROL && p->type != PIECE_USER) continue;
        m->specials[m->special_count++] = (as_load_token){p->text, p->size, p->type == PIECE_CONTROL};
    }
    return AS_OK;
}

/* ---- vocabularies ---- */

static as_code put_token(spm *m, const char *text, size_t size, double score, as_error *err)
{
    as_vocab_token token = {text, size, (int32_t)m->reader.token_count, score};
    return as_vocab_reader_token(&m->reader, token, err);
}

static as_code put_pieces(spm *m, size_t from, as_error *err)
{
    for (size_t i = from; i < m->count; i++) {
        AS_TRY(put_token(m, m->pieces[i].text, m->pieces[i].size, m->pieces[i].score, err));
    }
    return AS_OK;
}

static as_code plain_vocab(spm *m, const as_tokenizer_config *config, as_error *err)
{
    (void)config;
    return put_pieces(m, 0, err);
}

/* The sentinels stand behind the pieces, the last number first. */
static as_code t5_vocab(spm *m, const as_tokenizer_config *config, as_error *err)
{
    int64_t extra = 100;
    AS_TRY(as_json_get_int(config->config, "extra_ids", &extra, err));
    if (extra < 0 || extra > 100000)
        return as_fail(err, AS_E_INPUT, "\"extra_ids\" is %lld", (long long)extra);
    AS_TRY(put_pieces(m, 0, err));
    for (int64_t i = extra - 1; i >= 0; i--) {
        char *name = as_arena_printf(&m->reader.arena, "<extra_id_%lld>", (long long)i);
        if (!name) return as_fail_memory(err, "the vocabulary");
        AS_TRY(put_token(m, name, strlen(name), 0, err));
    }
    as_load_token *more = as_realloc(m->specials, (m->special_count + (size_t)extra + 1) * sizeof *more);
    if (!more) return as_fail_memory(err, "the vocabulary");
    m->specials = more;
    for (size_t i = m->count; i < m->reader.token_count; i++) {
        const as_vocab_token *token = &m->reader.tokens[i];
        m->specials[m->special_count++] = (as_load_token){token->text, token->size, true};
    }
    return AS_OK;
}

/* Fairseq's order of the special tokens before the pieces, and the mask behind them. */
static as_code xlmr_vocab(spm *m, const as_tokenizer_config *config, as_error *err)
{
    static const char *const first[] = {"<s>", "<pad>", "</s>", "<unk>"};
    (void)config;
    for (int i = 0; i < 4; i++) AS_TRY(put_token(m, first[i], strlen(first[i]), 0, err));
    AS_TRY(put_pieces(m, 3, err));
    return put_token(m, "<mask>", 6, 0, err);
}

/* ---- classes ---- */

#define DECODER_BYTES                                                                                        \
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" "                              \
    "\"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"

static void put_charsmap(const spm *m, as_buf *out)
{
    as_buf_str(out, "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"");
    as_base64_encode(m->charsmap, m->charsmap_size, out);
    as_buf_str(out, "\"}");
}

static void put_model(bool bpe, bool byte_fallback, const char *unk, int64_t unk_id, as_buf *out)
{
    as_buf_printf(out, ",\"model\":{\"type\":\"%s\",\"byte_fallback\":%s", bpe ? "BPE" : "Unigram",
                  byte_fallback ? "true" : "false");
    if (bpe) as_buf_str(out, ",\"fuse_unk\":true");
    if (bpe && unk) {
        as_buf_str(out, ",\"unk_token\":");
        as_buf_json_string(out, unk, strlen(unk));
    }
    if (!bpe) as_buf_printf(out, ",\"unk_id\":%lld", (long long)unk_id);
    as_buf_char(out, '}');
}

static as_code plain_parts(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err)
{
    (void)config, (void)err;
    as_buf_str(out, "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    if (m->charsmap_size) {
        put_charsmap(m, out);
        as_buf_char(out, ',');
    }
    as_buf_str(out, "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"}]},");
    as_buf_str(out, "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[");
    as_buf_str(out, m->byte_fallback
                        ? DECODER_BYTES
                        : "{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"}");
    as_buf_str(out, "]}");
    put_model(m->model_type != MODEL_UNIGRAM, m->byte_fallback, m->unk_piece, m->unk_id, out);
    return AS_OK;
}

static as_code llama_parts(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err)
{
    (void)m;
    bool legacy = false, add_space = true;
    AS_TRY(as_json_get_bool(config->config, "legacy", &legacy, err));
    AS_TRY(as_json_get_bool(config->config, "add_prefix_space", &add_space, err));
    as_buf_printf(out,
                  "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":"
                  "\"%s\",\"split\":false},",
                  !add_space ? "never"
                  : legacy   ? "always"
                             : "first");
    as_buf_printf(out, "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[%s%s]}", DECODER_BYTES,
                  add_space ? ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}" : "");
    put_model(true, true, NULL, 0, out);
    return AS_OK;
}

static as_code gemma_parts(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err)
{
    (void)m, (void)err;
    const char *unk = as_tokenizer_config_token(config, "unk_token");
    as_buf_str(out,
               "\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"\u2581\"},"
               "\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" "
               "\"},\"behavior\":\"MergedWithPrevious\","
               "\"invert\":false},\"decoder\":{\"type\":\"Sequence\",\"decoders\":[" DECODER_BYTES "]}");
    put_model(true, true, unk ? unk : "<unk>", 0, out);
    return AS_OK;
}

static as_code words_parts(const spm *m, int unk_id, as_buf *out)
{
    if (m->charsmap_size) {
        as_buf_str(out, "\"normalizer\":");
        put_charsmap(m, out);
        as_buf_char(out, ',');
    }
    as_buf_str(out, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
                    "\"WhitespaceSplit\"},{\"type\":"
                    "\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"always\",\"split\":true}]}"
                    ",\"decoder\":{\"type\":"
                    "\"Metaspace\",\"replacement\":\"\u2581\",\"prepend_scheme\":\"always\",\"split\":true}");
    put_model(false, false, NULL, unk_id, out);
    return AS_OK;
}

static as_code t5_parts(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err)
{
    (void)config, (void)err;
    return words_parts(m, 2, out);
}

static as_code xlmr_parts(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err)
{
    (void)config, (void)err;
    return words_parts(m, 3, out);
}

typedef struct spm_class {
    const char *name;
    as_code (*vocab)(spm *m, const as_tokenizer_config *config, as_error *err);
    as_code (*parts)(const spm *m, const as_tokenizer_config *config, as_buf *out, as_error *err);
    const char *defaults[AS_NAMED_TOKENS];
    const char *always_first, *always_last;
    int model_type; /* the model it makes whatever the file says; 0: the file's */
} spm_class;

/* The first is for a class that is not named here: the file's own settings and names. */
static const spm_class classes[] = {
    {"", plain_vocab, plain_parts, {NULL}, NULL, NULL, 0},
    {"LlamaTokenizer", plain_vocab, llama_parts, {"<s>", "</s>", "<unk>"}, NULL, NULL, MODEL_BPE},
    {"GemmaTokenizer",
     plain_vocab,
     gemma_parts,
     {"<bos>", "<eos>", "<unk>", NULL, "<pad>", NULL, "<mask>"},
     NULL,
     NULL,
     MODEL_BPE},
    {"T5Tokenizer", t5_vocab, t5_parts, {NULL, "</s>", "<unk>", NULL, "<pad>"}, NULL, "</s>", MODEL_UNIGRAM},
    {"XLMRobertaTokenizer",
     xlmr_vocab,
     xlmr_parts,
     {"<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"},
     "<s>",
     "</s>",
     MODEL_UNIGRAM},
};

/* Classes that transformers converts in a way of their own, which is not here. */
static const char *const refused[] = {"AlbertTokenizer",    "BarthezTokenizer",     "BigBirdTokenizer",
                                      "CamembertTokenizer", "CodeLlamaTokenizer",   "DebertaV2Tokenizer",
                                      "FNetTokenizer",      "MBartTokenizer",       "MBart50Tokenizer",
                                      "NllbTokenizer",      "PegasusTokenizer",     "ReformerTokenizer",
                                      "RemBertTokenizer",   "SeamlessM4TTokenizer", "UdopTokenizer",
                                      "XGLMTokenizer",      "XLNetTokenizer"};

static as_code find_class(const as_tokenizer_config *config, const spm_class **out, as_error *err)
{
    char room[64];
    const char *name = as_load_class_name(config, room);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (strcmp(refused[i], name) == 0) {
            return as_fail(err, AS_E_UNSUPPORTED,
                           "a %s is read from tokenizer.json only: save one with transformers", name);
        }
    }
    *out = &classes[0];
    for (size_t i = 1; i < sizeof classes / sizeof classes[0]; i++) {
        if (strcmp(classes[i].name, name) == 0) *out = &classes[i];
    }
    return AS_OK;
}

static as_code convert(spm *m, as_tokenizer_config *config, as_tokenizer **out, json_t **parts, as_error *err)
{
    const spm_class *kind = NULL;
    AS_TRY(find_class(config, &kind, err));
    if (kind->model_type) m->model_type = kind->model_type;
    if (m->model_type != MODEL_UNIGRAM && m->model_type != MODEL_BPE) {
        return as_fail(err, AS_E_UNSUPPORTED,
                       "a SentencePiece model of type %lld, expected unigram (1) or bpe (2)",
                       (long long)m->model_type);
    }
    AS_TRY(kind->vocab(m, config, err));
    if (m->model_type == MODEL_BPE) AS_TRY(as_spm_make_merges(&m->reader, AS_SPM_BY_ID, err));
    as_buf text;
    as_buf_init(&text, 0);
    as_code rc = kind->parts(m, config, &text, err);
    if (rc == AS_OK) rc = as_buf_check(&text, "the parts", err);
    as_load_class class = {.parts = as_buf_text(&text),
                           .parts_size = text.size,
                           .extras = m->specials,
                           .extra_count = m->special_count,
                           .always_first = kind->always_first,
                           .always_last = kind->always_last};
    memcpy(class.defaults, kind->defaults, sizeof class.defaults);
    if (kind == &classes[0]) {
        class.defaults[0] = m->bos_id >= 0 ? m->bos_piece : NULL;
        class.defaults[1] = m->eos_id >= 0 ? m->eos_piece : NULL;
        class.defaults[2] = m->unk_id >= 0 ? m->unk_piece : NULL;
    }
    if (rc == AS_OK) rc = as_load_assemble(&class, config, &m->reader, out, parts, err);
    as_buf_free(&text);
    return rc;
}

as_code as_load_sentencepiece(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                              json_t **parts, as_error *err)
{
    spm m = {.model_type = MODEL_UNIGRAM,
             .bos_id = 1,
             .eos_id = 2,
             .unk_piece = "<unk>",
             .bos_piece = "<s>",
             .eos_piece = "</s>"};
    as_map map;
    AS_TRY(as_map_open(path, &map, err));
    as_code rc = read_model(&m, &map, err);
    if (rc == AS_OK) rc = convert(&m, config, out, parts, err);
    as_free(m.pieces);
    as_free(m.specials);
    as_vocab_reader_free(&m.reader);
    as_map_close(&map);
    return rc == AS_OK ? rc : as_wrap(err, "%s", as_path_base(path));
}
