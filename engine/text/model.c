/* Opening and closing of models; see model.h. */
#include "engine/text/model.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static const as_text_model_kind *const kinds[] = {&as_model_bpe, &as_model_wordpiece, &as_model_wordlevel,
                                                  &as_model_unigram, &as_model_world};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A file of before 2020 does not name its kind: it is the first whose fields are there. */
static const as_text_model_kind *guess_kind(const as_model_source *source)
{
    const json_t *settings = source->settings;
    if (source->spec->merges) return &as_model_bpe;
    if (as_json_has(settings, "max_input_chars_per_word")) return &as_model_wordpiece;
    if (as_json_has(settings, "unk_token")) return &as_model_wordlevel;
    return &as_model_unigram;
}

static as_code find_kind(const as_model_source *source, const as_text_model_kind **out, as_error *err)
{
    const char *type = NULL;
    AS_TRY(as_json_get_string(source->settings, "type", &type, err));
    if (!type) {
        *out = guess_kind(source);
        return AS_OK;
    }
    for (int i = 0; i < KINDS; i++) {
        if (strcmp(kinds[i]->name, type) == 0) {
            *out = kinds[i];
            return AS_OK;
        }
    }
    return as_fail(err, AS_E_UNSUPPORTED,
                   "type \"%.60s\" is not known, expected BPE, Unigram, WordPiece or WordLevel", type);
}

static as_code read_vocab(as_text_model *model, const as_tokenizer_spec *spec, as_error *err)
{
    size_t bytes = 0;
    for (size_t i = 0; i < spec->token_count; i++) bytes += spec->tokens[i].size + 1;
    AS_TRY(as_vocab_reserve(&model->vocab, spec->token_count, bytes, err));
    for (size_t i = 0; i < spec->token_count; i++) {
        const as_vocab_token *token = &spec->tokens[i];
        if (token->id < 0) {
            return as_fail(err, AS_E_INPUT, "vocabulary: token \"%.*s\" has the id %d",
                           (int)(token->size < 60 ? token->size : 60), token->text, (int)token->id);
        }
        AS_TRY(as_vocab_add(&model->vocab, token->text, token->size, token->id, err));
    }
    as_code rc = as_vocab_finish(&model->vocab, model->kind->form, err);
    if (rc != AS_OK) return as_wrap(err, "vocabulary");
    model->vocab_size = model->kind->form == AS_VOCAB_LIST ? spec->token_count : model->vocab.distinct;
    return AS_OK;
}

as_code as_text_model_open(const as_model_source *source, as_text_model **out, as_error *err)
{
    const as_text_model_kind *kind = NULL;
    AS_TRY(find_kind(source, &kind, err));
    as_text_model *model = as_calloc(1, kind->size);
    if (!model) return as_fail_memory(err, "the tokenizer");
    model->kind = kind;
    model->unk = -1;
    as_code rc = read_vocab(model, source->spec, err);
    if (rc == AS_OK) rc = kind->open(model, source, err);
    if (rc != AS_OK) {
        as_text_model_close(model);
        return rc;
    }
    *out = model;
    return AS_OK;
}

void as_text_model_close(as_text_model *model)
{
    if (!model) return;
    if (model->kind->close) model->kind->close(model);
    as_vocab_free(&model->vocab);
    as_free(model);
}

void as_model_byte_ids(const as_vocab *vocab, int32_t ids[static 256])
{
    for (int i = 0; i < 256; i++) {
        char name[8];
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)i);
        ids[i] = as_vocab_find(vocab, name, 6);
    }
}
