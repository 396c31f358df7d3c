/* Which variable a name means: jinja2's idtracking.py. Internal to base/jinja, used while a template
 * compiles. */
#ifndef AS_BASE_JINJA_SYMBOLS_H
#define AS_BASE_JINJA_SYMBOLS_H

#include "base/jinja/ast.h"

/* A local variable of one generated function: jinja2 calls it l_<level>_<name>. */
typedef struct as_jinja_ident {
    struct as_jinja_ident *next; /* of the same function */
    struct as_jinja_function *function;
    as_jinja_str *name;
    int level;
    uint32_t slot;
} as_jinja_ident;

/* A generated function; those inside it see its variables. */
typedef struct as_jinja_function {
    struct as_jinja_function *outer; /* NULL: root and blocks */
    as_jinja_unit *unit;
    as_jinja_ident *idents;
} as_jinja_function;

typedef struct as_jinja_symbol {
    as_jinja_str *name;
    as_jinja_ident *ident;
    as_jinja_load_kind load;
    as_jinja_ident *alias;
    bool has_load, stored;
} as_jinja_symbol;

/* The names that one frame knows. */
typedef struct as_jinja_symbols {
    as_jinja_vm *vm;
    struct as_jinja_symbols *parent;
    as_jinja_function *function;
    int level;
    as_jinja_symbol *at;
    int count, room;
} as_jinja_symbols;

bool as_jinja_symbols_new(as_jinja_vm *vm, as_jinja_symbols *parent, as_jinja_function *function,
                          as_jinja_symbols **out);
bool as_jinja_function_new(as_jinja_vm *vm, as_jinja_function *outer, as_jinja_template *template,
                           as_jinja_function **out);
bool as_jinja_same_name(const as_jinja_str *a, const as_jinja_str *b);

/* analyze_node: what the statement that opened the frame makes known in it. */
typedef enum { AS_JINJA_FOR_BODY, AS_JINJA_FOR_ELSE, AS_JINJA_FOR_TEST } as_jinja_for_branch;
bool as_jinja_symbols_of_list(as_jinja_symbols *symbols, as_jinja_nodes *list);
bool as_jinja_symbols_of_for(as_jinja_symbols *symbols, as_jinja_node *node, as_jinja_for_branch branch);
bool as_jinja_symbols_of_macro(as_jinja_symbols *symbols, as_jinja_node *node);
bool as_jinja_symbols_of_with(as_jinja_symbols *symbols, as_jinja_node *node);
bool as_jinja_symbols_of_node(as_jinja_symbols *symbols, as_jinja_node *node);
bool as_jinja_symbols_declare(as_jinja_symbols *symbols, as_jinja_str *name); /* as a parameter */

/* The variable, NULL when the frame does not know it. */
as_jinja_ident *as_jinja_symbols_find(const as_jinja_symbols *symbols, const as_jinja_str *name);
bool as_jinja_symbols_frame(const as_jinja_symbols *symbols,
                            as_jinja_frame *out); /* the loads, for entering */
bool as_jinja_symbols_stores(const as_jinja_symbols *symbols, as_jinja_function *from,
                             as_jinja_node *node); /* into node->locals */
as_jinja_ref as_jinja_ident_ref(const as_jinja_ident *ident, const as_jinja_function *from);

#endif
