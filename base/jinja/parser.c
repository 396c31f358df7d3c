/* Statements, as jinja2's parser.py reads them, with the extensions of transformers: break, continue and the
 * generation tag. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/ast.h"

enum { MAX_STATEMENT_NESTING = 60 };

static const char *const node_parts[] = {
#define AS_JINJA_NODE_PARTS(name, parts) parts,
    AS_JINJA_NODES(AS_JINJA_NODE_PARTS)
#undef AS_JINJA_NODE_PARTS
};

static bool visit_list(as_jinja_nodes *list, as_jinja_visit *visit, void *context)
{
    for (int i = 0; i < list->count; i++) AS_JINJA_TRY(visit(context, list->at[i]));
    return true;
}

bool as_jinja_children(as_jinja_node *node, as_jinja_visit *visit, void *context)
{
    for (const char *part = node_parts[node->kind]; *part; part++) {
        as_jinja_node *one = *part == 'a' ? node->a : *part == 'b' ? node->b : *part == 'c' ? node->c : NULL;
        if (one) AS_JINJA_TRY(visit(context, one));
        as_jinja_nodes *list = *part == 'x'   ? &node->x
                               : *part == 'y' ? &node->y
                               : *part == 'z' ? &node->z
                                              : NULL;
        if (list) AS_JINJA_TRY(visit_list(list, visit, context));
    }
    return true;
}

static bool subparse(as_jinja_parser *p, const char *const *ends, as_jinja_nodes *body);

/* Names a target as stored; false when something in it cannot be assigned to. */
static bool set_use(as_jinja_node *node, as_jinja_name_use use)
{
    if (node->kind == AS_JINJA_N_NAME) {
        node->op = (uint8_t)use;
        return true;
    }
    if (node->kind == AS_JINJA_N_NSREF) return true;
    if (node->kind != AS_JINJA_N_TUPLE) return false;
    for (int i = 0; i < node->x.count; i++) {
        if (!set_use(node->x.at[i], use)) return false;
    }
    return true;
}

static bool parse_target(as_jinja_parser *p, int flags, as_jinja_name_use use, as_jinja_node **out)
{
    AS_JINJA_TRY(as_jinja_parse_tuple(p, AS_JINJA_SIMPLE | flags, out));
    if (set_use(*out, use)) return true;
    p->vm->line = (*out)->line;
    return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "can't assign to this expression");
}

/* A plain name that may be assigned to. */
static bool parse_target_name(as_jinja_parser *p, as_jinja_name_use use, as_jinja_node **out)
{
    static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
    AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_NAME, as_jinja_current(p)->line, out));
    (*out)->op = (uint8_t)use;
    AS_JINJA_TRY(as_jinja_expect_any_name(p, &(*out)->name));
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (as_jinja_str_is(as_jinja_string((*out)->name), reserved[i])) {
            return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "can't assign to '%s'", reserved[i]);
        }
    }
    return true;
}

static bool at_any_name(const as_jinja_parser *p, const char *const *words)
{
    for (; *words; words++) {
        if (as_jinja_at_name(p, *words)) return true;
    }
    return false;
}

/* The body of a statement up to one of the names `ends` (NULL-terminated), which stays current. */
static bool parse_statements(as_jinja_parser *p, const char *const *ends, as_jinja_nodes *body)
{
    as_jinja_skip(p, AS_JINJA_T_COLON);
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_BLOCK_END));
    if (p->end_count == MAX_STATEMENT_NESTING) {
        return as_jinja_fail(p->vm, AS_JINJA_X_LIMIT, "blocks nested more than %d levels deep",
                             MAX_STATEMENT_NESTING);
    }
    p->ends[p->end_count++] = ends[0];
    AS_JINJA_TRY(subparse(p, ends, body));
    p->end_count--;
    if (as_jinja_current(p)->kind == AS_JINJA_T_EOF) {
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX,
                             "Unexpected end of template. Jinja was looking for the tag '%s'", ends[0]);
    }
    return true;
}

/* The same with one end, which is skipped. */
static bool parse_body(as_jinja_parser *p, const char *end, as_jinja_nodes *body)
{
    const char *const ends[] = {end, NULL};
    AS_JINJA_TRY(parse_statements(p, ends, body));
    as_jinja_advance(p);
    return true;
}

static bool parse_for(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_FOR;
    AS_JINJA_TRY(parse_target(p, 0, AS_JINJA_STORE, &node->a));
    AS_JINJA_TRY(as_jinja_expect_name(p, "in"));
    AS_JINJA_TRY(as_jinja_parse_tuple(p, AS_JINJA_NO_COND, &node->b));
    if (as_jinja_skip_name(p, "if")) AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->c));
    node->recursive = as_jinja_skip_name(p, "recursive");
    static const char *const ends[] = {"endfor", "else", NULL};
    AS_JINJA_TRY(parse_statements(p, ends, &node->x));
    bool ended = as_jinja_at_name(p, "endfor");
    as_jinja_advance(p);
    if (ended) return true;
    AS_JINJA_TRY(parse_body(p, "endfor", &node->y));
    node->has_else = node->y.count > 0;
    return true;
}

static bool parse_if(as_jinja_parser *p, as_jinja_node *node)
{
    static const char *const ends[] = {"endif", "elif", "else", NULL};
    node->kind = AS_JINJA_N_IF;
    as_jinja_node *at = node;
    for (;;) {
        AS_JINJA_TRY(as_jinja_parse_tuple(p, AS_JINJA_NO_COND, &at->a));
        AS_JINJA_TRY(parse_statements(p, ends, &at->x));
        if (as_jinja_skip_name(p, "endif")) return true;
        if (as_jinja_skip_name(p, "else")) return parse_body(p, "endif", &node->z);
        as_jinja_advance(p);
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_IF, as_jinja_current(p)->line, &at));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->y, at));
    }
}

static bool parse_set(as_jinja_parser *p, as_jinja_node *node)
{
    AS_JINJA_TRY(parse_target(p, AS_JINJA_NAMESPACE_OK, AS_JINJA_STORE, &node->a));
    if (as_jinja_skip(p, AS_JINJA_T_ASSIGN)) {
        node->kind = AS_JINJA_N_ASSIGN;
        return as_jinja_parse_tuple(p, 0, &node->b);
    }
    node->kind = AS_JINJA_N_ASSIGN_BLOCK;
    AS_JINJA_TRY(as_jinja_parse_filter(p, NULL, false, &node->b));
    return parse_body(p, "endset", &node->x);
}

static bool parse_with(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_WITH;
    while (as_jinja_current(p)->kind != AS_JINJA_T_BLOCK_END) {
        if (node->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        as_jinja_node *target, *value;
        AS_JINJA_TRY(parse_target(p, 0, AS_JINJA_PARAM, &target));
        AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_ASSIGN));
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &value));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->x, target));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->y, value));
    }
    return parse_body(p, "endwith", &node->z);
}

static bool parse_autoescape(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_AUTOESCAPE;
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->a));
    return parse_body(p, "endautoescape", &node->x);
}

static bool is_blank(const as_jinja_node *node)
{
    if (node->kind != AS_JINJA_N_OUTPUT) return false;
    for (int i = 0; i < node->x.count; i++) {
        const as_jinja_node *part = node->x.at[i];
        if (part->kind != AS_JINJA_N_DATA) return false;
        for (size_t at = 0; at < part->value.str->size;) {
            if (!as_jinja_space(as_jinja_next_codepoint(part->value.str->data, part->value.str->size, &at)))
                return false;
        }
    }
    return true;
}

static bool parse_block(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_BLOCK;
    AS_JINJA_TRY(as_jinja_expect_any_name(p, &node->name));
    node->scoped = as_jinja_skip_name(p, "scoped");
    node->required = as_jinja_skip_name(p, "required");
    if (as_jinja_current(p)->kind == AS_JINJA_T_SUB) {
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX,
                             "block names may not contain hyphens, use an underscore instead");
    }
    AS_JINJA_TRY(parse_body(p, "endblock", &node->x));
    for (int i = 0; node->required && i < node->x.count; i++) {
        if (!is_blank(node->x.at[i])) {
            return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX,
                                 "Required blocks can only contain comments or whitespace");
        }
    }
    if (as_jinja_current(p)->kind == AS_JINJA_T_NAME) {
        const as_jinja_str *name = as_jinja_current(p)->value.str;
        if (name->size == node->name->size && memcmp(name->data, node->name->data, name->size) == 0) {
            as_jinja_advance(p);
        }
    }
    return true;
}

static bool parse_extends(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_EXTENDS;
    return as_jinja_parse_expression(p, 0, &node->a);
}

/* "with context" or "without context"; true if it stood there. */
static bool parse_context(as_jinja_parser *p, bool *with_context)
{
    if (!as_jinja_at_name(p, "with") && !as_jinja_at_name(p, "without")) return false;
    const as_jinja_token *next = as_jinja_look(p);
    if (next->kind != AS_JINJA_T_NAME || !as_jinja_str_is(next->value, "context")) return false;
    *with_context = as_jinja_at_name(p, "with");
    as_jinja_advance(p);
    as_jinja_advance(p);
    return true;
}

static bool parse_include(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_INCLUDE;
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->a));
    const as_jinja_token *next = as_jinja_look(p);
    if (as_jinja_at_name(p, "ignore") && next->kind == AS_JINJA_T_NAME &&
        as_jinja_str_is(next->value, "missing")) {
        node->ignore_missing = true;
        as_jinja_advance(p);
        as_jinja_advance(p);
    }
    node->with_context = true;
    parse_context(p, &node->with_context);
    return true;
}

static bool parse_import(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_IMPORT;
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->a));
    AS_JINJA_TRY(as_jinja_expect_name(p, "as"));
    as_jinja_node *target;
    AS_JINJA_TRY(parse_target_name(p, AS_JINJA_STORE, &target));
    node->name = target->name;
    parse_context(p, &node->with_context);
    return true;
}

static bool parse_imported(as_jinja_parser *p, as_jinja_node *node)
{
    as_jinja_node *name, *alias;
    AS_JINJA_TRY(parse_target_name(p, AS_JINJA_STORE, &name));
    if (name->name->data[0] == '_') {
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX,
                             "names starting with an underline can not be imported");
    }
    alias = name;
    if (as_jinja_skip_name(p, "as")) AS_JINJA_TRY(parse_target_name(p, AS_JINJA_STORE, &alias));
    AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->x, name));
    return as_jinja_nodes_add(p->vm, &node->x, alias);
}

static bool parse_from(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_FROM_IMPORT;
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->a));
    AS_JINJA_TRY(as_jinja_expect_name(p, "import"));
    for (;;) {
        if (node->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        if (as_jinja_current(p)->kind != AS_JINJA_T_NAME) return as_jinja_unexpected(p, "name");
        if (parse_context(p, &node->with_context)) return true;
        AS_JINJA_TRY(parse_imported(p, node));
        if (parse_context(p, &node->with_context) || as_jinja_current(p)->kind != AS_JINJA_T_COMMA)
            return true;
    }
}

/* "(a, b=1)" into node->x and node->y. */
static bool parse_signature(as_jinja_parser *p, as_jinja_node *node)
{
    AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_LPAREN));
    while (as_jinja_current(p)->kind != AS_JINJA_T_RPAREN) {
        if (node->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        as_jinja_node *arg, *value;
        AS_JINJA_TRY(parse_target_name(p, AS_JINJA_PARAM, &arg));
        if (as_jinja_skip(p, AS_JINJA_T_ASSIGN)) {
            AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &value));
            AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->y, value));
        } else if (node->y.count) {
            return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "non-default argument follows default argument");
        }
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->x, arg));
    }
    return as_jinja_expect(p, AS_JINJA_T_RPAREN);
}

static bool parse_macro(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_MACRO;
    as_jinja_node *target;
    AS_JINJA_TRY(parse_target_name(p, AS_JINJA_STORE, &target));
    node->name = target->name;
    AS_JINJA_TRY(parse_signature(p, node));
    return parse_body(p, "endmacro", &node->z);
}

static bool parse_call_block(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_CALL_BLOCK;
    if (as_jinja_current(p)->kind == AS_JINJA_T_LPAREN) AS_JINJA_TRY(parse_signature(p, node));
    AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &node->a));
    if (node->a->kind != AS_JINJA_N_CALL) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "expected call");
    return parse_body(p, "endcall", &node->z);
}

static bool parse_generation(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_CALL_BLOCK;
    return parse_body(p, "endgeneration", &node->z);
}

static bool parse_filter_block(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_FILTER_BLOCK;
    AS_JINJA_TRY(as_jinja_parse_filter(p, NULL, true, &node->a));
    return parse_body(p, "endfilter", &node->x);
}

static bool parse_print(as_jinja_parser *p, as_jinja_node *node)
{
    node->kind = AS_JINJA_N_OUTPUT;
    while (as_jinja_current(p)->kind != AS_JINJA_T_BLOCK_END) {
        if (node->x.count) AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_COMMA));
        as_jinja_node *value;
        AS_JINJA_TRY(as_jinja_parse_expression(p, 0, &value));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, &node->x, value));
    }
    return true;
}

static bool parse_break(as_jinja_parser *p, as_jinja_node *node)
{
    (void)p;
    node->kind = AS_JINJA_N_BREAK;
    return true;
}

static bool parse_continue(as_jinja_parser *p, as_jinja_node *node)
{
    (void)p;
    node->kind = AS_JINJA_N_CONTINUE;
    return true;
}

static const struct {
    const char *tag;
    bool (*parse)(as_jinja_parser *p, as_jinja_node *node);
} statements[] = {
    {"for", parse_for},
    {"if", parse_if},
    {"block", parse_block},
    {"extends", parse_extends},
    {"print", parse_print},
    {"macro", parse_macro},
    {"include", parse_include},
    {"from", parse_from},
    {"import", parse_import},
    {"set", parse_set},
    {"with", parse_with},
    {"autoescape", parse_autoescape},
    {"call", parse_call_block},
    {"filter", parse_filter_block},
    {"generation", parse_generation},
    {"break", parse_break},
    {"continue", parse_continue},
};

static bool unknown_tag(as_jinja_parser *p)
{
    const char *name = as_jinja_current(p)->value.str->data;
    if (p->end_count == 0)
        return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "Encountered unknown tag '%.100s'", name);
    return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX,
                         "Encountered unknown tag '%.100s'. Jinja was looking for the tag '%s'", name,
                         p->ends[p->end_count - 1]);
}

static bool parse_statement(as_jinja_parser *p, as_jinja_nodes *body)
{
    const as_jinja_token *t = as_jinja_current(p);
    if (t->kind != AS_JINJA_T_NAME) return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "tag name expected");
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (!as_jinja_str_is(t->value, statements[i].tag)) continue;
        as_jinja_node *node;
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_OUTPUT, t->line, &node));
        as_jinja_advance(p);
        AS_JINJA_TRY(statements[i].parse(p, node));
        AS_JINJA_TRY(as_jinja_node_done(p, node));
        return as_jinja_nodes_add(p->vm, body, node);
    }
    return unknown_tag(p);
}

/* Appends to the output node that collects neighbouring text and expressions. */
static bool add_output(as_jinja_parser *p, as_jinja_nodes *body, as_jinja_node **output, as_jinja_node *part)
{
    if (!*output) {
        AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_OUTPUT, part->line, output));
        AS_JINJA_TRY(as_jinja_nodes_add(p->vm, body, *output));
    }
    if (part->height >= (*output)->height) (*output)->height = part->height + 1;
    return as_jinja_nodes_add(p->vm, &(*output)->x, part);
}

static bool parse_variable(as_jinja_parser *p, as_jinja_node **out)
{
    as_jinja_advance(p);
    AS_JINJA_TRY(as_jinja_parse_tuple(p, 0, out));
    return as_jinja_expect(p, AS_JINJA_T_VARIABLE_END);
}

static bool subparse(as_jinja_parser *p, const char *const *ends, as_jinja_nodes *body)
{
    as_jinja_node *output = NULL, *part;
    for (;;) {
        const as_jinja_token *t = as_jinja_current(p);
        switch (t->kind) {
        case AS_JINJA_T_EOF: return true;
        case AS_JINJA_T_DATA:
            AS_JINJA_TRY(as_jinja_node_new(p, AS_JINJA_N_DATA, t->line, &part));
            part->value = t->value;
            AS_JINJA_TRY(add_output(p, body, &output, part));
            as_jinja_advance(p);
            break;
        case AS_JINJA_T_VARIABLE_BEGIN:
            AS_JINJA_TRY(parse_variable(p, &part));
            AS_JINJA_TRY(add_output(p, body, &output, part));
            break;
        case AS_JINJA_T_BLOCK_BEGIN:
            output = NULL;
            as_jinja_advance(p);
            if (ends && at_any_name(p, ends)) return true;
            AS_JINJA_TRY(parse_statement(p, body));
            AS_JINJA_TRY(as_jinja_expect(p, AS_JINJA_T_BLOCK_END));
            break;
        default:
            return as_jinja_fail(p->vm, AS_JINJA_X_SYNTAX, "unexpected '%s'", as_jinja_token_text(t->kind));
        }
    }
}

bool as_jinja_parse(as_jinja_vm *vm, const as_jinja_tokens *tokens, as_jinja_nodes *body)
{
    as_jinja_parser p = {.vm = vm, .tokens = tokens};
    vm->line = as_jinja_current(&p)->line;
    return subparse(&p, NULL, body);
}
