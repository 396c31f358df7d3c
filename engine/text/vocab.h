/* The table of tokens: text to id and id to text. Constant after it is built. */
#ifndef AS_ENGINE_TEXT_VOCAB_H
#define AS_ENGINE_TEXT_VOCAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct as_vocab_entry {
    uint64_t offset; /* into bytes */
    uint32_t size;
    int32_t id;
} as_vocab_entry;

typedef struct as_vocab {
    char *bytes; /* the texts, each followed by a terminator */
    size_t used, room;
    as_vocab_entry *entries; /* in the order they were added */
    size_t count, entries_room;
    uint32_t *slots; /* hash table: index of an entry plus 1; 0 is empty */
    size_t mask;
    uint64_t seed;
    uint32_t *by_id; /* entries sorted by id, or NULL where id i is entry i */
    size_t distinct; /* texts */
    int32_t max_id;  /* -1 when empty */
} as_vocab;

uint64_t as_vocab_hash(const char *text, size_t size, uint64_t seed);

void as_vocab_free(as_vocab *vocab);
/* Room for count entries of so many bytes in all, so that as_vocab_add does not grow step by step. */
AS_MUST_USE as_code as_vocab_reserve(as_vocab *vocab, size_t count, size_t bytes, as_error *err);
/* Adds an entry (the text is copied). A repeated text takes the new id; the old entry stays for its id when
 * keep_repeats is set in as_vocab_finish. */
AS_MUST_USE as_code as_vocab_add(as_vocab *vocab, const char *text, size_t size, int32_t id, as_error *err);

typedef enum { AS_VOCAB_MAP, AS_VOCAB_LIST } as_vocab_form;
/* Builds the indexes. A map has one id for each text (the last stands) and refuses two texts with one id; a
 * list keeps every entry's id, and repeated texts find the last. */
AS_MUST_USE as_code as_vocab_finish(as_vocab *vocab, as_vocab_form form, as_error *err);

/* -1 if it is not there. */
int32_t as_vocab_find(const as_vocab *vocab, const char *text, size_t size);
/* NULL if there is none. */
const char *as_vocab_text(const as_vocab *vocab, int32_t id, size_t *size);

#endif
