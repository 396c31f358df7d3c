/* Statements. */
#include <string.h>

#include "base/jinja/run.h"

/* --- frames and functions --- */

bool aj_run_new(aj_vm *vm, const aj_unit *unit, aj_run *outer, aj_context *context, aj_run **out)
{
    AJ_TRY(aj_step(vm, 1 + (uint64_t)unit->slots / 16));
    aj_run *run = aj_alloc(vm, sizeof *run + (size_t)unit->slots * sizeof run->slots[0]);
    if (!run) return false;
    *run = (aj_run){.outer = outer, .unit = unit, .context = context};
    for (int i = 0; i < unit->slots; i++) run->slots[i] = (aj_value){.kind = AJ_UNBOUND};
    *out = run;
    return true;
}

const aj_run *aj_root_run(const aj_run *run)
{
    while (run->outer) run = run->outer;
    return run;
}

bool aj_enter_frame(aj_vm *vm, aj_run *run, const aj_frame *frame)
{
    for (int i = 0; i < frame->count; i++) {
        const aj_load *load = &frame->loads[i];
        aj_value *slot = &run->slots[load->target.slot];
        if (load->kind == AJ_PARAMETER) continue;
        *slot = aj_missing();
        if (load->kind == AJ_RESOLVE) aj_context_resolve(run->context, load->name, slot);
        if (load->kind != AJ_ALIAS) continue;
        *slot = *aj_slot(run, load->alias);
        if (slot->kind == AJ_UNBOUND) {
            return aj_fail(vm, AJ_X_OTHER, "'%.100s' is used before it has a value", load->name->data);
        }
    }
    return aj_step(vm, (uint64_t)frame->count / 4);
}

void aj_leave_frame(aj_run *run, const aj_frame *frame)
{
    for (int i = 0; i < frame->count; i++) run->slots[frame->loads[i].target.slot] = aj_missing();
}

size_t aj_capture_begin(aj_vm *vm)
{
    size_t mark = aj_mark(vm);
    if (vm->capture++ == 0) vm->capture_start = mark;
    return mark;
}

bool aj_capture_end(aj_vm *vm, size_t mark, bool markup, aj_value *out)
{
    vm->capture--;
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = markup;
    return true;
}

void aj_capture_drop(aj_vm *vm, size_t mark)
{
    vm->capture--;
    if (vm->out.size > mark) {
        vm->out.size = mark;
        vm->out.data[mark] = 0;
    }
}

/* --- output --- */

static bool put_part(aj_vm *vm, aj_run *run, const aj_node *part, bool escape)
{
    if (part->kind == AJ_N_DATA) return aj_put(vm, part->value.str->data, part->value.str->size);
    aj_value v;
    bool found = false;
    if (part->foldable) AJ_TRY(aj_fold_finds(vm, run, part, true, &v, &found));
    if (!found) AJ_TRY(aj_eval(vm, run, part, &v));
    return escape ? aj_put_escaped(vm, v) : aj_put_str(vm, v);
}

static bool exec_output(aj_vm *vm, aj_run *run, const aj_node *node)
{
    if (node->checked && aj_root_run(run)->parent_template) return true;
    for (int i = 0; i < node->x.count; i++) {
        AJ_TRY(put_part(vm, run, node->x.at[i], aj_escapes(run, node->escaping)));
    }
    return true;
}

/* The text of a call or filter block: unlike other output it must be a string. */
static bool put_block_result(aj_vm *vm, aj_value v)
{
    if (!aj_is_str(v)) return aj_fail(vm, AJ_X_TYPE, "expected str instance, %s found", aj_type_name(v));
    return aj_put(vm, v.str->data, v.str->size);
}

/* --- assignment --- */

/* `set a.b = x` is only for namespaces. */
static bool check_namespaces(aj_vm *vm, aj_run *run, const aj_node *target)
{
    for (int i = 0; i < target->x.count; i++) AJ_TRY(check_namespaces(vm, run, target->x.at[i]));
    if (target->kind != AJ_N_NSREF) return true;
    aj_value object = *aj_slot(run, target->ref);
    if (object.kind == AJ_NAMESPACE) return true;
    return aj_fail(vm, AJ_X_OTHER, "cannot assign attribute on non-namespace object");
}

static bool exec_assign(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value v;
    AJ_TRY(check_namespaces(vm, run, node->a));
    AJ_TRY(aj_eval(vm, run, node->b, &v));
    vm->line = node->line;
    return aj_assign(vm, run, node->a, v);
}

static aj_flow exec_assign_block(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value v;
    if (!aj_enter_frame(vm, run, &node->frame)) return AJ_FLOW_ERROR;
    size_t mark = aj_capture_begin(vm);
    aj_flow flow = aj_exec(vm, run, &node->x);
    if (flow != AJ_FLOW_NEXT) {
        aj_capture_drop(vm, mark);
        return flow;
    }
    bool filter_escapes = node->b && aj_escapes(run, node->b->escaping);
    if (!aj_capture_end(vm, mark, filter_escapes, &v)) return AJ_FLOW_ERROR;
    vm->block_text = v;
    if (node->b && !aj_eval(vm, run, node->b, &v)) return AJ_FLOW_ERROR;
    bool ok = true;
    if (run->context->eval->autoescape) {
        ok = aj_to_str(vm, v, &v) && aj_str_markup(vm, v, true, &v);
    }
    vm->line = node->line;
    if (!ok || !aj_assign(vm, run, node->a, v)) return AJ_FLOW_ERROR;
    aj_leave_frame(run, &node->frame);
    return AJ_FLOW_NEXT;
}

/* --- blocks --- */

static aj_flow exec_if(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value test;
    if (!aj_eval(vm, run, node->a, &test)) return AJ_FLOW_ERROR;
    if (aj_truth(test)) return aj_exec(vm, run, &node->x);
    for (int i = 0; i < node->y.count; i++) {
        if (!aj_eval(vm, run, node->y.at[i]->a, &test)) return AJ_FLOW_ERROR;
        if (aj_truth(test)) return aj_exec(vm, run, &node->y.at[i]->x);
    }
    return aj_exec(vm, run, &node->z);
}

static aj_flow exec_filter_block(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value v;
    if (!aj_enter_frame(vm, run, &node->frame)) return AJ_FLOW_ERROR;
    size_t mark = aj_capture_begin(vm);
    aj_flow flow = aj_exec(vm, run, &node->x);
    if (flow != AJ_FLOW_NEXT) {
        aj_capture_drop(vm, mark);
        return flow;
    }
    const aj_node *innermost = node->a;
    while (innermost->a) innermost = innermost->a;
    if (!aj_capture_end(vm, mark, aj_escapes(run, innermost->escaping), &v)) return AJ_FLOW_ERROR;
    vm->block_text = v;
    if (!aj_eval(vm, run, node->a, &v) || !put_block_result(vm, v)) return AJ_FLOW_ERROR;
    aj_leave_frame(run, &node->frame);
    return AJ_FLOW_NEXT;
}

static aj_flow exec_with(aj_vm *vm, aj_run *run, const aj_node *node)
{
    if (!aj_enter_frame(vm, run, &node->frame)) return AJ_FLOW_ERROR;
    for (int i = 0; i < node->x.count; i++) {
        aj_value v;
        if (!aj_eval(vm, run, node->y.at[i], &v) || !aj_assign(vm, run, node->x.at[i], v))
            return AJ_FLOW_ERROR;
    }
    aj_flow flow = aj_exec(vm, run, &node->z);
    if (flow == AJ_FLOW_NEXT) aj_leave_frame(run, &node->frame);
    return flow;
}

static aj_flow exec_autoescape(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value on;
    if (!aj_enter_frame(vm, run, &node->frame) || !aj_eval(vm, run, node->a, &on)) return AJ_FLOW_ERROR;
    aj_eval_context *eval = run->context->eval;
    bool was = eval->autoescape;
    eval->autoescape = aj_truth(on);
    aj_flow flow = aj_exec(vm, run, &node->x);
    if (flow != AJ_FLOW_NEXT) return flow; /* break and continue skip the restoring in jinja2 too */
    eval->autoescape = was;
    aj_leave_frame(run, &node->frame);
    return flow;
}

static bool exec_macro(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value macro;
    AJ_TRY(aj_macro_make(vm, run, node->unit, &macro));
    *aj_slot(run, node->ref) = macro;
    return !node->exported || aj_context_set(vm, run->context, node->name, macro, true);
}

/* {% generation %}: where the text lies in what the template has written so far. */
static bool record_generation(aj_vm *vm, const aj_str *text)
{
    size_t start = vm->capture ? vm->capture_start : vm->out.size;
    as_jinja_span span = {start, start + text->size};
    as_buf_add(&vm->spans, &span, sizeof span);
    return vm->spans.failed == AS_OK || aj_fail(vm, AJ_X_MEMORY, "out of memory");
}

static bool exec_call_block(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value caller, v;
    AJ_TRY(aj_macro_make(vm, run, node->unit, &caller));
    if (node->a) {
        AJ_TRY(aj_eval_call(vm, run, node->a, caller, &v));
    } else {
        aj_args none = {0};
        AJ_TRY(aj_macro_call(vm, caller.macro, &none, caller.macro->autoescape, &v));
        AJ_TRY(record_generation(vm, v.str));
    }
    return put_block_result(vm, v);
}

/* --- dispatch --- */

static aj_flow exec_break(aj_vm *vm, aj_run *run, const aj_node *node)
{
    (void)vm;
    (void)run;
    return node->kind == AJ_N_BREAK ? AJ_FLOW_BREAK : AJ_FLOW_CONTINUE;
}

typedef bool simple(aj_vm *vm, aj_run *run, const aj_node *node);
typedef aj_flow compound(aj_vm *vm, aj_run *run, const aj_node *node);

static simple *const simple_statements[] = {
    [AJ_N_OUTPUT] = exec_output,         [AJ_N_MACRO] = exec_macro,
    [AJ_N_CALL_BLOCK] = exec_call_block, [AJ_N_BLOCK] = aj_exec_block,
    [AJ_N_EXTENDS] = aj_exec_extends,    [AJ_N_INCLUDE] = aj_exec_include,
    [AJ_N_IMPORT] = aj_exec_import,      [AJ_N_FROM_IMPORT] = aj_exec_from_import,
    [AJ_N_ASSIGN] = exec_assign,         [AJ_N_CONTINUE] = NULL,
};

static compound *const compound_statements[] = {
    [AJ_N_FOR] = aj_exec_for,
    [AJ_N_IF] = exec_if,
    [AJ_N_FILTER_BLOCK] = exec_filter_block,
    [AJ_N_WITH] = exec_with,
    [AJ_N_ASSIGN_BLOCK] = exec_assign_block,
    [AJ_N_AUTOESCAPE] = exec_autoescape,
    [AJ_N_BREAK] = exec_break,
    [AJ_N_CONTINUE] = exec_break,
};

static aj_flow exec_one(aj_vm *vm, aj_run *run, const aj_node *node)
{
    vm->line = node->line;
    if (!aj_step(vm, 1)) return AJ_FLOW_ERROR;
    if (simple_statements[node->kind]) {
        return simple_statements[node->kind](vm, run, node) ? AJ_FLOW_NEXT : AJ_FLOW_ERROR;
    }
    if (!aj_enter(vm)) return AJ_FLOW_ERROR;
    aj_flow flow = compound_statements[node->kind](vm, run, node);
    aj_leave(vm);
    return flow;
}

aj_flow aj_exec(aj_vm *vm, aj_run *run, const aj_nodes *nodes)
{
    for (int i = 0; i < nodes->count; i++) {
        aj_flow flow = exec_one(vm, run, nodes->at[i]);
        if (flow != AJ_FLOW_NEXT) return flow;
    }
    return AJ_FLOW_NEXT;
}
