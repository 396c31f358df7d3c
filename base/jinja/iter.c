/* Iteration: iter(), next(), list(), reversed(), dict(). */
#include <string.h>

#include "base/jinja/value.h"

bool as_jinja_iter_make(as_jinja_vm *vm, as_jinja_next *next, const char *type, as_jinja_value source,
                        void *state, as_jinja_value *out)
{
    as_jinja_iter *iter = AS_JINJA_NEW(vm, as_jinja_iter);
    if (!iter) return false;
    iter->next = next;
    iter->type = type;
    iter->source = source;
    iter->state = state;
    *out = (as_jinja_value){.kind = AS_JINJA_ITER, .iter = iter};
    return true;
}

int as_jinja_iter_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    if (iter->done) return 0;
    if (!as_jinja_step(vm, 1)) return -1;
    if (iter->running) {
        as_jinja_fail(vm, AS_JINJA_X_VALUE, "generator already executing");
        return -1;
    }
    if (!as_jinja_enter(vm)) return -1;
    iter->running = true;
    int more = iter->next(vm, iter, out);
    iter->running = false;
    as_jinja_leave(vm);
    if (more <= 0) iter->done = true;
    return more;
}

static int next_item(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    (void)vm;
    if (iter->at >= iter->source.list->count) return 0;
    *out = iter->source.list->items[iter->at++];
    return 1;
}

static int next_item_back(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    (void)vm;
    if (iter->at >= iter->source.list->count) return 0;
    *out = iter->source.list->items[iter->source.list->count - ++iter->at];
    return 1;
}

static int next_character(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    const as_jinja_str *s = iter->source.str;
    size_t from = (size_t)iter->at, to = from;
    if (from >= s->size) return 0;
    as_jinja_next_codepoint(s->data, s->size, &to);
    iter->at = (int64_t)to;
    return as_jinja_str_ref(vm, s->data + from, to - from, out) ? 1 : -1; /* never Markup */
}

static int next_character_back(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    const as_jinja_str *s = iter->source.str;
    size_t to = s->size - (size_t)iter->at, from = to;
    if (to == 0) return 0;
    as_jinja_previous_codepoint(s->data, &from);
    iter->at += (int64_t)(to - from);
    return as_jinja_substring(vm, s, from, to, out) ? 1 : -1;
}

static int next_number(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    (void)vm;
    const as_jinja_range *r = iter->source.range;
    if (iter->at >= r->length) return 0;
    *out = as_jinja_int((int64_t)((uint64_t)r->start + (uint64_t)r->step * (uint64_t)iter->at++));
    return 1;
}

static int next_number_back(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    (void)vm;
    const as_jinja_range *r = iter->source.range;
    if (iter->at >= r->length) return 0;
    *out =
        as_jinja_int((int64_t)((uint64_t)r->start + (uint64_t)r->step * (uint64_t)(r->length - ++iter->at)));
    return 1;
}

static int entry_value(as_jinja_vm *vm, const as_jinja_entry *entry, as_jinja_view_kind kind,
                       as_jinja_value *out)
{
    if (kind == AS_JINJA_ITEMS) return as_jinja_tuple2(vm, entry->key, entry->value, out) ? 1 : -1;
    *out = kind == AS_JINJA_KEYS ? entry->key : entry->value;
    return 1;
}

static int next_entry(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    const as_jinja_view *view = iter->source.view;
    if (iter->at >= view->dict->count) return 0;
    return entry_value(vm, &view->dict->entries[iter->at++], view->kind, out);
}

static int next_entry_back(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    const as_jinja_view *view = iter->source.view;
    if (iter->at >= view->dict->count) return 0;
    return entry_value(vm, &view->dict->entries[view->dict->count - ++iter->at], view->kind, out);
}

/* A loop variable iterates over the rest of its loop: pairs of item and itself. */
static int next_of_loop(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    as_jinja_value item;
    int more = as_jinja_loop_step(vm, iter->source.loop, &item);
    if (more <= 0) return more;
    return as_jinja_tuple2(vm, item, iter->source, out) ? 1 : -1;
}

static int next_of_none(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    (void)vm;
    (void)iter;
    (void)out;
    return 0;
}

static const struct {
    as_jinja_next *forward, *backward;
    const char *type, *backward_type;
} iterators[] = {
    [AS_JINJA_STR] = {next_character, next_character_back, "str_iterator", "reversed"},
    [AS_JINJA_LIST] = {next_item, next_item_back, "list_iterator", "list_reverseiterator"},
    [AS_JINJA_TUPLE] = {next_item, next_item_back, "tuple_iterator", "reversed"},
    [AS_JINJA_DICT] = {next_entry, next_entry_back, "dict_keyiterator", "dict_reversekeyiterator"},
    [AS_JINJA_VIEW] = {next_entry, next_entry_back, "dict_iterator", "dict_reverseiterator"},
    [AS_JINJA_RANGE] = {next_number, next_number_back, "range_iterator", "range_iterator"},
    [AS_JINJA_UNDEFINED] = {next_of_none, next_of_none, "generator", "reversed"},
    [AS_JINJA_LOOP] = {next_of_loop, NULL, "LoopContext", NULL},
    [AS_JINJA_DICTTYPE] = {NULL, NULL, NULL, NULL},
};

bool as_jinja_iterable(as_jinja_value v)
{
    return v.kind == AS_JINJA_ITER || iterators[v.kind].forward;
}

/* A dict iterates as the view of its keys. */
static bool as_view(as_jinja_vm *vm, as_jinja_value *v)
{
    if (v->kind != AS_JINJA_DICT) return true;
    as_jinja_view *view = AS_JINJA_NEW(vm, as_jinja_view);
    if (!view) return false;
    *view = (as_jinja_view){.dict = v->dict, .kind = AS_JINJA_KEYS};
    *v = (as_jinja_value){.kind = AS_JINJA_VIEW, .view = view};
    return true;
}

bool as_jinja_iter_of(as_jinja_vm *vm, as_jinja_value v, as_jinja_iter **out)
{
    if (v.kind == AS_JINJA_ITER) {
        *out = v.iter;
        return true;
    }
    if (!iterators[v.kind].forward) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object is not iterable", as_jinja_type_name(v));
    }
    as_jinja_value made;
    as_jinja_kind kind = v.kind;
    AS_JINJA_TRY(as_view(vm, &v));
    AS_JINJA_TRY(as_jinja_iter_make(vm, iterators[kind].forward, iterators[kind].type, v, NULL, &made));
    *out = made.iter;
    return true;
}

bool as_jinja_reversed(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    if (!iterators[v.kind].backward) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object is not reversible", as_jinja_type_name(v));
    }
    as_jinja_kind kind = v.kind;
    AS_JINJA_TRY(as_view(vm, &v));
    return as_jinja_iter_make(vm, iterators[kind].backward, iterators[kind].backward_type, v, NULL, out);
}

bool as_jinja_collect(as_jinja_vm *vm, as_jinja_value v, as_jinja_list **out)
{
    if (v.kind == AS_JINJA_LIST || v.kind == AS_JINJA_TUPLE) {
        AS_JINJA_TRY(as_jinja_list_new(vm, v.list->count, out));
        if (v.list->count)
            memcpy((*out)->items, v.list->items, (size_t)v.list->count * sizeof *v.list->items);
        (*out)->count = v.list->count;
        return true;
    }
    as_jinja_iter *iter;
    as_jinja_value item;
    int more;
    AS_JINJA_TRY(as_jinja_iter_of(vm, v, &iter));
    AS_JINJA_TRY(as_jinja_list_new(vm, 0, out));
    while ((more = as_jinja_iter_next(vm, iter, &item)) > 0) AS_JINJA_TRY(as_jinja_list_add(vm, *out, item));
    return more == 0;
}

bool as_jinja_unpack_pair(as_jinja_vm *vm, as_jinja_value pair, as_jinja_value *a, as_jinja_value *b)
{
    as_jinja_list *items;
    AS_JINJA_TRY(as_jinja_collect(vm, pair, &items));
    if (items->count != 2) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "%s values to unpack (expected 2)",
                             items->count > 2 ? "too many" : "not enough");
    }
    *a = items->items[0];
    *b = items->items[1];
    return true;
}

/* Two's worth of an element of dict(): any iterable of length 2. */
bool as_jinja_dict_from(as_jinja_vm *vm, as_jinja_value source, as_jinja_dict *into)
{
    if (source.kind == AS_JINJA_DICT) {
        for (int64_t i = 0; i < source.dict->count; i++) {
            AS_JINJA_TRY(
                as_jinja_dict_set(vm, into, source.dict->entries[i].key, source.dict->entries[i].value));
        }
        return true;
    }
    as_jinja_iter *iter;
    as_jinja_value pair;
    int more;
    AS_JINJA_TRY(as_jinja_iter_of(vm, source, &iter));
    while ((more = as_jinja_iter_next(vm, iter, &pair)) > 0) {
        as_jinja_value key, value;
        AS_JINJA_TRY(as_jinja_unpack_pair(vm, pair, &key, &value));
        AS_JINJA_TRY(as_jinja_dict_set(vm, into, key, value));
    }
    return more == 0;
}
