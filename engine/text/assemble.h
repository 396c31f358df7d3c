/* A tokenizer from its parts: the inside of as_tokenizer, for the files that load it. */
#ifndef AS_ENGINE_TEXT_ASSEMBLE_H
#define AS_ENGINE_TEXT_ASSEMBLE_H

#include <pthread.h>

#include "base/json.h"
#include "engine/text/added.h"
#include "engine/text/decoder.h"
#include "engine/text/model.h"
#include "engine/text/normalizer.h"
#include "engine/text/postprocessor.h"
#include "engine/text/pretokenizer.h"
#include "engine/text/tokenizer.h"

struct as_tokenizer {
    as_tokenizer_info info;
    char *class_name;
    as_normalizer *normalizer;
    as_pretokenizer *pretokenizer;
    as_text_model *model;
    as_postprocessor *postprocessor;
    as_decoder *decoder;
    as_added added;
    bool raw;             /* the model takes bytes where the pre-tokenizers end in the byte-level alphabet */
    pthread_mutex_t lock; /* of the list of scratches */
    as_scratch *free_scratches;
};

/* parts is a tokenizer.json without vocabulary and merges, which are in the spec. */
AS_MUST_USE as_code as_tokenizer_assemble(const as_tokenizer_spec *spec, const json_t *parts,
                                          as_tokenizer **out, as_error *err);

/* transformers' clean_up_tokenization_spaces, for a tokenizer that is not in use yet. Nothing for BPE. */
AS_MUST_USE as_code as_tokenizer_clean_spaces(as_tokenizer *tokenizer, const json_t *parts, as_error *err);

#endif
