/* The kinds of model: each turns one piece of text into ids.
 *
 * Pieces are valid UTF-8 and not empty. A model is constant after opening; what a call needs to write lies in
 * the scratch it is given. */
#ifndef AS_ENGINE_TEXT_MODEL_H
#define AS_ENGINE_TEXT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/json.h"
#include "engine/text/scratch.h"
#include "engine/text/tokenizer.h"
#include "engine/text/vocab.h"

typedef struct as_text_model as_text_model;

/* What a model is made of. */
typedef struct as_model_source {
    const json_t *settings; /* the "model" object without vocabulary and merges */
    const as_tokenizer_spec *spec;
} as_model_source;

typedef struct as_text_model_kind {
    const char *name;
    /* Fills a zeroed model of kind->size bytes whose vocabulary is ready. On failure close is called. */
    as_code (*open)(as_text_model *model, const as_model_source *source, as_error *err);
    void (*close)(as_text_model *model);
    as_code (*encode)(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                      as_tokens *out, as_error *err);
    size_t size;
    as_vocab_form form;
} as_text_model_kind;

struct as_text_model {
    const as_text_model_kind *kind;
    as_vocab vocab;
    size_t vocab_size; /* as the library counts it: ids of added tokens begin here */
    int32_t unk;       /* -1: none */
    /* Where the byte-level alphabet is whole, encode_bytes takes the bytes themselves instead of the letters
     * that stand for them; NULL otherwise. */
    as_code (*encode_bytes)(const as_text_model *model, as_scratch *scratch, const char *text, size_t size,
                            as_tokens *out, as_error *err);
};

AS_MUST_USE as_code as_text_model_open(const as_model_source *source, as_text_model **out, as_error *err);
void as_text_model_close(as_text_model *model); /* NULL is allowed */

extern const as_text_model_kind as_model_bpe, as_model_unigram, as_model_wordpiece, as_model_wordlevel,
    as_model_world;

/* Ids of "<0x00>" .. "<0xFF>", -1 where the vocabulary has none. */
void as_model_byte_ids(const as_vocab *vocab, int32_t ids[static 256]);

#endif
