/* Filters that are generators: nothing happens, not even an error, before something is drawn from them. */
#include <string.h>

#include "base/jinja/getter.h"
#include "base/jinja/run.h"

typedef struct state {
    as_jinja_args args;
    as_jinja_context *context; /* where the generator was made: filters inside see its autoescape */
    bool started;
    as_jinja_iter *source;
    as_jinja_getter getter;
    as_jinja_value name; /* of the filter or test; AS_JINJA_MISSING: none */
    as_jinja_args rest;
    bool negate, attribute; /* reject...; ...attr */
    as_jinja_dict *seen;
    as_jinja_list *items;
    int64_t at;
} state;

static bool make(as_jinja_vm *vm, as_jinja_next *next, as_jinja_value self, const as_jinja_args *args,
                 state **st, as_jinja_value *out)
{
    *st = AS_JINJA_NEW(vm, state);
    if (!*st) return false;
    (*st)->context = vm->context;
    (*st)->args = *args;
    if (args->count) {
        (*st)->args.pos = as_jinja_alloc(vm, (size_t)args->count * sizeof *args->pos);
        if (!(*st)->args.pos) return false;
        memcpy((*st)->args.pos, args->pos, (size_t)args->count * sizeof *args->pos);
    }
    return as_jinja_iter_make(vm, next, "generator", self, *st, out);
}

/* --- map --- */

static bool map_by_attribute(as_jinja_vm *vm, state *st)
{
    as_jinja_value attribute = *as_jinja_dict_find_text(st->args.kw, "attribute"),
                   otherwise = as_jinja_none();
    for (int64_t i = 0; i < st->args.kw->count; i++) {
        const as_jinja_entry *entry = &st->args.kw->entries[i];
        if (as_jinja_str_is(entry->key, "default")) {
            otherwise = entry->value;
        } else if (!as_jinja_str_is(entry->key, "attribute")) {
            return as_jinja_fail(vm, AS_JINJA_X_OTHER, "Unexpected keyword argument '%.*s'",
                                 (int)(entry->key.str->size < 100 ? entry->key.str->size : 100),
                                 entry->key.str->data);
        }
    }
    return as_jinja_getter_make(vm, attribute, otherwise, false, &st->getter);
}

static bool map_start(as_jinja_vm *vm, as_jinja_iter *iter, state *st)
{
    st->started = true;
    if (!as_jinja_truth(iter->source)) return true;
    if (!st->args.count && st->args.kw && as_jinja_dict_find_text(st->args.kw, "attribute")) {
        AS_JINJA_TRY(map_by_attribute(vm, st));
    } else {
        if (!st->args.count) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "map requires a filter argument");
        st->name = st->args.pos[0];
        st->rest = (as_jinja_args){.pos = st->args.pos + 1, .count = st->args.count - 1, .kw = st->args.kw};
    }
    return as_jinja_iter_of(vm, iter->source, &st->source);
}

static int map_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    as_jinja_context *context = vm->context;
    as_jinja_value item;
    if (!st->started && !map_start(vm, iter, st)) return -1;
    if (!st->source) return 0;
    int more = as_jinja_iter_next(vm, st->source, &item);
    if (more <= 0) return more;
    vm->context = st->context;
    bool ok = as_jinja_given(st->name) ? as_jinja_apply_named(vm, true, st->name, item, &st->rest, out)
                                       : as_jinja_getter_get(vm, &st->getter, item, out);
    vm->context = context;
    return ok ? 1 : -1;
}

static bool filter_map(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    state *st;
    return make(vm, map_next, self, args, &st, out);
}

/* --- select and its kin --- */

static bool select_start(as_jinja_vm *vm, as_jinja_iter *iter, state *st)
{
    st->started = true;
    if (!as_jinja_truth(iter->source)) return true;
    int64_t off = st->attribute ? 1 : 0;
    if (st->args.count < off)
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "Missing parameter for attribute name");
    AS_JINJA_TRY(as_jinja_getter_make(vm, off ? st->args.pos[0] : as_jinja_none(), as_jinja_missing(), false,
                                      &st->getter));
    if (st->args.count > off) {
        st->name = st->args.pos[off];
        st->rest = (as_jinja_args){
            .pos = st->args.pos + off + 1, .count = st->args.count - off - 1, .kw = st->args.kw};
    }
    return as_jinja_iter_of(vm, iter->source, &st->source);
}

static bool select_holds(as_jinja_vm *vm, state *st, as_jinja_value item, bool *out)
{
    as_jinja_value v;
    AS_JINJA_TRY(as_jinja_getter_get(vm, &st->getter, item, &v));
    if (as_jinja_given(st->name)) AS_JINJA_TRY(as_jinja_apply_named(vm, false, st->name, v, &st->rest, &v));
    *out = as_jinja_truth(v) != st->negate;
    return true;
}

static int select_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    if (!st->started && !select_start(vm, iter, st)) return -1;
    if (!st->source) return 0;
    for (;;) {
        bool holds;
        int more = as_jinja_iter_next(vm, st->source, out);
        if (more <= 0) return more;
        if (!select_holds(vm, st, *out, &holds)) return -1;
        if (holds) return 1;
    }
}

static bool select_kind(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, bool negate,
                        bool attribute, as_jinja_value *out)
{
    state *st;
    AS_JINJA_TRY(make(vm, select_next, self, args, &st, out));
    st->negate = negate;
    st->attribute = attribute;
    return true;
}

static bool filter_select(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    return select_kind(vm, self, args, false, false, out);
}

static bool filter_reject(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    return select_kind(vm, self, args, true, false, out);
}

static bool filter_selectattr(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                              as_jinja_value *out)
{
    return select_kind(vm, self, args, false, true, out);
}

static bool filter_rejectattr(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                              as_jinja_value *out)
{
    return select_kind(vm, self, args, true, true, out);
}

/* --- unique, items --- */

static int unique_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    if (!st->source) {
        bool fold = !(as_jinja_given(st->args.pos[0]) && as_jinja_truth(st->args.pos[0]));
        if (!as_jinja_getter_make(vm, st->args.pos[1], as_jinja_missing(), fold, &st->getter)) return -1;
        if (!as_jinja_dict_new(vm, &st->seen) || !as_jinja_iter_of(vm, iter->source, &st->source)) return -1;
    }
    for (;;) {
        as_jinja_value key, *known;
        int more = as_jinja_iter_next(vm, st->source, out);
        if (more <= 0) return more;
        if (!as_jinja_getter_get(vm, &st->getter, *out, &key) ||
            !as_jinja_dict_find(vm, st->seen, key, &known))
            return -1;
        if (known) continue;
        return as_jinja_dict_set(vm, st->seen, key, as_jinja_none()) ? 1 : -1;
    }
}

static bool filter_unique(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    state *st;
    return make(vm, unique_next, self, args, &st, out);
}

static int items_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    if (iter->source.kind == AS_JINJA_UNDEFINED) return 0;
    if (iter->source.kind != AS_JINJA_DICT) {
        as_jinja_fail(vm, AS_JINJA_X_TYPE, "Can only get item pairs from a mapping.");
        return -1;
    }
    const as_jinja_dict *dict = iter->source.dict;
    if (st->at >= dict->count) return 0;
    const as_jinja_entry *entry = &dict->entries[st->at++];
    return as_jinja_tuple2(vm, entry->key, entry->value, out) ? 1 : -1;
}

static bool filter_items(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    state *st;
    return make(vm, items_next, self, args, &st, out);
}

/* --- slice and batch --- */

static bool add_fill(as_jinja_vm *vm, as_jinja_value fill, as_jinja_list *list)
{
    return !as_jinja_given(fill) || fill.kind == AS_JINJA_NONE || as_jinja_list_add(vm, list, fill);
}

static int slice_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    int64_t slices;
    if (!st->items && !as_jinja_collect(vm, iter->source, &st->items)) return -1;
    if (!as_jinja_is_int(st->args.pos[0]) && st->args.pos[0].kind != AS_JINJA_UNDEFINED) {
        as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object cannot be interpreted as an integer",
                      as_jinja_type_name(st->args.pos[0]));
        return -1;
    }
    if (!as_jinja_to_index(vm, st->args.pos[0], &slices)) return -1;
    if (slices == 0) {
        as_jinja_fail(vm, AS_JINJA_X_OTHER, "integer division or modulo by zero");
        return -1;
    }
    int64_t number = st->at++;
    if (number >= slices) return 0;
    int64_t count = st->items->count / slices, extra = st->items->count % slices;
    int64_t start = number * count + (number < extra ? number : extra), size = count + (number < extra);
    as_jinja_list *part;
    if (!as_jinja_list_new(vm, size + 1, &part)) return -1;
    for (int64_t i = 0; i < size; i++) part->items[part->count++] = st->items->items[start + i];
    if (number >= extra && !add_fill(vm, st->args.pos[1], part)) return -1;
    *out = as_jinja_list_value(part);
    return 1;
}

static bool filter_slice(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    state *st;
    return make(vm, slice_next, self, args, &st, out);
}

static int batch_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    state *st = iter->state;
    as_jinja_value item, limit = st->args.pos[0], fill = st->args.pos[1];
    as_jinja_list *part;
    bool full = false;
    int more = 1;
    if (!st->source && !as_jinja_iter_of(vm, iter->source, &st->source)) return -1;
    if (!as_jinja_list_new(vm, 0, &part)) return -1;
    if (st->items) part = st->items; /* the item that did not fit before */
    st->items = NULL;
    while (!full && (more = as_jinja_iter_next(vm, st->source, &item)) > 0) {
        if (!as_jinja_equal(vm, as_jinja_int(part->count), limit, &full)) return -1;
        if (full && (!as_jinja_list_new(vm, 1, &st->items) || !as_jinja_list_add(vm, st->items, item)))
            return -1;
        if (!full && !as_jinja_list_add(vm, part, item)) return -1;
    }
    if (more < 0) return -1;
    *out = as_jinja_list_value(part);
    if (full) return 1;
    if (part->count == 0) return 0;
    if (as_jinja_given(fill) && fill.kind != AS_JINJA_NONE) {
        bool less;
        as_jinja_value missing, rest;
        if (!as_jinja_compare(vm, AS_JINJA_LT, as_jinja_int(part->count), limit, &less)) return -1;
        as_jinja_list *one;
        if (less && (!as_jinja_binary(vm, AS_JINJA_SUB, limit, as_jinja_int(part->count), &missing) ||
                     !as_jinja_list_new(vm, 1, &one) || !as_jinja_list_add(vm, one, fill) ||
                     !as_jinja_binary(vm, AS_JINJA_MUL, as_jinja_list_value(one), missing, &rest) ||
                     !as_jinja_binary(vm, AS_JINJA_ADD, *out, rest, out))) {
            return -1;
        }
    }
    return 1;
}

static bool filter_batch(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    state *st;
    return make(vm, batch_next, self, args, &st, out);
}

const as_jinja_builtin as_jinja_filters_select[] = {
    {"map", "*", 0, filter_map},
    {"select", "*", 0, filter_select},
    {"reject", "*", 0, filter_reject},
    {"selectattr", "*", 0, filter_selectattr},
    {"rejectattr", "*", 0, filter_rejectattr},
    {"unique", "case_sensitive attribute", 0, filter_unique},
    {"items", "", 0, filter_items},
    {"slice", "slices fill_with", 1, filter_slice},
    {"batch", "linecount fill_with", 1, filter_batch},
    {NULL, NULL, 0, NULL},
};
