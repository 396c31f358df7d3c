/* Filters about HTML, URLs and JSON. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"

static bool filter_escape(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return aj_escape(vm, self, out);
}

static bool filter_forceescape(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    AJ_TRY(aj_to_str(vm, self, &self));
    return aj_str_markup(vm, self, false, &self) && aj_escape(vm, self, out);
}

static bool filter_safe(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    return aj_to_str(vm, self, &self) && aj_str_markup(vm, self, true, out);
}

static bool filter_striptags(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    AJ_TRY(aj_to_str(vm, self, &self));
    return aj_strip_tags(vm, self.str, out);
}

static bool bad_attribute_name(const aj_str *key)
{
    for (size_t i = 0; i < key->size; i++) {
        if (strchr(" \t\n\r\f\v/>=", key->data[i]) && key->data[i]) return true;
    }
    return false;
}

static bool filter_xmlattr(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    if (self.kind == AJ_UNDEFINED) return aj_fail_undefined(vm, self);
    if (self.kind != AJ_DICT) {
        return aj_fail(vm, AJ_X_ATTRIBUTE, "'%s' object has no attribute 'items'", aj_type_name(self));
    }
    bool space = !aj_given(args->pos[0]) || aj_truth(args->pos[0]);
    size_t mark = aj_mark(vm);
    for (int64_t i = 0; i < self.dict->count; i++) {
        const aj_entry *entry = &self.dict->entries[i];
        if (entry->value.kind == AJ_NONE || entry->value.kind == AJ_UNDEFINED) continue;
        if (!aj_is_str(entry->key)) return aj_fail(vm, AJ_X_TYPE, "an attribute's name must be a string");
        if (bad_attribute_name(entry->key.str)) {
            return aj_fail(vm, AJ_X_VALUE, "Invalid character in attribute name");
        }
        if (space || aj_mark(vm) > mark) AJ_TRY(aj_put_text(vm, " "));
        AJ_TRY(aj_put_escaped(vm, entry->key) && aj_put_text(vm, "=\""));
        AJ_TRY(aj_put_escaped(vm, entry->value) && aj_put_text(vm, "\""));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = aj_autoescape(vm);
    return true;
}

/* --- urlencode --- */

static bool put_quoted(aj_vm *vm, aj_value v, bool query)
{
    AJ_TRY(aj_to_str(vm, v, &v));
    for (size_t i = 0; i < v.str->size; i++) {
        char c = v.str->data[i], room[4];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (plain) {
            AJ_TRY(aj_put(vm, &c, 1));
        } else if (c == ' ' && query) {
            AJ_TRY(aj_put_text(vm, "+"));
        } else {
            AJ_TRY(aj_put(vm, room, (size_t)snprintf(room, sizeof room, "%%%02X", (unsigned char)c)));
        }
    }
    return true;
}

static bool filter_urlencode(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    (void)args;
    size_t mark = aj_mark(vm);
    if (aj_is_str(self) || !aj_iterable(self)) {
        return put_quoted(vm, self, false) && aj_str_cut(vm, mark, out);
    }
    aj_dict *dict = self.kind == AJ_DICT ? self.dict : NULL;
    aj_list *pairs = NULL;
    if (!dict) AJ_TRY(aj_collect(vm, self, &pairs));
    int64_t count = dict ? dict->count : pairs->count;
    for (int64_t i = 0; i < count; i++) {
        aj_value key, value;
        if (dict) {
            key = dict->entries[i].key;
            value = dict->entries[i].value;
        } else {
            AJ_TRY(aj_unpack_pair(vm, pairs->items[i], &key, &value));
        }
        if (i) AJ_TRY(aj_put_text(vm, "&"));
        AJ_TRY(put_quoted(vm, key, true) && aj_put_text(vm, "=") && put_quoted(vm, value, true));
    }
    return aj_str_cut(vm, mark, out);
}

/* --- tojson --- */

static aj_value or_none(aj_value v)
{
    return aj_given(v) ? v : aj_none();
}

static bool tojson_chat(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_json_style style = {.ascii = aj_given(args->pos[0]) && aj_truth(args->pos[0]),
                           .indent = or_none(args->pos[1]),
                           .separators = or_none(args->pos[2]),
                           .sort = aj_given(args->pos[3]) && aj_truth(args->pos[3])};
    size_t mark = aj_mark(vm);
    return aj_put_json(vm, self, &style) && aj_str_cut(vm, mark, out);
}

/* jinja2's own: sorted keys, ASCII, and nothing that HTML would read. */
static bool tojson_html(aj_vm *vm, aj_value self, const aj_args *args, aj_value *out)
{
    aj_json_style style = {
        .ascii = true, .sort = true, .indent = or_none(args->pos[0]), .separators = aj_none()};
    size_t mark = aj_mark(vm);
    aj_value text;
    AJ_TRY(aj_put_json(vm, self, &style) && aj_str_cut(vm, mark, &text));
    for (size_t i = 0; i < text.str->size; i++) {
        char c = text.str->data[i];
        const char *with = c == '<'    ? "\\u003c"
                           : c == '>'  ? "\\u003e"
                           : c == '&'  ? "\\u0026"
                           : c == '\'' ? "\\u0027"
                                       : NULL;
        AJ_TRY(with ? aj_put_text(vm, with) : aj_put(vm, &c, 1));
    }
    AJ_TRY(aj_str_cut(vm, mark, out));
    out->str->markup = true;
    return true;
}

const aj_builtin aj_filter_tojson_chat = {"tojson", "ensure_ascii indent separators sort_keys", 0,
                                          tojson_chat};
const aj_builtin aj_filter_tojson_html = {"tojson", "indent", 0, tojson_html};

const aj_builtin aj_filters_markup[] = {
    {"escape", "/", 0, filter_escape},
    {"e", "/", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape},
    {"safe", "", 0, filter_safe},
    {"striptags", "", 0, filter_striptags},
    {"xmlattr", "autospace", 0, filter_xmlattr},
    {"urlencode", "", 0, filter_urlencode},
    {"urlize", "trim_url_limit nofollow target rel extra_schemes", 0, aj_filter_urlize},
    {NULL, NULL, 0, NULL},
};
