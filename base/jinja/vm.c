/* The machine: errors, limits, memory; see value.h. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/ast.h"
#include "base/jinja/value.h"

bool aj_fail(aj_vm *vm, aj_exc exc, const char *format, ...)
{
    char text[sizeof vm->error.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    as_code code = exc == AJ_X_LIMIT ? AS_E_LIMIT : exc == AJ_X_MEMORY ? AS_E_MEMORY : AS_E_INPUT;
    const char *name = vm->template ? vm->template->name : "template";
    (void)as_fail(&vm->error, code, "%s: line %d: %s", name, vm->line, text);
    vm->exc = exc;
    return false;
}

bool aj_catch(aj_vm *vm, int mask, size_t out_size)
{
    if (!(vm->exc & (aj_exc)mask)) return false;
    vm->exc = AJ_X_NONE;
    if (vm->out.size > out_size) {
        vm->out.size = out_size;
        vm->out.data[out_size] = 0;
    }
    return true;
}

bool aj_step(aj_vm *vm, uint64_t count)
{
    if (count <= vm->max_steps - vm->steps) {
        vm->steps += count;
        return true;
    }
    vm->steps = vm->max_steps;
    return aj_fail(vm, AJ_X_LIMIT, "more than the allowed %llu steps", (unsigned long long)vm->max_steps);
}

bool aj_enter(aj_vm *vm)
{
    if (vm->depth >= vm->max_depth) {
        return aj_fail(vm, AJ_X_LIMIT, "nested more than %d levels deep", vm->max_depth);
    }
    vm->depth++;
    return true;
}

void aj_leave(aj_vm *vm)
{
    vm->depth--;
}

void *aj_alloc(aj_vm *vm, size_t size)
{
    void *at = as_arena_alloc(vm->arena, size);
    if (at) return at;
    size_t limit = vm->arena->limit;
    if (limit && (size > limit || vm->arena->used > limit - size)) {
        aj_fail(vm, AJ_X_LIMIT, "needs more than the allowed %zu bytes of memory", limit);
    } else {
        aj_fail(vm, AJ_X_MEMORY, "out of memory");
    }
    return NULL;
}

void *aj_alloc_zero(aj_vm *vm, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        aj_fail(vm, AJ_X_LIMIT, "needs too much memory");
        return NULL;
    }
    void *at = aj_alloc(vm, total);
    if (at) memset(at, 0, total);
    return at;
}

const char *aj_type_name(aj_value v)
{
    static const char *const names[] = {
        [AJ_MISSING] = "missing",
        [AJ_UNBOUND] = "unbound",
        [AJ_UNDEFINED] = "Undefined",
        [AJ_NONE] = "NoneType",
        [AJ_BOOL] = "bool",
        [AJ_INT] = "int",
        [AJ_BIG] = "int",
        [AJ_FLOAT] = "float",
        [AJ_STR] = "str",
        [AJ_LIST] = "list",
        [AJ_TUPLE] = "tuple",
        [AJ_DICT] = "dict",
        [AJ_RANGE] = "range",
        [AJ_VIEW] = "dict_view",
        [AJ_ITER] = "generator",
        [AJ_FUNC] = "function",
        [AJ_MACRO] = "Macro",
        [AJ_NAMESPACE] = "Namespace",
        [AJ_LOOP] = "LoopContext",
        [AJ_CYCLER] = "Cycler",
        [AJ_JOINER] = "Joiner",
        [AJ_MODULE] = "TemplateModule",
        [AJ_SELF] = "TemplateReference",
        [AJ_BLOCKREF] = "BlockReference",
        [AJ_SLICE] = "slice",
        [AJ_DICTTYPE] = "type",
    };
    if (v.kind == AJ_ITER) return v.iter->type;
    if (aj_is_markup(v)) return "Markup";
    if (v.kind == AJ_VIEW) {
        return v.view->kind == AJ_KEYS     ? "dict_keys"
               : v.view->kind == AJ_VALUES ? "dict_values"
                                           : "dict_items";
    }
    return names[v.kind];
}
