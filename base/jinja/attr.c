/* Attributes and subscripts, with what the sandbox forbids. */
#include <string.h>

#include "base/jinja/value.h"

/* --- attributes --- */

static const char *const list_mutators[] = {"append", "clear",   "extend", "insert", "pop",
                                            "remove", "reverse", "sort",   NULL};
static const char *const dict_mutators[] = {"clear", "pop", "popitem", "setdefault", "update", NULL};

/* What Python's objects have and the sandbox hides. */
static const char *const dunders[] = {
    "__class__",   "__delattr__", "__dir__",           "__doc__",          "__eq__",
    "__format__",  "__ge__",      "__getstate__",      "__getattribute__", "__gt__",
    "__hash__",    "__init__",    "__init_subclass__", "__le__",           "__lt__",
    "__ne__",      "__new__",     "__reduce__",        "__reduce_ex__",    "__repr__",
    "__setattr__", "__sizeof__",  "__str__",           "__subclasshook__", NULL};
static const char *const container_dunders[] = {"__contains__", "__getitem__", "__iter__", "__len__", NULL};

static bool in_names(const aj_str *name, const char *const *names)
{
    for (; *names; names++) {
        if (aj_str_is(aj_string((aj_str *)name), *names)) return true;
    }
    return false;
}

static const struct {
    const aj_builtin *methods, *more;
    const char *const *mutators;
} types[] = {
    [AJ_STR] = {aj_str_methods, aj_str_case_methods, NULL},
    [AJ_LIST] = {aj_list_methods, NULL, list_mutators},
    [AJ_TUPLE] = {aj_tuple_methods, NULL, NULL},
    [AJ_DICT] = {aj_dict_methods, NULL, dict_mutators},
    [AJ_RANGE] = {aj_range_methods, NULL, NULL},
    [AJ_INT] = {aj_int_methods, NULL, NULL},
    [AJ_BIG] = {aj_int_methods, NULL, NULL},
    [AJ_BOOL] = {aj_int_methods, NULL, NULL},
    [AJ_FLOAT] = {aj_float_methods, NULL, NULL},
    [AJ_VIEW] = {aj_view_methods, NULL, NULL},
    [AJ_CYCLER] = {aj_cycler_methods, NULL, NULL},
    [AJ_DICTTYPE] = {aj_dict_type_methods, NULL, NULL},
};

/* Attributes that are values, not methods. */
static bool plain_attribute(aj_vm *vm, aj_value v, const aj_str *name, bool *found, aj_value *out)
{
    aj_value text = aj_string((aj_str *)name);
    *found = true;
    if (v.kind == AJ_TUPLE && v.list->group && aj_str_is(text, "grouper")) {
        *out = v.list->items[0];
    } else if (v.kind == AJ_TUPLE && v.list->group && aj_str_is(text, "list")) {
        *out = v.list->items[1];
    } else if (v.kind == AJ_RANGE && aj_str_is(text, "start")) {
        *out = aj_int(v.range->start);
    } else if (v.kind == AJ_RANGE && aj_str_is(text, "stop")) {
        *out = aj_int(v.range->stop);
    } else if (v.kind == AJ_RANGE && aj_str_is(text, "step")) {
        *out = aj_int(v.range->step);
    } else if (aj_is_number(v) &&
               (aj_str_is(text, "real") || (aj_is_int(v) && aj_str_is(text, "numerator")))) {
        return aj_positive(vm, v, out);
    } else if (aj_is_number(v) && aj_str_is(text, "imag")) {
        *out = v.kind == AJ_FLOAT ? aj_float(0) : aj_int(0);
    } else if (aj_is_int(v) && aj_str_is(text, "denominator")) {
        *out = aj_int(1);
    } else if (v.kind == AJ_JOINER || v.kind == AJ_CYCLER) {
        return aj_helper_attribute(vm, v, name, found, out);
    } else {
        *found = false;
    }
    return true;
}

static bool object_attribute(aj_vm *vm, aj_value v, const aj_str *name, bool *found, aj_value *out)
{
    const aj_value *value;
    switch (v.kind) {
    case AJ_NAMESPACE:
        value = aj_dict_find_str(v.dict, name);
        *found = value != NULL;
        if (value) *out = *value;
        return true;
    case AJ_MACRO: return aj_macro_attribute(vm, v.macro, name, found, out);
    case AJ_LOOP: return aj_loop_attribute(vm, v.loop, name, found, out);
    case AJ_MODULE: return aj_module_attribute(vm, v.module, name, found, out);
    case AJ_BLOCKREF: return aj_blockref_attribute(vm, v.blockref, name, found, out);
    default: return plain_attribute(vm, v, name, found, out);
    }
}

bool aj_attribute(aj_vm *vm, aj_value v, const aj_str *name, bool *found, bool *safe, aj_value *out)
{
    *found = *safe = true;
    if (name->size > 4 && name->data[0] == '_' && v.kind != AJ_NAMESPACE) {
        *safe = false;
        *out = aj_none();
        *found = in_names(name, dunders) || (aj_has_length(v) && in_names(name, container_dunders));
        if (*found) return true;
        if (v.kind == AJ_UNDEFINED && memcmp(name->data, "__", 2) != 0) return aj_fail_undefined(vm, v);
        if (v.kind != AJ_MODULE) return true;
    }
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind < sizeof types / sizeof types[0] && types[v.kind].methods) {
        const aj_builtin *method = aj_builtin_find(types[v.kind].methods, name->data, name->size);
        if (!method && types[v.kind].more)
            method = aj_builtin_find(types[v.kind].more, name->data, name->size);
        if (method) return aj_bind_method(vm, method, v, out);
        if (types[v.kind].mutators && in_names(name, types[v.kind].mutators)) {
            *safe = false;
            return true;
        }
    }
    AJ_TRY(object_attribute(vm, v, name, found, out));
    *safe = !(name->size && name->data[0] == '_');
    return true;
}

/* v[name] for a name that is no attribute; found false where Python raises TypeError or LookupError. */
static bool item_by_name(aj_vm *vm, aj_value v, aj_str *name, bool *found, aj_value *out)
{
    *found = false;
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind == AJ_DICT) {
        const aj_value *value = aj_dict_find_str(v.dict, name);
        *found = value != NULL;
        if (value) *out = *value;
    } else if (v.kind == AJ_SELF) {
        size_t mark = aj_mark(vm);
        *found = aj_self_item(vm, v.context, aj_string(name), out);
        return *found || aj_catch(vm, AJ_X_LOOKUP, mark);
    }
    return true;
}

bool aj_getattr(aj_vm *vm, aj_value v, aj_str *name, aj_value *out)
{
    bool found, safe;
    AJ_TRY(aj_attribute(vm, v, name, &found, &safe, out));
    if (found) return safe || aj_undefined_unsafe(vm, v, name, out);
    AJ_TRY(item_by_name(vm, v, name, &found, out));
    return found || aj_undefined_item(vm, v, aj_string(name), out);
}

bool aj_getitem(aj_vm *vm, aj_value v, aj_value key, aj_value *out)
{
    size_t mark = aj_mark(vm);
    bool found = false, safe = false;
    if (v.kind == AJ_DICT && aj_is_str(key)) {
        AJ_TRY(item_by_name(vm, v, key.str, &found, out));
        if (found) return true;
    } else {
        if (aj_subscript(vm, v, key, out)) return true;
        if (!aj_catch(vm, AJ_X_TYPE | AJ_X_LOOKUP, mark)) return false;
    }
    if (!aj_is_str(key)) return aj_undefined_item(vm, v, key, out);
    AJ_TRY(aj_attribute(vm, v, key.str, &found, &safe, out));
    if (!found) return aj_undefined_item(vm, v, key, out);
    return safe || aj_undefined_unsafe(vm, v, key.str, out);
}

/* --- subscripts --- */

/* Python's slice.indices: start, stop and step for a sequence of this length, and how many items. */
static bool slice_indices(aj_vm *vm, const aj_slice *slice, int64_t length, int64_t *start, int64_t *step,
                          int64_t *count)
{
    const aj_value parts[3] = {slice->start, slice->stop, slice->step};
    int64_t values[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (parts[i].kind == AJ_NONE) continue;
        if (!aj_is_int(parts[i])) {
            return aj_fail(vm, AJ_X_TYPE,
                           "slice indices must be integers or None or have an __index__ method");
        }
        AJ_TRY(aj_to_index(vm, parts[i], &values[i]));
    }
    *step = values[2];
    if (*step == 0) return aj_fail(vm, AJ_X_VALUE, "slice step cannot be zero");
    if (*step < -INT64_MAX) *step = -INT64_MAX;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? length - 1 : length;
    int64_t ends[2] = {*step < 0 ? high : low, *step < 0 ? low : high};
    for (int i = 0; i < 2; i++) {
        if (parts[i].kind == AJ_NONE) continue;
        int64_t at = values[i];
        if (at < 0) at = at < -length ? low : at + length;
        ends[i] = at < low ? low : at > high ? high : at;
    }
    *start = ends[0];
    *count = 0;
    if (*step > 0 && ends[0] < ends[1]) *count = (ends[1] - ends[0] - 1) / *step + 1;
    if (*step < 0 && ends[1] < ends[0]) *count = (ends[0] - ends[1] - 1) / -*step + 1;
    return true;
}

static bool slice_list(aj_vm *vm, aj_value v, const aj_slice *slice, aj_value *out)
{
    int64_t start, step, count;
    aj_list *part;
    AJ_TRY(slice_indices(vm, slice, v.list->count, &start, &step, &count));
    AJ_TRY(aj_list_new(vm, count, &part));
    for (int64_t i = 0; i < count; i++) part->items[part->count++] = v.list->items[start + i * step];
    *out = v.kind == AJ_LIST ? aj_list_value(part) : aj_tuple_value(part);
    return true;
}

static bool slice_str(aj_vm *vm, const aj_str *s, const aj_slice *slice, aj_value *out)
{
    int64_t start, step, count;
    AJ_TRY(slice_indices(vm, slice, aj_str_length(s), &start, &step, &count));
    AJ_TRY(aj_step(vm, 1 + s->size / 64));
    if (count == 0) return aj_substring(vm, s, 0, 0, out);
    if (step == 1) {
        size_t from = aj_str_offset(s, start);
        aj_str rest = {.data = s->data + from, .size = s->size - from, .length = aj_str_length(s) - start};
        return aj_substring(vm, s, from, from + aj_str_offset(&rest, count), out);
    }
    size_t mark = aj_mark(vm), at = aj_str_offset(s, start);
    AJ_TRY(aj_step(vm, (uint64_t)count / 8));
    for (int64_t i = 0; i < count; i++) {
        size_t next = at;
        aj_next_codepoint(s->data, s->size, &next);
        AJ_TRY(aj_put(vm, s->data + at, next - at));
        if (i + 1 == count) break;
        for (int64_t k = 0; k < (step < 0 ? -step : step); k++) {
            if (step > 0) {
                aj_next_codepoint(s->data, s->size, &at);
            } else {
                aj_previous_codepoint(s->data, &at);
            }
        }
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = s->markup;
    return true;
}

static bool slice_range(aj_vm *vm, const aj_range *r, const aj_slice *slice, aj_value *out)
{
    int64_t start, step, count;
    AJ_TRY(slice_indices(vm, slice, r->length, &start, &step, &count));
    aj_range *part = AJ_NEW(vm, aj_range);
    if (!part) return false;
    int64_t stop = start;
    if (step < 0 && slice->stop.kind == AJ_NONE) stop = -1;
    part->start = r->start + start * r->step;
    if (__builtin_mul_overflow(r->step, step, &part->step)) part->step = step < 0 ? -INT64_MAX : INT64_MAX;
    part->length = count;
    /* the stop that Python would show: that of the slice, not of the last item */
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? r->length - 1 : r->length;
    if (slice->stop.kind == AJ_NONE) {
        stop = step < 0 ? low : high;
    } else {
        AJ_TRY(aj_to_index(vm, slice->stop, &stop));
        if (stop < 0) stop = stop < -r->length ? low : stop + r->length;
        stop = stop < low ? low : stop > high ? high : stop;
    }
    part->stop = r->start + stop * r->step;
    *out = (aj_value){.kind = AJ_RANGE, .range = part};
    return true;
}

static bool subscript_slice(aj_vm *vm, aj_value v, const aj_slice *slice, aj_value *out)
{
    switch (v.kind) {
    case AJ_STR: return slice_str(vm, v.str, slice, out);
    case AJ_LIST:
    case AJ_TUPLE: return slice_list(vm, v, slice, out);
    case AJ_RANGE: return slice_range(vm, v.range, slice, out);
    case AJ_DICT: return aj_fail(vm, AJ_X_TYPE, "unhashable type: 'slice'");
    default: return aj_fail(vm, AJ_X_TYPE, "'%s' object is not subscriptable", aj_type_name(v));
    }
}

static bool subscript_index(aj_vm *vm, aj_value v, int64_t index, aj_value *out)
{
    int64_t length;
    AJ_TRY(aj_length(vm, v, &length));
    if (index < 0) index += length;
    if (index < 0 || index >= length)
        return aj_fail(vm, AJ_X_LOOKUP, "%s index out of range", aj_type_name(v));
    if (v.kind == AJ_RANGE) {
        *out = aj_int(v.range->start + index * v.range->step);
    } else if (v.kind == AJ_STR) {
        size_t from = aj_str_offset(v.str, index), to = from;
        AJ_TRY(aj_step(vm, 1 + (aj_str_ascii(v.str) ? 0 : v.str->size / 64)));
        aj_next_codepoint(v.str->data, v.str->size, &to);
        return aj_substring(vm, v.str, from, to, out);
    } else {
        *out = v.list->items[index];
    }
    return true;
}

bool aj_subscript(aj_vm *vm, aj_value v, aj_value key, aj_value *out)
{
    int64_t index;
    aj_value *found;
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind == AJ_SELF) return aj_self_item(vm, v.context, key, out);
    if (key.kind == AJ_SLICE) return subscript_slice(vm, v, key.slice, out);
    if (v.kind == AJ_DICT) {
        AJ_TRY(aj_dict_find(vm, v.dict, key, &found));
        if (!found) return aj_fail(vm, AJ_X_LOOKUP, "the key is not in the dict");
        *out = *found;
        return true;
    }
    if (v.kind != AJ_STR && v.kind != AJ_LIST && v.kind != AJ_TUPLE && v.kind != AJ_RANGE) {
        return aj_fail(vm, AJ_X_TYPE, "'%s' object is not subscriptable", aj_type_name(v));
    }
    if (!aj_is_int(key)) {
        return aj_fail(vm, AJ_X_TYPE, "%s indices must be integers or slices, not %s", aj_type_name(v),
                       aj_type_name(key));
    }
    AJ_TRY(aj_to_index(vm, key, &index));
    return subscript_index(vm, v, index, out);
}
