/* Filters that make text from text. */
#include <string.h>

#include "base/jinja/value.h"

/* value|method(arguments) for a method of str, after soft_str. */
static bool str_method(aj_vm *vm, const char *name, aj_value self, const aj_args *args, aj_value *out)
{
    const aj_builtin *method = aj_builtin_find(aj_str_methods, name, strlen(name));
    if (!method) method = aj_builtin_find(aj_str_case_methods, name, strlen(name));
    AJ_TRY(aj_to_str(vm, self, &self));
    aj_args given = *args;
    while (given.count && !aj_given(given.pos[given.count - 1])) given.count--;
    return aj_call_builtin(vm, method, self, &given, out);
}

static bool filter_upper(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return str_method(vm, "upper", self, args, out);
}

static bool filter_lower(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return str_method(vm, "lower", self, args, out);
}

static bool filter_capitalize(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return str_method(vm, "capitalize", self, args, out);
}

static bool filter_trim(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    return str_method(vm, "strip", self, args, out);
}

static bool filter_center(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value width = aj_given(args->pos[0]) ? args->pos[0] : aj_int(80);
    aj_args one = {.pos = &width, .count = 1};
    return str_method(vm, "center", self, &one, out);
}

static bool filter_string(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return aj_to_str(vm, self, out);
}

static bool filter_default(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    bool boolean = aj_given(args->pos[1]) && aj_truth(args->pos[1]);
    *out = self;
    if (self.kind != AJ_UNDEFINED && !(boolean && !aj_truth(self))) return true;
    *out = args->pos[0];
    return aj_given(*out) || aj_str_literal(vm, "", out);
}

static bool filter_format(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    bool named = args->kw && args->kw->count;
    if (named && args->count) {
        return aj_fail(vm, AJ_X_OTHER, "can't handle positional and keyword arguments at the same time");
    }
    aj_value arguments;
    if (named) {
        arguments = aj_dict_value(args->kw);
    } else {
        aj_list *list;
        AJ_TRY(aj_list_new(vm, args->count, &list));
        for (int64_t i = 0; i < args->count; i++) AJ_TRY(aj_list_add(vm, list, args->pos[i]));
        arguments = aj_tuple_value(list);
    }
    AJ_TRY(aj_to_str(vm, self, &self));
    return aj_percent(vm, self.str, arguments, out);
}

static bool replace_count(aj_vm *vm, aj_value count, int64_t *out)
{
    *out = -1;
    return !aj_given(count) || count.kind == AJ_NONE || aj_to_index(vm, count, out);
}

static bool filter_replace(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    int64_t count;
    aj_value s = self, old = args->pos[0], with = args->pos[1];
    bool escape = aj_autoescape(vm);
    if (escape && (aj_is_markup(old) || (aj_is_markup(with) && !aj_is_markup(s))))
        AJ_TRY(aj_escape(vm, s, &s));
    AJ_TRY(aj_to_str(vm, s, &s) && aj_to_str(vm, old, &old) && aj_to_str(vm, with, &with));
    if (escape && s.str->markup) AJ_TRY(aj_escape(vm, with, &with));
    if (!escape) AJ_TRY(aj_str_markup(vm, s, false, &s));
    AJ_TRY(replace_count(vm, args->pos[2], &count));
    return aj_replace(vm, s.str, old.str, with.str, count, out);
}

static bool is_title_break(uint32_t c)
{
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || aj_space(c);
}

static bool filter_title(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    AJ_TRY(aj_to_str(vm, self, &self));
    const aj_str *s = self.str;
    size_t mark = aj_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at, end;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        if (is_title_break(c)) {
            AJ_TRY(aj_put(vm, s->data + from, at - from));
            continue;
        }
        AJ_TRY(aj_put_upper(vm, s->data + from, at - from));
        for (end = at; end < s->size;) {
            size_t next = end;
            if (is_title_break(aj_next_codepoint(s->data, s->size, &next))) break;
            end = next;
        }
        aj_str rest = {.data = s->data + at, .size = end - at, .length = -1};
        AJ_TRY(aj_put_lower(vm, &rest, 0, rest.size));
        at = end;
    }
    return aj_str_cut(vm, mark, out);
}

static bool indentation(aj_vm *vm, aj_value width, aj_value *out)
{
    int64_t count = 4;
    *out = width;
    if (aj_is_str(width)) return true;
    if (aj_given(width) && !aj_is_int(width)) {
        return aj_fail(vm, AJ_X_TYPE, "can't multiply sequence by non-int of type '%s'", aj_type_name(width));
    }
    if (aj_given(width)) AJ_TRY(aj_to_index(vm, width, &count));
    aj_value blank;
    AJ_TRY(aj_str_literal(vm, " ", &blank));
    return aj_repeat_str(vm, blank.str, count, out);
}

static bool filter_indent(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value indent, whole, newline;
    aj_list *lines;
    AJ_TRY(indentation(vm, args->pos[0], &indent));
    bool first = aj_given(args->pos[1]) && aj_truth(args->pos[1]);
    bool blank = aj_given(args->pos[2]) && aj_truth(args->pos[2]);
    AJ_TRY(aj_str_literal(vm, "\n", &newline));
    if (aj_is_markup(self)) AJ_TRY(aj_str_markup(vm, newline, true, &newline));
    AJ_TRY(aj_binary(vm, AJ_ADD, self, newline, &whole));
    AJ_TRY(aj_split_lines(vm, whole.str, false, &lines));
    size_t mark = aj_mark(vm);
    for (int64_t i = 0; i < lines->count; i++) {
        const aj_str *line = lines->items[i].str;
        if (i) AJ_TRY(aj_put_text(vm, "\n"));
        bool wanted = i == 0 ? first : blank || line->size;
        if (wanted) AJ_TRY(aj_put(vm, indent.str->data, indent.str->size));
        AJ_TRY(aj_put(vm, line->data, line->size));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = whole.str->markup;
    return true;
}

static bool truncated(aj_vm *vm, aj_value self, int64_t keep, bool kill_words, aj_value end, aj_value *out)
{
    const aj_str *s = self.str;
    aj_value head;
    size_t size = aj_str_offset(s, keep);
    if (!kill_words) {
        size_t blank = size;
        while (blank > 0 && s->data[blank - 1] != ' ') blank--;
        if (blank > 0) size = blank - 1;
    }
    AJ_TRY(aj_substring(vm, s, 0, size, &head));
    return aj_binary(vm, AJ_ADD, head, end, out);
}

static bool truncate_limits(aj_vm *vm, const aj_args *args, aj_value *length, aj_value *leeway, aj_value *end)
{
    int64_t size;
    bool fits;
    *length = aj_given(args->pos[0]) ? args->pos[0] : aj_int(255);
    *leeway = aj_given(args->pos[3]) && args->pos[3].kind != AJ_NONE ? args->pos[3] : aj_int(5);
    *end = args->pos[2];
    if (!aj_given(*end)) AJ_TRY(aj_str_literal(vm, "...", end));
    AJ_TRY(aj_length(vm, *end, &size));
    AJ_TRY(aj_compare(vm, AJ_GE, *length, aj_int(size), &fits));
    if (!fits) return aj_fail(vm, AJ_X_OTHER, "expected length >= %lld", (long long)size);
    AJ_TRY(aj_compare(vm, AJ_GE, *leeway, aj_int(0), &fits));
    return fits || aj_fail(vm, AJ_X_OTHER, "expected leeway >= 0");
}

static bool filter_truncate(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_value length, leeway, end, limit;
    int64_t size, keep, end_size;
    bool fits;
    AJ_TRY(truncate_limits(vm, args, &length, &leeway, &end));
    AJ_TRY(aj_length(vm, self, &size));
    AJ_TRY(aj_binary(vm, AJ_ADD, length, leeway, &limit) &&
           aj_compare(vm, AJ_LE, aj_int(size), limit, &fits));
    if (fits) {
        *out = self;
        return true;
    }
    if (!aj_is_str(self))
        return aj_fail(vm, AJ_X_TYPE, "truncate() needs a string, not %s", aj_type_name(self));
    AJ_TRY(aj_to_index(vm, length, &keep) && aj_length(vm, end, &end_size));
    bool kill_words = aj_given(args->pos[1]) && aj_truth(args->pos[1]);
    return truncated(vm, self, keep - end_size, kill_words, end, out);
}

static bool filter_wordcount(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    AJ_TRY(aj_to_str(vm, self, &self));
    int64_t count = 0;
    bool inside = false;
    for (size_t at = 0; at < self.str->size;) {
        bool word = aj_word(aj_next_codepoint(self.str->data, self.str->size, &at));
        count += word && !inside;
        inside = word;
    }
    *out = aj_int(count);
    return true;
}

static bool filter_pprint(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    return aj_put_pretty(vm, self) && aj_str_cut(vm, mark, out);
}

const aj_builtin aj_filters_text[] = {
    {"upper", "", 0, filter_upper},
    {"lower", "", 0, filter_lower},
    {"capitalize", "", 0, filter_capitalize},
    {"title", "", 0, filter_title},
    {"trim", "chars", 0, filter_trim},
    {"center", "width", 0, filter_center},
    {"string", "", 0, filter_string},
    {"default", "default_value boolean", 0, filter_default},
    {"d", "default_value boolean", 0, filter_default},
    {"format", "*", 0, filter_format},
    {"replace", "old new count", 2, filter_replace},
    {"indent", "width first blank", 0, filter_indent},
    {"truncate", "length killwords end leeway", 0, filter_truncate},
    {"wordcount", "", 0, filter_wordcount},
    {"wordwrap", "width break_long_words wrapstring break_on_hyphens", 0, aj_filter_wordwrap},
    {"pprint", "", 0, filter_pprint},
    {NULL, NULL, 0, NULL},
};
