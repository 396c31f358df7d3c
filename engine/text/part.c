/* Reading parts; see part.h. */
#include "engine/text/part.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"

as_code as_part_each(const json_t *value, const char *list, as_part_add *add, void *context, as_error *err)
{
    if (!value || json_is_null(value)) return AS_OK;
    if (!json_is_object(value)) {
        char room[64];
        return as_fail(err, AS_E_INPUT, "%s is not an object", as_json_describe(value, room));
    }
    const char *type = NULL;
    AS_TRY(as_json_get_string(value, "type", &type, err));
    bool sequence = type ? strcmp(type, "Sequence") == 0 : json_is_array(json_object_get(value, list));
    if (!sequence) return add(context, value, type, err);
    const json_t *items = json_object_get(value, list);
    if (!json_is_array(items)) return as_fail(err, AS_E_INPUT, "a Sequence without the list \"%s\"", list);
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        if (!json_is_object(item)) return as_fail(err, AS_E_INPUT, "\"%s\"[%zu] is not an object", list, i);
        AS_TRY(as_part_each(item, list, add, context, err)); /* as deep as the JSON reader allows */
    }
    return AS_OK;
}

bool as_part_has_fields(const json_t *value, const char *fields)
{
    if (!fields) return false;
    while (*fields) {
        size_t size = strcspn(fields, " ");
        char name[64] = "";
        if (size >= sizeof name) return false;
        memcpy(name, fields, size);
        if (!json_object_get(value, name)) return false;
        fields += size + (fields[size] == ' ');
    }
    return true;
}

static as_code missing(const char *key, const char *expected, const json_t *found, as_error *err)
{
    char room[64];
    if (!found) return as_fail(err, AS_E_INPUT, "\"%s\" is missing", key);
    return as_fail(err, AS_E_INPUT, "\"%s\" is %s, expected %s", key, as_json_describe(found, room),
                   expected);
}

as_code as_part_text(const json_t *value, const char *key, char **out, size_t *size, as_error *err)
{
    const json_t *text = json_object_get(value, key);
    if (!json_is_string(text)) return missing(key, "a string", text, err);
    char *copy = as_strndup(json_string_value(text), json_string_length(text));
    if (!copy) return as_fail_memory(err, key);
    *out = copy;
    *size = json_string_length(text);
    return AS_OK;
}

as_code as_part_bool(const json_t *value, const char *key, bool *out, as_error *err)
{
    const json_t *field = json_object_get(value, key);
    if (!json_is_boolean(field)) return missing(key, "true or false", field, err);
    *out = json_is_true(field);
    return AS_OK;
}

as_code as_part_count(const json_t *value, const char *key, int64_t *out, as_error *err)
{
    const json_t *field = json_object_get(value, key);
    if (!json_is_integer(field) || json_integer_value(field) < 0) return missing(key, "a count", field, err);
    *out = json_integer_value(field);
    return AS_OK;
}

as_code as_part_char(const json_t *value, const char *key, uint32_t *out, as_error *err)
{
    const json_t *field = json_object_get(value, key);
    size_t size = json_string_length(field);
    uint32_t point;
    if (size == 0 || as_utf8_next(json_string_value(field), size, &point) != (int)size) {
        return missing(key, "one character", field, err);
    }
    *out = point;
    return AS_OK;
}

as_code as_part_unknown(const char *what, const char *type, as_error *err)
{
    if (!type) return as_fail(err, AS_E_INPUT, "a %s without \"type\"", what);
    return as_fail(err, AS_E_UNSUPPORTED, "the %s \"%.80s\" is not known", what, type);
}
