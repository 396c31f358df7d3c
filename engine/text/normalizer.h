/* Normalizers: what is done to a text before it is cut into pieces. */
#ifndef AS_ENGINE_TEXT_NORMALIZER_H
#define AS_ENGINE_TEXT_NORMALIZER_H

#include "base/error.h"
#include "base/json.h"
#include "engine/text/scratch.h"

/* A stretch of text on its way through the pipeline.
 *
 * lead is all that is left of the library's bookkeeping of offsets: the number of bytes at its begin that
 * come from the very first character of the whole text. Metaspace with the scheme "first" asks for it. */
typedef struct as_stretch {
    const char *text;
    size_t size;
    size_t lead;
} as_stretch;

typedef struct as_normalizer as_normalizer;

/* value is the field of tokenizer.json; null and NULL give a normalizer that changes nothing. */
AS_MUST_USE as_code as_normalizer_open(const json_t *value, as_normalizer **out, as_error *err);
void as_normalizer_close(as_normalizer *normalizer);

/* Changes *stretch to the normalized text, which lies in the scratch until the next run. */
AS_MUST_USE as_code as_normalizer_run(const as_normalizer *normalizer, as_scratch *scratch,
                                      as_stretch *stretch, as_error *err);

/* ---- the parts of a normalizer, for the files that implement them ---- */

typedef struct as_normal_step as_normal_step;
typedef struct as_normal_kind {
    const char *type;   /* as tokenizer.json names it */
    const char *fields; /* by which an entry without "type" is recognised, separated by spaces; NULL: never */
    as_code (*open)(as_normal_step *step, const json_t *value, as_error *err); /* NULL: nothing to read */
    void (*close)(as_normal_step *step);                                       /* NULL: nothing to free */
    /* Writes to out (empty) and points *stretch to it, or leaves both where nothing changes. */
    as_code (*run)(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                   as_error *err);
    int form; /* for kinds that share a function */
} as_normal_kind;

struct as_normal_step {
    const as_normal_kind *kind;
    unsigned flags;
    void *data;
    char *text;
    size_t size;
};

extern const as_normal_kind as_normal_bert, as_normal_strip, as_normal_strip_accents, as_normal_lowercase,
    as_normal_nmt, as_normal_prepend, as_normal_byte_level, as_normal_replace, as_normal_precompiled,
    as_normal_nfc, as_normal_nfd, as_normal_nfkc, as_normal_nfkd;

/* Writing with the lead kept: source is where in the old text the bytes come from. */
typedef struct as_emitter {
    as_buf *out;
    size_t lead_in, lead_out;
} as_emitter;

static inline void as_emit(as_emitter *e, size_t source, const char *bytes, size_t size)
{
    if (source < e->lead_in && e->lead_out == e->out->size) e->lead_out += size;
    as_buf_add(e->out, bytes, size);
}

void as_emit_point(as_emitter *e, size_t source, uint32_t point);
/* Points the stretch to what was written. */
AS_MUST_USE as_code as_emit_end(as_emitter *e, as_stretch *stretch, as_error *err);

/* NFD of the stretch, for BERT's accents. */
AS_MUST_USE as_code as_normal_run_nfd(as_scratch *scratch, as_stretch *stretch, as_buf *out, as_error *err);

/* {"String": s} or {"Regex": r}, the pattern form of Replace and Split. */
struct as_regex;
AS_MUST_USE as_code as_pattern_open(const json_t *owner, struct as_regex **out, as_error *err);

#endif
