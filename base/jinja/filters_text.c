/* Filters that make text from text. */
#include <string.h>

#include "base/jinja/value.h"

/* value|method(arguments) for a method of str, after soft_str. */
static bool str_method(as_jinja_vm *vm, const char *name, as_jinja_value self, const as_jinja_args *args,
                       as_jinja_value *out)
{
    const as_jinja_builtin *method = as_jinja_builtin_find(as_jinja_str_methods, name, strlen(name));
    if (!method) method = as_jinja_builtin_find(as_jinja_str_case_methods, name, strlen(name));
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    as_jinja_args given = *args;
    while (given.count && !as_jinja_given(given.pos[given.count - 1])) given.count--;
    return as_jinja_call_builtin(vm, method, self, &given, out);
}

static bool filter_upper(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return str_method(vm, "upper", self, args, out);
}

static bool filter_lower(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return str_method(vm, "lower", self, args, out);
}

static bool filter_capitalize(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                              as_jinja_value *out)
{
    return str_method(vm, "capitalize", self, args, out);
}

static bool filter_trim(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    return str_method(vm, "strip", self, args, out);
}

static bool filter_center(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    as_jinja_value width = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_int(80);
    as_jinja_args one = {.pos = &width, .count = 1};
    return str_method(vm, "center", self, &one, out);
}

static bool filter_string(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    return as_jinja_to_str(vm, self, out);
}

static bool filter_default(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    bool boolean = as_jinja_given(args->pos[1]) && as_jinja_truth(args->pos[1]);
    *out = self;
    if (self.kind != AS_JINJA_UNDEFINED && !(boolean && !as_jinja_truth(self))) return true;
    *out = args->pos[0];
    return as_jinja_given(*out) || as_jinja_str_literal(vm, "", out);
}

static bool filter_format(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    bool named = args->kw && args->kw->count;
    if (named && args->count) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER,
                             "can't handle positional and keyword arguments at the same time");
    }
    as_jinja_value arguments;
    if (named) {
        arguments = as_jinja_dict_value(args->kw);
    } else {
        as_jinja_list *list;
        AS_JINJA_TRY(as_jinja_list_new(vm, args->count, &list));
        for (int64_t i = 0; i < args->count; i++) AS_JINJA_TRY(as_jinja_list_add(vm, list, args->pos[i]));
        arguments = as_jinja_tuple_value(list);
    }
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    return as_jinja_percent(vm, self.str, arguments, out);
}

static bool replace_count(as_jinja_vm *vm, as_jinja_value count, int64_t *out)
{
    *out = -1;
    return !as_jinja_given(count) || count.kind == AS_JINJA_NONE || as_jinja_to_index(vm, count, out);
}

static bool filter_replace(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    int64_t count;
    as_jinja_value s = self, old = args->pos[0], with = args->pos[1];
    bool escape = as_jinja_autoescape(vm);
    if (escape && (as_jinja_is_markup(old) || (as_jinja_is_markup(with) && !as_jinja_is_markup(s))))
        AS_JINJA_TRY(as_jinja_escape(vm, s, &s));
    AS_JINJA_TRY(as_jinja_to_str(vm, s, &s) && as_jinja_to_str(vm, old, &old) &&
                 as_jinja_to_str(vm, with, &with));
    if (escape && s.str->markup) AS_JINJA_TRY(as_jinja_escape(vm, with, &with));
    if (!escape) AS_JINJA_TRY(as_jinja_str_markup(vm, s, false, &s));
    AS_JINJA_TRY(replace_count(vm, args->pos[2], &count));
    return as_jinja_replace(vm, s.str, old.str, with.str, count, out);
}

static bool is_title_break(uint32_t c)
{
    return c == '-' || c == '(' || c == '{' || c == '[' || c == '<' || as_jinja_space(c);
}

static bool filter_title(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    const as_jinja_str *s = self.str;
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at, end;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        if (is_title_break(c)) {
            AS_JINJA_TRY(as_jinja_put(vm, s->data + from, at - from));
            continue;
        }
        AS_JINJA_TRY(as_jinja_put_upper(vm, s->data + from, at - from));
        for (end = at; end < s->size;) {
            size_t next = end;
            if (is_title_break(as_jinja_next_codepoint(s->data, s->size, &next))) break;
            end = next;
        }
        as_jinja_str rest = {.data = s->data + at, .size = end - at, .length = -1};
        AS_JINJA_TRY(as_jinja_put_lower(vm, &rest, 0, rest.size));
        at = end;
    }
    return as_jinja_str_cut(vm, mark, out);
}

static bool indentation(as_jinja_vm *vm, as_jinja_value width, as_jinja_value *out)
{
    int64_t count = 4;
    *out = width;
    if (as_jinja_is_str(width)) return true;
    if (as_jinja_given(width) && !as_jinja_is_int(width)) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "can't multiply sequence by non-int of type '%s'",
                             as_jinja_type_name(width));
    }
    if (as_jinja_given(width)) AS_JINJA_TRY(as_jinja_to_index(vm, width, &count));
    as_jinja_value blank;
    AS_JINJA_TRY(as_jinja_str_literal(vm, " ", &blank));
    return as_jinja_repeat_str(vm, blank.str, count, out);
}

static bool filter_indent(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    as_jinja_value indent, whole, newline;
    as_jinja_list *lines;
    AS_JINJA_TRY(indentation(vm, args->pos[0], &indent));
    bool first = as_jinja_given(args->pos[1]) && as_jinja_truth(args->pos[1]);
    bool blank = as_jinja_given(args->pos[2]) && as_jinja_truth(args->pos[2]);
    AS_JINJA_TRY(as_jinja_str_literal(vm, "\n", &newline));
    if (as_jinja_is_markup(self)) AS_JINJA_TRY(as_jinja_str_markup(vm, newline, true, &newline));
    AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_ADD, self, newline, &whole));
    AS_JINJA_TRY(as_jinja_split_lines(vm, whole.str, false, &lines));
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < lines->count; i++) {
        const as_jinja_str *line = lines->items[i].str;
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, "\n"));
        bool wanted = i == 0 ? first : blank || line->size;
        if (wanted) AS_JINJA_TRY(as_jinja_put(vm, indent.str->data, indent.str->size));
        AS_JINJA_TRY(as_jinja_put(vm, line->data, line->size));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = whole.str->markup;
    return true;
}

static bool truncated(as_jinja_vm *vm, as_jinja_value self, int64_t keep, bool kill_words, as_jinja_value end,
                      as_jinja_value *out)
{
    const as_jinja_str *s = self.str;
    as_jinja_value head;
    size_t size = as_jinja_str_offset(s, keep);
    if (!kill_words) {
        size_t blank = size;
        while (blank > 0 && s->data[blank - 1] != ' ') blank--;
        if (blank > 0) size = blank - 1;
    }
    AS_JINJA_TRY(as_jinja_substring(vm, s, 0, size, &head));
    return as_jinja_binary(vm, AS_JINJA_ADD, head, end, out);
}

static bool truncate_limits(as_jinja_vm *vm, const as_jinja_args *args, as_jinja_value *length,
                            as_jinja_value *leeway, as_jinja_value *end)
{
    int64_t size;
    bool fits;
    *length = as_jinja_given(args->pos[0]) ? args->pos[0] : as_jinja_int(255);
    *leeway =
        as_jinja_given(args->pos[3]) && args->pos[3].kind != AS_JINJA_NONE ? args->pos[3] : as_jinja_int(5);
    *end = args->pos[2];
    if (!as_jinja_given(*end)) AS_JINJA_TRY(as_jinja_str_literal(vm, "...", end));
    AS_JINJA_TRY(as_jinja_length(vm, *end, &size));
    AS_JINJA_TRY(as_jinja_compare(vm, AS_JINJA_GE, *length, as_jinja_int(size), &fits));
    if (!fits) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "expected length >= %lld", (long long)size);
    AS_JINJA_TRY(as_jinja_compare(vm, AS_JINJA_GE, *leeway, as_jinja_int(0), &fits));
    return fits || as_jinja_fail(vm, AS_JINJA_X_OTHER, "expected leeway >= 0");
}

static bool filter_truncate(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                            as_jinja_value *out)
{
    as_jinja_value length, leeway, end, limit;
    int64_t size, keep, end_size;
    bool fits;
    AS_JINJA_TRY(truncate_limits(vm, args, &length, &leeway, &end));
    AS_JINJA_TRY(as_jinja_length(vm, self, &size));
    AS_JINJA_TRY(as_jinja_binary(vm, AS_JINJA_ADD, length, leeway, &limit) &&
                 as_jinja_compare(vm, AS_JINJA_LE, as_jinja_int(size), limit, &fits));
    if (fits) {
        *out = self;
        return true;
    }
    if (!as_jinja_is_str(self))
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "truncate() needs a string, not %s",
                             as_jinja_type_name(self));
    AS_JINJA_TRY(as_jinja_to_index(vm, length, &keep) && as_jinja_length(vm, end, &end_size));
    bool kill_words = as_jinja_given(args->pos[1]) && as_jinja_truth(args->pos[1]);
    return truncated(vm, self, keep - end_size, kill_words, end, out);
}

static bool filter_wordcount(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)args;
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    int64_t count = 0;
    bool inside = false;
    for (size_t at = 0; at < self.str->size;) {
        bool word = as_jinja_word(as_jinja_next_codepoint(self.str->data, self.str->size, &at));
        count += word && !inside;
        inside = word;
    }
    *out = as_jinja_int(count);
    return true;
}

static bool filter_pprint(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    return as_jinja_put_pretty(vm, self) && as_jinja_str_cut(vm, mark, out);
}

const as_jinja_builtin as_jinja_filters_text[] = {
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
    {"wordwrap", "width break_long_words wrapstring break_on_hyphens", 0, as_jinja_filter_wordwrap},
    {"pprint", "", 0, filter_pprint},
    {NULL, NULL, 0, NULL},
};
