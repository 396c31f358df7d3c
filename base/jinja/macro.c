/* Macros: binding their arguments, running their bodies. */
#include <string.h>

#include "base/jinja/run.h"

bool as_jinja_macro_make(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_unit *unit, as_jinja_value *out)
{
    as_jinja_macro *macro = AS_JINJA_NEW(vm, as_jinja_macro);
    if (!macro) return false;
    *macro = (as_jinja_macro){.unit = unit, .outer = run, .autoescape = run->context->eval->autoescape};
    *out = (as_jinja_value){.kind = AS_JINJA_MACRO, .macro = macro};
    return true;
}

static const char *macro_name(const as_jinja_unit *unit)
{
    return unit->name ? unit->name->data : "None";
}

/* Takes the value of a keyword out of kw, AS_JINJA_MISSING if it is not there. Taken entries become
 * AS_JINJA_MISSING. */
static as_jinja_value take_keyword(as_jinja_dict *kw, const as_jinja_str *name)
{
    as_jinja_value *found = kw ? as_jinja_dict_find_str(kw, name) : NULL;
    as_jinja_value v = found ? *found : as_jinja_missing();
    if (found) *found = as_jinja_missing();
    return v;
}

static bool left_keywords(as_jinja_vm *vm, const as_jinja_dict *kw, as_jinja_dict **out)
{
    AS_JINJA_TRY(as_jinja_dict_new(vm, out));
    for (int64_t i = 0; kw && i < kw->count; i++) {
        if (as_jinja_given(kw->entries[i].value)) {
            AS_JINJA_TRY(as_jinja_dict_set(vm, *out, kw->entries[i].key, kw->entries[i].value));
        }
    }
    return true;
}

static bool refuse_keywords(as_jinja_vm *vm, const as_jinja_unit *unit, const as_jinja_dict *left)
{
    if (left->count == 0) return true;
    if (as_jinja_dict_find_text(left, "caller")) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE,
                             "macro '%.100s' was invoked with two values for the special caller argument",
                             macro_name(unit));
    }
    const as_jinja_str *name = left->entries[0].key.str;
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "macro '%.100s' takes no keyword argument '%.*s'",
                         macro_name(unit), (int)(name->size < 100 ? name->size : 100), name->data);
}

/* Macro.__call__: into `slots`, one value per entry of unit->arguments. */
static bool bind(as_jinja_vm *vm, const as_jinja_unit *unit, const as_jinja_args *args, as_jinja_list *values)
{
    int64_t named = unit->node->x.count;
    bool found_caller = unit->explicit_caller && args->count >= named;
    for (int64_t i = 0; i < named; i++) {
        const as_jinja_str *name = unit->node->x.at[i]->name;
        as_jinja_value v = i < args->count ? args->pos[i] : take_keyword(args->kw, name);
        if (i >= args->count && as_jinja_str_is(as_jinja_string((as_jinja_str *)name), "caller"))
            found_caller = true;
        AS_JINJA_TRY(as_jinja_list_add(vm, values, v));
    }
    if (unit->takes_caller && !found_caller) {
        as_jinja_str name = {.data = "caller", .size = 6, .length = 6};
        as_jinja_value caller = take_keyword(args->kw, &name);
        if (!as_jinja_given(caller) || caller.kind == AS_JINJA_NONE) {
            AS_JINJA_TRY(as_jinja_undefined_hint(vm, "No caller defined", &caller));
        }
        AS_JINJA_TRY(as_jinja_list_add(vm, values, caller));
    }
    as_jinja_dict *left;
    AS_JINJA_TRY(left_keywords(vm, args->kw, &left));
    if (!unit->takes_kwargs) AS_JINJA_TRY(refuse_keywords(vm, unit, left));
    if (unit->takes_kwargs) AS_JINJA_TRY(as_jinja_list_add(vm, values, as_jinja_dict_value(left)));
    if (unit->takes_varargs) {
        as_jinja_list *rest;
        AS_JINJA_TRY(as_jinja_list_new(vm, 0, &rest));
        for (int64_t i = named; i < args->count; i++) AS_JINJA_TRY(as_jinja_list_add(vm, rest, args->pos[i]));
        AS_JINJA_TRY(as_jinja_list_add(vm, values, as_jinja_tuple_value(rest)));
    } else if (args->count > named) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "macro '%.100s' takes not more than %d argument(s)",
                             macro_name(unit), (int)named);
    }
    if (values->count == unit->argument_count) return true;
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "macro '%.100s' got too many arguments", macro_name(unit));
}

static bool missing_parameter(as_jinja_vm *vm, const as_jinja_str *name, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_put_text(vm, "parameter '") && as_jinja_put(vm, name->data, name->size) &&
                 as_jinja_put_text(vm, "' was not provided"));
    as_jinja_value hint;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &hint));
    return as_jinja_undefined_hint(vm, hint.str->data, out);
}

static bool set_arguments(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_list *values)
{
    const as_jinja_unit *unit = run->unit;
    const as_jinja_node *node = unit->node;
    for (int i = 0; i < unit->argument_count; i++) run->slots[unit->arguments[i].slot] = values->items[i];
    AS_JINJA_TRY(as_jinja_enter_frame(vm, run, &unit->frame));
    int without_default = node->x.count - node->y.count;
    for (int i = 0; i < node->x.count; i++) {
        as_jinja_value *slot = &run->slots[unit->arguments[i].slot];
        if (slot->kind != AS_JINJA_MISSING) continue;
        as_jinja_value v;
        if (i < without_default) {
            AS_JINJA_TRY(missing_parameter(vm, node->x.at[i]->name, &v));
        } else {
            AS_JINJA_TRY(as_jinja_eval(vm, run, node->y.at[i - without_default], &v));
        }
        *slot = v;
    }
    return true;
}

bool as_jinja_macro_call(as_jinja_vm *vm, as_jinja_macro *macro, const as_jinja_args *args, bool autoescape,
                         as_jinja_value *out)
{
    as_jinja_list *values;
    as_jinja_run *run;
    AS_JINJA_TRY(as_jinja_enter(vm));
    AS_JINJA_TRY(as_jinja_list_new(vm, macro->unit->argument_count, &values));
    AS_JINJA_TRY(bind(vm, macro->unit, args, values));
    AS_JINJA_TRY(as_jinja_run_new(vm, macro->unit, macro->outer, macro->outer->context, &run));
    as_jinja_context *context = vm->context;
    const as_jinja_template *template = vm->template;
    int line = vm->line;
    vm->context = run->context;
    vm->template = macro->unit->template;
    size_t mark = as_jinja_capture_begin(vm);
    AS_JINJA_TRY(set_arguments(vm, run, values));
    if (as_jinja_exec(vm, run, &macro->unit->node->z) == AS_JINJA_FLOW_ERROR) return false;
    AS_JINJA_TRY(as_jinja_capture_end(vm, mark, autoescape, out));
    vm->context = context;
    vm->template = template;
    vm->line = line;
    as_jinja_leave(vm);
    return true;
}

bool as_jinja_macro_repr(as_jinja_vm *vm, as_jinja_macro *macro)
{
    if (!macro->unit->name) return as_jinja_put_text(vm, "<Macro anonymous>");
    return as_jinja_put_text(vm, "<Macro ") && as_jinja_put_repr(vm, as_jinja_string(macro->unit->name)) &&
           as_jinja_put_text(vm, ">");
}

static bool argument_names(as_jinja_vm *vm, const as_jinja_unit *unit, as_jinja_value *out)
{
    as_jinja_list *names;
    AS_JINJA_TRY(as_jinja_list_new(vm, unit->node->x.count, &names));
    for (int i = 0; i < unit->node->x.count; i++) {
        AS_JINJA_TRY(as_jinja_list_add(vm, names, as_jinja_string(unit->node->x.at[i]->name)));
    }
    *out = as_jinja_tuple_value(names);
    return true;
}

bool as_jinja_macro_attribute(as_jinja_vm *vm, as_jinja_macro *macro, const as_jinja_str *name, bool *found,
                              as_jinja_value *out)
{
    const as_jinja_unit *unit = macro->unit;
    as_jinja_value text = as_jinja_string((as_jinja_str *)name);
    *found = true;
    if (as_jinja_str_is(text, "name")) {
        *out = unit->name ? as_jinja_string(unit->name) : as_jinja_none();
    } else if (as_jinja_str_is(text, "arguments")) {
        return argument_names(vm, unit, out);
    } else if (as_jinja_str_is(text, "catch_kwargs")) {
        *out = as_jinja_bool(unit->takes_kwargs);
    } else if (as_jinja_str_is(text, "catch_varargs")) {
        *out = as_jinja_bool(unit->takes_varargs);
    } else if (as_jinja_str_is(text, "caller")) {
        *out = as_jinja_bool(unit->takes_caller);
    } else if (as_jinja_str_is(text, "explicit_caller")) {
        *out = as_jinja_bool(unit->explicit_caller);
    } else {
        *found = false;
    }
    return true;
}
