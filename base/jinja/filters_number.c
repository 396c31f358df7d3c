/* Filters about numbers. */
#include <math.h>
#include <stdio.h>

#include "base/jinja/value.h"

static bool filter_abs(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    if (!aj_is_number(self))
        return aj_fail(vm, AJ_X_TYPE, "bad operand type for abs(): '%s'", aj_type_name(self));
    if (self.kind == AJ_FLOAT) {
        *out = aj_float(fabs(self.f));
        return true;
    }
    return aj_number_order(self, aj_int(0)) < 0 ? aj_negate(vm, self, out) : aj_positive(vm, self, out);
}

/* math.ceil and math.floor: an int. */
static bool to_whole(aj_vm *vm, aj_value v, bool up, aj_value *out)
{
    if (aj_is_int(v)) return aj_positive(vm, v, out);
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind != AJ_FLOAT) return aj_fail(vm, AJ_X_TYPE, "must be real number, not %s", aj_type_name(v));
    return aj_from_double(vm, up ? ceil(v.f) : floor(v.f), out);
}

static bool filter_round(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value precision = aj_given(args->pos[0]) ? args->pos[0] : aj_int(0), method = args->pos[1];
    uint64_t hash;
    if (!aj_given(method) || aj_str_is(method, "common")) return aj_round(vm, self, precision, out);
    AJ_TRY(aj_hash(vm, method, &hash));
    bool up = aj_str_is(method, "ceil");
    if (!up && !aj_str_is(method, "floor"))
        return aj_fail(vm, AJ_X_OTHER, "method must be common, ceil or floor");
    aj_value unit, scaled;
    AJ_TRY(aj_binary(vm, AJ_POW, aj_int(10), precision, &unit));
    AJ_TRY(aj_binary(vm, AJ_MUL, self, unit, &scaled));
    return to_whole(vm, scaled, up, &scaled) && aj_binary(vm, AJ_DIV, scaled, unit, out);
}

/* float(v) */
static bool to_float(aj_vm *vm, aj_value v, double *out)
{
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (aj_is_str(v)) return aj_parse_float(vm, v.str->data, v.str->size, out);
    if (aj_is_number(v)) return aj_to_double(vm, v, out);
    return aj_fail(vm, AJ_X_TYPE, "float() argument must be a string or a real number, not '%s'",
                   aj_type_name(v));
}

/* int(v), or int(v, base) for a string */
static bool to_int(aj_vm *vm, aj_value v, aj_value base, aj_value *out)
{
    int64_t number = 10;
    if (v.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, v);
    if (v.kind == AJ_FLOAT) return aj_from_double(vm, v.f, out);
    if (aj_is_int(v)) return aj_positive(vm, v, out);
    if (!aj_is_str(v)) {
        return aj_fail(vm, AJ_X_TYPE, "int() argument must be a string or a real number, not '%s'",
                       aj_type_name(v));
    }
    if (aj_given(base)) AJ_TRY(aj_to_index(vm, base, &number));
    if (number < 0 || number > 36) number = 1; /* refused below, as any other bad base */
    return aj_parse_int(vm, v.str->data, v.str->size, (int)number, out);
}

static bool filter_int(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    size_t mark = aj_mark(vm);
    double f;
    if (to_int(vm, self, args->pos[1], out)) return true;
    if (!aj_catch(vm, AJ_X_TYPE | AJ_X_VALUE, mark)) return false;
    if (to_float(vm, self, &f) && aj_from_double(vm, f, out)) return true;
    if (!aj_catch(vm, AJ_X_TYPE | AJ_X_VALUE | AJ_X_OVERFLOW, mark)) return false;
    *out = aj_given(args->pos[0]) ? args->pos[0] : aj_int(0);
    return true;
}

static bool filter_float(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    size_t mark = aj_mark(vm);
    double f;
    if (to_float(vm, self, &f)) {
        *out = aj_float(f);
        return true;
    }
    if (!aj_catch(vm, AJ_X_TYPE | AJ_X_VALUE, mark)) return false;
    *out = aj_given(args->pos[0]) ? args->pos[0] : aj_float(0);
    return true;
}

static bool filter_filesizeformat(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    static const char *const units[2][8] = {{"kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"},
                                            {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"}};
    bool binary = aj_given(args->pos[0]) && aj_truth(args->pos[0]);
    double bytes, base = binary ? 1024 : 1000, unit = base;
    char room[400];
    AJ_TRY(to_float(vm, self, &bytes));
    if (bytes == 1) return aj_str_literal(vm, "1 Byte", out);
    if (bytes < base) {
        size_t mark = aj_mark(vm);
        aj_value whole;
        AJ_TRY(aj_from_double(vm, bytes, &whole) && aj_int_text(vm, whole, 10));
        return aj_put_text(vm, " Bytes") && aj_str_cut(vm, mark, out);
    }
    int i = 0;
    for (;; i++) {
        unit *= base;
        if (bytes < unit || i == 7) break;
    }
    int size = snprintf(room, sizeof room, "%.1f %s", base * bytes / unit, units[binary][i]);
    return aj_str_copy(vm, room, (size_t)size, out);
}

const aj_builtin aj_filters_number[] = {
    {"abs", "/", 0, filter_abs},
    {"round", "precision method", 0, filter_round},
    {"int", "default base", 0, filter_int},
    {"float", "default", 0, filter_float},
    {"filesizeformat", "binary", 0, filter_filesizeformat},
    {NULL, NULL, 0, NULL},
};
