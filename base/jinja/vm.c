/* The machine: errors, limits, memory; see value.h. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/ast.h"
#include "base/jinja/value.h"

bool as_jinja_fail(as_jinja_vm *vm, as_jinja_exc exc, const char *format, ...)
{
    char text[sizeof vm->error.text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    as_code code = exc == AS_JINJA_X_LIMIT ? AS_E_LIMIT : exc == AS_JINJA_X_MEMORY ? AS_E_MEMORY : AS_E_INPUT;
    const char *name = vm->template ? vm->template->name : "template";
    (void)as_fail(&vm->error, code, "%s: line %d: %s", name, vm->line, text);
    vm->exc = exc;
    return false;
}

bool as_jinja_catch(as_jinja_vm *vm, int mask, size_t out_size)
{
    if (!(vm->exc & (as_jinja_exc)mask)) return false;
    vm->exc = AS_JINJA_X_NONE;
    if (vm->out.size > out_size) {
        vm->out.size = out_size;
        vm->out.data[out_size] = 0;
    }
    return true;
}

bool as_jinja_step(as_jinja_vm *vm, uint64_t count)
{
    if (count <= vm->max_steps - vm->steps) {
        vm->steps += count;
        return true;
    }
    vm->steps = vm->max_steps;
    return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "more than the allowed %llu steps",
                         (unsigned long long)vm->max_steps);
}

bool as_jinja_enter(as_jinja_vm *vm)
{
    if (vm->depth >= vm->max_depth) {
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "nested more than %d levels deep", vm->max_depth);
    }
    vm->depth++;
    return true;
}

void as_jinja_leave(as_jinja_vm *vm)
{
    vm->depth--;
}

void *as_jinja_alloc(as_jinja_vm *vm, size_t size)
{
    void *at = as_arena_alloc(vm->arena, size);
    if (at) return at;
    size_t limit = vm->arena->limit;
    if (limit && (size > limit || vm->arena->used > limit - size)) {
        as_jinja_fail(vm, AS_JINJA_X_LIMIT, "needs more than the allowed %zu bytes of memory", limit);
    } else {
        as_jinja_fail(vm, AS_JINJA_X_MEMORY, "out of memory");
    }
    return NULL;
}

void *as_jinja_alloc_zero(as_jinja_vm *vm, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        as_jinja_fail(vm, AS_JINJA_X_LIMIT, "needs too much memory");
        return NULL;
    }
    void *at = as_jinja_alloc(vm, total);
    if (at) memset(at, 0, total);
    return at;
}

const char *as_jinja_type_name(as_jinja_value v)
{
    static const char *const names[] = {
        [AS_JINJA_MISSING] = "missing",
        [AS_JINJA_UNBOUND] = "unbound",
        [AS_JINJA_UNDEFINED] = "Undefined",
        [AS_JINJA_NONE] = "NoneType",
        [AS_JINJA_BOOL] = "bool",
        [AS_JINJA_INT] = "int",
        [AS_JINJA_BIG] = "int",
        [AS_JINJA_FLOAT] = "float",
        [AS_JINJA_STR] = "str",
        [AS_JINJA_LIST] = "list",
        [AS_JINJA_TUPLE] = "tuple",
        [AS_JINJA_DICT] = "dict",
        [AS_JINJA_RANGE] = "range",
        [AS_JINJA_VIEW] = "dict_view",
        [AS_JINJA_ITER] = "generator",
        [AS_JINJA_FUNC] = "function",
        [AS_JINJA_MACRO] = "Macro",
        [AS_JINJA_NAMESPACE] = "Namespace",
        [AS_JINJA_LOOP] = "LoopContext",
        [AS_JINJA_CYCLER] = "Cycler",
        [AS_JINJA_JOINER] = "Joiner",
        [AS_JINJA_MODULE] = "TemplateModule",
        [AS_JINJA_SELF] = "TemplateReference",
        [AS_JINJA_BLOCKREF] = "BlockReference",
        [AS_JINJA_SLICE] = "slice",
        [AS_JINJA_DICTTYPE] = "type",
    };
    if (v.kind == AS_JINJA_ITER) return v.iter->type;
    if (as_jinja_is_markup(v)) return "Markup";
    if (v.kind == AS_JINJA_VIEW) {
        return v.view->kind == AS_JINJA_KEYS     ? "dict_keys"
               : v.view->kind == AS_JINJA_VALUES ? "dict_values"
                                                 : "dict_items";
    }
    return names[v.kind];
}
