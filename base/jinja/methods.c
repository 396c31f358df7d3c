/* Methods of list, tuple, dict, range and numbers. */
#include <math.h>
#include <stdio.h>

#include "base/jinja/value.h"

/* --- sequences --- */

static bool seq_index(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    int64_t length, ends[2] = {0, INT64_MAX};
    AJ_TRY(aj_length(vm, self, &length));
    for (int i = 0; i < 2; i++) {
        if (!aj_given(args->pos[i + 1])) continue;
        AJ_TRY(aj_to_index(vm, args->pos[i + 1], &ends[i]));
        if (ends[i] < 0) ends[i] = ends[i] + length < 0 ? 0 : ends[i] + length;
    }
    for (int64_t i = ends[0]; i < length && i < ends[1]; i++) {
        bool same;
        aj_value item = self.list->items[i];
        AJ_TRY(aj_step(vm, 1) && aj_equal(vm, item, args->pos[0], &same));
        if (!same) continue;
        *out = aj_int(i);
        return true;
    }
    return aj_fail(vm, AJ_X_VALUE, "the value is not in the %s", aj_type_name(self));
}

static bool seq_count(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_iter *iter;
    aj_value item;
    int64_t count = 0;
    int more;
    AJ_TRY(aj_iter_of(vm, self, &iter));
    while ((more = aj_iter_next(vm, iter, &item)) > 0) {
        bool same;
        AJ_TRY(aj_equal(vm, item, args->pos[0], &same));
        count += same;
    }
    *out = aj_int(count);
    return more == 0;
}

static bool list_copy(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_list *copy;
    AJ_TRY(aj_collect(vm, self, &copy));
    *out = aj_list_value(copy);
    return true;
}

const aj_builtin aj_list_methods[] = {
    {"index", "/value start stop", 1, seq_index},
    {"count", "/value", 1, seq_count},
    {"copy", "", 0, list_copy},
    {NULL, NULL, 0, NULL},
};

const aj_builtin aj_tuple_methods[] = {
    {"index", "/value start stop", 1, seq_index},
    {"count", "/value", 1, seq_count},
    {NULL, NULL, 0, NULL},
};

static bool range_index(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_list *items;
    AJ_TRY(aj_collect(vm, self, &items));
    aj_value again[3] = {args->pos[0], aj_missing(), aj_missing()};
    aj_args plain = {.pos = again, .count = 3};
    return seq_index(vm, aj_list_value(items), &plain, out);
}

const aj_builtin aj_range_methods[] = {
    {"index", "/value", 1, range_index},
    {"count", "/value", 1, seq_count},
    {NULL, NULL, 0, NULL},
};

/* --- dicts --- */

static bool dict_get(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value *found;
    AJ_TRY(aj_dict_find(vm, self.dict, args->pos[0], &found));
    *out = found ? *found : aj_given(args->pos[1]) ? args->pos[1] : aj_none();
    return true;
}

static bool make_view(aj_vm *vm, aj_value self, aj_view_kind kind, aj_value *out)
{
    aj_view *view = AJ_NEW(vm, aj_view);
    if (!view) return false;
    *view = (aj_view){.dict = self.dict, .kind = kind};
    *out = (aj_value){.kind = AJ_VIEW, .view = view};
    return true;
}

static bool dict_keys(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return make_view(vm, self, AJ_KEYS, out);
}

static bool dict_values(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return make_view(vm, self, AJ_VALUES, out);
}

static bool dict_items(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return make_view(vm, self, AJ_ITEMS, out);
}

static bool dict_copy(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_dict *copy;
    AJ_TRY(aj_dict_new(vm, &copy) && aj_dict_from(vm, self, copy));
    *out = aj_dict_value(copy);
    return true;
}

static bool dict_fromkeys(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)self;
    aj_dict *dict;
    aj_iter *iter;
    aj_value key, value = aj_given(args->pos[1]) ? args->pos[1] : aj_none();
    int more;
    AJ_TRY(aj_dict_new(vm, &dict) && aj_iter_of(vm, args->pos[0], &iter));
    while ((more = aj_iter_next(vm, iter, &key)) > 0) AJ_TRY(aj_dict_set(vm, dict, key, value));
    *out = aj_dict_value(dict);
    return more == 0;
}

const aj_builtin aj_dict_methods[] = {
    {"get", "/key default", 1, dict_get},
    {"items", "", 0, dict_items},
    {"keys", "", 0, dict_keys},
    {"values", "", 0, dict_values},
    {"copy", "", 0, dict_copy},
    {"fromkeys", "/iterable value", 1, dict_fromkeys},
    {NULL, NULL, 0, NULL},
};

const aj_builtin aj_dict_type_methods[] = {
    {"fromkeys", "/iterable value", 1, dict_fromkeys},
    {NULL, NULL, 0, NULL},
};

static bool view_isdisjoint(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    if (self.view->kind == AJ_VALUES) return aj_fail(vm, AJ_X_ATTRIBUTE, "dict_values has no isdisjoint");
    aj_iter *iter;
    aj_value item;
    bool found = false;
    int more = 1;
    AJ_TRY(aj_iter_of(vm, args->pos[0], &iter));
    while (!found && (more = aj_iter_next(vm, iter, &item)) > 0) AJ_TRY(aj_contains(vm, self, item, &found));
    *out = aj_bool(!found);
    return more >= 0;
}

const aj_builtin aj_view_methods[] = {
    {"isdisjoint", "/other", 1, view_isdisjoint},
    {NULL, NULL, 0, NULL},
};

/* --- numbers --- */

static bool int_bits(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_int_text(vm, self, 2));
    aj_value text;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    const aj_str *s = text.str;
    int64_t count = (int64_t)s->size - (s->size && s->data[0] == '-');
    *out = aj_int(s->size == 1 && s->data[0] == '0' ? 0 : count);
    return true;
}

static bool int_bit_count(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_int_text(vm, self, 2));
    aj_value text;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    int64_t count = 0;
    for (size_t i = 0; i < text.str->size; i++) count += text.str->data[i] == '1';
    *out = aj_int(count);
    return true;
}

static bool number_conjugate(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return aj_positive(vm, self, out);
}

static bool int_ratio(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    aj_value number;
    return aj_positive(vm, self, &number) && aj_tuple2(vm, number, aj_int(1), out);
}

static bool number_unsupported(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)self;
    (void)args;
    (void)out;
    return aj_fail(vm, AJ_X_OTHER, "this method of numbers is not supported");
}

const aj_builtin aj_int_methods[] = {
    {"bit_length", "", 0, int_bits},
    {"bit_count", "", 0, int_bit_count},
    {"conjugate", "", 0, number_conjugate},
    {"as_integer_ratio", "", 0, int_ratio},
    {"to_bytes", "*", 0, number_unsupported},
    {"from_bytes", "*", 0, number_unsupported},
    {NULL, NULL, 0, NULL},
};

static bool float_is_integer(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)vm;
    (void)args;
    *out = aj_bool(isfinite(self.f) && self.f == floor(self.f));
    return true;
}

const aj_builtin aj_float_methods[] = {
    {"is_integer", "", 0, float_is_integer},          {"conjugate", "", 0, number_conjugate},
    {"as_integer_ratio", "*", 0, number_unsupported}, {"hex", "*", 0, number_unsupported},
    {"fromhex", "*", 0, number_unsupported},          {NULL, NULL, 0, NULL},
};
