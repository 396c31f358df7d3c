/* Expressions, as jinja2's parser.py reads them. */
#include <string.h>

#include "base/jinja/ast.h"

/* jinja2 itself gives up at about seventy nested brackets. */
enum { MAX_NESTING = 120, MAX_HEIGHT = 500 };

const aj_token *aj_look(const aj_parser *p)
{
    return &p->tokens->at[p->at + 1 < p->tokens->count ? p->at + 1 : p->at];
}

void aj_advance(aj_parser *p)
{
    if (p->at + 1 < p->tokens->count) p->at++;
    p->vm->line = aj_current(p)->line;
}

bool aj_at_name(const aj_parser *p, const char *word)
{
    const aj_token *t = aj_current(p);
    return t->kind == AJ_T_NAME && aj_str_is(t->value, word);
}

bool aj_skip_name(aj_parser *p, const char *word)
{
    if (!aj_at_name(p, word)) return false;
    aj_advance(p);
    return true;
}

bool aj_skip(aj_parser *p, aj_token_kind kind)
{
    if (aj_current(p)->kind != kind) return false;
    aj_advance(p);
    return true;
}

bool aj_unexpected(aj_parser *p, const char *expected)
{
    const aj_token *t = aj_current(p);
    if (t->kind == AJ_T_EOF) {
        return aj_fail(p->vm, AJ_X_SYNTAX, "unexpected end of template, expected '%s'", expected);
    }
    const aj_str *name = t->kind == AJ_T_NAME ? t->value.str : NULL;
    const char *got = name ? name->data : aj_token_text(t->kind);
    return aj_fail(p->vm, AJ_X_SYNTAX, "expected '%s', got '%.100s'", expected, got);
}

bool aj_expect(aj_parser *p, aj_token_kind kind)
{
    if (aj_current(p)->kind != kind) return aj_unexpected(p, aj_token_text(kind));
    aj_advance(p);
    return true;
}

bool aj_expect_name(aj_parser *p, const char *word)
{
    if (!aj_at_name(p, word)) return aj_unexpected(p, word);
    aj_advance(p);
    return true;
}

bool aj_expect_any_name(aj_parser *p, aj_str **name)
{
    const aj_token *t = aj_current(p);
    if (t->kind != AJ_T_NAME) return aj_unexpected(p, "name");
    *name = t->value.str;
    aj_advance(p);
    return true;
}

bool aj_node_new(aj_parser *p, aj_node_kind kind, int line, aj_node **out)
{
    *out = AJ_NEW(p->vm, aj_node);
    if (!*out) return false;
    (*out)->kind = kind;
    (*out)->line = line;
    return true;
}

static bool raise_height(void *context, aj_node *child)
{
    aj_node *parent = context;
    if (child->height >= parent->height) parent->height = child->height + 1;
    return true;
}

bool aj_node_done(aj_parser *p, aj_node *node)
{
    aj_children(node, raise_height, node);
    if (node->height <= MAX_HEIGHT) return true;
    return aj_fail(p->vm, AJ_X_LIMIT, "an expression nests more than %d levels deep", MAX_HEIGHT);
}

bool aj_nodes_add(aj_vm *vm, aj_nodes *nodes, aj_node *node)
{
    if (nodes->count == nodes->room) {
        int room = nodes->room ? nodes->room * 2 : 4;
        aj_node **at = aj_alloc(vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (nodes->count) memcpy(at, nodes->at, (size_t)nodes->count * sizeof *at);
        nodes->at = at;
        nodes->room = room;
    }
    nodes->at[nodes->count++] = node;
    return true;
}

static bool make2(aj_parser *p, aj_node_kind kind, int line, aj_node *a, aj_node *b, aj_node **out)
{
    AJ_TRY(aj_node_new(p, kind, line, out));
    (*out)->a = a;
    (*out)->b = b;
    return aj_node_done(p, *out);
}

static bool parse_unary(aj_parser *p, bool with_filter, aj_node **out);

static bool parse_pow(aj_parser *p, aj_node **out)
{
    AJ_TRY(parse_unary(p, true, out));
    while (aj_current(p)->kind == AJ_T_POW) {
        int line = aj_current(p)->line;
        aj_advance(p);
        aj_node *right;
        AJ_TRY(parse_unary(p, true, &right));
        AJ_TRY(make2(p, AJ_N_BINARY, line, *out, right, out));
        (*out)->op = AJ_POW;
    }
    return true;
}

/* Left-associative operators of one level; -1 when the token is none of them. */
static int factor_op(aj_token_kind kind)
{
    return kind == AJ_T_MUL        ? AJ_MUL
           : kind == AJ_T_DIV      ? AJ_DIV
           : kind == AJ_T_FLOORDIV ? AJ_FLOORDIV
           : kind == AJ_T_MOD      ? AJ_MOD
                                   : -1;
}

static bool parse_factors(aj_parser *p, aj_node **out)
{
    AJ_TRY(parse_pow(p, out));
    int op;
    while ((op = factor_op(aj_current(p)->kind)) >= 0) {
        int line = aj_current(p)->line;
        aj_advance(p);
        aj_node *right;
        AJ_TRY(parse_pow(p, &right));
        AJ_TRY(make2(p, AJ_N_BINARY, line, *out, right, out));
        (*out)->op = (uint8_t)op;
    }
    return true;
}

static bool parse_concat(aj_parser *p, aj_node **out)
{
    AJ_TRY(parse_factors(p, out));
    if (aj_current(p)->kind != AJ_T_TILDE) return true;
    aj_node *concat;
    AJ_TRY(aj_node_new(p, AJ_N_CONCAT, aj_current(p)->line, &concat));
    AJ_TRY(aj_nodes_add(p->vm, &concat->x, *out));
    while (aj_skip(p, AJ_T_TILDE)) {
        aj_node *right;
        AJ_TRY(parse_factors(p, &right));
        AJ_TRY(aj_nodes_add(p->vm, &concat->x, right));
    }
    *out = concat;
    return aj_node_done(p, concat);
}

static bool parse_sum(aj_parser *p, aj_node **out)
{
    AJ_TRY(parse_concat(p, out));
    aj_token_kind kind;
    while ((kind = aj_current(p)->kind) == AJ_T_ADD || kind == AJ_T_SUB) {
        int line = aj_current(p)->line;
        aj_advance(p);
        aj_node *right;
        AJ_TRY(parse_concat(p, &right));
        AJ_TRY(make2(p, AJ_N_BINARY, line, *out, right, out));
        (*out)->op = kind == AJ_T_ADD ? AJ_ADD : AJ_SUB;
    }
    return true;
}

/* The comparison that begins at the current token, which is skipped; -1 when there is none. */
static int take_comparison(aj_parser *p)
{
    static const struct {
        aj_token_kind kind;
        aj_cmp op;
    } table[] = {{AJ_T_EQ, AJ_EQ},   {AJ_T_NE, AJ_NE}, {AJ_T_LT, AJ_LT},
                 {AJ_T_LTEQ, AJ_LE}, {AJ_T_GT, AJ_GT}, {AJ_T_GTEQ, AJ_GE}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (aj_skip(p, table[i].kind)) return (int)table[i].op;
    }
    if (aj_skip_name(p, "in")) return AJ_IN;
    const aj_token *next = aj_look(p);
    if (aj_at_name(p, "not") && next->kind == AJ_T_NAME && aj_str_is(next->value, "in")) {
        aj_advance(p);
        aj_advance(p);
        return AJ_NOT_IN;
    }
    return -1;
}

static bool parse_compare(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line, op;
    AJ_TRY(parse_sum(p, out));
    aj_node *compare = NULL;
    while ((op = take_comparison(p)) >= 0) {
        if (!compare) AJ_TRY(aj_node_new(p, AJ_N_COMPARE, line, &compare));
        aj_node *operand;
        AJ_TRY(aj_node_new(p, AJ_N_OPERAND, aj_current(p)->line, &operand));
        operand->op = (uint8_t)op;
        AJ_TRY(parse_sum(p, &operand->a));
        AJ_TRY(aj_node_done(p, operand));
        AJ_TRY(aj_nodes_add(p->vm, &compare->x, operand));
    }
    if (!compare) return true;
    compare->a = *out;
    *out = compare;
    return aj_node_done(p, compare);
}

static bool parse_not(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line;
    if (!aj_skip_name(p, "not")) return parse_compare(p, out);
    aj_node *inner;
    AJ_TRY(aj_enter(p->vm));
    bool ok = parse_not(p, &inner);
    aj_leave(p->vm);
    return ok && make2(p, AJ_N_NOT, line, inner, NULL, out);
}

static bool parse_and(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line;
    AJ_TRY(parse_not(p, out));
    while (aj_skip_name(p, "and")) {
        aj_node *right;
        AJ_TRY(parse_not(p, &right));
        AJ_TRY(make2(p, AJ_N_AND, line, *out, right, out));
    }
    return true;
}

static bool parse_or(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line;
    AJ_TRY(parse_and(p, out));
    while (aj_skip_name(p, "or")) {
        aj_node *right;
        AJ_TRY(parse_and(p, &right));
        AJ_TRY(make2(p, AJ_N_OR, line, *out, right, out));
    }
    return true;
}

static bool parse_cond(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line;
    AJ_TRY(parse_or(p, out));
    while (aj_skip_name(p, "if")) {
        aj_node *cond;
        AJ_TRY(aj_node_new(p, AJ_N_COND, line, &cond));
        cond->b = *out;
        AJ_TRY(parse_or(p, &cond->a));
        if (aj_skip_name(p, "else")) AJ_TRY(aj_parse_expression(p, 0, &cond->c));
        AJ_TRY(aj_node_done(p, cond));
        *out = cond;
    }
    return true;
}

bool aj_parse_expression(aj_parser *p, int flags, aj_node **out)
{
    if (p->vm->depth >= MAX_NESTING) {
        return aj_fail(p->vm, AJ_X_LIMIT, "nested more than %d levels deep", MAX_NESTING);
    }
    AJ_TRY(aj_enter(p->vm));
    bool ok = flags & AJ_NO_COND ? parse_or(p, out) : parse_cond(p, out);
    aj_leave(p->vm);
    return ok;
}

/* --- postfix: subscripts, calls, filters, tests --- */

/* One of a:b:c or a plain subscript. */
static bool parse_subscribed(aj_parser *p, aj_node **out)
{
    int line = aj_current(p)->line;
    aj_node *parts[3] = {0};
    if (!aj_skip(p, AJ_T_COLON)) {
        AJ_TRY(aj_parse_expression(p, 0, &parts[0]));
        if (!aj_skip(p, AJ_T_COLON)) {
            *out = parts[0];
            return true;
        }
    }
    aj_token_kind kind = aj_current(p)->kind;
    if (kind != AJ_T_COLON && kind != AJ_T_RBRACKET && kind != AJ_T_COMMA) {
        AJ_TRY(aj_parse_expression(p, 0, &parts[1]));
    }
    if (aj_skip(p, AJ_T_COLON)) {
        kind = aj_current(p)->kind;
        if (kind != AJ_T_RBRACKET && kind != AJ_T_COMMA) AJ_TRY(aj_parse_expression(p, 0, &parts[2]));
    }
    AJ_TRY(aj_node_new(p, AJ_N_SLICE, line, out));
    (*out)->a = parts[0];
    (*out)->b = parts[1];
    (*out)->c = parts[2];
    return aj_node_done(p, *out);
}

static bool parse_dot(aj_parser *p, aj_node *node, aj_node **out)
{
    const aj_token *t = aj_current(p);
    aj_advance(p);
    AJ_TRY(aj_node_new(p, t->kind == AJ_T_NAME ? AJ_N_GETATTR : AJ_N_GETITEM, t->line, out));
    (*out)->a = node;
    if (t->kind == AJ_T_NAME) {
        (*out)->name = t->value.str;
    } else if (t->kind == AJ_T_INTEGER) {
        AJ_TRY(aj_node_new(p, AJ_N_CONST, t->line, &(*out)->b));
        (*out)->b->value = t->value;
    } else {
        return aj_fail(p->vm, AJ_X_SYNTAX, "expected name or number");
    }
    return aj_node_done(p, *out);
}

static bool parse_subscript(aj_parser *p, aj_node *node, aj_node **out)
{
    int line = aj_current(p)->line;
    if (aj_skip(p, AJ_T_DOT)) return parse_dot(p, node, out);
    AJ_TRY(aj_expect(p, AJ_T_LBRACKET));
    aj_node *tuple;
    AJ_TRY(aj_node_new(p, AJ_N_TUPLE, line, &tuple));
    while (aj_current(p)->kind != AJ_T_RBRACKET) {
        if (tuple->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        aj_node *arg;
        AJ_TRY(parse_subscribed(p, &arg));
        AJ_TRY(aj_nodes_add(p->vm, &tuple->x, arg));
    }
    AJ_TRY(aj_expect(p, AJ_T_RBRACKET));
    AJ_TRY(aj_node_done(p, tuple));
    return make2(p, AJ_N_GETITEM, line, node, tuple->x.count == 1 ? tuple->x.at[0] : tuple, out);
}

static bool parse_argument(aj_parser *p, aj_node *call)
{
    static const char message[] = "invalid syntax for function call expression";
    if (aj_skip(p, AJ_T_MUL)) {
        if (call->b || call->c) return aj_fail(p->vm, AJ_X_SYNTAX, message);
        return aj_parse_expression(p, 0, &call->b);
    }
    if (aj_skip(p, AJ_T_POW)) {
        if (call->c) return aj_fail(p->vm, AJ_X_SYNTAX, message);
        return aj_parse_expression(p, 0, &call->c);
    }
    aj_node *arg;
    if (aj_current(p)->kind == AJ_T_NAME && aj_look(p)->kind == AJ_T_ASSIGN) {
        if (call->c) return aj_fail(p->vm, AJ_X_SYNTAX, message);
        AJ_TRY(aj_node_new(p, AJ_N_KEYWORD, aj_current(p)->line, &arg));
        AJ_TRY(aj_expect_any_name(p, &arg->name));
        aj_advance(p);
        AJ_TRY(aj_parse_expression(p, 0, &arg->a));
        AJ_TRY(aj_node_done(p, arg));
        return aj_nodes_add(p->vm, &call->y, arg);
    }
    if (call->b || call->c || call->y.count) return aj_fail(p->vm, AJ_X_SYNTAX, message);
    AJ_TRY(aj_parse_expression(p, 0, &arg));
    return aj_nodes_add(p->vm, &call->x, arg);
}

/* "(...)" into the lists of `call`. */
static bool parse_call_args(aj_parser *p, aj_node *call)
{
    AJ_TRY(aj_expect(p, AJ_T_LPAREN));
    bool comma = false;
    while (aj_current(p)->kind != AJ_T_RPAREN) {
        if (comma) {
            AJ_TRY(aj_expect(p, AJ_T_COMMA));
            if (aj_current(p)->kind == AJ_T_RPAREN) break;
        }
        AJ_TRY(parse_argument(p, call));
        comma = true;
    }
    return aj_expect(p, AJ_T_RPAREN);
}

static bool parse_call(aj_parser *p, aj_node *node, aj_node **out)
{
    AJ_TRY(aj_node_new(p, AJ_N_CALL, aj_current(p)->line, out));
    (*out)->a = node;
    AJ_TRY(parse_call_args(p, *out));
    return aj_node_done(p, *out);
}

static bool parse_postfix(aj_parser *p, aj_node **node)
{
    for (;;) {
        aj_token_kind kind = aj_current(p)->kind;
        if (kind == AJ_T_DOT || kind == AJ_T_LBRACKET) {
            AJ_TRY(parse_subscript(p, *node, node));
        } else if (kind == AJ_T_LPAREN) {
            AJ_TRY(parse_call(p, *node, node));
        } else {
            return true;
        }
    }
}

/* A name of a filter or test, which may have dots. */
static bool parse_dotted(aj_parser *p, aj_str **name)
{
    AJ_TRY(aj_expect_any_name(p, name));
    while (aj_skip(p, AJ_T_DOT)) {
        aj_str *part = NULL;
        AJ_TRY(aj_expect_any_name(p, &part));
        size_t mark = aj_mark(p->vm);
        AJ_TRY(aj_put(p->vm, (*name)->data, (*name)->size) && aj_put(p->vm, ".", 1) &&
               aj_put(p->vm, part->data, part->size));
        aj_value joined;
        AJ_TRY(aj_str_cut(p->vm, mark, &joined));
        *name = joined.str;
        aj_str_settle(*name);
    }
    return true;
}

bool aj_parse_filter(aj_parser *p, aj_node *node, bool start_inline, aj_node **out)
{
    while (start_inline || aj_current(p)->kind == AJ_T_PIPE) {
        if (!start_inline) aj_advance(p);
        start_inline = false;
        aj_node *filter;
        AJ_TRY(aj_node_new(p, AJ_N_FILTER, aj_current(p)->line, &filter));
        filter->a = node;
        AJ_TRY(parse_dotted(p, &filter->name));
        if (aj_current(p)->kind == AJ_T_LPAREN) AJ_TRY(parse_call_args(p, filter));
        AJ_TRY(aj_node_done(p, filter));
        node = filter;
    }
    *out = node;
    return true;
}

static bool begins_test_argument(const aj_parser *p)
{
    switch (aj_current(p)->kind) {
    case AJ_T_NAME: return !aj_at_name(p, "else") && !aj_at_name(p, "or") && !aj_at_name(p, "and");
    case AJ_T_STRING:
    case AJ_T_INTEGER:
    case AJ_T_FLOAT:
    case AJ_T_LBRACKET:
    case AJ_T_LBRACE: return true;
    default: return false;
    }
}

static bool parse_test(aj_parser *p, aj_node *node, aj_node **out)
{
    int line = aj_current(p)->line;
    aj_advance(p);
    bool negated = aj_skip_name(p, "not");
    aj_node *test;
    AJ_TRY(aj_node_new(p, AJ_N_TEST, line, &test));
    test->a = node;
    AJ_TRY(parse_dotted(p, &test->name));
    if (aj_current(p)->kind == AJ_T_LPAREN) {
        AJ_TRY(parse_call_args(p, test));
    } else if (begins_test_argument(p)) {
        if (aj_at_name(p, "is"))
            return aj_fail(p->vm, AJ_X_SYNTAX, "You cannot chain multiple tests with is");
        aj_node *arg;
        AJ_TRY(aj_parse_primary(p, 0, &arg));
        AJ_TRY(parse_postfix(p, &arg));
        AJ_TRY(aj_nodes_add(p->vm, &test->x, arg));
    }
    AJ_TRY(aj_node_done(p, test));
    *out = test;
    return !negated || make2(p, AJ_N_NOT, line, test, NULL, out);
}

static bool parse_filter_expr(aj_parser *p, aj_node **node)
{
    for (;;) {
        if (aj_current(p)->kind == AJ_T_PIPE) {
            AJ_TRY(aj_parse_filter(p, *node, false, node));
        } else if (aj_at_name(p, "is")) {
            AJ_TRY(parse_test(p, *node, node));
        } else if (aj_current(p)->kind == AJ_T_LPAREN) {
            AJ_TRY(parse_call(p, *node, node));
        } else {
            return true;
        }
    }
}

static bool parse_unary(aj_parser *p, bool with_filter, aj_node **out)
{
    aj_token_kind kind = aj_current(p)->kind;
    int line = aj_current(p)->line;
    if (kind == AJ_T_SUB || kind == AJ_T_ADD) {
        aj_advance(p);
        aj_node *inner;
        if (p->vm->depth >= MAX_NESTING) {
            return aj_fail(p->vm, AJ_X_LIMIT, "nested more than %d levels deep", MAX_NESTING);
        }
        AJ_TRY(aj_enter(p->vm));
        bool ok = parse_unary(p, false, &inner);
        aj_leave(p->vm);
        if (!ok) return false;
        AJ_TRY(make2(p, kind == AJ_T_SUB ? AJ_N_NEG : AJ_N_POS, line, inner, NULL, out));
    } else {
        AJ_TRY(aj_parse_primary(p, 0, out));
    }
    AJ_TRY(parse_postfix(p, out));
    return !with_filter || parse_filter_expr(p, out);
}
