/* Whole-number expressions; see expression.h. */
#include "suites/catalog/expression.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

typedef struct parser {
    const char *text, *at;
    as_expression_lookup *lookup;
    const void *context;
    int depth;
    as_error *err;
} parser;

static as_code overflow(const parser *p)
{
    return as_fail(p->err, AS_E_INPUT, "\"%s\" is beyond 63 bits, or divides by zero", p->text);
}

static bool less(int64_t a, int64_t b, int64_t *out)
{
    *out = a < b;
    return true;
}
static bool less_equal(int64_t a, int64_t b, int64_t *out)
{
    *out = a <= b;
    return true;
}
static bool greater(int64_t a, int64_t b, int64_t *out)
{
    *out = a > b;
    return true;
}
static bool greater_equal(int64_t a, int64_t b, int64_t *out)
{
    *out = a >= b;
    return true;
}
static bool equal(int64_t a, int64_t b, int64_t *out)
{
    *out = a == b;
    return true;
}
static bool unequal(int64_t a, int64_t b, int64_t *out)
{
    *out = a != b;
    return true;
}
static bool add(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}
static bool subtract(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_sub_overflow(a, b, out);
}
static bool multiply(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}
static bool divide(int64_t a, int64_t b, int64_t *out)
{
    if (b <= 0) return false;
    *out = a / b;
    return true;
}
static bool modulo(int64_t a, int64_t b, int64_t *out)
{
    if (b <= 0) return false;
    *out = a % b;
    return true;
}

/* Longer signs before those they begin with. */
static const struct operation {
    const char *sign;
    int precedence;
    bool (*apply)(int64_t a, int64_t b, int64_t *out);
} operations[] = {
    {"==", 1, equal},   {"!=", 1, unequal}, {"<=", 1, less_equal}, {">=", 1, greater_equal},
    {"<", 1, less},     {">", 1, greater},  {"+", 2, add},         {"-", 2, subtract},
    {"*", 3, multiply}, {"/", 3, divide},   {"%", 3, modulo},
};

static void skip_space(parser *p)
{
    while (*p->at == ' ') p->at++;
}

static const struct operation *peek_operation(parser *p)
{
    skip_space(p);
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
        if (strncmp(p->at, operations[i].sign, strlen(operations[i].sign)) == 0) return &operations[i];
    }
    return NULL;
}

static as_code take_binary(parser *p, int least, int64_t *out);

static as_code take_parenthesis(parser *p, int64_t *out)
{
    p->at++;
    AS_TRY(take_binary(p, 1, out));
    skip_space(p);
    if (*p->at != ')') return as_fail(p->err, AS_E_INPUT, "\"%s\": a parenthesis is not closed", p->text);
    p->at++;
    return AS_OK;
}

static as_code take_primary(parser *p, int64_t *out)
{
    skip_space(p);
    if (*p->at == '(') return take_parenthesis(p, out);
    if (isdigit((unsigned char)*p->at)) {
        int64_t value = 0;
        for (; isdigit((unsigned char)*p->at); p->at++) {
            if (!multiply(value, 10, &value) || !add(value, *p->at - '0', &value)) return overflow(p);
        }
        *out = value;
        return AS_OK;
    }
    const char *name = p->at;
    while (isalnum((unsigned char)*p->at) || *p->at == '_' || *p->at == '.') p->at++;
    size_t size = (size_t)(p->at - name);
    if (size == 0) return as_fail(p->err, AS_E_INPUT, "\"%s\": a number or name is missing", p->text);
    if (p->lookup(p->context, name, size, out)) return AS_OK;
    return as_fail(p->err, AS_E_NOT_FOUND, "%.*s", (int)size, name);
}

static as_code take_binary(parser *p, int least, int64_t *out)
{
    if (++p->depth > MAX_DEPTH) return as_fail(p->err, AS_E_LIMIT, "\"%s\" is nested too deep", p->text);
    int64_t left, right;
    AS_TRY(take_primary(p, &left));
    const struct operation *op;
    while ((op = peek_operation(p)) && op->precedence >= least) {
        p->at += strlen(op->sign);
        AS_TRY(take_binary(p, op->precedence + 1, &right));
        if (!op->apply(left, right, &left)) return overflow(p);
    }
    p->depth--;
    *out = left;
    return AS_OK;
}

as_code as_expression_evaluate(const char *text, as_expression_lookup *lookup, const void *context,
                               int64_t *out, as_error *err)
{
    parser p = {.text = text, .at = text, .lookup = lookup, .context = context, .err = err};
    int64_t value;
    AS_TRY(take_binary(&p, 1, &value));
    if (*p.at) return as_fail(err, AS_E_INPUT, "\"%s\": unexpected \"%s\"", text, p.at);
    *out = value;
    return AS_OK;
}
