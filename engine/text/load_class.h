/* What transformers adds to a vocabulary that comes without tokenizer.json: the special tokens of the
 * tokenizer class and of the configuration, and a template with them. */
#ifndef AS_ENGINE_TEXT_LOAD_CLASS_H
#define AS_ENGINE_TEXT_LOAD_CLASS_H

#include "engine/text/load.h"

enum { AS_NAMED_TOKENS = 7 };
extern const char *const as_named_tokens[AS_NAMED_TOKENS]; /* "bos_token" ... in the order they are added */

typedef struct as_load_token {
    const char *content;
    size_t size;
    bool special;
} as_load_token;

/* What a loader knows before the configuration is looked at. */
typedef struct as_load_class {
    const char *defaults[AS_NAMED_TOKENS]; /* of the class; NULL: none */
    const as_load_token *extras;           /* of the file; "additional_special_tokens" takes their place */
    size_t extra_count;
    const char *parts; /* JSON of the other parts: fields of an object without its braces */
    size_t parts_size;
    /* How the template is made: of add_bos_token and add_eos_token, always of these two names, or not at all.
     */
    const char *always_first, *always_last;
} as_load_class;

/* The tokenizer_class without "Fast", "" where it is not set. */
const char *as_load_class_name(const as_tokenizer_config *config, char room[static 64]);

/* Assembles the tokenizer; *parts is what it was made of. */
AS_MUST_USE as_code as_load_assemble(const as_load_class *class, as_tokenizer_config *config,
                                     const as_vocab_reader *reader, as_tokenizer **out, json_t **parts,
                                     as_error *err);

#endif
