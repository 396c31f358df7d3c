/* Names and frames; see symbols.h. Follows jinja2's idtracking.py class by class. */
#include "base/jinja/symbols.h"

#include <string.h>

bool as_jinja_same_name(const as_jinja_str *a, const as_jinja_str *b)
{
    return a == b || (a->hash == b->hash && a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

bool as_jinja_function_new(as_jinja_vm *vm, as_jinja_function *outer, as_jinja_template *template,
                           as_jinja_function **out)
{
    *out = AS_JINJA_NEW(vm, as_jinja_function);
    if (!*out) return false;
    (*out)->outer = outer;
    (*out)->unit = AS_JINJA_NEW(vm, as_jinja_unit);
    if (!(*out)->unit) return false;
    (*out)->unit->template = template;
    return true;
}

bool as_jinja_symbols_new(as_jinja_vm *vm, as_jinja_symbols *parent, as_jinja_function *function,
                          as_jinja_symbols **out)
{
    *out = AS_JINJA_NEW(vm, as_jinja_symbols);
    if (!*out) return false;
    **out = (as_jinja_symbols){
        .vm = vm, .parent = parent, .function = function, .level = parent ? parent->level + 1 : 0};
    return true;
}

static as_jinja_symbol *find_here(const as_jinja_symbols *symbols, const as_jinja_str *name)
{
    for (int i = 0; i < symbols->count; i++) {
        if (as_jinja_same_name(symbols->at[i].name, name)) return &symbols->at[i];
    }
    return NULL;
}

as_jinja_ident *as_jinja_symbols_find(const as_jinja_symbols *symbols, const as_jinja_str *name)
{
    for (; symbols; symbols = symbols->parent) {
        const as_jinja_symbol *symbol = find_here(symbols, name);
        if (symbol) return symbol->ident;
    }
    return NULL;
}

/* The function's variable of this level and name, made when it is new. */
static as_jinja_ident *make_ident(as_jinja_symbols *symbols, as_jinja_str *name)
{
    as_jinja_function *function = symbols->function;
    for (as_jinja_ident *at = function->idents; at; at = at->next) {
        if (at->level == symbols->level && as_jinja_same_name(at->name, name)) return at;
    }
    as_jinja_ident *ident = AS_JINJA_NEW(symbols->vm, as_jinja_ident);
    if (!ident) return NULL;
    *ident = (as_jinja_ident){.next = function->idents,
                              .function = function,
                              .name = name,
                              .level = symbols->level,
                              .slot = (uint32_t)function->unit->slots++};
    function->idents = ident;
    return ident;
}

static as_jinja_symbol *add_symbol(as_jinja_symbols *symbols, as_jinja_str *name)
{
    as_jinja_vm *vm = symbols->vm;
    if (!as_jinja_step(vm, 1 + (uint64_t)symbols->count / 8)) return NULL;
    as_jinja_symbol *symbol = find_here(symbols, name);
    if (symbol) return symbol;
    if (symbols->count == symbols->room) {
        int room = symbols->room ? symbols->room * 2 : 8;
        as_jinja_symbol *at = as_jinja_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return NULL;
        if (symbols->count) memcpy(at, symbols->at, (size_t)symbols->count * sizeof *at);
        symbols->at = at;
        symbols->room = room;
    }
    as_jinja_ident *ident = make_ident(symbols, name);
    if (!ident) return NULL;
    symbol = &symbols->at[symbols->count++];
    *symbol = (as_jinja_symbol){.name = name, .ident = ident};
    return symbol;
}

bool as_jinja_symbols_declare(as_jinja_symbols *symbols, as_jinja_str *name)
{
    as_jinja_symbol *symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->stored = symbol->has_load = true;
    symbol->load = AS_JINJA_PARAMETER;
    return true;
}

static bool store(as_jinja_symbols *symbols, as_jinja_str *name)
{
    as_jinja_symbol *symbol = find_here(symbols, name);
    if (symbol) {
        symbol->stored = true;
        return true;
    }
    as_jinja_ident *outer = symbols->parent ? as_jinja_symbols_find(symbols->parent, name) : NULL;
    symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->stored = symbol->has_load = true;
    symbol->load = outer ? AS_JINJA_ALIAS : AS_JINJA_UNSET;
    symbol->alias = outer;
    return true;
}

static bool load(as_jinja_symbols *symbols, as_jinja_str *name)
{
    if (as_jinja_symbols_find(symbols, name)) return true;
    as_jinja_symbol *symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->has_load = true;
    symbol->load = AS_JINJA_RESOLVE;
    return true;
}

static bool copy_symbols(const as_jinja_symbols *from, as_jinja_symbols *to)
{
    *to = *from;
    to->room = from->count + 4;
    to->at = as_jinja_alloc(from->vm, (size_t)to->room * sizeof *to->at);
    if (!to->at) return false;
    if (from->count) memcpy(to->at, from->at, (size_t)from->count * sizeof *to->at);
    return as_jinja_step(from->vm, (uint64_t)from->count / 8);
}

/* What the branches of an if made known; a name that only some of them store keeps its outer value before. */
static bool branch_update(as_jinja_symbols *symbols, const as_jinja_symbols *branches, int count)
{
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < branches[b].count; i++) {
            const as_jinja_symbol *from = &branches[b].at[i];
            as_jinja_symbol *to = add_symbol(symbols, from->name);
            if (!to) return false;
            if (!from->has_load) continue;
            to->has_load = true;
            to->load = from->load;
            to->alias = from->alias;
        }
    }
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < branches[b].count; i++) {
            const as_jinja_symbol *from = &branches[b].at[i];
            as_jinja_symbol *to = find_here(symbols, from->name);
            if (!from->stored || to->stored) continue;
            as_jinja_ident *outer =
                symbols->parent ? as_jinja_symbols_find(symbols->parent, from->name) : NULL;
            to->has_load = true;
            to->load = outer ? AS_JINJA_ALIAS : AS_JINJA_RESOLVE;
            to->alias = outer;
        }
    }
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < branches[b].count; i++) {
            if (branches[b].at[i].stored) find_here(symbols, branches[b].at[i].name)->stored = true;
        }
    }
    return true;
}

static bool visit(void *context, as_jinja_node *node);

static bool visit_nodes(as_jinja_symbols *symbols, as_jinja_nodes *nodes)
{
    for (int i = 0; i < nodes->count; i++) AS_JINJA_TRY(visit(symbols, nodes->at[i]));
    return true;
}

static bool visit_if(as_jinja_symbols *symbols, as_jinja_node *node)
{
    AS_JINJA_TRY(visit(symbols, node->a));
    as_jinja_symbols branches[3];
    as_jinja_nodes *bodies[3] = {&node->x, &node->y, &node->z};
    for (int i = 0; i < 3; i++) {
        AS_JINJA_TRY(copy_symbols(symbols, &branches[i]));
        AS_JINJA_TRY(visit_nodes(&branches[i], bodies[i]));
    }
    return branch_update(symbols, branches, 3);
}

/* Targets of a for loop: every name is a parameter. */
static bool visit_parameters(void *context, as_jinja_node *node)
{
    if (node->kind == AS_JINJA_N_NAME) return as_jinja_symbols_declare(context, node->name);
    return node->kind == AS_JINJA_N_TUPLE ? as_jinja_children(node, visit_parameters, context)
                                          : visit(context, node);
}

static bool visit_name(as_jinja_symbols *symbols, as_jinja_node *node)
{
    if (node->op == AS_JINJA_PARAM) return as_jinja_symbols_declare(symbols, node->name);
    return node->op == AS_JINJA_STORE ? store(symbols, node->name) : load(symbols, node->name);
}

/* FrameSymbolVisitor: stops where a frame of its own begins. */
static bool visit(void *context, as_jinja_node *node)
{
    as_jinja_symbols *symbols = context;
    switch (node->kind) {
    case AS_JINJA_N_NAME: return visit_name(symbols, node);
    case AS_JINJA_N_NSREF: return load(symbols, node->name);
    case AS_JINJA_N_IF: return visit_if(symbols, node);
    case AS_JINJA_N_MACRO: return store(symbols, node->name);
    case AS_JINJA_N_IMPORT: return visit(symbols, node->a) && store(symbols, node->name);
    case AS_JINJA_N_FROM_IMPORT:
        AS_JINJA_TRY(visit(symbols, node->a));
        for (int i = 1; i < node->x.count; i += 2) AS_JINJA_TRY(store(symbols, node->x.at[i]->name));
        return true;
    case AS_JINJA_N_ASSIGN: return visit(symbols, node->b) && visit(symbols, node->a);
    case AS_JINJA_N_FOR: return visit(symbols, node->b);
    case AS_JINJA_N_CALL_BLOCK: return !node->a || visit(symbols, node->a);
    case AS_JINJA_N_FILTER_BLOCK: return visit(symbols, node->a);
    case AS_JINJA_N_WITH: return visit_nodes(symbols, &node->y);
    case AS_JINJA_N_ASSIGN_BLOCK: return visit(symbols, node->a);
    case AS_JINJA_N_AUTOESCAPE:
    case AS_JINJA_N_BLOCK: return true;
    default: return as_jinja_children(node, visit, symbols);
    }
}

bool as_jinja_symbols_of_list(as_jinja_symbols *symbols, as_jinja_nodes *list)
{
    return visit_nodes(symbols, list);
}

bool as_jinja_symbols_of_node(as_jinja_symbols *symbols, as_jinja_node *node)
{
    return visit(symbols, node);
}

bool as_jinja_symbols_of_for(as_jinja_symbols *symbols, as_jinja_node *node, as_jinja_for_branch branch)
{
    if (branch == AS_JINJA_FOR_ELSE) return visit_nodes(symbols, &node->y);
    AS_JINJA_TRY(visit_parameters(symbols, node->a));
    return branch == AS_JINJA_FOR_TEST ? visit(symbols, node->c) : visit_nodes(symbols, &node->x);
}

bool as_jinja_symbols_of_macro(as_jinja_symbols *symbols, as_jinja_node *node)
{
    return visit_nodes(symbols, &node->x) && visit_nodes(symbols, &node->y) && visit_nodes(symbols, &node->z);
}

bool as_jinja_symbols_of_with(as_jinja_symbols *symbols, as_jinja_node *node)
{
    return visit_nodes(symbols, &node->x) && visit_nodes(symbols, &node->z);
}

as_jinja_ref as_jinja_ident_ref(const as_jinja_ident *ident, const as_jinja_function *from)
{
    as_jinja_ref ref = {.slot = ident->slot};
    for (; from && from != ident->function; from = from->outer) ref.hops++;
    AS_BUG(!from);
    return ref;
}

bool as_jinja_symbols_frame(const as_jinja_symbols *symbols, as_jinja_frame *out)
{
    as_jinja_load *loads = AS_JINJA_NEW_ARRAY(symbols->vm, as_jinja_load, symbols->count);
    if (!loads) return false;
    int count = 0;
    for (int i = 0; i < symbols->count; i++) {
        const as_jinja_symbol *from = &symbols->at[i];
        if (!from->has_load) continue;
        as_jinja_load *to = &loads[count++];
        to->kind = from->load;
        to->name = from->name;
        to->target = as_jinja_ident_ref(from->ident, symbols->function);
        if (from->load == AS_JINJA_ALIAS) to->alias = as_jinja_ident_ref(from->alias, symbols->function);
    }
    *out = (as_jinja_frame){.loads = loads, .count = count};
    return true;
}

static bool has_local(const as_jinja_node *node, const as_jinja_str *name)
{
    for (int i = 0; i < node->local_count; i++) {
        if (as_jinja_same_name(node->locals[i].name, name)) return true;
    }
    return false;
}

bool as_jinja_symbols_stores(const as_jinja_symbols *symbols, as_jinja_function *from, as_jinja_node *node)
{
    int room = 0;
    for (const as_jinja_symbols *at = symbols; at; at = at->parent) room += at->count;
    node->locals = AS_JINJA_NEW_ARRAY(symbols->vm, as_jinja_local, room);
    if (!node->locals) return false;
    AS_JINJA_TRY(as_jinja_step(symbols->vm, (uint64_t)room));
    for (const as_jinja_symbols *at = symbols; at; at = at->parent) {
        for (int i = 0; i < at->count; i++) {
            const as_jinja_symbol *symbol = &at->at[i];
            if (!symbol->stored || has_local(node, symbol->name)) continue;
            as_jinja_ident *ident = as_jinja_symbols_find(symbols, symbol->name);
            node->locals[node->local_count++] =
                (as_jinja_local){symbol->name, as_jinja_ident_ref(ident, from)};
        }
    }
    return true;
}
