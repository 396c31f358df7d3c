/* Methods of str about letters: cases and classes. */
#include "base/jinja/value.h"

static bool result(as_jinja_vm *vm, as_jinja_value self, size_t mark, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = self.str->markup;
    return true;
}

static bool str_lower(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    return as_jinja_lowered(vm, self, out);
}

static bool str_upper(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_put_upper(vm, self.str->data, self.str->size));
    return result(vm, self, mark, out);
}

static bool str_casefold(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < self.str->size;) {
        AS_JINJA_TRY(as_jinja_put_folded(vm, as_jinja_next_codepoint(self.str->data, self.str->size, &at)));
    }
    return result(vm, self, mark, out);
}

static bool str_capitalize(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm), at = 0;
    if (self.str->size) {
        AS_JINJA_TRY(
            as_jinja_put_title_char(vm, as_jinja_next_codepoint(self.str->data, self.str->size, &at)));
        AS_JINJA_TRY(as_jinja_put_lower(vm, self.str, at, self.str->size));
    }
    return result(vm, self, mark, out);
}

static bool str_title(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    const as_jinja_str *s = self.str;
    size_t mark = as_jinja_mark(vm);
    bool inside = false;
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        AS_JINJA_TRY(inside ? as_jinja_put_lower(vm, s, from, at) : as_jinja_put_title_char(vm, c));
        inside = as_jinja_lower(c) || as_jinja_upper(c) || as_jinja_title(c);
    }
    return result(vm, self, mark, out);
}

static bool str_swapcase(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    const as_jinja_str *s = self.str;
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        if (as_jinja_upper(c)) {
            AS_JINJA_TRY(as_jinja_put_lower(vm, s, from, at));
        } else if (as_jinja_lower(c)) {
            AS_JINJA_TRY(as_jinja_put_upper(vm, s->data + from, at - from));
        } else {
            AS_JINJA_TRY(as_jinja_put(vm, s->data + from, at - from));
        }
    }
    return result(vm, self, mark, out);
}

/* True when every character is of the class and there is one at least. */
static bool all_of(as_jinja_value self, bool (*is)(uint32_t c), bool empty, as_jinja_value *out)
{
    const as_jinja_str *s = self.str;
    bool all = s->size > 0 || empty;
    for (size_t at = 0; all && at < s->size;) all = is(as_jinja_next_codepoint(s->data, s->size, &at));
    *out = as_jinja_bool(all);
    return true;
}

#define CLASS_METHOD(name, is, empty)                                                                        \
    static bool str_##name(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,                  \
                           as_jinja_value *out)                                                              \
    {                                                                                                        \
        (void)vm;                                                                                            \
        (void)args;                                                                                          \
        return all_of(self, is, empty, out);                                                                 \
    }

static bool is_alnum(uint32_t c)
{
    return as_jinja_alpha(c) || as_jinja_numeric(c);
}

static bool is_ascii(uint32_t c)
{
    return c < 0x80;
}

CLASS_METHOD(isalpha, as_jinja_alpha, false)
CLASS_METHOD(isalnum, is_alnum, false)
CLASS_METHOD(isdecimal, as_jinja_decimal, false)
CLASS_METHOD(isdigit, as_jinja_digit, false)
CLASS_METHOD(isnumeric, as_jinja_numeric, false)
CLASS_METHOD(isspace, as_jinja_space, false)
CLASS_METHOD(isprintable, as_jinja_printable, true)
CLASS_METHOD(isascii, is_ascii, true)

/* Cased letters of one kind only, and one at least. */
static bool one_case(const as_jinja_str *s, bool (*wanted)(uint32_t c), bool (*other)(uint32_t c))
{
    bool found = false;
    for (size_t at = 0; at < s->size;) {
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        if (other(c) || as_jinja_title(c)) return false;
        found = found || wanted(c);
    }
    return found;
}

static bool str_islower(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)vm;
    (void)args;
    *out = as_jinja_bool(one_case(self.str, as_jinja_lower, as_jinja_upper));
    return true;
}

static bool str_isupper(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)vm;
    (void)args;
    *out = as_jinja_bool(one_case(self.str, as_jinja_upper, as_jinja_lower));
    return true;
}

static bool str_istitle(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)vm;
    (void)args;
    const as_jinja_str *s = self.str;
    bool cased = false, inside = false;
    *out = as_jinja_bool(false);
    for (size_t at = 0; at < s->size;) {
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        bool upper = as_jinja_upper(c) || as_jinja_title(c), lower = as_jinja_lower(c);
        if ((upper && inside) || (lower && !inside)) return true;
        inside = upper || lower;
        cased = cased || inside;
    }
    *out = as_jinja_bool(cased);
    return true;
}

static bool str_isidentifier(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)vm;
    (void)args;
    const as_jinja_str *s = self.str;
    bool valid = s->size > 0;
    for (size_t at = 0; valid && at < s->size;) {
        bool first = at == 0;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        valid = first ? as_jinja_identifier_start(c) : as_jinja_identifier_part(c);
    }
    *out = as_jinja_bool(valid);
    return true;
}

const as_jinja_builtin as_jinja_str_case_methods[] = {
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
