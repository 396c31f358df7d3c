/* str() and repr() of values. */
#include <stdio.h>
#include <string.h>

#include "base/jinja/value.h"
#include "base/json.h"

static bool put_escape(aj_vm *vm, uint32_t c)
{
    char room[16];
    const char *form = c < 0x100 ? "\\x%02x" : c < 0x10000 ? "\\u%04x" : "\\U%08x";
    return aj_put(vm, room, (size_t)snprintf(room, sizeof room, form, (unsigned)c));
}

static bool put_quoted(aj_vm *vm, const aj_str *s)
{
    bool single = memchr(s->data, '\'', s->size) != NULL, twice = memchr(s->data, '"', s->size) != NULL;
    char quote = single && !twice ? '"' : '\'';
    AJ_TRY(aj_put(vm, &quote, 1));
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        if (c == (uint32_t)quote || c == '\\') {
            char two[2] = {'\\', (char)c};
            AJ_TRY(aj_put(vm, two, 2));
        } else if (c == '\n' || c == '\r' || c == '\t') {
            AJ_TRY(aj_put_text(vm, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t"));
        } else if (aj_printable(c)) {
            AJ_TRY(aj_put(vm, s->data + from, at - from));
        } else {
            AJ_TRY(put_escape(vm, c));
        }
    }
    return aj_put(vm, &quote, 1);
}

static bool put_str_repr(aj_vm *vm, const aj_str *s)
{
    if (!s->markup) return put_quoted(vm, s);
    return aj_put_text(vm, "Markup(") && put_quoted(vm, s) && aj_put_text(vm, ")");
}

static bool put_items(aj_vm *vm, const aj_list *list, const char *open, const char *close)
{
    AJ_TRY(aj_put_text(vm, open));
    for (int64_t i = 0; i < list->count; i++) {
        if (i) AJ_TRY(aj_put_text(vm, ", "));
        AJ_TRY(aj_put_repr(vm, list->items[i]));
    }
    return aj_put_text(vm, close);
}

static bool put_pairs(aj_vm *vm, const aj_dict *dict)
{
    AJ_TRY(aj_put_text(vm, "{"));
    for (int64_t i = 0; i < dict->count; i++) {
        if (i) AJ_TRY(aj_put_text(vm, ", "));
        AJ_TRY(aj_put_repr(vm, dict->entries[i].key) && aj_put_text(vm, ": "));
        AJ_TRY(aj_put_repr(vm, dict->entries[i].value));
    }
    return aj_put_text(vm, "}");
}

static bool put_view(aj_vm *vm, aj_value v)
{
    AJ_TRY(aj_put_text(vm, aj_type_name(v)) && aj_put_text(vm, "(["));
    for (int64_t i = 0; i < v.view->dict->count; i++) {
        const aj_entry *entry = &v.view->dict->entries[i];
        if (i) AJ_TRY(aj_put_text(vm, ", "));
        if (v.view->kind == AJ_ITEMS) {
            AJ_TRY(aj_put_text(vm, "(") && aj_put_repr(vm, entry->key) && aj_put_text(vm, ", ") &&
                   aj_put_repr(vm, entry->value) && aj_put_text(vm, ")"));
        } else {
            AJ_TRY(aj_put_repr(vm, v.view->kind == AJ_KEYS ? entry->key : entry->value));
        }
    }
    return aj_put_text(vm, "])");
}

/* A namespace may hold itself. */
static bool put_namespace(aj_vm *vm, aj_value v)
{
    bool inside = false;
    for (int i = 0; i < vm->printing_count; i++) inside = inside || vm->printing[i] == v.dict;
    if (inside) return aj_put_text(vm, "<Namespace {...}>");
    int room = (int)(sizeof vm->printing / sizeof vm->printing[0]);
    if (vm->printing_count == room)
        return aj_fail(vm, AJ_X_LIMIT, "namespaces nested more than %d deep", room);
    vm->printing[vm->printing_count++] = v.dict;
    bool ok = aj_put_text(vm, "<Namespace ") && put_pairs(vm, v.dict) && aj_put_text(vm, ">");
    vm->printing_count--;
    return ok;
}

static bool put_range(aj_vm *vm, const aj_range *r)
{
    char room[96];
    int size = r->step == 1
                   ? snprintf(room, sizeof room, "range(%lld, %lld)", (long long)r->start, (long long)r->stop)
                   : snprintf(room, sizeof room, "range(%lld, %lld, %lld)", (long long)r->start,
                              (long long)r->stop, (long long)r->step);
    return aj_put(vm, room, (size_t)size);
}

/* Python shows an address; ours would tell templates where memory lies, so it is always the same. */
static bool put_object(aj_vm *vm, aj_value v)
{
    const char *what = v.kind == AJ_FUNC ? v.func->builtin->name : "";
    return aj_put_text(vm, "<") && aj_put_text(vm, aj_type_name(v)) &&
           aj_put_text(vm, *what ? " " : " object") && aj_put_text(vm, what) &&
           aj_put_text(vm, " at 0x7f0000000000>");
}

static bool put_nested(aj_vm *vm, aj_value v)
{
    switch (v.kind) {
    case AJ_LIST: return put_items(vm, v.list, "[", "]");
    case AJ_TUPLE: return put_items(vm, v.list, "(", v.list->count == 1 ? ",)" : ")");
    case AJ_DICT: return put_pairs(vm, v.dict);
    case AJ_VIEW: return put_view(vm, v);
    case AJ_NAMESPACE: return put_namespace(vm, v);
    case AJ_RANGE: return put_range(vm, v.range);
    case AJ_MACRO: return aj_macro_repr(vm, v.macro);
    case AJ_LOOP: return aj_loop_repr(vm, v.loop);
    case AJ_DICTTYPE: return aj_put_text(vm, "<TemplateDict object at 0x7f0000000000>");
    case AJ_SELF: return aj_put_text(vm, "<TemplateReference None>");
    default: return put_object(vm, v);
    }
}

bool aj_put_repr(aj_vm *vm, aj_value v)
{
    char room[32];
    AJ_TRY(aj_step(vm, 1));
    switch (v.kind) {
    case AJ_UNDEFINED: return aj_put_text(vm, "Undefined");
    case AJ_NONE: return aj_put_text(vm, "None");
    case AJ_BOOL: return aj_put_text(vm, v.truth ? "True" : "False");
    case AJ_INT:
    case AJ_BIG: return aj_int_text(vm, v, 10);
    case AJ_FLOAT: return aj_put(vm, room, (size_t)as_json_format_real(v.f, room));
    case AJ_STR: return put_str_repr(vm, v.str);
    default: break;
    }
    AJ_TRY(aj_enter(vm));
    bool ok = put_nested(vm, v);
    aj_leave(vm);
    return ok;
}

bool aj_put_str(aj_vm *vm, aj_value v)
{
    if (v.kind == AJ_STR) return aj_put(vm, v.str->data, v.str->size);
    if (v.kind == AJ_UNDEFINED) return true;
    if (v.kind == AJ_MODULE) return aj_module_put(vm, v.module);
    return aj_put_repr(vm, v);
}

bool aj_to_str(aj_vm *vm, aj_value v, aj_value *out)
{
    if (v.kind == AJ_STR) {
        *out = v;
        return true;
    }
    size_t mark = aj_mark(vm);
    return aj_put_str(vm, v) && aj_str_cut(vm, mark, out);
}

/* ascii(): what is not ASCII in a repr becomes an escape. */
bool aj_to_ascii(aj_vm *vm, const aj_str *s, aj_value *out)
{
    size_t mark = aj_mark(vm);
    for (size_t at = 0; at < s->size;) {
        size_t from = at;
        uint32_t c = aj_next_codepoint(s->data, s->size, &at);
        AJ_TRY(c < 0x80 ? aj_put(vm, s->data + from, 1) : put_escape(vm, c));
    }
    return aj_str_cut(vm, mark, out);
}
