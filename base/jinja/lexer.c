/* From template text to tokens, as jinja2's lexer.py: the same rules by hand instead of by regexes. */
#include <string.h>

#include "base/jinja/ast.h"
#include "base/utf8.h"

typedef struct lexer {
    as_jinja_vm *vm;
    const char *text; /* newlines already normalised */
    size_t size, at;
    int line;
    bool line_starting; /* the last match ended with a newline */
    bool trim, lstrip;
    char open[256]; /* closing brackets that are awaited */
    int open_count;
    as_jinja_tokens *out;
} lexer;

static bool add_token(lexer *lx, as_jinja_token_kind kind, as_jinja_value value)
{
    as_jinja_tokens *out = lx->out;
    if (out->count == out->room) {
        int64_t room = out->room ? out->room * 2 : 64;
        as_jinja_token *at = as_jinja_alloc(lx->vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (out->count) memcpy(at, out->at, (size_t)out->count * sizeof *at);
        out->at = at;
        out->room = room;
    }
    out->at[out->count++] = (as_jinja_token){.kind = kind, .line = lx->line, .value = value};
    return true;
}

static void count_lines(lexer *lx, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) lx->line += lx->text[i] == '\n';
}

static bool starts(const lexer *lx, size_t at, const char *word)
{
    size_t n = strlen(word);
    return lx->size - at >= n && memcmp(lx->text + at, word, n) == 0;
}

/* Behind the whitespace that begins at `at`. */
static size_t skip_space(const lexer *lx, size_t at)
{
    while (at < lx->size) {
        size_t next = at;
        if (!as_jinja_space(as_jinja_next_codepoint(lx->text, lx->size, &next))) break;
        at = next;
    }
    return at;
}

/* Before the whitespace that ends at `end`, not before `from`. */
static size_t back_space(const lexer *lx, size_t from, size_t end)
{
    while (end > from) {
        size_t before = end;
        if (!as_jinja_space(as_jinja_previous_codepoint(lx->text, &before))) break;
        end = before;
    }
    return end;
}

/* Where the data [from, to) in front of a tag really ends. */
static size_t strip_data(const lexer *lx, size_t from, size_t to, char sign, bool variable)
{
    if (sign == '-') return back_space(lx, from, to);
    if (sign == '+' || !lx->lstrip || variable) return to;
    size_t line = to;
    while (line > from && lx->text[line - 1] != '\n') line--;
    if (line == from && !lx->line_starting) return to;
    return back_space(lx, line, to) == line ? line : to;
}

static bool add_data(lexer *lx, size_t from, size_t to)
{
    if (to <= from) return true;
    as_jinja_value data;
    AS_JINJA_TRY(as_jinja_str_copy(lx->vm, lx->text + from, to - from, &data));
    as_jinja_str_settle(data.str);
    return add_token(lx, AS_JINJA_T_DATA, data);
}

/* Length of the end of a tag at `at` ("%}" with its sign and what it swallows), 0 if there is none. */
static size_t tag_end(const lexer *lx, size_t at, const char *end, bool block)
{
    if (starts(lx, at, end)) {
        size_t next = at + 2;
        if (block && lx->trim && next < lx->size && lx->text[next] == '\n') next++;
        return next - at;
    }
    if (at < lx->size && lx->text[at] == '-' && starts(lx, at + 1, end)) return skip_space(lx, at + 3) - at;
    if (block && at < lx->size && lx->text[at] == '+' && starts(lx, at + 1, end)) return 3;
    return 0;
}

/* "{%- raw -%}" or "{% endraw %}" at `at`: the offset behind it, 0 if it is something else. */
static size_t raw_tag(const lexer *lx, size_t at, const char *word, bool begin, char *sign)
{
    size_t next = at + 2;
    *sign = 0;
    if (next < lx->size && (lx->text[next] == '-' || lx->text[next] == '+')) *sign = lx->text[next++];
    next = skip_space(lx, next);
    if (!starts(lx, next, word)) return 0;
    next = skip_space(lx, next + strlen(word));
    if (begin) {
        if (starts(lx, next, "%}")) return next + 2;
        return starts(lx, next, "-%}") ? skip_space(lx, next + 3) : 0;
    }
    size_t end = tag_end(lx, next, "%}", true);
    return end ? next + end : 0;
}

static void move_to(lexer *lx, size_t next)
{
    count_lines(lx, lx->at, next);
    lx->at = next;
    lx->line_starting = next > 0 && lx->text[next - 1] == '\n';
}

static bool lex_raw(lexer *lx)
{
    size_t from = lx->at;
    for (size_t i = from; i + 1 < lx->size; i++) {
        if (lx->text[i] != '{' || lx->text[i + 1] != '%') continue;
        char sign;
        size_t next = raw_tag(lx, i, "endraw", false, &sign);
        if (!next) continue;
        AS_JINJA_TRY(add_data(lx, from, strip_data(lx, from, i, sign, false)));
        move_to(lx, next);
        return true;
    }
    if (from == lx->size) return true;
    lx->vm->line = lx->line;
    return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "Missing end of raw directive");
}

static bool lex_comment(lexer *lx)
{
    for (size_t i = lx->at; i < lx->size; i++) {
        size_t end = tag_end(lx, i, "#}", true);
        if (!end) continue;
        move_to(lx, i + end);
        return true;
    }
    if (lx->at == lx->size) return true;
    lx->vm->line = lx->line;
    return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "Missing end of comment tag");
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits with single underscores between them; the offset behind, `at` if there are none. */
static size_t digits(const lexer *lx, size_t at)
{
    size_t end = at;
    while (end < lx->size) {
        if (is_digit(lx->text[end])) {
            end++;
        } else if (end > at && lx->text[end] == '_' && end + 1 < lx->size && is_digit(lx->text[end + 1])) {
            end += 2;
        } else {
            break;
        }
    }
    return end;
}

static size_t float_end(const lexer *lx, size_t at)
{
    if (at > 0 && lx->text[at - 1] == '.') return 0;
    size_t end = digits(lx, at);
    if (end == at) return 0;
    size_t fraction = end;
    if (end < lx->size && lx->text[end] == '.') {
        size_t behind = digits(lx, end + 1);
        if (behind > end + 1) fraction = behind;
    }
    size_t exponent = fraction;
    if (exponent < lx->size && (lx->text[exponent] | 32) == 'e') {
        exponent++;
        if (exponent < lx->size && (lx->text[exponent] == '+' || lx->text[exponent] == '-')) exponent++;
        size_t behind = digits(lx, exponent);
        if (behind > exponent) return behind;
    }
    return fraction > end ? fraction : 0;
}

static bool is_base_digit(char c, int base)
{
    int value = is_digit(c) ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : 99;
    return value < base;
}

static size_t integer_end(const lexer *lx, size_t at, int *base)
{
    *base = 10;
    if (lx->text[at] == '0' && at + 1 < lx->size) {
        char kind = (char)(lx->text[at + 1] | 32);
        int other = kind == 'b' ? 2 : kind == 'o' ? 8 : kind == 'x' ? 16 : 0;
        size_t end = at + 2;
        while (other && end < lx->size) {
            if (is_base_digit(lx->text[end], other)) {
                end++;
            } else if (lx->text[end] == '_' && end + 1 < lx->size &&
                       is_base_digit(lx->text[end + 1], other)) {
                end += 2;
            } else {
                break;
            }
        }
        if (other && end > at + 2) {
            *base = other;
            return end;
        }
    }
    if (lx->text[at] != '0') return digits(lx, at);
    size_t end = at + 1;
    while (end < lx->size) {
        if (lx->text[end] == '0') {
            end++;
        } else if (lx->text[end] == '_' && end + 1 < lx->size && lx->text[end + 1] == '0') {
            end += 2;
        } else {
            break;
        }
    }
    return end;
}

/* The text of a number without underscores, in the scratch buffer. */
static bool lex_number(lexer *lx)
{
    as_jinja_vm *vm = lx->vm;
    int base = 10;
    size_t end = float_end(lx, lx->at);
    bool real = end != 0;
    if (!real) end = integer_end(lx, lx->at, &base);
    size_t mark = as_jinja_mark(vm), from = lx->at + (base == 10 ? 0 : 2);
    for (size_t i = from; i < end; i++) {
        if (lx->text[i] != '_') AS_JINJA_TRY(as_jinja_put(vm, lx->text + i, 1));
    }
    as_jinja_value text, value;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    if (real) {
        double f;
        AS_JINJA_TRY(as_jinja_parse_float(vm, text.str->data, text.str->size, &f));
        value = as_jinja_float(f);
    } else {
        AS_JINJA_TRY(as_jinja_parse_int(vm, text.str->data, text.str->size, base, &value));
    }
    AS_JINJA_TRY(add_token(lx, real ? AS_JINJA_T_FLOAT : AS_JINJA_T_INTEGER, value));
    move_to(lx, end);
    return true;
}

static bool lex_quoted(lexer *lx, bool *matched)
{
    char quote = lx->text[lx->at];
    size_t end = lx->at + 1;
    while (end < lx->size && lx->text[end] != quote) end += lx->text[end] == '\\' ? 2 : 1;
    *matched = end < lx->size;
    if (!*matched) return true;
    as_jinja_value value;
    AS_JINJA_TRY(as_jinja_lex_string(lx->vm, lx->text + lx->at + 1, end - lx->at - 1, &value));
    as_jinja_str_settle(value.str);
    AS_JINJA_TRY(add_token(lx, AS_JINJA_T_STRING, value));
    move_to(lx, end + 1);
    return true;
}

static bool lex_name(lexer *lx, bool *matched)
{
    size_t end = lx->at;
    bool valid = true;
    while (end < lx->size) {
        size_t next = end;
        uint32_t c = as_jinja_next_codepoint(lx->text, lx->size, &next);
        if (!as_jinja_word(c) && !as_jinja_identifier_part(c)) break;
        if (end == lx->at ? !as_jinja_identifier_start(c) : !as_jinja_identifier_part(c)) valid = false;
        end = next;
    }
    *matched = end > lx->at;
    if (!*matched) return true;
    if (!valid) return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "Invalid character in identifier");
    as_jinja_value name;
    AS_JINJA_TRY(as_jinja_str_copy(lx->vm, lx->text + lx->at, end - lx->at, &name));
    as_jinja_str_settle(name.str);
    AS_JINJA_TRY(add_token(lx, AS_JINJA_T_NAME, name));
    move_to(lx, end);
    return true;
}

static const struct {
    const char *text;
    as_jinja_token_kind kind;
} operators[] = {
    {"//", AS_JINJA_T_FLOORDIV}, {"**", AS_JINJA_T_POW},      {"==", AS_JINJA_T_EQ},
    {"!=", AS_JINJA_T_NE},       {">=", AS_JINJA_T_GTEQ},     {"<=", AS_JINJA_T_LTEQ},
    {"+", AS_JINJA_T_ADD},       {"-", AS_JINJA_T_SUB},       {"/", AS_JINJA_T_DIV},
    {"*", AS_JINJA_T_MUL},       {"%", AS_JINJA_T_MOD},       {"~", AS_JINJA_T_TILDE},
    {"[", AS_JINJA_T_LBRACKET},  {"]", AS_JINJA_T_RBRACKET},  {"(", AS_JINJA_T_LPAREN},
    {")", AS_JINJA_T_RPAREN},    {"{", AS_JINJA_T_LBRACE},    {"}", AS_JINJA_T_RBRACE},
    {">", AS_JINJA_T_GT},        {"<", AS_JINJA_T_LT},        {"=", AS_JINJA_T_ASSIGN},
    {".", AS_JINJA_T_DOT},       {":", AS_JINJA_T_COLON},     {"|", AS_JINJA_T_PIPE},
    {",", AS_JINJA_T_COMMA},     {";", AS_JINJA_T_SEMICOLON},
};

static bool balance(lexer *lx, char c)
{
    char close = c == '{' ? '}' : c == '(' ? ')' : c == '[' ? ']' : 0;
    if (close) {
        if (lx->open_count == (int)sizeof lx->open) {
            return as_jinja_fail(lx->vm, AS_JINJA_X_LIMIT, "brackets nested more than %zu levels deep",
                                 sizeof lx->open);
        }
        lx->open[lx->open_count++] = close;
    } else if (c == '}' || c == ')' || c == ']') {
        if (lx->open_count == 0) return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "unexpected '%c'", c);
        char expected = lx->open[--lx->open_count];
        if (expected != c) {
            return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "unexpected '%c', expected '%c'", c, expected);
        }
    }
    return true;
}

static bool lex_operator(lexer *lx)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!starts(lx, lx->at, operators[i].text)) continue;
        size_t n = strlen(operators[i].text);
        if (n == 1) AS_JINJA_TRY(balance(lx, operators[i].text[0]));
        AS_JINJA_TRY(add_token(lx, operators[i].kind, as_jinja_none()));
        move_to(lx, lx->at + n);
        return true;
    }
    size_t next = lx->at;
    as_jinja_next_codepoint(lx->text, lx->size, &next);
    return as_jinja_fail(lx->vm, AS_JINJA_X_SYNTAX, "unexpected char '%.*s'", (int)(next - lx->at),
                         lx->text + lx->at);
}

const char *as_jinja_token_text(as_jinja_token_kind kind)
{
    static const char *const named[] = {
        [AS_JINJA_T_EOF] = "end of template",
        [AS_JINJA_T_DATA] = "template data / text",
        [AS_JINJA_T_BLOCK_BEGIN] = "begin of statement block",
        [AS_JINJA_T_BLOCK_END] = "end of statement block",
        [AS_JINJA_T_VARIABLE_BEGIN] = "begin of print statement",
        [AS_JINJA_T_VARIABLE_END] = "end of print statement",
        [AS_JINJA_T_NAME] = "name",
        [AS_JINJA_T_STRING] = "string",
        [AS_JINJA_T_INTEGER] = "integer",
        [AS_JINJA_T_FLOAT] = "float",
    };
    if (kind <= AS_JINJA_T_FLOAT) return named[kind];
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (operators[i].kind == kind) return operators[i].text;
    }
    return "token";
}

/* One token inside a tag. */
static bool lex_token(lexer *lx)
{
    size_t behind = skip_space(lx, lx->at);
    if (behind > lx->at) {
        move_to(lx, behind);
        return true;
    }
    lx->vm->line = lx->line;
    char c = lx->text[lx->at];
    bool matched = false;
    if (is_digit(c)) return lex_number(lx);
    if (c == '\'' || c == '"') {
        AS_JINJA_TRY(lex_quoted(lx, &matched));
    } else {
        AS_JINJA_TRY(lex_name(lx, &matched));
    }
    return matched || lex_operator(lx);
}

static bool lex_tag(lexer *lx, bool block)
{
    AS_JINJA_TRY(add_token(lx, block ? AS_JINJA_T_BLOCK_BEGIN : AS_JINJA_T_VARIABLE_BEGIN, as_jinja_none()));
    lx->open_count = 0;
    while (lx->at < lx->size) {
        size_t end = lx->open_count ? 0 : tag_end(lx, lx->at, block ? "%}" : "}}", block);
        if (end) {
            AS_JINJA_TRY(
                add_token(lx, block ? AS_JINJA_T_BLOCK_END : AS_JINJA_T_VARIABLE_END, as_jinja_none()));
            move_to(lx, lx->at + end);
            return true;
        }
        AS_JINJA_TRY(lex_token(lx));
    }
    return true;
}

/* The next tag from `at` on; lx->size if there is none. */
static size_t find_tag(const lexer *lx, size_t at)
{
    for (; at + 1 < lx->size; at++) {
        const char *brace = memchr(lx->text + at, '{', lx->size - at - 1);
        if (!brace) break;
        at = (size_t)(brace - lx->text);
        char c = lx->text[at + 1];
        if (c == '#' || c == '%' || c == '{') return at;
    }
    return lx->size;
}

static bool lex_all(lexer *lx)
{
    while (lx->at < lx->size) {
        size_t from = lx->at, tag = find_tag(lx, from);
        if (tag == lx->size) {
            AS_JINJA_TRY(add_data(lx, from, tag));
            move_to(lx, tag);
            return true;
        }
        char kind = lx->text[tag + 1], sign = 0;
        size_t raw = kind == '%' ? raw_tag(lx, tag, "raw", true, &sign) : 0;
        size_t next = tag + 2;
        if (next < lx->size && (lx->text[next] == '-' || lx->text[next] == '+')) sign = lx->text[next++];
        AS_JINJA_TRY(add_data(lx, from, strip_data(lx, from, tag, sign, kind == '{')));
        move_to(lx, raw ? raw : next);
        bool ok = raw ? lex_raw(lx) : kind == '#' ? lex_comment(lx) : lex_tag(lx, kind == '%');
        if (!ok) return false;
    }
    return true;
}

bool as_jinja_lex(as_jinja_vm *vm, const char *text, size_t size, const as_jinja_syntax *syntax,
                  as_jinja_tokens *out)
{
    size_t mark = as_jinja_mark(vm);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r') {
            if (i + 1 < size && text[i + 1] == '\n') continue;
            AS_JINJA_TRY(as_jinja_put(vm, "\n", 1));
        } else {
            AS_JINJA_TRY(as_jinja_put(vm, text + i, 1));
        }
    }
    as_jinja_value source;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &source));
    lexer lx = {.vm = vm,
                .text = source.str->data,
                .size = source.str->size,
                .line = 1,
                .line_starting = true,
                .trim = !syntax->keep_newlines,
                .lstrip = !syntax->keep_indent,
                .out = out};
    if (lx.size && lx.text[lx.size - 1] == '\n') lx.size--; /* one trailing newline does not count */
    AS_JINJA_TRY(lex_all(&lx));
    return add_token(&lx, AS_JINJA_T_EOF, as_jinja_none());
}
