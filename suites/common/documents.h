/* The texts on which drift and perplexity are measured: held-out documents, or our own where none are given.
 */
#ifndef AS_SUITES_COMMON_DOCUMENTS_H
#define AS_SUITES_COMMON_DOCUMENTS_H

#include <stdint.h>

#include "suites/target.h"

typedef struct as_document {
    char *domain; /* "prose", "code", ...; a file's name where the source has no domains */
    char *text;
    size_t size;
} as_document;

typedef struct as_documents {
    int64_t count;
    as_document *items;
    char source[256]; /* for a reader: the name of what was given, or "built-in text" */
} as_documents;

/* path: a JSON file (a list of {"domain", "text"}, or an object whose "documents" is one), a text file, or a
 * directory with heldout.json or *.txt files; NULL: the built-in text. A text file is cut into documents at
 * lines that hold only "----". The documents are shuffled by seed, so that any prefix is a fair sample. */
AS_MUST_USE as_code as_documents_load(const char *path, uint64_t seed, as_documents *out, as_error *err);
void as_documents_free(as_documents *documents);

/* Tokens of one document with the tokenizer's special ones, cut to `most`; *tokens by as_free. */
AS_MUST_USE as_code as_document_tokens(const as_document *document, as_target *target, int64_t most,
                                       int32_t **tokens, int64_t *count, as_error *err);

#endif
