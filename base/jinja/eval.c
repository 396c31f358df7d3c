/* Expressions. */
#include <math.h>
#include <string.h>

#include "base/jinja/run.h"

/* --- variables --- */

as_jinja_value *as_jinja_slot(as_jinja_run *run, as_jinja_ref ref)
{
    for (uint32_t i = 0; i < ref.hops; i++) run = run->outer;
    return &run->slots[ref.slot];
}

bool as_jinja_load_slot(as_jinja_vm *vm, as_jinja_run *run, as_jinja_ref ref, as_jinja_str *name,
                        as_jinja_value *out)
{
    *out = *as_jinja_slot(run, ref);
    if (out->kind == AS_JINJA_MISSING) return as_jinja_undefined_name(vm, name, out);
    if (out->kind == AS_JINJA_UNBOUND) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "'%.100s' is used before it has a value", name->data);
    }
    return true;
}

static bool assign_item(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target, as_jinja_value value)
{
    as_jinja_value object = *as_jinja_slot(run, target->ref);
    if (object.kind == AS_JINJA_NAMESPACE)
        return as_jinja_namespace_set(vm, object.dict, target->value, value);
    if (object.kind == AS_JINJA_DICT) return as_jinja_dict_set(vm, object.dict, target->value, value);
    return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object does not support item assignment",
                         as_jinja_type_name(object));
}

static bool assign_tuple(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target,
                         as_jinja_value value)
{
    as_jinja_iter *iter;
    as_jinja_list *items;
    AS_JINJA_TRY(as_jinja_iter_of(vm, value, &iter));
    AS_JINJA_TRY(as_jinja_list_new(vm, target->x.count + 1, &items));
    int more = 1;
    while (items->count <= target->x.count) {
        as_jinja_value item;
        more = as_jinja_iter_next(vm, iter, &item);
        if (more < 0) return false;
        if (!more) break;
        items->items[items->count++] = item;
    }
    if (items->count > target->x.count) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "too many values to unpack (expected %d)",
                             target->x.count);
    }
    if (items->count < target->x.count) {
        return as_jinja_fail(vm, AS_JINJA_X_VALUE, "not enough values to unpack (expected %d, got %d)",
                             target->x.count, (int)items->count);
    }
    for (int i = 0; i < target->x.count; i++)
        AS_JINJA_TRY(as_jinja_assign(vm, run, target->x.at[i], items->items[i]));
    return true;
}

bool as_jinja_assign(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *target, as_jinja_value value)
{
    if (target->kind == AS_JINJA_N_TUPLE) return assign_tuple(vm, run, target, value);
    if (target->kind == AS_JINJA_N_NSREF) return assign_item(vm, run, target, value);
    *as_jinja_slot(run, target->ref) = value;
    return !target->exported || as_jinja_context_set(vm, run->context, target->name, value, true);
}

bool as_jinja_escapes(const as_jinja_run *run, uint8_t escaping)
{
    return escaping == AS_JINJA_ESCAPED || (escaping == AS_JINJA_VOLATILE && run->context->eval->autoescape);
}

bool as_jinja_autoescape(const as_jinja_vm *vm)
{
    return vm->context->eval->autoescape;
}

/* --- leaves and literals --- */

static bool eval_name(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    if (vm->folding) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "not a constant");
    return as_jinja_load_slot(vm, run, node->ref, node->name, out);
}

static bool eval_const(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    (void)run;
    *out = node->value;
    if (out->kind != AS_JINJA_FLOAT || isfinite(out->f) || vm->folding) return true;
    return as_jinja_fail(vm, AS_JINJA_X_OTHER,
                         "name 'inf' is not defined"); /* what jinja2 writes into its code */
}

static bool eval_data(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    return as_jinja_str_markup(vm, node->value, as_jinja_escapes(run, node->escaping), out);
}

static bool eval_items(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_nodes *nodes, as_jinja_list **out)
{
    AS_JINJA_TRY(as_jinja_list_new(vm, nodes->count, out));
    for (int i = 0; i < nodes->count; i++) {
        AS_JINJA_TRY(as_jinja_eval(vm, run, nodes->at[i], &(*out)->items[i]));
        (*out)->count++;
    }
    return true;
}

static bool eval_list(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_list *list;
    AS_JINJA_TRY(eval_items(vm, run, &node->x, &list));
    *out = node->kind == AS_JINJA_N_LIST ? as_jinja_list_value(list) : as_jinja_tuple_value(list);
    return true;
}

static bool eval_dict(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_dict *dict;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &dict));
    for (int i = 0; i < node->x.count; i++) {
        as_jinja_value key, value;
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->x.at[i]->a, &key));
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->x.at[i]->b, &value));
        AS_JINJA_TRY(as_jinja_dict_set(vm, dict, key, value));
    }
    *out = as_jinja_dict_value(dict);
    return true;
}

/* --- operators --- */

static bool eval_cond(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value test;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &test));
    if (as_jinja_truth(test)) return as_jinja_eval(vm, run, node->b, out);
    if (node->c) return as_jinja_eval(vm, run, node->c, out);
    if (vm->folding) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "not a constant");
    return as_jinja_undefined_hint(
        vm, "the inline if-expression evaluated to false and no else section was defined", out);
}

static bool eval_and(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, out));
    return !as_jinja_truth(*out) || as_jinja_eval(vm, run, node->b, out);
}

static bool eval_or(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, out));
    return as_jinja_truth(*out) || as_jinja_eval(vm, run, node->b, out);
}

static bool eval_not(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value v;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &v));
    *out = as_jinja_bool(!as_jinja_truth(v));
    return true;
}

static bool eval_sign(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value v;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &v));
    vm->line = node->line;
    return node->kind == AS_JINJA_N_NEG ? as_jinja_negate(vm, v, out) : as_jinja_positive(vm, v, out);
}

static bool eval_binary(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value a, b;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &a));
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->b, &b));
    vm->line = node->line;
    return as_jinja_binary(vm, (as_jinja_binop)node->op, a, b, out);
}

static bool eval_compare(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value left, right;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &left));
    bool holds = true;
    for (int i = 0; i < node->x.count && holds; i++) {
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->x.at[i]->a, &right));
        vm->line = node->line;
        AS_JINJA_TRY(as_jinja_compare(vm, (as_jinja_cmp)node->x.at[i]->op, left, right, &holds));
        left = right;
    }
    *out = as_jinja_bool(holds);
    return true;
}

/* a ~ b: under autoescape the text is escaped from the first marked part on, and before it too. */
static bool eval_concat(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_list *parts;
    AS_JINJA_TRY(eval_items(vm, run, &node->x, &parts));
    bool markup = false;
    for (int64_t i = 0; i < parts->count && node->escaping == AS_JINJA_ESCAPED && !vm->folding; i++) {
        AS_JINJA_TRY(as_jinja_to_str(vm, parts->items[i], &parts->items[i]));
        markup = markup || as_jinja_is_markup(parts->items[i]);
    }
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < parts->count; i++) {
        AS_JINJA_TRY(markup ? as_jinja_put_escaped(vm, parts->items[i])
                            : as_jinja_put_str(vm, parts->items[i]));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    return as_jinja_str_markup(vm, *out, markup, out);
}

/* --- attributes and subscripts --- */

static bool eval_getattr(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value v;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &v));
    vm->line = node->line;
    return as_jinja_getattr(vm, v, node->name, out);
}

static bool eval_part(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    *out = as_jinja_none();
    return !node || as_jinja_eval(vm, run, node, out);
}

static bool eval_slice(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_slice *slice = AS_JINJA_NEW(vm, as_jinja_slice);
    if (!slice) return false;
    AS_JINJA_TRY(eval_part(vm, run, node->a, &slice->start));
    AS_JINJA_TRY(eval_part(vm, run, node->b, &slice->stop));
    AS_JINJA_TRY(eval_part(vm, run, node->c, &slice->step));
    *out = (as_jinja_value){.kind = AS_JINJA_SLICE, .slice = slice};
    return true;
}

static bool eval_getitem(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value v, key;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &v));
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->b, &key));
    vm->line = node->line;
    if (node->b->kind == AS_JINJA_N_SLICE && !vm->folding) return as_jinja_subscript(vm, v, key, out);
    return as_jinja_getitem(vm, v, key, out);
}

/* --- calls --- */

static bool add_positional(as_jinja_vm *vm, as_jinja_value source, as_jinja_list *pos)
{
    as_jinja_iter *iter;
    as_jinja_value item;
    int more;
    AS_JINJA_TRY(as_jinja_iter_of(vm, source, &iter));
    while ((more = as_jinja_iter_next(vm, iter, &item)) > 0) AS_JINJA_TRY(as_jinja_list_add(vm, pos, item));
    return more == 0;
}

static bool add_keywords(as_jinja_vm *vm, as_jinja_value source, as_jinja_dict *kw)
{
    if (source.kind != AS_JINJA_DICT) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "argument after ** must be a mapping, not %s",
                             as_jinja_type_name(source));
    }
    for (int64_t i = 0; i < source.dict->count; i++) {
        as_jinja_value key = source.dict->entries[i].key;
        if (!as_jinja_is_str(key)) return as_jinja_fail(vm, AS_JINJA_X_TYPE, "keywords must be strings");
        if (as_jinja_dict_find_str(kw, key.str)) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "got multiple values for keyword argument");
        }
        AS_JINJA_TRY(as_jinja_dict_set(vm, kw, key, source.dict->entries[i].value));
    }
    return true;
}

/* The arguments of a call, filter or test. caller: AS_JINJA_MISSING, or one more keyword. */
bool as_jinja_eval_args(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value caller,
                        as_jinja_args *args)
{
    as_jinja_list *pos;
    AS_JINJA_TRY(eval_items(vm, run, &node->x, &pos));
    *args = (as_jinja_args){0};
    if (node->y.count || node->c || as_jinja_given(caller)) AS_JINJA_TRY(as_jinja_dict_new(vm, &args->kw));
    for (int i = 0; i < node->y.count; i++) {
        as_jinja_value value;
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->y.at[i]->a, &value));
        AS_JINJA_TRY(as_jinja_dict_set(vm, args->kw, as_jinja_string(node->y.at[i]->name), value));
    }
    if (as_jinja_given(caller)) AS_JINJA_TRY(as_jinja_dict_set_text(vm, args->kw, "caller", caller));
    as_jinja_value more;
    if (node->b) {
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->b, &more));
        AS_JINJA_TRY(add_positional(vm, more, pos));
    }
    if (node->c) {
        AS_JINJA_TRY(as_jinja_eval(vm, run, node->c, &more));
        AS_JINJA_TRY(add_keywords(vm, more, args->kw));
    }
    args->pos = pos->items;
    args->count = pos->count;
    return true;
}

bool as_jinja_eval_call(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value caller,
                        as_jinja_value *out)
{
    as_jinja_value callee;
    as_jinja_args args;
    AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &callee));
    AS_JINJA_TRY(as_jinja_eval_args(vm, run, node, caller, &args));
    vm->line = node->line;
    AS_JINJA_TRY(as_jinja_call(vm, callee, &args, out));
    vm->line = node->line;
    return true;
}

static bool eval_call(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    if (vm->folding) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "not a constant");
    return as_jinja_eval_call(vm, run, node, as_jinja_missing(), out);
}

bool as_jinja_eval_filter_on(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value x,
                             as_jinja_value *out)
{
    as_jinja_args args;
    AS_JINJA_TRY(as_jinja_eval_args(vm, run, node, as_jinja_missing(), &args));
    vm->line = node->line;
    if (!node->builtin) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "No %s named '%.100s' found",
                             node->kind == AS_JINJA_N_TEST ? "test" : "filter", node->name->data);
    }
    return as_jinja_call_builtin(vm, node->builtin, x, &args, out);
}

static bool eval_filter(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    as_jinja_value x = vm->block_text;
    if (node->a) AS_JINJA_TRY(as_jinja_eval(vm, run, node->a, &x));
    return as_jinja_eval_filter_on(vm, run, node, x, out);
}

typedef bool evaluator(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out);

static evaluator *const evaluators[] = {
    [AS_JINJA_N_NAME] = eval_name,       [AS_JINJA_N_CONST] = eval_const,
    [AS_JINJA_N_DATA] = eval_data,       [AS_JINJA_N_TUPLE] = eval_list,
    [AS_JINJA_N_LIST] = eval_list,       [AS_JINJA_N_DICT] = eval_dict,
    [AS_JINJA_N_COND] = eval_cond,       [AS_JINJA_N_CALL] = eval_call,
    [AS_JINJA_N_FILTER] = eval_filter,   [AS_JINJA_N_TEST] = eval_filter,
    [AS_JINJA_N_GETATTR] = eval_getattr, [AS_JINJA_N_GETITEM] = eval_getitem,
    [AS_JINJA_N_SLICE] = eval_slice,     [AS_JINJA_N_CONCAT] = eval_concat,
    [AS_JINJA_N_COMPARE] = eval_compare, [AS_JINJA_N_BINARY] = eval_binary,
    [AS_JINJA_N_AND] = eval_and,         [AS_JINJA_N_OR] = eval_or,
    [AS_JINJA_N_NOT] = eval_not,         [AS_JINJA_N_NEG] = eval_sign,
    [AS_JINJA_N_POS] = eval_sign,
};

bool as_jinja_eval_plain(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    AS_JINJA_TRY(as_jinja_enter(vm));
    vm->line = node->line;
    bool ok = evaluators[node->kind](vm, run, node, out);
    as_jinja_leave(vm);
    return ok;
}

/* jinja2 folds operators, filters, tests and subscripts, but not literals by themselves. */
static bool is_folded(const as_jinja_node *node)
{
    switch (node->kind) {
    case AS_JINJA_N_CONST:
    case AS_JINJA_N_DATA:
    case AS_JINJA_N_TUPLE:
    case AS_JINJA_N_LIST:
    case AS_JINJA_N_DICT:
    case AS_JINJA_N_SLICE: return false;
    default: return node->foldable && !node->unoptimized;
    }
}

bool as_jinja_eval(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, as_jinja_value *out)
{
    if (!vm->folding && is_folded(node)) {
        bool found;
        AS_JINJA_TRY(as_jinja_fold_finds(vm, run, node, false, out, &found));
        if (found) return true;
    }
    return as_jinja_eval_plain(vm, run, node, out);
}
