/* json.dumps, as the two tojson filters call it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

typedef struct writer {
    aj_vm *vm;
    const aj_json_style *style;
    const aj_str *item, *colon; /* separators */
    aj_value indent;            /* a string; AJ_NONE: on one line */
    int64_t level;
} writer;

static bool put_json_string(aj_vm *vm, const aj_str *s, bool ascii)
{
    static const char letters[] = "\"\\\n\r\t\f\b", names[] = "\"\\nrtfb";
    AJ_TRY(aj_put_text(vm, "\""));
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        const char *letter = c && c < 0x80 ? strchr(letters, (int)c) : NULL;
        char room[16] = {'\\'};
        if (letter) {
            room[1] = names[letter - letters];
            AJ_TRY(aj_put(vm, room, 2));
        } else if (c < 0x20 || (ascii && c >= 0x7F && c < 0x10000)) {
            AJ_TRY(aj_put(vm, room, (size_t)snprintf(room, sizeof room, "\\u%04x", (unsigned)c)));
        } else if (ascii && c >= 0x10000) {
            unsigned rest = c - 0x10000;
            AJ_TRY(aj_put(vm, room,
                          (size_t)snprintf(room, sizeof room, "\\u%04x\\u%04x", 0xD800 + (rest >> 10),
                                           0xDC00 + (rest & 0x3FF))));
        } else {
            AJ_TRY(aj_put(vm, s->data + from, at - from));
        }
    }
    return aj_put_text(vm, "\"");
}

static bool put_json_float(aj_vm *vm, double f)
{
    char room[32];
    if (isnan(f)) return aj_put_text(vm, "NaN");
    if (isinf(f)) return aj_put_text(vm, f > 0 ? "Infinity" : "-Infinity");
    return aj_put(vm, room, (size_t)as_json_format_real(f, room));
}

static bool put_scalar(aj_vm *vm, aj_value v, bool *done)
{
    *done = true;
    switch (v.kind) {
    case AJ_NONE: return aj_put_text(vm, "null");
    case AJ_BOOL: return aj_put_text(vm, v.truth ? "true" : "false");
    case AJ_INT:
    case AJ_BIG: return aj_int_text(vm, v, 10);
    case AJ_FLOAT: return put_json_float(vm, v.f);
    default: *done = false; return true;
    }
}

static bool newline(writer *w)
{
    if (w->indent.kind == AJ_NONE) return true;
    AJ_TRY(aj_put_text(w->vm, "\n"));
    for (int64_t i = 0; i < w->level; i++) AJ_TRY(aj_put(w->vm, w->indent.str->data, w->indent.str->size));
    return true;
}

static bool put_value(writer *w, aj_value v);

static bool put_key(writer *w, aj_value key)
{
    bool done;
    if (aj_is_str(key)) return put_json_string(w->vm, key.str, w->style->ascii);
    AJ_TRY(aj_put_text(w->vm, "\""));
    AJ_TRY(put_scalar(w->vm, key, &done));
    if (!done) {
        return aj_fail(w->vm, AJ_X_TYPE, "keys must be str, int, float, bool or None, not %s",
                       aj_type_name(key));
    }
    return aj_put_text(w->vm, "\"");
}

/* The entries as they are written: sorted by key if asked for. */
static bool order_entries(writer *w, const aj_dict *dict, aj_value **keys, aj_value **values)
{
    *keys = aj_alloc(w->vm, (size_t)dict->count * sizeof **keys + 1);
    *values = aj_alloc(w->vm, (size_t)dict->count * sizeof **values + 1);
    if (!*keys || !*values) return false;
    for (int64_t i = 0; i < dict->count; i++) {
        (*keys)[i] = dict->entries[i].key;
        (*values)[i] = dict->entries[i].value;
    }
    return !w->style->sort || aj_sort(w->vm, *keys, *values, dict->count, false);
}

static bool put_dict(writer *w, const aj_dict *dict)
{
    aj_value *keys, *values;
    if (dict->count == 0) return aj_put_text(w->vm, "{}");
    AJ_TRY(order_entries(w, dict, &keys, &values));
    AJ_TRY(aj_put_text(w->vm, "{"));
    w->level++;
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AJ_TRY(aj_put(w->vm, w->item->data, w->item->size));
        AJ_TRY(newline(w) && put_key(w, keys[i]) && aj_put(w->vm, w->colon->data, w->colon->size));
        AJ_TRY(put_value(w, values[i]));
    }
    w->level--;
    return newline(w) && aj_put_text(w->vm, "}");
}

static bool put_list(writer *w, const aj_list *list)
{
    if (list->count == 0) return aj_put_text(w->vm, "[]");
    AJ_TRY(aj_put_text(w->vm, "["));
    w->level++;
    for (int64_t i = 0; i < list->count; i++) {
        if (i) AJ_TRY(aj_put(w->vm, w->item->data, w->item->size));
        AJ_TRY(newline(w) && put_value(w, list->items[i]));
    }
    w->level--;
    return newline(w) && aj_put_text(w->vm, "]");
}

static bool put_value(writer *w, aj_value v)
{
    bool done;
    AJ_TRY(aj_step(w->vm, 1));
    if (aj_is_str(v)) return put_json_string(w->vm, v.str, w->style->ascii);
    AJ_TRY(put_scalar(w->vm, v, &done));
    if (done) return true;
    if (v.kind != AJ_DICT && v.kind != AJ_LIST && v.kind != AJ_TUPLE) {
        return aj_fail(w->vm, AJ_X_TYPE, "Object of type %s is not JSON serializable", aj_type_name(v));
    }
    AJ_TRY(aj_enter(w->vm));
    bool ok = v.kind == AJ_DICT ? put_dict(w, v.dict) : put_list(w, v.list);
    aj_leave(w->vm);
    return ok;
}

/* indent: a string, or a number of blanks. */
static bool read_indent(aj_vm *vm, aj_value indent, aj_value *out)
{
    *out = indent;
    if (indent.kind == AJ_NONE || aj_is_str(indent)) return true;
    int64_t count;
    aj_value blank;
    if (!aj_is_int(indent)) {
        return aj_fail(vm, AJ_X_TYPE, "can't multiply sequence by non-int of type '%s'",
                       aj_type_name(indent));
    }
    AJ_TRY(aj_to_index(vm, indent, &count) && aj_str_literal(vm, " ", &blank));
    return aj_repeat_str(vm, blank.str, count, out);
}

static bool read_separators(aj_vm *vm, const aj_json_style *style, aj_value *item, aj_value *colon)
{
    if (style->separators.kind == AJ_NONE) {
        AJ_TRY(aj_str_literal(vm, style->indent.kind == AJ_NONE ? ", " : ",", item));
        return aj_str_literal(vm, ": ", colon);
    }
    AJ_TRY(aj_unpack_pair(vm, style->separators, item, colon));
    if (aj_is_str(*item) && aj_is_str(*colon)) return true;
    return aj_fail(vm, AJ_X_TYPE, "separators must be strings");
}

bool aj_put_json(aj_vm *vm, aj_value v, const aj_json_style *style)
{
    aj_value item, colon;
    writer w = {.vm = vm, .style = style};
    AJ_TRY(read_separators(vm, style, &item, &colon));
    w.indent = aj_none();
    if (!aj_is_str(v))
        AJ_TRY(read_indent(vm, style->indent, &w.indent)); /* a string is written before it is read */
    w.item = item.str;
    w.colon = colon.str;
    return put_value(&w, v);
}
