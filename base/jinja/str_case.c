/* Methods of str about letters: cases and classes. */
#include "base/jinja/value.h"

static bool result(aj_vm *vm, aj_value self, size_t mark, aj_value *out)
{
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = self.str->markup;
    return true;
}

static bool str_lower(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return aj_lowered(vm, self, out);
}

static bool str_upper(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_put_upper(vm, self.str->data, self.str->size));
    return result(vm, self, mark, out);
}

static bool str_casefold(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    for (size_t at = 0; at < self.str->size;) {
        AJ_TRY(aj_put_folded(vm, aj_next_codepoint(self.str->data, self.str->size, &at)));
    }
    return result(vm, self, mark, out);
}

static bool str_capitalize(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm), at = 0;
    if (self.str->size) {
        AJ_TRY(aj_put_title_char(vm, aj_next_codepoint(self.str->data, self.str->size, &at)));
        AJ_TRY(aj_put_lower(vm, self.str, at, self.str->size));
    }
    return result(vm, self, mark, out);
}

static bool str_title(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    const aj_str *s = self.str;
    size_t mark = aj_mark(vm);
    bool inside = false;
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        AJ_TRY(inside ? aj_put_lower(vm, s, from, at) : aj_put_title_char(vm, c));
        inside = aj_lower(c) || aj_upper(c) || aj_title(c);
    }
    return result(vm, self, mark, out);
}

static bool str_swapcase(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    const aj_str *s = self.str;
    size_t mark = aj_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        if (aj_upper(c)) {
            AJ_TRY(aj_put_lower(vm, s, from, at));
        } else if (aj_lower(c)) {
            AJ_TRY(aj_put_upper(vm, s->data + from, at - from));
        } else {
            AJ_TRY(aj_put(vm, s->data + from, at - from));
        }
    }
    return result(vm, self, mark, out);
}

/* True when every character is of the class and there is one at least. */
static bool all_of(aj_value self, bool (*is)(uint32_t c), bool empty, aj_value *out)
{
    const aj_str *s = self.str;
    bool all = s->size > 0 || empty;
    for (size_t at = 0; all && at < s->size;) all = is(aj_next_codepoint(s->data, s->size, &at));
    *out = aj_bool(all);
    return true;
}

#define CLASS_METHOD(name, is, empty)                                                                        \
    static bool str_##name(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)                     \
    {                                                                                                        \
        (void)vm;                                                                                            \
        (void)args;                                                                                          \
        return all_of(self, is, empty, out);                                                                 \
    }

static bool is_alnum(uint32_t c)
{
    return aj_alpha(c) || aj_numeric(c);
}

static bool is_ascii(uint32_t c)
{
    return c < 0x80;
}

CLASS_METHOD(isalpha, aj_alpha, false)
CLASS_METHOD(isalnum, is_alnum, false)
CLASS_METHOD(isdecimal, aj_decimal, false)
CLASS_METHOD(isdigit, aj_digit, false)
CLASS_METHOD(isnumeric, aj_numeric, false)
CLASS_METHOD(isspace, aj_space, false)
CLASS_METHOD(isprintable, aj_printable, true)
CLASS_METHOD(isascii, is_ascii, true)

/* Cased letters of one kind only, and one at least. */
static bool one_case(const aj_str *s, bool (*wanted)(uint32_t c), bool (*other)(uint32_t c))
{
    bool found = false;
    for (size_t at = 0; at < s->size;) {
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        if (other(c) || aj_title(c)) return false;
        found = found || wanted(c);
    }
    return found;
}

static bool str_islower(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)vm;
    (void)args;
    *out = aj_bool(one_case(self.str, aj_lower, aj_upper));
    return true;
}

static bool str_isupper(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)vm;
    (void)args;
    *out = aj_bool(one_case(self.str, aj_upper, aj_lower));
    return true;
}

static bool str_istitle(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)vm;
    (void)args;
    const aj_str *s = self.str;
    bool cased = false, inside = false;
    *out = aj_bool(false);
    for (size_t at = 0; at < s->size;) {
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        bool upper = aj_upper(c) || aj_title(c), lower = aj_lower(c);
        if ((upper && inside) || (lower && !inside)) return true;
        inside = upper || lower;
        cased = cased || inside;
    }
    *out = aj_bool(cased);
    return true;
}

static bool str_isidentifier(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)vm;
    (void)args;
    const aj_str *s = self.str;
    bool valid = s->size > 0;
    for (size_t at = 0; valid && at < s->size;) {
        bool first = at == 0;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        valid = first ? aj_identifier_start(c) : aj_identifier_part(c);
    }
    *out = aj_bool(valid);
    return true;
}

const aj_builtin aj_str_case_methods[] = {
    {"lower", "", 0, str_lower},
    {"upper", "", 0, str_upper},
    {"casefold", "", 0, str_casefold},
    {"capitalize", "", 0, str_capitalize},
    {"title", "", 0, str_title},
    {"swapcase", "", 0, str_swapcase},
    {"isalpha", "", 0, str_isalpha},
    {"isalnum", "", 0, str_isalnum},
    {"isdecimal", "", 0, str_isdecimal},
    {"isdigit", "", 0, str_isdigit},
    {"isnumeric", "", 0, str_isnumeric},
    {"isspace", "", 0, str_isspace},
    {"isprintable", "", 0, str_isprintable},
    {"isascii", "", 0, str_isascii},
    {"islower", "", 0, str_islower},
    {"isupper", "", 0, str_isupper},
    {"istitle", "", 0, str_istitle},
    {"isidentifier", "", 0, str_isidentifier},
    {NULL, NULL, 0, NULL},
};
