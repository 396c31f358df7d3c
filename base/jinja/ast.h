/* The tree of a compiled template. Internal to base/jinja.
 *
 * The parser makes it, scope.c resolves its names, and it does not change afterwards. The kinds, their fields
 * and the rules of scope are jinja2's (nodes.py, idtracking.py, compiler.py), because what a name means there
 * follows from the Python code that jinja2 generates. */
#ifndef AS_BASE_JINJA_AST_H
#define AS_BASE_JINJA_AST_H

#include "base/jinja/value.h"

/* kind, and the order in which jinja2 visits its parts: a-d single nodes, x-z lists. */
#define AS_JINJA_NODES(X)                                                                                    \
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
    X(NAME, "")  /* name; op: as_jinja_name_use */                                                           \
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
    X(OPERAND, "a")  /* op: as_jinja_cmp */                                                                  \
    X(BINARY, "ab")  /* op: as_jinja_binop */                                                                \
    X(AND, "ab")                                                                                             \
    X(OR, "ab")                                                                                              \
    X(NOT, "a")                                                                                              \
    X(NEG, "a")                                                                                              \
    X(POS, "a")

typedef enum as_jinja_node_kind {
#define AS_JINJA_NODE_ENUM(name, parts) AS_JINJA_N_##name,
    AS_JINJA_NODES(AS_JINJA_NODE_ENUM)
#undef AS_JINJA_NODE_ENUM
} as_jinja_node_kind;

typedef enum { AS_JINJA_LOAD, AS_JINJA_STORE, AS_JINJA_PARAM } as_jinja_name_use;

/* How text is escaped at one place of the template. */
typedef enum {
    AS_JINJA_PLAIN,
    AS_JINJA_ESCAPED,
    AS_JINJA_VOLATILE /* as the context says at run time */
} as_jinja_escaping;

/* A variable: `hops` functions outwards, slot `slot` there. */
typedef struct as_jinja_ref {
    uint32_t hops, slot;
} as_jinja_ref;

typedef enum { AS_JINJA_RESOLVE, AS_JINJA_ALIAS, AS_JINJA_UNSET, AS_JINJA_PARAMETER } as_jinja_load_kind;

/* What happens to one slot when a frame is entered. */
typedef struct as_jinja_load {
    as_jinja_load_kind kind;
    as_jinja_ref target; /* hops 0 */
    as_jinja_ref alias;
    as_jinja_str *name;
} as_jinja_load;

typedef struct as_jinja_frame {
    as_jinja_load *loads;
    int count;
} as_jinja_frame;

/* A variable to hand over with its name: to an include, an import, a scoped block. */
typedef struct as_jinja_local {
    as_jinja_str *name;
    as_jinja_ref ref;
} as_jinja_local;

typedef struct as_jinja_node as_jinja_node;

typedef struct as_jinja_nodes {
    as_jinja_node **at;
    int count, room;
} as_jinja_nodes;

/* One function of the Python module that jinja2 would generate. */
typedef struct as_jinja_unit {
    const as_jinja_template *template;
    int slots;
    as_jinja_frame frame;
    /* macros and call blocks */
    as_jinja_str *name;        /* NULL: anonymous */
    const as_jinja_node *node; /* arguments, defaults and body */
    as_jinja_ref *arguments;   /* hops 0; behind node's own: caller, kwargs, varargs as far as used */
    int argument_count;
    bool takes_caller, takes_kwargs, takes_varargs, explicit_caller;
    /* root and blocks */
    bool has_self, has_super, has_extends;
    as_jinja_ref self, super;
} as_jinja_unit;

struct as_jinja_node {
    as_jinja_node_kind kind;
    uint8_t op;
    uint8_t escaping; /* as_jinja_escaping */
    bool recursive, scoped, required, ignore_missing, with_context, has_else;
    bool exported;     /* a store that is also the template's own variable */
    bool checked;      /* output that waits for no parent */
    bool extended;     /* a loop whose body uses `loop` */
    bool python_scope; /* the loop's slots stay as they are at its end */
    bool foldable;     /* may be constant: jinja2 computes it when it compiles */
    bool unoptimized;  /* only when it is printed, as whether to escape is not known yet */
    int line, height;
    as_jinja_str *name;
    as_jinja_value value;
    as_jinja_node *a, *b, *c;
    as_jinja_nodes x, y, z;
    const as_jinja_builtin *builtin;
    as_jinja_ref ref; /* of a name; of `loop` */
    as_jinja_frame frame, else_frame, test_frame;
    as_jinja_unit *unit;        /* of macros, call blocks, blocks, recursive loops */
    as_jinja_unit *test_unit;   /* of a loop's filter */
    as_jinja_node *test_target; /* the loop's target, in test_unit */
    as_jinja_local *locals;
    int local_count;
};

typedef struct as_jinja_block {
    as_jinja_str *name;
    as_jinja_unit *unit;
    const as_jinja_node *node;
} as_jinja_block;

struct as_jinja_template {
    as_arena arena;
    char *name;
    as_jinja_syntax syntax;
    as_jinja_nodes body;
    as_jinja_unit *root;
    as_jinja_block *blocks;
    int block_count;
};

/* The compiler's machine is an as_jinja_vm whose arena is the template's. */
typedef enum as_jinja_token_kind {
    AS_JINJA_T_EOF,
    AS_JINJA_T_DATA,
    AS_JINJA_T_BLOCK_BEGIN,
    AS_JINJA_T_BLOCK_END,
    AS_JINJA_T_VARIABLE_BEGIN,
    AS_JINJA_T_VARIABLE_END,
    AS_JINJA_T_NAME,
    AS_JINJA_T_STRING,
    AS_JINJA_T_INTEGER,
    AS_JINJA_T_FLOAT,
    AS_JINJA_T_ADD,
    AS_JINJA_T_SUB,
    AS_JINJA_T_DIV,
    AS_JINJA_T_FLOORDIV,
    AS_JINJA_T_MUL,
    AS_JINJA_T_MOD,
    AS_JINJA_T_POW,
    AS_JINJA_T_TILDE,
    AS_JINJA_T_LBRACKET,
    AS_JINJA_T_RBRACKET,
    AS_JINJA_T_LPAREN,
    AS_JINJA_T_RPAREN,
    AS_JINJA_T_LBRACE,
    AS_JINJA_T_RBRACE,
    AS_JINJA_T_EQ,
    AS_JINJA_T_NE,
    AS_JINJA_T_GT,
    AS_JINJA_T_GTEQ,
    AS_JINJA_T_LT,
    AS_JINJA_T_LTEQ,
    AS_JINJA_T_ASSIGN,
    AS_JINJA_T_DOT,
    AS_JINJA_T_COLON,
    AS_JINJA_T_PIPE,
    AS_JINJA_T_COMMA,
    AS_JINJA_T_SEMICOLON,
} as_jinja_token_kind;

typedef struct as_jinja_token {
    as_jinja_token_kind kind;
    int line;
    as_jinja_value value; /* the text of data, names and strings; a number's value */
} as_jinja_token;

typedef struct as_jinja_tokens {
    as_jinja_token *at;
    int64_t count, room;
} as_jinja_tokens;

bool as_jinja_lex(as_jinja_vm *vm, const char *text, size_t size, const as_jinja_syntax *syntax,
                  as_jinja_tokens *out);
bool as_jinja_lex_string(as_jinja_vm *vm, const char *text, size_t size,
                         as_jinja_value *out);             /* the text between quotes */
const char *as_jinja_token_text(as_jinja_token_kind kind); /* for messages */
bool as_jinja_parse(as_jinja_vm *vm, const as_jinja_tokens *tokens, as_jinja_nodes *body);
bool as_jinja_resolve(as_jinja_vm *vm, as_jinja_template *template);

/* Calls visit for every child in jinja2's order; stops and returns false when visit does. */
typedef bool as_jinja_visit(void *context, as_jinja_node *child);
bool as_jinja_children(as_jinja_node *node, as_jinja_visit *visit, void *context);
bool as_jinja_nodes_add(as_jinja_vm *vm, as_jinja_nodes *nodes, as_jinja_node *node);

/* --- parser, shared by its two files --- */
typedef struct as_jinja_parser {
    as_jinja_vm *vm;
    const as_jinja_tokens *tokens;
    int64_t at;
    const char *ends[64]; /* innermost last: what is being looked for, for messages */
    int end_count;
} as_jinja_parser;

static inline const as_jinja_token *as_jinja_current(const as_jinja_parser *p)
{
    return &p->tokens->at[p->at];
}
const as_jinja_token *as_jinja_look(const as_jinja_parser *p);
void as_jinja_advance(as_jinja_parser *p);
bool as_jinja_at_name(const as_jinja_parser *p, const char *word);
bool as_jinja_skip_name(as_jinja_parser *p, const char *word);
bool as_jinja_skip(as_jinja_parser *p, as_jinja_token_kind kind);
bool as_jinja_expect(as_jinja_parser *p, as_jinja_token_kind kind);
bool as_jinja_expect_name(as_jinja_parser *p, const char *word);
bool as_jinja_expect_any_name(as_jinja_parser *p, as_jinja_str **name);
bool as_jinja_unexpected(as_jinja_parser *p, const char *expected);
bool as_jinja_node_new(as_jinja_parser *p, as_jinja_node_kind kind, int line, as_jinja_node **out);
bool as_jinja_node_done(as_jinja_parser *p, as_jinja_node *node); /* checks the height of the finished node */

enum { AS_JINJA_NO_COND = 1, AS_JINJA_SIMPLE = 2, AS_JINJA_PARENTHESES = 4, AS_JINJA_NAMESPACE_OK = 8 };
bool as_jinja_parse_expression(as_jinja_parser *p, int flags, as_jinja_node **out);
bool as_jinja_parse_tuple(as_jinja_parser *p, int flags, as_jinja_node **out);
bool as_jinja_parse_primary(as_jinja_parser *p, int flags, as_jinja_node **out);
bool as_jinja_parse_filter(as_jinja_parser *p, as_jinja_node *node, bool start_inline, as_jinja_node **out);

#endif
