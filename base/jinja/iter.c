/* Iteration: iter(), next(), list(), reversed(), dict(). */
#include <string.h>

#include "base/jinja/value.h"

bool aj_iter_make(aj_vm *vm, aj_next *next, const char *type, aj_value source, void *state, aj_value *out)
{
    aj_iter *iter = AJ_NEW(vm, aj_iter);
    if (!iter) return false;
    iter->next = next;
    iter->type = type;
    iter->source = source;
    iter->state = state;
    *out = (aj_value){.kind = AJ_ITER, .iter = iter};
    return true;
}

int aj_iter_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    if (iter->done) return 0;
    if (!aj_step(vm, 1)) return -1;
    if (iter->running) {
        aj_fail(vm, AJ_X_VALUE, "generator already executing");
        return -1;
    }
    if (!aj_enter(vm)) return -1;
    iter->running = true;
    int more = iter->next(vm, iter, out);
    iter->running = false;
    aj_leave(vm);
    if (more <= 0) iter->done = true;
    return more;
}

static int next_item(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    (void)vm;
    if (iter->at >= iter->source.list->count) return 0;
    *out = iter->source.list->items[iter->at++];
    return 1;
}

static int next_item_back(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    (void)vm;
    if (iter->at >= iter->source.list->count) return 0;
    *out = iter->source.list->items[iter->source.list->count - ++iter->at];
    return 1;
}

static int next_character(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    const aj_str *s = iter->source.str;
    size_t from = (size_t)iter->at, to = from;
    if (from >= s->size) return 0;
    aj_next_codepoint(s->data, s->size, &to);
    iter->at = (int64_t)to;
    return aj_str_ref(vm, s->data + from, to - from, out) ? 1 : -1; /* never Markup */
}

static int next_character_back(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    const aj_str *s = iter->source.str;
    size_t to = s->size - (size_t)iter->at, from = to;
    if (to == 0) return 0;
    aj_previous_codepoint(s->data, &from);
    iter->at += (int64_t)(to - from);
    return aj_substring(vm, s, from, to, out) ? 1 : -1;
}

static int next_number(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    (void)vm;
    const aj_range *r = iter->source.range;
    if (iter->at >= r->length) return 0;
    *out = aj_int((int64_t)((uint64_t)r->start + (uint64_t)r->step * (uint64_t)iter->at++));
    return 1;
}

static int next_number_back(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    (void)vm;
    const aj_range *r = iter->source.range;
    if (iter->at >= r->length) return 0;
    *out = aj_int((int64_t)((uint64_t)r->start + (uint64_t)r->step * (uint64_t)(r->length - ++iter->at)));
    return 1;
}

static int entry_value(aj_vm *vm, const aj_entry *entry, aj_view_kind kind, aj_value *out)
{
    if (kind == AJ_ITEMS) return aj_tuple2(vm, entry->key, entry->value, out) ? 1 : -1;
    *out = kind == AJ_KEYS ? entry->key : entry->value;
    return 1;
}

static int next_entry(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    const aj_view *view = iter->source.view;
    if (iter->at >= view->dict->count) return 0;
    return entry_value(vm, &view->dict->entries[iter->at++], view->kind, out);
}

static int next_entry_back(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    const aj_view *view = iter->source.view;
    if (iter->at >= view->dict->count) return 0;
    return entry_value(vm, &view->dict->entries[view->dict->count - ++iter->at], view->kind, out);
}

/* A loop variable iterates over the rest of its loop: pairs of item and itself. */
static int next_of_loop(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    aj_value item;
    int more = aj_loop_step(vm, iter->source.loop, &item);
    if (more <= 0) return more;
    return aj_tuple2(vm, item, iter->source, out) ? 1 : -1;
}

static int next_of_none(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    (void)vm;
    (void)iter;
    (void)out;
    return 0;
}

static const struct {
    aj_next *forward, *backward;
    const char *type, *backward_type;
} iterators[] = {
    [AJ_STR] = {next_character, next_character_back, "str_iterator", "reversed"},
    [AJ_LIST] = {next_item, next_item_back, "list_iterator", "list_reverseiterator"},
    [AJ_TUPLE] = {next_item, next_item_back, "tuple_iterator", "reversed"},
    [AJ_DICT] = {next_entry, next_entry_back, "dict_keyiterator", "dict_reversekeyiterator"},
    [AJ_VIEW] = {next_entry, next_entry_back, "dict_iterator", "dict_reverseiterator"},
    [AJ_RANGE] = {next_number, next_number_back, "range_iterator", "range_iterator"},
    [AJ_UNDEFINED] = {next_of_none, next_of_none, "generator", "reversed"},
    [AJ_LOOP] = {next_of_loop, NULL, "LoopContext", NULL},
    [AJ_DICTTYPE] = {NULL, NULL, NULL, NULL},
};

bool aj_iterable(aj_value v)
{
    return v.kind == AJ_ITER || iterators[v.kind].forward;
}

/* A dict iterates as the view of its keys. */
static bool as_view(aj_vm *vm, aj_value *v)
{
    if (v->kind != AJ_DICT) return true;
    aj_view *view = AJ_NEW(vm, aj_view);
    if (!view) return false;
    *view = (aj_view){.dict = v->dict, .kind = AJ_KEYS};
    *v = (aj_value){.kind = AJ_VIEW, .view = view};
    return true;
}

bool aj_iter_of(aj_vm *vm, aj_value v, aj_iter **out)
{
    if (v.kind == AJ_ITER) {
        *out = v.iter;
        return true;
    }
    if (!iterators[v.kind].forward) {
        return aj_fail(vm, AJ_X_TYPE, "'%s' object is not iterable", aj_type_name(v));
    }
    aj_value made;
    aj_kind kind = v.kind;
    AJ_TRY(as_view(vm, &v));
    AJ_TRY(aj_iter_make(vm, iterators[kind].forward, iterators[kind].type, v, NULL, &made));
    *out = made.iter;
    return true;
}

bool aj_reversed(aj_vm *vm, aj_value v, aj_value *out)
{
    if (!iterators[v.kind].backward) {
        return aj_fail(vm, AJ_X_TYPE, "'%s' object is not reversible", aj_type_name(v));
    }
    aj_kind kind = v.kind;
    AJ_TRY(as_view(vm, &v));
    return aj_iter_make(vm, iterators[kind].backward, iterators[kind].backward_type, v, NULL, out);
}

bool aj_collect(aj_vm *vm, aj_value v, aj_list **out)
{
    if (v.kind == AJ_LIST || v.kind == AJ_TUPLE) {
        AJ_TRY(aj_list_new(vm, v.list->count, out));
        if (v.list->count)
            memcpy((*out)->items, v.list->items, (size_t)v.list->count * sizeof *v.list->items);
        (*out)->count = v.list->count;
        return true;
    }
    aj_iter *iter;
    aj_value item;
    int more;
    AJ_TRY(aj_iter_of(vm, v, &iter));
    AJ_TRY(aj_list_new(vm, 0, out));
    while ((more = aj_iter_next(vm, iter, &item)) > 0) AJ_TRY(aj_list_add(vm, *out, item));
    return more == 0;
}

bool aj_unpack_pair(aj_vm *vm, aj_value pair, aj_value *a, aj_value *b)
{
    aj_list *items;
    AJ_TRY(aj_collect(vm, pair, &items));
    if (items->count != 2) {
        return aj_fail(vm, AJ_X_VALUE, "%s values to unpack (expected 2)",
                       items->count > 2 ? "too many" : "not enough");
    }
    *a = items->items[0];
    *b = items->items[1];
    return true;
}

/* Two's worth of an element of dict(): any iterable of length 2. */
bool aj_dict_from(aj_vm *vm, aj_value source, aj_dict *into)
{
    if (source.kind == AJ_DICT) {
        for (int64_t i = 0; i < source.dict->count; i++) {
            AJ_TRY(aj_dict_set(vm, into, source.dict->entries[i].key, source.dict->entries[i].value));
        }
        return true;
    }
    aj_iter *iter;
    aj_value pair;
    int more;
    AJ_TRY(aj_iter_of(vm, source, &iter));
    while ((more = aj_iter_next(vm, iter, &pair)) > 0) {
        aj_value key, value;
        AJ_TRY(aj_unpack_pair(vm, pair, &key, &value));
        AJ_TRY(aj_dict_set(vm, into, key, value));
    }
    return more == 0;
}
