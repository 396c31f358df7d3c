/* Resolves the names of a parsed template: which slot of which function each stands for, what happens when a
 * frame is entered, what is an error before anything runs. Walks the tree as jinja2's compiler.py does when
 * it writes Python code. */
#include <string.h>

#include "base/jinja/run.h"
#include "base/jinja/symbols.h"

typedef struct frame {
    aj_symbols *symbols;
    aj_function *function; /* in which code for this frame is written */
    bool toplevel, rootlevel, checked, soft;
} frame;

typedef struct resolver {
    aj_vm *vm;
    as_jinja_template *template;
    bool autoescape, is_volatile; /* of the place being compiled */
    int loops;                    /* loops of the current function around this place */
    int extends;
    int room; /* of template->blocks */
} resolver;

static bool walk(resolver *r, aj_node *node, frame *f);
static bool walk_list(resolver *r, aj_nodes *list, frame *f);

/* --- searches --- */

typedef struct undeclared {
    const char *const *names; /* at most 3 */
    int count;
    bool found[3], gone[3];
} undeclared;

/* find_undeclared: a name counts if it is read before anything of that name is stored. */
static bool search_undeclared(void *context, aj_node *node)
{
    undeclared *u = context;
    if (node->kind == AJ_N_BLOCK) return true;
    if (node->kind != AJ_N_NAME) return aj_children(node, search_undeclared, u);
    for (int i = 0; i < u->count; i++) {
        if (!aj_str_is(aj_string(node->name), u->names[i])) continue;
        if (node->op != AJ_LOAD) {
            u->gone[i] = true;
        } else if (!u->gone[i]) {
            u->found[i] = true;
        }
    }
    return true;
}

static void find_undeclared(aj_nodes *nodes, undeclared *u)
{
    for (int i = 0; i < nodes->count; i++) search_undeclared(u, nodes->at[i]);
}

static bool reads(aj_nodes *nodes, const char *name)
{
    undeclared u = {.names = &name, .count = 1};
    find_undeclared(nodes, &u);
    return u.found[0];
}

/* Stops (false) at a place that assigns to `loop`. */
static bool search_loop_store(void *context, aj_node *node)
{
    if (node->kind == AJ_N_NAME && node->op == AJ_STORE && aj_str_is(aj_string(node->name), "loop"))
        return false;
    return aj_children(node, search_loop_store, context);
}

static bool search_scoped_block(void *context, aj_node *node)
{
    if (node->kind == AJ_N_BLOCK && node->scoped) return false;
    return aj_children(node, search_scoped_block, context);
}

static bool search_extends(void *context, aj_node *node)
{
    return node->kind != AJ_N_EXTENDS && aj_children(node, search_extends, context);
}

static bool collect_blocks(void *context, aj_node *node)
{
    resolver *r = context;
    if (node->kind != AJ_N_BLOCK) return aj_children(node, collect_blocks, r);
    as_jinja_template *t = r->template;
    r->vm->line = node->line;
    AJ_TRY(aj_step(r->vm, 1 + (uint64_t)t->block_count / 16));
    for (int i = 0; i < t->block_count; i++) {
        if (aj_same_name(t->blocks[i].name, node->name)) {
            return aj_fail(r->vm, AJ_X_SYNTAX, "block '%.100s' defined twice", node->name->data);
        }
    }
    if (t->block_count == r->room) {
        r->room = r->room ? r->room * 2 : 8;
        aj_block *blocks = AJ_NEW_ARRAY(r->vm, aj_block, r->room);
        if (!blocks) return false;
        if (t->block_count) memcpy(blocks, t->blocks, (size_t)t->block_count * sizeof *blocks);
        t->blocks = blocks;
    }
    t->blocks[t->block_count++] = (aj_block){.name = node->name, .node = node};
    return aj_children(node, collect_blocks, r);
}

/* --- helpers --- */

static bool symbol_of(resolver *r, frame *f, aj_str *name, aj_ref *out)
{
    aj_ident *ident = aj_symbols_find(f->symbols, name);
    if (!ident) {
        return aj_fail(r->vm, AJ_X_SYNTAX, "the name '%.100s' is not known at this place", name->data);
    }
    *out = aj_ident_ref(ident, f->function);
    return true;
}

static bool name_text(resolver *r, const char *text, aj_str **out)
{
    aj_value v;
    AJ_TRY(aj_str_literal(r->vm, text, &v));
    *out = v.str;
    aj_str_settle(*out);
    return true;
}

static uint8_t escaping(const resolver *r)
{
    return r->is_volatile ? AJ_VOLATILE : r->autoescape ? AJ_ESCAPED : AJ_PLAIN;
}

/* A frame inside f, in the same function unless another is given. */
static bool inner(resolver *r, frame *f, aj_function *function, frame *out)
{
    *out = (frame){.function = function ? function : f->function, .checked = f->checked};
    return aj_symbols_new(r->vm, f->symbols, out->function, &out->symbols);
}

static bool walk_list(resolver *r, aj_nodes *list, frame *f)
{
    for (int i = 0; i < list->count; i++) AJ_TRY(walk(r, list->at[i], f));
    return true;
}

/* --- calls, filters, tests --- */

static bool is_python_keyword(const aj_str *name)
{
    static const char *const words[] = {
        "False", "None",     "True",  "and",    "as",   "assert", "async",  "await",    "break",
        "class", "continue", "def",   "del",    "elif", "else",   "except", "finally",  "for",
        "from",  "global",   "if",    "import", "in",   "is",     "lambda", "nonlocal", "not",
        "or",    "pass",     "raise", "return", "try",  "while",  "with",   "yield"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (aj_str_is(aj_string((aj_str *)name), words[i])) return true;
    }
    return false;
}

/* A keyword twice is an error of Python's compiler, unless jinja2 writes them as a dict. */
static bool check_keywords(resolver *r, const aj_node *node)
{
    for (int i = 0; i < node->y.count; i++) {
        if (is_python_keyword(node->y.at[i]->name)) return true;
    }
    AJ_TRY(aj_step(r->vm, (uint64_t)node->y.count * (uint64_t)node->y.count / 8));
    for (int i = 0; i < node->y.count; i++) {
        for (int k = 0; k < i; k++) {
            if (aj_same_name(node->y.at[i]->name, node->y.at[k]->name)) {
                return aj_fail(r->vm, AJ_X_SYNTAX, "keyword argument repeated: %.100s",
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

static bool walk_children(void *context, aj_node *node)
{
    walking *w = context;
    return walk(w->r, node, w->f);
}

static bool walk_inside(resolver *r, aj_node *node, frame *f)
{
    walking w = {r, f};
    return aj_children(node, walk_children, &w);
}

static bool walk_filter_or_test(resolver *r, aj_node *node, frame *f)
{
    bool filter = node->kind == AJ_N_FILTER;
    node->builtin = filter ? aj_filter_find(r->template->syntax.dialect, node->name->data, node->name->size)
                           : aj_test_find(node->name->data, node->name->size);
    node->escaping = escaping(r);
    if (!node->builtin && !f->soft) {
        return aj_fail(r->vm, AJ_X_SYNTAX, "No %s named '%.100s'", filter ? "filter" : "test",
                       node->name->data);
    }
    AJ_TRY(check_keywords(r, node));
    return walk_inside(r, node, f);
}

/* --- statements --- */

static bool walk_name(resolver *r, aj_node *node, frame *f)
{
    node->exported = node->kind == AJ_N_NAME && node->op == AJ_STORE && f->toplevel;
    return symbol_of(r, f, node->name, &node->ref);
}

/* Argument names twice are an error of Python's compiler. */
static bool check_arguments(resolver *r, const aj_node *node)
{
    AJ_TRY(aj_step(r->vm, (uint64_t)node->x.count * (uint64_t)node->x.count / 8));
    for (int i = 0; i < node->x.count; i++) {
        for (int k = 0; k < i; k++) {
            if (aj_same_name(node->x.at[i]->name, node->x.at[k]->name)) {
                return aj_fail(r->vm, AJ_X_SYNTAX, "duplicate argument '%.100s'", node->x.at[i]->name->data);
            }
        }
    }
    return true;
}

/* caller, kwargs and varargs become parameters where the body uses them. */
static bool special_parameters(resolver *r, aj_node *node, frame *f)
{
    static const char *const names[] = {"caller", "kwargs", "varargs"};
    aj_unit *unit = f->function->unit;
    undeclared u = {.names = names, .count = 3};
    find_undeclared(&node->z, &u);
    bool skip[3] = {false};
    for (int i = 0; i < node->x.count; i++) {
        for (int k = 0; k < 3; k++) {
            if (!aj_str_is(aj_string(node->x.at[i]->name), names[k])) continue;
            skip[k] = true;
            if (k == 0 && u.found[0] && i < node->x.count - node->y.count) {
                return aj_fail(r->vm, AJ_X_SYNTAX,
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
        aj_str *name;
        AJ_TRY(name_text(r, names[k], &name));
        AJ_TRY(aj_symbols_declare(f->symbols, name));
        AJ_TRY(symbol_of(r, f, name, &unit->arguments[unit->argument_count++]));
    }
    return true;
}

/* macro_body: the function behind a macro or call block. */
static bool walk_macro_body(resolver *r, aj_node *node, frame *outer)
{
    aj_function *function;
    frame f;
    AJ_TRY(check_arguments(r, node));
    AJ_TRY(aj_function_new(r->vm, outer->function, r->template, &function));
    aj_unit *unit = node->unit = function->unit;
    unit->name = node->kind == AJ_N_MACRO ? node->name : NULL;
    unit->node = node;
    AJ_TRY(inner(r, outer, function, &f));
    f.checked = false;
    AJ_TRY(aj_symbols_of_macro(f.symbols, node));
    unit->arguments = AJ_NEW_ARRAY(r->vm, aj_ref, node->x.count + 3);
    if (!unit->arguments) return false;
    for (int i = 0; i < node->x.count; i++) {
        AJ_TRY(symbol_of(r, &f, node->x.at[i]->name, &unit->arguments[i]));
    }
    unit->argument_count = node->x.count;
    AJ_TRY(special_parameters(r, node, &f));
    AJ_TRY(aj_symbols_of_macro(f.symbols, node));
    AJ_TRY(aj_symbols_frame(f.symbols, &unit->frame));
    int loops = r->loops;
    r->loops = 0;
    AJ_TRY(walk_list(r, &node->x, &f) && walk_list(r, &node->y, &f) && walk_list(r, &node->z, &f));
    r->loops = loops;
    return true;
}

static bool walk_macro(resolver *r, aj_node *node, frame *f)
{
    AJ_TRY(walk_macro_body(r, node, f));
    node->exported = f->toplevel;
    return symbol_of(r, f, node->name, &node->ref);
}

static bool walk_call_block(resolver *r, aj_node *node, frame *f)
{
    AJ_TRY(walk_macro_body(r, node, f));
    if (!node->a) return true;
    for (int i = 0; i < node->a->y.count; i++) {
        if (aj_str_is(aj_string(node->a->y.at[i]->name), "caller")) {
            return aj_fail(r->vm, AJ_X_SYNTAX, "keyword argument repeated: caller");
        }
    }
    return walk(r, node->a, f);
}

/* Names of a target once more, for another function. */
static bool clone_target(resolver *r, const aj_node *target, aj_node **out)
{
    *out = AJ_NEW(r->vm, aj_node);
    if (!*out) return false;
    **out = *target;
    (*out)->x = (aj_nodes){0};
    for (int i = 0; i < target->x.count; i++) {
        aj_node *item;
        AJ_TRY(clone_target(r, target->x.at[i], &item));
        AJ_TRY(aj_nodes_add(r->vm, &(*out)->x, item));
    }
    return true;
}

/* The generator that a loop with a condition draws from. */
static bool walk_for_test(resolver *r, aj_node *node, frame *f)
{
    aj_function *function;
    frame test;
    AJ_TRY(aj_function_new(r->vm, f->function, r->template, &function));
    node->test_unit = function->unit;
    AJ_TRY(inner(r, f, function, &test));
    AJ_TRY(aj_symbols_of_for(test.symbols, node, AJ_FOR_TEST));
    AJ_TRY(aj_symbols_frame(test.symbols, &node->test_frame));
    AJ_TRY(clone_target(r, node->a, &node->test_target));
    return walk(r, node->test_target, &test) && walk(r, node->c, &test);
}

static bool walk_for_frames(resolver *r, aj_node *node, frame *loop, frame *other)
{
    undeclared u = {.names = (const char *const[]){"loop"}, .count = 1};
    find_undeclared(&node->x, &u);
    node->extended = node->recursive || u.found[0] || !aj_children(node, search_scoped_block, NULL);
    aj_str *name;
    AJ_TRY(name_text(r, "loop", &name));
    if (node->extended) AJ_TRY(aj_symbols_declare(loop->symbols, name));
    AJ_TRY(aj_symbols_of_for(loop->symbols, node, AJ_FOR_BODY));
    if (node->has_else) AJ_TRY(aj_symbols_of_for(other->symbols, node, AJ_FOR_ELSE));
    if (!aj_children(node, search_loop_store, NULL)) {
        return aj_fail(r->vm, AJ_X_SYNTAX, "Can't assign to special loop variable in for-loop target");
    }
    AJ_TRY(aj_symbols_frame(loop->symbols, &node->frame));
    AJ_TRY(aj_symbols_frame(other->symbols, &node->else_frame));
    return !node->extended || symbol_of(r, loop, name, &node->ref);
}

static bool walk_for(resolver *r, aj_node *node, frame *f)
{
    aj_function *function = NULL;
    frame loop, other;
    if (node->recursive) {
        AJ_TRY(aj_function_new(r->vm, f->function, r->template, &function));
        node->unit = function->unit;
    }
    AJ_TRY(inner(r, f, function, &loop) && inner(r, f, function, &other));
    AJ_TRY(walk_for_frames(r, node, &loop, &other));
    node->python_scope = node->recursive && !node->has_else;
    node->escaping = escaping(r);
    AJ_TRY(walk(r, node->b, f));
    /* the filter is a function beside the loop's own, so it sees f and not a recursive loop's function */
    if (node->c) AJ_TRY(walk_for_test(r, node, f));
    int loops = r->loops;
    r->loops = node->recursive ? 1 : loops + 1;
    AJ_TRY(walk(r, node->a, &loop) && walk_list(r, &node->x, &loop));
    r->loops--;
    AJ_TRY(walk_list(r, &node->y, &other));
    r->loops = loops;
    return true;
}

static bool walk_if(resolver *r, aj_node *node, frame *f)
{
    frame soft = *f;
    soft.soft = true;
    soft.rootlevel = false;
    return walk_inside(r, node, &soft);
}

/* Where a constant decides, jinja2 never looks at the other side, not even for filters that do not exist. */
static bool walk_either(resolver *r, aj_node *node, frame *f)
{
    AJ_TRY(walk(r, node->a, f));
    bool decided = node->a->kind == AJ_N_CONST && aj_truth(node->a->value) == (node->kind == AJ_N_OR);
    return (decided && !r->is_volatile) || walk(r, node->b, f);
}

/* a[1:2, 3] is no Python outside of a single subscript. */
static bool check_subscript(resolver *r, const aj_node *node)
{
    for (int i = 0; node->b->kind == AJ_N_TUPLE && i < node->b->x.count; i++) {
        if (node->b->x.at[i]->kind == AJ_N_SLICE) return aj_fail(r->vm, AJ_X_SYNTAX, "invalid syntax");
    }
    return true;
}

/* A statement whose body is a frame of its own; what it makes known was analysed into `in`. */
static bool walk_framed(resolver *r, aj_node *node, aj_nodes *body, frame *in)
{
    AJ_TRY(aj_symbols_frame(in->symbols, &node->frame));
    return walk_list(r, body, in);
}

static bool walk_filter_block(resolver *r, aj_node *node, frame *f)
{
    frame in;
    AJ_TRY(inner(r, f, NULL, &in));
    AJ_TRY(aj_symbols_of_list(in.symbols, &node->x) && aj_symbols_of_node(in.symbols, node->a));
    AJ_TRY(walk_framed(r, node, &node->x, &in));
    return walk(r, node->a, &in);
}

static bool walk_with(resolver *r, aj_node *node, frame *f)
{
    frame in;
    AJ_TRY(inner(r, f, NULL, &in));
    AJ_TRY(aj_symbols_of_with(in.symbols, node));
    AJ_TRY(walk_list(r, &node->x, &in) && walk_list(r, &node->y, f));
    return walk_framed(r, node, &node->z, &in);
}

static bool walk_assign_block(resolver *r, aj_node *node, frame *f)
{
    frame in;
    AJ_TRY(inner(r, f, NULL, &in));
    in.checked = false;
    AJ_TRY(aj_symbols_of_list(in.symbols, &node->x));
    AJ_TRY(walk_framed(r, node, &node->x, &in));
    AJ_TRY(walk(r, node->a, f));
    return !node->b || walk(r, node->b, &in);
}

static bool walk_autoescape(resolver *r, aj_node *node, frame *f)
{
    frame in;
    AJ_TRY(inner(r, f, NULL, &in));
    AJ_TRY(aj_symbols_of_node(in.symbols, node->a) && aj_symbols_of_list(in.symbols, &node->x));
    bool was_on = r->autoescape, was_volatile = r->is_volatile;
    AJ_TRY(walk(r, node->a, &in));
    if (node->a->kind == AJ_N_CONST) {
        r->autoescape = aj_truth(node->a->value);
    } else {
        r->is_volatile = true;
    }
    AJ_TRY(walk_framed(r, node, &node->x, &in));
    r->autoescape = was_on;
    r->is_volatile = was_volatile;
    return true;
}

static bool walk_extends(resolver *r, aj_node *node, frame *f)
{
    if (!f->toplevel) return aj_fail(r->vm, AJ_X_SYNTAX, "cannot use extend from a non top-level scope");
    r->extends++;
    return walk(r, node->a, f);
}

static bool walk_include(resolver *r, aj_node *node, frame *f)
{
    AJ_TRY(walk(r, node->a, f));
    return aj_symbols_stores(f->symbols, f->function, node);
}

static bool walk_import(resolver *r, aj_node *node, frame *f)
{
    node->exported = f->toplevel;
    AJ_TRY(walk_include(r, node, f));
    if (node->kind == AJ_N_IMPORT) return symbol_of(r, f, node->name, &node->ref);
    for (int i = 1; i < node->x.count; i += 2) {
        AJ_TRY(symbol_of(r, f, node->x.at[i]->name, &node->x.at[i]->ref));
    }
    return true;
}

static bool walk_block(resolver *r, aj_node *node, frame *f)
{
    (void)r;
    node->checked = f->toplevel;
    return !node->scoped || aj_symbols_stores(f->symbols, f->function, node);
}

static bool walk_jump(resolver *r, aj_node *node, frame *f)
{
    (void)f;
    if (r->loops > 0) return true;
    return aj_fail(r->vm, AJ_X_SYNTAX, "'%s' outside loop", node->kind == AJ_N_BREAK ? "break" : "continue");
}

static bool walk_kind(resolver *r, aj_node *node, frame *f)
{
    r->vm->line = node->line;
    switch (node->kind) {
    case AJ_N_OUTPUT:
        node->checked = f->checked;
        node->escaping = escaping(r);
        return walk_inside(r, node, f);
    case AJ_N_FOR: return walk_for(r, node, f);
    case AJ_N_IF:
    case AJ_N_COND: return walk_if(r, node, f);
    case AJ_N_AND:
    case AJ_N_OR: return walk_either(r, node, f);
    case AJ_N_GETITEM: return check_subscript(r, node) && walk_inside(r, node, f);
    case AJ_N_MACRO: return walk_macro(r, node, f);
    case AJ_N_CALL_BLOCK: return walk_call_block(r, node, f);
    case AJ_N_FILTER_BLOCK: return walk_filter_block(r, node, f);
    case AJ_N_WITH: return walk_with(r, node, f);
    case AJ_N_BLOCK: return walk_block(r, node, f);
    case AJ_N_EXTENDS: return walk_extends(r, node, f);
    case AJ_N_INCLUDE: return walk_include(r, node, f);
    case AJ_N_IMPORT:
    case AJ_N_FROM_IMPORT: return walk_import(r, node, f);
    case AJ_N_ASSIGN_BLOCK: return walk_assign_block(r, node, f);
    case AJ_N_AUTOESCAPE: return walk_autoescape(r, node, f);
    case AJ_N_BREAK:
    case AJ_N_CONTINUE: return walk_jump(r, node, f);
    case AJ_N_NAME:
    case AJ_N_NSREF: return walk_name(r, node, f);
    case AJ_N_DATA:
    case AJ_N_CONCAT: node->escaping = escaping(r); return walk_inside(r, node, f);
    case AJ_N_CALL: return check_keywords(r, node) && walk_inside(r, node, f);
    case AJ_N_FILTER:
    case AJ_N_TEST: return walk_filter_or_test(r, node, f);
    default: return walk_inside(r, node, f);
    }
}

static bool walk(resolver *r, aj_node *node, frame *f)
{
    AJ_TRY(walk_kind(r, node, f));
    bool escapes = node->kind == AJ_N_FILTER || node->kind == AJ_N_TEST || node->kind == AJ_N_DATA;
    node->foldable = !(r->is_volatile && escapes) && aj_fold_marks(node);
    node->unoptimized = r->is_volatile;
    return true;
}

/* `self` and `super` become parameters where they are used. */
static bool declare_if_read(resolver *r, frame *f, aj_nodes *body, const char *name, bool *has, aj_ref *ref)
{
    *has = reads(body, name);
    if (!*has) return true;
    aj_str *text;
    AJ_TRY(name_text(r, name, &text));
    AJ_TRY(aj_symbols_declare(f->symbols, text));
    return symbol_of(r, f, text, ref);
}

/* The function of the template (block NULL) or of one of its blocks. */
static bool walk_unit(resolver *r, aj_nodes *body, bool is_root, aj_unit **out)
{
    aj_function *function;
    AJ_TRY(aj_function_new(r->vm, NULL, r->template, &function));
    frame f = {.function = function, .toplevel = is_root, .rootlevel = is_root};
    AJ_TRY(aj_symbols_new(r->vm, NULL, function, &f.symbols));
    aj_unit *unit = *out = function->unit;
    AJ_TRY(declare_if_read(r, &f, body, "self", &unit->has_self, &unit->self));
    if (!is_root) AJ_TRY(declare_if_read(r, &f, body, "super", &unit->has_super, &unit->super));
    AJ_TRY(aj_symbols_of_list(f.symbols, body));
    AJ_TRY(aj_symbols_frame(f.symbols, &unit->frame));
    for (int i = 0; is_root && i < body->count; i++) {
        if (!search_extends(NULL, body->at[i])) unit->has_extends = true;
    }
    f.checked = unit->has_extends;
    r->loops = 0;
    return walk_list(r, body, &f);
}

bool aj_resolve(aj_vm *vm, as_jinja_template *template)
{
    resolver r = {.vm = vm, .template = template, .autoescape = template->syntax.dialect == AS_JINJA_HTML};
    for (int i = 0; i < template->body.count; i++) AJ_TRY(collect_blocks(&r, template->body.at[i]));
    AJ_TRY(walk_unit(&r, &template->body, true, &template->root));
    for (int i = 0; i < template->block_count; i++) {
        aj_block *block = &template->blocks[i];
        AJ_TRY(walk_unit(&r, (aj_nodes *)&block->node->x, false, &block->unit));
    }
    return true;
}
