/* Names and frames; see symbols.h. Follows jinja2's idtracking.py class by class. */
#include "base/jinja/symbols.h"

#include <string.h>

bool aj_same_name(const aj_str *a, const aj_str *b)
{
    return a == b || (a->hash == b->hash && a->size == b->size && memcmp(a->data, b->data, a->size) == 0);
}

bool aj_function_new(aj_vm *vm, aj_function *outer, as_jinja_template *template, aj_function **out)
{
    *out = AJ_NEW(vm, aj_function);
    if (!*out) return false;
    (*out)->outer = outer;
    (*out)->unit = AJ_NEW(vm, aj_unit);
    if (!(*out)->unit) return false;
    (*out)->unit->template = template;
    return true;
}

bool aj_symbols_new(aj_vm *vm, aj_symbols *parent, aj_function *function, aj_symbols **out)
{
    *out = AJ_NEW(vm, aj_symbols);
    if (!*out) return false;
    **out = (aj_symbols){
        .vm = vm, .parent = parent, .function = function, .level = parent ? parent->level + 1 : 0};
    return true;
}

static aj_symbol *find_here(const aj_symbols *symbols, const aj_str *name)
{
    for (int i = 0; i < symbols->count; i++) {
        if (aj_same_name(symbols->at[i].name, name)) return &symbols->at[i];
    }
    return NULL;
}

aj_ident *aj_symbols_find(const aj_symbols *symbols, const aj_str *name)
{
    for (; symbols; symbols = symbols->parent) {
        const aj_symbol *symbol = find_here(symbols, name);
        if (symbol) return symbol->ident;
    }
    return NULL;
}

/* The function's variable of this level and name, made when it is new. */
static aj_ident *make_ident(aj_symbols *symbols, aj_str *name)
{
    aj_function *function = symbols->function;
    for (aj_ident *at = function->idents; at; at = at->next) {
        if (at->level == symbols->level && aj_same_name(at->name, name)) return at;
    }
    aj_ident *ident = AJ_NEW(symbols->vm, aj_ident);
    if (!ident) return NULL;
    *ident = (aj_ident){.next = function->idents,
                        .function = function,
                        .name = name,
                        .level = symbols->level,
                        .slot = (uint32_t)function->unit->slots++};
    function->idents = ident;
    return ident;
}

static aj_symbol *add_symbol(aj_symbols *symbols, aj_str *name)
{
    aj_vm *vm = symbols->vm;
    if (!aj_step(vm, 1 + (uint64_t)symbols->count / 8)) return NULL;
    aj_symbol *symbol = find_here(symbols, name);
    if (symbol) return symbol;
    if (symbols->count == symbols->room) {
        int room = symbols->room ? symbols->room * 2 : 8;
        aj_symbol *at = aj_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return NULL;
        if (symbols->count) memcpy(at, symbols->at, (size_t)symbols->count * sizeof *at);
        symbols->at = at;
        symbols->room = room;
    }
    aj_ident *ident = make_ident(symbols, name);
    if (!ident) return NULL;
    symbol = &symbols->at[symbols->count++];
    *symbol = (aj_symbol){.name = name, .ident = ident};
    return symbol;
}

bool aj_symbols_declare(aj_symbols *symbols, aj_str *name)
{
    aj_symbol *symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->stored = symbol->has_load = true;
    symbol->load = AJ_PARAMETER;
    return true;
}

static bool store(aj_symbols *symbols, aj_str *name)
{
    aj_symbol *symbol = find_here(symbols, name);
    if (symbol) {
        symbol->stored = true;
        return true;
    }
    aj_ident *outer = symbols->parent ? aj_symbols_find(symbols->parent, name) : NULL;
    symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->stored = symbol->has_load = true;
    symbol->load = outer ? AJ_ALIAS : AJ_UNSET;
    symbol->alias = outer;
    return true;
}

static bool load(aj_symbols *symbols, aj_str *name)
{
    if (aj_symbols_find(symbols, name)) return true;
    aj_symbol *symbol = add_symbol(symbols, name);
    if (!symbol) return false;
    symbol->has_load = true;
    symbol->load = AJ_RESOLVE;
    return true;
}

static bool copy_symbols(const aj_symbols *from, aj_symbols *to)
{
    *to = *from;
    to->room = from->count + 4;
    to->at = aj_alloc(from->vm, (size_t)to->room * sizeof *to->at);
    if (!to->at) return false;
    if (from->count) memcpy(to->at, from->at, (size_t)from->count * sizeof *to->at);
    return aj_step(from->vm, (uint64_t)from->count / 8);
}

/* What the branches of an if made known; a name that only some of them store keeps its outer value before. */
static bool branch_update(aj_symbols *symbols, const aj_symbols *branches, int count)
{
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < branches[b].count; i++) {
            const aj_symbol *from = &branches[b].at[i];
            aj_symbol *to = add_symbol(symbols, from->name);
            if (!to) return false;
            if (!from->has_load) continue;
            to->has_load = true;
            to->load = from->load;
            to->alias = from->alias;
        }
    }
    for (int b = 0; b < count; b++) {
        for (int i = 0; i < branches[b].count; i++) {
            const aj_symbol *from = &branches[b].at[i];
            aj_symbol *to = find_here(symbols, from->name);
            if (!from->stored || to->stored) continue;
            aj_ident *outer = symbols->parent ? aj_symbols_find(symbols->parent, from->name) : NULL;
            to->has_load = true;
            to->load = outer ? AJ_ALIAS : AJ_RESOLVE;
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

static bool visit(void *context, aj_node *node);

static bool visit_nodes(aj_symbols *symbols, aj_nodes *nodes)
{
    for (int i = 0; i < nodes->count; i++) AJ_TRY(visit(symbols, nodes->at[i]));
    return true;
}

static bool visit_if(aj_symbols *symbols, aj_node *node)
{
    AJ_TRY(visit(symbols, node->a));
    aj_symbols branches[3];
    aj_nodes *bodies[3] = {&node->x, &node->y, &node->z};
    for (int i = 0; i < 3; i++) {
        AJ_TRY(copy_symbols(symbols, &branches[i]));
        AJ_TRY(visit_nodes(&branches[i], bodies[i]));
    }
    return branch_update(symbols, branches, 3);
}

/* Targets of a for loop: every name is a parameter. */
static bool visit_parameters(void *context, aj_node *node)
{
    if (node->kind == AJ_N_NAME) return aj_symbols_declare(context, node->name);
    return node->kind == AJ_N_TUPLE ? aj_children(node, visit_parameters, context) : visit(context, node);
}

static bool visit_name(aj_symbols *symbols, aj_node *node)
{
    if (node->op == AJ_PARAM) return aj_symbols_declare(symbols, node->name);
    return node->op == AJ_STORE ? store(symbols, node->name) : load(symbols, node->name);
}

/* FrameSymbolVisitor: stops where a frame of its own begins. */
static bool visit(void *context, aj_node *node)
{
    aj_symbols *symbols = context;
    switch (node->kind) {
    case AJ_N_NAME: return visit_name(symbols, node);
    case AJ_N_NSREF: return load(symbols, node->name);
    case AJ_N_IF: return visit_if(symbols, node);
    case AJ_N_MACRO: return store(symbols, node->name);
    case AJ_N_IMPORT: return visit(symbols, node->a) && store(symbols, node->name);
    case AJ_N_FROM_IMPORT:
        AJ_TRY(visit(symbols, node->a));
        for (int i = 1; i < node->x.count; i += 2) AJ_TRY(store(symbols, node->x.at[i]->name));
        return true;
    case AJ_N_ASSIGN: return visit(symbols, node->b) && visit(symbols, node->a);
    case AJ_N_FOR: return visit(symbols, node->b);
    case AJ_N_CALL_BLOCK: return !node->a || visit(symbols, node->a);
    case AJ_N_FILTER_BLOCK: return visit(symbols, node->a);
    case AJ_N_WITH: return visit_nodes(symbols, &node->y);
    case AJ_N_ASSIGN_BLOCK: return visit(symbols, node->a);
    case AJ_N_AUTOESCAPE:
    case AJ_N_BLOCK: return true;
    default: return aj_children(node, visit, symbols);
    }
}

bool aj_symbols_of_list(aj_symbols *symbols, aj_nodes *list)
{
    return visit_nodes(symbols, list);
}

bool aj_symbols_of_node(aj_symbols *symbols, aj_node *node)
{
    return visit(symbols, node);
}

bool aj_symbols_of_for(aj_symbols *symbols, aj_node *node, aj_for_branch branch)
{
    if (branch == AJ_FOR_ELSE) return visit_nodes(symbols, &node->y);
    AJ_TRY(visit_parameters(symbols, node->a));
    return branch == AJ_FOR_TEST ? visit(symbols, node->c) : visit_nodes(symbols, &node->x);
}

bool aj_symbols_of_macro(aj_symbols *symbols, aj_node *node)
{
    return visit_nodes(symbols, &node->x) && visit_nodes(symbols, &node->y) && visit_nodes(symbols, &node->z);
}

bool aj_symbols_of_with(aj_symbols *symbols, aj_node *node)
{
    return visit_nodes(symbols, &node->x) && visit_nodes(symbols, &node->z);
}

aj_ref aj_ident_ref(const aj_ident *ident, const aj_function *from)
{
    aj_ref ref = {.slot = ident->slot};
    for (; from && from != ident->function; from = from->outer) ref.hops++;
    AS_BUG(!from);
    return ref;
}

bool aj_symbols_frame(const aj_symbols *symbols, aj_frame *out)
{
    aj_load *loads = AJ_NEW_ARRAY(symbols->vm, aj_load, symbols->count);
    if (!loads) return false;
    int count = 0;
    for (int i = 0; i < symbols->count; i++) {
        const aj_symbol *from = &symbols->at[i];
        if (!from->has_load) continue;
        aj_load *to = &loads[count++];
        to->kind = from->load;
        to->name = from->name;
        to->target = aj_ident_ref(from->ident, symbols->function);
        if (from->load == AJ_ALIAS) to->alias = aj_ident_ref(from->alias, symbols->function);
    }
    *out = (aj_frame){.loads = loads, .count = count};
    return true;
}

static bool has_local(const aj_node *node, const aj_str *name)
{
    for (int i = 0; i < node->local_count; i++) {
        if (aj_same_name(node->locals[i].name, name)) return true;
    }
    return false;
}

bool aj_symbols_stores(const aj_symbols *symbols, aj_function *from, aj_node *node)
{
    int room = 0;
    for (const aj_symbols *at = symbols; at; at = at->parent) room += at->count;
    node->locals = AJ_NEW_ARRAY(symbols->vm, aj_local, room);
    if (!node->locals) return false;
    AJ_TRY(aj_step(symbols->vm, (uint64_t)room));
    for (const aj_symbols *at = symbols; at; at = at->parent) {
        for (int i = 0; i < at->count; i++) {
            const aj_symbol *symbol = &at->at[i];
            if (!symbol->stored || has_local(node, symbol->name)) continue;
            aj_ident *ident = aj_symbols_find(symbols, symbol->name);
            node->locals[node->local_count++] = (aj_local){symbol->name, aj_ident_ref(ident, from)};
        }
    }
    return true;
}
