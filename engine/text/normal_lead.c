/* Normal forms with the lead kept; see normal_lead.h.
 *
 * As in the crate unicode-normalization-alignments and NormalizedString::transform of `tokenizers`: every new
 * character carries a change, 1 if it was added, 0 if it stands for the next old one, -n if it stands for
 * that and n more. Where characters change places their changes go with them, so the account is not always
 * what one would expect. */
#include "engine/text/normal_lead.h"

#include <utf8proc.h>

#include "base/mem.h"
#include "engine/text/unicode.h"

enum { DECOMPOSED_MAX = 32 };

typedef struct item {
    int32_t point;
    int32_t change;
} item;

typedef struct items {
    item *at;
    size_t count, room;
} items;

static as_code push(items *list, int32_t point, int32_t change, as_error *err)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 64;
        item *more = as_realloc(list->at, room * sizeof *more);
        if (!more) return as_fail_memory(err, "a text");
        list->at = more;
        list->room = room;
    }
    list->at[list->count++] = (item){point, change};
    return AS_OK;
}

static as_code decompose(int form, const char *text, size_t size, items *out, as_error *err)
{
    for (size_t at = 0; at < size;) {
        int length, last = 0;
        int32_t points[DECOMPOSED_MAX];
        uint32_t point = as_unicode_read(text + at, &length);
        utf8proc_ssize_t count = 1;
        points[0] = (int32_t)point;
        if (as_unicode_is(point, AS_U_NORM)) {
            int options = UTF8PROC_DECOMPOSE | (form & AS_FORM_COMPAT ? UTF8PROC_COMPAT : 0);
            count = utf8proc_decompose_char((int32_t)point, points, DECOMPOSED_MAX, options, &last);
        }
        for (utf8proc_ssize_t i = 0; i < count; i++) AS_TRY(push(out, points[i], i > 0, err));
        at += (size_t)length;
    }
    return AS_OK;
}

static void order(items *list) /* an insertion sort: the segment is short */
{
    for (size_t i = 1; i < list->count; i++) {
        item moved = list->at[i];
        int class = as_normal_combining(moved.point);
        size_t to = i;
        while (class && to && as_normal_combining(list->at[to - 1].point) > class) {
            list->at[to] = list->at[to - 1];
            to--;
        }
        list->at[to] = moved;
    }
}

static bool compose_pair(int32_t first, int32_t second, int32_t *out)
{
    int32_t pair[2] = {first, second};
    if (!as_unicode_is((uint32_t)first, AS_U_NORM) || !as_unicode_is((uint32_t)second, AS_U_NORM))
        return false;
    if (utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) != 1) return false;
    *out = pair[0];
    return true;
}

/* Puts the starter and the marks that wait behind it where they belong. */
static void flush(items *list, size_t *written, item starter, size_t first_mark, size_t end)
{
    list->at[(*written)++] = starter;
    for (size_t i = first_mark; i < end; i++) {
        if (list->at[i].point >= 0) list->at[(*written)++] = list->at[i];
    }
}

/* In place: a mark that was composed away has the point -1 until the next starter comes. */
static void compose(items *list)
{
    size_t written = 0, first_mark = 0;
    bool has_starter = false;
    int last_class = -1; /* of the marks that wait; -1: none */
    item starter = {0, 0};
    for (size_t i = 0; i < list->count; i++) {
        item now = list->at[i];
        int class = as_normal_combining(now.point);
        int32_t composed;
        if (!has_starter && class) {
            list->at[written++] = now;
            continue;
        }
        if (has_starter && (last_class < 0 || last_class < class) &&
            compose_pair(starter.point, now.point, &composed)) {
            starter = (item){composed, starter.change + now.change - 1};
            list->at[i].point = -1;
            continue;
        }
        if (class) {
            last_class = class;
            continue;
        }
        if (has_starter) flush(list, &written, starter, first_mark, i);
        has_starter = true;
        starter = now;
        first_mark = i + 1;
        last_class = -1;
    }
    if (has_starter) flush(list, &written, starter, first_mark, list->count);
    list->count = written;
}

/* Follows the changes through the old text. */
static void write_items(const items *list, const as_stretch *in, size_t begin, as_emitter *e)
{
    size_t offset = begin;
    for (size_t i = 0; i < list->count; i++) {
        int32_t change = list->at[i].change;
        bool lead = change > 0 ? offset <= e->lead_in : offset < e->lead_in;
        as_emit_point(e, lead ? 0 : SIZE_MAX, (uint32_t)list->at[i].point);
        for (int32_t n = change; n <= 0 && offset < in->size; n++) {
            offset += (size_t)as_unicode_length(in->text + offset);
        }
    }
}

as_code as_normal_lead_segment(int form, const as_stretch *in, size_t begin, size_t size, as_emitter *e,
                               as_error *err)
{
    items list = {0};
    as_code rc = decompose(form, in->text + begin, size, &list, err);
    if (rc == AS_OK) {
        order(&list);
        if (form & AS_FORM_COMPOSE) compose(&list);
        write_items(&list, in, begin, e);
    }
    as_free(list.at);
    return rc;
}
