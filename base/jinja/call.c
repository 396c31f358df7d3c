/* Calling: binding arguments to builtins, looking builtins up. */
#include <string.h>

#include "base/jinja/ast.h"

enum { MAX_PARAMETERS = 10 };

const as_jinja_builtin *as_jinja_builtin_find(const as_jinja_builtin *table, const char *name, size_t size)
{
    for (; table->name; table++) {
        if (strlen(table->name) == size && memcmp(table->name, name, size) == 0) return table;
    }
    return NULL;
}

const as_jinja_builtin *as_jinja_filter_find(as_jinja_dialect dialect, const char *name, size_t size)
{
    static const as_jinja_builtin *const tables[] = {as_jinja_filters_text,   as_jinja_filters_markup,
                                                     as_jinja_filters_seq,    as_jinja_filters_select,
                                                     as_jinja_filters_number, NULL};
    if (size == 6 && memcmp(name, "tojson", 6) == 0) {
        return dialect == AS_JINJA_HTML ? &as_jinja_filter_tojson_html : &as_jinja_filter_tojson_chat;
    }
    for (int i = 0; tables[i]; i++) {
        const as_jinja_builtin *found = as_jinja_builtin_find(tables[i], name, size);
        if (found) return found;
    }
    return NULL;
}

const as_jinja_builtin *as_jinja_test_find(const char *name, size_t size)
{
    return as_jinja_builtin_find(as_jinja_tests, name, size);
}

bool as_jinja_apply_named(as_jinja_vm *vm, bool filter, as_jinja_value name, as_jinja_value v,
                          const as_jinja_args *args, as_jinja_value *out)
{
    const char *what = filter ? "filter" : "test";
    const as_jinja_builtin *builtin = NULL;
    uint64_t hash;
    AS_JINJA_TRY(as_jinja_hash(vm, name, &hash)); /* names are looked up in a dict */
    if (as_jinja_is_str(name)) {
        builtin = filter ? as_jinja_filter_find(vm->template->syntax.dialect, name.str->data, name.str->size)
                         : as_jinja_test_find(name.str->data, name.str->size);
    }
    if (builtin) return as_jinja_call_builtin(vm, builtin, v, args, out);
    if (!as_jinja_is_str(name)) return as_jinja_fail(vm, AS_JINJA_X_OTHER, "No %s of this name", what);
    return as_jinja_fail(vm, AS_JINJA_X_OTHER, "No %s named '%.*s'", what,
                         (int)(name.str->size < 100 ? name.str->size : 100), name.str->data);
}

/* Number of the parameter with this name, -1 if there is none. */
static int find_parameter(const char *params, const as_jinja_str *name)
{
    for (int i = 0; *params; i++) {
        size_t size = strcspn(params, " ");
        if (size == name->size && memcmp(params, name->data, size) == 0) return i;
        params += size;
        if (*params == ' ') params++;
    }
    return -1;
}

static int count_parameters(const char *params)
{
    int count = *params ? 1 : 0;
    for (; *params; params++) count += *params == ' ';
    return count;
}

static bool bind_keywords(as_jinja_vm *vm, const as_jinja_builtin *builtin, const char *params,
                          const as_jinja_dict *kw, as_jinja_value *bound)
{
    for (int64_t i = 0; i < kw->count; i++) {
        const as_jinja_str *name = kw->entries[i].key.str;
        int at = find_parameter(params, name);
        int size = (int)(name->size < 100 ? name->size : 100);
        if (at < 0) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s() got an unexpected keyword argument '%.*s'",
                                 builtin->name, size, name->data);
        }
        if (as_jinja_given(bound[at])) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s() got multiple values for argument '%.*s'",
                                 builtin->name, size, name->data);
        }
        bound[at] = kw->entries[i].value;
    }
    return true;
}

bool as_jinja_call_builtin(as_jinja_vm *vm, const as_jinja_builtin *builtin, as_jinja_value self,
                           const as_jinja_args *args, as_jinja_value *out)
{
    const char *params = builtin->params;
    if (*params == '*') return builtin->fn(vm, self, args, out);
    bool positional = *params == '/';
    if (positional) params++;
    as_jinja_value bound[MAX_PARAMETERS];
    int count = count_parameters(params);
    AS_BUG(count > MAX_PARAMETERS);
    for (int i = 0; i < count; i++) bound[i] = as_jinja_missing();
    if (args->count > count) {
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s() takes at most %d arguments (%lld given)",
                             builtin->name, count, (long long)args->count);
    }
    for (int64_t i = 0; i < args->count; i++) bound[i] = args->pos[i];
    if (args->kw && args->kw->count) {
        if (positional)
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s() takes no keyword arguments", builtin->name);
        AS_JINJA_TRY(bind_keywords(vm, builtin, params, args->kw, bound));
    }
    for (int i = 0; i < builtin->required; i++) {
        if (!as_jinja_given(bound[i])) {
            return as_jinja_fail(vm, AS_JINJA_X_TYPE, "%s() misses a required argument", builtin->name);
        }
    }
    as_jinja_args ready = {.pos = bound, .count = count};
    return builtin->fn(vm, self, &ready, out);
}

bool as_jinja_bind_method(as_jinja_vm *vm, const as_jinja_builtin *builtin, as_jinja_value self,
                          as_jinja_value *out)
{
    as_jinja_func *func = AS_JINJA_NEW(vm, as_jinja_func);
    if (!func) return false;
    *func = (as_jinja_func){.builtin = builtin, .self = self};
    *out = (as_jinja_value){.kind = AS_JINJA_FUNC, .func = func};
    return true;
}

static bool call_dict(as_jinja_vm *vm, const as_jinja_args *args, as_jinja_value *out)
{
    as_jinja_dict *dict;
    if (args->count > 1) return as_jinja_fail(vm, AS_JINJA_X_TYPE, "dict expected at most 1 argument");
    AS_JINJA_TRY(as_jinja_dict_new(vm, &dict));
    if (args->count) AS_JINJA_TRY(as_jinja_dict_from(vm, args->pos[0], dict));
    if (args->kw) AS_JINJA_TRY(as_jinja_dict_from(vm, as_jinja_dict_value(args->kw), dict));
    *out = as_jinja_dict_value(dict);
    return true;
}

bool as_jinja_call(as_jinja_vm *vm, as_jinja_value callee, const as_jinja_args *args, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    switch (callee.kind) {
    case AS_JINJA_FUNC: return as_jinja_call_builtin(vm, callee.func->builtin, callee.func->self, args, out);
    case AS_JINJA_MACRO: return as_jinja_macro_call(vm, callee.macro, args, as_jinja_autoescape(vm), out);
    case AS_JINJA_LOOP: return as_jinja_loop_call(vm, callee.loop, args, out);
    case AS_JINJA_JOINER: return as_jinja_joiner_call(vm, callee.joiner, args, out);
    case AS_JINJA_BLOCKREF: return as_jinja_blockref_call(vm, callee.blockref, args, out);
    case AS_JINJA_DICTTYPE: return call_dict(vm, args, out);
    case AS_JINJA_UNDEFINED: return as_jinja_fail_undefined(vm, callee);
    default:
        return as_jinja_fail(vm, AS_JINJA_X_TYPE, "'%s' object is not callable", as_jinja_type_name(callee));
    }
}
