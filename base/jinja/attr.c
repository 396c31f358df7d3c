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

static bool in_names(const as_jinja_str *name, const char *const *names)
{
    for (; *names; names++) {
        if (as_jinja_str_is(as_jinja_string((as_jinja_str *)name), *names)) return true;
    }
    return false;
}

static const struct {
    const as_jinja_builtin *methods, *more;
    const char *const *mutators;
} types[] = {
    [AS_JINJA_STR] = {as_jinja_str_methods, as_jinja_str_case_methods, NULL},
    [AS_JINJA_LIST] = {as_jinja_list_methods, NULL, list_mutators},
    [AS_JINJA_TUPLE] = {as_jinja_tuple_methods, NULL, NULL},
    [AS_JINJA_DICT] = {as_jinja_dict_methods, NULL, dict_mutators},
    [AS_JINJA_RANGE] = {as_jinja_range_methods, NULL, NULL},
    [AS_JINJA_INT] = {as_jinja_int_methods, NULL, NULL},
    [AS_JINJA_BIG] = {as_jinja_int_methods, NULL, NULL},
    [AS_JINJA_BOOL] = {as_jinja_int_methods, NULL, NULL},
    [AS_JINJA_FLOAT] = {as_jinja_float_methods, NULL, NULL},
    [AS_JINJA_VIEW] = {as_jinja_view_methods, NULL, NULL},
    [AS_JINJA_CYCLER] = {as_jinja_cycler_methods, NULL, NULL},
    [AS_JINJA_DICTTYPE] = {as_jinja_dict_type_methods, NULL, NULL},
};

/* Attributes that are values, not methods. */
static bool plain_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found,
                            as_jinja_value *out)
{
    as_jinja_value text = as_jinja_string((as_jinja_str *)name);
    *found = true;
    if (v.kind == AS_JINJA_TUPLE && v.list->group && as_jinja_str_is(text, "grouper")) {
        *out = v.list->items[0];
    } else if (v.kind == AS_JINJA_TUPLE && v.list->group && as_jinja_str_is(text, "list")) {
        *out = v.list->items[1];
    } else if (v.kind == AS_JINJA_RANGE && as_jinja_str_is(text, "start")) {
        *out = as_jinja_int(v.range->start);
    } else if (v.kind == AS_JINJA_RANGE && as_jinja_str_is(text, "stop")) {
        *out = as_jinja_int(v.range->stop);
    } else if (v.kind == AS_JINJA_RANGE && as_jinja_str_is(text, "step")) {
        *out = as_jinja_int(v.range->step);
    } else if (as_jinja_is_number(v) && (as_jinja_str_is(text, "real") ||
                                         (as_jinja_is_int(v) && as_jinja_str_is(text, "numerator")))) {
        return as_jinja_positive(vm, v, out);
    } else if (as_jinja_is_number(v) && as_jinja_str_is(text, "imag")) {
        *out = v.kind == AS_JINJA_FLOAT ? as_jinja_float(0) : as_jinja_int(0);
    } else if (as_jinja_is_int(v) && as_jinja_str_is(text, "denominator")) {
        *out = as_jinja_int(1);
    } else if (v.kind == AS_JINJA_JOINER || v.kind == AS_JINJA_CYCLER) {
        return as_jinja_helper_attribute(vm, v, name, found, out);
    } else {
        *found = false;
    }
    return true;
}

static bool object_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found,
                             as_jinja_value *out)
{
    const as_jinja_value *value;
    switch (v.kind) {
    case AS_JINJA_NAMESPACE:
        value = as_jinja_dict_find_str(v.dict, name);
        *found = value != NULL;
        if (value) *out = *value;
        return true;
    case AS_JINJA_MACRO: return as_jinja_macro_attribute(vm, v.macro, name, found, out);
    case AS_JINJA_LOOP: return as_jinja_loop_attribute(vm, v.loop, name, found, out);
    case AS_JINJA_MODULE: return as_jinja_module_attribute(vm, v.module, name, found, out);
    case AS_JINJA_BLOCKREF: return as_jinja_blockref_attribute(vm, v.blockref, name, found, out);
    default: return plain_attribute(vm, v, name, found, out);
    }
}

bool as_jinja_attribute(as_jinja_vm *vm, as_jinja_value v, const as_jinja_str *name, bool *found, bool *safe,
                        as_jinja_value *out)
{
    *found = *safe = true;
    if (name->size > 4 && name->data[0] == '_' && v.kind != AS_JINJA_NAMESPACE) {
        *safe = false;
        *out = as_jinja_none();
        *found = in_names(name, dunders) || (as_jinja_has_length(v) && in_names(name, container_dunders));
        if (*found) return true;
        if (v.kind == AS_JINJA_UNDEFINED && memcmp(name->data, "__", 2) != 0)
            return as_jinja_fail_undefined(vm, v);
        if (v.kind != AS_JINJA_MODULE) return true;
    }
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind < sizeof types / sizeof types[0] && types[v.kind].methods) {
        const as_jinja_builtin *method = as_jinja_builtin_find(types[v.kind].methods, name->data, name->size);
        if (!method && types[v.kind].more)
            method = as_jinja_builtin_find(types[v.kind].more, name->data, name->size);
        if (method) return as_jinja_bind_method(vm, method, v, out);
        if (types[v.kind].mutators && in_names(name, types[v.kind].mutators)) {
            *safe = false;
            return true;
        }
    }
    AS_JINJA_TRY(object_attribute(vm, v, name, found, out));
    *safe = !(name->size && name->data[0] == '_');
    return true;
}

/* v[name] for a name that is no attribute; found false where Python raises TypeError or LookupError. */
static bool item_by_name(as_jinja_vm *vm, as_jinja_value v, as_jinja_str *name, bool *found,
                         as_jinja_value *out)
{
    *found = false;
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind == AS_JINJA_DICT) {
        const as_jinja_value *value = as_jinja_dict_find_str(v.dict, name);
        *found = value != NULL;
        if (value) *out = *value;
    } else if (v.kind == AS_JINJA_SELF) {
        size_t mark = as_jinja_mark(vm);
        *found = as_jinja_self_item(vm, v.context, as_jinja_string(name), out);
        return *found || as_jinja_catch(vm, AS_JINJA_X_LOOKUP, mark);
    }
    return true;
}

bool as_jinja_getattr(as_jinja_vm *vm, as_jinja_value v, as_jinja_str *name, as_jinja_value *out)
{
    bool found, safe;
    AS_JINJA_TRY(as_jinja_attribute(vm, v, name, &found, &safe, out));
    if (found) return safe || as_jinja_undefined_unsafe(vm, v, name, out);
    AS_JINJA_TRY(item_by_name(vm, v, name, &found, out));
    return found || as_jinja_undefined_item(vm, v, as_jinja_string(name), out);
}

bool as_jinja_getitem(as_jinja_vm *vm, as_jinja_value v, as_jinja_value key, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    bool found = false, safe = false;
    if (v.kind == AS_JINJA_DICT && as_jinja_is_str(key)) {
        AS_JINJA_TRY(item_by_name(vm, v, key.str, &found, out));
        if (found) return true;
    } else {
        if (as_jinja_subscript(vm, v, key, out)) return true;
        if (!as_jinja_catch(vm, AS_JINJA_X_TYPE | AS_JINJA_X_LOOKUP, mark)) return false;
    }
    if (!as_jinja_is_str(key)) return as_jinja_undefined_item(vm, v, key, out);
    AS_JINJA_TRY(as_jinja_attribute(vm, v, key.str, &found, &safe, out));
    if (!found) return as_jinja_undefined_item(vm, v, key, out);
    return safe || as_jinja_undefined_unsafe(vm, v, key.str, out);
}

/* --- subscripts --- */

/* Python's slice.indices: start, stop and step for a sequence of this length, and how many items. */
static bool slice_indices(as_jinja_vm *vm, const as_jinja_slice *slice, int64_t length, int64_t *start,
                          int64_t *step, int64_t *count)
{
    const as_jinja_value parts[3] = {slice->start, slice->stop, slice->step};
    int64_t values[3] = {0, 0, 1};
    for (int i = 0; i < 3; i++) {
        if (parts[i].kind == AS_JINJA_NONE) continue;
        if (!as_jinja_is_int(parts[i])) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE,
                                 "slice indices must be integers or None or have an __index__ method");
        }
        AS_JINJA_TRY(as_jinja_to_index(vm, parts[i], &values[i]));
    }
    *step = values[2];
    if (*step == 0) return as_jinja_fail(vm, AS_JINJA_X_VALUE, "slice step cannot be zero");
    if (*step < -INT64_MAX) *step = -INT64_MAX;
    int64_t low = *step < 0 ? -1 : 0, high = *step < 0 ? length - 1 : length;
    int64_t ends[2] = {*step < 0 ? high : low, *step < 0 ? low : high};
    for (int i = 0; i < 2; i++) {
        if (parts[i].kind == AS_JINJA_NONE) continue;
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

static bool slice_list(as_jinja_vm *vm, as_jinja_value v, const as_jinja_slice *slice, as_jinja_value *out)
{
    int64_t start, step, count;
    as_jinja_list *part;
    AS_JINJA_TRY(slice_indices(vm, slice, v.list->count, &start, &step, &count));
    AS_JINJA_TRY(as_jinja_list_new(vm, count, &part));
    for (int64_t i = 0; i < count; i++) part->items[part->count++] = v.list->items[start + i * step];
    *out = v.kind == AS_JINJA_LIST ? as_jinja_list_value(part) : as_jinja_tuple_value(part);
    return true;
}

static bool slice_str(as_jinja_vm *vm, const as_jinja_str *s, const as_jinja_slice *slice,
                      as_jinja_value *out)
{
    int64_t start, step, count;
    AS_JINJA_TRY(slice_indices(vm, slice, as_jinja_str_length(s), &start, &step, &count));
    AS_JINJA_TRY(as_jinja_step(vm, 1 + s->size / 64));
    if (count == 0) return as_jinja_substring(vm, s, 0, 0, out);
    if (step == 1) {
        size_t from = as_jinja_str_offset(s, start);
        as_jinja_str rest = {
            .data = s->data + from, .size = s->size - from, .length = as_jinja_str_length(s) - start};
        return as_jinja_substring(vm, s, from, from + as_jinja_str_offset(&rest, count), out);
    }
    size_t mark = as_jinja_mark(vm), at = as_jinja_str_offset(s, start);
    AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)count / 8));
    for (int64_t i = 0; i < count; i++) {
        size_t next = at;
        as_jinja_next_codepoint(s->data, s->size, &next);
        AS_JINJA_TRY(as_jinja_put(vm, s->data + at, next - at));
        if (i + 1 == count) break;
        for (int64_t k = 0; k < (step < 0 ? -step : step); k++) {
            if (step > 0) {
                as_jinja_next_codepoint(s->data, s->size, &at);
            } else {
                as_jinja_previous_codepoint(s->data, &at);
            }
        }
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = s->markup;
    return true;
}

static bool slice_range(as_jinja_vm *vm, const as_jinja_range *r, const as_jinja_slice *slice,
                        as_jinja_value *out)
{
    int64_t start, step, count;
    AS_JINJA_TRY(slice_indices(vm, slice, r->length, &start, &step, &count));
    as_jinja_range *part = AS_JINJA_NEW(vm, as_jinja_range);
    if (!part) return false;
    int64_t stop = start;
    if (step < 0 && slice->stop.kind == AS_JINJA_NONE) stop = -1;
    part->start = r->start + start * r->step;
    if (__builtin_mul_overflow(r->step, step, &part->step)) part->step = step < 0 ? -INT64_MAX : INT64_MAX;
    part->length = count;
    /* the stop that Python would show: that of the slice, not of the last item */
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? r->length - 1 : r->length;
    if (slice->stop.kind == AS_JINJA_NONE) {
        stop = step < 0 ? low : high;
    } else {
        AS_JINJA_TRY(as_jinja_to_index(vm, slice->stop, &stop));
        if (stop < 0) stop = stop < -r->length ? low : stop + r->length;
        stop = stop < low ? low : stop > high ? high : stop;
    }
    part->stop = r->start + stop * r->step;
    *out = (as_jinja_value){.kind = AS_JINJA_RANGE, .range = part};
    return true;
}

static bool subscript_slice(as_jinja_vm *vm, as_jinja_value v, const as_jinja_slice *slice,
                            as_jinja_value *out)
{
    switch (v.kind) {
    case AS_JINJA_STR: return slice_str(vm, v.str, slice, out);
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE: return slice_list(vm, v, slice, out);
    case AS_JINJA_RANGE: return slice_range(vm, v.range, slice, out);
    case AS_JINJA_DICT: return as_jinja_fail(vm, AS_JINJA_X_TYPE, "unhashable type: 'slice'");
    default:
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object is not subscriptable", as_jinja_type_name(v));
    }
}

static bool subscript_index(as_jinja_vm *vm, as_jinja_value v, int64_t index, as_jinja_value *out)
{
    int64_t length;
    AS_JINJA_TRY(as_jinja_length(vm, v, &length));
    if (index < 0) index += length;
    if (index < 0 || index >= length)
        return as_jinja_fail(vm, AS_JINJA_X_LOOKUP, "%s index out of range", as_jinja_type_name(v));
    if (v.kind == AS_JINJA_RANGE) {
        *out = as_jinja_int(v.range->start + index * v.range->step);
    } else if (v.kind == AS_JINJA_STR) {
        size_t from = as_jinja_str_offset(v.str, index), to = from;
        AS_JINJA_TRY(as_jinja_step(vm, 1 + (as_jinja_str_ascii(v.str) ? 0 : v.str->size / 64)));
        as_jinja_next_codepoint(v.str->data, v.str->size, &to);
        return as_jinja_substring(vm, v.str, from, to, out);
    } else {
        *out = v.list->items[index];
    }
    return true;
}

bool as_jinja_subscript(as_jinja_vm *vm, as_jinja_value v, as_jinja_value key, as_jinja_value *out)
{
    int64_t index;
    as_jinja_value *found;
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind == AS_JINJA_SELF) return as_jinja_self_item(vm, v.context, key, out);
    if (key.kind == AS_JINJA_SLICE) return subscript_slice(vm, v, key.slice, out);
    if (v.kind == AS_JINJA_DICT) {
        AS_JINJA_TRY(as_jinja_dict_find(vm, v.dict, key, &found));
        if (!found) return as_jinja_fail(vm, AS_JINJA_X_LOOKUP, "the key is not in the dict");
        *out = *found;
        return true;
    }
    if (v.kind != AS_JINJA_STR && v.kind != AS_JINJA_LIST && v.kind != AS_JINJA_TUPLE &&
        v.kind != AS_JINJA_RANGE) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object is not subscriptable", as_jinja_type_name(v));
    }
    if (!as_jinja_is_int(key)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s indices must be integers or slices, not %s",
                             as_jinja_type_name(v), as_jinja_type_name(key));
    }
    AS_JINJA_TRY(as_jinja_to_index(vm, key, &index));
    return subscript_index(vm, v, index, out);
}
