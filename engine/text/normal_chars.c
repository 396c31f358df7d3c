/* Normalizers that look at one character at a time. As in `tokenizers`, normalizers/. */
#include <string.h>

#include "base/mem.h"
#include "engine/text/byte_level.h"
#include "engine/text/normalizer.h"
#include "engine/text/part.h"
#include "engine/text/unicode.h"

/* What becomes of a character: kept, dropped, or another one. */
enum { KEEP = -1, DROP = -2 };
typedef int32_t change_of(uint32_t point);

static as_code change_each(change_of *change, as_stretch *stretch, as_buf *out, as_error *err)
{
    as_emitter e = {.out = out, .lead_in = stretch->lead};
    bool changed = false;
    for (size_t at = 0; at < stretch->size;) {
        int length;
        uint32_t c = as_unicode_read(stretch->text + at, &length);
        int32_t to = change(c);
        if (to != KEEP && !changed) {
            changed = true;
            as_buf_add(out, stretch->text, at);
            e.lead_out = at < stretch->lead ? at : stretch->lead;
        }
        if (changed && to == KEEP) as_emit(&e, at, stretch->text + at, (size_t)length);
        if (to >= 0) as_emit_point(&e, at, (uint32_t)to);
        at += (size_t)length;
    }
    return changed ? as_emit_end(&e, stretch, err) : AS_OK;
}

/* ---- StripAccents, Nmt ---- */

static int32_t drop_mark(uint32_t c)
{
    return c >= 0x80 && as_unicode_is(c, AS_U_MARK) ? DROP : KEEP;
}

static as_code run_strip_accents(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch,
                                 as_buf *out, as_error *err)
{
    (void)step, (void)scratch;
    return change_each(drop_mark, stretch, out, err);
}

const as_normal_kind as_normal_strip_accents = {"StripAccents", NULL, NULL, NULL, run_strip_accents, 0};

static int32_t nmt(uint32_t c)
{
    if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F)
        return DROP;
    if (c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
        c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD) {
        return ' ';
    }
    return KEEP;
}

static as_code run_nmt(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                       as_error *err)
{
    (void)step, (void)scratch;
    return change_each(nmt, stretch, out, err);
}

const as_normal_kind as_normal_nmt = {"Nmt", NULL, NULL, NULL, run_nmt, 0};

/* ---- Lowercase ---- */

static as_code run_lowercase(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch,
                             as_buf *out, as_error *err)
{
    (void)step, (void)scratch;
    as_emitter e = {.out = out, .lead_in = stretch->lead};
    for (size_t at = 0; at < stretch->size;) {
        int length;
        uint32_t to[2], c = as_unicode_read(stretch->text + at, &length);
        int count = as_unicode_to_lower(c, to);
        for (int i = 0; i < count; i++) as_emit_point(&e, at, to[i]);
        at += (size_t)length;
    }
    return as_emit_end(&e, stretch, err);
}

const as_normal_kind as_normal_lowercase = {"Lowercase", NULL, NULL, NULL, run_lowercase, 0};

/* ---- Strip ---- */

enum { STRIP_LEFT = 1, STRIP_RIGHT = 2 };

static as_code open_strip(as_normal_step *step, const json_t *value, as_error *err)
{
    bool left, right;
    AS_TRY(as_part_bool(value, "strip_left", &left, err));
    AS_TRY(as_part_bool(value, "strip_right", &right, err));
    step->flags = (left ? STRIP_LEFT : 0u) | (right ? STRIP_RIGHT : 0u);
    return AS_OK;
}

static as_code run_strip(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                         as_error *err)
{
    (void)scratch, (void)out, (void)err;
    size_t begin = 0, end = stretch->size;
    int length;
    while (step->flags & STRIP_LEFT && begin < end) {
        if (!as_unicode_is(as_unicode_read(stretch->text + begin, &length), AS_U_SPACE)) break;
        begin += (size_t)length;
    }
    while (step->flags & STRIP_RIGHT && end > begin) {
        if (!as_unicode_is(as_unicode_before(stretch->text, end, &length), AS_U_SPACE)) break;
        end -= (size_t)length;
    }
    stretch->lead = stretch->lead > begin ? stretch->lead - begin : 0;
    stretch->size = end - begin;
    if (stretch->lead > stretch->size) stretch->lead = stretch->size;
    if (begin == 0) return AS_OK;
    /* The text moves to the other buffer: its begin must be the buffer's, by which the next step knows it. */
    as_buf_add(out, stretch->text + begin, stretch->size);
    stretch->text = as_buf_text(out);
    return as_buf_check(out, "a text", err);
}

const as_normal_kind as_normal_strip = {"Strip", "strip_left strip_right", open_strip, NULL, run_strip, 0};

/* ---- Prepend ---- */

static as_code open_prepend(as_normal_step *step, const json_t *value, as_error *err)
{
    return as_part_text(value, "prepend", &step->text, &step->size, err);
}

static as_code run_prepend(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                           as_error *err)
{
    (void)scratch;
    size_t lead = stretch->lead ? stretch->lead + step->size : 0;
    as_buf_add(out, step->text, step->size);
    as_buf_add(out, stretch->text, stretch->size);
    AS_TRY(as_buf_check(out, "a text", err));
    *stretch = (as_stretch){as_buf_text(out), out->size, lead};
    return AS_OK;
}

const as_normal_kind as_normal_prepend = {"Prepend", "prepend", open_prepend, NULL, run_prepend, 0};

/* ---- ByteLevel ---- */

static as_code run_byte_level(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch,
                              as_buf *out, as_error *err)
{
    (void)step, (void)scratch;
    size_t lead = 0;
    as_byte_level_write(stretch->text, stretch->lead, out);
    lead = out->size;
    as_byte_level_write(stretch->text + stretch->lead, stretch->size - stretch->lead, out);
    AS_TRY(as_buf_check(out, "a text", err));
    *stretch = (as_stretch){as_buf_text(out), out->size, lead};
    return AS_OK;
}

const as_normal_kind as_normal_byte_level = {"ByteLevel", NULL, NULL, NULL, run_byte_level, 0};

/* ---- BertNormalizer ---- */

enum { BERT_CLEAN = 1, BERT_CHINESE = 2, BERT_ACCENTS = 4, BERT_LOWER = 8 };

static as_code open_bert(as_normal_step *step, const json_t *value, as_error *err)
{
    bool clean, chinese, lower;
    AS_TRY(as_part_bool(value, "clean_text", &clean, err));
    AS_TRY(as_part_bool(value, "handle_chinese_chars", &chinese, err));
    AS_TRY(as_part_bool(value, "lowercase", &lower, err));
    bool accents = lower; /* unless it is said otherwise */
    AS_TRY(as_json_get_bool(value, "strip_accents", &accents, err));
    step->flags = (clean ? BERT_CLEAN : 0u) | (chinese ? BERT_CHINESE : 0u) | (accents ? BERT_ACCENTS : 0u) |
                  (lower ? BERT_LOWER : 0u);
    return AS_OK;
}

static int32_t clean(uint32_t c)
{
    uint32_t class = as_unicode_class(c);
    if (class & AS_U_OTHER) return DROP;
    return class & AS_U_SPACE && c != ' ' ? ' ' : KEEP;
}

static int32_t drop_accent(uint32_t c)
{
    return c >= 0x80 && as_unicode_is(c, AS_U_MN) ? DROP : KEEP;
}

static bool is_chinese(uint32_t c)
{
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

static as_code space_chinese(as_stretch *stretch, as_buf *out, as_error *err)
{
    as_emitter e = {.out = out, .lead_in = stretch->lead};
    for (size_t at = 0; at < stretch->size;) {
        int length;
        bool chinese = is_chinese(as_unicode_read(stretch->text + at, &length));
        if (chinese) as_emit(&e, at, " ", 1);
        as_emit(&e, at, stretch->text + at, (size_t)length);
        if (chinese) as_emit(&e, at, " ", 1);
        at += (size_t)length;
    }
    return as_emit_end(&e, stretch, err);
}

static as_buf *other_buffer(as_scratch *scratch, const as_stretch *stretch)
{
    as_buf *out = &scratch->normal[stretch->text == scratch->normal[0].data];
    as_buf_clear(out);
    return out;
}

static as_code run_bert(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                        as_error *err)
{
    if (step->flags & BERT_CLEAN) AS_TRY(change_each(clean, stretch, out, err));
    if (step->flags & BERT_CHINESE) AS_TRY(space_chinese(stretch, other_buffer(scratch, stretch), err));
    if (step->flags & BERT_ACCENTS) {
        AS_TRY(as_normal_run_nfd(scratch, stretch, other_buffer(scratch, stretch), err));
        AS_TRY(change_each(drop_accent, stretch, other_buffer(scratch, stretch), err));
    }
    if (step->flags & BERT_LOWER) {
        AS_TRY(run_lowercase(step, scratch, stretch, other_buffer(scratch, stretch), err));
    }
    return AS_OK;
}

const as_normal_kind as_normal_bert = {
    "BertNormalizer", "clean_text handle_chinese_chars lowercase", open_bert, NULL, run_bert, 0};
