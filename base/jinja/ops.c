/* Truth, equality, order, membership, hashing, operators: as Python does them. */
#include <string.h>

#include "base/jinja/value.h"

bool aj_has_length(aj_value v)
{
    switch (v.kind) {
    case AJ_STR:
    case AJ_LIST:
    case AJ_TUPLE:
    case AJ_DICT:
    case AJ_RANGE:
    case AJ_VIEW:
    case AJ_UNDEFINED:
    case AJ_LOOP: return true;
    default: return false;
    }
}

bool aj_length(aj_vm *vm, aj_value v, int64_t *out)
{
    switch (v.kind) {
    case AJ_STR: *out = aj_str_length(v.str); return true;
    case AJ_LIST:
    case AJ_TUPLE: *out = v.list->count; return true;
    case AJ_DICT: *out = v.dict->count; return true;
    case AJ_VIEW: *out = v.view->dict->count; return true;
    case AJ_RANGE: *out = v.range->length; return true;
    case AJ_UNDEFINED: *out = 0; return true;
    case AJ_LOOP: return aj_loop_length(vm, v.loop, out);
    default: return aj_fail(vm, AJ_X_TYPE, "object of type '%s' has no len()", aj_type_name(v));
    }
}

bool aj_truth(aj_value v)
{
    switch (v.kind) {
    case AJ_MISSING:
    case AJ_UNBOUND:
    case AJ_UNDEFINED:
    case AJ_NONE: return false;
    case AJ_BOOL: return v.truth;
    case AJ_INT: return v.i != 0;
    case AJ_FLOAT: return v.f != 0;
    case AJ_STR: return v.str->size != 0;
    case AJ_LIST:
    case AJ_TUPLE: return v.list->count != 0;
    case AJ_DICT: return v.dict->count != 0;
    case AJ_VIEW: return v.view->dict->count != 0;
    case AJ_RANGE: return v.range->length != 0;
    default: return true;
    }
}

/* --- equality --- */

static bool equal_lists(aj_vm *vm, const aj_list *a, const aj_list *b, bool *out)
{
    *out = a->count == b->count;
    for (int64_t i = 0; *out && i < a->count; i++) AJ_TRY(aj_equal(vm, a->items[i], b->items[i], out));
    return true;
}

static bool equal_dicts(aj_vm *vm, const aj_dict *a, const aj_dict *b, bool values, bool *out)
{
    *out = a->count == b->count;
    for (int64_t i = 0; *out && i < a->count; i++) {
        aj_value *other;
        AJ_TRY(aj_dict_find(vm, b, a->entries[i].key, &other));
        *out = other != NULL;
        if (other && values) AJ_TRY(aj_equal(vm, a->entries[i].value, *other, out));
    }
    return true;
}

static bool equal_ranges(const aj_range *a, const aj_range *b)
{
    if (a->length != b->length) return false;
    if (a->length == 0) return true;
    return a->start == b->start && (a->length == 1 || a->step == b->step);
}

static bool equal_nested(aj_vm *vm, aj_value a, aj_value b, bool *out)
{
    switch (a.kind) {
    case AJ_LIST:
    case AJ_TUPLE: return equal_lists(vm, a.list, b.list, out);
    case AJ_DICT: return equal_dicts(vm, a.dict, b.dict, true, out);
    case AJ_VIEW:
        if (a.view->kind == AJ_VALUES || a.view->kind != b.view->kind) return true;
        return equal_dicts(vm, a.view->dict, b.view->dict, a.view->kind == AJ_ITEMS, out);
    case AJ_RANGE: *out = equal_ranges(a.range, b.range); return true;
    case AJ_FUNC:
        *out = a.func->builtin == b.func->builtin && a.func->self.kind == b.func->self.kind &&
               a.func->self.identity == b.func->self.identity;
        return true;
    default: return true;
    }
}

bool aj_equal(aj_vm *vm, aj_value a, aj_value b, bool *out)
{
    *out = false;
    if (aj_is_number(a) && aj_is_number(b)) {
        *out = aj_number_order(a, b) == 0;
        return true;
    }
    if (a.kind != b.kind) return true;
    if (a.kind == AJ_STR) {
        *out = a.str == b.str ||
               (a.str->size == b.str->size && memcmp(a.str->data, b.str->data, a.str->size) == 0);
        return true;
    }
    *out = a.kind == AJ_NONE || a.kind == AJ_UNDEFINED || a.kind == AJ_DICTTYPE || a.identity == b.identity;
    if (*out) return true;
    AJ_TRY(aj_step(vm, 1));
    AJ_TRY(aj_enter(vm));
    bool ok = equal_nested(vm, a, b, out);
    aj_leave(vm);
    return ok;
}

/* --- hashing --- */

static bool hash_tuple(aj_vm *vm, const aj_list *list, uint64_t *out)
{
    uint64_t h = 0x345678u + (uint64_t)list->count;
    AJ_TRY(aj_step(vm, 1));
    for (int64_t i = 0; i < list->count; i++) {
        uint64_t item;
        AJ_TRY(aj_hash(vm, list->items[i], &item));
        h = (h ^ item) * 0x9e3779b97f4a7c15u;
        h ^= h >> 31;
    }
    *out = h;
    return true;
}

bool aj_hash(aj_vm *vm, aj_value v, uint64_t *out)
{
    if (aj_is_number(v)) return aj_number_hash(v, out);
    switch (v.kind) {
    case AJ_STR: *out = aj_str_hash(v.str); return true;
    case AJ_NONE: *out = 0x6e6f6e65; return true;
    case AJ_UNDEFINED: *out = 0x756e6466; return true;
    case AJ_RANGE: *out = (uint64_t)v.range->length; return true;
    case AJ_FUNC: *out = (uint64_t)(uintptr_t)v.func->builtin; return true;
    case AJ_TUPLE: {
        AJ_TRY(aj_enter(vm));
        bool ok = hash_tuple(vm, v.list, out);
        aj_leave(vm);
        return ok;
    }
    case AJ_VIEW:
        if (v.view->kind == AJ_VALUES) break;
        /* fall through */
    case AJ_LIST:
    case AJ_DICT:
    case AJ_SLICE: return aj_fail(vm, AJ_X_TYPE, "unhashable type: '%s'", aj_type_name(v));
    default: break;
    }
    *out = (uint64_t)(uintptr_t)v.identity >> 4;
    return true;
}

/* --- order --- */

static bool holds(aj_cmp op, int order)
{
    switch (op) {
    case AJ_LT: return order < 0;
    case AJ_LE: return order <= 0;
    case AJ_GT: return order > 0;
    case AJ_GE: return order >= 0;
    case AJ_EQ: return order == 0;
    default: return order != 0;
    }
}

static bool compare_lists(aj_vm *vm, aj_cmp op, const aj_list *a, const aj_list *b, bool *out)
{
    int64_t shorter = a->count < b->count ? a->count : b->count;
    for (int64_t i = 0; i < shorter; i++) {
        bool same;
        AJ_TRY(aj_equal(vm, a->items[i], b->items[i], &same));
        if (!same) return aj_compare(vm, op, a->items[i], b->items[i], out);
    }
    *out = holds(op, a->count < b->count ? -1 : a->count > b->count);
    return true;
}

/* Sets: a <= b when every key of a is in b. */
static bool compare_keys(aj_vm *vm, aj_cmp op, const aj_dict *a, const aj_dict *b, bool *out)
{
    if (op == AJ_GT || op == AJ_GE) return compare_keys(vm, op == AJ_GT ? AJ_LT : AJ_LE, b, a, out);
    *out = op == AJ_LT ? a->count < b->count : a->count <= b->count;
    for (int64_t i = 0; *out && i < a->count; i++) {
        aj_value *found;
        AJ_TRY(aj_dict_find(vm, b, a->entries[i].key, &found));
        *out = found != NULL;
    }
    return true;
}

static bool order_values(aj_vm *vm, aj_cmp op, aj_value a, aj_value b, bool *out)
{
    if (aj_is_number(a) && aj_is_number(b)) {
        int order = aj_number_order(a, b);
        *out = order != 2 && holds(op, order);
        return true;
    }
    if (aj_is_str(a) && aj_is_str(b)) {
        size_t shorter = a.str->size < b.str->size ? a.str->size : b.str->size;
        int order = shorter ? memcmp(a.str->data, b.str->data, shorter) : 0;
        if (order == 0) order = a.str->size < b.str->size ? -1 : a.str->size > b.str->size;
        *out = holds(op, order);
        return true;
    }
    if (a.kind == b.kind && (a.kind == AJ_LIST || a.kind == AJ_TUPLE)) {
        AJ_TRY(aj_step(vm, 1));
        AJ_TRY(aj_enter(vm));
        bool ok = compare_lists(vm, op, a.list, b.list, out);
        aj_leave(vm);
        return ok;
    }
    if (a.kind == AJ_VIEW && b.kind == AJ_VIEW && a.view->kind == AJ_KEYS && b.view->kind == AJ_KEYS) {
        return compare_keys(vm, op, a.view->dict, b.view->dict, out);
    }
    if (a.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, a);
    if (b.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, b);
    static const char *const signs[] = {[AJ_LT] = "<", [AJ_LE] = "<=", [AJ_GT] = ">", [AJ_GE] = ">="};
    return aj_fail(vm, AJ_X_TYPE, "'%s' not supported between instances of '%s' and '%s'", signs[op],
                   aj_type_name(a), aj_type_name(b));
}

bool aj_compare(aj_vm *vm, aj_cmp op, aj_value a, aj_value b, bool *out)
{
    if (op == AJ_EQ || op == AJ_NE) {
        AJ_TRY(aj_equal(vm, a, b, out));
        if (op == AJ_NE) *out = !*out;
        return true;
    }
    if (op == AJ_IN || op == AJ_NOT_IN) {
        AJ_TRY(aj_contains(vm, b, a, out));
        if (op == AJ_NOT_IN) *out = !*out;
        return true;
    }
    return order_values(vm, op, a, b, out);
}

/* --- membership --- */

static bool contains_by_iterating(aj_vm *vm, aj_value container, aj_value item, bool *out)
{
    aj_iter *iter;
    aj_value at;
    int more;
    AJ_TRY(aj_iter_of(vm, container, &iter));
    *out = false;
    while (!*out && (more = aj_iter_next(vm, iter, &at)) != 0) {
        if (more < 0) return false;
        AJ_TRY(aj_equal(vm, at, item, out));
    }
    return true;
}

static bool view_contains(aj_vm *vm, const aj_view *view, aj_value item, bool *out)
{
    *out = false;
    if (view->kind == AJ_ITEMS && (item.kind != AJ_TUPLE || item.list->count != 2)) return true;
    aj_value *found;
    AJ_TRY(aj_dict_find(vm, view->dict, view->kind == AJ_ITEMS ? item.list->items[0] : item, &found));
    *out = found != NULL;
    if (found && view->kind == AJ_ITEMS) AJ_TRY(aj_equal(vm, *found, item.list->items[1], out));
    return true;
}

bool aj_contains(aj_vm *vm, aj_value container, aj_value item, bool *out)
{
    aj_value *found;
    switch (container.kind) {
    case AJ_STR:
        if (!aj_is_str(item)) {
            return aj_fail(vm, AJ_X_TYPE, "'in <string>' requires string as left operand, not %s",
                           aj_type_name(item));
        }
        AJ_TRY(aj_step(vm, container.str->size / 64));
        *out = aj_find_bytes(container.str->data, container.str->size, item.str->data, item.str->size) >= 0;
        return true;
    case AJ_DICT:
        AJ_TRY(aj_dict_find(vm, container.dict, item, &found));
        *out = found != NULL;
        return true;
    case AJ_VIEW:
        if (container.view->kind != AJ_VALUES) return view_contains(vm, container.view, item, out);
        return contains_by_iterating(vm, container, item, out);
    default: break;
    }
    if (!aj_iterable(container)) {
        return aj_fail(vm, AJ_X_TYPE, "argument of type '%s' is not iterable", aj_type_name(container));
    }
    return contains_by_iterating(vm, container, item, out);
}

/* --- operators --- */

static bool add_strings(aj_vm *vm, aj_value a, aj_value b, aj_value *out)
{
    bool markup = a.str->markup || b.str->markup;
    size_t mark = aj_mark(vm);
    AJ_TRY(markup ? aj_put_escaped(vm, a) : aj_put(vm, a.str->data, a.str->size));
    AJ_TRY(markup ? aj_put_escaped(vm, b) : aj_put(vm, b.str->data, b.str->size));
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

static bool add_lists(aj_vm *vm, aj_value a, aj_value b, aj_value *out)
{
    aj_list *sum;
    AJ_TRY(aj_list_new(vm, a.list->count + b.list->count, &sum));
    for (int64_t i = 0; i < a.list->count; i++) sum->items[sum->count++] = a.list->items[i];
    for (int64_t i = 0; i < b.list->count; i++) sum->items[sum->count++] = b.list->items[i];
    *out = a.kind == AJ_LIST ? aj_list_value(sum) : aj_tuple_value(sum);
    return true;
}

bool aj_repeat_str(aj_vm *vm, const aj_str *str, int64_t count, aj_value *out)
{
    size_t mark = aj_mark(vm), total;
    if (count < 0 || str->size == 0) count = 0;
    if (__builtin_mul_overflow(str->size, (size_t)count, &total) || total > (size_t)1 << 40) {
        return aj_fail(vm, AJ_X_LIMIT, "a string is too large");
    }
    AJ_TRY(aj_step(vm, (uint64_t)total / 64));
    for (int64_t i = 0; i < count; i++) AJ_TRY(aj_put(vm, str->data, str->size));
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = str->markup;
    return true;
}

static bool repeat_list(aj_vm *vm, aj_value v, int64_t count, aj_value *out)
{
    aj_list *list;
    int64_t total;
    if (count < 0) count = 0;
    if (__builtin_mul_overflow(v.list->count, count, &total) || total > (int64_t)1 << 40) {
        return aj_fail(vm, AJ_X_LIMIT, "a list is too large");
    }
    AJ_TRY(aj_step(vm, (uint64_t)total / 16));
    AJ_TRY(aj_list_new(vm, total, &list));
    while (list->count < total) {
        for (int64_t i = 0; i < v.list->count; i++) list->items[list->count++] = v.list->items[i];
    }
    *out = v.kind == AJ_LIST ? aj_list_value(list) : aj_tuple_value(list);
    return true;
}

/* A sequence times an int, either way round; *done false when it is no such product. */
static bool repeat(aj_vm *vm, aj_value a, aj_value b, bool *done, aj_value *out)
{
    bool swap = aj_is_int(a);
    aj_value sequence = swap ? b : a, number = swap ? a : b;
    bool list = sequence.kind == AJ_LIST || sequence.kind == AJ_TUPLE;
    *done = aj_is_int(number) && (list || aj_is_str(sequence));
    if (!*done) return true;
    int64_t count;
    if (number.kind == AJ_BIG)
        return aj_fail(vm, AJ_X_OVERFLOW, "cannot fit 'int' into an index-sized integer");
    AJ_TRY(aj_to_index(vm, number, &count));
    return list ? repeat_list(vm, sequence, count, out) : aj_repeat_str(vm, sequence.str, count, out);
}

bool aj_binary(aj_vm *vm, aj_binop op, aj_value a, aj_value b, aj_value *out)
{
    if (aj_is_number(a) && aj_is_number(b)) return aj_number_binary(vm, op, a, b, out);
    if (op == AJ_MOD && aj_is_str(a)) return aj_percent(vm, a.str, b, out);
    if (op == AJ_ADD && aj_is_str(a) && aj_is_str(b)) return add_strings(vm, a, b, out);
    if (op == AJ_ADD && a.kind == b.kind && (a.kind == AJ_LIST || a.kind == AJ_TUPLE)) {
        return add_lists(vm, a, b, out);
    }
    if (op == AJ_MUL) {
        bool done;
        AJ_TRY(repeat(vm, a, b, &done, out));
        if (done) return true;
    }
    if (a.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, a);
    if (b.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, b);
    static const char *const signs[] = {"+", "-", "*", "/", "//", "%", "**"};
    return aj_fail(vm, AJ_X_TYPE, "unsupported operand type(s) for %s: '%s' and '%s'", signs[op],
                   aj_type_name(a), aj_type_name(b));
}

bool aj_negate(aj_vm *vm, aj_value v, aj_value *out)
{
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind == AJ_FLOAT) {
        *out = aj_float(-v.f);
        return true;
    }
    if (aj_is_int(v)) return aj_number_binary(vm, AJ_SUB, aj_int(0), v, out);
    return aj_fail(vm, AJ_X_TYPE, "bad operand type for unary -: '%s'", aj_type_name(v));
}

bool aj_positive(aj_vm *vm, aj_value v, aj_value *out)
{
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (!aj_is_number(v)) {
        return aj_fail(vm, AJ_X_TYPE, "bad operand type for unary +: '%s'", aj_type_name(v));
    }
    *out = v.kind == AJ_BOOL ? aj_int(v.truth) : v;
    return true;
}
