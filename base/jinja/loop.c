/* For loops and the loop variable. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/run.h"

/* --- the loop variable --- */

static bool loop_new(as_jinja_vm *vm, as_jinja_value iterable, int64_t depth0, as_jinja_loop **out)
{
    as_jinja_loop *loop = AS_JINJA_NEW(vm, as_jinja_loop);
    if (!loop) return false;
    loop->iterable = iterable;
    loop->index0 = -1;
    loop->length = -1;
    loop->depth0 = depth0;
    *out = loop;
    return as_jinja_iter_of(vm, iterable, &loop->iter);
}

int as_jinja_loop_step(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *item)
{
    if (as_jinja_given(loop->after)) {
        *item = loop->after;
        loop->after = as_jinja_missing();
    } else {
        int more = as_jinja_iter_next(vm, loop->iter, item);
        if (more <= 0) return more;
    }
    loop->index0++;
    loop->before = loop->current;
    loop->current = *item;
    return 1;
}

bool as_jinja_loop_length(as_jinja_vm *vm, as_jinja_loop *loop, int64_t *out)
{
    if (loop->length < 0) {
        if (as_jinja_has_length(loop->iterable)) {
            AS_JINJA_TRY(as_jinja_length(vm, loop->iterable, &loop->length));
        } else {
            as_jinja_list *rest;
            as_jinja_value v = {.kind = AS_JINJA_ITER, .iter = loop->iter};
            AS_JINJA_TRY(as_jinja_collect(vm, v, &rest));
            AS_JINJA_TRY(as_jinja_iter_of(vm, as_jinja_list_value(rest), &loop->iter));
            loop->length = rest->count + loop->index0 + 1 + as_jinja_given(loop->after);
        }
    }
    *out = loop->length;
    return true;
}

/* The item after this one, AS_JINJA_MISSING at the end. */
static bool peek(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    if (!as_jinja_given(loop->after)) {
        int more = as_jinja_iter_next(vm, loop->iter, &loop->after);
        if (more < 0) return false;
        if (!more) loop->after = as_jinja_missing();
    }
    *out = loop->after;
    return true;
}

static bool loop_index(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    (void)vm;
    *out = as_jinja_int(loop->index0 + 1);
    return true;
}

static bool loop_index0(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    (void)vm;
    *out = as_jinja_int(loop->index0);
    return true;
}

static bool loop_length(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    *out = as_jinja_int(0);
    return as_jinja_loop_length(vm, loop, &out->i);
}

static bool loop_revindex(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    AS_JINJA_TRY(loop_length(vm, loop, out));
    out->i -= loop->index0;
    return true;
}

static bool loop_revindex0(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    AS_JINJA_TRY(loop_length(vm, loop, out));
    out->i -= loop->index0 + 1;
    return true;
}

static bool loop_first(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    (void)vm;
    *out = as_jinja_bool(loop->index0 == 0);
    return true;
}

static bool loop_last(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    as_jinja_value next;
    AS_JINJA_TRY(peek(vm, loop, &next));
    *out = as_jinja_bool(!as_jinja_given(next));
    return true;
}

static bool loop_depth(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    (void)vm;
    *out = as_jinja_int(loop->depth0 + 1);
    return true;
}

static bool loop_depth0(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    (void)vm;
    *out = as_jinja_int(loop->depth0);
    return true;
}

static bool loop_previtem(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    if (loop->index0 == 0) return as_jinja_undefined_hint(vm, "there is no previous item", out);
    *out = loop->before;
    return true;
}

static bool loop_nextitem(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out)
{
    AS_JINJA_TRY(peek(vm, loop, out));
    return as_jinja_given(*out) || as_jinja_undefined_hint(vm, "there is no next item", out);
}

static const struct {
    const char *name;
    bool (*get)(as_jinja_vm *vm, as_jinja_loop *loop, as_jinja_value *out);
} attributes[] = {
    {"index", loop_index},       {"index0", loop_index0},     {"first", loop_first},
    {"last", loop_last},         {"length", loop_length},     {"depth", loop_depth},
    {"depth0", loop_depth0},     {"revindex", loop_revindex}, {"revindex0", loop_revindex0},
    {"previtem", loop_previtem}, {"nextitem", loop_nextitem},
};

bool as_jinja_loop_attribute(as_jinja_vm *vm, as_jinja_loop *loop, const as_jinja_str *name, bool *found,
                             as_jinja_value *out)
{
    as_jinja_value text = as_jinja_string((as_jinja_str *)name);
    *found = true;
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
        if (as_jinja_str_is(text, attributes[i].name)) return attributes[i].get(vm, loop, out);
    }
    const as_jinja_builtin *method = as_jinja_builtin_find(as_jinja_loop_methods, name->data, name->size);
    as_jinja_value self = {.kind = AS_JINJA_LOOP, .loop = loop};
    if (method) return as_jinja_bind_method(vm, method, self, out);
    *found = false;
    return true;
}

bool as_jinja_loop_repr(as_jinja_vm *vm, as_jinja_loop *loop)
{
    int64_t length;
    AS_JINJA_TRY(as_jinja_loop_length(vm, loop, &length));
    char room[80];
    snprintf(room, sizeof room, "<LoopContext %lld/%lld>", (long long)loop->index0 + 1, (long long)length);
    return as_jinja_put_text(vm, room);
}

static bool loop_cycle(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    if (args->kw && args->kw->count)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "cycle() takes no keyword arguments");
    if (args->count == 0) return as_jinja_fail(vm, AS_JINJA_X_TYPE, "no items for cycling given");
    int64_t i = self.loop->index0 % args->count;
    *out = args->pos[i < 0 ? i + args->count : i];
    return true;
}

static bool loop_changed(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    if (args->kw && args->kw->count)
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "changed() takes no keyword arguments");
    as_jinja_list *values;
    bool same = false;
    AS_JINJA_TRY(as_jinja_list_new(vm, args->count, &values));
    for (int64_t i = 0; i < args->count; i++) AS_JINJA_TRY(as_jinja_list_add(vm, values, args->pos[i]));
    as_jinja_value now = as_jinja_tuple_value(values);
    if (as_jinja_given(self.loop->changed)) AS_JINJA_TRY(as_jinja_equal(vm, self.loop->changed, now, &same));
    if (!same) self.loop->changed = now;
    *out = as_jinja_bool(!same);
    return true;
}

const as_jinja_builtin as_jinja_loop_methods[] = {
    {"cycle", "*", 0, loop_cycle},
    {"changed", "*", 0, loop_changed},
    {NULL, NULL, 0, NULL},
};

/* --- running --- */

typedef struct filter_state {
    as_jinja_run *run; /* of the filter's function */
    const as_jinja_node *node;
    as_jinja_iter *source;
    bool started;
} filter_state;

/* What the target holds, as a tuple when it is one: the generator hands that on, not the item. */
static bool read_target(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target, as_jinja_value *out)
{
    if (target->kind != AS_JINJA_N_TUPLE) {
        *out = *as_jinja_slot(run, target->ref);
        return true;
    }
    as_jinja_list *items;
    AS_JINJA_TRY(as_jinja_list_new(vm, target->x.count, &items));
    for (int i = 0; i < target->x.count; i++) {
        AS_JINJA_TRY(read_target(vm, run, target->x.at[i], &items->items[i]));
        items->count++;
    }
    *out = as_jinja_tuple_value(items);
    return true;
}

/* Draws from the loop's iterable what its condition lets through. */
static int filter_next(as_jinja_vm *vm, as_jinja_iter *iter, as_jinja_value *out)
{
    filter_state *state = iter->state;
    if (!state->started) {
        state->started = true;
        if (!as_jinja_enter_frame(vm, state->run, &state->node->test_frame)) return -1;
        if (!as_jinja_iter_of(vm, iter->source, &state->source)) return -1;
    }
    for (;;) {
        as_jinja_value item, holds;
        int more = as_jinja_iter_next(vm, state->source, &item);
        if (more <= 0) return more;
        if (!as_jinja_assign(vm, state->run, state->node->test_target, item)) return -1;
        if (!as_jinja_eval(vm, state->run, state->node->c, &holds)) return -1;
        if (!as_jinja_truth(holds)) continue;
        return read_target(vm, state->run, state->node->test_target, out) ? 1 : -1;
    }
}

static bool make_filter(as_jinja_vm *vm, as_jinja_run *outer, const as_jinja_node *node,
                        as_jinja_value iterable, as_jinja_value *out)
{
    filter_state *state = AS_JINJA_NEW(vm, filter_state);
    if (!state) return false;
    state->node = node;
    AS_JINJA_TRY(as_jinja_run_new(vm, node->test_unit, outer, outer->context, &state->run));
    return as_jinja_iter_make(vm, filter_next, "generator", iterable, state, out);
}

/* One pass through the body; *complete tells that it reached its end. */
static as_jinja_flow run_body(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node,
                              as_jinja_value item, as_jinja_loop *loop, bool *complete)
{
    as_jinja_value v = {.kind = AS_JINJA_LOOP, .loop = loop};
    if (!as_jinja_assign(vm, run, node->a, item)) return AS_JINJA_FLOW_ERROR;
    if (loop) *as_jinja_slot(run, node->ref) = v;
    if (!as_jinja_enter_frame(vm, run, &node->frame)) return AS_JINJA_FLOW_ERROR;
    as_jinja_flow flow = as_jinja_exec(vm, run, &node->x);
    if (flow == AS_JINJA_FLOW_NEXT) *complete = true;
    return flow;
}

static as_jinja_flow run_loop(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node,
                              as_jinja_value iterable, as_jinja_loop *loop)
{
    as_jinja_iter *iter = NULL;
    bool complete = false;
    if (!loop && !as_jinja_iter_of(vm, iterable, &iter)) return AS_JINJA_FLOW_ERROR;
    for (;;) {
        as_jinja_value item;
        if (!as_jinja_step(vm, 1)) return AS_JINJA_FLOW_ERROR;
        int more = loop ? as_jinja_loop_step(vm, loop, &item) : as_jinja_iter_next(vm, iter, &item);
        if (more < 0) return AS_JINJA_FLOW_ERROR;
        if (!more) break;
        as_jinja_flow flow = run_body(vm, run, node, item, loop, &complete);
        if (flow == AS_JINJA_FLOW_ERROR) return flow;
        if (flow == AS_JINJA_FLOW_BREAK) break;
    }
    if (!node->python_scope) as_jinja_leave_frame(run, &node->frame);
    /* as in jinja2, a loop none of whose rounds reached the end of its body counts as empty */
    if (!node->has_else || complete) return AS_JINJA_FLOW_NEXT;
    if (!as_jinja_enter_frame(vm, run, &node->else_frame)) return AS_JINJA_FLOW_ERROR;
    as_jinja_flow flow = as_jinja_exec(vm, run, &node->y);
    if (flow == AS_JINJA_FLOW_NEXT) as_jinja_leave_frame(run, &node->else_frame);
    return flow;
}

/* A recursive loop is a function of its own, which loop(...) calls again. */
static bool run_recursive(as_jinja_vm *vm, as_jinja_run *outer, const as_jinja_node *node,
                          as_jinja_value iterable, int64_t depth, as_jinja_value *out)
{
    as_jinja_run *run;
    as_jinja_loop *loop;
    AS_JINJA_TRY(as_jinja_enter(vm));
    AS_JINJA_TRY(as_jinja_run_new(vm, node->unit, outer, outer->context, &run));
    *as_jinja_slot(run, node->ref) = as_jinja_missing();
    size_t mark = as_jinja_capture_begin(vm);
    if (node->c) AS_JINJA_TRY(make_filter(vm, outer, node, iterable, &iterable));
    AS_JINJA_TRY(loop_new(vm, iterable, depth, &loop));
    loop->node = node;
    loop->outer = outer;
    if (run_loop(vm, run, node, iterable, loop) == AS_JINJA_FLOW_ERROR) return false;
    as_jinja_leave(vm);
    return as_jinja_capture_end(vm, mark, as_jinja_escapes(run, node->escaping), out);
}

bool as_jinja_loop_call(as_jinja_vm *vm, as_jinja_loop *loop, const as_jinja_args *args, as_jinja_value *out)
{
    if (args->count != 1 || (args->kw && args->kw->count)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "loop() takes one argument");
    }
    if (!loop->node) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE,
                             "The loop must have the 'recursive' marker to be called recursively.");
    }
    int line = vm->line;
    AS_JINJA_TRY(run_recursive(vm, loop->outer, loop->node, args->pos[0], loop->depth0 + 1, out));
    vm->line = line;
    return true;
}

as_jinja_flow as_jinja_exec_for(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node)
{
    as_jinja_value iterable, text;
    as_jinja_loop *loop = NULL;
    if (!as_jinja_eval(vm, run, node->b, &iterable)) return AS_JINJA_FLOW_ERROR;
    vm->line = node->line;
    if (node->recursive) {
        if (!run_recursive(vm, run, node, iterable, 0, &text)) return AS_JINJA_FLOW_ERROR;
        return as_jinja_put(vm, text.str->data, text.str->size) ? AS_JINJA_FLOW_NEXT : AS_JINJA_FLOW_ERROR;
    }
    if (node->extended) *as_jinja_slot(run, node->ref) = as_jinja_missing();
    if (node->c && !make_filter(vm, run, node, iterable, &iterable)) return AS_JINJA_FLOW_ERROR;
    if (node->extended && !loop_new(vm, iterable, 0, &loop)) return AS_JINJA_FLOW_ERROR;
    return run_loop(vm, run, node, iterable, loop);
}
