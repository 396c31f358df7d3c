/* Work on strings that methods and filters share. */
#include <string.h>

#include "base/jinja/value.h"
#include "base/utf8.h"

bool aj_put(aj_vm *vm, const char *data, size_t size)
{
    as_buf_add(&vm->out, data, size);
    if (vm->out.failed == AS_OK) return true;
    if (vm->out.failed == AS_E_LIMIT) {
        return aj_fail(vm, AJ_X_LIMIT, "writes more than the allowed %zu bytes", vm->out.max);
    }
    return aj_fail(vm, AJ_X_MEMORY, "out of memory");
}

bool aj_put_text(aj_vm *vm, const char *text)
{
    return aj_put(vm, text, strlen(text));
}

bool aj_substring(aj_vm *vm, const aj_str *s, size_t from, size_t to, aj_value *out)
{
    AJ_TRY(aj_str_ref(vm, s->data + from, to - from, out));
    out->str->markup = s->markup;
    return true;
}

int64_t aj_find_bytes(const char *data, size_t size, const char *what, size_t what_size)
{
    if (what_size == 0) return 0;
    if (what_size > size) return -1;
    const char *at = memmem(data, size, what, what_size);
    return at ? at - data : -1;
}

static bool in_set(uint32_t c, const aj_str *set)
{
    for (size_t at = 0; at < set->size;) {
        if (aj_next_codepoint(set->data, set->size, &at) == c) return true;
    }
    return false;
}

bool aj_trim(aj_vm *vm, const aj_str *s, const aj_str *chars, int sides, aj_value *out)
{
    size_t from = 0, to = s->size;
    uint64_t cost = chars ? 1 + chars->size / 64 : 1;
    while (sides & 1 && from < to) {
        size_t next = from;
        uint32_t c = aj_next_codepoint(s->data, to, &next);
        if (!(chars ? in_set(c, chars) : aj_space(c))) break;
        from = next;
        if (chars) AJ_TRY(aj_step(vm, cost));
    }
    while (sides & 2 && from < to) {
        size_t before = to;
        uint32_t c = aj_previous_codepoint(s->data, &before);
        if (!(chars ? in_set(c, chars) : aj_space(c))) break;
        to = before;
        if (chars) AJ_TRY(aj_step(vm, cost));
    }
    return aj_substring(vm, s, from, to, out);
}

/* `with` between all characters, at most count times. */
static bool replace_empty(aj_vm *vm, const aj_str *s, const aj_str *with, int64_t count)
{
    size_t at = 0;
    for (;;) {
        if (count-- == 0) break;
        AJ_TRY(aj_step(vm, 1) && aj_put(vm, with->data, with->size));
        if (at >= s->size) return true;
        size_t next = at;
        aj_next_codepoint(s->data, s->size, &next);
        AJ_TRY(aj_put(vm, s->data + at, next - at));
        at = next;
    }
    return aj_put(vm, s->data + at, s->size - at);
}

bool aj_replace(aj_vm *vm, const aj_str *s, const aj_str *old, const aj_str *with, int64_t count,
                aj_value *out)
{
    size_t mark = aj_mark(vm), at = 0;
    if (count < 0) count = INT64_MAX;
    if (old->size == 0) {
        AJ_TRY(replace_empty(vm, s, with, count));
    } else {
        int64_t found;
        while (count-- > 0 &&
               (found = aj_find_bytes(s->data + at, s->size - at, old->data, old->size)) >= 0) {
            AJ_TRY(aj_step(vm, 1 + (uint64_t)found / 64));
            AJ_TRY(aj_put(vm, s->data + at, (size_t)found) && aj_put(vm, with->data, with->size));
            at += (size_t)found + old->size;
        }
        AJ_TRY(aj_put(vm, s->data + at, s->size - at));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = s->markup;
    return true;
}

static bool add_part(aj_vm *vm, aj_list *list, const aj_str *s, size_t from, size_t to)
{
    aj_value part;
    AJ_TRY(aj_step(vm, 1 + (to - from) / 64));
    return aj_substring(vm, s, from, to, &part) && aj_list_add(vm, list, part);
}

static bool split_space(aj_vm *vm, const aj_str *s, int64_t limit, aj_list *list)
{
    size_t at = 0;
    for (;;) {
        size_t from = at, next;
        while (from < s->size) {
            next = from;
            if (!aj_space(aj_next_codepoint(s->data, s->size, &next))) break;
            from = next;
        }
        if (from >= s->size) return true;
        size_t to = from;
        if (limit-- == 0) {
            aj_value rest;
            return aj_substring(vm, s, from, s->size, &rest) && aj_list_add(vm, list, rest);
        }
        while (to < s->size) {
            next = to;
            if (aj_space(aj_next_codepoint(s->data, s->size, &next))) break;
            to = next;
        }
        AJ_TRY(add_part(vm, list, s, from, to));
        at = to;
    }
}

bool aj_split(aj_vm *vm, const aj_str *s, const aj_str *separator, int64_t limit, aj_list **out)
{
    AJ_TRY(aj_list_new(vm, 0, out));
    if (limit < 0) limit = INT64_MAX;
    if (!separator) return split_space(vm, s, limit, *out);
    if (separator->size == 0) return aj_fail(vm, AJ_X_VALUE, "empty separator");
    size_t at = 0;
    int64_t found;
    while (limit-- > 0 &&
           (found = aj_find_bytes(s->data + at, s->size - at, separator->data, separator->size)) >= 0) {
        AJ_TRY(add_part(vm, *out, s, at, at + (size_t)found));
        at += (size_t)found + separator->size;
    }
    return add_part(vm, *out, s, at, s->size);
}

static bool is_line_end(uint32_t c)
{
    return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool aj_split_lines(aj_vm *vm, const aj_str *s, bool keep_ends, aj_list **out)
{
    AJ_TRY(aj_list_new(vm, 0, out));
    for (size_t from = 0, at = 0; from < s->size;) {
        size_t end = at;
        if (at < s->size) {
            uint32_t c = aj_next_codepoint(s->data, s->size, &at);
            if (!is_line_end(c)) continue;
            if (c == '\r' && at < s->size && s->data[at] == '\n') at++;
        }
        AJ_TRY(add_part(vm, *out, s, from, keep_ends ? at : end));
        from = at;
    }
    return true;
}

bool aj_lowered(aj_vm *vm, aj_value v, aj_value *out)
{
    *out = v;
    if (!aj_is_str(v)) return true;
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_put_lower(vm, v.str, 0, v.str->size));
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = v.str->markup;
    return true;
}

/* --- escaping --- */

void aj_put_escaped_bytes(aj_vm *vm, const char *data, size_t size)
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

bool aj_put_escaped(aj_vm *vm, aj_value v)
{
    if (aj_is_markup(v)) return aj_put(vm, v.str->data, v.str->size);
    if (v.kind == AJ_MODULE) return aj_module_put(vm, v.module);
    if (aj_is_str(v)) {
        aj_put_escaped_bytes(vm, v.str->data, v.str->size);
        return aj_put(vm, "", 0);
    }
    aj_value text;
    AJ_TRY(aj_to_str(vm, v, &text));
    aj_put_escaped_bytes(vm, text.str->data, text.str->size);
    return aj_put(vm, "", 0);
}

bool aj_escape(aj_vm *vm, aj_value v, aj_value *out)
{
    size_t mark = aj_mark(vm);
    if (aj_is_markup(v)) {
        *out = v;
        return true;
    }
    AJ_TRY(aj_put_escaped(vm, v));
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = true;
    return true;
}
