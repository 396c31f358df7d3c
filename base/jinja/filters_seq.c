/* Filters about sequences: order, groups, sums. */
#include <string.h>

#include "base/jinja/getter.h"
#include "base/jinja/value.h"
#include "base/rng.h"

/* --- attribute paths --- */

static bool add_path_part(aj_vm *vm, aj_list *parts, aj_value part)
{
    bool digits = part.str->size > 0;
    for (size_t at = 0; digits && at < part.str->size;) {
        digits = aj_digit(aj_next_codepoint(part.str->data, part.str->size, &at));
    }
    if (digits) AJ_TRY(aj_parse_int(vm, part.str->data, part.str->size, 10, &part));
    return aj_list_add(vm, parts, part);
}

bool aj_getter_make(aj_vm *vm, aj_value attribute, aj_value otherwise, bool fold_case, aj_getter *out)
{
    *out = (aj_getter){.otherwise = aj_given(otherwise) ? otherwise : aj_none(), .fold_case = fold_case};
    AJ_TRY(aj_list_new(vm, 1, &out->parts));
    if (!aj_given(attribute) || attribute.kind == AJ_NONE) return true;
    if (!aj_is_str(attribute)) return aj_list_add(vm, out->parts, attribute);
    aj_str dot = {.data = ".", .size = 1, .length = 1};
    aj_list *names;
    AJ_TRY(aj_split(vm, attribute.str, &dot, -1, &names));
    for (int64_t i = 0; i < names->count; i++) AJ_TRY(add_path_part(vm, out->parts, names->items[i]));
    return true;
}

bool aj_getter_get(aj_vm *vm, const aj_getter *getter, aj_value item, aj_value *out)
{
    for (int64_t i = 0; i < getter->parts->count; i++) {
        AJ_TRY(aj_getitem(vm, item, getter->parts->items[i], &item));
        if (item.kind == AJ_UNDEFINED && getter->otherwise.kind != AJ_NONE) item = getter->otherwise;
    }
    *out = item;
    return !getter->fold_case || aj_lowered(vm, item, out);
}

static bool flag(aj_value v)
{
    return aj_given(v) && aj_truth(v);
}

/* The `reverse` of sorted(): an int. */
static bool reverse_flag(aj_vm *vm, aj_value v, bool *out)
{
    int64_t number = 0;
    if (aj_given(v)) AJ_TRY(aj_to_index(vm, v, &number));
    *out = number != 0;
    return true;
}

/* --- ends --- */

static bool filter_first(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_iter *iter;
    AJ_TRY(aj_iter_of(vm, self, &iter));
    int more = aj_iter_next(vm, iter, out);
    if (more == 0) return aj_undefined_hint(vm, "No first item, sequence was empty.", out);
    return more > 0;
}

static bool filter_last(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_value reversed;
    AJ_TRY(aj_reversed(vm, self, &reversed));
    int more = aj_iter_next(vm, reversed.iter, out);
    if (more == 0) return aj_undefined_hint(vm, "No last item, sequence was empty.", out);
    return more > 0;
}

static bool filter_random(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    int64_t length;
    AJ_TRY(aj_length(vm, self, &length));
    if (length == 0) return aj_undefined_hint(vm, "No random item, sequence was empty.", out);
    uint32_t words[4];
    as_rng_block(0x6a696e6a61, 0, vm->random++, words);
    return aj_subscript(vm, self, aj_int((int64_t)((uint64_t)words[0] % (uint64_t)length)), out);
}

static bool filter_length(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    *out = aj_int(0);
    return aj_length(vm, self, &out->i);
}

static bool filter_list(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_list *list;
    AJ_TRY(aj_collect(vm, self, &list));
    *out = aj_list_value(list);
    return true;
}

static bool filter_reverse(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    if (aj_is_str(self)) {
        aj_slice slice = {.start = aj_none(), .stop = aj_none(), .step = aj_int(-1)};
        return aj_subscript(vm, self, (aj_value){.kind = AJ_SLICE, .slice = &slice}, out);
    }
    if (aj_reversed(vm, self, out)) return true;
    if (!aj_catch(vm, AJ_X_TYPE, mark)) return false;
    aj_list *list;
    AJ_TRY(aj_collect(vm, self, &list));
    for (int64_t i = 0, k = list->count - 1; i < k; i++, k--) {
        aj_value v = list->items[i];
        list->items[i] = list->items[k];
        list->items[k] = v;
    }
    *out = aj_list_value(list);
    return true;
}

static bool filter_attr(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value name = args->pos[0];
    bool found, safe;
    if (!aj_is_str(name))
        return aj_fail(vm, AJ_X_TYPE, "attribute name must be string, not '%s'", aj_type_name(name));
    AJ_TRY(aj_attribute(vm, self, name.str, &found, &safe, out));
    if (!found) return aj_undefined_item(vm, self, name, out);
    return safe || aj_undefined_unsafe(vm, self, name.str, out);
}

/* --- joining --- */

static bool filter_join(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value separator = args->pos[0];
    aj_list *items;
    aj_getter getter;
    if (!aj_given(separator)) AJ_TRY(aj_str_literal(vm, "", &separator));
    AJ_TRY(aj_collect(vm, self, &items));
    AJ_TRY(aj_getter_make(vm, args->pos[1], aj_missing(), false, &getter));
    bool autoescape = aj_autoescape(vm), markup = autoescape && aj_is_markup(separator);
    for (int64_t i = 0; i < items->count; i++) {
        AJ_TRY(aj_getter_get(vm, &getter, items->items[i], &items->items[i]));
        markup =
            markup || (autoescape && (aj_is_markup(items->items[i]) || items->items[i].kind == AJ_MODULE));
    }
    AJ_TRY(aj_to_str(vm, separator, &separator));
    size_t mark = aj_mark(vm);
    for (int64_t i = 0; i < items->count; i++) {
        if (i) AJ_TRY(markup ? aj_put_escaped(vm, separator) : aj_put_str(vm, separator));
        AJ_TRY(markup ? aj_put_escaped(vm, items->items[i]) : aj_put_str(vm, items->items[i]));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

/* --- sorting --- */

static bool filter_dictsort(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    bool by_value = aj_str_is(args->pos[1], "value"), reverse;
    if (aj_given(args->pos[1]) && !by_value && !aj_str_is(args->pos[1], "key")) {
        return aj_fail(vm, AJ_X_OTHER, "You can only sort by either \"key\" or \"value\"");
    }
    if (self.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, self);
    if (self.kind != AJ_DICT) {
        return aj_fail(vm, AJ_X_ATTRIBUTE, "'%s' object has no attribute 'items'", aj_type_name(self));
    }
    AJ_TRY(reverse_flag(vm, args->pos[2], &reverse));
    aj_list *keys, *items;
    AJ_TRY(aj_list_new(vm, self.dict->count, &keys) && aj_list_new(vm, self.dict->count, &items));
    for (int64_t i = 0; i < self.dict->count; i++) {
        const aj_entry *entry = &self.dict->entries[i];
        aj_value key = by_value ? entry->value : entry->key, pair;
        if (!flag(args->pos[0])) AJ_TRY(aj_lowered(vm, key, &key));
        AJ_TRY(aj_tuple2(vm, entry->key, entry->value, &pair));
        AJ_TRY(aj_list_add(vm, keys, key) && aj_list_add(vm, items, pair));
    }
    AJ_TRY(aj_sort(vm, keys->items, items->items, items->count, reverse));
    *out = aj_list_value(items);
    return true;
}

/* "a,b.c": one key per attribute, as a list. */
static bool multi_keys(aj_vm *vm, aj_value attribute, bool fold_case, const aj_list *items, aj_list *keys)
{
    aj_list *names;
    if (aj_is_str(attribute)) {
        aj_str comma = {.data = ",", .size = 1, .length = 1};
        AJ_TRY(aj_split(vm, attribute.str, &comma, -1, &names));
    } else {
        AJ_TRY(aj_list_new(vm, 1, &names) && aj_list_add(vm, names, attribute));
    }
    aj_getter *getters = AJ_NEW_ARRAY(vm, aj_getter, names->count);
    if (!getters) return false;
    for (int64_t i = 0; i < names->count; i++) {
        AJ_TRY(aj_getter_make(vm, names->items[i], aj_missing(), fold_case, &getters[i]));
    }
    for (int64_t i = 0; i < items->count; i++) {
        aj_list *key;
        AJ_TRY(aj_list_new(vm, names->count, &key));
        for (int64_t k = 0; k < names->count; k++) {
            AJ_TRY(aj_getter_get(vm, &getters[k], items->items[i], &key->items[k]));
            key->count++;
        }
        AJ_TRY(aj_list_add(vm, keys, aj_list_value(key)));
    }
    return true;
}

static bool filter_sort(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    bool reverse;
    aj_list *items, *keys;
    AJ_TRY(aj_collect(vm, self, &items) && aj_list_new(vm, items->count, &keys));
    AJ_TRY(reverse_flag(vm, args->pos[0], &reverse));
    aj_value attribute = aj_given(args->pos[2]) ? args->pos[2] : aj_none();
    AJ_TRY(multi_keys(vm, attribute, !flag(args->pos[1]), items, keys));
    AJ_TRY(aj_sort(vm, keys->items, items->items, items->count, reverse));
    *out = aj_list_value(items);
    return true;
}

static bool min_or_max(aj_vm *vm, aj_value self, const aj_args *args, aj_cmp op, aj_value *out)
{
    aj_iter *iter;
    aj_getter getter;
    aj_value item, key, best;
    AJ_TRY(aj_iter_of(vm, self, &iter));
    int more = aj_iter_next(vm, iter, out);
    if (more < 0) return false;
    if (!more) return aj_undefined_hint(vm, "No aggregated item, sequence was empty.", out);
    AJ_TRY(aj_getter_make(vm, args->pos[1], aj_missing(), !flag(args->pos[0]), &getter));
    AJ_TRY(aj_getter_get(vm, &getter, *out, &best));
    while ((more = aj_iter_next(vm, iter, &item)) > 0) {
        bool better;
        AJ_TRY(aj_getter_get(vm, &getter, item, &key));
        AJ_TRY(aj_compare(vm, op, key, best, &better));
        if (!better) continue;
        best = key;
        *out = item;
    }
    return more == 0;
}

static bool filter_min(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return min_or_max(vm, self, args, AJ_LT, out);
}

static bool filter_max(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return min_or_max(vm, self, args, AJ_GT, out);
}

static bool filter_sum(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_iter *iter;
    aj_getter getter;
    aj_value item;
    int more;
    *out = aj_given(args->pos[1]) ? args->pos[1] : aj_int(0);
    AJ_TRY(aj_getter_make(vm, args->pos[0], aj_missing(), false, &getter));
    AJ_TRY(aj_iter_of(vm, self, &iter));
    if (aj_is_str(*out)) return aj_fail(vm, AJ_X_TYPE, "sum() can't sum strings [use ''.join(seq) instead]");
    while ((more = aj_iter_next(vm, iter, &item)) > 0) {
        AJ_TRY(aj_getter_get(vm, &getter, item, &item));
        AJ_TRY(aj_binary(vm, AJ_ADD, *out, item, out));
    }
    return more == 0;
}

/* --- groups --- */

static bool make_group(aj_vm *vm, aj_value key, aj_list *members, aj_value *out)
{
    AJ_TRY(aj_tuple2(vm, key, aj_list_value(members), out));
    out->list->group = true;
    return true;
}

static bool filter_groupby(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_getter folded, plain;
    bool fold = !flag(args->pos[2]);
    aj_list *items, *keys, *groups, *members = NULL;
    AJ_TRY(aj_getter_make(vm, args->pos[0], args->pos[1], fold, &folded));
    AJ_TRY(aj_getter_make(vm, args->pos[0], args->pos[1], false, &plain));
    AJ_TRY(aj_collect(vm, self, &items) && aj_list_new(vm, items->count, &keys) &&
           aj_list_new(vm, 0, &groups));
    for (int64_t i = 0; i < items->count; i++) {
        AJ_TRY(aj_getter_get(vm, &folded, items->items[i], &keys->items[i]));
        keys->count++;
    }
    AJ_TRY(aj_sort(vm, keys->items, items->items, items->count, false));
    for (int64_t i = 0; i < items->count; i++) {
        bool same = false;
        if (i) AJ_TRY(aj_equal(vm, keys->items[i - 1], keys->items[i], &same));
        if (!same) {
            aj_value key = keys->items[i], group;
            AJ_TRY(aj_list_new(vm, 0, &members));
            if (fold) AJ_TRY(aj_getter_get(vm, &plain, items->items[i], &key));
            AJ_TRY(make_group(vm, key, members, &group) && aj_list_add(vm, groups, group));
        }
        AJ_TRY(aj_list_add(vm, members, items->items[i]));
    }
    *out = aj_list_value(groups);
    return true;
}

const aj_builtin aj_filters_seq[] = {
    {"first", "", 0, filter_first},
    {"last", "", 0, filter_last},
    {"random", "", 0, filter_random},
    {"length", "/", 0, filter_length},
    {"count", "/", 0, filter_length},
    {"list", "", 0, filter_list},
    {"reverse", "", 0, filter_reverse},
    {"attr", "name", 1, filter_attr},
    {"join", "d attribute", 0, filter_join},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort},
    {"min", "case_sensitive attribute", 0, filter_min},
    {"max", "case_sensitive attribute", 0, filter_max},
    {"sum", "attribute start", 0, filter_sum},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby},
    {NULL, NULL, 0, NULL},
};
