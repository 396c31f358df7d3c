/* Filters about numbers. */
#include <math.h>
#include <stdio.h>

#include "base/jinja/value.h"

static bool filter_abs(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    if (!as_jinja_is_number(self))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "bad operand type for abs(): '%s'",
                             as_jinja_type_name(self));
    if (self.kind == AS_JINJA_FLOAT) {
        *out = as_jinja_float(fabs(self.f));
        return true;
    }
    return as_jinja_number_order(self, as_jinja_int(0)) < 0 ? as_jinja_negate(vm, self, out)
                                                            : as_jinja_positive(vm, self, out);
}

/* math.ceil and math.floor: an int. */
static bool to_whole(as_jinja_vm *vm, as_jinja_value v, bool up, as_jinja_value *out)
{
    if (as_jinja_is_int(v)) return as_jinja_positive(vm, v, out);
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind != AS_JINJA_FLOAT)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "must be real number, not %s", as_jinja_type_name(v));
    return as_jinja_from_double(vm, up ? ceil(v.f) : floor(v.f), out);
}

static bool filter_round(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_value precision = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_int(0),
                   method = args->pos[1];
    uint64_t hash;
    if (!as_jinja_given(method) || as_jinja_str_is(method, "common"))
        return as_jinja_round(vm, self, precision, out);
    AS_JINJA_TRY(as_jinja_hash(vm, method, &hash));
    bool up = as_jinja_str_is(method, "ceil");
    if (!up && !as_jinja_str_is(method, "floor"))
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "method must be common, ceil or floor");
    as_jinja_value unit, scaled;
    AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_POW, as_jinja_int(10), precision, &unit));
    AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_MUL, self, unit, &scaled));
    return to_whole(vm, scaled, up, &scaled) && as_jinja_binary(vm, AS_JINJA_DIV, scaled, unit, out);
}

/* float(v) */
static bool to_float(as_jinja_vm *vm, as_jinja_value v, double *out)
{
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (as_jinja_is_str(v)) return as_jinja_parse_float(vm, v.str->data, v.str->size, out);
    if (as_jinja_is_number(v)) return as_jinja_to_double(vm, v, out);
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "float() argument must be a string or a real number, not '%s'",
                         as_jinja_type_name(v));
}

/* int(v), or int(v, base) for a string */
static bool to_int(as_jinja_vm *vm, as_jinja_value v, as_jinja_value base, as_jinja_value *out)
{
    int64_t number = 10;
    if (v.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, v);
    if (v.kind == AS_JINJA_FLOAT) return as_jinja_from_double(vm, v.f, out);
    if (as_jinja_is_int(v)) return as_jinja_positive(vm, v, out);
    if (!as_jinja_is_str(v)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE,
                             "int() argument must be a string or a real number, not '%s'",
                             as_jinja_type_name(v));
    }
    if (as_jinja_given(base)) AS_JINJA_TRY(as_jinja_to_index(vm, base, &number));
    if (number < 0 || number > 36) number = 1; /* refused below, as any other bad base */
    return as_jinja_parse_int(vm, v.str->data, v.str->size, (int)number, out);
}

static bool filter_int(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    double f;
    if (to_int(vm, self, args->pos[1], out)) return true;
    if (!as_jinja_catch(vm, AS_JINJA_X_TYPE | AS_JINJA_X_VALUE, mark)) return false;
    if (to_float(vm, self, &f) && as_jinja_from_double(vm, f, out)) return true;
    if (!as_jinja_catch(vm, AS_JINJA_X_TYPE | AS_JINJA_X_VALUE | AS_JINJA_X_OVERFLOW, mark)) return false;
    *out = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_int(0);
    return true;
}

static bool filter_float(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    double f;
    if (to_float(vm, self, &f)) {
        *out = as_jinja_float(f);
        return true;
    }
    if (!as_jinja_catch(vm, AS_JINJA_X_TYPE | AS_JINJA_X_VALUE, mark)) return false;
    *out = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_float(0);
    return true;
}

static bool filter_filesizeformat(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                                  as_jinja_value *out)
{
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = as_jinja_given(args->pos[0]) && as_jinja_truth(args->pos[0]);
    double bytes, base = binary ? 1024 : 1000, unit = base;
    char room[400];
    AS_JINJA_TRY(to_float(vm, self, &bytes));
    if (bytes == 1) return as_jinja_str_literal(vm, "1 Byte", out);
    if (bytes < base) {
        size_t mark = as_jinja_mark(vm);
        as_jinja_value whole;
        AS_JINJA_TRY(as_jinja_from_double(vm, bytes, &whole) && as_jinja_int_text(vm, whole, 10));
        return as_jinja_put_text(vm, " Bytes") && as_jinja_str_cut(vm, mark, out);
    }
    int i = 0;
    for (;; i++) {
        unit *= base;
        if (bytes < unit || i == 7) break;
    }
    int size = snprintf(room, sizeof room, "%.1f %s", base * bytes / unit, units[binary][i]);
    return as_jinja_str_copy(vm, room, (size_t)size, out);
}

const as_jinja_builtin as_jinja_filters_number[] = {
    {"abs", "/", 0, filter_abs},
    {"round", "precision method", 0, filter_round},
    {"int", "default base", 0, filter_int},
    {"float", "default", 0, filter_float},
    {"filesizeformat", "binary", 0, filter_filesizeformat},
    {NULL, NULL, 0, NULL},
};
