/* str() and repr() of values. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

static bool put_escape(as_jinja_vm *vm, uint32_t c)
{
    char room[16];
    const char *form = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
    return as_jinja_put(vm, room, (size_t)snprintf(room, sizeof room, form, (unsigned)c));
}

static bool put_quoted(as_jinja_vm *vm, const as_jinja_str *s)
{
    bool single = memchr(s->data, '\'', s->size) != NULL, twice = memchr(s->data, '"', s->size) != NULL;
    char quote = single && !twice ? '"' : '\'';
    AS_JINJA_TRY(as_jinja_put(vm, &quote, 1));
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        if (c == (uint32_t)quote || c == '\\') {
            char two[2] = {'\\', (char)c};
            AS_JINJA_TRY(as_jinja_put(vm, two, 2));
        } else if (c == '\n' || c == '\r' || c == '\t') {
            AS_JINJA_TRY(as_jinja_put_text(vm, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t"));
        } else if (as_jinja_printable(c)) {
            AS_JINJA_TRY(as_jinja_put(vm, s->data + from, at - from));
        } else {
            AS_JINJA_TRY(put_escape(vm, c));
        }
    }
    return as_jinja_put(vm, &quote, 1);
}

static bool put_str_repr(as_jinja_vm *vm, const as_jinja_str *s)
{
    if (!s->markup) return put_quoted(vm, s);
    return as_jinja_put_text(vm, "Markup(") && put_quoted(vm, s) && as_jinja_put_text(vm, ")");
}

static bool put_items(as_jinja_vm *vm, const as_jinja_list *list, const char *open, const char *close)
{
    AS_JINJA_TRY(as_jinja_put_text(vm, open));
    for (int64_t i = 0; i < list->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ", "));
        AS_JINJA_TRY(as_jinja_put_repr(vm, list->items[i]));
    }
    return as_jinja_put_text(vm, close);
}

static bool put_pairs(as_jinja_vm *vm, const as_jinja_dict *dict)
{
    AS_JINJA_TRY(as_jinja_put_text(vm, "{"));
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ", "));
        AS_JINJA_TRY(as_jinja_put_repr(vm, dict->entries[i].key) && as_jinja_put_text(vm, ": "));
        AS_JINJA_TRY(as_jinja_put_repr(vm, dict->entries[i].value));
    }
    return as_jinja_put_text(vm, "}");
}

static bool put_view(as_jinja_vm *vm, as_jinja_value v)
{
    AS_JINJA_TRY(as_jinja_put_text(vm, as_jinja_type_name(v)) && as_jinja_put_text(vm, "(["));
    for (int64_t i = 0; i < v.view->dict->count; i++) {
        const as_jinja_entry *entry = &v.view->dict->entries[i];
        if (i) AS_JINJA_TRY(as_jinja_put_text(vm, ", "));
        if (v.view->kind == AS_JINJA_ITEMS) {
            AS_JINJA_TRY(as_jinja_put_text(vm, "(") && as_jinja_put_repr(vm, entry->key) &&
                         as_jinja_put_text(vm, ", ") && as_jinja_put_repr(vm, entry->value) &&
                         as_jinja_put_text(vm, ")"));
        } else {
            AS_JINJA_TRY(as_jinja_put_repr(vm, v.view->kind == AS_JINJA_KEYS ? entry->key : entry->value));
        }
    }
    return as_jinja_put_text(vm, "])");
}

/* A namespace may hold itself. */
static bool put_namespace(as_jinja_vm *vm, as_jinja_value v)
{
    bool inside = false;
    for (int i = 0; i < vm->printing_count; i++) inside = inside || vm->printing[i] == v.dict;
    if (inside) return as_jinja_put_text(vm, "<Namespace {...}>");
    int room = (int)(sizeof vm->printing / sizeof vm->printing[0]);
    if (vm->printing_count == room)
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "namespaces nested more than %d deep", room);
    vm->printing[vm->printing_count++] = v.dict;
    bool ok = as_jinja_put_text(vm, "<Namespace ") && put_pairs(vm, v.dict) && as_jinja_put_text(vm, ">");
    vm->printing_count--;
    return ok;
}

static bool put_range(as_jinja_vm *vm, const as_jinja_range *r)
{
    char room[96];
    int size = r->step == 1
                   ? snprintf(room, sizeof room, "range(%lld, %lld)", (long long)r->start, (long long)r->stop)
                   : snprintf(room, sizeof room, "range(%lld, %lld, %lld)", (long long)r->start,
                              (long long)r->stop, (long long)r->step);
    return as_jinja_put(vm, room, (size_t)size);
}

/* Python shows an address; ours would tell templates where memory lies, so it is always the same. */
static bool put_object(as_jinja_vm *vm, as_jinja_value v)
{
    const char *what = v.kind == AS_JINJA_FUNC ? v.func->builtin->name : "";
    return as_jinja_put_text(vm, "<") && as_jinja_put_text(vm, as_jinja_type_name(v)) &&
           as_jinja_put_text(vm, *what ? " " : " object") && as_jinja_put_text(vm, what) &&
           as_jinja_put_text(vm, " at 0x7f0000000000>");
}

static bool put_nested(as_jinja_vm *vm, as_jinja_value v)
{
    switch (v.kind) {
    case AS_JINJA_LIST: return put_items(vm, v.list, "[", "]");
    case AS_JINJA_TUPLE: return put_items(vm, v.list, "(", v.list->count == 1 ? ",)" : ")");
    case AS_JINJA_DICT: return put_pairs(vm, v.dict);
    case AS_JINJA_VIEW: return put_view(vm, v);
    case AS_JINJA_NAMESPACE: return put_namespace(vm, v);
    case AS_JINJA_RANGE: return put_range(vm, v.range);
    case AS_JINJA_MACRO: return as_jinja_macro_repr(vm, v.macro);
    case AS_JINJA_LOOP: return as_jinja_loop_repr(vm, v.loop);
    case AS_JINJA_DICTTYPE: return as_jinja_put_text(vm, "<TemplateDict object at 0x7f0000000000>");
    case AS_JINJA_SELF: return as_jinja_put_text(vm, "<TemplateReference None>");
    default: return put_object(vm, v);
    }
}

bool as_jinja_put_repr(as_jinja_vm *vm, as_jinja_value v)
{
    char room[32];
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    switch (v.kind) {
    case AS_JINJA_UNDEFINED: return as_jinja_put_text(vm, "Undefined");
    case AS_JINJA_NONE: return as_jinja_put_text(vm, "None");
    case AS_JINJA_BOOL: return as_jinja_put_text(vm, v.truth ? "True" : "False");
    case AS_JINJA_INT:
    case AS_JINJA_BIG: return as_jinja_int_text(vm, v, 10);
    case AS_JINJA_FLOAT: return as_jinja_put(vm, room, (size_t)as_json_format_real(v.f, room));
    case AS_JINJA_STR: return put_str_repr(vm, v.str);
    default: break;
    }
    AS_JINJA_TRY(as_jinja_enter(vm));
    bool ok = put_nested(vm, v);
    as_jinja_leave(vm);
    return ok;
}

bool as_jinja_put_str(as_jinja_vm *vm, as_jinja_value v)
{
    if (v.kind == AS_JINJA_STR) return as_jinja_put(vm, v.str->data, v.str->size);
    if (v.kind == AS_JINJA_UNDEFINED) return true;
    if (v.kind == AS_JINJA_MODULE) return as_jinja_module_put(vm, v.module);
    return as_jinja_put_repr(vm, v);
}

bool as_jinja_to_str(as_jinja_vm *vm, as_jinja_value v, as_jinja_value *out)
{
    if (v.kind == AS_JINJA_STR) {
        *out = v;
        return true;
    }
    size_t mark = as_jinja_mark(vm);
    return as_jinja_put_str(vm, v) && as_jinja_str_cut(vm, mark, out);
}

/* ascii(): what is not ASCII in a repr becomes an escape. */
bool as_jinja_to_ascii(as_jinja_vm *vm, const as_jinja_str *s, as_jinja_value *out)
{
    size_t mark = as_jinja_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = as_jinja_next_codepoint(s->data, s->size, &at);
        AS_JINJA_TRY(c < 0x80 ? as_jinja_put(vm, s->data + from, 1) : put_escape(vm, c));
    }
    return as_jinja_str_cut(vm, mark, out);
}
