/* The file forms that a tokenizer comes in. Each reader makes a tokenizer from one form; load.c picks the
 * form and reads what lies beside it. */
#ifndef AS_ENGINE_TEXT_LOAD_H
#define AS_ENGINE_TEXT_LOAD_H

#include "base/arena.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "engine/text/assemble.h"
#include "engine/text/tokenizer.h"

/* A vocabulary that is being read. */
typedef struct as_vocab_reader {
    as_arena arena;
    as_vocab_token *tokens;
    size_t token_count, token_room;
    as_vocab_merge *merges; /* NULL: the file has none, not even an empty list */
    size_t merge_count, merge_room;
} as_vocab_reader;

void as_vocab_reader_free(as_vocab_reader *reader);
AS_MUST_USE as_code as_vocab_reader_token(as_vocab_reader *reader, as_vocab_token token, as_error *err);
AS_MUST_USE as_code as_vocab_reader_merge(as_vocab_reader *reader, as_vocab_merge merge, as_error *err);

/* A vocabulary as JSON: {"token": id, ...} or [["token", score], ...]; text lasts as long as the reader. */
AS_MUST_USE as_code as_vocab_reader_json(as_vocab_reader *reader, const char *text, size_t size,
                                         as_error *err);

/* The merges of a SentencePiece BPE vocabulary, which has none: every cut of a token into two tokens is one,
 * in the order of the tokens they make: by id, or by score, the greatest first, then by id. */
typedef enum { AS_SPM_BY_ID, AS_SPM_BY_SCORE } as_spm_order;
AS_MUST_USE as_code as_spm_make_merges(as_vocab_reader *reader, as_spm_order order, as_error *err);

/* What tokenizer_config.json and its like say; every string may be absent. */
typedef struct as_tokenizer_config {
    json_t *config;  /* tokenizer_config.json; an empty object where there is none */
    json_t *special; /* special_tokens_map.json, likewise */
    const char *dir;
} as_tokenizer_config;

/* The content of a special token ("bos_token" and so on), NULL if it is not set; lent from the config. */
const char *as_tokenizer_config_token(const as_tokenizer_config *config, const char *key);

/* The readers. *parts is the tree of the other parts, for what the configuration changes. */
AS_MUST_USE as_code as_load_json(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                 json_t **parts, as_error *err);
AS_MUST_USE as_code as_load_sentencepiece(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                          json_t **parts, as_error *err);
AS_MUST_USE as_code as_load_merges(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                   json_t **parts,
                                   as_error *err); /* path is vocab.json; merges.txt lies beside it */
AS_MUST_USE as_code as_load_wordpiece(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                      json_t **parts, as_error *err);
/* A GGUF file's tokenizer. What it says takes the place of everything in config. */
AS_MUST_USE as_code as_load_gguf(const char *path, as_tokenizer_config *config, as_tokenizer **out,
                                 json_t **parts, as_error *err);

#endif
