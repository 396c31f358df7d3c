/* Constant expressions.
 *
 * jinja2 computes them when it compiles, by rules of its own, and what fails there is computed again when the
 * template runs. Mostly the answer is the same; it is not for slices of what cannot be sliced (undefined, not
 * an error), for infinities (which it writes into the generated code as names that do not exist) and for ~ of
 * marked strings. So constant expressions are evaluated here under those rules first. */
#include <math.h>

#include "base/jinja/run.h"

static bool needs_context(const as_jinja_node *node)
{
    for (const as_jinja_builtin *filter = as_jinja_filters_select; filter->name; filter++) {
        bool is_plain = filter->fn == as_jinja_builtin_find(as_jinja_filters_select, "unique", 6)->fn ||
                        filter->fn == as_jinja_builtin_find(as_jinja_filters_select, "items", 5)->fn ||
                        filter->fn == as_jinja_builtin_find(as_jinja_filters_select, "slice", 5)->fn ||
                        filter->fn == as_jinja_builtin_find(as_jinja_filters_select, "batch", 5)->fn;
        if (node->builtin == filter) return !is_plain;
    }
    return node->builtin == as_jinja_builtin_find(as_jinja_filters_seq, "random", 6);
}

static bool is_marked(void *context, as_jinja_node *child)
{
    (void)context;
    return child->foldable;
}

/* Nodes are marked that may turn out constant: of the parts that a test decides on, only the test must be. */
bool as_jinja_fold_marks(const as_jinja_node *node)
{
    switch (node->kind) {
    case AS_JINJA_N_AND:
    case AS_JINJA_N_OR: return node->a->foldable;
    case AS_JINJA_N_COND: return node->a->foldable && (node->b->foldable || (node->c && node->c->foldable));
    case AS_JINJA_N_COMPARE: return node->a->foldable && node->x.at[0]->foldable;
    case AS_JINJA_N_CONST:
    case AS_JINJA_N_DATA: return true;
    case AS_JINJA_N_FILTER:
    case AS_JINJA_N_TEST:
        if (!node->builtin || !node->a || needs_context(node)) return false;
        break;
    case AS_JINJA_N_TUPLE:
    case AS_JINJA_N_LIST:
    case AS_JINJA_N_DICT:
    case AS_JINJA_N_PAIR:
    case AS_JINJA_N_KEYWORD:
    case AS_JINJA_N_GETATTR:
    case AS_JINJA_N_GETITEM:
    case AS_JINJA_N_SLICE:
    case AS_JINJA_N_CONCAT:
    case AS_JINJA_N_OPERAND:
    case AS_JINJA_N_BINARY:
    case AS_JINJA_N_NOT:
    case AS_JINJA_N_NEG:
    case AS_JINJA_N_POS: break;
    default: return false;
    }
    return as_jinja_children((as_jinja_node *)node, is_marked, NULL);
}

/* Can jinja2 write the value into its code? *bad: it can, but what it writes does not run. */
static bool has_safe_repr(as_jinja_vm *vm, as_jinja_value v, bool *bad, bool *out)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    *out = true;
    switch (v.kind) {
    case AS_JINJA_NONE:
    case AS_JINJA_BOOL:
    case AS_JINJA_INT:
    case AS_JINJA_BIG:
    case AS_JINJA_STR:
    case AS_JINJA_RANGE: return true;
    case AS_JINJA_FLOAT: *bad = *bad || !isfinite(v.f); return true;
    case AS_JINJA_TUPLE:
    case AS_JINJA_LIST:
        *out = !v.list->group;
        for (int64_t i = 0; *out && i < v.list->count; i++) {
            AS_JINJA_TRY(has_safe_repr(vm, v.list->items[i], bad, out));
        }
        return true;
    case AS_JINJA_DICT:
        for (int64_t i = 0; *out && i < v.dict->count; i++) {
            AS_JINJA_TRY(has_safe_repr(vm, v.dict->entries[i].key, bad, out));
            if (*out) AS_JINJA_TRY(has_safe_repr(vm, v.dict->entries[i].value, bad, out));
        }
        return true;
    default: *out = false; return true;
    }
}

/* any: the value is printed at once, so it may be of any kind. */
bool as_jinja_fold_finds(as_jinja_vm *vm, as_jinja_run *run, const as_jinja_node *node, bool any,
                         as_jinja_value *out, bool *found)
{
    size_t mark = as_jinja_mark(vm);
    bool bad = false;
    vm->folding = true;
    *found = as_jinja_eval_plain(vm, run, node, out);
    vm->folding = false;
    if (!*found) return as_jinja_catch(vm, AS_JINJA_X_EXCEPTION, mark);
    if (any) return true;
    AS_JINJA_TRY(has_safe_repr(vm, *out, &bad, found));
    if (*found && bad) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "a constant is infinite or not a number");
    return true;
}
