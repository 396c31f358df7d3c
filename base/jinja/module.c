/* Contexts, blocks, include, import, extends. */
#include <string.h>

#include "base/jinja/run.h"

/* --- contexts --- */

bool aj_context_new(aj_vm *vm, const as_jinja_template *template, aj_dict *parent, aj_context **out)
{
    aj_context *context = AJ_NEW(vm, aj_context);
    if (!context) return false;
    context->template = template;
    context->parent = parent;
    context->eval = AJ_NEW(vm, aj_eval_context);
    if (!context->eval) return false;
    context->eval->autoescape = template->syntax.dialect == AS_JINJA_HTML;
    AJ_TRY(aj_dict_new(vm, &context->vars) && aj_dict_new(vm, &context->exported));
    *out = context;
    return aj_context_add_blocks(vm, context, template);
}

bool aj_context_resolve(const aj_context *context, const aj_str *name, aj_value *out)
{
    const aj_value *found = aj_dict_find_str(context->vars, name);
    if (!found) found = aj_dict_find_str(context->parent, name);
    if (found) *out = *found;
    return found != NULL;
}

bool aj_context_set(aj_vm *vm, aj_context *context, aj_str *name, aj_value value, bool exported)
{
    AJ_TRY(aj_dict_set(vm, context->vars, aj_string(name), value));
    return aj_dict_set(vm, context->exported, aj_string(name), aj_bool(exported && name->data[0] != '_'));
}

static bool merge(aj_vm *vm, aj_dict *into, const aj_dict *from)
{
    for (int64_t i = 0; i < from->count; i++) {
        AJ_TRY(aj_dict_set(vm, into, from->entries[i].key, from->entries[i].value));
    }
    return true;
}

/* get_all() with the variables of `node` on top: what an include, import or scoped block sees. */
static bool all_variables(aj_vm *vm, aj_run *run, const aj_node *node, aj_dict **out)
{
    AJ_TRY(aj_dict_new(vm, out));
    AJ_TRY(merge(vm, *out, run->context->parent) && merge(vm, *out, run->context->vars));
    for (int i = 0; i < node->local_count; i++) {
        aj_value v = *aj_slot(run, node->locals[i].ref);
        if (v.kind == AJ_UNBOUND) {
            return aj_fail(vm, AJ_X_OTHER, "'%.100s' is used before it has a value",
                           node->locals[i].name->data);
        }
        if (aj_given(v)) AJ_TRY(aj_dict_set(vm, *out, aj_string(node->locals[i].name), v));
    }
    return true;
}

/* --- blocks --- */

aj_block_stack *aj_context_blocks(const aj_context *context, const aj_str *name)
{
    for (int i = 0; i < context->block_count; i++) {
        const aj_str *known = context->blocks[i].name;
        if (known->size == name->size && memcmp(known->data, name->data, name->size) == 0) {
            return &context->blocks[i];
        }
    }
    return NULL;
}

static bool push_block(aj_vm *vm, aj_block_stack *stack, const aj_block *block)
{
    if (stack->count == stack->room) {
        int room = stack->room ? stack->room * 2 : 2;
        const aj_block **at = aj_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (stack->count) memcpy(at, stack->at, (size_t)stack->count * sizeof *at);
        stack->at = at;
        stack->room = room;
    }
    stack->at[stack->count++] = block;
    return true;
}

bool aj_context_add_blocks(aj_vm *vm, aj_context *context, const as_jinja_template *template)
{
    int need = context->block_count + template->block_count;
    if (need > context->block_room) {
        aj_block_stack *blocks = AJ_NEW_ARRAY(vm, aj_block_stack, need);
        if (!blocks) return false;
        if (context->block_count)
            memcpy(blocks, context->blocks, (size_t)context->block_count * sizeof *blocks);
        context->blocks = blocks;
        context->block_room = need;
    }
    for (int i = 0; i < template->block_count; i++) {
        AJ_TRY(aj_step(vm, 1 + (uint64_t)context->block_count / 8));
        aj_block_stack *stack = aj_context_blocks(context, template->blocks[i].name);
        if (!stack) {
            stack = &context->blocks[context->block_count++];
            *stack = (aj_block_stack){.name = template->blocks[i].name};
        }
        AJ_TRY(push_block(vm, stack, &template->blocks[i]));
    }
    return true;
}

static bool blockref_make(aj_vm *vm, aj_context *context, const aj_block_stack *stack, int depth,
                          aj_value *out)
{
    if (depth >= stack->count) {
        size_t mark = aj_mark(vm);
        AJ_TRY(aj_put_text(vm, "there is no parent block called '") &&
               aj_put(vm, stack->name->data, stack->name->size) && aj_put_text(vm, "'"));
        aj_value hint;
        AJ_TRY(aj_str_cut(vm, mark, &hint));
        return aj_undefined_hint(vm, hint.str->data, out);
    }
    aj_blockref *ref = AJ_NEW(vm, aj_blockref);
    if (!ref) return false;
    *ref = (aj_blockref){.context = context, .stack = stack, .depth = depth};
    *out = (aj_value){.kind = AJ_BLOCKREF, .blockref = ref};
    return true;
}

/* Runs a function without closure: a template's root or a block. */
static bool run_unit(aj_vm *vm, const aj_unit *unit, const aj_nodes *body, aj_context *context, aj_run **run)
{
    aj_context *outer = vm->context;
    const as_jinja_template *template = vm->template;
    int line = vm->line;
    AJ_TRY(aj_enter(vm));
    vm->context = context;
    vm->template = unit->template;
    if (unit->has_self) (*run)->slots[unit->self.slot] = (aj_value){.kind = AJ_SELF, .context = context};
    AJ_TRY(aj_enter_frame(vm, *run, &unit->frame));
    if (aj_exec(vm, *run, body) == AJ_FLOW_ERROR) return false;
    vm->context = outer;
    vm->template = template;
    vm->line = line;
    aj_leave(vm);
    return true;
}

bool aj_run_root(aj_vm *vm, const as_jinja_template *template, aj_context *context)
{
    aj_run *run;
    AJ_TRY(aj_run_new(vm, template->root, NULL, context, &run));
    AJ_TRY(run_unit(vm, template->root, &template->body, context, &run));
    if (!run->parent_template) return true;
    AJ_TRY(aj_enter(vm));
    AJ_TRY(aj_run_root(vm, run->parent_template, context));
    aj_leave(vm);
    return true;
}

bool aj_run_block(aj_vm *vm, aj_context *context, const aj_block_stack *stack, int depth)
{
    const aj_block *block = stack->at[depth];
    aj_run *run;
    AJ_TRY(aj_run_new(vm, block->unit, NULL, context, &run));
    if (block->unit->has_super) {
        aj_value *slot = &run->slots[block->unit->super.slot];
        const aj_block_stack *now = aj_context_blocks(context, block->name);
        int index = 0;
        while (index < now->count && now->at[index] != block) index++;
        AJ_TRY(blockref_make(vm, context, now, index + 1, slot));
    }
    return run_unit(vm, block->unit, &block->node->x, context, &run);
}

bool aj_self_item(aj_vm *vm, aj_context *context, aj_value name, aj_value *out)
{
    const aj_block_stack *stack = aj_is_str(name) ? aj_context_blocks(context, name.str) : NULL;
    if (!stack) return aj_fail(vm, AJ_X_LOOKUP, "no such block");
    return blockref_make(vm, context, stack, 0, out);
}

bool aj_blockref_call(aj_vm *vm, aj_blockref *ref, const aj_args *args, aj_value *out)
{
    if (args->count || (args->kw && args->kw->count))
        return aj_fail(vm, AJ_X_TYPE, "a block takes no arguments");
    size_t mark = aj_capture_begin(vm);
    AJ_TRY(aj_run_block(vm, ref->context, ref->stack, ref->depth));
    return aj_capture_end(vm, mark, ref->context->eval->autoescape, out);
}

bool aj_blockref_attribute(aj_vm *vm, aj_blockref *ref, const aj_str *name, bool *found, aj_value *out)
{
    aj_value text = aj_string((aj_str *)name);
    *found = true;
    if (aj_str_is(text, "name")) {
        *out = aj_string(ref->stack->name);
    } else if (aj_str_is(text, "super")) {
        return blockref_make(vm, ref->context, ref->stack, ref->depth + 1, out);
    } else {
        *found = false;
    }
    return true;
}

/* A scoped block sees the variables around it. */
static bool derived_context(aj_vm *vm, aj_run *run, const aj_node *node, aj_context **out)
{
    aj_context *context = AJ_NEW(vm, aj_context);
    if (!context) return false;
    *context = *run->context;
    AJ_TRY(all_variables(vm, run, node, &context->parent));
    AJ_TRY(aj_dict_new(vm, &context->vars) && aj_dict_new(vm, &context->exported));
    *out = context;
    return true;
}

bool aj_exec_block(aj_vm *vm, aj_run *run, const aj_node *node)
{
    if (node->checked && aj_root_run(run)->parent_template) return true;
    aj_context *context = run->context;
    if (node->scoped) AJ_TRY(derived_context(vm, run, node, &context));
    const aj_block_stack *stack = aj_context_blocks(context, node->name);
    if (node->required && stack->count <= 1) {
        return aj_fail(vm, AJ_X_OTHER, "Required block '%.100s' not found", node->name->data);
    }
    return aj_run_block(vm, context, stack, 0);
}

/* --- other templates --- */

static bool find_template(aj_vm *vm, aj_value name, const as_jinja_template **out)
{
    if (!vm->options->find) return aj_fail(vm, AJ_X_TYPE, "no loader for this environment specified");
    if (name.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, name);
    if (!aj_is_str(name)) return aj_fail(vm, AJ_X_TYPE, "a template's name must be a string");
    char *text = as_arena_strndup(vm->arena, name.str->data, name.str->size);
    if (!text) return aj_alloc(vm, name.str->size + 1) != NULL;
    *out = vm->options->find(vm->options->find_context, text);
    return *out || aj_fail(vm, AJ_X_NOT_FOUND, "there is no template '%.200s'", text);
}

/* A name, or the first that exists of several. */
static bool select_template(aj_vm *vm, aj_value names, const as_jinja_template **out)
{
    if (names.kind != AJ_LIST && names.kind != AJ_TUPLE) return find_template(vm, names, out);
    for (int64_t i = 0; i < names.list->count; i++) {
        size_t mark = aj_mark(vm);
        if (find_template(vm, names.list->items[i], out)) return true;
        if (!aj_catch(vm, AJ_X_NOT_FOUND | AJ_X_UNDEFINED, mark)) return false;
    }
    return aj_fail(vm, AJ_X_NOT_FOUND, "none of the templates exists");
}

bool aj_exec_extends(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value name;
    const as_jinja_template *template;
    if (run->parent_template) return aj_fail(vm, AJ_X_OTHER, "extended multiple times");
    AJ_TRY(aj_eval(vm, run, node->a, &name));
    AJ_TRY(find_template(vm, name, &template));
    run->parent_template = template;
    return aj_context_add_blocks(vm, run->context, template);
}

/* Runs a template as a module: its text and what it exports. */
static bool make_module(aj_vm *vm, const as_jinja_template *template, aj_dict *variables, aj_value *out)
{
    aj_context *context;
    aj_module *module = AJ_NEW(vm, aj_module);
    if (!module) return false;
    AJ_TRY(aj_context_new(vm, template, variables, &context));
    size_t mark = aj_capture_begin(vm);
    AJ_TRY(aj_run_root(vm, template, context));
    AJ_TRY(aj_capture_end(vm, mark, false, &module->body));
    module->template = template;
    AJ_TRY(aj_dict_new(vm, &module->exported));
    for (int64_t i = 0; i < context->exported->count; i++) {
        const aj_entry *entry = &context->exported->entries[i];
        if (!entry->value.truth) continue;
        AJ_TRY(
            aj_dict_set(vm, module->exported, entry->key, *aj_dict_find_str(context->vars, entry->key.str)));
    }
    *out = (aj_value){.kind = AJ_MODULE, .module = module};
    return true;
}

/* Without context a template is run once. */
static bool default_module(aj_vm *vm, const as_jinja_template *template, aj_value *out)
{
    if (!vm->modules) AJ_TRY(aj_dict_new(vm, &vm->modules));
    aj_value key = aj_int((int64_t)(intptr_t) template), *found;
    AJ_TRY(aj_dict_find(vm, vm->modules, key, &found));
    if (found) {
        *out = *found;
        return true;
    }
    AJ_TRY(make_module(vm, template, vm->globals.dict, out));
    return aj_dict_set(vm, vm->modules, key, *out);
}

static bool load_module(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value name;
    aj_dict *variables;
    const as_jinja_template *template;
    AJ_TRY(aj_eval(vm, run, node->a, &name));
    AJ_TRY(find_template(vm, name, &template));
    if (!node->with_context) return default_module(vm, template, out);
    AJ_TRY(all_variables(vm, run, node, &variables));
    return make_module(vm, template, variables, out);
}

static bool run_include(aj_vm *vm, aj_run *run, const aj_node *node, const as_jinja_template *template)
{
    aj_dict *variables;
    aj_context *context;
    aj_value module;
    if (!node->with_context) {
        AJ_TRY(default_module(vm, template, &module));
        return aj_put(vm, module.module->body.str->data, module.module->body.str->size);
    }
    AJ_TRY(all_variables(vm, run, node, &variables));
    AJ_TRY(aj_context_new(vm, template, variables, &context));
    return aj_run_root(vm, template, context);
}

bool aj_exec_include(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value name;
    const as_jinja_template *template;
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_eval(vm, run, node->a, &name));
    if (!select_template(vm, name, &template))
        return node->ignore_missing && aj_catch(vm, AJ_X_NOT_FOUND, mark);
    return run_include(vm, run, node, template);
}

static bool store_import(aj_vm *vm, aj_run *run, const aj_node *node, aj_ref ref, aj_str *name, aj_value v)
{
    *aj_slot(run, ref) = v;
    return !node->exported || aj_context_set(vm, run->context, name, v, false);
}

bool aj_exec_import(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value module;
    AJ_TRY(load_module(vm, run, node, &module));
    return store_import(vm, run, node, node->ref, node->name, module);
}

bool aj_exec_from_import(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value module;
    AJ_TRY(load_module(vm, run, node, &module));
    for (int i = 0; i < node->x.count; i += 2) {
        aj_value v;
        bool found;
        AJ_TRY(aj_module_attribute(vm, module.module, node->x.at[i]->name, &found, &v));
        if (!found) {
            size_t mark = aj_mark(vm);
            AJ_TRY(aj_put_text(vm, "the imported template does not export the requested name '") &&
                   aj_put(vm, node->x.at[i]->name->data, node->x.at[i]->name->size) && aj_put_text(vm, "'"));
            aj_value hint;
            AJ_TRY(aj_str_cut(vm, mark, &hint));
            AJ_TRY(aj_undefined_hint(vm, hint.str->data, &v));
        }
        const aj_node *alias = node->x.at[i + 1];
        AJ_TRY(store_import(vm, run, node, alias->ref, alias->name, v));
    }
    return true;
}

bool aj_module_attribute(aj_vm *vm, aj_module *module, const aj_str *name, bool *found, aj_value *out)
{
    const aj_value *known = aj_dict_find_str(module->exported, name);
    (void)vm;
    *found = known != NULL;
    if (known) *out = *known;
    return true;
}

bool aj_module_put(aj_vm *vm, aj_module *module)
{
    return aj_put(vm, module->body.str->data, module->body.str->size);
}
