#include "base/jinja/value.h"
bool aj_filter_wordwrap(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)self; (void)args; (void)out;
    return aj_fail(vm, AJ_X_OTHER, "stub");
}
bool aj_filter_urlize(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)self; (void)args; (void)out;
    return aj_fail(vm, AJ_X_OTHER, "stub");
}
bool aj_strip_tags(aj_vm *vm, const aj_str *s, aj_value *out)
{
    (void)s; (void)out;
    return aj_fail(vm, AJ_X_OTHER, "stub");
}
bool aj_put_pretty(aj_vm *vm, aj_value v)
{
    return aj_put_repr(vm, v);
}
