/* Statements. */
#include <string.h>

#include "base/jinja/run.h"

/* --- frames and functions --- */

bool as_jinja_run_new(as_jinja_vm *vm, const as_jinja_unit *unit, as_jinja_run *outer,
                      as_jinja_context *context, as_jinja_run **out)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1 + (uint64_t)unit->slots / 16));
    as_jinja_run *run = as_jinja_alloc(vm, sizeof *run + (size_t)unit->slots * sizeof run->slots[0]);
    if (!run) return false;
    *run = (as_jinja_run){.outer = outer, .unit = unit, .context = context};
    for (int i = 0; i < unit->slots; i++) run->slots[i] = (as_jinja_value){.kind = AS_JINJA_UNBOUND};
    *out = run;
    return true;
}

const as_jinja_run *as_jinja_root_run(const as_jinja_run *run)
{
    while (run->outer) run = run->outer;
    return run;
}

bool as_jinja_enter_frame(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_frame *frame)
{
    for (int i = 0; i < frame->count; i++) {
        const as_jinja_load *load = &frame->loads[i];
        as_jinja_value *slot = &run->slots[load->target.slot];
        if (load->kind == AS_JINJA_PARAMETER) continue;
        *slot = as_jinja_missing();
        if (load->kind == AS_JINJA_RESOLVE) as_jinja_context_resolve(run->context, load->name, slot);
        if (load->kind != AS_JINJA_ALIAS) continue;
        *slot = *as_jinja_slot(run, load->alias);
        if (slot->kind == AS_JINJA_UNBOUND) {
            return as_jinja_fail(vm, AS_JINJA_X_OTHER, "'%.100s' is used before it has a value",
                                 load->name->data);
        }
    }
    return as_jinja_step(vm, (uint64_t)frame->count / 4);
}

void as_jinja_leave_frame(as_jinja_run *run, const as_jinja_frame *frame)
{
    for (int i = 0; i < frame->count; i++) run->slots[frame->loads[i].target.slot] = as_jinja_missing();
}

size_t as_jinja_capture_begin(as_jinja_vm *vm)
{
    size_t mark = as_jinja_mark(vm);
    if (vm->capture++ == 0) vm->capture_start = mark;
    return mark;
}

bool as_jinja_capture_end(as_jinja_vm *vm, size_t mark, bool markup, as_jinja_value *out)
{
    vm->capture--;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

void as_jinja_capture_drop(as_jinja_vm *vm, size_t mark)
{
    vm->capture--;
    if (vm->out.size > mark) {
        vm->out.size = mark;
        vm->out.data[mark] = 0;
    }
}

/* --- output --- */

static bool put_part(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *part, bool escape)
{
    if (part->kind == AS_JINJA_N_DATA) return as_jinja_put(vm, part->value.str->data, part->value.str->size);
    as_jinja_value v;
    bool found = false;
    if (part->foldable) AS_JINJA_TRY(as_jinja_fold_finds(vm, run, part, true, &v, &found));
    if (!found) AS_JINJA_TRY(as_jinja_eval(vm, run, part, &v));
    return escape ? as_jinja_put_escaped(vm, v) : as_jinja_put_str(vm, v);
}

static bool exec_output(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    if (node->checked && as_jinja_root_run(run)->parent_template) return true;
    for (int i = 0; i < node->x.count; i++) {
        AS_JINJA_TRY(put_part(vm, run, node->x.at[i], as_jinja_escapes(run, node->escaping)));
    }
    return true;
}

/* The text of a call or filter block: unlike other output it must be a string. */
static bool put_block_result(as_jinja_vm *vm, as_jinja_value v)
{
    if (!as_jinja_is_str(v))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "expected str instance, %s found", as_jinja_type_name(v));
    return as_jinja_put(vm, v.str->data, v.str->size);
}

/* --- assignment --- */

/* `set a.b = x` is only for namespaces. */
static bool check_namespaces(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target)
{
    for (int i = 0; i < target->x.count; i++) AS_JINJA_TRY(check_namespaces(vm, run, target->x.at[i]));
    if (target->kind != AS_JINJA_N_NSREF) return true;
    as_jinja_value object = *as_jinja_slot(run, target->ref);
    if (object.kind == AS_JINJA_NAMESPACE) return true;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER, "cannot assign attribute on non-namespace object");
}

static bool exec_assign(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value v;
    AS_JINJA_TRY(check_namespaces(vm, run, node->a));
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->b, &v));
    vm->line = node->line;
    return as_jinja_assign(vm, run, node->a, v);
}

/* Runs the node's body with its output kept back from `mark` on; nothing is kept if it is left early. */
static as_jinja_flow exec_captured(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node,
                                   size_t *mark)
{
    *mark = as_jinja_capture_begin(vm);
    as_jinja_flow flow = as_jinja_exec(vm, run, &node->x);
    if (flow != AS_JINJA_FLOW_NEXT) as_jinja_capture_drop(vm, *mark);
    return flow;
}

static as_jinja_flow exec_assign_block(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value v;
    if (!as_jinja_enter_frame(vm, run, &node->frame)) return AS_JINJA_FLOW_ERROR;
    size_t mark;
    as_jinja_flow flow = exec_captured(vm, run, node, &mark);
    if (flow != AS_JINJA_FLOW_NEXT) return flow;
    bool filter_escapes = node->b && as_jinja_escapes(run, node->b->escaping);
    if (!as_jinja_capture_end(vm, mark, filter_escapes, &v)) return AS_JINJA_FLOW_ERROR;
    vm->block_text = v;
    if (node->b && !as_jinja_eval(vm, run, node->b, &v)) return AS_JINJA_FLOW_ERROR;
    bool ok = true;
    if (run->context->eval->autoescape) {
        ok = as_jinja_to_str(vm, v, &v) && as_jinja_str_markup(vm, v, true, &v);
    }
    vm->line = node->line;
    if (!ok || !as_jinja_assign(vm, run, node->a, v)) return AS_JINJA_FLOW_ERROR;
    as_jinja_leave_frame(run, &node->frame);
    return AS_JINJA_FLOW_NEXT;
}

/* --- blocks --- */

static as_jinja_flow exec_if(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value test;
    if (!as_jinja_eval(vm, run, node->a, &test)) return AS_JINJA_FLOW_ERROR;
    if (as_jinja_truth(test)) return as_jinja_exec(vm, run, &node->x);
    for (int i = 0; i < node->y.count; i++) {
        if (!as_jinja_eval(vm, run, node->y.at[i]->a, &test)) return AS_JINJA_FLOW_ERROR;
        if (as_jinja_truth(test)) return as_jinja_exec(vm, run, &node->y.at[i]->x);
    }
    return as_jinja_exec(vm, run, &node->z);
}

static as_jinja_flow exec_filter_block(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value v;
    if (!as_jinja_enter_frame(vm, run, &node->frame)) return AS_JINJA_FLOW_ERROR;
    size_t mark;
    as_jinja_flow flow = exec_captured(vm, run, node, &mark);
    if (flow != AS_JINJA_FLOW_NEXT) return flow;
    const as_jinja_node *innermost = node->a;
    while (innermost->a) innermost = innermost->a;
    if (!as_jinja_capture_end(vm, mark, as_jinja_escapes(run, innermost->escaping), &v))
        return AS_JINJA_FLOW_ERROR;
    vm->block_text = v;
    if (!as_jinja_eval(vm, run, node->a, &v) || !put_block_result(vm, v)) return AS_JINJA_FLOW_ERROR;
    as_jinja_leave_frame(run, &node->frame);
    return AS_JINJA_FLOW_NEXT;
}

static as_jinja_flow exec_with(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    if (!as_jinja_enter_frame(vm, run, &node->frame)) return AS_JINJA_FLOW_ERROR;
    for (int i = 0; i < node->x.count; i++) {
        as_jinja_value v;
        if (!as_jinja_eval(vm, run, node->y.at[i], &v) || !as_jinja_assign(vm, run, node->x.at[i], v))
            return AS_JINJA_FLOW_ERROR;
    }
    as_jinja_flow flow = as_jinja_exec(vm, run, &node->z);
    if (flow == AS_JINJA_FLOW_NEXT) as_jinja_leave_frame(run, &node->frame);
    return flow;
}

static as_jinja_flow exec_autoescape(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value on;
    if (!as_jinja_enter_frame(vm, run, &node->frame) || !as_jinja_eval(vm, run, node->a, &on))
        return AS_JINJA_FLOW_ERROR;
    as_jinja_eval_context *eval = run->context->eval;
    bool was = eval->autoescape;
    eval->autoescape = as_jinja_truth(on);
    as_jinja_flow flow = as_jinja_exec(vm, run, &node->x);
    if (flow != AS_JINJA_FLOW_NEXT) return flow; /* break and continue skip the restoring in jinja2 too */
    eval->autoescape = was;
    as_jinja_leave_frame(run, &node->frame);
    return flow;
}

static bool exec_macro(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value macro;
    AS_JINJA_TRY(as_jinja_macro_make(vm, run, node->unit, &macro));
    *as_jinja_slot(run, node->ref) = macro;
    return !node->exported || as_jinja_context_set(vm, run->context, node->name, macro, true);
}

/* {% generation %}: where the text lies in what the template has written so far. */
static bool record_generation(as_jinja_vm *vm, const as_jinja_str *text)
{
    size_t start = vm->capture ? vm->capture_start : vm->out.size;
    as_jinja_span span = {start, start + text->size};
    as_buf_add(&vm->spans, &span, sizeof span);
    return vm->spans.failed == AS_OK || as_jinja_fail(vm, AS_JINJA_X_MEMORY, "out of memory");
}

static bool exec_call_block(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value caller, v;
    AS_JINJA_TRY(as_jinja_macro_make(vm, run, node->unit, &caller));
    if (node->a) {
        AS_JINJA_TRY(as_jinja_eval_call(vm, run, node->a, caller, &v));
    } else {
        as_jinja_args none = {0};
        AS_JINJA_TRY(as_jinja_macro_call(vm, caller.macro, &none, caller.macro->autoescape, &v));
        AS_JINJA_TRY(record_generation(vm, v.str));
    }
    return put_block_result(vm, v);
}

/* --- dispatch --- */

static as_jinja_flow exec_break(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    (void)vm;
    (void)run;
    return node->kind == AS_JINJA_N_BREAK ? AS_JINJA_FLOW_BREAK : AS_JINJA_FLOW_CONTINUE;
}

typedef bool simple(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);
typedef as_jinja_flow compound(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node);

static simple *const simple_statements[] = {
    [AS_JINJA_N_OUTPUT] = exec_output,
    [AS_JINJA_N_MACRO] = exec_macro,
    [AS_JINJA_N_CALL_BLOCK] = exec_call_block,
    [AS_JINJA_N_BLOCK] = as_jinja_exec_block,
    [AS_JINJA_N_EXTENDS] = as_jinja_exec_extends,
    [AS_JINJA_N_INCLUDE] = as_jinja_exec_include,
    [AS_JINJA_N_IMPORT] = as_jinja_exec_import,
    [AS_JINJA_N_FROM_IMPORT] = as_jinja_exec_from_import,
    [AS_JINJA_N_ASSIGN] = exec_assign,
    [AS_JINJA_N_CONTINUE] = NULL,
};

static compound *const compound_statements[] = {
    [AS_JINJA_N_FOR] = as_jinja_exec_for,
    [AS_JINJA_N_IF] = exec_if,
    [AS_JINJA_N_FILTER_BLOCK] = exec_filter_block,
    [AS_JINJA_N_WITH] = exec_with,
    [AS_JINJA_N_ASSIGN_BLOCK] = exec_assign_block,
    [AS_JINJA_N_AUTOESCAPE] = exec_autoescape,
    [AS_JINJA_N_BREAK] = exec_break,
    [AS_JINJA_N_CONTINUE] = exec_break,
};

static as_jinja_flow exec_one(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    vm->line = node->line;
    if (!as_jinja_step(vm, 1)) return AS_JINJA_FLOW_ERROR;
    if (simple_statements[node->kind]) {
        return simple_statements[node->kind](vm, run, node) ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_ERROR;
    }
    if (!as_jinja_enter(vm)) return AS_JINJA_FLOW_ERROR;
    as_jinja_flow flow = compound_statements[node->kind](vm, run, node);
    as_jinja_leave(vm);
    return flow;
}

as_jinja_flow as_jinja_exec(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_nodes *nodes)
{
    for (int i = 0; i < nodes->count; i++) {
        as_jinja_flow flow = exec_one(vm, run, nodes->at[i]);
        if (flow != AS_JINJA_FLOW_NEXT) return flow;
    }
    return AS_JINJA_FLOW_NEXT;
}
