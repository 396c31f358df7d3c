/* Added tokens: texts that are tokens of their own, found before the model sees the text. */
#ifndef AS_ENGINE_TEXT_ADDED_H
#define AS_ENGINE_TEXT_ADDED_H

#include "base/error.h"
#include "base/json.h"
#include "engine/text/model.h"
#include "engine/text/normalizer.h"
#include "engine/text/trie.h"
#include "engine/text/vocab.h"

enum {
    AS_ADDED_SINGLE_WORD = 1,
    AS_ADDED_LSTRIP = 2,
    AS_ADDED_RSTRIP = 4,
    AS_ADDED_NORMALIZED = 8,
    AS_ADDED_SPECIAL = 16
};

typedef struct as_added_token {
    char *content,
        *normal; /* normal: the normalized form, by which it is found and decoded; NULL where the same */
    size_t size, normal_size;
    int32_t id;
    unsigned flags;
} as_added_token;

/* Tokens found in the text as it is (raw), and those found after normalizing. */
typedef enum { AS_ADDED_RAW, AS_ADDED_NORMAL, AS_ADDED_SETS } as_added_set;

typedef struct as_added {
    as_added_token *tokens; /* sorted by id */
    size_t count;
    as_vocab names; /* every content that was ever added; its id is an index into name_ids */
    int32_t *name_ids;
    bool *name_special;
    as_trie sets[AS_ADDED_SETS]; /* values are indexes into tokens */
    bool empty[AS_ADDED_SETS];
    int only[AS_ADDED_SETS]; /* the byte with which all patterns begin, -1 if they differ */
} as_added;

AS_MUST_USE as_code as_added_open(const json_t *list, const as_text_model *model,
                                  const as_normalizer *normalizer, as_scratch *scratch, as_added *out,
                                  as_error *err);
void as_added_close(as_added *added);

/* Receives the parts of a text in order: token is NULL for what lies between added tokens. */
typedef as_code as_added_sink(void *context, const as_added_token *token, size_t start, size_t end,
                              as_error *err);
AS_MUST_USE as_code as_added_split(const as_added *added, as_added_set set, const char *text, size_t size,
                                   as_added_sink *sink, void *context, as_error *err);

/* NULL if the id is none. */
const as_added_token *as_added_by_id(const as_added *added, int32_t id);
/* -1 if the text is none. */
int32_t as_added_find(const as_added *added, const char *text, size_t size);
/* Whether a special token has this text. */
bool as_added_is_special(const as_added *added, const char *text, size_t size);

#endif
