/* The tree of a compiled template. Internal to base/jinja.
 *
 * The parser makes it, scope.c resolves its names, and it does not change afterwards. The kinds, their fields
 * and the rules of scope are jinja2's (nodes.py, idtracking.py, compiler.py), because what a name means there
 * follows from the Python code that jinja2 generates. */
#ifndef AS_BASE_JINJA_AST_H
#define AS_BASE_JINJA_AST_H

#include "base/jinja/value.h"

/* kind, and the order in which jinja2 visits its parts: a-d single nodes, x-z lists. */
#define AJ_NODES(X)                                                                                          \
    X(OUTPUT, "x")        /* x expressions and template data */                                              \
    X(FOR, "abxyc")       /* a target, b iterable, x body, y else, c filter; flag: recursive */              \
    X(IF, "axyz")         /* a test, x body, y elif (IF nodes), z else */                                    \
    X(MACRO, "xyz")       /* name; x arguments, y defaults, z body */                                        \
    X(CALL_BLOCK, "axyz") /* a call (NULL: generation); x arguments, y defaults, z body */                   \
    X(FILTER_BLOCK, "xa") /* x body, a filter */                                                             \
    X(WITH, "xyz")        /* x targets, y values, z body */                                                  \
    X(BLOCK, "x")         /* name; x body; flags: scoped, required */                                        \
    X(EXTENDS, "a")                                                                                          \
    X(INCLUDE, "a")        /* flags: ignore_missing, with_context */                                         \
    X(IMPORT, "a")         /* name; flag: with_context */                                                    \
    X(FROM_IMPORT, "a")    /* x NAME pairs: name and alias one after the other */                            \
    X(ASSIGN, "ab")        /* a target, b value */                                                           \
    X(ASSIGN_BLOCK, "abx") /* a target, b filter or NULL, x body */                                          \
    X(AUTOESCAPE, "ax")    /* a option, x body */                                                            \
    X(BREAK, "")                                                                                             \
    X(CONTINUE, "")                                                                                          \
    X(NAME, "")  /* name; op: aj_name_use */                                                                 \
    X(NSREF, "") /* name, value: the attribute */                                                            \
    X(CONST, "") /* value */                                                                                 \
    X(DATA, "")  /* value */                                                                                 \
    X(TUPLE, "x")                                                                                            \
    X(LIST, "x")                                                                                             \
    X(DICT, "x") /* x PAIR nodes */                                                                          \
    X(PAIR, "ab")                                                                                            \
    X(COND, "abc")     /* a test, b value, c else or NULL */                                                 \
    X(CALL, "axybc")   /* a callee, x arguments, y KEYWORD nodes, b *arguments, c **arguments */             \
    X(FILTER, "axybc") /* name, builtin; a value, NULL in a block */                                         \
    X(TEST, "axybc")                                                                                         \
    X(KEYWORD, "a") /* name */                                                                               \
    X(GETATTR, "a") /* name */                                                                               \
    X(GETITEM, "ab")                                                                                         \
    X(SLICE, "abc")                                                                                          \
    X(CONCAT, "x")                                                                                           \
    X(COMPARE, "ax") /* x OPERAND nodes */                                                                   \
    X(OPERAND, "a")  /* op: aj_cmp */                                                                        \
    X(BINARY, "ab")  /* op: aj_binop */                                                                      \
    X(AND, "ab")                                                                                             \
    X(OR, "ab")                                                                                              \
    X(NOT, "a")                                                                                              \
    X(NEG, "a")                                                                                              \
    X(POS, "a")

typedef enum aj_node_kind {
#define AJ_NODE_ENUM(name, parts) AJ_N_##name,
    AJ_NODES(AJ_NODE_ENUM)
#undef AJ_NODE_ENUM
} aj_node_kind;

typedef enum { AJ_LOAD, AJ_STORE, AJ_PARAM } aj_name_use;

/* How text is escaped at one place of the template. */
typedef enum { AJ_PLAIN, AJ_ESCAPED, AJ_VOLATILE /* as the context says at run time */ } aj_escaping;

/* A variable: `hops` functions outwards, slot `slot` there. */
typedef struct aj_ref {
    uint32_t hops, slot;
} aj_ref;

typedef enum { AJ_RESOLVE, AJ_ALIAS, AJ_UNSET, AJ_PARAMETER } aj_load_kind;

/* What happens to one slot when a frame is entered. */
typedef struct aj_load {
    aj_load_kind kind;
    aj_ref target; /* hops 0 */
    aj_ref alias;
    aj_str *name;
} aj_load;

typedef struct aj_frame {
    aj_load *loads;
    int count;
} aj_frame;

/* A variable to hand over with its name: to an include, an import, a scoped block. */
typedef struct aj_local {
    aj_str *name;
    aj_ref ref;
} aj_local;

typedef struct aj_node aj_node;

typedef struct aj_nodes {
    aj_node **at;
    int count, room;
} aj_nodes;

/* One function of the Python module that jinja2 would generate. */
typedef struct aj_unit {
    const as_jinja_template *template;
    int slots;
    aj_frame frame;
    /* macros and call blocks */
    aj_str *name;        /* NULL: anonymous */
    const aj_node *node; /* arguments, defaults and body */
    aj_ref *arguments;   /* hops 0; behind node's own: caller, kwargs, varargs as far as used */
    int argument_count;
    bool takes_caller, takes_kwargs, takes_varargs, explicit_caller;
    /* root and blocks */
    bool has_self, has_super, has_extends;
    aj_ref self, super;
} aj_unit;

struct aj_node {
    aj_node_kind kind;
    uint8_t op;
    uint8_t escaping; /* aj_escaping */
    bool recursive, scoped, required, ignore_missing, with_context, has_else;
    bool exported;     /* a store that is also the template's own variable */
    bool checked;      /* output that waits for no parent */
    bool extended;     /* a loop whose body uses `loop` */
    bool python_scope; /* the loop's slots stay as they are at its end */
    bool foldable;     /* may be constant: jinja2 computes it when it compiles */
    bool unoptimized;  /* only when it is printed, as whether to escape is not known yet */
    int line, height;
    aj_str *name;
    aj_value value;
    aj_node *a, *b, *c;
    aj_nodes x, y, z;
    const aj_builtin *builtin;
    aj_ref ref; /* of a name; of `loop` */
    aj_frame frame, else_frame, test_frame;
    aj_unit *unit;        /* of macros, call blocks, blocks, recursive loops */
    aj_unit *test_unit;   /* of a loop's filter */
    aj_node *test_target; /* the loop's target, in test_unit */
    aj_local *locals;
    int local_count;
};

typedef struct aj_block {
    aj_str *name;
    aj_unit *unit;
    const aj_node *node;
} aj_block;

struct as_jinja_template {
    as_arena arena;
    char *name;
    as_jinja_syntax syntax;
    aj_nodes body;
    aj_unit *root;
    aj_block *blocks;
    int block_count;
};

/* The compiler's machine is an aj_vm whose arena is the template's. */
typedef enum aj_token_kind {
    AJ_T_EOF,
    AJ_T_DATA,
    AJ_T_BLOCK_BEGIN,
    AJ_T_BLOCK_END,
    AJ_T_VARIABLE_BEGIN,
    AJ_T_VARIABLE_END,
    AJ_T_NAME,
    AJ_T_STRING,
    AJ_T_INTEGER,
    AJ_T_FLOAT,
    AJ_T_ADD,
    AJ_T_SUB,
    AJ_T_DIV,
    AJ_T_FLOORDIV,
    AJ_T_MUL,
    AJ_T_MOD,
    AJ_T_POW,
    AJ_T_TILDE,
    AJ_T_LBRACKET,
    AJ_T_RBRACKET,
    AJ_T_LPAREN,
    AJ_T_RPAREN,
    AJ_T_LBRACE,
    AJ_T_RBRACE,
    AJ_T_EQ,
    AJ_T_NE,
    AJ_T_GT,
    AJ_T_GTEQ,
    AJ_T_LT,
    AJ_T_LTEQ,
    AJ_T_ASSIGN,
    AJ_T_DOT,
    AJ_T_COLON,
    AJ_T_PIPE,
    AJ_T_COMMA,
    AJ_T_SEMICOLON,
} aj_token_kind;

typedef struct aj_token {
    aj_token_kind kind;
    int line;
    aj_value value; /* the text of data, names and strings; a number's value */
} aj_token;

typedef struct aj_tokens {
    aj_token *at;
    int64_t count, room;
} aj_tokens;

bool aj_lex(aj_vm *vm, const char *text, size_t size, const as_jinja_syntax *syntax, aj_tokens *out);
bool aj_lex_string(aj_vm *vm, const char *text, size_t size, aj_value *out); /* the text between quotes */
const char *aj_token_text(aj_token_kind kind);                               /* for messages */
bool aj_parse(aj_vm *vm, const aj_tokens *tokens, aj_nodes *body);
bool aj_resolve(aj_vm *vm, as_jinja_template *template);

/* Calls visit for every child in jinja2's order; stops and returns false when visit does. */
typedef bool aj_visit(void *context, aj_node *child);
bool aj_children(aj_node *node, aj_visit *visit, void *context);
bool aj_nodes_add(aj_vm *vm, aj_nodes *nodes, aj_node *node);

/* --- parser, shared by its two files --- */
typedef struct aj_parser {
    aj_vm *vm;
    const aj_tokens *tokens;
    int64_t at;
    const char *ends[64]; /* innermost last: what is being looked for, for messages */
    int end_count;
} aj_parser;

static inline const aj_token *aj_current(const aj_parser *p)
{
    return &p->tokens->at[p->at];
}
const aj_token *aj_look(const aj_parser *p);
void aj_advance(aj_parser *p);
bool aj_at_name(const aj_parser *p, const char *word);
bool aj_skip_name(aj_parser *p, const char *word);
bool aj_skip(aj_parser *p, aj_token_kind kind);
bool aj_expect(aj_parser *p, aj_token_kind kind);
bool aj_expect_name(aj_parser *p, const char *word);
bool aj_expect_any_name(aj_parser *p, aj_str **name);
bool aj_unexpected(aj_parser *p, const char *expected);
bool aj_node_new(aj_parser *p, aj_node_kind kind, int line, aj_node **out);
bool aj_node_done(aj_parser *p, aj_node *node); /* checks the height of the finished node */

enum { AJ_NO_COND = 1, AJ_SIMPLE = 2, AJ_PARENTHESES = 4, AJ_NAMESPACE_OK = 8 };
bool aj_parse_expression(aj_parser *p, int flags, aj_node **out);
bool aj_parse_tuple(aj_parser *p, int flags, aj_node **out);
bool aj_parse_primary(aj_parser *p, int flags, aj_node **out);
bool aj_parse_filter(aj_parser *p, aj_node *node, bool start_inline, aj_node **out);

#endif
