/* striptags: markupsafe's, with html.unescape. */
#include <string.h>

#include "base/jinja/entities.h"
#include "base/jinja/value.h"

enum { LONGEST_NAME = 33 };

/* --- character references --- */

static const as_jinja_entity *find_entity(const char *name, size_t size)
{
    int low = 0, high = as_jinja_entity_count;
    while (low < high) {
        int middle = (low + high) / 2;
        int order = strncmp(as_jinja_entities[middle].name, name, size);
        if (order == 0 && strlen(as_jinja_entities[middle].name) == size) return &as_jinja_entities[middle];
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* What HTML makes of a number that is no character; 0: nothing at all. */
static uint32_t number_to_codepoint(uint64_t number)
{
    static const uint16_t windows[32] = {0x20AC, 0x81,   0x201A, 0x192,  0x201E, 0x2026, 0x2020, 0x2021,
                                         0x2C6,  0x2030, 0x160,  0x2039, 0x152,  0x8D,   0x17D,  0x8F,
                                         0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                         0x2DC,  0x2122, 0x161,  0x203A, 0x153,  0x9D,   0x17E,  0x178};
    if (number == 0) return 0xFFFD;
    if (number >= 0x80 && number <= 0x9F) return windows[number - 0x80];
    if ((number >= 0xD800 && number <= 0xDFFF) || number > 0x10FFFF) return 0xFFFD;
    bool control = number <= 8 || number == 0xB || (number >= 0xE && number <= 0x1F) || number == 0x7F;
    bool unused = (number >= 0xFDD0 && number <= 0xFDEF) || (number & 0xFFFE) == 0xFFFE;
    return control || unused ? 0 : (uint32_t)number;
}

static int digit_value(char c, int base)
{
    int value = c >= '0' && c <= '9'                 ? c - '0'
                : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                     : 99;
    return value < base ? value : -1;
}

/* "&#..." at s: how many bytes it takes, 0 if it is none. */
static bool put_number(as_jinja_vm *vm, const char *s, size_t size, size_t *taken)
{
    bool hex = size > 2 && (s[2] | 32) == 'x';
    size_t at = hex ? 3 : 2, from = at;
    uint64_t number = 0;
    while (at < size && digit_value(s[at], hex ? 16 : 10) >= 0) {
        number = number * (hex ? 16 : 10) + (uint64_t)digit_value(s[at++], hex ? 16 : 10);
        if (number > 0x110000) number = 0x110000;
    }
    *taken = 0;
    if (at == from) return true;
    if (at < size && s[at] == ';') at++;
    *taken = at;
    uint32_t c = number_to_codepoint(number);
    return !c || as_jinja_put_codepoint(vm, c);
}

/* "&name" at s; the longest known beginning of the name counts. */
static bool put_named(as_jinja_vm *vm, const char *s, size_t size, size_t *taken)
{
    size_t end = 1, letters = 0;
    while (end < size && letters < 32 && !strchr("\t\n\f <&#;", s[end])) {
        as_jinja_next_codepoint(s, size, &end);
        letters++;
    }
    if (letters && end < size && s[end] == ';') end++;
    *taken = 0;
    for (size_t n = end - 1 > LONGEST_NAME ? LONGEST_NAME : end - 1; n > 1; n--) {
        const as_jinja_entity *entity = find_entity(s + 1, n);
        if (!entity) continue;
        *taken = n + 1;
        return as_jinja_put_text(vm, entity->text);
    }
    return true;
}

bool as_jinja_put_unescaped(as_jinja_vm *vm, const as_jinja_str *s)
{
    for (size_t at = 0; at < s->size;) {
        const char *from = s->data + at, *amp = memchr(from, '&', s->size - at);
        size_t plain = amp ? (size_t)(amp - from) : s->size - at, taken;
        AS_JINJA_TRY(as_jinja_step(vm, 1) && as_jinja_put(vm, from, plain));
        at += plain;
        if (at >= s->size) break;
        size_t left = s->size - at;
        bool number = left > 1 && amp[1] == '#';
        AS_JINJA_TRY(number ? put_number(vm, amp, left, &taken) : put_named(vm, amp, left, &taken));
        if (!taken) AS_JINJA_TRY(as_jinja_put_text(vm, "&"));
        at += taken ? taken : 1;
    }
    return true;
}

/* --- tags --- */

/* Where the tag or comment that begins at `at` ends, 0 if it does not. */
static size_t tag_end(const as_jinja_str *s, size_t at)
{
    bool comment = s->size - at >= 4 && memcmp(s->data + at, "<!--", 4) == 0;
    size_t from = comment ? at + 4 : at;
    int64_t end = as_jinja_find_bytes(s->data + from, s->size - from, comment ? "-->" : ">", comment ? 3 : 1);
    return end < 0 ? 0 : from + (size_t)end + (comment ? 3 : 1);
}

bool as_jinja_strip_tags(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm), at = 0;
    while (at < s->size) {
        const char *from = s->data + at, *open = memchr(from, '<', s->size - at);
        size_t end = open ? tag_end(s, (size_t)(open - s->data)) : 0;
        if (!end) break;
        AS_JINJA_TRY(as_jinja_step(vm, 1 + (end - at) / 64) && as_jinja_put(vm, from, (size_t)(open - from)));
        at = end;
    }
    AS_JINJA_TRY(as_jinja_put(vm, s->data + at, s->size - at));
    as_jinja_value text;
    as_jinja_list *words;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text) && as_jinja_split(vm, text.str, NULL, -1, &words));
    for (int64_t i = 0; i < words->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, " "));
        AS_JINJA_TRY(as_jinja_put(vm, words->items[i].str->data, words->items[i].str->size));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    return as_jinja_put_unescaped(vm, text.str) && as_jinja_str_cut(vm, mark, out);
}
