/* The Unicode normal forms. Which characters take part is the library's knowledge (Unicode 9, see unicode.h);
 * how they decompose and compose is utf8proc's, which agrees on all of these. */
#include <string.h>
#include <utf8proc.h>

#include "engine/text/normal_lead.h"
#include "engine/text/normalizer.h"
#include "engine/text/unicode.h"

enum { DECOMPOSED_MAX = 32 };

/* The text falls into segments that begin with a character nothing before it can change; each is decomposed,
 * put in order and composed by itself. */
typedef struct segment {
    int32_t *points; /* decomposed */
    size_t count;
} segment;

int as_normal_combining(int32_t point)
{
    if (!as_unicode_is((uint32_t)point, AS_U_NORM)) return 0;
    return utf8proc_get_property(point)->combining_class;
}

static as_code decompose(segment *s, as_room *room, uint32_t point, int form, as_error *err)
{
    if ((s->count + DECOMPOSED_MAX) * 2 * sizeof *s->points > room->size) {
        as_room bigger = {0}; /* two halves: the points and a copy for sorting */
        AS_TRY(as_room_fit(&bigger, (s->count + DECOMPOSED_MAX) * 4, sizeof *s->points, err));
        if (s->count) memcpy(bigger.at, s->points, s->count * sizeof *s->points);
        as_room old = *room;
        *room = bigger;
        as_room_free(&old);
        s->points = room->at;
    }
    if (!as_unicode_is(point, AS_U_NORM)) {
        s->points[s->count++] = (int32_t)point;
        return AS_OK;
    }
    int last = 0;
    int options = UTF8PROC_DECOMPOSE | (form & AS_FORM_COMPAT ? UTF8PROC_COMPAT : 0);
    s->count +=
        (size_t)utf8proc_decompose_char((int32_t)point, s->points + s->count, DECOMPOSED_MAX, options, &last);
    return AS_OK;
}

/* Marks in a row are put in the order of their classes; equal ones stay as they are. */
static void sort_marks(int32_t *points, size_t count, int32_t *copy)
{
    size_t places[256] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++) places[as_normal_combining(points[i])]++;
    for (int i = 0; i < 256; i++) {
        size_t n = places[i];
        places[i] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++) copy[places[as_normal_combining(points[i])]++] = points[i];
    memcpy(points, copy, count * sizeof *points);
}

static void order(segment *s)
{
    for (size_t i = 0; i < s->count;) {
        size_t end = i;
        bool sorted = true;
        int last = 0;
        for (; end < s->count; end++) {
            int class = as_normal_combining(s->points[end]);
            if (class == 0) break;
            if (class < last) sorted = false;
            last = class;
        }
        if (!sorted) sort_marks(s->points + i, end - i, s->points + s->count);
        i = end > i ? end : i + 1;
    }
}

/* Composes points[begin..]; a character that the library does not know to take part is left out of it. */
static void compose(segment *s)
{
    size_t begin = s->count && !as_unicode_is((uint32_t)s->points[0], AS_U_NORM) ? 1 : 0;
    if (s->count - begin < 2) return;
    utf8proc_ssize_t count = utf8proc_normalize_utf32(s->points + begin, (utf8proc_ssize_t)(s->count - begin),
                                                      UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    if (count >= 0) s->count = begin + (size_t)count;
}

/* Where the segment that begins at `at` ends. */
static size_t segment_end(const as_stretch *in, size_t at, uint32_t joins)
{
    int length = as_unicode_length(in->text + at);
    do {
        at += (size_t)length;
    } while (at < in->size && as_unicode_is(as_unicode_read(in->text + at, &length), joins));
    return at;
}

static as_code write_segment(int form, as_scratch *scratch, const as_stretch *in, size_t begin, size_t end,
                             as_emitter *e, as_error *err)
{
    if (begin < e->lead_in && end - begin <= AS_LEAD_SEGMENT_MAX) {
        return as_normal_lead_segment(form, in, begin, end - begin, e, err);
    }
    segment s = {.points = scratch->points.at};
    for (size_t at = begin; at < end;) {
        int length;
        uint32_t point = as_unicode_read(in->text + at, &length);
        AS_TRY(decompose(&s, &scratch->points, point, form, err));
        at += (size_t)length;
    }
    order(&s);
    if (form & AS_FORM_COMPOSE) compose(&s);
    for (size_t i = 0; i < s.count; i++) as_emit_point(e, i ? SIZE_MAX : begin, (uint32_t)s.points[i]);
    return AS_OK;
}

static as_code run_form(int form, as_scratch *scratch, as_stretch *stretch, as_buf *out, as_error *err)
{
    /* joins: may change with what stands before it; touched: may change at all */
    uint32_t joins = form & AS_FORM_COMPAT ? AS_U_NFKC_MAYBE : AS_U_NFC_MAYBE;
    uint32_t touched = form & AS_FORM_COMPOSE ? joins : AS_U_NORM;
    size_t at = 0, safe = 0; /* safe: where the segment begins that holds the first character touched */
    int length;
    for (; at < stretch->size; at += (size_t)length) {
        uint32_t class = as_unicode_class(as_unicode_read(stretch->text + at, &length));
        if (!(class & joins)) safe = at;
        if (class & touched) break;
    }
    if (at >= stretch->size) return AS_OK;
    as_emitter e = {
        .out = out, .lead_in = stretch->lead, .lead_out = safe < stretch->lead ? safe : stretch->lead};
    as_buf_add(out, stretch->text, safe);
    for (at = safe; at < stretch->size;) {
        size_t begin = at;
        uint32_t class = as_unicode_class(as_unicode_read(stretch->text + at, &length));
        at = segment_end(stretch, at, joins);
        if (at == begin + (size_t)length && !(class & touched)) {
            as_emit(&e, begin, stretch->text + begin, at - begin);
        } else {
            AS_TRY(write_segment(form, scratch, stretch, begin, at, &e, err));
        }
    }
    return as_emit_end(&e, stretch, err);
}

as_code as_normal_run_nfd(as_scratch *scratch, as_stretch *stretch, as_buf *out, as_error *err)
{
    return run_form(0, scratch, stretch, out, err);
}

static as_code run(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch, as_buf *out,
                   as_error *err)
{
    return run_form(step->kind->form, scratch, stretch, out, err);
}

const as_normal_kind as_normal_nfd = {"NFD", NULL, NULL, NULL, run, 0};
const as_normal_kind as_normal_nfc = {"NFC", NULL, NULL, NULL, run, AS_FORM_COMPOSE};
const as_normal_kind as_normal_nfkd = {"NFKD", NULL, NULL, NULL, run, AS_FORM_COMPAT};
const as_normal_kind as_normal_nfkc = {"NFKC", NULL, NULL, NULL, run, AS_FORM_COMPAT | AS_FORM_COMPOSE};
