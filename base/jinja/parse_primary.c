/* Names, literals, tuples, lists and dicts, as jinja2's parser.py reads them. */
#include <string.h>

#include "base/jinja/ast.h"

static bool constant(aj_parser *p, int line, aj_value value, aj_node **out)
{
    AJ_TRY(aj_node_new(p, AJ_N_CONST, line, out));
    (*out)->value = value;
    return true;
}

static bool parse_name(aj_parser *p, int flags, aj_node **out)
{
    static const struct {
        const char *word;
        aj_kind kind;
        bool truth;
    } words[] = {{"true", AJ_BOOL, true},   {"True", AJ_BOOL, true},  {"false", AJ_BOOL, false},
                 {"False", AJ_BOOL, false}, {"none", AJ_NONE, false}, {"None", AJ_NONE, false}};
    const aj_token *t = aj_current(p);
    aj_advance(p);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!aj_str_is(t->value, words[i].word)) continue;
        return constant(p, t->line, words[i].kind == AJ_BOOL ? aj_bool(words[i].truth) : aj_none(), out);
    }
    bool attribute = flags & AJ_NAMESPACE_OK && aj_skip(p, AJ_T_DOT);
    AJ_TRY(aj_node_new(p, attribute ? AJ_N_NSREF : AJ_N_NAME, t->line, out));
    (*out)->name = t->value.str;
    if (!attribute) return true;
    aj_str *name;
    AJ_TRY(aj_expect_any_name(p, &name));
    (*out)->value = aj_string(name);
    return true;
}

/* Neighbouring strings are one. */
static bool parse_string(aj_parser *p, aj_node **out)
{
    const aj_token *t = aj_current(p);
    aj_advance(p);
    if (aj_current(p)->kind != AJ_T_STRING) return constant(p, t->line, t->value, out);
    size_t mark = aj_mark(p->vm);
    AJ_TRY(aj_put(p->vm, t->value.str->data, t->value.str->size));
    while (aj_current(p)->kind == AJ_T_STRING) {
        const aj_str *part = aj_current(p)->value.str;
        AJ_TRY(aj_put(p->vm, part->data, part->size));
        aj_advance(p);
    }
    aj_value joined;
    AJ_TRY(aj_str_cut(p->vm, mark, &joined));
    aj_str_settle(joined.str);
    return constant(p, t->line, joined, out);
}

static bool parse_list(aj_parser *p, aj_node **out)
{
    AJ_TRY(aj_node_new(p, AJ_N_LIST, aj_current(p)->line, out));
    aj_advance(p);
    while (aj_current(p)->kind != AJ_T_RBRACKET) {
        if ((*out)->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        if (aj_current(p)->kind == AJ_T_RBRACKET) break;
        aj_node *item;
        AJ_TRY(aj_parse_expression(p, 0, &item));
        AJ_TRY(aj_nodes_add(p->vm, &(*out)->x, item));
    }
    AJ_TRY(aj_expect(p, AJ_T_RBRACKET));
    return aj_node_done(p, *out);
}

static bool parse_dict(aj_parser *p, aj_node **out)
{
    AJ_TRY(aj_node_new(p, AJ_N_DICT, aj_current(p)->line, out));
    aj_advance(p);
    while (aj_current(p)->kind != AJ_T_RBRACE) {
        if ((*out)->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        if (aj_current(p)->kind == AJ_T_RBRACE) break;
        aj_node *pair;
        AJ_TRY(aj_node_new(p, AJ_N_PAIR, aj_current(p)->line, &pair));
        AJ_TRY(aj_parse_expression(p, 0, &pair->a));
        AJ_TRY(aj_expect(p, AJ_T_COLON));
        AJ_TRY(aj_parse_expression(p, 0, &pair->b));
        AJ_TRY(aj_node_done(p, pair));
        AJ_TRY(aj_nodes_add(p->vm, &(*out)->x, pair));
    }
    AJ_TRY(aj_expect(p, AJ_T_RBRACE));
    return aj_node_done(p, *out);
}

bool aj_parse_primary(aj_parser *p, int flags, aj_node **out)
{
    const aj_token *t = aj_current(p);
    switch (t->kind) {
    case AJ_T_NAME: return parse_name(p, flags, out);
    case AJ_T_STRING: return parse_string(p, out);
    case AJ_T_INTEGER:
    case AJ_T_FLOAT: aj_advance(p); return constant(p, t->line, t->value, out);
    case AJ_T_LPAREN:
        aj_advance(p);
        AJ_TRY(aj_parse_tuple(p, AJ_PARENTHESES, out));
        return aj_expect(p, AJ_T_RPAREN);
    case AJ_T_LBRACKET: return parse_list(p, out);
    case AJ_T_LBRACE: return parse_dict(p, out);
    case AJ_T_EOF: return aj_fail(p->vm, AJ_X_SYNTAX, "unexpected end of template");
    default: return aj_fail(p->vm, AJ_X_SYNTAX, "unexpected '%s'", aj_token_text(t->kind));
    }
}

/* jinja2 means `in` and `recursive` to end a tuple too, but its test for that never holds. */
static bool at_tuple_end(const aj_parser *p)
{
    aj_token_kind kind = aj_current(p)->kind;
    return kind == AJ_T_VARIABLE_END || kind == AJ_T_BLOCK_END || kind == AJ_T_RPAREN;
}

bool aj_parse_tuple(aj_parser *p, int flags, aj_node **out)
{
    aj_node *tuple;
    AJ_TRY(aj_node_new(p, AJ_N_TUPLE, aj_current(p)->line, &tuple));
    bool is_tuple = false;
    for (;;) {
        if (tuple->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        if (at_tuple_end(p)) break;
        aj_node *item;
        bool ok = flags & AJ_SIMPLE ? aj_parse_primary(p, flags & AJ_NAMESPACE_OK, &item)
                                    : aj_parse_expression(p, flags & AJ_NO_COND, &item);
        if (!ok) return false;
        AJ_TRY(aj_nodes_add(p->vm, &tuple->x, item));
        if (aj_current(p)->kind != AJ_T_COMMA) break;
        is_tuple = true;
    }
    if (!is_tuple && tuple->x.count) {
        *out = tuple->x.at[0];
        return true;
    }
    if (!is_tuple && !(flags & AJ_PARENTHESES)) return aj_unexpected(p, "an expression");
    *out = tuple;
    return aj_node_done(p, tuple);
}
