/* From template text to tokens, as jinja2's lexer.py: the same rules by hand instead of by regexes. */
#include <string.h>

#include "base/jinja/ast.h"
#include "base/utf8.h"

typedef struct lexer {
    aj_vm *vm;
    const char *text; /* newlines already normalised */
    size_t size, at;
    int line;
    bool line_starting; /* the last match ended with a newline */
    bool trim, lstrip;
    char open[256]; /* closing brackets that are awaited */
    int open_count;
    aj_tokens *out;
} lexer;

static bool add_token(lexer *lx, aj_token_kind kind, aj_value value)
{
    aj_tokens *out = lx->out;
    if (out->count == out->room) {
        int64_t room = out->room ? out->room * 2 : 64;
        aj_token *at = aj_alloc(lx->vm, (size_t)room * sizeof *at);
        if (!at) return false;
        if (out->count) memcpy(at, out->at, (size_t)out->count * sizeof *at);
        out->at = at;
        out->room = room;
    }
    out->at[out->count++] = (aj_token){.kind = kind, .line = lx->line, .value = value};
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
        if (!aj_space(aj_next_codepoint(lx->text, lx->size, &next))) break;
        at = next;
    }
    return at;
}

/* Before the whitespace that ends at `end`, not before `from`. */
static size_t back_space(const lexer *lx, size_t from, size_t end)
{
    while (end > from) {
        size_t before = end;
        if (!aj_space(aj_previous_codepoint(lx->text, &before))) break;
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
    aj_value data;
    AJ_TRY(aj_str_copy(lx->vm, lx->text + from, to - from, &data));
    aj_str_settle(data.str);
    return add_token(lx, AJ_T_DATA, data);
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
        AJ_TRY(add_data(lx, from, strip_data(lx, from, i, sign, false)));
        move_to(lx, next);
        return true;
    }
    if (from == lx->size) return true;
    lx->vm->line = lx->line;
    return aj_fail(lx->vm, AJ_X_SYNTAX, "Missing end of raw directive");
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
    return aj_fail(lx->vm, AJ_X_SYNTAX, "Missing end of comment tag");
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
    aj_vm *vm = lx->vm;
    int base = 10;
    size_t end = float_end(lx, lx->at);
    bool real = end != 0;
    if (!real) end = integer_end(lx, lx->at, &base);
    size_t mark = aj_mark(vm), from = lx->at + (base == 10 ? 0 : 2);
    for (size_t i = from; i < end; i++) {
        if (lx->text[i] != '_') AJ_TRY(aj_put(vm, lx->text + i, 1));
    }
    aj_value text, value;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    if (real) {
        double f;
        AJ_TRY(aj_parse_float(vm, text.str->data, text.str->size, &f));
        value = aj_float(f);
    } else {
        AJ_TRY(aj_parse_int(vm, text.str->data, text.str->size, base, &value));
    }
    AJ_TRY(add_token(lx, real ? AJ_T_FLOAT : AJ_T_INTEGER, value));
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
    aj_value value;
    AJ_TRY(aj_lex_string(lx->vm, lx->text + lx->at + 1, end - lx->at - 1, &value));
    aj_str_settle(value.str);
    AJ_TRY(add_token(lx, AJ_T_STRING, value));
    move_to(lx, end + 1);
    return true;
}

static bool lex_name(lexer *lx, bool *matched)
{
    size_t end = lx->at;
    bool valid = true;
    while (end < lx->size) {
        size_t next = end;
        uint32_t c = aj_next_codepoint(lx->text, lx->size, &next);
        if (!aj_word(c) && !aj_identifier_part(c)) break;
        if (end == lx->at ? !aj_identifier_start(c) : !aj_identifier_part(c)) valid = false;
        end = next;
    }
    *matched = end > lx->at;
    if (!*matched) return true;
    if (!valid) return aj_fail(lx->vm, AJ_X_SYNTAX, "Invalid character in identifier");
    aj_value name;
    AJ_TRY(aj_str_copy(lx->vm, lx->text + lx->at, end - lx->at, &name));
    aj_str_settle(name.str);
    AJ_TRY(add_token(lx, AJ_T_NAME, name));
    move_to(lx, end);
    return true;
}

static const struct {
    const char *text;
    aj_token_kind kind;
} operators[] = {
    {"//", AJ_T_FLOORDIV}, {"**", AJ_T_POW},   {"==", AJ_T_EQ},      {"!=", AJ_T_NE},      {">=", AJ_T_GTEQ},
    {"<=", AJ_T_LTEQ},     {"+", AJ_T_ADD},    {"-", AJ_T_SUB},      {"/", AJ_T_DIV},      {"*", AJ_T_MUL},
    {"%", AJ_T_MOD},       {"~", AJ_T_TILDE},  {"[", AJ_T_LBRACKET}, {"]", AJ_T_RBRACKET}, {"(", AJ_T_LPAREN},
    {")", AJ_T_RPAREN},    {"{", AJ_T_LBRACE}, {"}", AJ_T_RBRACE},   {">", AJ_T_GT},       {"<", AJ_T_LT},
    {"=", AJ_T_ASSIGN},    {".", AJ_T_DOT},    {":", AJ_T_COLON},    {"|", AJ_T_PIPE},     {",", AJ_T_COMMA},
    {";", AJ_T_SEMICOLON},
};

static bool balance(lexer *lx, char c)
{
    char close = c == '{' ? '}' : c == '(' ? ')' : c == '[' ? ']' : 0;
    if (close) {
        if (lx->open_count == (int)sizeof lx->open) {
            return aj_fail(lx->vm, AJ_X_LIMIT, "brackets nested more than %zu levels deep", sizeof lx->open);
        }
        lx->open[lx->open_count++] = close;
    } else if (c == '}' || c == ')' || c == ']') {
        if (lx->open_count == 0) return aj_fail(lx->vm, AJ_X_SYNTAX, "unexpected '%c'", c);
        char expected = lx->open[--lx->open_count];
        if (expected != c) {
            return aj_fail(lx->vm, AJ_X_SYNTAX, "unexpected '%c', expected '%c'", c, expected);
        }
    }
    return true;
}

static bool lex_operator(lexer *lx)
{
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (!starts(lx, lx->at, operators[i].text)) continue;
        size_t n = strlen(operators[i].text);
        if (n == 1) AJ_TRY(balance(lx, operators[i].text[0]));
        AJ_TRY(add_token(lx, operators[i].kind, aj_none()));
        move_to(lx, lx->at + n);
        return true;
    }
    size_t next = lx->at;
    aj_next_codepoint(lx->text, lx->size, &next);
    return aj_fail(lx->vm, AJ_X_SYNTAX, "unexpected char '%.*s'", (int)(next - lx->at), lx->text + lx->at);
}

const char *aj_token_text(aj_token_kind kind)
{
    static const char *const named[] = {
        [AJ_T_EOF] = "end of template",
        [AJ_T_DATA] = "template data / text",
        [AJ_T_BLOCK_BEGIN] = "begin of statement block",
        [AJ_T_BLOCK_END] = "end of statement block",
        [AJ_T_VARIABLE_BEGIN] = "begin of print statement",
        [AJ_T_VARIABLE_END] = "end of print statement",
        [AJ_T_NAME] = "name",
        [AJ_T_STRING] = "string",
        [AJ_T_INTEGER] = "integer",
        [AJ_T_FLOAT] = "float",
    };
    if (kind <= AJ_T_FLOAT) return named[kind];
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
        AJ_TRY(lex_quoted(lx, &matched));
    } else {
        AJ_TRY(lex_name(lx, &matched));
    }
    return matched || lex_operator(lx);
}

static bool lex_tag(lexer *lx, bool block)
{
    AJ_TRY(add_token(lx, block ? AJ_T_BLOCK_BEGIN : AJ_T_VARIABLE_BEGIN, aj_none()));
    lx->open_count = 0;
    while (lx->at < lx->size) {
        size_t end = lx->open_count ? 0 : tag_end(lx, lx->at, block ? "%}" : "}}", block);
        if (end) {
            AJ_TRY(add_token(lx, block ? AJ_T_BLOCK_END : AJ_T_VARIABLE_END, aj_none()));
            move_to(lx, lx->at + end);
            return true;
        }
        AJ_TRY(lex_token(lx));
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
            AJ_TRY(add_data(lx, from, tag));
            move_to(lx, tag);
            return true;
        }
        char kind = lx->text[tag + 1], sign = 0;
        size_t raw = kind == '%' ? raw_tag(lx, tag, "raw", true, &sign) : 0;
        size_t next = tag + 2;
        if (next < lx->size && (lx->text[next] == '-' || lx->text[next] == '+')) sign = lx->text[next++];
        AJ_TRY(add_data(lx, from, strip_data(lx, from, tag, sign, kind == '{')));
        move_to(lx, raw ? raw : next);
        bool ok = raw ? lex_raw(lx) : kind == '#' ? lex_comment(lx) : lex_tag(lx, kind == '%');
        if (!ok) return false;
    }
    return true;
}

bool aj_lex(aj_vm *vm, const char *text, size_t size, const as_jinja_syntax *syntax, aj_tokens *out)
{
    size_t mark = aj_mark(vm);
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\r') {
            if (i + 1 < size && text[i + 1] == '\n') continue;
            AJ_TRY(aj_put(vm, "\n", 1));
        } else {
            AJ_TRY(aj_put(vm, text + i, 1));
        }
    }
    aj_value source;
    AJ_TRY(aj_str_cut(vm, mark, &source));
    lexer lx = {.vm = vm,
                .text = source.str->data,
                .size = source.str->size,
                .line = 1,
                .line_starting = true,
                .trim = !syntax->keep_newlines,
                .lstrip = !syntax->keep_indent,
                .out = out};
    if (lx.size && lx.text[lx.size - 1] == '\n') lx.size--; /* one trailing newline does not count */
    AJ_TRY(lex_all(&lx));
    return add_token(&lx, AJ_T_EOF, aj_none());
}
