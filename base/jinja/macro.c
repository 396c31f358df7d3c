/* Macros: binding their arguments, running their bodies. */
#include <string.h>

#include "base/jinja/run.h"

bool aj_macro_make(aj_vm *vm, aj_run *run, const aj_unit *unit, aj_value *out)
{
    aj_macro *macro = AJ_NEW(vm, aj_macro);
    if (!macro) return false;
    *macro = (aj_macro){.unit = unit, .outer = run, .autoescape = run->context->eval->autoescape};
    *out = (aj_value){.kind = AJ_MACRO, .macro = macro};
    return true;
}

static const char *macro_name(const aj_unit *unit)
{
    return unit->name ? unit->name->data : "None";
}

/* Takes the value of a keyword out of kw, AJ_MISSING if it is not there. Taken entries become AJ_MISSING. */
static aj_value take_keyword(aj_dict *kw, const aj_str *name)
{
    aj_value *found = kw ? aj_dict_find_str(kw, name) : NULL;
    aj_value v = found ? *found : aj_missing();
    if (found) *found = aj_missing();
    return v;
}

static bool left_keywords(aj_vm *vm, const aj_dict *kw, aj_dict **out)
{
    AJ_TRY(aj_dict_new(vm, out));
    for (int64_t i = 0; kw && i < kw->count; i++) {
        if (aj_given(kw->entries[i].value)) {
            AJ_TRY(aj_dict_set(vm, *out, kw->entries[i].key, kw->entries[i].value));
        }
    }
    return true;
}

static bool refuse_keywords(aj_vm *vm, const aj_unit *unit, const aj_dict *left)
{
    if (left->count == 0) return true;
    if (aj_dict_find_text(left, "caller")) {
        return aj_fail(vm, AJ_X_TYPE,
                       "macro '%.100s' was invoked with two values for the special caller argument",
                       macro_name(unit));
    }
    const aj_str *name = left->entries[0].key.str;
    return aj_fail(vm, AJ_X_TYPE, "macro '%.100s' takes no keyword argument '%.*s'", macro_name(unit),
                   (int)(name->size < 100 ? name->size : 100), name->data);
}

/* Macro.__call__: into `slots`, one value per entry of unit->arguments. */
static bool bind(aj_vm *vm, const aj_unit *unit, const aj_args *args, aj_list *values)
{
    int64_t named = unit->node->x.count;
    bool found_caller = unit->explicit_caller && args->count >= named;
    for (int64_t i = 0; i < named; i++) {
        const aj_str *name = unit->node->x.at[i]->name;
        aj_value v = i < args->count ? args->pos[i] : take_keyword(args->kw, name);
        if (i >= args->count && aj_str_is(aj_string((aj_str *)name), "caller")) found_caller = true;
        AJ_TRY(aj_list_add(vm, values, v));
    }
    if (unit->takes_caller && !found_caller) {
        aj_str name = {.data = "caller", .size = 6, .length = 6};
        aj_value caller = take_keyword(args->kw, &name);
        if (!aj_given(caller) || caller.kind == AJ_NONE) {
            AJ_TRY(aj_undefined_hint(vm, "No caller defined", &caller));
        }
        AJ_TRY(aj_list_add(vm, values, caller));
    }
    aj_dict *left;
    AJ_TRY(left_keywords(vm, args->kw, &left));
    if (!unit->takes_kwargs) AJ_TRY(refuse_keywords(vm, unit, left));
    if (unit->takes_kwargs) AJ_TRY(aj_list_add(vm, values, aj_dict_value(left)));
    if (unit->takes_varargs) {
        aj_list *rest;
        AJ_TRY(aj_list_new(vm, 0, &rest));
        for (int64_t i = named; i < args->count; i++) AJ_TRY(aj_list_add(vm, rest, args->pos[i]));
        AJ_TRY(aj_list_add(vm, values, aj_tuple_value(rest)));
    } else if (args->count > named) {
        return aj_fail(vm, AJ_X_TYPE, "macro '%.100s' takes not more than %d argument(s)", macro_name(unit),
                       (int)named);
    }
    if (values->count == unit->argument_count) return true;
    return aj_fail(vm, AJ_X_TYPE, "macro '%.100s' got too many arguments", macro_name(unit));
}

static bool missing_parameter(aj_vm *vm, const aj_str *name, aj_value *out)
{
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_put_text(vm, "parameter '") && aj_put(vm, name->data, name->size) &&
           aj_put_text(vm, "' was not provided"));
    aj_value hint;
    AJ_TRY(aj_str_cut(vm, mark, &hint));
    return aj_undefined_hint(vm, hint.str->data, out);
}

static bool set_arguments(aj_vm *vm, aj_run *run, const aj_list *values)
{
    const aj_unit *unit = run->unit;
    const aj_node *node = unit->node;
    for (int i = 0; i < unit->argument_count; i++) run->slots[unit->arguments[i].slot] = values->items[i];
    AJ_TRY(aj_enter_frame(vm, run, &unit->frame));
    int without_default = node->x.count - node->y.count;
    for (int i = 0; i < node->x.count; i++) {
        aj_value *slot = &run->slots[unit->arguments[i].slot];
        if (slot->kind != AJ_MISSING) continue;
        aj_value v;
        if (i < without_default) {
            AJ_TRY(missing_parameter(vm, node->x.at[i]->name, &v));
        } else {
            AJ_TRY(aj_eval(vm, run, node->y.at[i - without_default], &v));
        }
        *slot = v;
    }
    return true;
}

bool aj_macro_call(aj_vm *vm, aj_macro *macro, const aj_args *args, bool autoescape, aj_value *out)
{
    aj_list *values;
    aj_run *run;
    AJ_TRY(aj_enter(vm));
    AJ_TRY(aj_list_new(vm, macro->unit->argument_count, &values));
    AJ_TRY(bind(vm, macro->unit, args, values));
    AJ_TRY(aj_run_new(vm, macro->unit, macro->outer, macro->outer->context, &run));
    aj_context *context = vm->context;
    const as_jinja_template *template = vm->template;
    int line = vm->line;
    vm->context = run->context;
    vm->template = macro->unit->template;
    size_t mark = aj_capture_begin(vm);
    AJ_TRY(set_arguments(vm, run, values));
    if (aj_exec(vm, run, &macro->unit->node->z) == AJ_FLOW_ERROR) return false;
    AJ_TRY(aj_capture_end(vm, mark, autoescape, out));
    vm->context = context;
    vm->template = template;
    vm->line = line;
    aj_leave(vm);
    return true;
}

bool aj_macro_repr(aj_vm *vm, aj_macro *macro)
{
    if (!macro->unit->name) return aj_put_text(vm, "<Macro anonymous>");
    return aj_put_text(vm, "<Macro ") && aj_put_repr(vm, aj_string(macro->unit->name)) &&
           aj_put_text(vm, ">");
}

static bool argument_names(aj_vm *vm, const aj_unit *unit, aj_value *out)
{
    aj_list *names;
    AJ_TRY(aj_list_new(vm, unit->node->x.count, &names));
    for (int i = 0; i < unit->node->x.count; i++) {
        AJ_TRY(aj_list_add(vm, names, aj_string(unit->node->x.at[i]->name)));
    }
    *out = aj_tuple_value(names);
    return true;
}

bool aj_macro_attribute(aj_vm *vm, aj_macro *macro, const aj_str *name, bool *found, aj_value *out)
{
    const aj_unit *unit = macro->unit;
    aj_value text = aj_string((aj_str *)name);
    *found = true;
    if (aj_str_is(text, "name")) {
        *out = unit->name ? aj_string(unit->name) : aj_none();
    } else if (aj_str_is(text, "arguments")) {
        return argument_names(vm, unit, out);
    } else if (aj_str_is(text, "catch_kwargs")) {
        *out = aj_bool(unit->takes_kwargs);
    } else if (aj_str_is(text, "catch_varargs")) {
        *out = aj_bool(unit->takes_varargs);
    } else if (aj_str_is(text, "caller")) {
        *out = aj_bool(unit->takes_caller);
    } else if (aj_str_is(text, "explicit_caller")) {
        *out = aj_bool(unit->explicit_caller);
    } else {
        *found = false;
    }
    return true;
}
