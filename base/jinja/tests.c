/* The tests of "is". */
#include <string.h>

#include "base/jinja/ast.h"

static bool yes(aj_value *out, bool truth)
{
    *out = aj_bool(truth);
    return true;
}

/* value % by == rest */
static bool remainder_is(aj_vm *vm, aj_value v, aj_value by, int64_t rest, aj_value *out)
{
    aj_value left;
    bool same;
    AJ_TRY(aj_binary(vm, AJ_MOD, v, by, &left) && aj_equal(vm, left, aj_int(rest), &same));
    return yes(out, same);
}

#define TEST(name) static bool test_##name(aj_vm *vm, aj_value v, const aj_args *args, aj_value *out)
#define UNUSED                                                                                               \
    (void)vm;                                                                                                \
    (void)args

TEST(odd)
{
    UNUSED;
    return remainder_is(vm, v, aj_int(2), 1, out);
}

TEST(even)
{
    UNUSED;
    return remainder_is(vm, v, aj_int(2), 0, out);
}

TEST(divisibleby)
{
    return remainder_is(vm, v, args->pos[0], 0, out);
}

TEST(defined)
{
    UNUSED;
    return yes(out, v.kind != AJ_UNDEFINED);
}

TEST(undefined)
{
    UNUSED;
    return yes(out, v.kind == AJ_UNDEFINED);
}

TEST(filter)
{
    UNUSED;
    uint64_t hash;
    AJ_TRY(aj_hash(vm, v, &hash));
    as_jinja_dialect dialect = vm->template->syntax.dialect;
    return yes(out, aj_is_str(v) && aj_filter_find(dialect, v.str->data, v.str->size));
}

TEST(test)
{
    UNUSED;
    uint64_t hash;
    AJ_TRY(aj_hash(vm, v, &hash));
    return yes(out, aj_is_str(v) && aj_test_find(v.str->data, v.str->size));
}

TEST(none)
{
    UNUSED;
    return yes(out, v.kind == AJ_NONE);
}

TEST(boolean)
{
    UNUSED;
    return yes(out, v.kind == AJ_BOOL);
}

TEST(true)
{
    UNUSED;
    return yes(out, v.kind == AJ_BOOL && v.truth);
}

TEST(false)
{
    UNUSED;
    return yes(out, v.kind == AJ_BOOL && !v.truth);
}

TEST(integer)
{
    UNUSED;
    return yes(out, v.kind == AJ_INT || v.kind == AJ_BIG);
}

TEST(float)
{
    UNUSED;
    return yes(out, v.kind == AJ_FLOAT);
}

TEST(number)
{
    UNUSED;
    return yes(out, aj_is_number(v));
}

TEST(string)
{
    UNUSED;
    return yes(out, aj_is_str(v));
}

TEST(mapping)
{
    UNUSED;
    return yes(out, v.kind == AJ_DICT);
}

/* str(value).islower() and so on */
static bool text_test(aj_vm *vm, const char *method, aj_value v, const aj_args *args, aj_value *out)
{
    AJ_TRY(aj_to_str(vm, v, &v));
    return aj_call_builtin(vm, aj_builtin_find(aj_str_case_methods, method, strlen(method)), v, args, out);
}

TEST(lower)
{
    return text_test(vm, "islower", v, args, out);
}

TEST(upper)
{
    return text_test(vm, "isupper", v, args, out);
}

/* What has a length and subscripts. */
TEST(sequence)
{
    UNUSED;
    switch (v.kind) {
    case AJ_STR:
    case AJ_LIST:
    case AJ_TUPLE:
    case AJ_DICT:
    case AJ_RANGE:
    case AJ_UNDEFINED: return yes(out, true);
    default: return yes(out, false);
    }
}

TEST(iterable)
{
    UNUSED;
    return yes(out, aj_iterable(v) || v.kind == AJ_SELF);
}

TEST(callable)
{
    UNUSED;
    switch (v.kind) {
    case AJ_FUNC:
    case AJ_MACRO:
    case AJ_LOOP:
    case AJ_JOINER:
    case AJ_BLOCKREF:
    case AJ_DICTTYPE:
    case AJ_UNDEFINED: return yes(out, true);
    default: return yes(out, false);
    }
}

TEST(sameas)
{
    aj_value other = args->pos[0];
    bool same = v.kind == other.kind;
    switch (v.kind) {
    case AJ_BOOL: same = same && v.truth == other.truth; break;
    case AJ_NONE: break;
    case AJ_INT: same = same && v.i == other.i; break;
    case AJ_FLOAT: same = same && v.f == other.f; break;
    case AJ_STR:
        if (same) AJ_TRY(aj_equal(vm, v, other, &same));
        break;
    default: same = same && v.identity == other.identity; break;
    }
    return yes(out, same);
}

TEST(escaped)
{
    UNUSED;
    return yes(out, aj_is_markup(v) || v.kind == AJ_MODULE);
}

static bool comparison(aj_vm *vm, aj_cmp op, aj_value v, const aj_args *args, aj_value *out)
{
    bool holds;
    AJ_TRY(aj_compare(vm, op, v, args->pos[0], &holds));
    return yes(out, holds);
}

TEST(in)
{
    return comparison(vm, AJ_IN, v, args, out);
}

TEST(eq)
{
    return comparison(vm, AJ_EQ, v, args, out);
}

TEST(ne)
{
    return comparison(vm, AJ_NE, v, args, out);
}

TEST(gt)
{
    return comparison(vm, AJ_GT, v, args, out);
}

TEST(ge)
{
    return comparison(vm, AJ_GE, v, args, out);
}

TEST(lt)
{
    return comparison(vm, AJ_LT, v, args, out);
}

TEST(le)
{
    return comparison(vm, AJ_LE, v, args, out);
}

const aj_builtin aj_tests[] = {
    {"odd", "", 0, test_odd},
    {"even", "", 0, test_even},
    {"divisibleby", "num", 1, test_divisibleby},
    {"defined", "", 0, test_defined},
    {"undefined", "", 0, test_undefined},
    {"filter", "", 0, test_filter},
    {"test", "", 0, test_test},
    {"none", "", 0, test_none},
    {"boolean", "", 0, test_boolean},
    {"true", "", 0, test_true},
    {"false", "", 0, test_false},
    {"integer", "", 0, test_integer},
    {"float", "", 0, test_float},
    {"number", "", 0, test_number},
    {"string", "", 0, test_string},
    {"mapping", "", 0, test_mapping},
    {"lower", "", 0, test_lower},
    {"upper", "", 0, test_upper},
    {"sequence", "", 0, test_sequence},
    {"iterable", "", 0, test_iterable},
    {"callable", "/", 0, test_callable},
    {"sameas", "other", 1, test_sameas},
    {"escaped", "", 0, test_escaped},
    {"in", "seq", 1, test_in},
    {"==", "/other", 1, test_eq},
    {"eq", "/other", 1, test_eq},
    {"equalto", "/other", 1, test_eq},
    {"!=", "/other", 1, test_ne},
    {"ne", "/other", 1, test_ne},
    {">", "/other", 1, test_gt},
    {"gt", "/other", 1, test_gt},
    {"greaterthan", "/other", 1, test_gt},
    {">=", "/other", 1, test_ge},
    {"ge", "/other", 1, test_ge},
    {"<", "/other", 1, test_lt},
    {"lt", "/other", 1, test_lt},
    {"lessthan", "/other", 1, test_lt},
    {"<=", "/other", 1, test_le},
    {"le", "/other", 1, test_le},
    {NULL, NULL, 0, NULL},
};
