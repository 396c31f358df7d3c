/* Precompiled: the character map of a SentencePiece model, a Darts double array with the replacements behind
 * it. As in `tokenizers`, normalizers/precompiled, with its oddity: of the keys that begin a grapheme cluster
 * the shortest decides, and its replacement stands for the whole cluster. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "engine/text/base64.h"
#include "engine/text/normalizer.h"
#include "engine/text/unicode.h"

enum { CLUSTER_MAX = 6 }; /* only clusters below this many bytes are looked up whole */

typedef struct charsmap {
    unsigned char *blob;
    size_t units; /* of the trie; unit i lies at blob + 4 + 4 i */
    const char *replacements;
    size_t replacements_size;
    bool ascii[128]; /* single characters that have a replacement */
} charsmap;

static uint32_t unit_at(const charsmap *m, size_t at)
{
    uint32_t unit = 0;
    if (at < m->units) memcpy(&unit, m->blob + 4 + 4 * at, 4); /* little-endian, as this machine */
    return unit;
}

static size_t offset_of(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

/* The replacement for the shortest key that begins the text; false if there is none. */
static bool look_up(const charsmap *m, const char *text, size_t size, const char **with, size_t *with_size)
{
    size_t at = offset_of(unit_at(m, 0));
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == 0) return false;
        at ^= c;
        uint32_t unit = unit_at(m, at);
        if ((unit & (1u << 31 | 0xFF)) != c) return false;
        at ^= offset_of(unit);
        if (!(unit >> 8 & 1)) continue;
        size_t begin = unit_at(m, at) & ~(1u << 31);
        if (begin > m->replacements_size) return false;
        *with = m->replacements + begin;
        *with_size = strnlen(*with, m->replacements_size - begin);
        return true;
    }
    return false;
}

static as_code read_map(charsmap *m, const char *text, size_t length, as_error *err)
{
    size_t size = 0;
    m->blob = as_base64_decode(text, length, &size);
    if (!m->blob) return as_fail(err, AS_E_INPUT, "\"precompiled_charsmap\" is not base64");
    uint32_t trie = 0;
    if (size >= 4) memcpy(&trie, m->blob, 4);
    if (size < 4 || trie > size - 4 || trie % 4) {
        return as_fail(err, AS_E_INPUT, "\"precompiled_charsmap\" of %zu bytes is cut short: its trie has %u",
                       size, (unsigned)trie);
    }
    m->units = trie / 4;
    m->replacements = (const char *)m->blob + 4 + trie;
    m->replacements_size = size - 4 - trie;
    if (!as_utf8_is_valid(m->replacements, m->replacements_size)) {
        return as_fail(err, AS_E_INPUT, "\"precompiled_charsmap\" has replacements that are not UTF-8");
    }
    for (int i = 0; i < 128; i++) {
        char c = (char)i;
        const char *with;
        size_t with_size;
        m->ascii[i] = look_up(m, &c, 1, &with, &with_size);
    }
    return AS_OK;
}

static as_code open_precompiled(as_normal_step *step, const json_t *value, as_error *err)
{
    const json_t *map = json_object_get(value, "precompiled_charsmap");
    if (!json_is_string(map)) return as_fail(err, AS_E_INPUT, "\"precompiled_charsmap\" is not a string");
    charsmap *m = AS_NEW(charsmap);
    if (!m) return as_fail_memory(err, "the character map");
    step->data = m;
    if (json_string_length(map) == 0) return AS_OK; /* an empty map changes nothing */
    return read_map(m, json_string_value(map), json_string_length(map), err);
}

static void close_precompiled(as_normal_step *step)
{
    charsmap *m = step->data;
    if (m) as_free(m->blob);
    as_free(m);
}

/* ---- grapheme clusters ---- */

static bool is_hangul(uint32_t c)
{
    return (c >= 0x1100 && c <= 0x11FF) || (c >= 0xA960 && c <= 0xA97C) || (c >= 0xAC00 && c <= 0xD7FB);
}

/* The rules among two Hangul characters: GB6, GB7, GB8. */
static bool hangul_joins(uint32_t a, uint32_t b)
{
    int x = utf8proc_get_property((int32_t)a)->boundclass, y = utf8proc_get_property((int32_t)b)->boundclass;
    bool vowel = y == UTF8PROC_BOUNDCLASS_V, tail = y == UTF8PROC_BOUNDCLASS_T;
    if (x == UTF8PROC_BOUNDCLASS_L) {
        return vowel || y == UTF8PROC_BOUNDCLASS_L || y == UTF8PROC_BOUNDCLASS_LV ||
               y == UTF8PROC_BOUNDCLASS_LVT;
    }
    if (x == UTF8PROC_BOUNDCLASS_LV || x == UTF8PROC_BOUNDCLASS_V) return vowel || tail;
    return tail && (x == UTF8PROC_BOUNDCLASS_LVT || x == UTF8PROC_BOUNDCLASS_T);
}

/* The length of the cluster at text. Pairs that alone fill CLUSTER_MAX bytes (flags, most emoji sequences)
 * need no rule: their characters are looked up one by one either way. */
static size_t cluster(const char *text, size_t size)
{
    int length;
    uint32_t last = as_unicode_read(text, &length);
    uint32_t class = as_unicode_class(last);
    bool pictograph =
        utf8proc_get_property((int32_t)last)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
    size_t at = (size_t)length;
    while (at < size) {
        uint32_t next = as_unicode_read(text + at, &length);
        uint32_t next_class = as_unicode_class(next);
        bool joins = !((class | next_class) & AS_U_CONTROL) &&
                     (next_class & AS_U_EXTEND || class & AS_U_PREPEND ||
                      (is_hangul(last) && is_hangul(next) && hangul_joins(last, next)));
        if (last == '\r') joins = next == '\n';
        if (pictograph && last == 0x200D && !joins) {
            joins =
                utf8proc_get_property((int32_t)next)->boundclass == UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
        }
        if (!joins) break;
        at += (size_t)length;
        last = next;
        class = next_class;
    }
    return at;
}

/* ---- running ---- */

/* Old characters and new ones answer to each other one by one, what is over to the last. What is deleted at
 * the very begin counts for nothing in the library: the next character takes its place. */
static void emit_replacement(as_emitter *e, const as_stretch *in, size_t source, size_t old_size,
                             const char *with, size_t size)
{
    size_t head = size ? (size_t)as_unicode_length(with) : 0,
           first = (size_t)as_unicode_length(in->text + source);
    if (size == 0 && e->out->size == 0 && e->lead_in) e->lead_in += old_size;
    if (first == old_size) head = size; /* one character for all of it */
    as_emit(e, source, with, head);
    as_emit(e, source + first, with + head, size - head);
}

static void put_characters(const charsmap *m, as_emitter *e, const as_stretch *in, size_t at, size_t end)
{
    while (at < end) {
        size_t length = (size_t)as_unicode_length(in->text + at), with_size;
        const char *with;
        if (look_up(m, in->text + at, length, &with, &with_size)) {
            emit_replacement(e, in, at, length, with, with_size);
        } else {
            as_emit(e, at, in->text + at, length);
        }
        at += length;
    }
}

static as_code run_precompiled(const as_normal_step *step, as_scratch *scratch, as_stretch *stretch,
                               as_buf *out, as_error *err)
{
    (void)scratch;
    const charsmap *m = step->data;
    as_emitter e = {.out = out, .lead_in = stretch->lead};
    const char *text = stretch->text;
    for (size_t at = 0; at < stretch->size;) {
        size_t end = at; /* plain ASCII in a row: each character a cluster, none replaced */
        while (end < stretch->size && (unsigned char)text[end] < 0x80 &&
               !m->ascii[(unsigned char)text[end]] && text[end] != '\r') {
            end++;
        }
        if (end > at && end < stretch->size && (unsigned char)text[end] >= 0x80)
            end--; /* a mark may join it */
        for (; at < end && at < e.lead_in; at++) as_emit(&e, at, text + at, 1);
        as_buf_add(out, text + at, end - at);
        at = end;
        if (at >= stretch->size) break;
        size_t size = cluster(text + at, stretch->size - at), with_size;
        const char *with;
        if (size < CLUSTER_MAX && look_up(m, text + at, size, &with, &with_size)) {
            emit_replacement(&e, stretch, at, size, with, with_size);
        } else {
            put_characters(m, &e, stretch, at, at + size);
        }
        at += size;
    }
    return as_emit_end(&e, stretch, err);
}

const as_normal_kind as_normal_precompiled = {"Precompiled",     "precompiled_charsmap", open_precompiled,
                                              close_precompiled, run_precompiled,        0};
