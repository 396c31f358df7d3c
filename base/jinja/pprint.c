/* pprint.pformat, width 80. */
#include <string.h>

#include "base/jinja/value.h"

enum { WIDTH = 80 };

static bool spaces(aj_vm *vm, int64_t count)
{
    AJ_TRY(aj_step(vm, 1 + (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AJ_TRY(aj_put(vm, " ", 1));
    return true;
}

static bool new_line(aj_vm *vm, int64_t indent)
{
    return aj_put_text(vm, "\n") && spaces(vm, indent);
}

/* Order of keys: Python's, and by the type's name where there is none. */
static bool key_less(aj_vm *vm, aj_value a, aj_value b, bool *out)
{
    size_t mark = aj_mark(vm);
    if (aj_compare(vm, AJ_LT, a, b, out)) return true;
    if (!aj_catch(vm, AJ_X_TYPE, mark)) return false;
    *out = strcmp(aj_type_name(a), aj_type_name(b)) < 0;
    return true;
}

static bool sorted_entries(aj_vm *vm, const aj_dict *dict, aj_entry **out)
{
    aj_entry *entries = aj_alloc(vm, (size_t)dict->count * sizeof *entries + 1);
    if (!entries) return false;
    for (int64_t i = 0; i < dict->count; i++) {
        int64_t at = i;
        for (; at > 0; at--) {
            bool less;
            AJ_TRY(aj_step(vm, 1) && key_less(vm, dict->entries[i].key, entries[at - 1].key, &less));
            if (!less) break;
            entries[at] = entries[at - 1];
        }
        entries[at] = dict->entries[i];
    }
    *out = entries;
    return true;
}

static bool put_flat(aj_vm *vm, aj_value v);

static bool put_flat_items(aj_vm *vm, aj_value v)
{
    bool list = v.kind == AJ_LIST;
    AJ_TRY(aj_put_text(vm, list ? "[" : "("));
    for (int64_t i = 0; i < v.list->count; i++) {
        if (i) AJ_TRY(aj_put_text(vm, ", "));
        AJ_TRY(put_flat(vm, v.list->items[i]));
    }
    return aj_put_text(vm, list ? "]" : v.list->count == 1 ? ",)" : ")");
}

static bool put_flat_dict(aj_vm *vm, const aj_dict *dict)
{
    aj_entry *entries;
    AJ_TRY(sorted_entries(vm, dict, &entries) && aj_put_text(vm, "{"));
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AJ_TRY(aj_put_text(vm, ", "));
        AJ_TRY(put_flat(vm, entries[i].key) && aj_put_text(vm, ": ") && put_flat(vm, entries[i].value));
    }
    return aj_put_text(vm, "}");
}

static bool is_plain_tuple(aj_value v)
{
    return v.kind == AJ_TUPLE && !v.list->group;
}

/* repr(), with dicts sorted. */
static bool put_flat(aj_vm *vm, aj_value v)
{
    if (v.kind != AJ_DICT && v.kind != AJ_LIST && !is_plain_tuple(v)) return aj_put_repr(vm, v);
    AJ_TRY(aj_enter(vm) && aj_step(vm, 1));
    bool ok = v.kind == AJ_DICT ? put_flat_dict(vm, v.dict) : put_flat_items(vm, v);
    aj_leave(vm);
    return ok;
}

static bool flat(aj_vm *vm, aj_value v, aj_value *out)
{
    size_t mark = aj_mark(vm);
    return put_flat(vm, v) && aj_str_cut(vm, mark, out);
}

static bool put_value(aj_vm *vm, aj_value v, int64_t indent, int64_t allowance, int level);

static bool put_items(aj_vm *vm, const aj_list *list, int64_t indent, int64_t allowance, int level)
{
    for (int64_t i = 0; i < list->count; i++) {
        bool last = i == list->count - 1;
        if (i) AJ_TRY(aj_put_text(vm, ",") && new_line(vm, indent + 1));
        AJ_TRY(put_value(vm, list->items[i], indent + 1, last ? allowance : 1, level));
    }
    return true;
}

static bool put_dict(aj_vm *vm, const aj_dict *dict, int64_t indent, int64_t allowance, int level)
{
    aj_entry *entries;
    AJ_TRY(sorted_entries(vm, dict, &entries));
    for (int64_t i = 0; i < dict->count; i++) {
        bool last = i == dict->count - 1;
        aj_value key;
        if (i) AJ_TRY(aj_put_text(vm, ",") && new_line(vm, indent + 1));
        AJ_TRY(flat(vm, entries[i].key, &key) && aj_put_str(vm, key) && aj_put_text(vm, ": "));
        AJ_TRY(put_value(vm, entries[i].value, indent + 1 + aj_str_length(key.str) + 2, last ? allowance : 1,
                         level));
    }
    return true;
}

/* Appends to parts what of one line of a string goes on one output line. */
static bool split_line(aj_vm *vm, const aj_str *line, int64_t width, int64_t last_width, aj_list *parts)
{
    size_t from = 0, at = 0;
    while (at < line->size) {
        size_t end = at;
        bool blank = false;
        while (end < line->size) { /* a word and the blanks behind it */
            size_t next = end;
            bool space = aj_space(aj_next_codepoint(line->data, line->size, &next));
            if (blank && !space) break;
            blank = space;
            end = next;
        }
        aj_value candidate, rep;
        AJ_TRY(aj_substring(vm, line, from, end, &candidate) && flat(vm, candidate, &rep));
        bool fits = aj_str_length(rep.str) <= (end == line->size ? last_width : width);
        if (!fits && at > from) {
            AJ_TRY(aj_substring(vm, line, from, at, &candidate) && flat(vm, candidate, &rep));
            AJ_TRY(aj_list_add(vm, parts, rep));
        }
        if (!fits) from = at;
        at = end;
    }
    aj_value rest, rep;
    if (from >= line->size) return true;
    AJ_TRY(aj_substring(vm, line, from, line->size, &rest) && flat(vm, rest, &rep));
    return aj_list_add(vm, parts, rep);
}

static bool put_string(aj_vm *vm, const aj_str *s, int64_t indent, int64_t allowance, int level)
{
    aj_list *lines, *parts;
    aj_value rep = aj_none();
    if (level == 1) {
        indent++;
        allowance++;
    }
    AJ_TRY(aj_split_lines(vm, s, true, &lines) && aj_list_new(vm, 0, &parts));
    for (int64_t i = 0; i < lines->count; i++) {
        bool last = i == lines->count - 1;
        int64_t width = WIDTH - indent, last_width = width - (last ? allowance : 0);
        AJ_TRY(flat(vm, lines->items[i], &rep));
        if (aj_str_length(rep.str) <= last_width) {
            AJ_TRY(aj_list_add(vm, parts, rep));
        } else {
            AJ_TRY(split_line(vm, lines->items[i].str, width, last_width, parts));
        }
    }
    if (parts->count == 1) return aj_put_str(vm, rep);
    if (level == 1) AJ_TRY(aj_put_text(vm, "("));
    for (int64_t i = 0; i < parts->count; i++) {
        if (i) AJ_TRY(new_line(vm, indent));
        AJ_TRY(aj_put_str(vm, parts->items[i]));
    }
    return level != 1 || aj_put_text(vm, ")");
}

static bool put_long(aj_vm *vm, aj_value v, int64_t indent, int64_t allowance, int level)
{
    switch (v.kind) {
    case AJ_DICT:
        return aj_put_text(vm, "{") && put_dict(vm, v.dict, indent, allowance + 1, level) &&
               aj_put_text(vm, "}");
    case AJ_LIST:
        return aj_put_text(vm, "[") && put_items(vm, v.list, indent, allowance + 1, level) &&
               aj_put_text(vm, "]");
    case AJ_TUPLE: {
        const char *end = v.list->count == 1 ? ",)" : ")";
        return aj_put_text(vm, "(") &&
               put_items(vm, v.list, indent, allowance + (int64_t)strlen(end), level) && aj_put_text(vm, end);
    }
    default: return put_string(vm, v.str, indent, allowance, level);
    }
}

static bool put_value(aj_vm *vm, aj_value v, int64_t indent, int64_t allowance, int level)
{
    aj_value rep;
    AJ_TRY(flat(vm, v, &rep));
    bool splits =
        v.kind == AJ_DICT || v.kind == AJ_LIST || is_plain_tuple(v) || (aj_is_str(v) && !v.str->markup);
    if (!splits || aj_str_length(rep.str) <= WIDTH - indent - allowance) return aj_put_str(vm, rep);
    AJ_TRY(aj_enter(vm));
    bool ok = put_long(vm, v, indent, allowance, level + 1);
    aj_leave(vm);
    return ok;
}

bool aj_put_pretty(aj_vm *vm, aj_value v)
{
    return put_value(vm, v, 0, 0, 0);
}
