/* Pre-tokenizers: how a normalized text is cut into the pieces that the model sees.
 *
 * The library runs each over all pieces before the next begins; here a piece runs through all of them before
 * the next is cut, which gives the same pieces, as none looks beyond its piece. */
#ifndef AS_ENGINE_TEXT_PRETOKENIZER_H
#define AS_ENGINE_TEXT_PRETOKENIZER_H

#include "base/error.h"
#include "base/json.h"
#include "engine/text/normalizer.h"
#include "engine/text/scratch.h"

typedef struct as_pretokenizer as_pretokenizer;

AS_MUST_USE as_code as_pretokenizer_open(const json_t *value, as_pretokenizer **out, as_error *err);
void as_pretokenizer_close(as_pretokenizer *pretokenizer);

/* True when the last step writes the byte-level alphabet: with raw set in the run below, that step hands on
 * the bytes as they are. */
bool as_pretokenizer_ends_in_bytes(const as_pretokenizer *pretokenizer);

/* Receives the pieces in order; the text lasts for the call. Pieces are never empty. */
typedef as_code as_piece_sink(void *context, const char *text, size_t size, as_error *err);

typedef struct as_pretokenizer_run_args {
    as_scratch *scratch;
    as_piece_sink *sink;
    void *context;
    bool raw;
} as_pretokenizer_run_args;

AS_MUST_USE as_code as_pretokenizer_run(const as_pretokenizer *pretokenizer,
                                        const as_pretokenizer_run_args *args, const as_stretch *stretch,
                                        as_error *err);

/* ---- the steps, for the files that implement them ---- */

typedef struct as_split_step as_split_step;
typedef struct as_pipe { /* one run */
    const as_pretokenizer *owner;
    const as_pretokenizer_run_args *args;
} as_pipe;

typedef struct as_split_kind {
    const char *type;
    as_code (*open)(as_split_step *step, const json_t *value, as_error *err); /* NULL: nothing to read */
    as_code (*run)(const as_split_step *step, const as_pipe *pipe, int at, const as_stretch *in,
                   as_error *err);
    bool ends_in_bytes;
} as_split_kind;

typedef enum {
    AS_SPLIT_REMOVED,
    AS_SPLIT_ISOLATED,
    AS_SPLIT_PREVIOUS,
    AS_SPLIT_NEXT,
    AS_SPLIT_CONTIGUOUS
} as_split_behavior;
typedef enum { AS_PREPEND_FIRST, AS_PREPEND_NEVER, AS_PREPEND_ALWAYS } as_prepend_scheme;

struct as_split_step {
    const as_split_kind *kind;
    struct as_regex *regex;
    as_split_behavior behavior;
    bool invert, individual, add_space, use_regex, split;
    as_prepend_scheme scheme;
    uint32_t character;
    int64_t length;
};

/* Hands a piece to the step after `at`; drops an empty one. */
AS_MUST_USE as_code as_pipe_next(const as_pipe *pipe, int at, const as_stretch *piece, as_error *err);
bool as_pipe_is_last(const as_pipe *pipe, int at);

/* Turns a row of matches and gaps, which together cover the piece, into pieces. */
typedef struct as_splitter {
    const as_pipe *pipe;
    int at;
    const as_stretch *in;
    as_split_behavior behavior;
    bool invert, waits, last_match;
    size_t start, end; /* of what waits */
} as_splitter;

AS_MUST_USE as_code as_splitter_add(as_splitter *s, size_t start, size_t end, bool match, as_error *err);
AS_MUST_USE as_code as_splitter_end(as_splitter *s, as_error *err);

AS_MUST_USE as_code as_split_read_behavior(const json_t *value, as_split_behavior *out, as_error *err);

extern const as_split_kind as_split_byte_level, as_split_split, as_split_metaspace, as_split_whitespace,
    as_split_whitespace_split, as_split_punctuation, as_split_digits, as_split_delimiter, as_split_scripts,
    as_split_fixed_length;

#endif
