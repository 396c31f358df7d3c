/* Work on strings that methods and filters share. */
#include <string.h>

#include "base/jinja/value.h"
#include "base/utf8.h"

bool as_jinja_put(as_jinja_vm *vm, const char *data, size_t size)
{
    as_buf_add(&vm->out, data, size);
    if (vm->out.failed == AS_OK) return true;
    if (vm->out.failed == AS_E_LIMIT) {
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "writes more than the allowed %zu bytes", vm->out.max);
    }
    return as_jinja_fail(vm, AS_JINJA_X_MEMORY, "out of memory");
}

bool as_jinja_put_text(as_jinja_vm *vm, const char *text)
{
    return as_jinja_put(vm, text, strlen(text));
}

bool as_jinja_substring(as_jinja_vm *vm, const as_jinja_str *s, size_t from, size_t to, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_str_ref(vm, s->data + from, to - from, out));
    out->str->markup = s->markup;
    return true;
}

int64_t as_jinja_find_bytes(const char *data, size_t size, const char *what, size_t what_size)
{
    if (what_size == 0) return 0;
    if (what_size > size) return -1;
    const char *at = memmem(data, size, what, what_size);
    return at ? at - data : -1;
}

static bool in_set(uint32_t c, const as_jinja_str *set)
{
    for (size_t at = 0; at < set->size;) {
        if (as_jinja_next_codepoint(set->data, set->size, &at) == c) return true;
    }
    return false;
}

bool as_jinja_trim(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *chars, int sides,
                   as_jinja_value *out)
{
    size_t from = 0, to = s->size;
    uint64_t cost = chars ? 1 + chars->size / 64 : 1;
    while (sides & 1 && from < to) {
        size_t next = from;
        uint32_t c = as_jinja_next_codepoint(s->data, to, &next);
        if (!(chars ? in_set(c, chars) : as_jinja_space(c))) break;
        from = next;
        if (chars) AS_JINJA_TRY(as_jinja_step(vm, cost));
    }
    while (sides & 2 && from < to) {
        size_t before = to;
        uint32_t c = as_jinja_previous_codepoint(s->data, &before);
        if (!(chars ? in_set(c, chars) : as_jinja_space(c))) break;
        to = before;
        if (chars) AS_JINJA_TRY(as_jinja_step(vm, cost));
    }
    return as_jinja_substring(vm, s, from, to, out);
}

/* `with` between all characters, at most count times. */
static bool replace_empty(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *with, int64_t count)
{
    size_t at = 0;
    for (;;) {
        if (count-- == 0) break;
        AS_JINJA_TRY(as_jinja_step(vm, 1) && as_jinja_put(vm, with->data, with->size));
        if (at >= s->size) return true;
        size_t next = at;
        as_jinja_next_codepoint(s->data, s->size, &next);
        AS_JINJA_TRY(as_jinja_put(vm, s->data + at, next - at));
        at = next;
    }
    return as_jinja_put(vm, s->data + at, s->size - at);
}

bool as_jinja_replace(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *old,
                      const as_jinja_str *with, int64_t count, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm), at = 0;
    if (count < 0) count = INT64_MAX;
    if (old->size == 0) {
        AS_JINJA_TRY(replace_empty(vm, s, with, count));
    } else {
        int64_t found;
        while (count-- > 0 &&
               (found = as_jinja_find_bytes(s->data + at, s->size - at, old->data, old->size)) >= 0) {
            AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)found / 64));
            AS_JINJA_TRY(as_jinja_put(vm, s->data + at, (size_t)found) &&
                         as_jinja_put(vm, with->data, with->size));
            at += (size_t)found + old->size;
        }
        AS_JINJA_TRY(as_jinja_put(vm, s->data + at, s->size - at));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = s->markup;
    return true;
}

static bool add_part(as_jinja_vm *vm, as_jinja_list *list, const as_jinja_str *s, size_t from, size_t to)
{
    as_jinja_value part;
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (to - from) / 64));
    return as_jinja_substring(vm, s, from, to, &part) && as_jinja_list_add(vm, list, part);
}

static bool split_space(as_jinja_vm *vm, const as_jinja_str *s, int64_t limit, as_jinja_list *list)
{
    size_t at = 0;
    for (;;) {
        size_t from = at, next;
        while (from < s->size) {
            next = from;
            if (!as_jinja_space(as_jinja_next_codepoint(s->data, s->size, &next))) break;
            from = next;
        }
        if (from >= s->size) return true;
        size_t to = from;
        if (limit-- == 0) {
            as_jinja_value rest;
            return as_jinja_substring(vm, s, from, s->size, &rest) && as_jinja_list_add(vm, list, rest);
        }
        while (to < s->size) {
            next = to;
            if (as_jinja_space(as_jinja_next_codepoint(s->data, s->size, &next))) break;
            to = next;
        }
        AS_JINJA_TRY(add_part(vm, list, s, from, to));
        at = to;
    }
}

bool as_jinja_split(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_str *separator, int64_t limit,
                    as_jinja_list **out)
{
    AS_JINJA_TRY(as_jinja_list_new(vm, 0, out));
    if (limit < 0) limit = INT64_MAX;
    if (!separator) return split_space(vm, s, limit, *out);
    if (separator->size == 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "empty separator");
    size_t at = 0;
    int64_t found;
    while (limit-- > 0 &&
           (found = as_jinja_find_bytes(s->data + at, s->size - at, separator->data, separator->size)) >= 0) {
        AS_JINJA_TRY(add_part(vm, *out, s, at, at + (size_t)found));
        at += (size_t)found + separator->size;
    }
    return add_part(vm, *out, s, at, s->size);
}

static bool is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool as_jinja_split_lines(as_jinja_vm *vm, const as_jinja_str *s, bool keep_ends, as_jinja_list **out)
{
    AS_JINJA_TRY(as_jinja_list_new(vm, 0, out));
    for (size_t from = 0, at = 0; from < s->size;) {
        size_t end = at;
        if (at < s->size) {
            uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
            if (!is_line_end(c)) continue;
            if (c == '\r' && at < s->size && s->data[at] == '\n') at++;
        }
        AS_JINJA_TRY(add_part(vm, *out, s, from, keep_ends ? at : end));
        from = at;
    }
    return true;
}

bool as_jinja_lowered(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    *out = v;
    if (!as_jinja_is_str(v)) return true;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_put_lower(vm, v.str, 0, v.str->size));
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = v.str->markup;
    return true;
}

/* --- escaping --- */

void as_jinja_put_escaped_bytes(as_jinja_vm *vm, const char *data, size_t size)
{
    size_t from = 0;
    for (size_t at = 0; at < size; at++) {
        const char *with = NULL;
        switch (data[at]) {
        case '&': with = "&amp;"; break;
        case '<': with = "&lt;"; break;
        case '>': with = "&gt;"; break;
        case '\'': with = "&#39;"; break;
        case '"': with = "&#34;"; break;
        default: continue;
        }
        as_buf_add(&vm->out, data + from, at - from);
        as_buf_str(&vm->out, with);
        from = at + 1;
    }
    as_buf_add(&vm->out, data + from, size - from);
}

bool as_jinja_put_escaped(as_jinja_vm *vm, as_jinja_value v)
{
    if (as_jinja_is_markup(v)) return as_jinja_put(vm, v.str->data, v.str->size);
    if (v.kind == AS_JINJA_MODULE) return as_jinja_module_put(vm, v.module);
    if (as_jinja_is_str(v)) {
        as_jinja_put_escaped_bytes(vm, v.str->data, v.str->size);
        return as_jinja_put(vm, "", 0);
    }
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_to_str(vm, v, &text));
    as_jinja_put_escaped_bytes(vm, text.str->data, text.str->size);
    return as_jinja_put(vm, "", 0);
}

bool as_jinja_escape(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    if (as_jinja_is_markup(v)) {
        *out = v;
        return true;
    }
    AS_JINJA_TRY(as_jinja_put_escaped(vm, v));
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = true;
    return true;
}
