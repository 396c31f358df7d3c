/* The tokenizer; see tokenizer.h. */
#include "engine/text/tokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/assemble.h"
#include "engine/text/unicode.h"

/* ---- token lists ---- */

void as_tokens_free(as_tokens *tokens)
{
    as_free(tokens->ids);
    *tokens = (as_tokens){0};
}

as_code as_tokens_add(as_tokens *tokens, const int32_t *ids, size_t count, as_error *err)
{
    if (tokens->room - tokens->count < count) {
        size_t room = tokens->room < 64 ? 64 : tokens->room * 2;
        if (room < tokens->count + count) room = tokens->count + count;
        size_t bytes;
        int32_t *at = as_mul_size(room, sizeof *at, &bytes) ? as_realloc(tokens->ids, bytes) : NULL;
        if (!at) return as_fail_memory(err, "the tokens");
        tokens->ids = at;
        tokens->room = room;
    }
    for (size_t i = 0; i < count; i++) tokens->ids[tokens->count + i] = ids[i];
    tokens->count += count;
    return AS_OK;
}

/* ---- opening and closing ---- */

static as_code open_parts(as_tokenizer *t, const as_tokenizer_spec *spec, const json_t *parts, as_error *err)
{
    const json_t *model = json_object_get(parts, "model");
    if (!json_is_object(model)) return as_fail(err, AS_E_INPUT, "\"model\" is missing");
    const as_model_source source = {model, spec};
    as_code rc = as_normalizer_open(json_object_get(parts, "normalizer"), &t->normalizer, err);
    if (rc != AS_OK) return as_wrap(err, "normalizer");
    rc = as_pretokenizer_open(json_object_get(parts, "pre_tokenizer"), &t->pretokenizer, err);
    if (rc != AS_OK) return as_wrap(err, "pre_tokenizer");
    rc = as_postprocessor_open(json_object_get(parts, "post_processor"), &t->postprocessor, err);
    if (rc != AS_OK) return as_wrap(err, "post_processor");
    rc = as_decoder_open(json_object_get(parts, "decoder"), AS_DECODER_PLAIN, &t->decoder, err);
    if (rc != AS_OK) return as_wrap(err, "decoder");
    rc = as_text_model_open(&source, &t->model, err);
    if (rc != AS_OK) return as_wrap(err, "model");
    t->raw = t->model->encode_bytes && as_pretokenizer_ends_in_bytes(t->pretokenizer);
    AS_TRY(as_scratch_new(&t->free_scratches, err));
    return as_added_open(json_object_get(parts, "added_tokens"), t->model, t->normalizer, t->free_scratches,
                         &t->added, err);
}

static as_code describe(as_tokenizer *t, as_error *err)
{
    as_tokenizer_info *info = &t->info;
    info->source = "";
    info->class_name = "";
    info->model = t->model->kind->name;
    info->bos = info->eos = info->pad = -1;
    info->unk = t->model->unk;
    info->size = (int64_t)t->model->vocab_size;
    info->max_id = t->model->vocab.max_id;
    for (size_t i = 0; i < t->added.names.count; i++) {
        const as_vocab_entry *name = &t->added.names.entries[i];
        const char *text = t->added.names.bytes + name->offset;
        if (as_vocab_find(&t->added.names, text, name->size) != (int32_t)i) continue;
        if (as_vocab_find(&t->model->vocab, text, name->size) < 0) info->size++;
        if (t->added.name_ids[i] > info->max_id) info->max_id = t->added.name_ids[i];
    }
    as_tokens none = {0};
    as_code rc = as_tokenizer_encode(t, "", 0, NULL, &none, err);
    info->adds_special = none.count > 0;
    as_tokens_free(&none);
    return rc == AS_E_MEMORY ? rc : AS_OK; /* post-processors that contradict each other fail on every text */
}

as_code as_tokenizer_assemble(const as_tokenizer_spec *spec, const json_t *parts, as_tokenizer **out,
                              as_error *err)
{
    as_unicode_prepare();
    as_tokenizer *t = AS_NEW(as_tokenizer);
    if (!t) return as_fail_memory(err, "the tokenizer");
    pthread_mutex_init(&t->lock, NULL);
    as_code rc = open_parts(t, spec, parts, err);
    if (rc == AS_OK) rc = describe(t, err);
    if (rc != AS_OK) {
        as_tokenizer_close(t);
        return spec->name ? as_wrap(err, "%s", spec->name) : rc;
    }
    *out = t;
    return AS_OK;
}

as_code as_tokenizer_clean_spaces(as_tokenizer *tokenizer, const json_t *parts, as_error *err)
{
    if (tokenizer->model->kind == &as_model_bpe) return AS_OK;
    as_decoder *decoder = NULL;
    AS_TRY(as_decoder_open(json_object_get(parts, "decoder"), AS_DECODER_CLEAN_SPACES, &decoder, err));
    as_decoder_close(tokenizer->decoder);
    tokenizer->decoder = decoder;
    return AS_OK;
}

as_code as_tokenizer_build(const as_tokenizer_spec *spec, as_tokenizer **out, as_error *err)
{
    json_t *parts = NULL;
    AS_TRY(as_json_parse(spec->parts, spec->parts_size, AS_JSON_LENIENT, spec->name, &parts, err));
    as_code rc = as_tokenizer_assemble(spec, parts, out, err);
    json_decref(parts);
    return rc;
}

void as_tokenizer_close(as_tokenizer *tokenizer)
{
    if (!tokenizer) return;
    while (tokenizer->free_scratches) {
        as_scratch *next = tokenizer->free_scratches->next;
        as_scratch_free(tokenizer->free_scratches);
        tokenizer->free_scratches = next;
    }
    as_added_close(&tokenizer->added);
    as_normalizer_close(tokenizer->normalizer);
    as_pretokenizer_close(tokenizer->pretokenizer);
    as_postprocessor_close(tokenizer->postprocessor);
    as_decoder_close(tokenizer->decoder);
    as_text_model_close(tokenizer->model);
    pthread_mutex_destroy(&tokenizer->lock);
    as_free(tokenizer->class_name);
    as_free(tokenizer);
}

/* ---- scratch ---- */

static as_code take_scratch(const as_tokenizer *tokenizer, as_scratch **out, as_error *err)
{
    as_tokenizer *t = (as_tokenizer *)tokenizer; /* the list is the one thing that changes, under its lock */
    pthread_mutex_lock(&t->lock);
    as_scratch *scratch = t->free_scratches;
    if (scratch) t->free_scratches = scratch->next;
    pthread_mutex_unlock(&t->lock);
    if (!scratch) return as_scratch_new(out, err);
    *out = scratch;
    return AS_OK;
}

static void give_scratch(const as_tokenizer *tokenizer, as_scratch *scratch)
{
    as_tokenizer *t = (as_tokenizer *)tokenizer;
    as_scratch_trim(scratch);
    pthread_mutex_lock(&t->lock);
    scratch->next = t->free_scratches;
    t->free_scratches = scratch;
    pthread_mutex_unlock(&t->lock);
}

/* ---- encoding ---- */

typedef struct encoding { /* one call */
    const as_tokenizer *tokenizer;
    as_scratch *scratch;
    as_tokens *out;
    as_pretokenizer_run_args pipe;
    as_stretch now; /* what is being split: the whole text, then a normalized part of it */
} encoding;

static as_code add_piece(void *context, const char *text, size_t size, as_error *err)
{
    encoding *e = context;
    const as_text_model *model = e->tokenizer->model;
    if (e->pipe.raw) return model->encode_bytes(model, e->scratch, text, size, e->out, err);
    return model->kind->encode(model, e->scratch, text, size, e->out, err);
}

static as_stretch part_of(const as_stretch *whole, size_t start, size_t end)
{
    size_t lead = whole->lead > start ? whole->lead - start : 0;
    return (as_stretch){whole->text + start, end - start, lead < end - start ? lead : end - start};
}

static as_code add_normal_part(void *context, const as_added_token *token, size_t start, size_t end,
                               as_error *err)
{
    encoding *e = context;
    if (token) return as_tokens_add(e->out, &token->id, 1, err);
    as_stretch part = part_of(&e->now, start, end);
    return as_pretokenizer_run(e->tokenizer->pretokenizer, &e->pipe, &part, err);
}

static as_code add_raw_part(void *context, const as_added_token *token, size_t start, size_t end,
                            as_error *err)
{
    encoding *e = context;
    if (token) return as_tokens_add(e->out, &token->id, 1, err);
    as_stretch whole = e->now, part = part_of(&whole, start, end);
    AS_TRY(as_normalizer_run(e->tokenizer->normalizer, e->scratch, &part, err));
    e->now = part;
    as_code rc =
        as_added_split(&e->tokenizer->added, AS_ADDED_NORMAL, part.text, part.size, add_normal_part, e, err);
    e->now = whole;
    return rc;
}

/* The text, or a copy of it with U+FFFD for what is not UTF-8. */
static as_code clean_text(as_scratch *scratch, const char **text, size_t *size, as_error *err)
{
    size_t at = as_utf8_valid_prefix(*text, *size), done = 0;
    if (at == *size) return AS_OK;
    as_buf *out = &scratch->clean;
    as_buf_clear(out);
    while (at < *size) {
        uint32_t point;
        int length = as_utf8_next(*text + at, *size - at, &point);
        as_buf_add(out, *text + done, at - done);
        as_buf_codepoint(out, AS_UTF8_REPLACEMENT);
        done = at + (size_t)-length;
        at = done + as_utf8_valid_prefix(*text + done, *size - done);
    }
    as_buf_add(out, *text + done, *size - done);
    AS_TRY(as_buf_check(out, "the text", err));
    *text = as_buf_text(out);
    *size = out->size;
    return AS_OK;
}

static as_code encode(const as_tokenizer *tokenizer, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err)
{
    encoding e = {.tokenizer = tokenizer, .scratch = scratch, .out = out};
    e.pipe = (as_pretokenizer_run_args){scratch, add_piece, &e, tokenizer->raw};
    AS_TRY(clean_text(scratch, &text, &size, err));
    e.now = (as_stretch){text, size, size ? (size_t)as_unicode_length(text) : 0};
    return as_added_split(&tokenizer->added, AS_ADDED_RAW, text, size, add_raw_part, &e, err);
}

as_code as_tokenizer_encode(const as_tokenizer *tokenizer, const char *text, size_t size,
                            const as_encode_options *options, as_tokens *out, as_error *err)
{
    as_scratch *scratch;
    size_t begin = out->count;
    AS_TRY(take_scratch(tokenizer, &scratch, err));
    as_code rc = encode(tokenizer, scratch, text, size, out, err);
    give_scratch(tokenizer, scratch);
    bool add_special = !(options && options->no_special);
    if (rc == AS_OK) rc = as_postprocessor_run(tokenizer->postprocessor, add_special, out, begin, err);
    if (rc != AS_OK) out->count = begin;
    return rc;
}

/* ---- decoding ---- */

struct as_token_stream {
    const as_tokenizer *tokenizer;
    as_decoding *decoding;
    bool skip_special;
};

as_code as_token_stream_open(const as_tokenizer *tokenizer, const as_decode_options *options,
                             as_token_stream **out, as_error *err)
{
    as_token_stream *s = AS_NEW(as_token_stream);
    if (!s) return as_fail_memory(err, "decoding");
    s->tokenizer = tokenizer;
    s->skip_special = options && options->skip_special;
    as_code rc = as_decoding_new(tokenizer->decoder, &s->decoding, err);
    if (rc != AS_OK) {
        as_free(s);
        return rc;
    }
    *out = s;
    return AS_OK;
}

/* The text by which an id is decoded: a token found in its normalized form has that. */
static const char *decoded_text(const as_tokenizer *tokenizer, int32_t id, size_t *size)
{
    const as_added_token *token = as_added_by_id(&tokenizer->added, id);
    if (!token) return as_vocab_text(&tokenizer->model->vocab, id, size);
    *size = token->normal ? token->normal_size : token->size;
    return token->normal ? token->normal : token->content;
}

as_code as_token_stream_add(as_token_stream *stream, const int32_t *ids, size_t count, as_buf *out,
                            as_error *err)
{
    for (size_t i = 0; i < count; i++) {
        size_t size;
        const char *text = decoded_text(stream->tokenizer, ids[i], &size);
        if (!text) continue;
        if (stream->skip_special && as_added_is_special(&stream->tokenizer->added, text, size)) continue;
        AS_TRY(as_decoding_add(stream->decoding, text, size, out, err));
    }
    return as_buf_check(out, "the text", err);
}

as_code as_token_stream_finish(as_token_stream *stream, as_buf *out, as_error *err)
{
    AS_TRY(as_decoding_finish(stream->decoding, out, err));
    return as_buf_check(out, "the text", err);
}

void as_token_stream_close(as_token_stream *stream)
{
    if (!stream) return;
    as_decoding_free(stream->decoding);
    as_free(stream);
}

as_code as_tokenizer_decode(const as_tokenizer *tokenizer, const int32_t *ids, size_t count,
                            const as_decode_options *options, as_buf *out, as_error *err)
{
    as_token_stream *stream = NULL;
    AS_TRY(as_token_stream_open(tokenizer, options, &stream, err));
    as_code rc = as_token_stream_add(stream, ids, count, out, err);
    if (rc == AS_OK) rc = as_token_stream_finish(stream, out, err);
    as_token_stream_close(stream);
    return rc;
}

/* ---- look-ups ---- */

int32_t as_tokenizer_id(const as_tokenizer *tokenizer, const char *token, size_t size)
{
    int32_t id = as_added_find(&tokenizer->added, token, size);
    return id >= 0 ? id : as_vocab_find(&tokenizer->model->vocab, token, size);
}

const char *as_tokenizer_token(const as_tokenizer *tokenizer, int32_t id, size_t *size)
{
    const as_added_token *token = as_added_by_id(&tokenizer->added, id);
    if (!token) return as_vocab_text(&tokenizer->model->vocab, id, size);
    if (size) *size = token->size;
    return token->content;
}

bool as_tokenizer_is_special(const as_tokenizer *tokenizer, int32_t id)
{
    size_t size;
    const char *text = as_tokenizer_token(tokenizer, id, &size);
    return text && as_added_is_special(&tokenizer->added, text, size);
}

const as_tokenizer_info *as_tokenizer_get_info(const as_tokenizer *tokenizer)
{
    return &tokenizer->info;
}
