/* Filters that are generators: nothing happens, not even an error, before something is drawn from them. */
#include <string.h>

#include "base/jinja/getter.h"
#include "base/jinja/run.h"

typedef struct state {
    aj_args args;
    aj_context *context; /* where the generator was made: filters inside see its autoescape */
    bool started;
    aj_iter *source;
    aj_getter getter;
    aj_value name; /* of the filter or test; AJ_MISSING: none */
    aj_args rest;
    bool negate, attribute; /* reject...; ...attr */
    aj_dict *seen;
    aj_list *items;
    int64_t at;
} state;

static bool make(aj_vm *vm, aj_next *next, aj_value self, const aj_args *args, state **st, aj_value *out)
{
    *st = AJ_NEW(vm, state);
    if (!*st) return false;
    (*st)->context = vm->context;
    (*st)->args = *args;
    if (args->count) {
        (*st)->args.pos = aj_alloc(vm, (size_t)args->count * sizeof *args->pos);
        if (!(*st)->args.pos) return false;
        memcpy((*st)->args.pos, args->pos, (size_t)args->count * sizeof *args->pos);
    }
    return aj_iter_make(vm, next, "generator", self, *st, out);
}

/* --- map --- */

static bool map_by_attribute(aj_vm *vm, state *st)
{
    aj_value attribute = *aj_dict_find_text(st->args.kw, "attribute"), otherwise = aj_none();
    for (int64_t i = 0; i < st->args.kw->count; i++) {
        const aj_entry *entry = &st->args.kw->entries[i];
        if (aj_str_is(entry->key, "default")) {
            otherwise = entry->value;
        } else if (!aj_str_is(entry->key, "attribute")) {
            return aj_fail(vm, AJ_X_OTHER, "Unexpected keyword argument '%.*s'",
                           (int)(entry->key.str->size < 100 ? entry->key.str->size : 100),
                           entry->key.str->data);
        }
    }
    return aj_getter_make(vm, attribute, otherwise, false, &st->getter);
}

static bool map_start(aj_vm *vm, aj_iter *iter, state *st)
{
    st->started = true;
    if (!aj_truth(iter->source)) return true;
    if (!st->args.count && st->args.kw && aj_dict_find_text(st->args.kw, "attribute")) {
        AJ_TRY(map_by_attribute(vm, st));
    } else {
        if (!st->args.count) return aj_fail(vm, AJ_X_OTHER, "map requires a filter argument");
        st->name = st->args.pos[0];
        st->rest = (aj_args){.pos = st->args.pos + 1, .count = st->args.count - 1, .kw = st->args.kw};
    }
    return aj_iter_of(vm, iter->source, &st->source);
}

static int map_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    aj_context *context = vm->context;
    aj_value item;
    if (!st->started && !map_start(vm, iter, st)) return -1;
    if (!st->source) return 0;
    int more = aj_iter_next(vm, st->source, &item);
    if (more <= 0) return more;
    vm->context = st->context;
    bool ok = aj_given(st->name) ? aj_apply_named(vm, true, st->name, item, &st->rest, out)
                                 : aj_getter_get(vm, &st->getter, item, out);
    vm->context = context;
    return ok ? 1 : -1;
}

static bool filter_map(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    state *st;
    return make(vm, map_next, self, args, &st, out);
}

/* --- select and its kin --- */

static bool select_start(aj_vm *vm, aj_iter *iter, state *st)
{
    st->started = true;
    if (!aj_truth(iter->source)) return true;
    int64_t off = st->attribute ? 1 : 0;
    if (st->args.count < off) return aj_fail(vm, AJ_X_OTHER, "Missing parameter for attribute name");
    AJ_TRY(aj_getter_make(vm, off ? st->args.pos[0] : aj_none(), aj_missing(), false, &st->getter));
    if (st->args.count > off) {
        st->name = st->args.pos[off];
        st->rest =
            (aj_args){.pos = st->args.pos + off + 1, .count = st->args.count - off - 1, .kw = st->args.kw};
    }
    return aj_iter_of(vm, iter->source, &st->source);
}

static bool select_holds(aj_vm *vm, state *st, aj_value item, bool *out)
{
    aj_value v;
    AJ_TRY(aj_getter_get(vm, &st->getter, item, &v));
    if (aj_given(st->name)) AJ_TRY(aj_apply_named(vm, false, st->name, v, &st->rest, &v));
    *out = aj_truth(v) != st->negate;
    return true;
}

static int select_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    if (!st->started && !select_start(vm, iter, st)) return -1;
    if (!st->source) return 0;
    for (;;) {
        bool holds;
        int more = aj_iter_next(vm, st->source, out);
        if (more <= 0) return more;
        if (!select_holds(vm, st, *out, &holds)) return -1;
        if (holds) return 1;
    }
}

static bool select_kind(aj_vm *vm, aj_value self, const aj_args *args, bool negate, bool attribute,
                        aj_value *out)
{
    state *st;
    AJ_TRY(make(vm, select_next, self, args, &st, out));
    st->negate = negate;
    st->attribute = attribute;
    return true;
}

static bool filter_select(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return select_kind(vm, self, args, false, false, out);
}

static bool filter_reject(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return select_kind(vm, self, args, true, false, out);
}

static bool filter_selectattr(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return select_kind(vm, self, args, false, true, out);
}

static bool filter_rejectattr(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return select_kind(vm, self, args, true, true, out);
}

/* --- unique, items --- */

static int unique_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    if (!st->source) {
        bool fold = !(aj_given(st->args.pos[0]) && aj_truth(st->args.pos[0]));
        if (!aj_getter_make(vm, st->args.pos[1], aj_missing(), fold, &st->getter)) return -1;
        if (!aj_dict_new(vm, &st->seen) || !aj_iter_of(vm, iter->source, &st->source)) return -1;
    }
    for (;;) {
        aj_value key, *known;
        int more = aj_iter_next(vm, st->source, out);
        if (more <= 0) return more;
        if (!aj_getter_get(vm, &st->getter, *out, &key) || !aj_dict_find(vm, st->seen, key, &known))
            return -1;
        if (known) continue;
        return aj_dict_set(vm, st->seen, key, aj_none()) ? 1 : -1;
    }
}

static bool filter_unique(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    state *st;
    return make(vm, unique_next, self, args, &st, out);
}

static int items_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    if (iter->source.kind == AJ_UNDEFINED) return 0;
    if (iter->source.kind != AJ_DICT) {
        aj_fail(vm, AJ_X_TYPE, "Can only get item pairs from a mapping.");
        return -1;
    }
    const aj_dict *dict = iter->source.dict;
    if (st->at >= dict->count) return 0;
    const aj_entry *entry = &dict->entries[st->at++];
    return aj_tuple2(vm, entry->key, entry->value, out) ? 1 : -1;
}

static bool filter_items(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    state *st;
    return make(vm, items_next, self, args, &st, out);
}

/* --- slice and batch --- */

static bool add_fill(aj_vm *vm, aj_value fill, aj_list *list)
{
    return !aj_given(fill) || fill.kind == AJ_NONE || aj_list_add(vm, list, fill);
}

static int slice_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    int64_t slices;
    if (!st->items && !aj_collect(vm, iter->source, &st->items)) return -1;
    if (!aj_is_int(st->args.pos[0]) && st->args.pos[0].kind != AJ_UNDEFINED) {
        aj_fail(vm, AJ_X_TYPE, "'%s' object cannot be interpreted as an integer",
                aj_type_name(st->args.pos[0]));
        return -1;
    }
    if (!aj_to_index(vm, st->args.pos[0], &slices)) return -1;
    if (slices == 0) {
        aj_fail(vm, AJ_X_OTHER, "integer division or modulo by zero");
        return -1;
    }
    int64_t number = st->at++;
    if (number >= slices) return 0;
    int64_t count = st->items->count / slices, extra = st->items->count % slices;
    int64_t start = number * count + (number < extra ? number : extra), size = count + (number < extra);
    aj_list *part;
    if (!aj_list_new(vm, size + 1, &part)) return -1;
    for (int64_t i = 0; i < size; i++) part->items[part->count++] = st->items->items[start + i];
    if (number >= extra && !add_fill(vm, st->args.pos[1], part)) return -1;
    *out = aj_list_value(part);
    return 1;
}

static bool filter_slice(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    state *st;
    return make(vm, slice_next, self, args, &st, out);
}

static int batch_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    state *st = iter->state;
    aj_value item, limit = st->args.pos[0], fill = st->args.pos[1];
    aj_list *part;
    bool full = false;
    int more = 1;
    if (!st->source && !aj_iter_of(vm, iter->source, &st->source)) return -1;
    if (!aj_list_new(vm, 0, &part)) return -1;
    if (st->items) part = st->items; /* the item that did not fit before */
    st->items = NULL;
    while (!full && (more = aj_iter_next(vm, st->source, &item)) > 0) {
        if (!aj_equal(vm, aj_int(part->count), limit, &full)) return -1;
        if (full && (!aj_list_new(vm, 1, &st->items) || !aj_list_add(vm, st->items, item))) return -1;
        if (!full && !aj_list_add(vm, part, item)) return -1;
    }
    if (more < 0) return -1;
    *out = aj_list_value(part);
    if (full) return 1;
    if (part->count == 0) return 0;
    if (aj_given(fill) && fill.kind != AJ_NONE) {
        bool less;
        aj_value missing, rest;
        if (!aj_compare(vm, AJ_LT, aj_int(part->count), limit, &less)) return -1;
        aj_list *one;
        if (less &&
            (!aj_binary(vm, AJ_SUB, limit, aj_int(part->count), &missing) || !aj_list_new(vm, 1, &one) ||
             !aj_list_add(vm, one, fill) || !aj_binary(vm, AJ_MUL, aj_list_value(one), missing, &rest) ||
             !aj_binary(vm, AJ_ADD, *out, rest, out))) {
            return -1;
        }
    }
    return 1;
}

static bool filter_batch(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    state *st;
    return make(vm, batch_next, self, args, &st, out);
}

const aj_builtin aj_filters_select[] = {
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
