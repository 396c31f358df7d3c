/* Methods of list, tuple, dict, range and numbers. */
#include <math.h>
#include <stdio.h>

#include "base/jinja/value.h"

/* --- sequences --- */

static bool seq_index(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    int64_t length, ends[2] = {0, INT64_MAX};
    AS_JINJA_TRY(as_jinja_length(vm, self, &length));
    for (int i = 0; i < 2; i++) {
        if (!as_jinja_given(args->pos[i + 1])) continue;
        AS_JINJA_TRY(as_jinja_to_index(vm, args->pos[i + 1], &ends[i]));
        if (ends[i] < 0) ends[i] = ends[i] + length < 0 ? 0 : ends[i] + length;
    }
    for (int64_t i = ends[0]; i < length && i < ends[1]; i++) {
        bool same;
        as_jinja_value item = self.list->items[i];
        AS_JINJA_TRY(as_jinja_step(vm, 1) && as_jinja_equal(vm, item, args->pos[0], &same));
        if (!same) continue;
        *out = as_jinja_int(i);
        return true;
    }
    return as_jinja_fail(vm, AS_JINJA_X_VALUE, "the value is not in the %s", as_jinja_type_name(self));
}

static bool seq_count(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_iter *iter;
    as_jinja_value item;
    int64_t count = 0;
    int more;
    AS_JINJA_TRY(as_jinja_iter_of(vm, self, &iter));
    while ((more = as_jinja_iter_next(vm, iter, &item)) > 0) {
        bool same;
        AS_JINJA_TRY(as_jinja_equal(vm, item, args->pos[0], &same));
        count += same;
    }
    *out = as_jinja_int(count);
    return more == 0;
}

static bool list_copy(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_list *copy;
    AS_JINJA_TRY(as_jinja_collect(vm, self, &copy));
    *out = as_jinja_list_value(copy);
    return true;
}

const as_jinja_builtin as_jinja_list_methods[] = {
    {"index", "/value start stop", 1, seq_index},
    {"count", "/value", 1, seq_count},
    {"copy", "", 0, list_copy},
    {NULL, NULL, 0, NULL},
};

const as_jinja_builtin as_jinja_tuple_methods[] = {
    {"index", "/value start stop", 1, seq_index},
    {"count", "/value", 1, seq_count},
    {NULL, NULL, 0, NULL},
};

static bool range_index(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_list *items;
    AS_JINJA_TRY(as_jinja_collect(vm, self, &items));
    as_jinja_value again[3] = {args->pos[0], as_jinja_missing(), as_jinja_missing()};
    as_jinja_args plain = {.pos = again, .count = 3};
    return seq_index(vm, as_jinja_list_value(items), &plain, out);
}

const as_jinja_builtin as_jinja_range_methods[] = {
    {"index", "/value", 1, range_index},
    {"count", "/value", 1, seq_count},
    {NULL, NULL, 0, NULL},
};

/* --- dicts --- */

static bool dict_get(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_value *found;
    AS_JINJA_TRY(as_jinja_dict_find(vm, self.dict, args->pos[0], &found));
    *out = found ? *found : as_jinja_given(args->pos[1]) ? args->pos[1] : as_jinja_none();
    return true;
}

static bool make_view(as_jinja_vm *vm, as_jinja_value self, as_jinja_view_kind kind, as_jinja_value *out)
{
    as_jinja_view *view = AS_JINJA_NEW(vm, as_jinja_view);
    if (!view) return false;
    *view = (as_jinja_view){.dict = self.dict, .kind = kind};
    *out = (as_jinja_value){.kind = AS_JINJA_VIEW, .view = view};
    return true;
}

static bool dict_keys(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    return make_view(vm, self, AS_JINJA_KEYS, out);
}

static bool dict_values(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    return make_view(vm, self, AS_JINJA_VALUES, out);
}

static bool dict_items(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    return make_view(vm, self, AS_JINJA_ITEMS, out);
}

static bool dict_copy(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_dict *copy;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &copy) && as_jinja_dict_from(vm, self, copy));
    *out = as_jinja_dict_value(copy);
    return true;
}

static bool dict_fromkeys(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)self;
    as_jinja_dict *dict;
    as_jinja_iter *iter;
    as_jinja_value key, value = as_jinja_given(args->pos[1]) ? args->pos[1] : as_jinja_none();
    int more;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &dict) && as_jinja_iter_of(vm, args->pos[0], &iter));
    while ((more = as_jinja_iter_next(vm, iter, &key)) > 0)
        AS_JINJA_TRY(as_jinja_dict_set(vm, dict, key, value));
    *out = as_jinja_dict_value(dict);
    return more == 0;
}

const as_jinja_builtin as_jinja_dict_methods[] = {
    {"get", "/key default", 1, dict_get},
    {"items", "", 0, dict_items},
    {"keys", "", 0, dict_keys},
    {"values", "", 0, dict_values},
    {"copy", "", 0, dict_copy},
    {"fromkeys", "/iterable value", 1, dict_fromkeys},
    {NULL, NULL, 0, NULL},
};

const as_jinja_builtin as_jinja_dict_type_methods[] = {
    {"fromkeys", "/iterable value", 1, dict_fromkeys},
    {NULL, NULL, 0, NULL},
};

static bool view_isdisjoint(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    if (self.view->kind == AS_JINJA_VALUES)
        return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "dict_values has no isdisjoint");
    as_jinja_iter *iter;
    as_jinja_value item;
    bool found = false;
    int more = 1;
    AS_JINJA_TRY(as_jinja_iter_of(vm, args->pos[0], &iter));
    while (!found && (more = as_jinja_iter_next(vm, iter, &item)) > 0)
        AS_JINJA_TRY(as_jinja_contains(vm, self, item, &found));
    *out = as_jinja_bool(!found);
    return more >= 0;
}

const as_jinja_builtin as_jinja_view_methods[] = {
    {"isdisjoint", "/other", 1, view_isdisjoint},
    {NULL, NULL, 0, NULL},
};

/* --- numbers --- */

static bool int_bits(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_int_text(vm, self, 2));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    const as_jinja_str *s = text.str;
    int64_t count = (int64_t)s->size - (s->size && s->data[0] == '-');
    *out = as_jinja_int(s->size == 1 && s->data[0] == '0' ? 0 : count);
    return true;
}

static bool int_bit_count(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_int_text(vm, self, 2));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    int64_t count = 0;
    for (size_t i = 0; i < text.str->size; i++) count += text.str->data[i] == '1';
    *out = as_jinja_int(count);
    return true;
}

static bool number_conjugate(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)args;
    return as_jinja_positive(vm, self, out);
}

static bool int_ratio(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    as_jinja_value number;
    return as_jinja_positive(vm, self, &number) && as_jinja_tuple2(vm, number, as_jinja_int(1), out);
}

static bool number_unsupported(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                               as_jinja_value *out)
{
    (void)self;
    (void)args;
    (void)out;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER, "this method of numbers is not supported");
}

const as_jinja_builtin as_jinja_int_methods[] = {
    {"bit_length", "", 0, int_bits},
    {"bit_count", "", 0, int_bit_count},
    {"conjugate", "", 0, number_conjugate},
    {"as_integer_ratio", "", 0, int_ratio},
    {"to_bytes", "*", 0, number_unsupported},
    {"from_bytes", "*", 0, number_unsupported},
    {NULL, NULL, 0, NULL},
};

static bool float_is_integer(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)vm;
    (void)args;
    *out = as_jinja_bool(isfinite(self.f) && self.f == floor(self.f));
    return true;
}

const as_jinja_builtin as_jinja_float_methods[] = {
    {"is_integer", "", 0, float_is_integer},          {"conjugate", "", 0, number_conjugate},
    {"as_integer_ratio", "*", 0, number_unsupported}, {"hex", "*", 0, number_unsupported},
    {"fromhex", "*", 0, number_unsupported},          {NULL, NULL, 0, NULL},
};
