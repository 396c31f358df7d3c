/* The tests of "is". */
#include <string.h>

#include "base/jinja/ast.h"

static bool yes(as_jinja_value *out, bool truth)
{
    *out = as_jinja_bool(truth);
    return true;
}

/* value % by == rest */
static bool remainder_is(as_jinja_vm *vm, as_jinja_value v, as_jinja_value by, int64_t rest,
                         as_jinja_value *out)
{
    as_jinja_value left;
    bool same;
    AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_MOD, v, by, &left) &&
                 as_jinja_equal(vm, left, as_jinja_int(rest), &same));
    return yes(out, same);
}

#define TEST(name)                                                                                           \
    static bool test_##name(as_jinja_vm *vm, as_jinja_value v, const as_jinja_args *args, as_jinja_value *out)
#define UNUSED                                                                                               \
    (void)vm;                                                                                                \
    (void)args

TEST(odd)
{
    UNUSED;
    return remainder_is(vm, v, as_jinja_int(2), 1, out);
}

TEST(even)
{
    UNUSED;
    return remainder_is(vm, v, as_jinja_int(2), 0, out);
}

TEST(divisibleby)
{
    return remainder_is(vm, v, args->pos[0], 0, out);
}

TEST(defined)
{
    UNUSED;
    return yes(out, v.kind != AS_JINJA_UNDEFINED);
}

TEST(undefined)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_UNDEFINED);
}

TEST(filter)
{
    UNUSED;
    uint64_t hash;
    AS_JINJA_TRY(as_jinja_hash(vm, v, &hash));
    as_jinja_dialect dialect = vm->template->syntax.dialect;
    return yes(out, as_jinja_is_str(v) && as_jinja_filter_find(dialect, v.str->data, v.str->size));
}

TEST(test)
{
    UNUSED;
    uint64_t hash;
    AS_JINJA_TRY(as_jinja_hash(vm, v, &hash));
    return yes(out, as_jinja_is_str(v) && as_jinja_test_find(v.str->data, v.str->size));
}

TEST(none)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_NONE);
}

TEST(boolean)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_BOOL);
}

TEST(true)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_BOOL && v.truth);
}

TEST(false)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_BOOL && !v.truth);
}

TEST(integer)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_INT || v.kind == AS_JINJA_BIG);
}

TEST(float)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_FLOAT);
}

TEST(number)
{
    UNUSED;
    return yes(out, as_jinja_is_number(v));
}

TEST(string)
{
    UNUSED;
    return yes(out, as_jinja_is_str(v));
}

TEST(mapping)
{
    UNUSED;
    return yes(out, v.kind == AS_JINJA_DICT);
}

/* str(value).islower() and so on */
static bool text_test(as_jinja_vm *vm, const char *method, as_jinja_value v, const as_jinja_args *args,
                      as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_to_str(vm, v, &v));
    return as_jinja_call_builtin(vm, as_jinja_builtin_find(as_jinja_str_case_methods, method, strlen(method)),
                                 v, args, out);
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
    case AS_JINJA_STR:
    case AS_JINJA_LIST:
    case AS_JINJA_TUPLE:
    case AS_JINJA_DICT:
    case AS_JINJA_RANGE:
    case AS_JINJA_UNDEFINED: return yes(out, true);
    default: return yes(out, false);
    }
}

TEST(iterable)
{
    UNUSED;
    return yes(out, as_jinja_iterable(v) || v.kind == AS_JINJA_SELF);
}

TEST(callable)
{
    UNUSED;
    switch (v.kind) {
    case AS_JINJA_FUNC:
    case AS_JINJA_MACRO:
    case AS_JINJA_LOOP:
    case AS_JINJA_JOINER:
    case AS_JINJA_BLOCKREF:
    case AS_JINJA_DICTTYPE:
    case AS_JINJA_UNDEFINED: return yes(out, true);
    default: return yes(out, false);
    }
}

TEST(sameas)
{
    as_jinja_value other = args->pos[0];
    bool same = v.kind == other.kind;
    switch (v.kind) {
    case AS_JINJA_BOOL: same = same && v.truth == other.truth; break;
    case AS_JINJA_NONE: break;
    case AS_JINJA_INT: same = same && v.i == other.i; break;
    case AS_JINJA_FLOAT: same = same && v.f == other.f; break;
    case AS_JINJA_STR:
        if (same) AS_JINJA_TRY(as_jinja_equal(vm, v, other, &same));
        break;
    default: same = same && v.identity == other.identity; break;
    }
    return yes(out, same);
}

TEST(escaped)
{
    UNUSED;
    return yes(out, as_jinja_is_markup(v) || v.kind == AS_JINJA_MODULE);
}

static bool comparison(as_jinja_vm *vm, as_jinja_cmp op, as_jinja_value v, const as_jinja_args *args,
                       as_jinja_value *out)
{
    bool holds;
    AS_JINJA_TRY(as_jinja_compare(vm, op, v, args->pos[0], &holds));
    return yes(out, holds);
}

TEST(in)
{
    return comparison(vm, AS_JINJA_IN, v, args, out);
}

TEST(eq)
{
    return comparison(vm, AS_JINJA_EQ, v, args, out);
}

TEST(ne)
{
    return comparison(vm, AS_JINJA_NE, v, args, out);
}

TEST(gt)
{
    return comparison(vm, AS_JINJA_GT, v, args, out);
}

TEST(ge)
{
    return comparison(vm, AS_JINJA_GE, v, args, out);
}

TEST(lt)
{
    return comparison(vm, AS_JINJA_LT, v, args, out);
}

TEST(le)
{
    return comparison(vm, AS_JINJA_LE, v, args, out);
}

const as_jinja_builtin as_jinja_tests[] = {
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
