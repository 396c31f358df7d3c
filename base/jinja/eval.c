/* Expressions. */
#include <math.h>
#include <string.h>

#include "base/jinja/run.h"

/* --- variables --- */

aj_value *aj_slot(aj_run *run, aj_ref ref)
{
    for (uint32_t i = 0; i < ref.hops; i++) run = run->outer;
    return &run->slots[ref.slot];
}

bool aj_load_slot(aj_vm *vm, aj_run *run, aj_ref ref, aj_str *name, aj_value *out)
{
    *out = *aj_slot(run, ref);
    if (out->kind == AJ_MISSING) return aj_undefined_name(vm, name, out);
    if (out->kind == AJ_UNBOUND) {
        return aj_fail(vm, AJ_X_OTHER, "'%.100s' is used before it has a value", name->data);
    }
    return true;
}

static bool assign_item(aj_vm *vm, aj_run *run, const aj_node *target, aj_value value)
{
    aj_value object = *aj_slot(run, target->ref);
    if (object.kind == AJ_NAMESPACE) return aj_namespace_set(vm, object.dict, target->value, value);
    if (object.kind == AJ_DICT) return aj_dict_set(vm, object.dict, target->value, value);
    return aj_fail(vm, AJ_X_TYPE, "'%s' object does not support item assignment", aj_type_name(object));
}

static bool assign_tuple(aj_vm *vm, aj_run *run, const aj_node *target, aj_value value)
{
    aj_iter *iter;
    aj_list *items;
    AJ_TRY(aj_iter_of(vm, value, &iter));
    AJ_TRY(aj_list_new(vm, target->x.count + 1, &items));
    int more = 1;
    while (items->count <= target->x.count) {
        aj_value item;
        more = aj_iter_next(vm, iter, &item);
        if (more < 0) return false;
        if (!more) break;
        items->items[items->count++] = item;
    }
    if (items->count > target->x.count) {
        return aj_fail(vm, AJ_X_VALUE, "too many values to unpack (expected %d)", target->x.count);
    }
    if (items->count < target->x.count) {
        return aj_fail(vm, AJ_X_VALUE, "not enough values to unpack (expected %d, got %d)", target->x.count,
                       (int)items->count);
    }
    for (int i = 0; i < target->x.count; i++) AJ_TRY(aj_assign(vm, run, target->x.at[i], items->items[i]));
    return true;
}

bool aj_assign(aj_vm *vm, aj_run *run, const aj_node *target, aj_value value)
{
    if (target->kind == AJ_N_TUPLE) return assign_tuple(vm, run, target, value);
    if (target->kind == AJ_N_NSREF) return assign_item(vm, run, target, value);
    *aj_slot(run, target->ref) = value;
    return !target->exported || aj_context_set(vm, run->context, target->name, value, true);
}

bool aj_escapes(const aj_run *run, uint8_t escaping)
{
    return escaping == AJ_ESCAPED || (escaping == AJ_VOLATILE && run->context->eval->autoescape);
}

bool aj_autoescape(const aj_vm *vm)
{
    return vm->context->eval->autoescape;
}

/* --- leaves and literals --- */

static bool eval_name(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    if (vm->folding) return aj_fail(vm, AJ_X_OTHER, "not a constant");
    return aj_load_slot(vm, run, node->ref, node->name, out);
}

static bool eval_const(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    (void)run;
    *out = node->value;
    if (out->kind != AJ_FLOAT || isfinite(out->f) || vm->folding) return true;
    return aj_fail(vm, AJ_X_OTHER, "name 'inf' is not defined"); /* what jinja2 writes into its code */
}

static bool eval_data(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    return aj_str_markup(vm, node->value, aj_escapes(run, node->escaping), out);
}

static bool eval_items(aj_vm *vm, aj_run *run, const aj_nodes *nodes, aj_list **out)
{
    AJ_TRY(aj_list_new(vm, nodes->count, out));
    for (int i = 0; i < nodes->count; i++) {
        AJ_TRY(aj_eval(vm, run, nodes->at[i], &(*out)->items[i]));
        (*out)->count++;
    }
    return true;
}

static bool eval_list(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_list *list;
    AJ_TRY(eval_items(vm, run, &node->x, &list));
    *out = node->kind == AJ_N_LIST ? aj_list_value(list) : aj_tuple_value(list);
    return true;
}

static bool eval_dict(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_dict *dict;
    AJ_TRY(aj_dict_new(vm, &dict));
    for (int i = 0; i < node->x.count; i++) {
        aj_value key, value;
        AJ_TRY(aj_eval(vm, run, node->x.at[i]->a, &key));
        AJ_TRY(aj_eval(vm, run, node->x.at[i]->b, &value));
        AJ_TRY(aj_dict_set(vm, dict, key, value));
    }
    *out = aj_dict_value(dict);
    return true;
}

/* --- operators --- */

static bool eval_cond(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value test;
    AJ_TRY(aj_eval(vm, run, node->a, &test));
    if (aj_truth(test)) return aj_eval(vm, run, node->b, out);
    if (node->c) return aj_eval(vm, run, node->c, out);
    if (vm->folding) return aj_fail(vm, AJ_X_OTHER, "not a constant");
    return aj_undefined_hint(
        vm, "the inline if-expression evaluated to false and no else section was defined", out);
}

static bool eval_and(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    AJ_TRY(aj_eval(vm, run, node->a, out));
    return !aj_truth(*out) || aj_eval(vm, run, node->b, out);
}

static bool eval_or(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    AJ_TRY(aj_eval(vm, run, node->a, out));
    return aj_truth(*out) || aj_eval(vm, run, node->b, out);
}

static bool eval_not(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value v;
    AJ_TRY(aj_eval(vm, run, node->a, &v));
    *out = aj_bool(!aj_truth(v));
    return true;
}

static bool eval_sign(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value v;
    AJ_TRY(aj_eval(vm, run, node->a, &v));
    vm->line = node->line;
    return node->kind == AJ_N_NEG ? aj_negate(vm, v, out) : aj_positive(vm, v, out);
}

static bool eval_binary(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value a, b;
    AJ_TRY(aj_eval(vm, run, node->a, &a));
    AJ_TRY(aj_eval(vm, run, node->b, &b));
    vm->line = node->line;
    return aj_binary(vm, (aj_binop)node->op, a, b, out);
}

static bool eval_compare(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value left, right;
    AJ_TRY(aj_eval(vm, run, node->a, &left));
    bool holds = true;
    for (int i = 0; i < node->x.count && holds; i++) {
        AJ_TRY(aj_eval(vm, run, node->x.at[i]->a, &right));
        vm->line = node->line;
        AJ_TRY(aj_compare(vm, (aj_cmp)node->x.at[i]->op, left, right, &holds));
        left = right;
    }
    *out = aj_bool(holds);
    return true;
}

/* a ~ b: under autoescape the text is escaped from the first marked part on, and before it too. */
static bool eval_concat(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_list *parts;
    AJ_TRY(eval_items(vm, run, &node->x, &parts));
    bool markup = false;
    for (int64_t i = 0; i < parts->count && node->escaping == AJ_ESCAPED && !vm->folding; i++) {
        AJ_TRY(aj_to_str(vm, parts->items[i], &parts->items[i]));
        markup = markup || aj_is_markup(parts->items[i]);
    }
    size_t mark = aj_mark(vm);
    for (int64_t i = 0; i < parts->count; i++) {
        AJ_TRY(markup ? aj_put_escaped(vm, parts->items[i]) : aj_put_str(vm, parts->items[i]));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    return aj_str_markup(vm, *out, markup, out);
}

/* --- attributes and subscripts --- */

static bool eval_getattr(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value v;
    AJ_TRY(aj_eval(vm, run, node->a, &v));
    vm->line = node->line;
    return aj_getattr(vm, v, node->name, out);
}

static bool eval_part(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    *out = aj_none();
    return !node || aj_eval(vm, run, node, out);
}

static bool eval_slice(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_slice *slice = AJ_NEW(vm, aj_slice);
    if (!slice) return false;
    AJ_TRY(eval_part(vm, run, node->a, &slice->start));
    AJ_TRY(eval_part(vm, run, node->b, &slice->stop));
    AJ_TRY(eval_part(vm, run, node->c, &slice->step));
    *out = (aj_value){.kind = AJ_SLICE, .slice = slice};
    return true;
}

static bool eval_getitem(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value v, key;
    AJ_TRY(aj_eval(vm, run, node->a, &v));
    AJ_TRY(aj_eval(vm, run, node->b, &key));
    vm->line = node->line;
    if (node->b->kind == AJ_N_SLICE && !vm->folding) return aj_subscript(vm, v, key, out);
    return aj_getitem(vm, v, key, out);
}

/* --- calls --- */

static bool add_positional(aj_vm *vm, aj_value source, aj_list *pos)
{
    aj_iter *iter;
    aj_value item;
    int more;
    AJ_TRY(aj_iter_of(vm, source, &iter));
    while ((more = aj_iter_next(vm, iter, &item)) > 0) AJ_TRY(aj_list_add(vm, pos, item));
    return more == 0;
}

static bool add_keywords(aj_vm *vm, aj_value source, aj_dict *kw)
{
    if (source.kind != AJ_DICT) {
        return aj_fail(vm, AJ_X_TYPE, "argument after ** must be a mapping, not %s", aj_type_name(source));
    }
    for (int64_t i = 0; i < source.dict->count; i++) {
        aj_value key = source.dict->entries[i].key;
        if (!aj_is_str(key)) return aj_fail(vm, AJ_X_TYPE, "keywords must be strings");
        if (aj_dict_find_str(kw, key.str)) {
            return aj_fail(vm, AJ_X_TYPE, "got multiple values for keyword argument");
        }
        AJ_TRY(aj_dict_set(vm, kw, key, source.dict->entries[i].value));
    }
    return true;
}

/* The arguments of a call, filter or test. caller: AJ_MISSING, or one more keyword. */
bool aj_eval_args(aj_vm *vm, aj_run *run, const aj_node *node, aj_value caller, aj_args *args)
{
    aj_list *pos;
    AJ_TRY(eval_items(vm, run, &node->x, &pos));
    *args = (aj_args){0};
    if (node->y.count || node->c || aj_given(caller)) AJ_TRY(aj_dict_new(vm, &args->kw));
    for (int i = 0; i < node->y.count; i++) {
        aj_value value;
        AJ_TRY(aj_eval(vm, run, node->y.at[i]->a, &value));
        AJ_TRY(aj_dict_set(vm, args->kw, aj_string(node->y.at[i]->name), value));
    }
    if (aj_given(caller)) AJ_TRY(aj_dict_set_text(vm, args->kw, "caller", caller));
    aj_value more;
    if (node->b) {
        AJ_TRY(aj_eval(vm, run, node->b, &more));
        AJ_TRY(add_positional(vm, more, pos));
    }
    if (node->c) {
        AJ_TRY(aj_eval(vm, run, node->c, &more));
        AJ_TRY(add_keywords(vm, more, args->kw));
    }
    args->pos = pos->items;
    args->count = pos->count;
    return true;
}

bool aj_eval_call(aj_vm *vm, aj_run *run, const aj_node *node, aj_value caller, aj_value *out)
{
    aj_value callee;
    aj_args args;
    AJ_TRY(aj_eval(vm, run, node->a, &callee));
    AJ_TRY(aj_eval_args(vm, run, node, caller, &args));
    vm->line = node->line;
    AJ_TRY(aj_call(vm, callee, &args, out));
    vm->line = node->line;
    return true;
}

static bool eval_call(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    if (vm->folding) return aj_fail(vm, AJ_X_OTHER, "not a constant");
    return aj_eval_call(vm, run, node, aj_missing(), out);
}

bool aj_eval_filter_on(aj_vm *vm, aj_run *run, const aj_node *node, aj_value x, aj_value *out)
{
    aj_args args;
    AJ_TRY(aj_eval_args(vm, run, node, aj_missing(), &args));
    vm->line = node->line;
    if (!node->builtin) {
        return aj_fail(vm, AJ_X_OTHER, "No %s named '%.100s' found",
                       node->kind == AJ_N_TEST ? "test" : "filter", node->name->data);
    }
    return aj_call_builtin(vm, node->builtin, x, &args, out);
}

static bool eval_filter(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    aj_value x = vm->block_text;
    if (node->a) AJ_TRY(aj_eval(vm, run, node->a, &x));
    return aj_eval_filter_on(vm, run, node, x, out);
}

typedef bool evaluator(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out);

static evaluator *const evaluators[] = {
    [AJ_N_NAME] = eval_name,     [AJ_N_CONST] = eval_const,     [AJ_N_DATA] = eval_data,
    [AJ_N_TUPLE] = eval_list,    [AJ_N_LIST] = eval_list,       [AJ_N_DICT] = eval_dict,
    [AJ_N_COND] = eval_cond,     [AJ_N_CALL] = eval_call,       [AJ_N_FILTER] = eval_filter,
    [AJ_N_TEST] = eval_filter,   [AJ_N_GETATTR] = eval_getattr, [AJ_N_GETITEM] = eval_getitem,
    [AJ_N_SLICE] = eval_slice,   [AJ_N_CONCAT] = eval_concat,   [AJ_N_COMPARE] = eval_compare,
    [AJ_N_BINARY] = eval_binary, [AJ_N_AND] = eval_and,         [AJ_N_OR] = eval_or,
    [AJ_N_NOT] = eval_not,       [AJ_N_NEG] = eval_sign,        [AJ_N_POS] = eval_sign,
};

bool aj_eval_plain(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    AJ_TRY(aj_step(vm, 1));
    AJ_TRY(aj_enter(vm));
    vm->line = node->line;
    bool ok = evaluators[node->kind](vm, run, node, out);
    aj_leave(vm);
    return ok;
}

/* jinja2 folds operators, filters, tests and subscripts, but not literals by themselves. */
static bool is_folded(const aj_node *node)
{
    switch (node->kind) {
    case AJ_N_CONST:
    case AJ_N_DATA:
    case AJ_N_TUPLE:
    case AJ_N_LIST:
    case AJ_N_DICT:
    case AJ_N_SLICE: return false;
    default: return node->foldable && !node->unoptimized;
    }
}

bool aj_eval(aj_vm *vm, aj_run *run, const aj_node *node, aj_value *out)
{
    if (!vm->folding && is_folded(node)) {
        bool found;
        AJ_TRY(aj_fold_finds(vm, run, node, false, out, &found));
        if (found) return true;
    }
    return aj_eval_plain(vm, run, node, out);
}
