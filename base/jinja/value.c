/* Making values: strings, lists, dicts, undefined; see value.h. */
#include "base/jinja/value.h"

#include <string.h>

#include "base/utf8.h"

/* --- strings --- */

bool as_jinja_str_ref(as_jinja_vm *vm, const char *data, size_t size, as_jinja_value *out)
{
    as_jinja_str *str = as_jinja_alloc(vm, sizeof *str);
    if (!str) return false;
    *str = (as_jinja_str){.data = data, .size = size, .length = -1};
    *out = as_jinja_string(str);
    return true;
}

bool as_jinja_str_copy(as_jinja_vm *vm, const char *data, size_t size, as_jinja_value *out)
{
    AS_JINJA_TRY(as_jinja_step(vm, 1 + size / 64));
    char *copy = as_jinja_alloc(vm, size + 1);
    if (!copy) return false;
    if (size) memcpy(copy, data, size);
    copy[size] = 0;
    return as_jinja_str_ref(vm, copy, size, out);
}

bool as_jinja_str_literal(as_jinja_vm *vm, const char *text, as_jinja_value *out)
{
    return as_jinja_str_ref(vm, text, strlen(text), out);
}

bool as_jinja_str_markup(as_jinja_vm *vm, as_jinja_value str, bool markup, as_jinja_value *out)
{
    if (str.str->markup == markup) {
        *out = str;
        return true;
    }
    as_jinja_str *copy = as_jinja_alloc(vm, sizeof *copy);
    if (!copy) return false;
    *copy = *str.str;
    copy->markup = markup;
    *out = as_jinja_string(copy);
    return true;
}

bool as_jinja_str_cut(as_jinja_vm *vm, size_t mark, as_jinja_value *out)
{
    if (vm->out.failed == AS_E_LIMIT) {
        return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "writes more than the allowed %zu bytes", vm->out.max);
    }
    if (vm->out.failed != AS_OK) return as_jinja_fail(vm, AS_JINJA_X_MEMORY, "out of memory");
    AS_JINJA_TRY(as_jinja_str_copy(vm, as_buf_text(&vm->out) + mark, vm->out.size - mark, out));
    vm->out.size = mark;
    if (vm->out.data) vm->out.data[mark] = 0;
    return true;
}

bool as_jinja_str_is(as_jinja_value v, const char *text)
{
    return v.kind == AS_JINJA_STR && v.str->size == strlen(text) &&
           memcmp(v.str->data, text, v.str->size) == 0;
}

int64_t as_jinja_str_length(const as_jinja_str *str)
{
    if (str->length < 0) ((as_jinja_str *)str)->length = (int64_t)as_utf8_length(str->data, str->size);
    return str->length;
}

bool as_jinja_str_ascii(const as_jinja_str *str)
{
    return (size_t)as_jinja_str_length(str) == str->size;
}

size_t as_jinja_str_offset(const as_jinja_str *str, int64_t index)
{
    if (index >= as_jinja_str_length(str)) return str->size;
    if (as_jinja_str_ascii(str)) return (size_t)index;
    size_t at = 0;
    for (; index > 0; index--) {
        do at++;
        while (at < str->size && ((unsigned char)str->data[at] & 0xC0) == 0x80);
    }
    return at;
}

static uint64_t hash_bytes(const char *data, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then mixed */
    for (size_t i = 0; i < size; i++) h = (h ^ (unsigned char)data[i]) * 0x100000001b3u;
    h ^= h >> 29;
    h *= 0xbf58476d1ce4e5b9u;
    h ^= h >> 32;
    return h ? h : 1;
}

uint64_t as_jinja_str_hash(const as_jinja_str *str)
{
    if (!str->hash) ((as_jinja_str *)str)->hash = hash_bytes(str->data, str->size);
    return str->hash;
}

void as_jinja_str_settle(as_jinja_str *str)
{
    (void)as_jinja_str_length(str);
    (void)as_jinja_str_hash(str);
}

/* --- lists --- */

bool as_jinja_list_new(as_jinja_vm *vm, int64_t room, as_jinja_list **out)
{
    as_jinja_list *list = AS_JINJA_NEW(vm, as_jinja_list);
    if (!list) return false;
    if (room > 0) {
        AS_JINJA_TRY(as_jinja_step(vm, (uint64_t)room / 16));
        list->items = as_jinja_alloc(vm, (size_t)room * sizeof *list->items);
        if (!list->items) return false;
        list->room = room;
    }
    *out = list;
    return true;
}

bool as_jinja_list_add(as_jinja_vm *vm, as_jinja_list *list, as_jinja_value item)
{
    if (list->count == list->room) {
        int64_t room = list->room ? list->room * 2 : 4;
        as_jinja_value *items = as_jinja_alloc(vm, (size_t)room * sizeof *items);
        if (!items) return false;
        if (list->count) memcpy(items, list->items, (size_t)list->count * sizeof *items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return true;
}

bool as_jinja_tuple2(as_jinja_vm *vm, as_jinja_value a, as_jinja_value b, as_jinja_value *out)
{
    as_jinja_list *pair;
    AS_JINJA_TRY(as_jinja_list_new(vm, 2, &pair));
    pair->items[0] = a;
    pair->items[1] = b;
    pair->count = 2;
    *out = as_jinja_tuple_value(pair);
    return true;
}

/* --- dicts --- */

enum { SMALL_DICT = 8 };

bool as_jinja_dict_new(as_jinja_vm *vm, as_jinja_dict **out)
{
    *out = AS_JINJA_NEW(vm, as_jinja_dict);
    return *out != NULL;
}

static bool reindex(as_jinja_vm *vm, as_jinja_dict *dict, uint64_t size)
{
    uint32_t *index = AS_JINJA_NEW_ARRAY(vm, uint32_t, size);
    if (!index) return false;
    for (int64_t i = 0; i < dict->count; i++) {
        uint64_t at = dict->entries[i].hash & (size - 1);
        while (index[at]) at = (at + 1) & (size - 1);
        index[at] = (uint32_t)i + 1;
    }
    dict->index = index;
    dict->mask = size - 1;
    return true;
}

static bool grow_dict(as_jinja_vm *vm, as_jinja_dict *dict)
{
    int64_t room = dict->room ? dict->room * 2 : 4;
    if (room > INT32_MAX) return as_jinja_fail(vm, AS_JINJA_X_LIMIT, "a dict is too large");
    as_jinja_entry *entries = as_jinja_alloc(vm, (size_t)room * sizeof *entries);
    if (!entries) return false;
    if (dict->count) memcpy(entries, dict->entries, (size_t)dict->count * sizeof *entries);
    dict->entries = entries;
    dict->room = room;
    return room <= SMALL_DICT || reindex(vm, dict, (uint64_t)room * 2);
}

/* Number of the entry with this key, -1 if absent, -2 on error. */
static int64_t find_entry(as_jinja_vm *vm, const as_jinja_dict *dict, uint64_t hash, as_jinja_value key)
{
    bool same = false;
    if (!dict->index) {
        for (int64_t i = 0; i < dict->count; i++) {
            if (dict->entries[i].hash != hash) continue;
            if (!as_jinja_equal(vm, dict->entries[i].key, key, &same)) return -2;
            if (same) return i;
        }
        return -1;
    }
    for (uint64_t at = hash & dict->mask; dict->index[at]; at = (at + 1) & dict->mask) {
        int64_t i = dict->index[at] - 1;
        if (dict->entries[i].hash != hash) continue;
        if (!as_jinja_equal(vm, dict->entries[i].key, key, &same)) return -2;
        if (same) return i;
    }
    return -1;
}

bool as_jinja_dict_set(as_jinja_vm *vm, as_jinja_dict *dict, as_jinja_value key, as_jinja_value value)
{
    uint64_t hash;
    AS_JINJA_TRY(as_jinja_step(vm, 1));
    AS_JINJA_TRY(as_jinja_hash(vm, key, &hash));
    int64_t i = find_entry(vm, dict, hash, key);
    if (i == -2) return false;
    if (i >= 0) {
        dict->entries[i].value = value;
        return true;
    }
    if (dict->count == dict->room) AS_JINJA_TRY(grow_dict(vm, dict));
    dict->entries[dict->count++] = (as_jinja_entry){.hash = hash, .key = key, .value = value};
    if (dict->index) {
        uint64_t at = hash & dict->mask;
        while (dict->index[at]) at = (at + 1) & dict->mask;
        dict->index[at] = (uint32_t)dict->count;
    }
    return true;
}

bool as_jinja_dict_set_text(as_jinja_vm *vm, as_jinja_dict *dict, const char *key, as_jinja_value value)
{
    as_jinja_value name;
    AS_JINJA_TRY(as_jinja_str_literal(vm, key, &name));
    return as_jinja_dict_set(vm, dict, name, value);
}

bool as_jinja_dict_find(as_jinja_vm *vm, const as_jinja_dict *dict, as_jinja_value key,
                        as_jinja_value **found)
{
    uint64_t hash;
    *found = NULL;
    AS_JINJA_TRY(as_jinja_hash(vm, key, &hash));
    int64_t i = find_entry(vm, dict, hash, key);
    if (i == -2) return false;
    if (i >= 0) *found = &dict->entries[i].value;
    return true;
}

static bool entry_is(const as_jinja_entry *entry, uint64_t hash, const as_jinja_str *key)
{
    return entry->hash == hash && entry->key.kind == AS_JINJA_STR && entry->key.str->size == key->size &&
           memcmp(entry->key.str->data, key->data, key->size) == 0;
}

as_jinja_value *as_jinja_dict_find_str(const as_jinja_dict *dict, const as_jinja_str *key)
{
    uint64_t hash = as_jinja_str_hash(key);
    if (!dict->index) {
        for (int64_t i = 0; i < dict->count; i++) {
            if (entry_is(&dict->entries[i], hash, key)) return &dict->entries[i].value;
        }
        return NULL;
    }
    for (uint64_t at = hash & dict->mask; dict->index[at]; at = (at + 1) & dict->mask) {
        as_jinja_entry *entry = &dict->entries[dict->index[at] - 1];
        if (entry_is(entry, hash, key)) return &entry->value;
    }
    return NULL;
}

as_jinja_value *as_jinja_dict_find_text(const as_jinja_dict *dict, const char *key)
{
    as_jinja_str str = {.data = key, .size = strlen(key), .length = -1};
    return as_jinja_dict_find_str(dict, &str);
}

/* --- undefined --- */

static bool undefined(as_jinja_vm *vm, as_jinja_undef what, as_jinja_value *out)
{
    as_jinja_undef *undef = AS_JINJA_NEW(vm, as_jinja_undef);
    if (!undef) return false;
    *undef = what;
    *out = (as_jinja_value){.kind = AS_JINJA_UNDEFINED, .undef = undef};
    return true;
}

bool as_jinja_undefined_name(as_jinja_vm *vm, as_jinja_str *name, as_jinja_value *out)
{
    return undefined(vm, (as_jinja_undef){.name = as_jinja_string(name)}, out);
}

bool as_jinja_undefined_item(as_jinja_vm *vm, as_jinja_value owner, as_jinja_value name, as_jinja_value *out)
{
    return undefined(vm, (as_jinja_undef){.name = name, .owner = owner}, out);
}

bool as_jinja_undefined_hint(as_jinja_vm *vm, const char *hint, as_jinja_value *out)
{
    return undefined(vm, (as_jinja_undef){.hint = hint}, out);
}

bool as_jinja_undefined_unsafe(as_jinja_vm *vm, as_jinja_value owner, const as_jinja_str *name,
                               as_jinja_value *out)
{
    return undefined(
        vm, (as_jinja_undef){.name = as_jinja_string((as_jinja_str *)name), .owner = owner, .unsafe = true},
        out);
}

bool as_jinja_fail_undefined(as_jinja_vm *vm, as_jinja_value v)
{
    const as_jinja_undef *u = v.undef;
    const as_jinja_str *name = u->name.kind == AS_JINJA_STR ? u->name.str : NULL;
    int size = name ? (int)(name->size < 200 ? name->size : 200) : 0;
    if (u->unsafe) {
        return as_jinja_fail(vm, AS_JINJA_X_OTHER, "access to attribute '%.*s' of '%s' object is unsafe",
                             size, name->data, as_jinja_type_name(u->owner));
    }
    if (u->hint) return as_jinja_fail(vm, AS_JINJA_X_UNDEFINED, "%s", u->hint);
    if (!as_jinja_given(u->owner)) {
        return as_jinja_fail(vm, AS_JINJA_X_UNDEFINED, "'%.*s' is undefined", size, name ? name->data : "");
    }
    const char *type = u->owner.kind == AS_JINJA_NONE ? "None" : as_jinja_type_name(u->owner);
    const char *object = u->owner.kind == AS_JINJA_NONE ? "" : " object";
    if (name) {
        return as_jinja_fail(vm, AS_JINJA_X_UNDEFINED, "'%s%s' has no attribute '%.*s'", type, object, size,
                             name->data);
    }
    size_t mark = as_jinja_mark(vm);
    AS_JINJA_TRY(as_jinja_put_repr(vm, u->name));
    as_jinja_value text;
    AS_JINJA_TRY(as_jinja_str_cut(vm, mark, &text));
    size = (int)(text.str->size < 200 ? text.str->size : 200);
    return as_jinja_fail(vm, AS_JINJA_X_UNDEFINED, "%s%s has no element %.*s", type, object, size,
                         text.str->data);
}

/* --- from JSON --- */

static bool from_json_object(as_jinja_vm *vm, const json_t *json, as_jinja_value *out)
{
    as_jinja_dict *dict;
    AS_JINJA_TRY(as_jinja_dict_new(vm, &dict));
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)json, key, item)
    {
        as_jinja_value name, value;
        AS_JINJA_TRY(as_jinja_str_literal(vm, key, &name));
        AS_JINJA_TRY(as_jinja_from_json(vm, item, &value));
        AS_JINJA_TRY(as_jinja_dict_set(vm, dict, name, value));
    }
    *out = as_jinja_dict_value(dict);
    return true;
}

static bool from_json_array(as_jinja_vm *vm, const json_t *json, as_jinja_value *out)
{
    as_jinja_list *list;
    AS_JINJA_TRY(as_jinja_list_new(vm, (int64_t)json_array_size(json), &list));
    size_t i;
    json_t *item;
    json_array_foreach(json, i, item)
    {
        AS_JINJA_TRY(as_jinja_from_json(vm, item, &list->items[i]));
        list->count++;
    }
    *out = as_jinja_list_value(list);
    return true;
}

static bool from_json_leaf(as_jinja_vm *vm, const json_t *json, as_jinja_value *out)
{
    switch (json_typeof(json)) {
    case JSON_STRING: return as_jinja_str_ref(vm, json_string_value(json), json_string_length(json), out);
    case JSON_INTEGER: *out = as_jinja_int(json_integer_value(json)); break;
    case JSON_REAL: *out = as_jinja_float(json_real_value(json)); break;
    case JSON_TRUE: *out = as_jinja_bool(true); break;
    case JSON_FALSE: *out = as_jinja_bool(false); break;
    default: *out = as_jinja_none(); break;
    }
    return true;
}

bool as_jinja_from_json(as_jinja_vm *vm, const json_t *json, as_jinja_value *out)
{
    if (!json_is_object(json) && !json_is_array(json)) return from_json_leaf(vm, json, out);
    AS_JINJA_TRY(as_jinja_enter(vm));
    bool ok = json_is_object(json) ? from_json_object(vm, json, out) : from_json_array(vm, json, out);
    as_jinja_leave(vm);
    return ok;
}
