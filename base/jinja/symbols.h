/* Which variable a name means: jinja2's idtracking.py. Internal to base/jinja, used while a template
 * compiles. */
#ifndef AS_BASE_JINJA_SYMBOLS_H
#define AS_BASE_JINJA_SYMBOLS_H

#include "base/jinja/ast.h"

/* A local variable of one generated function: jinja2 calls it l_<level>_<name>. */
typedef struct aj_ident {
    struct aj_ident *next; /* of the same function */
    struct aj_function *function;
    aj_str *name;
    int level;
    uint32_t slot;
} aj_ident;

/* A generated function; those inside it see its variables. */
typedef struct aj_function {
    struct aj_function *outer; /* NULL: root and blocks */
    aj_unit *unit;
    aj_ident *idents;
} aj_function;

typedef struct aj_symbol {
    aj_str *name;
    aj_ident *ident;
    aj_load_kind load;
    aj_ident *alias;
    bool has_load, stored;
} aj_symbol;

/* The names that one frame knows. */
typedef struct aj_symbols {
    aj_vm *vm;
    struct aj_symbols *parent;
    aj_function *function;
    int level;
    aj_symbol *at;
    int count, room;
} aj_symbols;

bool aj_symbols_new(aj_vm *vm, aj_symbols *parent, aj_function *function, aj_symbols **out);
bool aj_function_new(aj_vm *vm, aj_function *outer, as_jinja_template *template, aj_function **out);
bool aj_same_name(const aj_str *a, const aj_str *b);

/* analyze_node: what the statement that opened the frame makes known in it. */
typedef enum { AJ_FOR_BODY, AJ_FOR_ELSE, AJ_FOR_TEST } aj_for_branch;
bool aj_symbols_of_list(aj_symbols *symbols, aj_nodes *list);
bool aj_symbols_of_for(aj_symbols *symbols, aj_node *node, aj_for_branch branch);
bool aj_symbols_of_macro(aj_symbols *symbols, aj_node *node);
bool aj_symbols_of_with(aj_symbols *symbols, aj_node *node);
bool aj_symbols_of_node(aj_symbols *symbols, aj_node *node);
bool aj_symbols_declare(aj_symbols *symbols, aj_str *name); /* as a parameter */

/* The variable, NULL when the frame does not know it. */
aj_ident *aj_symbols_find(const aj_symbols *symbols, const aj_str *name);
bool aj_symbols_frame(const aj_symbols *symbols, aj_frame *out); /* the loads, for entering */
bool aj_symbols_stores(const aj_symbols *symbols, aj_function *from, aj_node *node); /* into node->locals */
aj_ref aj_ident_ref(const aj_ident *ident, const aj_function *from);

#endif
