/* Decoders: how token texts become a text.
 *
 * The library maps whole lists of tokens; here each decoder takes its tokens as they come and passes on what
 * is certain, so that one piece of code decodes at once and as a stream. A token may come in several chunks,
 * each of whole characters. */
#ifndef AS_ENGINE_TEXT_DECODER_H
#define AS_ENGINE_TEXT_DECODER_H

#include "base/buf.h"
#include "base/error.h"
#include "base/json.h"

typedef struct as_decoder as_decoder;

/* clean_spaces adds what transformers does to WordPiece and Unigram texts with
 * clean_up_tokenization_spaces. */
typedef enum { AS_DECODER_PLAIN, AS_DECODER_CLEAN_SPACES } as_decoder_ending;

AS_MUST_USE as_code as_decoder_open(const json_t *value, as_decoder_ending ending, as_decoder **out,
                                    as_error *err);
void as_decoder_close(as_decoder *decoder);

/* The state of one text. */
typedef struct as_decoding as_decoding;
AS_MUST_USE as_code as_decoding_new(const as_decoder *decoder, as_decoding **out, as_error *err);
void as_decoding_free(as_decoding *decoding);
AS_MUST_USE as_code as_decoding_add(as_decoding *decoding, const char *token, size_t size, as_buf *out,
                                    as_error *err);
/* The end of the text: the state is as new afterwards. */
AS_MUST_USE as_code as_decoding_finish(as_decoding *decoding, as_buf *out, as_error *err);

/* ---- the steps, for the files that implement them ---- */

typedef struct as_decode_step as_decode_step;

typedef struct as_decode_state { /* of one step */
    as_buf held;                 /* what is not certain yet */
    as_buf work;                 /* scratch */
    as_buf last;                 /* the token before */
    size_t index;                /* of the token that is coming */
    size_t count;                /* for the step's own use */
    size_t count2;
    bool inside; /* a token has begun and not ended */
    bool any;    /* for the step's own use */
} as_decode_state;

typedef struct as_decode_run {
    as_decoding *decoding;
    as_buf *out;
    as_error *err;
    int at; /* the step that runs */
} as_decode_run;

typedef struct as_decode_kind {
    const char *type;
    const char *fields; /* see as_normal_kind */
    bool whole;         /* wants each token in one chunk */
    as_code (*open)(as_decode_step *step, const json_t *value, as_error *err);
    as_code (*add)(const as_decode_step *step, as_decode_state *state, const as_decode_run *run,
                   const char *text, size_t size, bool ends);
    as_code (*finish)(const as_decode_step *step, as_decode_state *state,
                      const as_decode_run *run); /* or NULL */
} as_decode_kind;

struct as_decode_step {
    const as_decode_kind *kind;
    char *text, *text2;
    size_t size, size2;
    struct as_regex *regex;
    uint32_t character;
    int64_t start, stop;
    bool cleanup, drops_first;
};

/* Hands a chunk to the next step. */
AS_MUST_USE as_code as_decode_next(const as_decode_run *run, const char *text, size_t size, bool ends);
struct as_matcher *as_decode_matcher(const as_decode_run *run);

/* Appends text with every `what` replaced, from left to right; an empty `what` stands between all characters.
 */
void as_decode_replace(const char *text, size_t size, const char *what, size_t what_size, const char *with,
                       size_t with_size, as_buf *out);

extern const as_decode_kind as_decode_byte_level, as_decode_byte_fallback, as_decode_fuse, as_decode_strip,
    as_decode_metaspace, as_decode_wordpiece, as_decode_bpe, as_decode_ctc, as_decode_replace_kind,
    as_decode_join, as_decode_clean_spaces;

#endif
