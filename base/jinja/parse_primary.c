/* Names, literals, tuples, lists and dicts, as jinja2's parser.py reads them. */
#include <string.h>

#include "base/jinja/ast.h"

static bool constant(as_jinja_parser *p, int line, as_jinja_value value, as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_CONST, line, out));
    (*out)->value = value;
    return true;
}

static bool parse_name(as_jinja_parser *p, int flags, as_jinja_node **out)
{
    static const struct {
        const char *word;
        as_jinja_kind kind;
        bool truth;
    } words[] = {{"true", AS_JINJA_BOOL, true},   {"True", AS_JINJA_BOOL, true},
                 {"false", AS_JINJA_BOOL, false}, {"False", AS_JINJA_BOOL, false},
                 {"none", AS_JINJA_NONE, false},  {"None", AS_JINJA_NONE, false}};
    const as_jinja_token *t = as_jinja_current(p);
    as_jinja_advance(p);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (!as_jinja_str_is(t->value, words[i].word)) continue;
        return constant(p, t->line,
                        words[i].kind == AS_JINJA_BOOL ? as_jinja_bool(words[i].truth) : as_jinja_none(),
                        out);
    }
    bool attribute = flags & AS_JINJA_NAMESPACE_OK && as_jinja_skip(p, AS_JINJA_T_DOT);
    AS_JINJA_TRY(as_jinja_node_new(p, attribute ? AS_JINJA_N_NSREF : AS_JINJA_N_NAME, t->line, out));
    (*out)->name = t->value.str;
    if (!attribute) return true;
    as_jinja_str *name;
    AS_JINJA_TRY(as_jinja_expect_any_name(p, &name));
    (*out)->value = as_jinja_string(name);
    return true;
}

/* Neighbouring strings are one. */
static bool parse_string(as_jinja_parser *p, as_jinja_node **out)
{
    const as_jinja_token *t = as_jinja_current(p);
    as_jinja_advance(p);
    if (as_jinja_current(p)->kind != AS_JINJA_T_STRING) return constant(p, t->line, t->value, out);
    size_t mark = as_jinja_mark(p->vm);
    AS_JINJA_TRY(as_jinja_put(p->vm, t->value.str->data, t->value.str->size));
    while (as_jinja_current(p)->kind == AS_JINJA_T_STRING) {
        const as_jinja_str *part = as_jinja_current(p)->value.str;
        AS_JINJA_TRY(as_jinja_put(p->vm, part->data, part->size));
        as_jinja_advance(p);
    }
    as_jinja_value joined;
    AS_JINJA_TRY(as_jinja_str_cut(p->vm, mark, &joined));
    as_jinja_str_settle(joined.str);
    return constant(p, t->line, joined, out);
}

static bool parse_list(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_LIST, as_jinja_current(p)->line, out));
    as_jinja_advance(p);
    while (as_jinja_current(p)->kind != AS_JINJA_T_RBRACKET) {
        if ((*out)->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        if (as_jinja_current(p)->kind == AS_JINJA_T_RBRACKET) break;
        as_jinja_node *item;
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &item));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &(*out)->x, item));
    }
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_RBRACKET));
    return as_jinja_node_done(p, *out);
}

static bool parse_dict(as_jinja_parser *p, as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_DICT, as_jinja_current(p)->line, out));
    as_jinja_advance(p);
    while (as_jinja_current(p)->kind != AS_JINJA_T_RBRACE) {
        if ((*out)->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        if (as_jinja_current(p)->kind == AS_JINJA_T_RBRACE) break;
        as_jinja_node *pair;
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_PAIR, as_jinja_current(p)->line, &pair));
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &pair->a));
        AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COLON));
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &pair->b));
        AS_JINJA_TRY(as_jinja_node_done(p, pair));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &(*out)->x, pair));
    }
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_RBRACE));
    return as_jinja_node_done(p, *out);
}

bool as_jinja_parse_primary(as_jinja_parser *p, int flags, as_jinja_node **out)
{
    const as_jinja_token *t = as_jinja_current(p);
    switch (t->kind) {
    case AS_JINJA_T_NAME: return parse_name(p, flags, out);
    case AS_JINJA_T_STRING: return parse_string(p, out);
    case AS_JINJA_T_INTEGER:
    case AS_JINJA_T_FLOAT: as_jinja_advance(p); return constant(p, t->line, t->value, out);
    case AS_JINJA_T_LPAREN:
        as_jinja_advance(p);
        AS_JINJA_TRY(as_jinja_parse_tuple(p, AS_JINJA_PARENTHESES, out));
        return as_jinja_expect(p, AS_JINJA_T_RPAREN);
    case AS_JINJA_T_LBRACKET: return parse_list(p, out);
    case AS_JINJA_T_LBRACE: return parse_dict(p, out);
    case AS_JINJA_T_EOF: return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "unexpected end of template");
    default: return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "unexpected '%s'", as_jinja_token_text(t->kind));
    }
}

/* jinja2 means `in` and `recursive` to end a tuple too, but its test for that never holds. */
static bool at_tuple_end(const as_jinja_parser *p)
{
    as_jinja_token_kind kind = as_jinja_current(p)->kind;
    return kind == AS_JINJA_T_VARIABLE_END || kind == AS_JINJA_T_BLOCK_END || kind == AS_JINJA_T_RPAREN;
}

bool as_jinja_parse_tuple(as_jinja_parser *p, int flags, as_jinja_node **out)
{
    as_jinja_node *tuple;
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_TUPLE, as_jinja_current(p)->line, &tuple));
    bool is_tuple = false;
    for (;;) {
        if (tuple->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        if (at_tuple_end(p)) break;
        as_jinja_node *item;
        bool ok = flags & AS_JINJA_SIMPLE ? as_jinja_parse_primary(p, flags & AS_JINJA_NAMESPACE_OK, &item)
                                          : as_jinja_parse_expression(p, flags & AS_JINJA_NO_COND, &item);
        if (!ok) return false;
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &tuple->x, item));
        if (as_jinja_current(p)->kind != AS_JINJA_T_COMMA) break;
        is_tuple = true;
    }
    if (!is_tuple && tuple->x.count) {
        *out = tuple->x.at[0];
        return true;
    }
    if (!is_tuple && !(flags & AS_JINJA_PARENTHESES)) return as_jinja_unexpected(p, "an expression");
    *out = tuple;
    return as_jinja_node_done(p, tuple);
}
