/* Filters about sequences: order, groups, sums. */
#include <string.h>

#include "base/jinja/getter.h"
#include "base/jinja/value.h"
#include "base/rng.h"

/* --- attribute paths --- */

static bool add_path_part(as_jinja_vm *vm, as_jinja_list *parts, as_jinja_value part)
{
    bool digits = part.str->size > 0;
    for (size_t at = 0; digits && at < part.str->size;) {
        digits = as_jinja_digit(as_jinja_next_codepoint(part.str->data, part.str->size, &at));
    }
    if (digits) AS_JINJA_TRY(as_jinja_parse_int(vm, part.str->data, part.str->size, 10, &part));
    return as_jinja_list_add(vm, parts, part);
}

bool as_jinja_getter_make(as_jinja_vm *vm, as_jinja_value attribute, as_jinja_value otherwise, bool fold_case,
                          as_jinja_getter *out)
{
    *out = (as_jinja_getter){.otherwise = as_jinja_given(otherwise) ? otherwise : as_jinja_none(),
                             .fold_case = fold_case};
    AS_JINJA_TRY(as_jinja_list_new(vm, 1, &out->parts));
    if (!as_jinja_given(attribute) || attribute.kind == AS_JINJA_NONE) return true;
    if (!as_jinja_is_str(attribute)) return as_jinja_list_add(vm, out->parts, attribute);
    as_jinja_str dot = {.data = ".", .size = 1, .length = 1};
    as_jinja_list *names;
    AS_JINJA_TRY(as_jinja_split(vm, attribute.str, &dot, -1, &names));
    for (int64_t i = 0; i < names->count; i++) AS_JINJA_TRY(add_path_part(vm, out->parts, names->items[i]));
    return true;
}

bool as_jinja_getter_get(as_jinja_vm *vm, const as_jinja_getter *getter, as_jinja_value item,
                         as_jinja_value *out)
{
    for (int64_t i = 0; i < getter->parts->count; i++) {
        AS_JINJA_TRY(as_jinja_getitem(vm, item, getter->parts->items[i], &item));
        if (item.kind == AS_JINJA_UNDEFINED && getter->otherwise.kind != AS_JINJA_NONE)
            item = getter->otherwise;
    }
    *out = item;
    return !getter->fold_case || as_jinja_lowered(vm, item, out);
}

static bool flag(as_jinja_value v)
{
    return as_jinja_given(v) && as_jinja_truth(v);
}

/* The `reverse` of sorted(): an int. */
static bool reverse_flag(as_jinja_vm *vm, as_jinja_value v, bool *out)
{
    int64_t number = 0;
    if (as_jinja_given(v)) AS_JINJA_TRY(as_jinja_to_index(vm, v, &number));
    *out = number != 0;
    return true;
}

/* --- ends --- */

static bool filter_first(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_iter *iter;
    AS_JINJA_TRY(as_jinja_iter_of(vm, self, &iter));
    int more = as_jinja_iter_next(vm, iter, out);
    if (more == 0) return as_jinja_undefined_hint(vm, "No first item, sequence was empty.", out);
    return more > 0;
}

static bool filter_last(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_value reversed;
    AS_JINJA_TRY(as_jinja_reversed(vm, self, &reversed));
    int more = as_jinja_iter_next(vm, reversed.iter, out);
    if (more == 0) return as_jinja_undefined_hint(vm, "No last item, sequence was empty.", out);
    return more > 0;
}

static bool filter_random(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    int64_t length;
    AS_JINJA_TRY(as_jinja_length(vm, self, &length));
    if (length == 0) return as_jinja_undefined_hint(vm, "No random item, sequence was empty.", out);
    uint32_t words[4];
    as_rng_block(0x6a696e6a61, 0, vm->random++, words);
    return as_jinja_subscript(vm, self, as_jinja_int((int64_t)((uint64_t)words[0] % (uint64_t)length)), out);
}

static bool filter_length(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    *out = as_jinja_int(0);
    return as_jinja_length(vm, self, &out->i);
}

static bool filter_list(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_list *list;
    AS_JINJA_TRY(as_jinja_collect(vm, self, &list));
    *out = as_jinja_list_value(list);
    return true;
}

static bool filter_reverse(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    if (as_jinja_is_str(self)) {
        as_jinja_slice slice = {.start = as_jinja_none(), .stop = as_jinja_none(), .step = as_jinja_int(-1)};
        return as_jinja_subscript(vm, self, (as_jinja_value){.kind = AS_JINJA_SLICE, .slice = &slice}, out);
    }
    if (as_jinja_reversed(vm, self, out)) return true;
    if (!as_jinja_catch(vm, AS_JINJA_X_TYPE, mark)) return false;
    as_jinja_list *list;
    AS_JINJA_TRY(as_jinja_collect(vm, self, &list));
    for (int64_t i = 0, k = list->count - 1; i < k; i++, k--) {
        as_jinja_value v = list->items[i];
        list->items[i] = list->items[k];
        list->items[k] = v;
    }
    *out = as_jinja_list_value(list);
    return true;
}

static bool filter_attr(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_value name = args->pos[0];
    bool found, safe;
    if (!as_jinja_is_str(name))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "attribute name must be string, not '%s'",
                             as_jinja_type_name(name));
    AS_JINJA_TRY(as_jinja_attribute(vm, self, name.str, &found, &safe, out));
    if (!found) return as_jinja_undefined_item(vm, self, name, out);
    return safe || as_jinja_undefined_unsafe(vm, self, name.str, out);
}

/* --- joining --- */

static bool filter_join(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_value separator = args->pos[0];
    as_jinja_list *items;
    as_jinja_getter getter;
    if (!as_jinja_given(separator)) AS_JINJA_TRY(as_jinja_str_literal(vm, "", &separator));
    AS_JINJA_TRY(as_jinja_collect(vm, self, &items));
    AS_JINJA_TRY(as_jinja_getter_make(vm, args->pos[1], as_jinja_missing(), false, &getter));
    bool autoescape = as_jinja_autoescape(vm), markup = autoescape && as_jinja_is_markup(separator);
    for (int64_t i = 0; i < items->count; i++) {
        AS_JINJA_TRY(as_jinja_getter_get(vm, &getter, items->items[i], &items->items[i]));
        markup = markup || (autoescape &&
                            (as_jinja_is_markup(items->items[i]) || items->items[i].kind == AS_JINJA_MODULE));
    }
    AS_JINJA_TRY(as_jinja_to_str(vm, separator, &separator));
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < items->count; i++) {
        if (i) AS_JINJA_TRY(markup ? as_jinja_put_escaped(vm, separator) : as_jinja_put_str(vm, separator));
        AS_JINJA_TRY(markup ? as_jinja_put_escaped(vm, items->items[i])
                            : as_jinja_put_str(vm, items->items[i]));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

/* --- sorting --- */

static bool filter_dictsort(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    bool by_value = as_jinja_str_is(args->pos[1], "value"), reverse;
    if (as_jinja_given(args->pos[1]) && !by_value && !as_jinja_str_is(args->pos[1], "key")) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "You can only sort by either \"key\" or \"value\"");
    }
    if (self.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, self);
    if (self.kind != AS_JINJA_DICT) {
        return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "'%s' object has no attribute 'items'",
                             as_jinja_type_name(self));
    }
    AS_JINJA_TRY(reverse_flag(vm, args->pos[2], &reverse));
    as_jinja_list *keys, *items;
    AS_JINJA_TRY(as_jinja_list_new(vm, self.dict->count, &keys) &&
                 as_jinja_list_new(vm, self.dict->count, &items));
    for (int64_t i = 0; i < self.dict->count; i++) {
        const as_jinja_entry *entry = &self.dict->entries[i];
        as_jinja_value key = by_value ? entry->value : entry->key, pair;
        if (!flag(args->pos[0])) AS_JINJA_TRY(as_jinja_lowered(vm, key, &key));
        AS_JINJA_TRY(as_jinja_tuple2(vm, entry->key, entry->value, &pair));
        AS_JINJA_TRY(as_jinja_list_add(vm, keys, key) && as_jinja_list_add(vm, items, pair));
    }
    AS_JINJA_TRY(as_jinja_sort(vm, keys->items, items->items, items->count, reverse));
    *out = as_jinja_list_value(items);
    return true;
}

/* "a,b.c": one key per attribute, as a list. */
static bool multi_keys(as_jinja_vm *vm, as_jinja_value attribute, bool fold_case, const as_jinja_list *items,
                       as_jinja_list *keys)
{
    as_jinja_list *names;
    if (as_jinja_is_str(attribute)) {
        as_jinja_str comma = {.data = ",", .size = 1, .length = 1};
        AS_JINJA_TRY(as_jinja_split(vm, attribute.str, &comma, -1, &names));
    } else {
        AS_JINJA_TRY(as_jinja_list_new(vm, 1, &names) && as_jinja_list_add(vm, names, attribute));
    }
    as_jinja_getter *getters = AS_JINJA_NEW_ARRAY(vm, as_jinja_getter, names->count);
    if (!getters) return false;
    for (int64_t i = 0; i < names->count; i++) {
        AS_JINJA_TRY(as_jinja_getter_make(vm, names->items[i], as_jinja_missing(), fold_case, &getters[i]));
    }
    for (int64_t i = 0; i < items->count; i++) {
        as_jinja_list *key;
        AS_JINJA_TRY(as_jinja_list_new(vm, names->count, &key));
        for (int64_t k = 0; k < names->count; k++) {
            AS_JINJA_TRY(as_jinja_getter_get(vm, &getters[k], items->items[i], &key->items[k]));
            key->count++;
        }
        AS_JINJA_TRY(as_jinja_list_add(vm, keys, as_jinja_list_value(key)));
    }
    return true;
}

static bool filter_sort(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    bool reverse;
    as_jinja_list *items, *keys;
    AS_JINJA_TRY(as_jinja_collect(vm, self, &items) && as_jinja_list_new(vm, items->count, &keys));
    AS_JINJA_TRY(reverse_flag(vm, args->pos[0], &reverse));
    as_jinja_value attribute = as_jinja_given(args->pos[2]) ? args->pos[2] : as_jinja_none();
    AS_JINJA_TRY(multi_keys(vm, attribute, !flag(args->pos[1]), items, keys));
    AS_JINJA_TRY(as_jinja_sort(vm, keys->items, items->items, items->count, reverse));
    *out = as_jinja_list_value(items);
    return true;
}

static bool min_or_max(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_cmp op,
                       as_jinja_value *out)
{
    as_jinja_iter *iter;
    as_jinja_getter getter;
    as_jinja_value item, key, best;
    AS_JINJA_TRY(as_jinja_iter_of(vm, self, &iter));
    int more = as_jinja_iter_next(vm, iter, out);
    if (more < 0) return false;
    if (!more) return as_jinja_undefined_hint(vm, "No aggregated item, sequence was empty.", out);
    AS_JINJA_TRY(as_jinja_getter_make(vm, args->pos[1], as_jinja_missing(), !flag(args->pos[0]), &getter));
    AS_JINJA_TRY(as_jinja_getter_get(vm, &getter, *out, &best));
    while ((more = as_jinja_iter_next(vm, iter, &item)) > 0) {
        bool better;
        AS_JINJA_TRY(as_jinja_getter_get(vm, &getter, item, &key));
        AS_JINJA_TRY(as_jinja_compare(vm, op, key, best, &better));
        if (!better) continue;
        best = key;
        *out = item;
    }
    return more == 0;
}

static bool filter_min(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return min_or_max(vm, self, args, AS_JINJA_LT, out);
}

static bool filter_max(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return min_or_max(vm, self, args, AS_JINJA_GT, out);
}

static bool filter_sum(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_iter *iter;
    as_jinja_getter getter;
    as_jinja_value item;
    int more;
    *out = as_jinja_given(args->pos[1]) ? args->pos[1] : as_jinja_int(0);
    AS_JINJA_TRY(as_jinja_getter_make(vm, args->pos[0], as_jinja_missing(), false, &getter));
    AS_JINJA_TRY(as_jinja_iter_of(vm, self, &iter));
    if (as_jinja_is_str(*out))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "sum() can't sum strings [use ''.join(seq) instead]");
    while ((more = as_jinja_iter_next(vm, iter, &item)) > 0) {
        AS_JINJA_TRY(as_jinja_getter_get(vm, &getter, item, &item));
        AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_ADD, *out, item, out));
    }
    return more == 0;
}

/* --- groups --- */

static bool make_group(as_jinja_vm *vm, as_jinja_value key, as_jinja_list *members, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_tuple2(vm, key, as_jinja_list_value(members), out));
    out->list->group = true;
    return true;
}

static bool filter_groupby(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    as_jinja_getter folded, plain;
    bool fold = !flag(args->pos[2]);
    as_jinja_list *items, *keys, *groups, *members = NULL;
    AS_JINJA_TRY(as_jinja_getter_make(vm, args->pos[0], args->pos[1], fold, &folded));
    AS_JINJA_TRY(as_jinja_getter_make(vm, args->pos[0], args->pos[1], false, &plain));
    AS_JINJA_TRY(as_jinja_collect(vm, self, &items) && as_jinja_list_new(vm, items->count, &keys) &&
                 as_jinja_list_new(vm, 0, &groups));
    for (int64_t i = 0; i < items->count; i++) {
        AS_JINJA_TRY(as_jinja_getter_get(vm, &folded, items->items[i], &keys->items[i]));
        keys->count++;
    }
    AS_JINJA_TRY(as_jinja_sort(vm, keys->items, items->items, items->count, false));
    for (int64_t i = 0; i < items->count; i++) {
        bool same = false;
        if (i) AS_JINJA_TRY(as_jinja_equal(vm, keys->items[i - 1], keys->items[i], &same));
        if (!same) {
            as_jinja_value key = keys->items[i], group;
            AS_JINJA_TRY(as_jinja_list_new(vm, 0, &members));
            if (fold) AS_JINJA_TRY(as_jinja_getter_get(vm, &plain, items->items[i], &key));
            AS_JINJA_TRY(make_group(vm, key, members, &group) && as_jinja_list_add(vm, groups, group));
        }
        AS_JINJA_TRY(as_jinja_list_add(vm, members, items->items[i]));
    }
    *out = as_jinja_list_value(groups);
    return true;
}

const as_jinja_builtin as_jinja_filters_seq[] = {
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
