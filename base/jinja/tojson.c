/* json.dumps, as the two tojson filters call it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

typedef struct writer {
    as_jinja_vm *vm;
    const as_jinja_json_style *style;
    const as_jinja_str *item, *colon; /* separators */
    as_jinja_value indent;            /* a string; AS_JINJA_NONE: on one line */
    int64_t level;
} writer;

static bool put_json_string(as_jinja_vm *vm, const as_jinja_str *s, bool ascii)
{
    static const char letters[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    AS_JINJA_TRY(as_jinja_put_text(vm, "\""));
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        const char *letter = c && c < 0x80 ? strchr(letters, (int)c) : NULL;
        char room[16] = {'\\'};
        if (letter) {
            room[1] = names[letter - letters];
            AS_JINJA_TRY(as_jinja_put(vm, room, 2));
        } else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000)) {
            AS_JINJA_TRY(as_jinja_put(vm, room, (size_t)snprintf(room, sizeof room, "\\u%04x", (unsigned)c)));
        } else if (ascii && c >= 0x10000) {
            unsigned rest = c - 0x10000;
            AS_JINJA_TRY(as_jinja_put(vm, room,
                                      (size_t)snprintf(room, sizeof room, "\\u%04x\\u%04x",
                                                       0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF))));
        } else {
            AS_JINJA_TRY(as_jinja_put(vm, s->data + from, at - from));
        }
    }
    return as_jinja_put_text(vm, "\"");
}

static bool put_json_float(as_jinja_vm *vm, double f)
{
    char room[32];
    if (isnan(f)) return as_jinja_put_text(vm, "NaN");
    if (isinf(f)) return as_jinja_put_text(vm, f > 0 ? "Infinity" : "-Infinity");
    return as_jinja_put(vm, room, (size_t)as_json_format_real(f, room));
}

static bool put_scalar(as_jinja_vm *vm, as_jinja_value v, bool *done)
{
    *done = true;
    switch (v.kind) {
    case AS_JINJA_NONE: return as_jinja_put_text(vm, "null");
    case AS_JINJA_BOOL: return as_jinja_put_text(vm, v.truth ? "true" : "false");
    case AS_JINJA_INT:
    case AS_JINJA_BIG: return as_jinja_int_text(vm, v, 10);
    case AS_JINJA_FLOAT: return put_json_float(vm, v.f);
    default: *done = false; return true;
    }
}

static bool newline(writer *w)
{
    if (w->indent.kind == AS_JINJA_NONE) return true;
    AS_JINJA_TRY(as_jinja_put_text(w->vm, "\n"));
    for (int64_t i = 0; i < w->level; i++)
        AS_JINJA_TRY(as_jinja_put(w->vm, w->indent.str->data, w->indent.str->size));
    return true;
}

static bool put_value(writer *w, as_jinja_value v);

static bool put_key(writer *w, as_jinja_value key)
{
    bool done;
    if (as_jinja_is_str(key)) return put_json_string(w->vm, key.str, w->style->ascii);
    AS_JINJA_TRY(as_jinja_put_text(w->vm, "\""));
    AS_JINJA_TRY(put_scalar(w->vm, key, &done));
    if (!done) {
        return as_jinja_fail(w->vm, AS_JINJA_X_TYPE, "keys must be str, int, float, bool or None, not %s",
                             as_jinja_type_name(key));
    }
    return as_jinja_put_text(w->vm, "\"");
}

/* The entries as they are written: sorted by key if asked for. */
static bool order_entries(writer *w, const as_jinja_dict *dict, as_jinja_value **keys,
                          as_jinja_value **values)
{
    *keys = as_jinja_alloc(w->vm, (size_t)dict->count * sizeof **keys + 1);
    *values = as_jinja_alloc(w->vm, (size_t)dict->count * sizeof **values + 1);
    if (!*keys || !*values) return false;
    for (int64_t i = 0; i < dict->count; i++) {
        (*keys)[i] = dict->entries[i].key;
        (*values)[i] = dict->entries[i].value;
    }
    return !w->style->sort || as_jinja_sort(w->vm, *keys, *values, dict->count, false);
}

static bool put_dict(writer *w, const as_jinja_dict *dict)
{
    as_jinja_value *keys, *values;
    if (dict->count == 0) return as_jinja_put_text(w->vm, "{}");
    AS_JINJA_TRY(order_entries(w, dict, &keys, &values));
    AS_JINJA_TRY(as_jinja_put_text(w->vm, "{"));
    w->level++;
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put(w->vm, w->item->data, w->item->size));
        AS_JINJA_TRY(newline(w) && put_key(w, keys[i]) &&
                     as_jinja_put(w->vm, w->colon->data, w->colon->size));
        AS_JINJA_TRY(put_value(w, values[i]));
    }
    w->level--;
    return newline(w) && as_jinja_put_text(w->vm, "}");
}

static bool put_list(writer *w, const as_jinja_list *list)
{
    if (list->count == 0) return as_jinja_put_text(w->vm, "[]");
    AS_JINJA_TRY(as_jinja_put_text(w->vm, "["));
    w->level++;
    for (int64_t i = 0; i < list->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put(w->vm, w->item->data, w->item->size));
        AS_JINJA_TRY(newline(w) && put_value(w, list->items[i]));
    }
    w->level--;
    return newline(w) && as_jinja_put_text(w->vm, "]");
}

static bool put_value(writer *w, as_jinja_value v)
{
    bool done;
    AS_JINJA_TRY(as_jinja_step(w->vm, 1));
    if (as_jinja_is_str(v)) return put_json_string(w->vm, v.str, w->style->ascii);
    AS_JINJA_TRY(put_scalar(w->vm, v, &done));
    if (done) return true;
    if (v.kind != AS_JINJA_DICT && v.kind != AS_JINJA_LIST && v.kind != AS_JINJA_TUPLE) {
        return as_jinja_fail(w->vm, AS_JINJA_X_TYPE, "Object of type %s is not JSON serializable",
                             as_jinja_type_name(v));
    }
    AS_JINJA_TRY(as_jinja_enter(w->vm));
    bool ok = v.kind == AS_JINJA_DICT ? put_dict(w, v.dict) : put_list(w, v.list);
    as_jinja_leave(w->vm);
    return ok;
}

/* indent: a string, or a number of blanks. */
static bool read_indent(as_jinja_vm *vm, as_jinja_value indent, as_jinja_value *out)
{
    *out = indent;
    if (indent.kind == AS_JINJA_NONE || as_jinja_is_str(indent)) return true;
    int64_t count;
    as_jinja_value blank;
    if (!as_jinja_is_int(indent)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "can't multiply sequence by non-int of type '%s'",
                             as_jinja_type_name(indent));
    }
    AS_JINJA_TRY(as_jinja_to_index(vm, indent, &count) && as_jinja_str_literal(vm, " ", &blank));
    return as_jinja_repeat_str(vm, blank.str, count, out);
}

static bool read_separators(as_jinja_vm *vm, const as_jinja_json_style *style, as_jinja_value *item,
                            as_jinja_value *colon)
{
    if (style->separators.kind == AS_JINJA_NONE) {
        AS_JINJA_TRY(as_jinja_str_literal(vm, style->indent.kind == AS_JINJA_NONE ? ", " : ",", item));
        return as_jinja_str_literal(vm, ": ", colon);
    }
    AS_JINJA_TRY(as_jinja_unpack_pair(vm, style->separators, item, colon));
    if (as_jinja_is_str(*item) && as_jinja_is_str(*colon)) return true;
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "separators must be strings");
}

bool as_jinja_put_json(as_jinja_vm *vm, as_jinja_value v, const as_jinja_json_style *style)
{
    as_jinja_value item, colon;
    writer w = {.vm = vm, .style = style};
    AS_JINJA_TRY(read_separators(vm, style, &item, &colon));
    w.indent = as_jinja_none();
    if (!as_jinja_is_str(v))
        AS_JINJA_TRY(read_indent(vm, style->indent, &w.indent)); /* a string is written before it is read */
    w.item = item.str;
    w.colon = colon.str;
    return put_value(&w, v);
}
