/* pprint.pformat, width 80. */
#include <string.h>

#include "base/jinja/value.h"

enum { WIDTH = 80 };

static bool spaces(as_jinja_vm *vm, int64_t count)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)count / 16));
    for (int64_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put(vm, " ", 1));
    return true;
}

static bool new_line(as_jinja_vm *vm, int64_t indent)
{
    return as_jinja_put_text(vm, "\n") && spaces(vm, indent);
}

/* Order of keys: Python's, and by the type's name where there is none. */
static bool key_less(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool *out)
{
    size_t mark = as_jinja_mark(vm);
    if (as_jinja_compare(vm, AS_JINJA_LT, a, b, out)) return true;
    if (!as_jinja_catch(vm, AS_JINJA_X_TYPE, mark)) return false;
    *out = strcmp(as_jinja_type_name(a), as_jinja_type_name(b)) < 0;
    return true;
}

static bool sorted_entries(as_jinja_vm *vm, const as_jinja_dict *dict, as_jinja_entry **out)
{
    as_jinja_entry *entries = as_jinja_alloc(vm, (size_t)dict->count * sizeof *entries + 1);
    if (!entries) return false;
    for (int64_t i = 0; i < dict->count; i++) {
        int64_t at = i;
        for (; at > 0; at--) {
            bool less;
            AS_JINJA_TRY(as_jinja_step(vm, 1) &&
                         key_less(vm, dict->entries[i].key, entries[at - 1].key, &less));
            if (!less) break;
            entries[at] = entries[at - 1];
        }
        entries[at] = dict->entries[i];
    }
    *out = entries;
    return true;
}

static bool put_flat(as_jinja_vm *vm, as_jinja_value v);

static bool put_flat_items(as_jinja_vm *vm, as_jinja_value v)
{
    bool list = v.kind == AS_JINJA_LIST;
    AS_JINJA_TRY(as_jinja_put_text(vm, list ? "[" : "("));
    for (int64_t i = 0; i < v.list->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ", "));
        AS_JINJA_TRY(put_flat(vm, v.list->items[i]));
    }
    return as_jinja_put_text(vm, list ? "]" : v.list->count == 1 ? ",)" : ")");
}

static bool put_flat_dict(as_jinja_vm *vm, const as_jinja_dict *dict)
{
    as_jinja_entry *entries;
    AS_JINJA_TRY(sorted_entries(vm, dict, &entries) && as_jinja_put_text(vm, "{"));
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ", "));
        AS_JINJA_TRY(put_flat(vm, entries[i].key) && as_jinja_put_text(vm, ": ") &&
                     put_flat(vm, entries[i].value));
    }
    return as_jinja_put_text(vm, "}");
}

static bool is_plain_tuple(as_jinja_value v)
{
    return v.kind == AS_JINJA_TUPLE && !v.list->group;
}

/* repr(), with dicts sorted. */
static bool put_flat(as_jinja_vm *vm, as_jinja_value v)
{
    if (v.kind != AS_JINJA_DICT && v.kind != AS_JINJA_LIST && !is_plain_tuple(v))
        return as_jinja_put_repr(vm, v);
    AS_JINJA_TRY(as_jinja_enter(vm) && as_jinja_step(vm, 1));
    bool ok = v.kind == AS_JINJA_DICT ? put_flat_dict(vm, v.dict) : put_flat_items(vm, v);
    as_jinja_leave(vm);
    return ok;
}

static bool flat(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    return put_flat(vm, v) && as_jinja_str_cut(vm, mark, out);
}

static bool put_value(as_jinja_vm *vm, as_jinja_value v, int64_t indent, int64_t allowance, int level);

static bool put_items(as_jinja_vm *vm, const as_jinja_list *list, int64_t indent, int64_t allowance,
                      int level)
{
    for (int64_t i = 0; i < list->count; i++) {
        bool last = i == list->count - 1;
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ",") && new_line(vm, indent + 1));
        AS_JINJA_TRY(put_value(vm, list->items[i], indent + 1, last ? allowance : 1, level));
    }
    return true;
}

static bool put_dict(as_jinja_vm *vm, const as_jinja_dict *dict, int64_t indent, int64_t allowance, int level)
{
    as_jinja_entry *entries;
    AS_JINJA_TRY(sorted_entries(vm, dict, &entries));
    for (int64_t i = 0; i < dict->count; i++) {
        bool last = i == dict->count - 1;
        as_jinja_value key;
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ",") && new_line(vm, indent + 1));
        AS_JINJA_TRY(flat(vm, entries[i].key, &key) && as_jinja_put_str(vm, key) &&
                     as_jinja_put_text(vm, ": "));
        AS_JINJA_TRY(put_value(vm, entries[i].value, indent + 1 + as_jinja_str_length(key.str) + 2,
                               last ? allowance : 1, level));
    }
    return true;
}

/* Appends to parts what of one line of a string goes on one output line. */
static bool split_line(as_jinja_vm *vm, const as_jinja_str *line, int64_t width, int64_t last_width,
                       as_jinja_list *parts)
{
    size_t from = 0, at = 0;
    while (at < line->size) {
        size_t end = at;
        bool blank = false;
        while (end < line->size) { /* a word and the blanks behind it */
            size_t next = end;
            bool space = as_jinja_space(as_jinja_next_codepoint(line->data, line->size, &next));
            if (blank && !space) break;
            blank = space;
            end = next;
        }
        as_jinja_value candidate, rep;
        AS_JINJA_TRY(as_jinja_substring(vm, line, from, end, &candidate) && flat(vm, candidate, &rep));
        bool fits = as_jinja_str_length(rep.str) <= (end == line->size ? last_width : width);
        if (!fits && at > from) {
            AS_JINJA_TRY(as_jinja_substring(vm, line, from, at, &candidate) && flat(vm, candidate, &rep));
            AS_JINJA_TRY(as_jinja_list_add(vm, parts, rep));
        }
        if (!fits) from = at;
        at = end;
    }
    as_jinja_value rest, rep;
    if (from >= line->size) return true;
    AS_JINJA_TRY(as_jinja_substring(vm, line, from, line->size, &rest) && flat(vm, rest, &rep));
    return as_jinja_list_add(vm, parts, rep);
}

static bool put_string(as_jinja_vm *vm, const as_jinja_str *s, int64_t indent, int64_t allowance, int level)
{
    as_jinja_list *lines, *parts;
    as_jinja_value rep = as_jinja_none();
    if (level == 1) {
        indent++;
        allowance++;
    }
    AS_JINJA_TRY(as_jinja_split_lines(vm, s, true, &lines) && as_jinja_list_new(vm, 0, &parts));
    for (int64_t i = 0; i < lines->count; i++) {
        bool last = i == lines->count - 1;
        int64_t width = WIDTH - indent, last_width = width - (last ? allowance : 0);
        AS_JINJA_TRY(flat(vm, lines->items[i], &rep));
        if (as_jinja_str_length(rep.str) <= last_width) {
            AS_JINJA_TRY(as_jinja_list_add(vm, parts, rep));
        } else {
            AS_JINJA_TRY(split_line(vm, lines->items[i].str, width, last_width, parts));
        }
    }
    if (parts->count == 1) return as_jinja_put_str(vm, rep);
    if (level == 1) AS_JINJA_TRY(as_jinja_put_text(vm, "("));
    for (int64_t i = 0; i < parts->count; i++) {
        if (i) AS_JINJA_TRY(new_line(vm, indent));
        AS_JINJA_TRY(as_jinja_put_str(vm, parts->items[i]));
    }
    return level != 1 || as_jinja_put_text(vm, ")");
}

static bool put_long(as_jinja_vm *vm, as_jinja_value v, int64_t indent, int64_t allowance, int level)
{
    switch (v.kind) {
    case AS_JINJA_DICT:
        return as_jinja_put_text(vm, "{") && put_dict(vm, v.dict, indent, allowance + 1, level) &&
               as_jinja_put_text(vm, "}");
    case AS_JINJA_LIST:
        return as_jinja_put_text(vm, "[") && put_items(vm, v.list, indent, allowance + 1, level) &&
               as_jinja_put_text(vm, "]");
    case AS_JINJA_TUPLE: {
        const char *end = v.list->count == 1 ? ",)" : ")";
        return as_jinja_put_text(vm, "(") &&
               put_items(vm, v.list, indent, allowance + (int64_t)strlen(end), level) &&
               as_jinja_put_text(vm, end);
    }
    default: return put_string(vm, v.str, indent, allowance, level);
    }
}

static bool put_value(as_jinja_vm *vm, as_jinja_value v, int64_t indent, int64_t allowance, int level)
{
    as_jinja_value rep;
    AS_JINJA_TRY(flat(vm, v, &rep));
    bool splits = v.kind == AS_JINJA_DICT || v.kind == AS_JINJA_LIST || is_plain_tuple(v) ||
                  (as_jinja_is_str(v) && !v.str->markup);
    if (!splits || as_jinja_str_length(rep.str) <= WIDTH - indent - allowance)
        return as_jinja_put_str(vm, rep);
    AS_JINJA_TRY(as_jinja_enter(vm));
    bool ok = put_long(vm, v, indent, allowance, level + 1);
    as_jinja_leave(vm);
    return ok;
}

bool as_jinja_put_pretty(as_jinja_vm *vm, as_jinja_value v)
{
    return put_value(vm, v, 0, 0, 0);
}
