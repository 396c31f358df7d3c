/* What one call of encode or decode writes to: buffers, the word cache, the matcher's memory. The tokenizer
 * keeps a few for reuse, so that concurrent calls do not meet. */
#ifndef AS_ENGINE_TEXT_SCRATCH_H
#define AS_ENGINE_TEXT_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum { AS_STAGES_MAX = 64 }; /* steps of one pipeline after nested sequences are laid out flat */

/* A block that grows and is reused. */
typedef struct as_room {
    void *at;
    size_t size;
} as_room;

typedef struct as_scratch {
    as_buf clean;                   /* the text with invalid UTF-8 replaced */
    as_buf normal[2];               /* normalizers write from one to the other */
    as_buf stages[AS_STAGES_MAX];   /* text that a pre-tokenizer has rewritten */
    as_buf subjects[AS_STAGES_MAX]; /* text as a matcher sees it */
    as_buf letters[AS_STAGES_MAX];  /* pieces in the byte-level alphabet */
    as_room points;                 /* code points of normal forms */
    as_room symbols, heap;          /* of a word that is being merged */
    as_room lattice;                /* of a Unigram sentence */
    struct as_word_cache *cache;    /* of the BPE model */
    struct as_matcher *matcher;     /* of the regex engine */
    struct as_scratch *next;        /* in the tokenizer's list */
} as_scratch;

AS_MUST_USE as_code as_scratch_new(as_scratch **out, as_error *err);
void as_scratch_free(as_scratch *scratch);
/* Gives back what a very long text needed. */
void as_scratch_trim(as_scratch *scratch);

/* At least size bytes at room->at, contents undefined. */
AS_MUST_USE as_code as_room_fit(as_room *room, size_t count, size_t size, as_error *err);

void as_room_free(as_room *room);

#endif
