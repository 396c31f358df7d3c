/* Statements, as jinja2's parser.py reads them, with the extensions of transformers: break, continue and the
 * generation tag. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/ast.h"

enum { MAX_STATEMENT_NESTING = 60 };

static const char *const node_parts[] = {
#define AJ_NODE_PARTS(name, parts) parts,
    AJ_NODES(AJ_NODE_PARTS)
#undef AJ_NODE_PARTS
};

static bool visit_list(aj_nodes *list, aj_visit *visit, void *context)
{
    for (int i = 0; i < list->count; i++) AJ_TRY(visit(context, list->at[i]));
    return true;
}

bool aj_children(aj_node *node, aj_visit *visit, void *context)
{
    for (const char *part = node_parts[node->kind]; *part; part++) {
        aj_node *one = *part == 'a' ? node->a : *part == 'b' ? node->b : *part == 'c' ? node->c : NULL;
        if (one) AJ_TRY(visit(context, one));
        aj_nodes *list = *part == 'x' ? &node->x : *part == 'y' ? &node->y : *part == 'z' ? &node->z : NULL;
        if (list) AJ_TRY(visit_list(list, visit, context));
    }
    return true;
}

static bool subparse(aj_parser *p, const char *const *ends, aj_nodes *body);

/* Names a target as stored; false when something in it cannot be assigned to. */
static bool set_use(aj_node *node, aj_name_use use)
{
    if (node->kind == AJ_N_NAME) {
        node->op = (uint8_t)use;
        return true;
    }
    if (node->kind == AJ_N_NSREF) return true;
    if (node->kind != AJ_N_TUPLE) return false;
    for (int i = 0; i < node->x.count; i++) {
        if (!set_use(node->x.at[i], use)) return false;
    }
    return true;
}

static bool parse_target(aj_parser *p, int flags, aj_name_use use, aj_node **out)
{
    AJ_TRY(aj_parse_tuple(p, AJ_SIMPLE | flags, out));
    if (set_use(*out, use)) return true;
    p->vm->line = (*out)->line;
    return aj_fail(p->vm, AJ_X_SYNTAX, "can't assign to this expression");
}

/* A plain name that may be assigned to. */
static bool parse_target_name(aj_parser *p, aj_name_use use, aj_node **out)
{
    static const char *const reserved[] = {"true", "false", "none", "True", "False", "None"};
    AJ_TRY(aj_node_new(p, AJ_N_NAME, aj_current(p)->line, out));
    (*out)->op = (uint8_t)use;
    AJ_TRY(aj_expect_any_name(p, &(*out)->name));
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
        if (aj_str_is(aj_string((*out)->name), reserved[i])) {
            return aj_fail(p->vm, AJ_X_SYNTAX, "can't assign to '%s'", reserved[i]);
        }
    }
    return true;
}

static bool at_any_name(const aj_parser *p, const char *const *words)
{
    for (; *words; words++) {
        if (aj_at_name(p, *words)) return true;
    }
    return false;
}

/* The body of a statement up to one of the names `ends` (NULL-terminated), which stays current. */
static bool parse_statements(aj_parser *p, const char *const *ends, aj_nodes *body)
{
    aj_skip(p, AJ_T_COLON);
    AJ_TRY(aj_expect(p, AJ_T_BLOCK_END));
    if (p->end_count == MAX_STATEMENT_NESTING) {
        return aj_fail(p->vm, AJ_X_LIMIT, "blocks nested more than %d levels deep", MAX_STATEMENT_NESTING);
    }
    p->ends[p->end_count++] = ends[0];
    AJ_TRY(subparse(p, ends, body));
    p->end_count--;
    if (aj_current(p)->kind == AJ_T_EOF) {
        return aj_fail(p->vm, AJ_X_SYNTAX, "Unexpected end of template. Jinja was looking for the tag '%s'",
                       ends[0]);
    }
    return true;
}

/* The same with one end, which is skipped. */
static bool parse_body(aj_parser *p, const char *end, aj_nodes *body)
{
    const char *const ends[] = {end, NULL};
    AJ_TRY(parse_statements(p, ends, body));
    aj_advance(p);
    return true;
}

static bool parse_for(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_FOR;
    AJ_TRY(parse_target(p, 0, AJ_STORE, &node->a));
    AJ_TRY(aj_expect_name(p, "in"));
    AJ_TRY(aj_parse_tuple(p, AJ_NO_COND, &node->b));
    if (aj_skip_name(p, "if")) AJ_TRY(aj_parse_expression(p, 0, &node->c));
    node->recursive = aj_skip_name(p, "recursive");
    static const char *const ends[] = {"endfor", "else", NULL};
    AJ_TRY(parse_statements(p, ends, &node->x));
    bool ended = aj_at_name(p, "endfor");
    aj_advance(p);
    if (ended) return true;
    AJ_TRY(parse_body(p, "endfor", &node->y));
    node->has_else = node->y.count > 0;
    return true;
}

static bool parse_if(aj_parser *p, aj_node *node)
{
    static const char *const ends[] = {"endif", "elif", "else", NULL};
    node->kind = AJ_N_IF;
    aj_node *at = node;
    for (;;) {
        AJ_TRY(aj_parse_tuple(p, AJ_NO_COND, &at->a));
        AJ_TRY(parse_statements(p, ends, &at->x));
        if (aj_skip_name(p, "endif")) return true;
        if (aj_skip_name(p, "else")) return parse_body(p, "endif", &node->z);
        aj_advance(p);
        AJ_TRY(aj_node_new(p, AJ_N_IF, aj_current(p)->line, &at));
        AJ_TRY(aj_nodes_add(p->vm, &node->y, at));
    }
}

static bool parse_set(aj_parser *p, aj_node *node)
{
    AJ_TRY(parse_target(p, AJ_NAMESPACE_OK, AJ_STORE, &node->a));
    if (aj_skip(p, AJ_T_ASSIGN)) {
        node->kind = AJ_N_ASSIGN;
        return aj_parse_tuple(p, 0, &node->b);
    }
    node->kind = AJ_N_ASSIGN_BLOCK;
    AJ_TRY(aj_parse_filter(p, NULL, false, &node->b));
    return parse_body(p, "endset", &node->x);
}

static bool parse_with(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_WITH;
    while (aj_current(p)->kind != AJ_T_BLOCK_END) {
        if (node->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        aj_node *target, *value;
        AJ_TRY(parse_target(p, 0, AJ_PARAM, &target));
        AJ_TRY(aj_expect(p, AJ_T_ASSIGN));
        AJ_TRY(aj_parse_expression(p, 0, &value));
        AJ_TRY(aj_nodes_add(p->vm, &node->x, target));
        AJ_TRY(aj_nodes_add(p->vm, &node->y, value));
    }
    return parse_body(p, "endwith", &node->z);
}

static bool parse_autoescape(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_AUTOESCAPE;
    AJ_TRY(aj_parse_expression(p, 0, &node->a));
    return parse_body(p, "endautoescape", &node->x);
}

static bool is_blank(const aj_node *node)
{
    if (node->kind != AJ_N_OUTPUT) return false;
    for (int i = 0; i < node->x.count; i++) {
        const aj_node *part = node->x.at[i];
        if (part->kind != AJ_N_DATA) return false;
        for (size_t at = 0; at < part->value.str->size;) {
            if (!aj_space(aj_next_codepoint(part->value.str->data, part->value.str->size, &at))) return false;
        }
    }
    return true;
}

static bool parse_block(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_BLOCK;
    AJ_TRY(aj_expect_any_name(p, &node->name));
    node->scoped = aj_skip_name(p, "scoped");
    node->required = aj_skip_name(p, "required");
    if (aj_current(p)->kind == AJ_T_SUB) {
        return aj_fail(p->vm, AJ_X_SYNTAX, "block names may not contain hyphens, use an underscore instead");
    }
    AJ_TRY(parse_body(p, "endblock", &node->x));
    for (int i = 0; node->required && i < node->x.count; i++) {
        if (!is_blank(node->x.at[i])) {
            return aj_fail(p->vm, AJ_X_SYNTAX, "Required blocks can only contain comments or whitespace");
        }
    }
    if (aj_current(p)->kind == AJ_T_NAME) {
        const aj_str *name = aj_current(p)->value.str;
        if (name->size == node->name->size && memcmp(name->data, node->name->data, name->size) == 0) {
            aj_advance(p);
        }
    }
    return true;
}

static bool parse_extends(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_EXTENDS;
    return aj_parse_expression(p, 0, &node->a);
}

/* "with context" or "without context"; true if it stood there. */
static bool parse_context(aj_parser *p, bool *with_context)
{
    if (!aj_at_name(p, "with") && !aj_at_name(p, "without")) return false;
    const aj_token *next = aj_look(p);
    if (next->kind != AJ_T_NAME || !aj_str_is(next->value, "context")) return false;
    *with_context = aj_at_name(p, "with");
    aj_advance(p);
    aj_advance(p);
    return true;
}

static bool parse_include(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_INCLUDE;
    AJ_TRY(aj_parse_expression(p, 0, &node->a));
    const aj_token *next = aj_look(p);
    if (aj_at_name(p, "ignore") && next->kind == AJ_T_NAME && aj_str_is(next->value, "missing")) {
        node->ignore_missing = true;
        aj_advance(p);
        aj_advance(p);
    }
    node->with_context = true;
    parse_context(p, &node->with_context);
    return true;
}

static bool parse_import(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_IMPORT;
    AJ_TRY(aj_parse_expression(p, 0, &node->a));
    AJ_TRY(aj_expect_name(p, "as"));
    aj_node *target;
    AJ_TRY(parse_target_name(p, AJ_STORE, &target));
    node->name = target->name;
    parse_context(p, &node->with_context);
    return true;
}

static bool parse_imported(aj_parser *p, aj_node *node)
{
    aj_node *name, *alias;
    AJ_TRY(parse_target_name(p, AJ_STORE, &name));
    if (name->name->data[0] == '_') {
        return aj_fail(p->vm, AJ_X_SYNTAX, "names starting with an underline can not be imported");
    }
    alias = name;
    if (aj_skip_name(p, "as")) AJ_TRY(parse_target_name(p, AJ_STORE, &alias));
    AJ_TRY(aj_nodes_add(p->vm, &node->x, name));
    return aj_nodes_add(p->vm, &node->x, alias);
}

static bool parse_from(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_FROM_IMPORT;
    AJ_TRY(aj_parse_expression(p, 0, &node->a));
    AJ_TRY(aj_expect_name(p, "import"));
    for (;;) {
        if (node->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        if (aj_current(p)->kind != AJ_T_NAME) return aj_unexpected(p, "name");
        if (parse_context(p, &node->with_context)) return true;
        AJ_TRY(parse_imported(p, node));
        if (parse_context(p, &node->with_context) || aj_current(p)->kind != AJ_T_COMMA) return true;
    }
}

/* "(a, b=1)" into node->x and node->y. */
static bool parse_signature(aj_parser *p, aj_node *node)
{
    AJ_TRY(aj_expect(p, AJ_T_LPAREN));
    while (aj_current(p)->kind != AJ_T_RPAREN) {
        if (node->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        aj_node *arg, *value;
        AJ_TRY(parse_target_name(p, AJ_PARAM, &arg));
        if (aj_skip(p, AJ_T_ASSIGN)) {
            AJ_TRY(aj_parse_expression(p, 0, &value));
            AJ_TRY(aj_nodes_add(p->vm, &node->y, value));
        } else if (node->y.count) {
            return aj_fail(p->vm, AJ_X_SYNTAX, "non-default argument follows default argument");
        }
        AJ_TRY(aj_nodes_add(p->vm, &node->x, arg));
    }
    return aj_expect(p, AJ_T_RPAREN);
}

static bool parse_macro(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_MACRO;
    aj_node *target;
    AJ_TRY(parse_target_name(p, AJ_STORE, &target));
    node->name = target->name;
    AJ_TRY(parse_signature(p, node));
    return parse_body(p, "endmacro", &node->z);
}

static bool parse_call_block(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_CALL_BLOCK;
    if (aj_current(p)->kind == AJ_T_LPAREN) AJ_TRY(parse_signature(p, node));
    AJ_TRY(aj_parse_expression(p, 0, &node->a));
    if (node->a->kind != AJ_N_CALL) return aj_fail(p->vm, AJ_X_SYNTAX, "expected call");
    return parse_body(p, "endcall", &node->z);
}

static bool parse_generation(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_CALL_BLOCK;
    return parse_body(p, "endgeneration", &node->z);
}

static bool parse_filter_block(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_FILTER_BLOCK;
    AJ_TRY(aj_parse_filter(p, NULL, true, &node->a));
    return parse_body(p, "endfilter", &node->x);
}

static bool parse_print(aj_parser *p, aj_node *node)
{
    node->kind = AJ_N_OUTPUT;
    while (aj_current(p)->kind != AJ_T_BLOCK_END) {
        if (node->x.count) AJ_TRY(aj_expect(p, AJ_T_COMMA));
        aj_node *value;
        AJ_TRY(aj_parse_expression(p, 0, &value));
        AJ_TRY(aj_nodes_add(p->vm, &node->x, value));
    }
    return true;
}

static bool parse_break(aj_parser *p, aj_node *node)
{
    (void)p;
    node->kind = AJ_N_BREAK;
    return true;
}

static bool parse_continue(aj_parser *p, aj_node *node)
{
    (void)p;
    node->kind = AJ_N_CONTINUE;
    return true;
}

static const struct {
    const char *tag;
    bool (*parse)(aj_parser *p, aj_node *node);
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

static bool unknown_tag(aj_parser *p)
{
    const char *name = aj_current(p)->value.str->data;
    if (p->end_count == 0) return aj_fail(p->vm, AJ_X_SYNTAX, "Encountered unknown tag '%.100s'", name);
    return aj_fail(p->vm, AJ_X_SYNTAX, "Encountered unknown tag '%.100s'. Jinja was looking for the tag '%s'",
                   name, p->ends[p->end_count - 1]);
}

static bool parse_statement(aj_parser *p, aj_nodes *body)
{
    const aj_token *t = aj_current(p);
    if (t->kind != AJ_T_NAME) return aj_fail(p->vm, AJ_X_SYNTAX, "tag name expected");
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (!aj_str_is(t->value, statements[i].tag)) continue;
        aj_node *node;
        AJ_TRY(aj_node_new(p, AJ_N_OUTPUT, t->line, &node));
        aj_advance(p);
        AJ_TRY(statements[i].parse(p, node));
        AJ_TRY(aj_node_done(p, node));
        return aj_nodes_add(p->vm, body, node);
    }
    return unknown_tag(p);
}

/* Appends to the output node that collects neighbouring text and expressions. */
static bool add_output(aj_parser *p, aj_nodes *body, aj_node **output, aj_node *part)
{
    if (!*output) {
        AJ_TRY(aj_node_new(p, AJ_N_OUTPUT, part->line, output));
        AJ_TRY(aj_nodes_add(p->vm, body, *output));
    }
    if (part->height >= (*output)->height) (*output)->height = part->height + 1;
    return aj_nodes_add(p->vm, &(*output)->x, part);
}

static bool parse_variable(aj_parser *p, aj_node **out)
{
    aj_advance(p);
    AJ_TRY(aj_parse_tuple(p, 0, out));
    return aj_expect(p, AJ_T_VARIABLE_END);
}

static bool subparse(aj_parser *p, const char *const *ends, aj_nodes *body)
{
    aj_node *output = NULL, *part;
    for (;;) {
        const aj_token *t = aj_current(p);
        switch (t->kind) {
        case AJ_T_EOF: return true;
        case AJ_T_DATA:
            AJ_TRY(aj_node_new(p, AJ_N_DATA, t->line, &part));
            part->value = t->value;
            AJ_TRY(add_output(p, body, &output, part));
            aj_advance(p);
            break;
        case AJ_T_VARIABLE_BEGIN:
            AJ_TRY(parse_variable(p, &part));
            AJ_TRY(add_output(p, body, &output, part));
            break;
        case AJ_T_BLOCK_BEGIN:
            output = NULL;
            aj_advance(p);
            if (ends && at_any_name(p, ends)) return true;
            AJ_TRY(parse_statement(p, body));
            AJ_TRY(aj_expect(p, AJ_T_BLOCK_END));
            break;
        default: return aj_fail(p->vm, AJ_X_SYNTAX, "unexpected '%s'", aj_token_text(t->kind));
        }
    }
}

bool aj_parse(aj_vm *vm, const aj_tokens *tokens, aj_nodes *body)
{
    aj_parser p = {.vm = vm, .tokens = tokens};
    vm->line = aj_current(&p)->line;
    return subparse(&p, NULL, body);
}
