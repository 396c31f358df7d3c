/* Expressions, as jinja2's parser.py reads them. */
#include <string.h>

#include "base/jinja/ast.h"

/* jinja2 itself gives up at about seventy nested brackets. */
enum { MAX_NESTING = 120, MAX_HEIGHT = 500 };

const as_jinja_token *as_jinja_look(const as_jinja_parser *p)
{
    return &p->tokens->at[p->at + 1 < p->tokens->count ? p->at + 1 : p->at];
}

void as_jinja_advance(as_jinja_parser *p)
{
    if (p->at + 1 < p->tokens->count) p->at++;
    p->vm->line = as_jinja_current(p)->line;
}

bool as_jinja_at_name(const as_jinja_parser *p, const char *word)
{
    const as_jinja_token *t = as_jinja_current(p);
    return t->kind == AS_JINJA_T_NAME && as_jinja_str_is(t->value, word);
}

bool as_jinja_skip_name(as_jinja_parser *p, const char *word)
{
    if (!as_jinja_at_name(p, word)) return false;
    as_jinja_advance(p);
    return true;
}

bool as_jinja_skip(as_jinja_parser *p, as_jinja_token_kind kind)
{
    if (as_jinja_current(p)->kind != kind) return false;
    as_jinja_advance(p);
    return true;
}

bool as_jinja_unexpected(as_jinja_parser *p, const char *expected)
{
    const as_jinja_token *t = as_jinja_current(p);
    if (t->kind == AS_JINJA_T_EOF) {
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "unexpected end of template, expected '%s'", expected);
    }
    const as_jinja_str *name = t->kind == AS_JINJA_T_NAME ? t->value.str : NULL;
    const char *got = name ? name->data : as_jinja_token_text(t->kind);
    return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "expected '%s', got '%.100s'", expected, got);
}

bool as_jinja_expect(as_jinja_parser *p, as_jinja_token_kind kind)
{
    if (as_jinja_current(p)->kind != kind) return as_jinja_unexpected(p, as_jinja_token_text(kind));
    as_jinja_advance(p);
    return true;
}

bool as_jinja_expect_name(as_jinja_parser *p, const char *word)
{
    if (!as_jinja_at_name(p, word)) return as_jinja_unexpected(p, word);
    as_jinja_advance(p);
    return true;
}

bool as_jinja_expect_any_name(as_jinja_parser *p, as_jinja_str **name)
{
    const as_jinja_token *t = as_jinja_current(p);
    if (t->kind != AS_JINJA_T_NAME) return as_jinja_unexpected(p, "name");
    *name = t->value.str;
    as_jinja_advance(p);
    return true;
}

bool as_jinja_node_new(as_jinja_parser *p, as_jinja_node_kind kind, int line, as_jinja_node **out)
{
    *out = AS_JINJA_NEW(p->vm, as_jinja_node);
    if (!*out) return false;
    (*out)->kind = kind;
    (*out)->line = line;
    return true;
}

static bool raise_height(void *context, as_jinja_node *child)
{
    as_jinja_node *parent = context;
    if (child->height >= parent->height) parent->height = child->height + 1;
    return true;
}

bool as_jinja_node_done(as_jinja_parser *p, as_jinja_node *node)
{
    as_jinja_children(node, raise_height, node);
    if (node->height <= MAX_HEIGHT) return true;
    return as_jinja_fail(p->vm, AS_JINJA_X_LIMIT, "an expression nests more than %d levels deep", MAX_HEIGHT);
}

bool as_jinja_nodes_add(as_jinja_vm *vm, as_jinja_nodes *nodes, as_jinja_node *node)
{
    if (nodes->count == nodes->room) {
        int room = nodes->room ? nodes->room * 2 : 4;
        as_jinja_node **at = as_jinja_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (nodes->count) memcpy(at, nodes->at, (size_t)nodes->count * sizeof *at);
        nodes->at = at;
        nodes->room = room;
    }
    nodes->at[nodes->count++] = node;
    return true;
}

static bool make2(as_jinja_parser *p, as_jinja_node_kind kind, int line, as_jinja_node *a, as_jinja_node *b,
                  as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_node_new(p, kind, line, out));
    (*out)->a = a;
    (*out)->b = b;
    return as_jinja_node_done(p, *out);
}

static bool parse_unary(as_jinja_parser *p, bool with_filter, as_jinja_node **out);

static bool parse_pow(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(parse_unary(p, true, out));
    while (as_jinja_current(p)->kind == AS_JINJA_T_POW) {
        int line = as_jinja_current(p)->line;
        as_jinja_advance(p);
        as_jinja_node *right;
        AS_JINJA_TRY(parse_unary(p, true, &right));
        AS_JINJA_TRY(make2(p, AS_JINJA_N_BINARY, line, *out, right, out));
        (*out)->op = AS_JINJA_POW;
    }
    return true;
}

/* Left-associative operators of one level; -1 when the token is none of them. */
static int factor_op(as_jinja_token_kind kind)
{
    return kind == AS_JINJA_T_MUL        ? AS_JINJA_MUL
           : kind == AS_JINJA_T_DIV      ? AS_JINJA_DIV
           : kind == AS_JINJA_T_FLOORDIV ? AS_JINJA_FLOORDIV
           : kind == AS_JINJA_T_MOD      ? AS_JINJA_MOD
                                         : -1;
}

static bool parse_factors(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(parse_pow(p, out));
    int op;
    while ((op = factor_op(as_jinja_current(p)->kind)) >= 0) {
        int line = as_jinja_current(p)->line;
        as_jinja_advance(p);
        as_jinja_node *right;
        AS_JINJA_TRY(parse_pow(p, &right));
        AS_JINJA_TRY(make2(p, AS_JINJA_N_BINARY, line, *out, right, out));
        (*out)->op = (uint8_t)op;
    }
    return true;
}

static bool parse_concat(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(parse_factors(p, out));
    if (as_jinja_current(p)->kind != AS_JINJA_T_TILDE) return true;
    as_jinja_node *concat;
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_CONCAT, as_jinja_current(p)->line, &concat));
    AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &concat->x, *out));
    while (as_jinja_skip(p, AS_JINJA_T_TILDE)) {
        as_jinja_node *right;
        AS_JINJA_TRY(parse_factors(p, &right));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &concat->x, right));
    }
    *out = concat;
    return as_jinja_node_done(p, concat);
}

static bool parse_sum(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(parse_concat(p, out));
    as_jinja_token_kind kind;
    while ((kind = as_jinja_current(p)->kind) == AS_JINJA_T_ADD || kind == AS_JINJA_T_SUB) {
        int line = as_jinja_current(p)->line;
        as_jinja_advance(p);
        as_jinja_node *right;
        AS_JINJA_TRY(parse_concat(p, &right));
        AS_JINJA_TRY(make2(p, AS_JINJA_N_BINARY, line, *out, right, out));
        (*out)->op = kind == AS_JINJA_T_ADD ? AS_JINJA_ADD : AS_JINJA_SUB;
    }
    return true;
}

/* The comparison that begins at the current token, which is skipped; -1 when there is none. */
static int take_comparison(as_jinja_parser *p)
{
    static const struct {
        as_jinja_token_kind kind;
        as_jinja_cmp op;
    } table[] = {{AS_JINJA_T_EQ, AS_JINJA_EQ}, {AS_JINJA_T_NE, AS_JINJA_NE},
                 {AS_JINJA_T_LT, AS_JINJA_LT}, {AS_JINJA_T_LTEQ, AS_JINJA_LE},
                 {AS_JINJA_T_GT, AS_JINJA_GT}, {AS_JINJA_T_GTEQ, AS_JINJA_GE}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (as_jinja_skip(p, table[i].kind)) return (int)table[i].op;
    }
    if (as_jinja_skip_name(p, "in")) return AS_JINJA_IN;
    const as_jinja_token *next = as_jinja_look(p);
    if (as_jinja_at_name(p, "not") && next->kind == AS_JINJA_T_NAME && as_jinja_str_is(next->value, "in")) {
        as_jinja_advance(p);
        as_jinja_advance(p);
        return AS_JINJA_NOT_IN;
    }
    return -1;
}

static bool parse_compare(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line, op;
    AS_JINJA_TRY(parse_sum(p, out));
    as_jinja_node *compare = NULL;
    while ((op = take_comparison(p)) >= 0) {
        if (!compare) AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_COMPARE, line, &compare));
        as_jinja_node *operand;
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_OPERAND, as_jinja_current(p)->line, &operand));
        operand->op = (uint8_t)op;
        AS_JINJA_TRY(parse_sum(p, &operand->a));
        AS_JINJA_TRY(as_jinja_node_done(p, operand));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &compare->x, operand));
    }
    if (!compare) return true;
    compare->a = *out;
    *out = compare;
    return as_jinja_node_done(p, compare);
}

static bool parse_not(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    if (!as_jinja_skip_name(p, "not")) return parse_compare(p, out);
    as_jinja_node *inner;
    AS_JINJA_TRY(as_jinja_enter(p->vm));
    bool ok = parse_not(p, &inner);
    as_jinja_leave(p->vm);
    return ok && make2(p, AS_JINJA_N_NOT, line, inner, NULL, out);
}

static bool parse_and(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    AS_JINJA_TRY(parse_not(p, out));
    while (as_jinja_skip_name(p, "and")) {
        as_jinja_node *right;
        AS_JINJA_TRY(parse_not(p, &right));
        AS_JINJA_TRY(make2(p, AS_JINJA_N_AND, line, *out, right, out));
    }
    return true;
}

static bool parse_or(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    AS_JINJA_TRY(parse_and(p, out));
    while (as_jinja_skip_name(p, "or")) {
        as_jinja_node *right;
        AS_JINJA_TRY(parse_and(p, &right));
        AS_JINJA_TRY(make2(p, AS_JINJA_N_OR, line, *out, right, out));
    }
    return true;
}

static bool parse_cond(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    AS_JINJA_TRY(parse_or(p, out));
    while (as_jinja_skip_name(p, "if")) {
        as_jinja_node *cond;
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_COND, line, &cond));
        cond->b = *out;
        AS_JINJA_TRY(parse_or(p, &cond->a));
        if (as_jinja_skip_name(p, "else")) AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &cond->c));
        AS_JINJA_TRY(as_jinja_node_done(p, cond));
        *out = cond;
    }
    return true;
}

bool as_jinja_parse_expression(as_jinja_parser *p, int flags, as_jinja_node **out)
{
    if (p->vm->depth >= MAX_NESTING) {
        return as_jinja_fail(p->vm, AS_JINJA_X_LIMIT, "nested more than %d levels deep", MAX_NESTING);
    }
    AS_JINJA_TRY(as_jinja_enter(p->vm));
    bool ok = flags & AS_JINJA_NO_COND ? parse_or(p, out) : parse_cond(p, out);
    as_jinja_leave(p->vm);
    return ok;
}

/* --- postfix: subscripts, calls, filters, tests --- */

/* One of a:b:c or a plain subscript. */
static bool parse_subscribed(as_jinja_parser *p, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    as_jinja_node *parts[3] = {0};
    if (!as_jinja_skip(p, AS_JINJA_T_COLON)) {
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &parts[0]));
        if (!as_jinja_skip(p, AS_JINJA_T_COLON)) {
            *out = parts[0];
            return true;
        }
    }
    as_jinja_token_kind kind = as_jinja_current(p)->kind;
    if (kind != AS_JINJA_T_COLON && kind != AS_JINJA_T_RBRACKET && kind != AS_JINJA_T_COMMA) {
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &parts[1]));
    }
    if (as_jinja_skip(p, AS_JINJA_T_COLON)) {
        kind = as_jinja_current(p)->kind;
        if (kind != AS_JINJA_T_RBRACKET && kind != AS_JINJA_T_COMMA)
            AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &parts[2]));
    }
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_SLICE, line, out));
    (*out)->a = parts[0];
    (*out)->b = parts[1];
    (*out)->c = parts[2];
    return as_jinja_node_done(p, *out);
}

static bool parse_dot(as_jinja_parser *p, as_jinja_node *node, as_jinja_node **out)
{
    const as_jinja_token *t = as_jinja_current(p);
    as_jinja_advance(p);
    AS_JINJA_TRY(as_jinja_node_new(p, t->kind == AS_JINJA_T_NAME ? AS_JINJA_N_GETATTR : AS_JINJA_N_GETITEM,
                                   t->line, out));
    (*out)->a = node;
    if (t->kind == AS_JINJA_T_NAME) {
        (*out)->name = t->value.str;
    } else if (t->kind == AS_JINJA_T_INTEGER) {
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_CONST, t->line, &(*out)->b));
        (*out)->b->value = t->value;
    } else {
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "expected name or number");
    }
    return as_jinja_node_done(p, *out);
}

static bool parse_subscript(as_jinja_parser *p, as_jinja_node *node, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    if (as_jinja_skip(p, AS_JINJA_T_DOT)) return parse_dot(p, node, out);
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_LBRACKET));
    as_jinja_node *tuple;
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_TUPLE, line, &tuple));
    while (as_jinja_current(p)->kind != AS_JINJA_T_RBRACKET) {
        if (tuple->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        as_jinja_node *arg;
        AS_JINJA_TRY(parse_subscribed(p, &arg));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &tuple->x, arg));
    }
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_RBRACKET));
    AS_JINJA_TRY(as_jinja_node_done(p, tuple));
    return make2(p, AS_JINJA_N_GETITEM, line, node, tuple->x.count == 1 ? tuple->x.at[0] : tuple, out);
}

static bool parse_argument(as_jinja_parser *p, as_jinja_node *call)
{
    static const char message[] = "invalid syntax for function call expression";
    if (as_jinja_skip(p, AS_JINJA_T_MUL)) {
        if (call->b || call->c) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, message);
        return as_jinja_parse_expression(p, 0, &call->b);
    }
    if (as_jinja_skip(p, AS_JINJA_T_POW)) {
        if (call->c) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, message);
        return as_jinja_parse_expression(p, 0, &call->c);
    }
    as_jinja_node *arg;
    if (as_jinja_current(p)->kind == AS_JINJA_T_NAME && as_jinja_look(p)->kind == AS_JINJA_T_ASSIGN) {
        if (call->c) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, message);
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_KEYWORD, as_jinja_current(p)->line, &arg));
        AS_JINJA_TRY(as_jinja_expect_any_name(p, &arg->name));
        as_jinja_advance(p);
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &arg->a));
        AS_JINJA_TRY(as_jinja_node_done(p, arg));
        return as_jinja_nodes_add(p->vm, &call->y, arg);
    }
    if (call->b || call->c || call->y.count) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, message);
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &arg));
    return as_jinja_nodes_add(p->vm, &call->x, arg);
}

/* "(...)" into the lists of `call`. */
static bool parse_call_args(as_jinja_parser *p, as_jinja_node *call)
{
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_LPAREN));
    bool comma = false;
    while (as_jinja_current(p)->kind != AS_JINJA_T_RPAREN) {
        if (comma) {
            AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
            if (as_jinja_current(p)->kind == AS_JINJA_T_RPAREN) break;
        }
        AS_JINJA_TRY(parse_argument(p, call));
        comma = true;
    }
    return as_jinja_expect(p, AS_JINJA_T_RPAREN);
}

static bool parse_call(as_jinja_parser *p, as_jinja_node *node, as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_CALL, as_jinja_current(p)->line, out));
    (*out)->a = node;
    AS_JINJA_TRY(parse_call_args(p, *out));
    return as_jinja_node_done(p, *out);
}

static bool parse_postfix(as_jinja_parser *p, as_jinja_node **node)
{
    for (;;) {
        as_jinja_token_kind kind = as_jinja_current(p)->kind;
        if (kind == AS_JINJA_T_DOT || kind == AS_JINJA_T_LBRACKET) {
            AS_JINJA_TRY(parse_subscript(p, *node, node));
        } else if (kind == AS_JINJA_T_LPAREN) {
            AS_JINJA_TRY(parse_call(p, *node, node));
        } else {
            return true;
        }
    }
}

/* A name of a filter or test, which may have dots. */
static bool parse_dotted(as_jinja_parser *p, as_jinja_str **name)
{
    AS_JINJA_TRY(as_jinja_expect_any_name(p, name));
    while (as_jinja_skip(p, AS_JINJA_T_DOT)) {
        as_jinja_str *part = NULL;
        AS_JINJA_TRY(as_jinja_expect_any_name(p, &part));
        size_t mark = as_jinja_mark(p->vm);
        AS_JINJA_TRY(as_jinja_put(p->vm, (*name)->data, (*name)->size) && as_jinja_put(p->vm, ".", 1) &&
                     as_jinja_put(p->vm, part->data, part->size));
        as_jinja_value joined;
        AS_JINJA_TRY(as_jinja_str_cut(p->vm, mark, &joined));
        *name = joined.str;
        as_jinja_str_settle(*name);
    }
    return true;
}

bool as_jinja_parse_filter(as_jinja_parser *p, as_jinja_node *node, bool start_inline, as_jinja_node **out)
{
    while (start_inline || as_jinja_current(p)->kind == AS_JINJA_T_PIPE) {
        if (!start_inline) as_jinja_advance(p);
        start_inline = false;
        as_jinja_node *filter;
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_FILTER, as_jinja_current(p)->line, &filter));
        filter->a = node;
        AS_JINJA_TRY(parse_dotted(p, &filter->name));
        if (as_jinja_current(p)->kind == AS_JINJA_T_LPAREN) AS_JINJA_TRY(parse_call_args(p, filter));
        AS_JINJA_TRY(as_jinja_node_done(p, filter));
        node = filter;
    }
    *out = node;
    return true;
}

static bool begins_test_argument(const as_jinja_parser *p)
{
    switch (as_jinja_current(p)->kind) {
    case AS_JINJA_T_NAME:
        return !as_jinja_at_name(p, "else") && !as_jinja_at_name(p, "or") && !as_jinja_at_name(p, "and");
    case AS_JINJA_T_STRING:
    case AS_JINJA_T_INTEGER:
    case AS_JINJA_T_FLOAT:
    case AS_JINJA_T_LBRACKET:
    case AS_JINJA_T_LBRACE: return true;
    default: return false;
    }
}

static bool parse_test(as_jinja_parser *p, as_jinja_node *node, as_jinja_node **out)
{
    int line = as_jinja_current(p)->line;
    as_jinja_advance(p);
    bool negated = as_jinja_skip_name(p, "not");
    as_jinja_node *test;
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_TEST, line, &test));
    test->a = node;
    AS_JINJA_TRY(parse_dotted(p, &test->name));
    if (as_jinja_current(p)->kind == AS_JINJA_T_LPAREN) {
        AS_JINJA_TRY(parse_call_args(p, test));
    } else if (begins_test_argument(p)) {
        if (as_jinja_at_name(p, "is"))
            return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "You cannot chain multiple tests with is");
        as_jinja_node *arg;
        AS_JINJA_TRY(as_jinja_parse_primary(p, 0, &arg));
        AS_JINJA_TRY(parse_postfix(p, &arg));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &test->x, arg));
    }
    AS_JINJA_TRY(as_jinja_node_done(p, test));
    *out = test;
    return !negated || make2(p, AS_JINJA_N_NOT, line, test, NULL, out);
}

static bool parse_filter_expr(as_jinja_parser *p, as_jinja_node **node)
{
    for (;;) {
        if (as_jinja_current(p)->kind == AS_JINJA_T_PIPE) {
            AS_JINJA_TRY(as_jinja_parse_filter(p, *node, false, node));
        } else if (as_jinja_at_name(p, "is")) {
            AS_JINJA_TRY(parse_test(p, *node, node));
        } else if (as_jinja_current(p)->kind == AS_JINJA_T_LPAREN) {
            AS_JINJA_TRY(parse_call(p, *node, node));
        } else {
            return true;
        }
    }
}

static bool parse_unary(as_jinja_parser *p, bool with_filter, as_jinja_node **out)
{
    as_jinja_token_kind kind = as_jinja_current(p)->kind;
    int line = as_jinja_current(p)->line;
    if (kind == AS_JINJA_T_SUB || kind == AS_JINJA_T_ADD) {
        as_jinja_advance(p);
        as_jinja_node *inner;
        if (p->vm->depth >= MAX_NESTING) {
            return as_jinja_fail(p->vm, AS_JINJA_X_LIMIT, "nested more than %d levels deep", MAX_NESTING);
        }
        AS_JINJA_TRY(as_jinja_enter(p->vm));
        bool ok = parse_unary(p, false, &inner);
        as_jinja_leave(p->vm);
        if (!ok) return false;
        AS_JINJA_TRY(
            make2(p, kind == AS_JINJA_T_SUB ? AS_JINJA_N_NEG : AS_JINJA_N_POS, line, inner, NULL, out));
    } else {
        AS_JINJA_TRY(as_jinja_parse_primary(p, 0, out));
    }
    AS_JINJA_TRY(parse_postfix(p, out));
    return !with_filter || parse_filter_expr(p, out);
}
