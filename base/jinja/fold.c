/* Constant expressions.
 *
 * jinja2 computes them when it compiles, by rules of its own, and what fails there is computed again when the
 * template runs. Mostly the answer is the same; it is not for slices of what cannot be sliced (undefined, not
 * an error), for infinities (which it writes into the generated code as names that do not exist) and for ~ of
 * marked strings. So constant expressions are evaluated here under those rules first. */
#include <math.h>

#include "base/jinja/run.h"

static bool needs_context(const aj_node *node)
{
    for (const aj_builtin *filter = aj_filters_select; filter->name; filter++) {
        bool is_plain = filter->fn == aj_builtin_find(aj_filters_select, "unique", 6)->fn ||
                        filter->fn == aj_builtin_find(aj_filters_select, "items", 5)->fn ||
                        filter->fn == aj_builtin_find(aj_filters_select, "slice", 5)->fn ||
                        filter->fn == aj_builtin_find(aj_filters_select, "batch", 5)->fn;
        if (node->builtin == filter) return !is_plain;
    }
    return node->builtin == aj_builtin_find(aj_filters_seq, "random", 6);
}

static bool is_marked(void *context, aj_node *child)
{
    (void)context;
    return child->foldable;
}

/* Nodes are marked that may turn out constant: of the parts that a test decides on, only the test must be. */
bool aj_fold_marks(const aj_node *node)
{
    switch (node->kind) {
    case AJ_N_AND:
    case AJ_N_OR: return node->a->foldable;
    case AJ_N_COND: return node->a->foldable && (node->b->foldable || (node->c && node->c->foldable));
    case AJ_N_COMPARE: return node->a->foldable && node->x.at[0]->foldable;
    case AJ_N_CONST:
    case AJ_N_DATA: return true;
    case AJ_N_FILTER:
    case AJ_N_TEST:
        if (!node->builtin || !node->a || needs_context(node)) return false;
        break;
    case AJ_N_TUPLE:
    case AJ_N_LIST:
    case AJ_N_DICT:
    case AJ_N_PAIR:
    case AJ_N_KEYWORD:
    case AJ_N_GETATTR:
    case AJ_N_GETITEM:
    case AJ_N_SLICE:
    case AJ_N_CONCAT:
    case AJ_N_OPERAND:
    case AJ_N_BINARY:
    case AJ_N_NOT:
    case AJ_N_NEG:
    case AJ_N_POS: break;
    default: return false;
    }
    return aj_children((aj_node *)node, is_marked, NULL);
}

/* Can jinja2 write the value into its code? *bad: it can, but what it writes does not run. */
static bool has_safe_repr(aj_vm *vm, aj_value v, bool *bad, bool *out)
{
    AJ_TRY(aj_step(vm, 1));
    *out = true;
    switch (v.kind) {
    case AJ_NONE:
    case AJ_BOOL:
    case AJ_INT:
    case AJ_BIG:
    case AJ_STR:
    case AJ_RANGE: return true;
    case AJ_FLOAT: *bad = *bad || !isfinite(v.f); return true;
    case AJ_TUPLE:
    case AJ_LIST:
        *out = !v.list->group;
        for (int64_t i = 0; *out && i < v.list->count; i++) {
            AJ_TRY(has_safe_repr(vm, v.list->items[i], bad, out));
        }
        return true;
    case AJ_DICT:
        for (int64_t i = 0; *out && i < v.dict->count; i++) {
            AJ_TRY(has_safe_repr(vm, v.dict->entries[i].key, bad, out));
            if (*out) AJ_TRY(has_safe_repr(vm, v.dict->entries[i].value, bad, out));
        }
        return true;
    default: *out = false; return true;
    }
}

/* any: the value is printed at once, so it may be of any kind. */
bool aj_fold_finds(aj_vm *vm, aj_run *run, const aj_node *node, bool any, aj_value *out, bool *found)
{
    size_t mark = aj_mark(vm);
    bool bad = false;
    vm->folding = true;
    *found = aj_eval_plain(vm, run, node, out);
    vm->folding = false;
    if (!*found) return aj_catch(vm, AJ_X_EXCEPTION, mark);
    if (any) return true;
    AJ_TRY(has_safe_repr(vm, *out, &bad, found));
    if (*found && bad) return aj_fail(vm, AJ_X_OTHER, "a constant is infinite or not a number");
    return true;
}
