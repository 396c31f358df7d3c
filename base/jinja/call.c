/* Calling: binding arguments to builtins, looking builtins up. */
#include <string.h>

#include "base/jinja/ast.h"

enum { MAX_PARAMETERS = 10 };

const aj_builtin *aj_builtin_find(const aj_builtin *table, const char *name, size_t size)
{
    for (; table->name; table++) {
        if (strlen(table->name) == size && memcmp(table->name, name, size) == 0) return table;
    }
    return NULL;
}

const aj_builtin *aj_filter_find(as_jinja_dialect dialect, const char *name, size_t size)
{
    static const aj_builtin *const tables[] = {aj_filters_text,   aj_filters_markup, aj_filters_seq,
                                               aj_filters_select, aj_filters_number, NULL};
    if (size == 6 && memcmp(name, "tojson", 6) == 0) {
        return dialect == AS_JINJA_HTML ? &aj_filter_tojson_html : &aj_filter_tojson_chat;
    }
    for (int i = 0; tables[i]; i++) {
        const aj_builtin *found = aj_builtin_find(tables[i], name, size);
        if (found) return found;
    }
    return NULL;
}

const aj_builtin *aj_test_find(const char *name, size_t size)
{
    return aj_builtin_find(aj_tests, name, size);
}

bool aj_apply_named(aj_vm *vm, bool filter, aj_value name, aj_value v, const aj_args *args, aj_value *out)
{
    const char *what = filter ? "filter" : "test";
    const aj_builtin *builtin = NULL;
    uint64_t hash;
    AJ_TRY(aj_hash(vm, name, &hash)); /* names are looked up in a dict */
    if (aj_is_str(name)) {
        builtin = filter ? aj_filter_find(vm->template->syntax.dialect, name.str->data, name.str->size)
                         : aj_test_find(name.str->data, name.str->size);
    }
    if (builtin) return aj_call_builtin(vm, builtin, v, args, out);
    if (!aj_is_str(name)) return aj_fail(vm, AJ_X_OTHER, "No %s of this name", what);
    return aj_fail(vm, AJ_X_OTHER, "No %s named '%.*s'", what,
                   (int)(name.str->size < 100 ? name.str->size : 100), name.str->data);
}

/* Number of the parameter with this name, -1 if there is none. */
static int find_parameter(const char *params, const aj_str *name)
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

static bool bind_keywords(aj_vm *vm, const aj_builtin *builtin, const char *params, const aj_dict *kw,
                          aj_value *bound)
{
    for (int64_t i = 0; i < kw->count; i++) {
        const aj_str *name = kw->entries[i].key.str;
        int at = find_parameter(params, name);
        int size = (int)(name->size < 100 ? name->size : 100);
        if (at < 0) {
            return aj_fail(vm, AJ_X_TYPE, "%s() got an unexpected keyword argument '%.*s'", builtin->name,
                           size, name->data);
        }
        if (aj_given(bound[at])) {
            return aj_fail(vm, AJ_X_TYPE, "%s() got multiple values for argument '%.*s'", builtin->name, size,
                           name->data);
        }
        bound[at] = kw->entries[i].value;
    }
    return true;
}

bool aj_call_builtin(aj_vm *vm, const aj_builtin *builtin, aj_value self, const aj_args *args, aj_value *out)
{
    const char *params = builtin->params;
    if (*params == '*') return builtin->fn(vm, self, args, out);
    bool positional = *params == '/';
    if (positional) params++;
    aj_value bound[MAX_PARAMETERS];
    int count = count_parameters(params);
    AS_BUG(count > MAX_PARAMETERS);
    for (int i = 0; i < count; i++) bound[i] = aj_missing();
    if (args->count > count) {
        return aj_fail(vm, AJ_X_TYPE, "%s() takes at most %d arguments (%lld given)", builtin->name, count,
                       (long long)args->count);
    }
    for (int64_t i = 0; i < args->count; i++) bound[i] = args->pos[i];
    if (args->kw && args->kw->count) {
        if (positional) return aj_fail(vm, AJ_X_TYPE, "%s() takes no keyword arguments", builtin->name);
        AJ_TRY(bind_keywords(vm, builtin, params, args->kw, bound));
    }
    for (int i = 0; i < builtin->required; i++) {
        if (!aj_given(bound[i])) {
            return aj_fail(vm, AJ_X_TYPE, "%s() misses a required argument", builtin->name);
        }
    }
    aj_args ready = {.pos = bound, .count = count};
    return builtin->fn(vm, self, &ready, out);
}

bool aj_bind_method(aj_vm *vm, const aj_builtin *builtin, aj_value self, aj_value *out)
{
    aj_func *func = AJ_NEW(vm, aj_func);
    if (!func) return false;
    *func = (aj_func){.builtin = builtin, .self = self};
    *out = (aj_value){.kind = AJ_FUNC, .func = func};
    return true;
}

static bool call_dict(aj_vm *vm, const aj_args *args, aj_value *out)
{
    aj_dict *dict;
    if (args->count > 1) return aj_fail(vm, AJ_X_TYPE, "dict expected at most 1 argument");
    AJ_TRY(aj_dict_new(vm, &dict));
    if (args->count) AJ_TRY(aj_dict_from(vm, args->pos[0], dict));
    if (args->kw) AJ_TRY(aj_dict_from(vm, aj_dict_value(args->kw), dict));
    *out = aj_dict_value(dict);
    return true;
}

bool aj_call(aj_vm *vm, aj_value callee, const aj_args *args, aj_value *out)
{
    AJ_TRY(aj_step(vm, 1));
    switch (callee.kind) {
    case AJ_FUNC: return aj_call_builtin(vm, callee.func->builtin, callee.func->self, args, out);
    case AJ_MACRO: return aj_macro_call(vm, callee.macro, args, aj_autoescape(vm), out);
    case AJ_LOOP: return aj_loop_call(vm, callee.loop, args, out);
    case AJ_JOINER: return aj_joiner_call(vm, callee.joiner, args, out);
    case AJ_BLOCKREF: return aj_blockref_call(vm, callee.blockref, args, out);
    case AJ_DICTTYPE: return call_dict(vm, args, out);
    case AJ_UNDEFINED: return aj_fail_undefined(vm, callee);
    default: return aj_fail(vm, AJ_X_TYPE, "'%s' object is not callable", aj_type_name(callee));
    }
}
