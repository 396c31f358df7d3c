/* Contexts, blocks, include, import, extends. */
#include <string.h>

#include "base/jinja/run.h"

/* --- contexts --- */

bool as_jinja_context_new(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_dict *parent,
                          as_jinja_context **out)
{
    as_jinja_context *context = AS_JINJA_NEW(vm, as_jinja_context);
    if (!context) return false;
    context->template = template;
    context->parent = parent;
    context->eval = AS_JINJA_NEW(vm, as_jinja_eval_context);
    if (!context->eval) return false;
    context->eval->autoescape = template->syntax.dialect == AS_JINJA_HTML;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &context->vars) && as_jinja_dict_new(vm, &context->exported));
    *out = context;
    return as_jinja_context_add_blocks(vm, context, template);
}

bool as_jinja_context_resolve(const as_jinja_context *context, const as_jinja_str *name, as_jinja_value *out)
{
    const as_jinja_value *found = as_jinja_dict_find_str(context->vars, name);
    if (!found) found = as_jinja_dict_find_str(context->parent, name);
    if (found) *out = *found;
    return found != NULL;
}

bool as_jinja_context_set(as_jinja_vm *vm, as_jinja_context *context, as_jinja_str *name,
                          as_jinja_value value, bool exported)
{
    AS_JINJA_TRY(as_jinja_dict_set(vm, context->vars, as_jinja_string(name), value));
    return as_jinja_dict_set(vm, context->exported, as_jinja_string(name),
                             as_jinja_bool(exported && name->data[0] != '_'));
}

static bool merge(as_jinja_vm *vm, as_jinja_dict *into, const as_jinja_dict *from)
{
    for (int64_t i = 0; i < from->count; i++) {
        AS_JINJA_TRY(as_jinja_dict_set(vm, into, from->entries[i].key, from->entries[i].value));
    }
    return true;
}

/* get_all() with the variables of `node` on top: what an include, import or scoped block sees. */
static bool all_variables(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_dict **out)
{
    AS_JINJA_TRY(as_jinja_dict_new(vm, out));
    AS_JINJA_TRY(merge(vm, *out, run->context->parent) && merge(vm, *out, run->context->vars));
    for (int i = 0; i < node->local_count; i++) {
        as_jinja_value v = *as_jinja_slot(run, node->locals[i].ref);
        if (v.kind == AS_JINJA_UNBOUND) {
            return as_jinja_fail(vm, AS_JINJA_X_OTHER, "'%.100s' is used before it has a value",
                                 node->locals[i].name->data);
        }
        if (as_jinja_given(v))
            AS_JINJA_TRY(as_jinja_dict_set(vm, *out, as_jinja_string(node->locals[i].name), v));
    }
    return true;
}

/* --- blocks --- */

as_jinja_block_stack *as_jinja_context_blocks(const as_jinja_context *context, const as_jinja_str *name)
{
    for (int i = 0; i < context->block_count; i++) {
        const as_jinja_str *known = context->blocks[i].name;
        if (known->size == name->size && memcmp(known->data, name->data, name->size) == 0) {
            return &context->blocks[i];
        }
    }
    return NULL;
}

static bool push_block(as_jinja_vm *vm, as_jinja_block_stack *stack, const as_jinja_block *block)
{
    if (stack->count == stack->room) {
        int room = stack->room ? stack->room * 2 : 2;
        const as_jinja_block **at = as_jinja_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (stack->count) memcpy(at, stack->at, (size_t)stack->count * sizeof *at);
        stack->at = at;
        stack->room = room;
    }
    stack->at[stack->count++] = block;
    return true;
}

bool as_jinja_context_add_blocks(as_jinja_vm *vm, as_jinja_context *context,
                                 const as_jinja_template *template)
{
    int need = context->block_count + template->block_count;
    if (need > context->block_room) {
        as_jinja_block_stack *blocks = AS_JINJA_NEW_ARRAY(vm, as_jinja_block_stack, need);
        if (!blocks) return false;
        if (context->block_count)
            memcpy(blocks, context->blocks, (size_t)context->block_count * sizeof *blocks);
        context->blocks = blocks;
        context->block_room = need;
    }
    for (int i = 0; i < template->block_count; i++) {
        AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)context->block_count / 8));
        as_jinja_block_stack *stack = as_jinja_context_blocks(context, template->blocks[i].name);
        if (!stack) {
            stack = &context->blocks[context->block_count++];
            *stack = (as_jinja_block_stack){.name = template->blocks[i].name};
        }
        AS_JINJA_TRY(push_block(vm, stack, &template->blocks[i]));
    }
    return true;
}

static bool blockref_make(as_jinja_vm *vm, as_jinja_context *context, const as_jinja_block_stack *stack,
                          int depth, as_jinja_value *out)
{
    if (depth >= stack->count) {
        size_t mark = as_jinja_mark(vm);
        AS_JINJA_TRY(as_jinja_put_text(vm, "there is no parent block called '") &&
                     as_jinja_put(vm, stack->name->data, stack->name->size) && as_jinja_put_text(vm, "'"));
        as_jinja_value hint;
        AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &hint));
        return as_jinja_undefined_hint(vm, hint.str->data, out);
    }
    as_jinja_blockref *ref = AS_JINJA_NEW(vm, as_jinja_blockref);
    if (!ref) return false;
    *ref = (as_jinja_blockref){.context = context, .stack = stack, .depth = depth};
    *out = (as_jinja_value){.kind = AS_JINJA_BLOCKREF, .blockref = ref};
    return true;
}

/* Runs a function without closure: a template's root or a block. */
static bool run_unit(as_jinja_vm *vm, const as_jinja_unit *unit, const as_jinja_nodes *body,
                     as_jinja_context *context, as_jinja_run **run)
{
    as_jinja_context *outer = vm->context;
    const as_jinja_template *template = vm->template;
    int line = vm->line;
    AS_JINJA_TRY(as_jinja_enter(vm));
    vm->context = context;
    vm->template = unit->template;
    if (unit->has_self)
        (*run)->slots[unit->self.slot] = (as_jinja_value){.kind = AS_JINJA_SELF, .context = context};
    AS_JINJA_TRY(as_jinja_enter_frame(vm, *run, &unit->frame));
    if (as_jinja_exec(vm, *run, body) == AS_JINJA_FLOW_ERROR) return false;
    vm->context = outer;
    vm->template = template;
    vm->line = line;
    as_jinja_leave(vm);
    return true;
}

bool as_jinja_run_root(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_context *context)
{
    as_jinja_run *run;
    AS_JINJA_TRY(as_jinja_run_new(vm, template->root, NULL, context, &run));
    AS_JINJA_TRY(run_unit(vm, template->root, &template->body, context, &run));
    if (!run->parent_template) return true;
    AS_JINJA_TRY(as_jinja_enter(vm));
    AS_JINJA_TRY(as_jinja_run_root(vm, run->parent_template, context));
    as_jinja_leave(vm);
    return true;
}

bool as_jinja_run_block(as_jinja_vm *vm, as_jinja_context *context, const as_jinja_block_stack *stack,
                        int depth)
{
    const as_jinja_block *block = stack->at[depth];
    as_jinja_run *run;
    AS_JINJA_TRY(as_jinja_run_new(vm, block->unit, NULL, context, &run));
    if (block->unit->has_super) {
        as_jinja_value *slot = &run->slots[block->unit->super.slot];
        const as_jinja_block_stack *now = as_jinja_context_blocks(context, block->name);
        int index = 0;
        while (index < now->count && now->at[index] != block) index++;
        AS_JINJA_TRY(blockref_make(vm, context, now, index + 1, slot));
    }
    return run_unit(vm, block->unit, &block->node->x, context, &run);
}

bool as_jinja_self_item(as_jinja_vm *vm, as_jinja_context *context, as_jinja_value name, as_jinja_value *out)
{
    const as_jinja_block_stack *stack =
        as_jinja_is_str(name) ? as_jinja_context_blocks(context, name.str) : NULL;
    if (!stack) return as_jinja_fail(vm, AS_JINJA_X_LOOKUP, "no such block");
    return blockref_make(vm, context, stack, 0, out);
}

bool as_jinja_blockref_call(as_jinja_vm *vm, as_jinja_blockref *ref, const as_jinja_args *args,
                            as_jinja_value *out)
{
    if (args->count || (args->kw && args->kw->count))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "a block takes no arguments");
    size_t mark = as_jinja_capture_begin(vm);
    AS_JINJA_TRY(as_jinja_run_block(vm, ref->context, ref->stack, ref->depth));
    return as_jinja_capture_end(vm, mark, ref->context->eval->autoescape, out);
}

bool as_jinja_blockref_attribute(as_jinja_vm *vm, as_jinja_blockref *ref, const as_jinja_str *name,
                                 bool *found, as_jinja_value *out)
{
    as_jinja_value text = as_jinja_string((as_jinja_str *)name);
    *found = true;
    if (as_jinja_str_is(text, "name")) {
        *out = as_jinja_string(ref->stack->name);
    } else if (as_jinja_str_is(text, "super")) {
        return blockref_make(vm, ref->context, ref->stack, ref->depth + 1, out);
    } else {
        *found = false;
    }
    return true;
}

/* A scoped block sees the variables around it. */
static bool derived_context(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node,
                            as_jinja_context **out)
{
    as_jinja_context *context = AS_JINJA_NEW(vm, as_jinja_context);
    if (!context) return false;
    *context = *run->context;
    AS_JINJA_TRY(all_variables(vm, run, node, &context->parent));
    AS_JINJA_TRY(as_jinja_dict_new(vm, &context->vars) && as_jinja_dict_new(vm, &context->exported));
    *out = context;
    return true;
}

bool as_jinja_exec_block(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    if (node->checked && as_jinja_root_run(run)->parent_template) return true;
    as_jinja_context *context = run->context;
    if (node->scoped) AS_JINJA_TRY(derived_context(vm, run, node, &context));
    const as_jinja_block_stack *stack = as_jinja_context_blocks(context, node->name);
    if (node->required && stack->count <= 1) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "Required block '%.100s' not found", node->name->data);
    }
    return as_jinja_run_block(vm, context, stack, 0);
}

/* --- other templates --- */

static bool find_template(as_jinja_vm *vm, as_jinja_value name, const as_jinja_template **out)
{
    if (!vm->options->find)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "no loader for this environment specified");
    if (name.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, name);
    if (!as_jinja_is_str(name))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "a template's name must be a string");
    char *text = as_arena_strndup(vm->arena, name.str->data, name.str->size);
    if (!text) return as_jinja_alloc(vm, name.str->size + 1) != NULL;
    *out = vm->options->find(vm->options->find_context, text);
    return *out || as_jinja_fail(vm, AS_JINJA_X_NOT_FOUND, "there is no template '%.200s'", text);
}

/* A name, or the first that exists of several. */
static bool select_template(as_jinja_vm *vm, as_jinja_value names, const as_jinja_template **out)
{
    if (names.kind != AS_JINJA_LIST && names.kind != AS_JINJA_TUPLE) return find_template(vm, names, out);
    for (int64_t i = 0; i < names.list->count; i++) {
        size_t mark = as_jinja_mark(vm);
        if (find_template(vm, names.list->items[i], out)) return true;
        if (!as_jinja_catch(vm, AS_JINJA_X_NOT_FOUND | AS_JINJA_X_UNDEFINED, mark)) return false;
    }
    return as_jinja_fail(vm, AS_JINJA_X_NOT_FOUND, "none of the templates exists");
}

bool as_jinja_exec_extends(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value name;
    const as_jinja_template *template;
    if (run->parent_template) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "extended multiple times");
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &name));
    AS_JINJA_TRY(find_template(vm, name, &template));
    run->parent_template = template;
    return as_jinja_context_add_blocks(vm, run->context, template);
}

/* Runs a template as a module: its text and what it exports. */
static bool make_module(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_dict *variables,
                        as_jinja_value *out)
{
    as_jinja_context *context;
    as_jinja_module *module = AS_JINJA_NEW(vm, as_jinja_module);
    if (!module) return false;
    AS_JINJA_TRY(as_jinja_context_new(vm, template, variables, &context));
    size_t mark = as_jinja_capture_begin(vm);
    AS_JINJA_TRY(as_jinja_run_root(vm, template, context));
    AS_JINJA_TRY(as_jinja_capture_end(vm, mark, false, &module->body));
    module->template = template;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &module->exported));
    for (int64_t i = 0; i < context->exported->count; i++) {
        const as_jinja_entry *entry = &context->exported->entries[i];
        if (!entry->value.truth) continue;
        AS_JINJA_TRY(as_jinja_dict_set(vm, module->exported, entry->key,
                                       *as_jinja_dict_find_str(context->vars, entry->key.str)));
    }
    *out = (as_jinja_value){.kind = AS_JINJA_MODULE, .module = module};
    return true;
}

/* Without context a template is run once. */
static bool default_module(as_jinja_vm *vm, const as_jinja_template *template, as_jinja_value *out)
{
    if (!vm->modules) AS_JINJA_TRY(as_jinja_dict_new(vm, &vm->modules));
    const intptr_t address = (intptr_t)(const void *)template;
    as_jinja_value key = as_jinja_int((int64_t)address), *found;
    AS_JINJA_TRY(as_jinja_dict_find(vm, vm->modules, key, &found));
    if (found) {
        *out = *found;
        return true;
    }
    AS_JINJA_TRY(make_module(vm, template, vm->globals.dict, out));
    return as_jinja_dict_set(vm, vm->modules, key, *out);
}

static bool load_module(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value name;
    as_jinja_dict *variables;
    const as_jinja_template *template;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &name));
    AS_JINJA_TRY(find_template(vm, name, &template));
    if (!node->with_context) return default_module(vm, template, out);
    AS_JINJA_TRY(all_variables(vm, run, node, &variables));
    return make_module(vm, template, variables, out);
}

static bool run_include(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node,
                        const as_jinja_template *template)
{
    as_jinja_dict *variables;
    as_jinja_context *context;
    as_jinja_value module;
    if (!node->with_context) {
        AS_JINJA_TRY(default_module(vm, template, &module));
        return as_jinja_put(vm, module.module->body.str->data, module.module->body.str->size);
    }
    AS_JINJA_TRY(all_variables(vm, run, node, &variables));
    AS_JINJA_TRY(as_jinja_context_new(vm, template, variables, &context));
    return as_jinja_run_root(vm, template, context);
}

bool as_jinja_exec_include(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value name;
    const as_jinja_template *template;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &name));
    if (!select_template(vm, name, &template))
        return node->ignore_missing && as_jinja_catch(vm, AS_JINJA_X_NOT_FOUND, mark);
    return run_include(vm, run, node, template);
}

static bool store_import(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_ref ref,
                         as_jinja_str *name, as_jinja_value v)
{
    *as_jinja_slot(run, ref) = v;
    return !node->exported || as_jinja_context_set(vm, run->context, name, v, false);
}

bool as_jinja_exec_import(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value module;
    AS_JINJA_TRY(load_module(vm, run, node, &module));
    return store_import(vm, run, node, node->ref, node->name, module);
}

bool as_jinja_exec_from_import(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value module;
    AS_JINJA_TRY(load_module(vm, run, node, &module));
    for (int i = 0; i < node->x.count; i += 2) {
        as_jinja_value v;
        bool found;
        AS_JINJA_TRY(as_jinja_module_attribute(vm, module.module, node->x.at[i]->name, &found, &v));
        if (!found) {
            size_t mark = as_jinja_mark(vm);
            AS_JINJA_TRY(
                as_jinja_put_text(vm, "the imported template does not export the requested name '") &&
                as_jinja_put(vm, node->x.at[i]->name->data, node->x.at[i]->name->size) &&
                as_jinja_put_text(vm, "'"));
            as_jinja_value hint;
            AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &hint));
            AS_JINJA_TRY(as_jinja_undefined_hint(vm, hint.str->data, &v));
        }
        const as_jinja_node *alias = node->x.at[i + 1];
        AS_JINJA_TRY(store_import(vm, run, node, alias->ref, alias->name, v));
    }
    return true;
}

bool as_jinja_module_attribute(as_jinja_vm *vm, as_jinja_module *module, const as_jinja_str *name,
                               bool *found, as_jinja_value *out)
{
    const as_jinja_value *known = as_jinja_dict_find_str(module->exported, name);
    (void)vm;
    *found = known != NULL;
    if (known) *out = *known;
    return true;
}

bool as_jinja_module_put(as_jinja_vm *vm, as_jinja_module *module)
{
    return as_jinja_put(vm, module->body.str->data, module->body.str->size);
}
