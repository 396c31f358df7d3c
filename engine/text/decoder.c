/* The list of decoders and how tokens run through it; see decoder.h. */
#include "engine/text/decoder.h"

#include <string.h>

#include "base/mem.h"
#include "engine/text/part.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

enum { STEPS_MAX = 64 };

struct as_decoder {
    as_decode_step steps[STEPS_MAX + 1];
    int count;
};

struct as_decoding {
    const as_decoder *decoder;
    as_matcher *matcher;
    as_decode_state states[STEPS_MAX + 1];
};

static const as_decode_kind *const kinds[] = {
    &as_decode_bpe,       &as_decode_byte_level, &as_decode_wordpiece,
    &as_decode_metaspace, &as_decode_ctc,        &as_decode_replace_kind,
    &as_decode_fuse,      &as_decode_strip,      &as_decode_byte_fallback};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static as_code push_step(as_decoder *d, const as_decode_kind *kind, const json_t *value, as_error *err)
{
    if (d->count == STEPS_MAX) return as_fail(err, AS_E_LIMIT, "more than %d decoders", (int)STEPS_MAX);
    as_decode_step *step = &d->steps[d->count++];
    *step = (as_decode_step){.kind = kind};
    as_code rc = kind->open ? kind->open(step, value, err) : AS_OK;
    return rc == AS_OK ? AS_OK : as_wrap(err, "%s", kind->type);
}

static as_code add_step(void *context, const json_t *value, const char *type, as_error *err)
{
    for (int i = 0; i < KINDS; i++) {
        if (type ? strcmp(kinds[i]->type, type) == 0 : as_part_has_fields(value, kinds[i]->fields)) {
            return push_step(context, kinds[i], value, err);
        }
    }
    return as_part_unknown("decoder", type, err);
}

as_code as_decoder_open(const json_t *value, as_decoder_ending ending, as_decoder **out, as_error *err)
{
    as_decoder *d = AS_NEW(as_decoder);
    if (!d) return as_fail_memory(err, "the decoders");
    as_code rc = as_part_each(value, "decoders", add_step, d, err);
    if (rc == AS_OK && (!value || json_is_null(value))) rc = push_step(d, &as_decode_join, NULL, err);
    if (rc == AS_OK && ending == AS_DECODER_CLEAN_SPACES)
        rc = push_step(d, &as_decode_clean_spaces, NULL, err);
    if (rc != AS_OK) {
        as_decoder_close(d);
        return rc;
    }
    *out = d;
    return AS_OK;
}

void as_decoder_close(as_decoder *decoder)
{
    if (!decoder) return;
    for (int i = 0; i < decoder->count; i++) {
        as_free(decoder->steps[i].text);
        as_free(decoder->steps[i].text2);
        as_regex_close(decoder->steps[i].regex);
    }
    as_free(decoder);
}

as_code as_decoding_new(const as_decoder *decoder, as_decoding **out, as_error *err)
{
    as_decoding *d = AS_NEW(as_decoding);
    if (!d) return as_fail_memory(err, "decoding");
    d->decoder = decoder;
    for (int i = 0; i < decoder->count; i++) {
        if (!decoder->steps[i].regex || d->matcher) continue;
        if (as_matcher_new(&d->matcher) != AS_OK) {
            as_decoding_free(d);
            return as_fail_memory(err, "decoding");
        }
    }
    *out = d;
    return AS_OK;
}

void as_decoding_free(as_decoding *decoding)
{
    if (!decoding) return;
    for (int i = 0; i <= STEPS_MAX; i++) {
        as_buf_free(&decoding->states[i].held);
        as_buf_free(&decoding->states[i].work);
        as_buf_free(&decoding->states[i].last);
    }
    as_matcher_free(decoding->matcher);
    as_free(decoding);
}

as_matcher *as_decode_matcher(const as_decode_run *run)
{
    return run->decoding->matcher;
}

/* Gathers a token that comes in chunks for a step that wants it whole. */
static as_code give(const as_decode_run *run, const char *text, size_t size, bool ends)
{
    const as_decode_step *step = &run->decoding->decoder->steps[run->at];
    as_decode_state *state = &run->decoding->states[run->at];
    if (!step->kind->whole || (ends && !state->inside))
        return step->kind->add(step, state, run, text, size, ends);
    as_buf_add(&state->work, text, size);
    state->inside = !ends;
    if (!ends) return AS_OK;
    AS_TRY(as_buf_check(&state->work, "a text", run->err));
    as_buf whole = state->work; /* the step has the buffer for itself again */
    state->work = (as_buf){0};
    as_code rc = step->kind->add(step, state, run, as_buf_text(&whole), whole.size, true);
    as_buf_free(&whole);
    return rc;
}

as_code as_decode_next(const as_decode_run *run, const char *text, size_t size, bool ends)
{
    as_decode_run next = *run;
    next.at++;
    if (next.at < run->decoding->decoder->count) return give(&next, text, size, ends);
    as_buf_add(run->out, text, size);
    return as_buf_check(run->out, "the text", run->err);
}

as_code as_decoding_add(as_decoding *decoding, const char *token, size_t size, as_buf *out, as_error *err)
{
    as_decode_run run = {decoding, out, err, -1};
    return as_decode_next(&run, token, size, true);
}

as_code as_decoding_finish(as_decoding *decoding, as_buf *out, as_error *err)
{
    as_code rc = AS_OK;
    for (int i = 0; i < decoding->decoder->count; i++) {
        as_decode_run run = {decoding, out, err, i};
        const as_decode_step *step = &decoding->decoder->steps[i];
        if (rc == AS_OK && step->kind->finish) rc = step->kind->finish(step, &decoding->states[i], &run);
        as_decode_state *state = &decoding->states[i];
        as_buf_clear(&state->held);
        as_buf_clear(&state->work);
        as_buf_clear(&state->last);
        *state = (as_decode_state){.held = state->held, .work = state->work, .last = state->last};
    }
    return rc;
}

void as_decode_replace(const char *text, size_t size, const char *what, size_t what_size, const char *with,
                       size_t with_size, as_buf *out)
{
    size_t at = 0;
    while (what_size == 0) {
        as_buf_add(out, with, with_size);
        if (at >= size) return;
        size_t length = (size_t)as_unicode_length(text + at);
        as_buf_add(out, text + at, length);
        at += length;
    }
    while (at < size) {
        const char *hit = memmem(text + at, size - at, what, what_size);
        if (!hit) break;
        as_buf_add(out, text + at, (size_t)(hit - text) - at);
        as_buf_add(out, with, with_size);
        at = (size_t)(hit - text) + what_size;
    }
    as_buf_add(out, text + at, size - at);
}
