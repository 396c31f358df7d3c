/* Making values: strings, lists, dicts, undefined; see value.h. */
#include "base/jinja/value.h"

#include <string.h>

#include "base/utf8.h"

/* --- strings --- */

bool aj_str_ref(aj_vm *vm, const char *data, size_t size, aj_value *out)
{
    aj_str *str = aj_alloc(vm, sizeof *str);
    if (!str) return false;
    *str = (aj_str){.data = data, .size = size, .length = -1};
    *out = aj_string(str);
    return true;
}

bool aj_str_copy(aj_vm *vm, const char *data, size_t size, aj_value *out)
{
    AJ_TRY(aj_step(vm, 1 + size / 64));
    char *copy = aj_alloc(vm, size + 1);
    if (!copy) return false;
    if (size) memcpy(copy, data, size);
    copy[size] = 0;
    return aj_str_ref(vm, copy, size, out);
}

bool aj_str_literal(aj_vm *vm, const char *text, aj_value *out)
{
    return aj_str_ref(vm, text, strlen(text), out);
}

bool aj_str_markup(aj_vm *vm, aj_value str, bool markup, aj_value *out)
{
    if (str.str->markup == markup) {
        *out = str;
        return true;
    }
    aj_str *copy = aj_alloc(vm, sizeof *copy);
    if (!copy) return false;
    *copy = *str.str;
    copy->markup = markup;
    *out = aj_string(copy);
    return true;
}

bool aj_str_cut(aj_vm *vm, size_t mark, aj_value *out)
{
    if (vm->out.failed == AS_E_LIMIT) {
        return aj_fail(vm, AJ_X_LIMIT, "writes more than the allowed %zu bytes", vm->out.max);
    }
    if (vm->out.failed != AS_OK) return aj_fail(vm, AJ_X_MEMORY, "out of memory");
    AJ_TRY(aj_str_copy(vm, as_buf_text(&vm->out) + mark, vm->out.size - mark, out));
    vm->out.size = mark;
    if (vm->out.data) vm->out.data[mark] = 0;
    return true;
}

bool aj_str_is(aj_value v, const char *text)
{
    return v.kind == AJ_STR && v.str->size == strlen(text) && memcmp(v.str->data, text, v.str->size) == 0;
}

int64_t aj_str_length(const aj_str *str)
{
    if (str->length < 0) ((aj_str *)str)->length = (int64_t)as_utf8_length(str->data, str->size);
    return str->length;
}

bool aj_str_ascii(const aj_str *str)
{
    return (size_t)aj_str_length(str) == str->size;
}

size_t aj_str_offset(const aj_str *str, int64_t index)
{
    if (index >= aj_str_length(str)) return str->size;
    if (aj_str_ascii(str)) return (size_t)index;
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

uint64_t aj_str_hash(const aj_str *str)
{
    if (!str->hash) ((aj_str *)str)->hash = hash_bytes(str->data, str->size);
    return str->hash;
}

void aj_str_settle(aj_str *str)
{
    (void)aj_str_length(str);
    (void)aj_str_hash(str);
}

/* --- lists --- */

bool aj_list_new(aj_vm *vm, int64_t room, aj_list **out)
{
    aj_list *list = AJ_NEW(vm, aj_list);
    if (!list) return false;
    if (room > 0) {
        AJ_TRY(aj_step(vm, (uint64_t)room / 16));
        list->items = aj_alloc(vm, (size_t)room * sizeof *list->items);
        if (!list->items) return false;
        list->room = room;
    }
    *out = list;
    return true;
}

bool aj_list_add(aj_vm *vm, aj_list *list, aj_value item)
{
    if (list->count == list->room) {
        int64_t room = list->room ? list->room * 2 : 4;
        aj_value *items = aj_alloc(vm, (size_t)room * sizeof *items);
        if (!items) return false;
        if (list->count) memcpy(items, list->items, (size_t)list->count * sizeof *items);
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = item;
    return true;
}

bool aj_tuple2(aj_vm *vm, aj_value a, aj_value b, aj_value *out)
{
    aj_list *pair;
    AJ_TRY(aj_list_new(vm, 2, &pair));
    pair->items[0] = a;
    pair->items[1] = b;
    pair->count = 2;
    *out = aj_tuple_value(pair);
    return true;
}

/* --- dicts --- */

enum { SMALL_DICT = 8 };

bool aj_dict_new(aj_vm *vm, aj_dict **out)
{
    *out = AJ_NEW(vm, aj_dict);
    return *out != NULL;
}

static bool reindex(aj_vm *vm, aj_dict *dict, uint64_t size)
{
    uint32_t *index = AJ_NEW_ARRAY(vm, uint32_t, size);
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

static bool grow_dict(aj_vm *vm, aj_dict *dict)
{
    int64_t room = dict->room ? dict->room * 2 : 4;
    if (room > INT32_MAX) return aj_fail(vm, AJ_X_LIMIT, "a dict is too large");
    aj_entry *entries = aj_alloc(vm, (size_t)room * sizeof *entries);
    if (!entries) return false;
    if (dict->count) memcpy(entries, dict->entries, (size_t)dict->count * sizeof *entries);
    dict->entries = entries;
    dict->room = room;
    return room <= SMALL_DICT || reindex(vm, dict, (uint64_t)room * 2);
}

/* Number of the entry with this key, -1 if absent, -2 on error. */
static int64_t find_entry(aj_vm *vm, const aj_dict *dict, uint64_t hash, aj_value key)
{
    bool same = false;
    if (!dict->index) {
        for (int64_t i = 0; i < dict->count; i++) {
            if (dict->entries[i].hash != hash) continue;
            if (!aj_equal(vm, dict->entries[i].key, key, &same)) return -2;
            if (same) return i;
        }
        return -1;
    }
    for (uint64_t at = hash & dict->mask; dict->index[at]; at = (at + 1) & dict->mask) {
        int64_t i = dict->index[at] - 1;
        if (dict->entries[i].hash != hash) continue;
        if (!aj_equal(vm, dict->entries[i].key, key, &same)) return -2;
        if (same) return i;
    }
    return -1;
}

bool aj_dict_set(aj_vm *vm, aj_dict *dict, aj_value key, aj_value value)
{
    uint64_t hash;
    AJ_TRY(aj_step(vm, 1));
    AJ_TRY(aj_hash(vm, key, &hash));
    int64_t i = find_entry(vm, dict, hash, key);
    if (i == -2) return false;
    if (i >= 0) {
        dict->entries[i].value = value;
        return true;
    }
    if (dict->count == dict->room) AJ_TRY(grow_dict(vm, dict));
    dict->entries[dict->count++] = (aj_entry){.hash = hash, .key = key, .value = value};
    if (dict->index) {
        uint64_t at = hash & dict->mask;
        while (dict->index[at]) at = (at + 1) & dict->mask;
        dict->index[at] = (uint32_t)dict->count;
    }
    return true;
}

bool aj_dict_set_text(aj_vm *vm, aj_dict *dict, const char *key, aj_value value)
{
    aj_value name;
    AJ_TRY(aj_str_literal(vm, key, &name));
    return aj_dict_set(vm, dict, name, value);
}

bool aj_dict_find(aj_vm *vm, const aj_dict *dict, aj_value key, aj_value **found)
{
    uint64_t hash;
    *found = NULL;
    AJ_TRY(aj_hash(vm, key, &hash));
    int64_t i = find_entry(vm, dict, hash, key);
    if (i == -2) return false;
    if (i >= 0) *found = &dict->entries[i].value;
    return true;
}

static bool entry_is(const aj_entry *entry, uint64_t hash, const aj_str *key)
{
    return entry->hash == hash && entry->key.kind == AJ_STR && entry->key.str->size == key->size &&
           memcmp(entry->key.str->data, key->data, key->size) == 0;
}

aj_value *aj_dict_find_str(const aj_dict *dict, const aj_str *key)
{
    uint64_t hash = aj_str_hash(key);
    if (!dict->index) {
        for (int64_t i = 0; i < dict->count; i++) {
            if (entry_is(&dict->entries[i], hash, key)) return &dict->entries[i].value;
        }
        return NULL;
    }
    for (uint64_t at = hash & dict->mask; dict->index[at]; at = (at + 1) & dict->mask) {
        aj_entry *entry = &dict->entries[dict->index[at] - 1];
        if (entry_is(entry, hash, key)) return &entry->value;
    }
    return NULL;
}

aj_value *aj_dict_find_text(const aj_dict *dict, const char *key)
{
    aj_str str = {.data = key, .size = strlen(key), .length = -1};
    return aj_dict_find_str(dict, &str);
}

/* --- undefined --- */

static bool undefined(aj_vm *vm, aj_undef what, aj_value *out)
{
    aj_undef *undef = AJ_NEW(vm, aj_undef);
    if (!undef) return false;
    *undef = what;
    *out = (aj_value){.kind = AJ_UNDEFINED, .undef = undef};
    return true;
}

bool aj_undefined_name(aj_vm *vm, aj_str *name, aj_value *out)
{
    return undefined(vm, (aj_undef){.name = aj_string(name)}, out);
}

bool aj_undefined_item(aj_vm *vm, aj_value owner, aj_value name, aj_value *out)
{
    return undefined(vm, (aj_undef){.name = name, .owner = owner}, out);
}

bool aj_undefined_hint(aj_vm *vm, const char *hint, aj_value *out)
{
    return undefined(vm, (aj_undef){.hint = hint}, out);
}

bool aj_undefined_unsafe(aj_vm *vm, aj_value owner, const aj_str *name, aj_value *out)
{
    return undefined(vm, (aj_undef){.name = aj_string((aj_str *)name), .owner = owner, .unsafe = true}, out);
}

bool aj_fail_undefined(aj_vm *vm, aj_value v)
{
    const aj_undef *u = v.undef;
    const aj_str *name = u->name.kind == AJ_STR ? u->name.str : NULL;
    int size = name ? (int)(name->size < 200 ? name->size : 200) : 0;
    if (u->unsafe) {
        return aj_fail(vm, AJ_X_OTHER, "access to attribute '%.*s' of '%s' object is unsafe", size,
                       name->data, aj_type_name(u->owner));
    }
    if (u->hint) return aj_fail(vm, AJ_X_UNDEFINED, "%s", u->hint);
    if (!aj_given(u->owner)) {
        return aj_fail(vm, AJ_X_UNDEFINED, "'%.*s' is undefined", size, name ? name->data : "");
    }
    const char *type = u->owner.kind == AJ_NONE ? "None" : aj_type_name(u->owner);
    const char *object = u->owner.kind == AJ_NONE ? "" : " object";
    if (name) {
        return aj_fail(vm, AJ_X_UNDEFINED, "'%s%s' has no attribute '%.*s'", type, object, size, name->data);
    }
    size_t mark = aj_mark(vm);
    AJ_TRY(aj_put_repr(vm, u->name));
    aj_value text;
    AJ_TRY(aj_str_cut(vm, mark, &text));
    size = (int)(text.str->size < 200 ? text.str->size : 200);
    return aj_fail(vm, AJ_X_UNDEFINED, "%s%s has no element %.*s", type, object, size, text.str->data);
}

/* --- from JSON --- */

static bool from_json_object(aj_vm *vm, const json_t *json, aj_value *out)
{
    aj_dict *dict;
    AJ_TRY(aj_dict_new(vm, &dict));
    const char *key;
    json_t *item;
    json_object_foreach((json_t *)json, key, item)
    {
        aj_value name, value;
        AJ_TRY(aj_str_literal(vm, key, &name));
        AJ_TRY(aj_from_json(vm, item, &value));
        AJ_TRY(aj_dict_set(vm, dict, name, value));
    }
    *out = aj_dict_value(dict);
    return true;
}

static bool from_json_array(aj_vm *vm, const json_t *json, aj_value *out)
{
    aj_list *list;
    AJ_TRY(aj_list_new(vm, (int64_t)json_array_size(json), &list));
    size_t i;
    json_t *item;
    json_array_foreach(json, i, item)
    {
        AJ_TRY(aj_from_json(vm, item, &list->items[i]));
        list->count++;
    }
    *out = aj_list_value(list);
    return true;
}

static bool from_json_leaf(aj_vm *vm, const json_t *json, aj_value *out)
{
    switch (json_typeof(json)) {
    case JSON_STRING: return aj_str_ref(vm, json_string_value(json), json_string_length(json), out);
    case JSON_INTEGER: *out = aj_int(json_integer_value(json)); break;
    case JSON_REAL: *out = aj_float(json_real_value(json)); break;
    case JSON_TRUE: *out = aj_bool(true); break;
    case JSON_FALSE: *out = aj_bool(false); break;
    default: *out = aj_none(); break;
    }
    return true;
}

bool aj_from_json(aj_vm *vm, const json_t *json, aj_value *out)
{
    if (!json_is_object(json) && !json_is_array(json)) return from_json_leaf(vm, json, out);
    AJ_TRY(aj_enter(vm));
    bool ok = json_is_object(json) ? from_json_object(vm, json, out) : from_json_array(vm, json, out);
    aj_leave(vm);
    return ok;
}
