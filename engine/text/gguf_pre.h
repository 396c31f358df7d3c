/* The pre-tokenizers that a GGUF file names (tokenizer.ggml.pre): what stands in the tokenizer.json of the
 * model each was named after. */
#ifndef AS_ENGINE_TEXT_GGUF_PRE_H
#define AS_ENGINE_TEXT_GGUF_PRE_H

#include "base/buf.h"
#include "base/error.h"

enum { AS_GGUF_SPLITS = 7 };

typedef struct as_gguf_pre {
    const char *names;  /* separated by spaces */
    bool nfc;           /* text is brought into the normal form C first */
    bool ignore_merges; /* a word that is a token is one, whatever the merges say */
    bool adds_bos;      /* unless the file says otherwise */
    /* In order: "gpt2" is the split of the byte-level step itself, "digit" single digits, "digits" runs of
     * them, "punctuation" runs of punctuation; anything else is a regular expression. */
    const char *splits[AS_GGUF_SPLITS];
} as_gguf_pre;

/* size 0: the default. AS_E_UNSUPPORTED for a name that is not known. */
AS_MUST_USE as_code as_gguf_pre_find(const char *name, size_t size, const as_gguf_pre **out, as_error *err);
/* Appends the normalizer and the pre-tokenizers as fields of a tokenizer.json. */
void as_gguf_pre_write(const as_gguf_pre *pre, bool add_prefix_space, as_buf *out);

#endif
