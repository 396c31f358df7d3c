/* The tokenizer: text to token ids and back.
 *
 * It gives the ids that Hugging Face `tokenizers` (Tokenizer.from_file) gives for the same tokenizer.json, on
 * any text. Without tokenizer.json it reads what transformers converts: tokenizer.model or spiece.model
 * (SentencePiece), vocab.json with merges.txt, vocab.txt. Text in which `tokenizers` could not be called at
 * all, because it is not UTF-8, is read as Python's errors="replace" reads it: each maximal invalid part
 * becomes one U+FFFD. The truncation and padding that a tokenizer.json may ask for are not applied: a harness
 * that counts tokens must never lose one.
 *
 * An as_tokenizer is constant after opening: any number of threads may encode and decode with it at once. */
#ifndef AS_ENGINE_TEXT_TOKENIZER_H
#define AS_ENGINE_TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

typedef struct as_tokenizer as_tokenizer;

/* A growing list of token ids; start from {0}. */
typedef struct as_tokens {
    int32_t *ids;
    size_t count;
    size_t room;
} as_tokens;

void as_tokens_free(as_tokens *tokens); /* to {0} */
AS_MUST_USE as_code as_tokens_add(as_tokens *tokens, const int32_t *ids, size_t count, as_error *err);

/* Opens the tokenizer of a model directory, or the tokenizer.json, tokenizer.model or spiece.model that path
 * names. AS_E_NOT_FOUND when there is none. */
AS_MUST_USE as_code as_tokenizer_open(const char *path, as_tokenizer **out, as_error *err);
void as_tokenizer_close(as_tokenizer *tokenizer); /* NULL is allowed */

/* The same from plain data, for vocabularies that come in another file form. Everything is copied. */
typedef struct as_vocab_token {
    const char *text;
    size_t size;
    int32_t id;   /* of a repeated text, the last entry stands */
    double score; /* Unigram only */
} as_vocab_token;

typedef struct as_vocab_merge { /* in the order of their rank */
    const char *left, *right;
    size_t left_size, right_size;
} as_vocab_merge;

typedef struct as_tokenizer_spec {
    const char *name;  /* stands in messages */
    const char *parts; /* JSON: a tokenizer.json whose model has no "vocab" and no "merges" */
    size_t parts_size;
    const as_vocab_token *tokens;
    size_t token_count;
    const as_vocab_merge *merges; /* BPE only */
    size_t merge_count;
} as_tokenizer_spec;

AS_MUST_USE as_code as_tokenizer_build(const as_tokenizer_spec *spec, as_tokenizer **out, as_error *err);

/* Options: zero is the default, and so is a null pointer. */
typedef struct as_encode_options {
    bool no_special; /* leave out what the post-processor adds; special tokens written in the text still count
                      */
} as_encode_options;

typedef struct as_decode_options {
    bool skip_special; /* leave out special tokens */
} as_decode_options;

/* Appends the ids of the text to *out. On failure *out holds what it held before. */
AS_MUST_USE as_code as_tokenizer_encode(const as_tokenizer *tokenizer, const char *text, size_t size,
                                        const as_encode_options *options, as_tokens *out, as_error *err);

/* Appends the text of the ids to *out, always valid UTF-8. Ids outside the vocabulary give nothing. */
AS_MUST_USE as_code as_tokenizer_decode(const as_tokenizer *tokenizer, const int32_t *ids, size_t count,
                                        const as_decode_options *options, as_buf *out, as_error *err);

/* Decoding as ids arrive. Each call appends what is certain by then, whole characters only; the pieces
 * together are exactly what as_tokenizer_decode gives for all the ids. as_token_stream_finish appends what
 * was held back and makes the stream ready for the next text. One stream, one thread. */
typedef struct as_token_stream as_token_stream;
AS_MUST_USE as_code as_token_stream_open(const as_tokenizer *tokenizer, const as_decode_options *options,
                                         as_token_stream **out, as_error *err);
AS_MUST_USE as_code as_token_stream_add(as_token_stream *stream, const int32_t *ids, size_t count,
                                        as_buf *out, as_error *err);
AS_MUST_USE as_code as_token_stream_finish(as_token_stream *stream, as_buf *out, as_error *err);
void as_token_stream_close(as_token_stream *stream); /* NULL is allowed */

/* The id of a token as the vocabulary spells it, -1 if there is none. */
int32_t as_tokenizer_id(const as_tokenizer *tokenizer, const char *token, size_t size);
/* The vocabulary's spelling of an id, NULL if there is none; *size may be null. Lent until close. */
const char *as_tokenizer_token(const as_tokenizer *tokenizer, int32_t id, size_t *size);
bool as_tokenizer_is_special(const as_tokenizer *tokenizer, int32_t id);

/* What else is known. Strings are lent until close. */
typedef struct as_tokenizer_info {
    const char *source;         /* the file it was read from: "tokenizer.json", "tokenizer.model", ... */
    const char *model;          /* "BPE", "Unigram", "WordPiece" or "WordLevel" */
    const char *class_name;     /* tokenizer_class of tokenizer_config.json, or "" */
    int64_t size;               /* distinct tokens, added ones included */
    int32_t max_id;             /* the largest id in use, -1 for none */
    int32_t bos, eos, unk, pad; /* of tokenizer_config.json and its like, or of the model; -1: none */
    int64_t max_length;         /* model_max_length, 0 where it is absent or absurdly large */
    bool adds_special;          /* encoding "" with special tokens gives any */
} as_tokenizer_info;

const as_tokenizer_info *as_tokenizer_get_info(const as_tokenizer *tokenizer);

#endif
