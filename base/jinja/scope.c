/* Resolves the names of a parsed template: which slot of which function each stands for, what happens when a
 * frame is entered, what is an error before anything runs. Walks the tree as jinja2's compiler.py does when
 * it writes Python code. */
#include <string.h>

#include "base/jinja/run.h"
#include "base/jinja/symbols.h"

typedef struct frame {
    as_jinja_symbols *symbols;
    as_jinja_function *function; /* in which code for this frame is written */
    bool toplevel, rootlevel, checked, soft;
} frame;

typedef struct resolver {
    as_jinja_vm *vm;
    as_jinja_template *template;
    bool autoescape, is_volatile; /* of the place being compiled */
    int loops;                    /* loops of the current function around this place */
    int extends;
    int room; /* of template->blocks */
} resolver;

static bool walk(resolver *r, as_jinja_node *node, frame *f);
static bool walk_list(resolver *r, as_jinja_nodes *list, frame *f);

/* --- searches --- */

typedef struct undeclared {
    const char *const *names; /* at most 3 */
    int count;
    bool found[3], gone[3];
} undeclared;

/* find_undeclared: a name counts if it is read before anything of that name is stored. */
static bool search_undeclared(void *context, as_jinja_node *node)
{
    undeclared *u = context;
    if (node->kind == AS_JINJA_N_BLOCK) return true;
    if (node->kind != AS_JINJA_N_NAME) return as_jinja_children(node, search_undeclared, u);
    for (int i = 0; i < u->count; i++) {
        if (!as_jinja_str_is(as_jinja_string(node->name), u->names[i])) continue;
        if (node->op != AS_JINJA_LOAD) {
            u->gone[i] = true;
        } else if (!u->gone[i]) {
            u->found[i] = true;
        }
    }
    return true;
}

static void find_undeclared(as_jinja_nodes *nodes, undeclared *u)
{
    for (int i = 0; i < nodes->count; i++) search_undeclared(u, nodes->at[i]);
}

static bool reads(as_jinja_nodes *nodes, const char *name)
{
    undeclared u = {.names = &name, .count = 1};
    find_undeclared(nodes, &u);
    return u.found[0];
}

/* Stops (false) at a place that assigns to `loop`. */
static bool search_loop_store(void *context, as_jinja_node *node)
{
    if (node->kind == AS_JINJA_N_NAME && node->op == AS_JINJA_STORE &&
        as_jinja_str_is(as_jinja_string(node->name), "loop"))
        return false;
    return as_jinja_children(node, search_loop_store, context);
}

static bool search_scoped_block(void *context, as_jinja_node *node)
{
    if (node->kind == AS_JINJA_N_BLOCK && node->scoped) return false;
    return as_jinja_children(node, search_scoped_block, context);
}

static bool search_extends(void *context, as_jinja_node *node)
{
    return node->kind != AS_JINJA_N_EXTENDS && as_jinja_children(node, search_extends, context);
}

static bool collect_blocks(void *context, as_jinja_node *node)
{
    resolver *r = context;
    if (node->kind != AS_JINJA_N_BLOCK) return as_jinja_children(node, collect_blocks, r);
    as_jinja_template *t = r->template;
    r->vm->line = node->line;
    AS_JINJA_TRY(as_jinja_step(r->vm, 1 + (uint64_t)t->block_count / 16));
    for (int i = 0; i < t->block_count; i++) {
        if (as_jinja_same_name(t->blocks[i].name, node->name)) {
            return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "block '%.100s' defined twice", node->name->data);
        }
    }
    if (t->block_count == r->room) {
        r->room = r->room ? r->room * 2 : 8;
        as_jinja_block *blocks = AS_JINJA_NEW_ARRAY(r->vm, as_jinja_block, r->room);
        if (!blocks) return false;
        if (t->block_count) memcpy(blocks, t->blocks, (size_t)t->block_count * sizeof *blocks);
        t->blocks = blocks;
    }
    t->blocks[t->block_count++] = (as_jinja_block){.name = node->name, .node = node};
    return as_jinja_children(node, collect_blocks, r);
}

/* --- helpers --- */

static bool symbol_of(resolver *r, frame *f, as_jinja_str *name, as_jinja_ref *out)
{
    as_jinja_ident *ident = as_jinja_symbols_find(f->symbols, name);
    if (!ident) {
        return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "the name '%.100s' is not known at this place",
                             name->data);
    }
    *out = as_jinja_ident_ref(ident, f->function);
    return true;
}

static bool name_text(resolver *r, const char *text, as_jinja_str **out)
{
    as_jinja_value v;
    AS_JINJA_TRY(as_jinja_str_literal(r->vm, text, &v));
    *out = v.str;
    as_jinja_str_settle(*out);
    return true;
}

static uint8_t escaping(const resolver *r)
{
    return r->is_volatile ? AS_JINJA_VOLATILE : r->autoescape ? AS_JINJA_ESCAPED : AS_JINJA_PLAIN;
}

/* A frame inside f, in the same function unless another is given. */
static bool inner(resolver *r, frame *f, as_jinja_function *function, frame *out)
{
    *out = (frame){.function = function ? function : f->function, .checked = f->checked};
    return as_jinja_symbols_new(r->vm, f->symbols, out->function, &out->symbols);
}

static bool walk_list(resolver *r, as_jinja_nodes *list, frame *f)
{
    for (int i = 0; i < list->count; i++) AS_JINJA_TRY(walk(r, list->at[i], f));
    return true;
}

/* --- calls, filters, tests --- */

static bool is_python_keyword(const as_jinja_str *name)
{
    static const char *const words[] = {
        "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
        "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
        "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
        "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (as_jinja_str_is(as_jinja_string((as_jinja_str *)name), words[i])) return true;
    }
    return false;
}

/* A keyword twice is an error of Python's compiler, unless jinja2 writes them as a dict. */
static bool check_keywords(resolver *r, const as_jinja_node *node)
{
    for (int i = 0; i < node->y.count; i++) {
        if (is_python_keyword(node->y.at[i]->name)) return true;
    }
    AS_JINJA_TRY(as_jinja_step(r->vm, (uint64_t)node->y.count * (uint64_t)node->y.count / 8));
    for (int i = 0; i < node->y.count; i++) {
        for (int k = 0; k < i; k++) {
            if (as_jinja_same_name(node->y.at[i]->name, node->y.at[k]->name)) {
                return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "keyword argument repeated: %.100s",
                                     node->y.at[i]->name->data);
            }
        }
    }
    return true;
}

typedef struct walking {
    resolver *r;
    frame *f;
} walking;

static bool walk_children(void *context, as_jinja_node *node)
{
    walking *w = context;
    return walk(w->r, node, w->f);
}

static bool walk_inside(resolver *r, as_jinja_node *node, frame *f)
{
    walking w = {r, f};
    return as_jinja_children(node, walk_children, &w);
}

static bool walk_filter_or_test(resolver *r, as_jinja_node *node, frame *f)
{
    bool filter = node->kind == AS_JINJA_N_FILTER;
    node->builtin =
        filter ? as_jinja_filter_find(r->template->syntax.dialect, node->name->data, node->name->size)
               : as_jinja_test_find(node->name->data, node->name->size);
    node->escaping = escaping(r);
    if (!node->builtin && !f->soft) {
        return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "No %s named '%.100s'", filter ? "filter" : "test",
                             node->name->data);
    }
    AS_JINJA_TRY(check_keywords(r, node));
    return walk_inside(r, node, f);
}

/* --- statements --- */

static bool walk_name(resolver *r, as_jinja_node *node, frame *f)
{
    node->exported = node->kind == AS_JINJA_N_NAME && node->op == AS_JINJA_STORE && f->toplevel;
    return symbol_of(r, f, node->name, &node->ref);
}

/* Argument names twice are an error of Python's compiler. */
static bool check_arguments(resolver *r, const as_jinja_node *node)
{
    AS_JINJA_TRY(as_jinja_step(r->vm, (uint64_t)node->x.count * (uint64_t)node->x.count / 8));
    for (int i = 0; i < node->x.count; i++) {
        for (int k = 0; k < i; k++) {
            if (as_jinja_same_name(node->x.at[i]->name, node->x.at[k]->name)) {
                return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "duplicate argument '%.100s'",
                                     node->x.at[i]->name->data);
            }
        }
    }
    return true;
}

/* caller, kwargs and varargs become parameters where the body uses them. */
static bool special_parameters(resolver *r, as_jinja_node *node, frame *f)
{
    static const char *const names[] = {"caller", "kwargs", "varargs"};
    as_jinja_unit *unit = f->function->unit;
    undeclared u = {.names = names, .count = 3};
    find_undeclared(&node->z, &u);
    bool skip[3] = {false};
    for (int i = 0; i < node->x.count; i++) {
        for (int k = 0; k < 3; k++) {
            if (!as_jinja_str_is(as_jinja_string(node->x.at[i]->name), names[k])) continue;
            skip[k] = true;
            if (k == 0 && u.found[0] && i < node->x.count - node->y.count) {
                return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX,
                                     "the special \"caller\" argument must be omitted or be given a "
                                     "default");
            }
        }
    }
    unit->explicit_caller = skip[0];
    unit->takes_caller = u.found[0];
    unit->takes_kwargs = u.found[1] && !skip[1];
    unit->takes_varargs = u.found[2] && !skip[2];
    const bool declare[3] = {u.found[0] && !skip[0], unit->takes_kwargs, unit->takes_varargs};
    for (int k = 0; k < 3; k++) {
        if (!declare[k]) continue;
        as_jinja_str *name;
        AS_JINJA_TRY(name_text(r, names[k], &name));
        AS_JINJA_TRY(as_jinja_symbols_declare(f->symbols, name));
        AS_JINJA_TRY(symbol_of(r, f, name, &unit->arguments[unit->argument_count++]));
    }
    return true;
}

/* macro_body: the function behind a macro or call block. */
static bool walk_macro_body(resolver *r, as_jinja_node *node, frame *outer)
{
    as_jinja_function *function;
    frame f;
    AS_JINJA_TRY(check_arguments(r, node));
    AS_JINJA_TRY(as_jinja_function_new(r->vm, outer->function, r->template, &function));
    as_jinja_unit *unit = node->unit = function->unit;
    unit->name = node->kind == AS_JINJA_N_MACRO ? node->name : NULL;
    unit->node = node;
    AS_JINJA_TRY(inner(r, outer, function, &f));
    f.checked = false;
    AS_JINJA_TRY(as_jinja_symbols_of_macro(f.symbols, node));
    unit->arguments = AS_JINJA_NEW_ARRAY(r->vm, as_jinja_ref, node->x.count + 3);
    if (!unit->arguments) return false;
    for (int i = 0; i < node->x.count; i++) {
        AS_JINJA_TRY(symbol_of(r, &f, node->x.at[i]->name, &unit->arguments[i]));
    }
    unit->argument_count = node->x.count;
    AS_JINJA_TRY(special_parameters(r, node, &f));
    AS_JINJA_TRY(as_jinja_symbols_of_macro(f.symbols, node));
    AS_JINJA_TRY(as_jinja_symbols_frame(f.symbols, &unit->frame));
    int loops = r->loops;
    r->loops = 0;
    AS_JINJA_TRY(walk_list(r, &node->x, &f) && walk_list(r, &node->y, &f) && walk_list(r, &node->z, &f));
    r->loops = loops;
    return true;
}

static bool walk_macro(resolver *r, as_jinja_node *node, frame *f)
{
    AS_JINJA_TRY(walk_macro_body(r, node, f));
    node->exported = f->toplevel;
    return symbol_of(r, f, node->name, &node->ref);
}

static bool walk_call_block(resolver *r, as_jinja_node *node, frame *f)
{
    AS_JINJA_TRY(walk_macro_body(r, node, f));
    if (!node->a) return true;
    for (int i = 0; i < node->a->y.count; i++) {
        if (as_jinja_str_is(as_jinja_string(node->a->y.at[i]->name), "caller")) {
            return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "keyword argument repeated: caller");
        }
    }
    return walk(r, node->a, f);
}

/* Names of a target once more, for another function. */
static bool clone_target(resolver *r, const as_jinja_node *target, as_jinja_node **out)
{
    *out = AS_JINJA_NEW(r->vm, as_jinja_node);
    if (!*out) return false;
    **out = *target;
    (*out)->x = (as_jinja_nodes){0};
    for (int i = 0; i < target->x.count; i++) {
        as_jinja_node *item;
        AS_JINJA_TRY(clone_target(r, target->x.at[i], &item));
        AS_JINJA_TRY(as_jinja_nodes_add(r->vm, &(*out)->x, item));
    }
    return true;
}

/* The generator that a loop with a condition draws from. */
static bool walk_for_test(resolver *r, as_jinja_node *node, frame *f)
{
    as_jinja_function *function;
    frame test;
    AS_JINJA_TRY(as_jinja_function_new(r->vm, f->function, r->template, &function));
    node->test_unit = function->unit;
    AS_JINJA_TRY(inner(r, f, function, &test));
    AS_JINJA_TRY(as_jinja_symbols_of_for(test.symbols, node, AS_JINJA_FOR_TEST));
    AS_JINJA_TRY(as_jinja_symbols_frame(test.symbols, &node->test_frame));
    AS_JINJA_TRY(clone_target(r, node->a, &node->test_target));
    return walk(r, node->test_target, &test) && walk(r, node->c, &test);
}

static bool walk_for_frames(resolver *r, as_jinja_node *node, frame *loop, frame *other)
{
    undeclared u = {.names = (const char *const[]){"loop"}, .count = 1};
    find_undeclared(&node->x, &u);
    node->extended = node->recursive || u.found[0] || !as_jinja_children(node, search_scoped_block, NULL);
    as_jinja_str *name;
    AS_JINJA_TRY(name_text(r, "loop", &name));
    if (node->extended) AS_JINJA_TRY(as_jinja_symbols_declare(loop->symbols, name));
    AS_JINJA_TRY(as_jinja_symbols_of_for(loop->symbols, node, AS_JINJA_FOR_BODY));
    if (node->has_else) AS_JINJA_TRY(as_jinja_symbols_of_for(other->symbols, node, AS_JINJA_FOR_ELSE));
    if (!as_jinja_children(node, search_loop_store, NULL)) {
        return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX,
                             "Can't assign to special loop variable in for-loop target");
    }
    AS_JINJA_TRY(as_jinja_symbols_frame(loop->symbols, &node->frame));
    AS_JINJA_TRY(as_jinja_symbols_frame(other->symbols, &node->else_frame));
    return !node->extended || symbol_of(r, loop, name, &node->ref);
}

static bool walk_for(resolver *r, as_jinja_node *node, frame *f)
{
    as_jinja_function *function = NULL;
    frame loop, other;
    if (node->recursive) {
        AS_JINJA_TRY(as_jinja_function_new(r->vm, f->function, r->template, &function));
        node->unit = function->unit;
    }
    AS_JINJA_TRY(inner(r, f, function, &loop) && inner(r, f, function, &other));
    AS_JINJA_TRY(walk_for_frames(r, node, &loop, &other));
    node->python_scope = node->recursive && !node->has_else;
    node->escaping = escaping(r);
    AS_JINJA_TRY(walk(r, node->b, f));
    /* the filter is a function beside the loop's own, so it sees f and not a recursive loop's function */
    if (node->c) AS_JINJA_TRY(walk_for_test(r, node, f));
    int loops = r->loops;
    r->loops = node->recursive ? 1 : loops + 1;
    AS_JINJA_TRY(walk(r, node->a, &loop) && walk_list(r, &node->x, &loop));
    r->loops--;
    AS_JINJA_TRY(walk_list(r, &node->y, &other));
    r->loops = loops;
    return true;
}

static bool walk_if(resolver *r, as_jinja_node *node, frame *f)
{
    frame soft = *f;
    soft.soft = true;
    soft.rootlevel = false;
    return walk_inside(r, node, &soft);
}

/* Where a constant decides, jinja2 never looks at the other side, not even for filters that do not exist. */
static bool walk_either(resolver *r, as_jinja_node *node, frame *f)
{
    AS_JINJA_TRY(walk(r, node->a, f));
    bool decided =
        node->a->kind == AS_JINJA_N_CONST && as_jinja_truth(node->a->value) == (node->kind == AS_JINJA_N_OR);
    return (decided && !r->is_volatile) || walk(r, node->b, f);
}

/* a[1:2, 3] is no Python outside of a single subscript. */
static bool check_subscript(resolver *r, const as_jinja_node *node)
{
    for (int i = 0; node->b->kind == AS_JINJA_N_TUPLE && i < node->b->x.count; i++) {
        if (node->b->x.at[i]->kind == AS_JINJA_N_SLICE)
            return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "invalid syntax");
    }
    return true;
}

/* A statement whose body is a frame of its own; what it makes known was analysed into `in`. */
static bool walk_framed(resolver *r, as_jinja_node *node, as_jinja_nodes *body, frame *in)
{
    AS_JINJA_TRY(as_jinja_symbols_frame(in->symbols, &node->frame));
    return walk_list(r, body, in);
}

static bool walk_filter_block(resolver *r, as_jinja_node *node, frame *f)
{
    frame in;
    AS_JINJA_TRY(inner(r, f, NULL, &in));
    AS_JINJA_TRY(as_jinja_symbols_of_list(in.symbols, &node->x) &&
                 as_jinja_symbols_of_node(in.symbols, node->a));
    AS_JINJA_TRY(walk_framed(r, node, &node->x, &in));
    return walk(r, node->a, &in);
}

static bool walk_with(resolver *r, as_jinja_node *node, frame *f)
{
    frame in;
    AS_JINJA_TRY(inner(r, f, NULL, &in));
    AS_JINJA_TRY(as_jinja_symbols_of_with(in.symbols, node));
    AS_JINJA_TRY(walk_list(r, &node->x, &in) && walk_list(r, &node->y, f));
    return walk_framed(r, node, &node->z, &in);
}

static bool walk_assign_block(resolver *r, as_jinja_node *node, frame *f)
{
    frame in;
    AS_JINJA_TRY(inner(r, f, NULL, &in));
    in.checked = false;
    AS_JINJA_TRY(as_jinja_symbols_of_list(in.symbols, &node->x));
    AS_JINJA_TRY(walk_framed(r, node, &node->x, &in));
    AS_JINJA_TRY(walk(r, node->a, f));
    return !node->b || walk(r, node->b, &in);
}

static bool walk_autoescape(resolver *r, as_jinja_node *node, frame *f)
{
    frame in;
    AS_JINJA_TRY(inner(r, f, NULL, &in));
    AS_JINJA_TRY(as_jinja_symbols_of_node(in.symbols, node->a) &&
                 as_jinja_symbols_of_list(in.symbols, &node->x));
    bool was_on = r->autoescape, was_volatile = r->is_volatile;
    AS_JINJA_TRY(walk(r, node->a, &in));
    if (node->a->kind == AS_JINJA_N_CONST) {
        r->autoescape = as_jinja_truth(node->a->value);
    } else {
        r->is_volatile = true;
    }
    AS_JINJA_TRY(walk_framed(r, node, &node->x, &in));
    r->autoescape = was_on;
    r->is_volatile = was_volatile;
    return true;
}

static bool walk_extends(resolver *r, as_jinja_node *node, frame *f)
{
    if (!f->toplevel)
        return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "cannot use extend from a non top-level scope");
    r->extends++;
    return walk(r, node->a, f);
}

static bool walk_include(resolver *r, as_jinja_node *node, frame *f)
{
    AS_JINJA_TRY(walk(r, node->a, f));
    return as_jinja_symbols_stores(f->symbols, f->function, node);
}

static bool walk_import(resolver *r, as_jinja_node *node, frame *f)
{
    node->exported = f->toplevel;
    AS_JINJA_TRY(walk_include(r, node, f));
    if (node->kind == AS_JINJA_N_IMPORT) return symbol_of(r, f, node->name, &node->ref);
    for (int i = 1; i < node->x.count; i += 2) {
        AS_JINJA_TRY(symbol_of(r, f, node->x.at[i]->name, &node->x.at[i]->ref));
    }
    return true;
}

static bool walk_block(resolver *r, as_jinja_node *node, frame *f)
{
    (void)r;
    node->checked = f->toplevel;
    return !node->scoped || as_jinja_symbols_stores(f->symbols, f->function, node);
}

static bool walk_jump(resolver *r, as_jinja_node *node, frame *f)
{
    (void)f;
    if (r->loops > 0) return true;
    return as_jinja_fail(r->vm, AS_JINJA_X_SYNTAX, "'%s' outside loop",
                         node->kind == AS_JINJA_N_BREAK ? "break" : "continue");
}

static bool walk_kind(resolver *r, as_jinja_node *node, frame *f)
{
    r->vm->line = node->line;
    switch (node->kind) {
    case AS_JINJA_N_OUTPUT:
        node->checked = f->checked;
        node->escaping = escaping(r);
        return walk_inside(r, node, f);
    case AS_JINJA_N_FOR: return walk_for(r, node, f);
    case AS_JINJA_N_IF:
    case AS_JINJA_N_COND: return walk_if(r, node, f);
    case AS_JINJA_N_AND:
    case AS_JINJA_N_OR: return walk_either(r, node, f);
    case AS_JINJA_N_GETITEM: return check_subscript(r, node) && walk_inside(r, node, f);
    case AS_JINJA_N_MACRO: return walk_macro(r, node, f);
    case AS_JINJA_N_CALL_BLOCK: return walk_call_block(r, node, f);
    case AS_JINJA_N_FILTER_BLOCK: return walk_filter_block(r, node, f);
    case AS_JINJA_N_WITH: return walk_with(r, node, f);
    case AS_JINJA_N_BLOCK: return walk_block(r, node, f);
    case AS_JINJA_N_EXTENDS: return walk_extends(r, node, f);
    case AS_JINJA_N_INCLUDE: return walk_include(r, node, f);
    case AS_JINJA_N_IMPORT:
    case AS_JINJA_N_FROM_IMPORT: return walk_import(r, node, f);
    case AS_JINJA_N_ASSIGN_BLOCK: return walk_assign_block(r, node, f);
    case AS_JINJA_N_AUTOESCAPE: return walk_autoescape(r, node, f);
    case AS_JINJA_N_BREAK:
    case AS_JINJA_N_CONTINUE: return walk_jump(r, node, f);
    case AS_JINJA_N_NAME:
    case AS_JINJA_N_NSREF: return walk_name(r, node, f);
    case AS_JINJA_N_DATA:
    case AS_JINJA_N_CONCAT: node->escaping = escaping(r); return walk_inside(r, node, f);
    case AS_JINJA_N_CALL: return check_keywords(r, node) && walk_inside(r, node, f);
    case AS_JINJA_N_FILTER:
    case AS_JINJA_N_TEST: return walk_filter_or_test(r, node, f);
    default: return walk_inside(r, node, f);
    }
}

static bool walk(resolver *r, as_jinja_node *node, frame *f)
{
    AS_JINJA_TRY(walk_kind(r, node, f));
    bool escapes =
        node->kind == AS_JINJA_N_FILTER || node->kind == AS_JINJA_N_TEST || node->kind == AS_JINJA_N_DATA;
    node->foldable = !(r->is_volatile && escapes) && as_jinja_fold_marks(node);
    node->unoptimized = r->is_volatile;
    return true;
}

/* `self` and `super` become parameters where they are used. */
static bool declare_if_read(resolver *r, frame *f, as_jinja_nodes *body, const char *name, bool *has,
                            as_jinja_ref *ref)
{
    *has = reads(body, name);
    if (!*has) return true;
    as_jinja_str *text;
    AS_JINJA_TRY(name_text(r, name, &text));
    AS_JINJA_TRY(as_jinja_symbols_declare(f->symbols, text));
    return symbol_of(r, f, text, ref);
}

/* The function of the template (block NULL) or of one of its blocks. */
static bool walk_unit(resolver *r, as_jinja_nodes *body, bool is_root, as_jinja_unit **out)
{
    as_jinja_function *function;
    AS_JINJA_TRY(as_jinja_function_new(r->vm, NULL, r->template, &function));
    frame f = {.function = function, .toplevel = is_root, .rootlevel = is_root};
    AS_JINJA_TRY(as_jinja_symbols_new(r->vm, NULL, function, &f.symbols));
    as_jinja_unit *unit = *out = function->unit;
    AS_JINJA_TRY(declare_if_read(r, &f, body, "self", &unit->has_self, &unit->self));
    if (!is_root) AS_JINJA_TRY(declare_if_read(r, &f, body, "super", &unit->has_super, &unit->super));
    AS_JINJA_TRY(as_jinja_symbols_of_list(f.symbols, body));
    AS_JINJA_TRY(as_jinja_symbols_frame(f.symbols, &unit->frame));
    for (int i = 0; is_root && i < body->count; i++) {
        if (!search_extends(NULL, body->at[i])) unit->has_extends = true;
    }
    f.checked = unit->has_extends;
    r->loops = 0;
    return walk_list(r, body, &f);
}

bool as_jinja_resolve(as_jinja_vm *vm, as_jinja_template *template)
{
    resolver r = {.vm = vm, .template = template, .autoescape = template->syntax.dialect == AS_JINJA_HTML};
    for (int i = 0; i < template->body.count; i++) AS_JINJA_TRY(collect_blocks(&r, template->body.at[i]));
    AS_JINJA_TRY(walk_unit(&r, &template->body, true, &template->root));
    for (int i = 0; i < template->block_count; i++) {
        as_jinja_block *block = &template->blocks[i];
        AS_JINJA_TRY(walk_unit(&r, (as_jinja_nodes *)&block->node->x, false, &block->unit));
    }
    return true;
}
