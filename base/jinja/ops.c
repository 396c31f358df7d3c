/* Truth, equality, order, membership, hashing, operators: as Python does them. */
#include <string.h>

#include "base/jinja/value.h"

bool as_jinja_has_length(as_jinja_value v)
{
    switch (v.kind) {
    case AS_JINJA_STR:
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE:
    case AS_JINJA_DICT:
    case AS_JINJA_RANGE:
    case AS_JINJA_VIEW:
    case AS_JINJA_UNDEFINED:
    case AS_JINJA_LOOP: return true;
    default: return false;
    }
}

bool as_jinja_length(as_jinja_vm *vm, as_jinja_value v, int64_t *out)
{
    switch (v.kind) {
    case AS_JINJA_STR: *out = as_jinja_str_length(v.str); return true;
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE: *out = v.list->count; return true;
    case AS_JINJA_DICT: *out = v.dict->count; return true;
    case AS_JINJA_VIEW: *out = v.view->dict->count; return true;
    case AS_JINJA_RANGE: *out = v.range->length; return true;
    case AS_JINJA_UNDEFINED: *out = 0; return true;
    case AS_JINJA_LOOP: return as_jinja_loop_length(vm, v.loop, out);
    default:
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "object of type '%s' has no len()", as_jinja_type_name(v));
    }
}

bool as_jinja_truth(as_jinja_value v)
{
    switch (v.kind) {
    case AS_JINJA_MISSING:
    case AS_JINJA_UNBOUND:
    case AS_JINJA_UNDEFINED:
    case AS_JINJA_NONE: return false;
    case AS_JINJA_BOOL: return v.truth;
    case AS_JINJA_INT: return v.i != 0;
    case AS_JINJA_FLOAT: return v.f != 0;
    case AS_JINJA_STR: return v.str->size != 0;
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE: return v.list->count != 0;
    case AS_JINJA_DICT: return v.dict->count != 0;
    case AS_JINJA_VIEW: return v.view->dict->count != 0;
    case AS_JINJA_RANGE: return v.range->length != 0;
    default: return true;
    }
}

/* --- equality --- */

static bool equal_lists(as_jinja_vm *vm, const as_jinja_list *a, const as_jinja_list *b, bool *out)
{
    *out = a->count == b->count;
    for (int64_t i = 0; *out && i < a->count; i++)
        AS_JINJA_TRY(as_jinja_equal(vm, a->items[i], b->items[i], out));
    return true;
}

static bool equal_dicts(as_jinja_vm *vm, const as_jinja_dict *a, const as_jinja_dict *b, bool values,
                        bool *out)
{
    *out = a->count == b->count;
    for (int64_t i = 0; *out && i < a->count; i++) {
        as_jinja_value *other;
        AS_JINJA_TRY(as_jinja_dict_find(vm, b, a->entries[i].key, &other));
        *out = other != NULL;
        if (other && values) AS_JINJA_TRY(as_jinja_equal(vm, a->entries[i].value, *other, out));
    }
    return true;
}

static bool equal_ranges(const as_jinja_range *a, const as_jinja_range *b)
{
    if (a->length != b->length) return false;
    if (a->length == 0) return true;
    return a->start == b->start && (a->length == 1 || a->step == b->step);
}

/* Whether all items of one view are in another; *out is false already where the sizes say no. */
static bool is_contained(as_jinja_vm *vm, as_jinja_value view, as_jinja_value in, bool *out)
{
    as_jinja_iter *iter;
    as_jinja_value item;
    int more = 0;
    AS_JINJA_TRY(as_jinja_iter_of(vm, view, &iter));
    while (*out && (more = as_jinja_iter_next(vm, iter, &item)) > 0) {
        AS_JINJA_TRY(as_jinja_contains(vm, in, item, out));
    }
    return more >= 0;
}

static bool equal_nested(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool *out)
{
    switch (a.kind) {
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE: return equal_lists(vm, a.list, b.list, out);
    case AS_JINJA_DICT: return equal_dicts(vm, a.dict, b.dict, true, out);
    case AS_JINJA_VIEW:
        if (a.view->kind == AS_JINJA_VALUES || b.view->kind == AS_JINJA_VALUES) return true;
        if (a.view->kind != b.view->kind) {
            *out = a.view->dict->count == b.view->dict->count;
            return is_contained(vm, a, b, out);
        }
        return equal_dicts(vm, a.view->dict, b.view->dict, a.view->kind == AS_JINJA_ITEMS, out);
    case AS_JINJA_RANGE: *out = equal_ranges(a.range, b.range); return true;
    case AS_JINJA_FUNC:
        *out = a.func->builtin == b.func->builtin && a.func->self.kind == b.func->self.kind &&
               a.func->self.identity == b.func->self.identity;
        return true;
    default: return true;
    }
}

bool as_jinja_equal(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool *out)
{
    *out = false;
    if (as_jinja_is_number(a) && as_jinja_is_number(b)) {
        *out = as_jinja_number_order(a, b) == 0;
        return true;
    }
    if (a.kind != b.kind) return true;
    if (a.kind == AS_JINJA_STR) {
        *out = a.str == b.str ||
               (a.str->size == b.str->size && memcmp(a.str->data, b.str->data, a.str->size) == 0);
        return true;
    }
    *out = a.kind == AS_JINJA_NONE || a.kind == AS_JINJA_UNDEFINED || a.kind == AS_JINJA_DICTTYPE ||
           a.identity == b.identity;
    if (*out) return true;
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    AS_JINJA_TRY(as_jinja_enter(vm));
    bool ok = equal_nested(vm, a, b, out);
    as_jinja_leave(vm);
    return ok;
}

/* --- hashing --- */

static bool hash_tuple(as_jinja_vm *vm, const as_jinja_list *list, uint64_t *out)
{
    uint64_t h = 0x345678u + (uint64_t)list->count;
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    for (int64_t i = 0; i < list->count; i++) {
        uint64_t item;
        AS_JINJA_TRY(as_jinja_hash(vm, list->items[i], &item));
        h = (h ^ item) * 0x9e3779b97f4a7c15u;
        h ^= h >> 31;
    }
    *out = h;
    return true;
}

bool as_jinja_hash(as_jinja_vm *vm, as_jinja_value v, uint64_t *out)
{
    if (as_jinja_is_number(v)) return as_jinja_number_hash(v, out);
    switch (v.kind) {
    case AS_JINJA_STR: *out = as_jinja_str_hash(v.str); return true;
    case AS_JINJA_NONE: *out = 0x6e6f6e65; return true;
    case AS_JINJA_UNDEFINED: *out = 0x756e6466; return true;
    case AS_JINJA_RANGE: *out = (uint64_t)v.range->length; return true;
    case AS_JINJA_FUNC: *out = (uint64_t)(uintptr_t)v.func->builtin; return true;
    case AS_JINJA_TUPLE: {
        AS_JINJA_TRY(as_jinja_enter(vm));
        bool ok = hash_tuple(vm, v.list, out);
        as_jinja_leave(vm);
        return ok;
    }
    case AS_JINJA_VIEW:
        if (v.view->kind == AS_JINJA_VALUES) break;
        /* fall through */
    case AS_JINJA_LIST:
    case AS_JINJA_DICT:
    case AS_JINJA_SLICE:
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "unhashable type: '%s'", as_jinja_type_name(v));
    default: break;
    }
    *out = (uint64_t)(uintptr_t)v.identity >> 4;
    return true;
}

/* --- order --- */

static bool holds(as_jinja_cmp op, int order)
{
    switch (op) {
    case AS_JINJA_LT: return order < 0;
    case AS_JINJA_LE: return order <= 0;
    case AS_JINJA_GT: return order > 0;
    case AS_JINJA_GE: return order >= 0;
    case AS_JINJA_EQ: return order == 0;
    default: return order != 0;
    }
}

static bool compare_lists(as_jinja_vm *vm, as_jinja_cmp op, const as_jinja_list *a, const as_jinja_list *b,
                          bool *out)
{
    int64_t shorter = a->count < b->count ? a->count : b->count;
    for (int64_t i = 0; i < shorter; i++) {
        bool same;
        AS_JINJA_TRY(as_jinja_equal(vm, a->items[i], b->items[i], &same));
        if (!same) return as_jinja_compare(vm, op, a->items[i], b->items[i], out);
    }
    *out = holds(op, a->count < b->count ? -1 : a->count > b->count);
    return true;
}

/* Sets: a <= b when every key of a is in b. */
/* Views of keys and of items compare as sets, also one kind with the other: a <= b, or a < b where `less`. */
static bool compare_views(as_jinja_vm *vm, bool less, as_jinja_value a, as_jinja_value b, bool *out)
{
    *out = less ? a.view->dict->count < b.view->dict->count : a.view->dict->count <= b.view->dict->count;
    return is_contained(vm, a, b, out);
}

static bool is_set_like(as_jinja_value v)
{
    return v.kind == AS_JINJA_VIEW && v.view->kind != AS_JINJA_VALUES;
}

static bool order_values(as_jinja_vm *vm, as_jinja_cmp op, as_jinja_value a, as_jinja_value b, bool *out)
{
    if (as_jinja_is_number(a) && as_jinja_is_number(b)) {
        int order = as_jinja_number_order(a, b);
        *out = order != 2 && holds(op, order);
        return true;
    }
    if (as_jinja_is_str(a) && as_jinja_is_str(b)) {
        size_t shorter = a.str->size < b.str->size ? a.str->size : b.str->size;
        int order = shorter ? memcmp(a.str->data, b.str->data, shorter) : 0;
        if (order == 0) order = a.str->size < b.str->size ? -1 : a.str->size > b.str->size;
        *out = holds(op, order);
        return true;
    }
    if (a.kind == b.kind && (a.kind == AS_JINJA_LIST || a.kind == AS_JINJA_TUPLE)) {
        AS_JINJA_TRY(as_jinja_step(vm, 1));
        AS_JINJA_TRY(as_jinja_enter(vm));
        bool ok = compare_lists(vm, op, a.list, b.list, out);
        as_jinja_leave(vm);
        return ok;
    }
    if (is_set_like(a) && is_set_like(b)) {
        bool less = op == AS_JINJA_LT || op == AS_JINJA_GT, turned = op == AS_JINJA_GT || op == AS_JINJA_GE;
        return compare_views(vm, less, turned ? b : a, turned ? a : b, out);
    }
    if (a.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, a);
    if (b.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, b);
    static const char *const signs[] = {
        [AS_JINJA_LT] = "<", [AS_JINJA_LE] = "<=", [AS_JINJA_GT] = ">", [AS_JINJA_GE] = ">="};
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' not supported between instances of '%s' and '%s'",
                         signs[op], as_jinja_type_name(a), as_jinja_type_name(b));
}

bool as_jinja_compare(as_jinja_vm *vm, as_jinja_cmp op, as_jinja_value a, as_jinja_value b, bool *out)
{
    if (op == AS_JINJA_EQ || op == AS_JINJA_NE) {
        AS_JINJA_TRY(as_jinja_equal(vm, a, b, out));
        if (op == AS_JINJA_NE) *out = !*out;
        return true;
    }
    if (op == AS_JINJA_IN || op == AS_JINJA_NOT_IN) {
        AS_JINJA_TRY(as_jinja_contains(vm, b, a, out));
        if (op == AS_JINJA_NOT_IN) *out = !*out;
        return true;
    }
    return order_values(vm, op, a, b, out);
}

/* --- membership --- */

static bool contains_by_iterating(as_jinja_vm *vm, as_jinja_value container, as_jinja_value item, bool *out)
{
    as_jinja_iter *iter;
    as_jinja_value at;
    int more;
    AS_JINJA_TRY(as_jinja_iter_of(vm, container, &iter));
    *out = false;
    while (!*out && (more = as_jinja_iter_next(vm, iter, &at)) != 0) {
        if (more < 0) return false;
        AS_JINJA_TRY(as_jinja_equal(vm, at, item, out));
    }
    return true;
}

static bool view_contains(as_jinja_vm *vm, const as_jinja_view *view, as_jinja_value item, bool *out)
{
    *out = false;
    if (view->kind == AS_JINJA_ITEMS && (item.kind != AS_JINJA_TUPLE || item.list->count != 2)) return true;
    as_jinja_value *found;
    AS_JINJA_TRY(as_jinja_dict_find(vm, view->dict, view->kind == AS_JINJA_ITEMS ? item.list->items[0] : item,
                                    &found));
    *out = found != NULL;
    if (found && view->kind == AS_JINJA_ITEMS)
        AS_JINJA_TRY(as_jinja_equal(vm, *found, item.list->items[1], out));
    return true;
}

bool as_jinja_contains(as_jinja_vm *vm, as_jinja_value container, as_jinja_value item, bool *out)
{
    as_jinja_value *found;
    switch (container.kind) {
    case AS_JINJA_STR:
        if (!as_jinja_is_str(item)) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'in <string>' requires string as left operand, not %s",
                                 as_jinja_type_name(item));
        }
        AS_JINJA_TRY(as_jinja_step(vm, container.str->size / 64));
        *out = as_jinja_find_bytes(container.str->data, container.str->size, item.str->data,
                                   item.str->size) >= 0;
        return true;
    case AS_JINJA_DICT:
        AS_JINJA_TRY(as_jinja_dict_find(vm, container.dict, item, &found));
        *out = found != NULL;
        return true;
    case AS_JINJA_VIEW:
        if (container.view->kind != AS_JINJA_VALUES) return view_contains(vm, container.view, item, out);
        return contains_by_iterating(vm, container, item, out);
    default: break;
    }
    if (!as_jinja_iterable(container)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "argument of type '%s' is not iterable",
                             as_jinja_type_name(container));
    }
    return contains_by_iterating(vm, container, item, out);
}

/* --- operators --- */

static bool add_strings(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    bool markup = a.str->markup || b.str->markup;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(markup ? as_jinja_put_escaped(vm, a) : as_jinja_put(vm, a.str->data, a.str->size));
    AS_JINJA_TRY(markup ? as_jinja_put_escaped(vm, b) : as_jinja_put(vm, b.str->data, b.str->size));
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

static bool add_lists(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    as_jinja_list *sum;
    AS_JINJA_TRY(as_jinja_list_new(vm, a.list->count + b.list->count, &sum));
    for (int64_t i = 0; i < a.list->count; i++) sum->items[sum->count++] = a.list->items[i];
    for (int64_t i = 0; i < b.list->count; i++) sum->items[sum->count++] = b.list->items[i];
    *out = a.kind == AS_JINJA_LIST ? as_jinja_list_value(sum) : as_jinja_tuple_value(sum);
    return true;
}

bool as_jinja_repeat_str(as_jinja_vm *vm, const as_jinja_str *str, int64_t count, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm), total;
    if (count < 0 || str->size == 0) count = 0;
    if (__builtin_mul_overflow(str->size, (size_t)count, &total) || total > (size_t)1 << 40) {
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a string is too large");
    }
    AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)total / 64));
    for (int64_t i = 0; i < count; i++) AS_JINJA_TRY(as_jinja_put(vm, str->data, str->size));
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = str->markup;
    return true;
}

static bool repeat_list(as_jinja_vm *vm, as_jinja_value v, int64_t count, as_jinja_value *out)
{
    as_jinja_list *list;
    int64_t total;
    if (count < 0) count = 0;
    if (__builtin_mul_overflow(v.list->count, count, &total) || total > (int64_t)1 << 40) {
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a list is too large");
    }
    AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)total / 16));
    AS_JINJA_TRY(as_jinja_list_new(vm, total, &list));
    while (list->count < total) {
        for (int64_t i = 0; i < v.list->count; i++) list->items[list->count++] = v.list->items[i];
    }
    *out = v.kind == AS_JINJA_LIST ? as_jinja_list_value(list) : as_jinja_tuple_value(list);
    return true;
}

/* A sequence times an int, either way round; *done false when it is no such product. */
static bool repeat(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, bool *done, as_jinja_value *out)
{
    bool swap = as_jinja_is_int(a);
    as_jinja_value sequence = swap ? b : a, number = swap ? a : b;
    bool list = sequence.kind == AS_JINJA_LIST || sequence.kind == AS_JINJA_TUPLE;
    *done = as_jinja_is_int(number) && (list || as_jinja_is_str(sequence));
    if (!*done) return true;
    int64_t count;
    if (number.kind == AS_JINJA_BIG)
        return as_jinja_fail(vm, AS_JINJA_X_OVERFLOW, "cannot fit 'int' into an index-sized integer");
    AS_JINJA_TRY(as_jinja_to_index(vm, number, &count));
    return list ? repeat_list(vm, sequence, count, out) : as_jinja_repeat_str(vm, sequence.str, count, out);
}

bool as_jinja_binary(as_jinja_vm *vm, as_jinja_binop op, as_jinja_value a, as_jinja_value b,
                     as_jinja_value *out)
{
    if (as_jinja_is_number(a) && as_jinja_is_number(b)) return as_jinja_number_binary(vm, op, a, b, out);
    if (op == AS_JINJA_MOD && as_jinja_is_str(a)) return as_jinja_percent(vm, a.str, b, out);
    if (op == AS_JINJA_ADD && as_jinja_is_str(a) && as_jinja_is_str(b)) return add_strings(vm, a, b, out);
    if (op == AS_JINJA_ADD && a.kind == b.kind && (a.kind == AS_JINJA_LIST || a.kind == AS_JINJA_TUPLE)) {
        return add_lists(vm, a, b, out);
    }
    if (op == AS_JINJA_MUL) {
        bool done;
        AS_JINJA_TRY(repeat(vm, a, b, &done, out));
        if (done) return true;
    }
    if (a.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, a);
    if (b.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, b);
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "unsupported operand type(s) for %s: '%s' and '%s'", signs[op],
                         as_jinja_type_name(a), as_jinja_type_name(b));
}

bool as_jinja_negate(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind == AS_JINJA_FLOAT) {
        *out = as_jinja_float(-v.f);
        return true;
    }
    if (as_jinja_is_int(v)) return as_jinja_number_binary(vm, AS_JINJA_SUB, as_jinja_int(0), v, out);
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "bad operand type for unary -: '%s'", as_jinja_type_name(v));
}

bool as_jinja_positive(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (!as_jinja_is_number(v)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "bad operand type for unary +: '%s'",
                             as_jinja_type_name(v));
    }
    *out = v.kind == AS_JINJA_BOOL ? as_jinja_int(v.truth) : v;
    return true;
}
