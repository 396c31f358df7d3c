/* Filters about HTML, URLs and JSON. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"

static bool filter_escape(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                          as_jinja_value *out)
{
    (void)args;
    return as_jinja_escape(vm, self, out);
}

static bool filter_forceescape(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                               as_jinja_value *out)
{
    (void)args;
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    return as_jinja_str_markup(vm, self, false, &self) && as_jinja_escape(vm, self, out);
}

static bool filter_safe(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    (void)args;
    return as_jinja_to_str(vm, self, &self) && as_jinja_str_markup(vm, self, true, out);
}

static bool filter_striptags(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)args;
    AS_JINJA_TRY(as_jinja_to_str(vm, self, &self));
    return as_jinja_strip_tags(vm, self.str, out);
}

static bool bad_attribute_name(const as_jinja_str *key)
{
    for (size_t i = 0; i < key->size; i++) {
        if (strchr(" \t\n\r\f\v/>=", key->data[i]) && key->data[i]) return true;
    }
    return false;
}

static bool filter_xmlattr(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                           as_jinja_value *out)
{
    if (self.kind == AS_JINJA_UNDEFINED) return as_jinja_fail_undefined(vm, self);
    if (self.kind != AS_JINJA_DICT) {
        return as_jinja_fail(vm, AS_JINJA_X_ATTRIBUTE, "'%s' object has no attribute 'items'",
                             as_jinja_type_name(self));
    }
    bool space = !as_jinja_given(args->pos[0]) || as_jinja_truth(args->pos[0]);
    size_t mark = as_jinja_mark(vm);
    for (int64_t i = 0; i < self.dict->count; i++) {
        const as_jinja_entry *entry = &self.dict->entries[i];
        if (entry->value.kind == AS_JINJA_NONE || entry->value.kind == AS_JINJA_UNDEFINED) continue;
        if (!as_jinja_is_str(entry->key))
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "an attribute's name must be a string");
        if (bad_attribute_name(entry->key.str)) {
            return as_jinja_fail(vm, AS_JINJA_X_VALUE, "Invalid character in attribute name");
        }
        if (space || as_jinja_mark(vm) > mark) AS_JINJA_TRY(as_jinja_put_text(vm, " "));
        AS_JINJA_TRY(as_jinja_put_escaped(vm, entry->key) && as_jinja_put_text(vm, "=\""));
        AS_JINJA_TRY(as_jinja_put_escaped(vm, entry->value) && as_jinja_put_text(vm, "\""));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = as_jinja_autoescape(vm);
    return true;
}

/* --- urlencode --- */

static bool put_quoted(as_jinja_vm *vm, as_jinja_value v, bool query)
{
    AS_JINJA_TRY(as_jinja_to_str(vm, v, &v));
    for (size_t i = 0; i < v.str->size; i++) {
        char c = v.str->data[i], room[4];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("_.-~", c)) || (c == '/' && !query);
        if (plain) {
            AS_JINJA_TRY(as_jinja_put(vm, &c, 1));
        } else if (c == ' ' && query) {
            AS_JINJA_TRY(as_jinja_put_text(vm, "+"));
        } else {
            AS_JINJA_TRY(
                as_jinja_put(vm, room, (size_t)snprintf(room, sizeof room, "%%%02X", (unsigned char)c)));
        }
    }
    return true;
}

static bool filter_urlencode(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args,
                             as_jinja_value *out)
{
    (void)args;
    size_t mark = as_jinja_mark(vm);
    if (as_jinja_is_str(self) || !as_jinja_iterable(self)) {
        return put_quoted(vm, self, false) && as_jinja_str_cut(vm, mark, out);
    }
    as_jinja_dict *dict = self.kind == AS_JINJA_DICT ? self.dict : NULL;
    as_jinja_list *pairs = NULL;
    if (!dict) AS_JINJA_TRY(as_jinja_collect(vm, self, &pairs));
    int64_t count = dict ? dict->count : pairs->count;
    for (int64_t i = 0; i < count; i++) {
        as_jinja_value key, value;
        if (dict) {
            key = dict->entries[i].key;
            value = dict->entries[i].value;
        } else {
            AS_JINJA_TRY(as_jinja_unpack_pair(vm, pairs->items[i], &key, &value));
        }
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, "&"));
        AS_JINJA_TRY(put_quoted(vm, key, true) && as_jinja_put_text(vm, "=") && put_quoted(vm, value, true));
    }
    return as_jinja_str_cut(vm, mark, out);
}

/* --- tojson --- */

static as_jinja_value or_none(as_jinja_value v)
{
    return as_jinja_given(v) ? v : as_jinja_none();
}

static bool tojson_chat(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_json_style style = {.ascii = as_jinja_given(args->pos[0]) && as_jinja_truth(args->pos[0]),
                                 .indent = or_none(args->pos[1]),
                                 .separators = or_none(args->pos[2]),
                                 .sort = as_jinja_given(args->pos[3]) && as_jinja_truth(args->pos[3])};
    size_t mark = as_jinja_mark(vm);
    return as_jinja_put_json(vm, self, &style) && as_jinja_str_cut(vm, mark, out);
}

/* jinja2's own: sorted keys, ASCII, and nothing that HTML would read. */
static bool tojson_html(as_jinja_vm *vm, as_jinja_value self, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_json_style style = {
        .ascii = true, .sort = true, .indent = or_none(args->pos[0]), .separators = as_jinja_none()};
    size_t mark = as_jinja_mark(vm);
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_put_json(vm, self, &style) && as_jinja_str_cut(vm, mark, &text));
    for (size_t i = 0; i < text.str->size; i++) {
        char c = text.str->data[i];
        const char *with = c == '<'    ? "\\u003c"
                           : c == '>'  ? "\\u003e"
                           : c == '&'  ? "\\u0026"
                           : c == '\'' ? "\\u0027"
                                       : NULL;
        AS_JINJA_TRY(with ? as_jinja_put_text(vm, with) : as_jinja_put(vm, &c, 1));
    }
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, out));
    out->str->markup = true;
    return true;
}

const as_jinja_builtin as_jinja_filter_tojson_chat = {"tojson", "ensure_ascii indent separators sort_keys", 0,
                                                      tojson_chat};
const as_jinja_builtin as_jinja_filter_tojson_html = {"tojson", "indent", 0, tojson_html};

const as_jinja_builtin as_jinja_filters_markup[] = {
    {"escape", "/", 0, filter_escape},
    {"e", "/", 0, filter_escape},
    {"forceescape", "", 0, filter_forceescape},
    {"safe", "", 0, filter_safe},
    {"striptags", "", 0, filter_striptags},
    {"xmlattr", "autospace", 0, filter_xmlattr},
    {"urlencode", "", 0, filter_urlencode},
    {"urlize", "trim_url_limit nofollow target rel extra_schemes", 0, as_jinja_filter_urlize},
    {NULL, NULL, 0, NULL},
};
