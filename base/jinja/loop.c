/* For loops and the loop variable. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/run.h"

/* --- the loop variable --- */

static bool loop_new(aj_vm *vm, aj_value iterable, int64_t depth0, aj_loop **out)
{
    aj_loop *loop = AJ_NEW(vm, aj_loop);
    if (!loop) return false;
    loop->iterable = iterable;
    loop->index0 = -1;
    loop->length = -1;
    loop->depth0 = depth0;
    *out = loop;
    return aj_iter_of(vm, iterable, &loop->iter);
}

int aj_loop_step(aj_vm *vm, aj_loop *loop, aj_value *item)
{
    if (aj_given(loop->after)) {
        *item = loop->after;
        loop->after = aj_missing();
    } else {
        int more = aj_iter_next(vm, loop->iter, item);
        if (more <= 0) return more;
    }
    loop->index0++;
    loop->before = loop->current;
    loop->current = *item;
    return 1;
}

bool aj_loop_length(aj_vm *vm, aj_loop *loop, int64_t *out)
{
    if (loop->length < 0) {
        if (aj_has_length(loop->iterable)) {
            AJ_TRY(aj_length(vm, loop->iterable, &loop->length));
        } else {
            aj_list *rest;
            aj_value v = {.kind = AJ_ITER, .iter = loop->iter};
            AJ_TRY(aj_collect(vm, v, &rest));
            AJ_TRY(aj_iter_of(vm, aj_list_value(rest), &loop->iter));
            loop->length = rest->count + loop->index0 + 1 + aj_given(loop->after);
        }
    }
    *out = loop->length;
    return true;
}

/* The item after this one, AJ_MISSING at the end. */
static bool peek(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    if (!aj_given(loop->after)) {
        int more = aj_iter_next(vm, loop->iter, &loop->after);
        if (more < 0) return false;
        if (!more) loop->after = aj_missing();
    }
    *out = loop->after;
    return true;
}

static bool loop_index(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    (void)vm;
    *out = aj_int(loop->index0 + 1);
    return true;
}

static bool loop_index0(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    (void)vm;
    *out = aj_int(loop->index0);
    return true;
}

static bool loop_length(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    *out = aj_int(0);
    return aj_loop_length(vm, loop, &out->i);
}

static bool loop_revindex(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    AJ_TRY(loop_length(vm, loop, out));
    out->i -= loop->index0;
    return true;
}

static bool loop_revindex0(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    AJ_TRY(loop_length(vm, loop, out));
    out->i -= loop->index0 + 1;
    return true;
}

static bool loop_first(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    (void)vm;
    *out = aj_bool(loop->index0 == 0);
    return true;
}

static bool loop_last(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    aj_value next;
    AJ_TRY(peek(vm, loop, &next));
    *out = aj_bool(!aj_given(next));
    return true;
}

static bool loop_depth(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    (void)vm;
    *out = aj_int(loop->depth0 + 1);
    return true;
}

static bool loop_depth0(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    (void)vm;
    *out = aj_int(loop->depth0);
    return true;
}

static bool loop_previtem(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    if (loop->index0 == 0) return aj_undefined_hint(vm, "there is no previous item", out);
    *out = loop->before;
    return true;
}

static bool loop_nextitem(aj_vm *vm, aj_loop *loop, aj_value *out)
{
    AJ_TRY(peek(vm, loop, out));
    return aj_given(*out) || aj_undefined_hint(vm, "there is no next item", out);
}

static const struct {
    const char *name;
    bool (*get)(aj_vm *vm, aj_loop *loop, aj_value *out);
} attributes[] = {
    {"index", loop_index},       {"index0", loop_index0},     {"first", loop_first},
    {"last", loop_last},         {"length", loop_length},     {"depth", loop_depth},
    {"depth0", loop_depth0},     {"revindex", loop_revindex}, {"revindex0", loop_revindex0},
    {"previtem", loop_previtem}, {"nextitem", loop_nextitem},
};

bool aj_loop_attribute(aj_vm *vm, aj_loop *loop, const aj_str *name, bool *found, aj_value *out)
{
    aj_value text = aj_string((aj_str *)name);
    *found = true;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (aj_str_is(text, attributes[i].name)) return attributes[i].get(vm, loop, out);
    }
    const aj_builtin *method = aj_builtin_find(aj_loop_methods, name->data, name->size);
    aj_value self = {.kind = AJ_LOOP, .loop = loop};
    if (method) return aj_bind_method(vm, method, self, out);
    *found = false;
    return true;
}

bool aj_loop_repr(aj_vm *vm, aj_loop *loop)
{
    int64_t length;
    AJ_TRY(aj_loop_length(vm, loop, &length));
    char room[80];
    snprintf(room, sizeof room, "<LoopContext %lld/%lld>", (long long)loop->index0 + 1, (long long)length);
    return aj_put_text(vm, room);
}

static bool loop_cycle(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    if (args->kw && args->kw->count) return aj_fail(vm, AJ_X_TYPE, "cycle() takes no keyword arguments");
    if (args->count == 0) return aj_fail(vm, AJ_X_TYPE, "no items for cycling given");
    int64_t i = self.loop->index0 % args->count;
    *out = args->pos[i < 0 ? i + args->count : i];
    return true;
}

static bool loop_changed(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    if (args->kw && args->kw->count) return aj_fail(vm, AJ_X_TYPE, "changed() takes no keyword arguments");
    aj_list *values;
    bool same = false;
    AJ_TRY(aj_list_new(vm, args->count, &values));
    for (int64_t i = 0; i < args->count; i++) AJ_TRY(aj_list_add(vm, values, args->pos[i]));
    aj_value now = aj_tuple_value(values);
    if (aj_given(self.loop->changed)) AJ_TRY(aj_equal(vm, self.loop->changed, now, &same));
    if (!same) self.loop->changed = now;
    *out = aj_bool(!same);
    return true;
}

const aj_builtin aj_loop_methods[] = {
    {"cycle", "*", 0, loop_cycle},
    {"changed", "*", 0, loop_changed},
    {NULL, NULL, 0, NULL},
};

/* --- running --- */

typedef struct filter_state {
    aj_run *run; /* of the filter's function */
    const aj_node *node;
    aj_iter *source;
    bool started;
} filter_state;

/* What the target holds, as a tuple when it is one: the generator hands that on, not the item. */
static bool read_target(aj_vm *vm, aj_run *run, const aj_node *target, aj_value *out)
{
    if (target->kind != AJ_N_TUPLE) {
        *out = *aj_slot(run, target->ref);
        return true;
    }
    aj_list *items;
    AJ_TRY(aj_list_new(vm, target->x.count, &items));
    for (int i = 0; i < target->x.count; i++) {
        AJ_TRY(read_target(vm, run, target->x.at[i], &items->items[i]));
        items->count++;
    }
    *out = aj_tuple_value(items);
    return true;
}

/* Draws from the loop's iterable what its condition lets through. */
static int filter_next(aj_vm *vm, aj_iter *iter, aj_value *out)
{
    filter_state *state = iter->state;
    if (!state->started) {
        state->started = true;
        if (!aj_enter_frame(vm, state->run, &state->node->test_frame)) return -1;
        if (!aj_iter_of(vm, iter->source, &state->source)) return -1;
    }
    for (;;) {
        aj_value item, holds;
        int more = aj_iter_next(vm, state->source, &item);
        if (more <= 0) return more;
        if (!aj_assign(vm, state->run, state->node->test_target, item)) return -1;
        if (!aj_eval(vm, state->run, state->node->c, &holds)) return -1;
        if (!aj_truth(holds)) continue;
        return read_target(vm, state->run, state->node->test_target, out) ? 1 : -1;
    }
}

static bool make_filter(aj_vm *vm, aj_run *outer, const aj_node *node, aj_value iterable, aj_value *out)
{
    filter_state *state = AJ_NEW(vm, filter_state);
    if (!state) return false;
    state->node = node;
    AJ_TRY(aj_run_new(vm, node->test_unit, outer, outer->context, &state->run));
    return aj_iter_make(vm, filter_next, "generator", iterable, state, out);
}

/* One pass through the body; *complete tells that it reached its end. */
static aj_flow run_body(aj_vm *vm, aj_run *run, const aj_node *node, aj_value item, aj_loop *loop,
                        bool *complete)
{
    aj_value v = {.kind = AJ_LOOP, .loop = loop};
    if (!aj_assign(vm, run, node->a, item)) return AJ_FLOW_ERROR;
    if (loop) *aj_slot(run, node->ref) = v;
    if (!aj_enter_frame(vm, run, &node->frame)) return AJ_FLOW_ERROR;
    aj_flow flow = aj_exec(vm, run, &node->x);
    if (flow == AJ_FLOW_NEXT) *complete = true;
    return flow;
}

static aj_flow run_loop(aj_vm *vm, aj_run *run, const aj_node *node, aj_value iterable, aj_loop *loop)
{
    aj_iter *iter = NULL;
    bool complete = false;
    if (!loop && !aj_iter_of(vm, iterable, &iter)) return AJ_FLOW_ERROR;
    for (;;) {
        aj_value item;
        if (!aj_step(vm, 1)) return AJ_FLOW_ERROR;
        int more = loop ? aj_loop_step(vm, loop, &item) : aj_iter_next(vm, iter, &item);
        if (more < 0) return AJ_FLOW_ERROR;
        if (!more) break;
        aj_flow flow = run_body(vm, run, node, item, loop, &complete);
        if (flow == AJ_FLOW_ERROR) return flow;
        if (flow == AJ_FLOW_BREAK) break;
    }
    if (!node->python_scope) aj_leave_frame(run, &node->frame);
    /* as in jinja2, a loop none of whose rounds reached the end of its body counts as empty */
    if (!node->has_else || complete) return AJ_FLOW_NEXT;
    if (!aj_enter_frame(vm, run, &node->else_frame)) return AJ_FLOW_ERROR;
    aj_flow flow = aj_exec(vm, run, &node->y);
    if (flow == AJ_FLOW_NEXT) aj_leave_frame(run, &node->else_frame);
    return flow;
}

/* A recursive loop is a function of its own, which loop(...) calls again. */
static bool run_recursive(aj_vm *vm, aj_run *outer, const aj_node *node, aj_value iterable, int64_t depth,
                          aj_value *out)
{
    aj_run *run;
    aj_loop *loop;
    AJ_TRY(aj_enter(vm));
    AJ_TRY(aj_run_new(vm, node->unit, outer, outer->context, &run));
    *aj_slot(run, node->ref) = aj_missing();
    size_t mark = aj_capture_begin(vm);
    if (node->c) AJ_TRY(make_filter(vm, outer, node, iterable, &iterable));
    AJ_TRY(loop_new(vm, iterable, depth, &loop));
    loop->node = node;
    loop->outer = outer;
    if (run_loop(vm, run, node, iterable, loop) == AJ_FLOW_ERROR) return false;
    aj_leave(vm);
    return aj_capture_end(vm, mark, aj_escapes(run, node->escaping), out);
}

bool aj_loop_call(aj_vm *vm, aj_loop *loop, const aj_args *args, aj_value *out)
{
    if (args->count != 1 || (args->kw && args->kw->count)) {
        return aj_fail(vm, AJ_X_TYPE, "loop() takes one argument");
    }
    if (!loop->node) {
        return aj_fail(vm, AJ_X_TYPE, "The loop must have the 'recursive' marker to be called recursively.");
    }
    int line = vm->line;
    AJ_TRY(run_recursive(vm, loop->outer, loop->node, args->pos[0], loop->depth0 + 1, out));
    vm->line = line;
    return true;
}

aj_flow aj_exec_for(aj_vm *vm, aj_run *run, const aj_node *node)
{
    aj_value iterable, text;
    aj_loop *loop = NULL;
    if (!aj_eval(vm, run, node->b, &iterable)) return AJ_FLOW_ERROR;
    vm->line = node->line;
    if (node->recursive) {
        if (!run_recursive(vm, run, node, iterable, 0, &text)) return AJ_FLOW_ERROR;
        return aj_put(vm, text.str->data, text.str->size) ? AJ_FLOW_NEXT : AJ_FLOW_ERROR;
    }
    if (node->extended) *aj_slot(run, node->ref) = aj_missing();
    if (node->c && !make_filter(vm, run, node, iterable, &iterable)) return AJ_FLOW_ERROR;
    if (node->extended && !loop_new(vm, iterable, 0, &loop)) return AJ_FLOW_ERROR;
    return run_loop(vm, run, node, iterable, loop);
}
