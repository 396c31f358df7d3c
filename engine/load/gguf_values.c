/* GGUF files: opening, and look-ups in the metadata; see gguf.h. */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/load/gguf.h"

static const char *const type_names[AS_GGUF_TYPE_COUNT] = {
#define TYPE_NAME(id, name, bytes) [id] = name,
    AS_GGUF_TYPES(TYPE_NAME)
#undef TYPE_NAME
};

/* ---- files ---- */

static const char suffix[] = ".gguf";

bool as_gguf_is_name(const char *path)
{
    size_t n = strlen(path), m = sizeof suffix - 1;
    return n > m && strcmp(path + n - m, suffix) == 0;
}

bool as_gguf_part_name(const char *path, as_gguf_part *out)
{
    static const char form[] = "-00001-of-00002.gguf";
    size_t n = strlen(path), m = sizeof form - 1;
    if (n <= m) return false;
    const char *tail = path + n - m;
    for (size_t i = 0; i < m; i++) {
        bool digit = isdigit((unsigned char)form[i]);
        if (digit ? !isdigit((unsigned char)tail[i]) : tail[i] != form[i]) return false;
    }
    *out = (as_gguf_part){.number = atoi(tail + 1), .count = atoi(tail + 10), .stem = n - m};
    return out->number >= 1 && out->number <= out->count;
}

as_code as_gguf_part_path(const char *path, int number, char room[static AS_PATH_MAX], as_error *err)
{
    as_gguf_part part = {0};
    bool named = as_gguf_part_name(path, &part);
    int size = named ? snprintf(room, AS_PATH_MAX, "%.*s-%05d-of-%05d.gguf", (int)part.stem, path, number,
                                part.count)
                     : snprintf(room, AS_PATH_MAX, "%s", path);
    return size < AS_PATH_MAX ? AS_OK : as_fail(err, AS_E_LIMIT, "%s: the path is too long", path);
}

bool as_gguf_is_later_part(const char *name, char *const *names, size_t count)
{
    char first[AS_PATH_MAX];
    as_gguf_part part;
    if (!as_gguf_part_name(name, &part) || part.number == 1) return false;
    if (as_gguf_part_path(name, 1, first, NULL) != AS_OK) return false;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], first) == 0) return true;
    }
    return false;
}

as_code as_gguf_find_file(const char *dir, char room[static AS_PATH_MAX], as_error *err)
{
    char **names, path[AS_PATH_MAX];
    size_t count;
    int found = 0;
    AS_TRY(as_dir_list(dir, &names, &count, err));
    for (size_t i = 0; i < count; i++) {
        if (!as_gguf_is_name(names[i]) || as_path_join(path, dir, names[i], NULL) != AS_OK) continue;
        if (!as_file_exists(path) || as_gguf_is_later_part(names[i], names, count) || found++) continue;
        memcpy(room, path, strlen(path) + 1);
    }
    as_names_free(names, count);
    if (found == 0) return as_fail(err, AS_E_NOT_FOUND, "%s: no .gguf file", dir);
    if (found == 1) return AS_OK;
    return as_fail(err, AS_E_INPUT, "%s: %d .gguf files; name the one that is meant", dir, found);
}

as_code as_gguf_open(const char *path, as_gguf_file *out, as_error *err)
{
    as_gguf_file file;
    AS_TRY(as_map_open(path, &file.map, err));
    as_code rc = as_gguf_parse(file.map.data, file.map.size, file.map.size, &file.gguf, err);
    if (rc != AS_OK) {
        as_map_close(&file.map);
        return as_wrap(err, "%s", as_path_base(path));
    }
    as_gguf_place(&file.gguf, file.map.data);
    *out = file;
    return AS_OK;
}

void as_gguf_place(as_gguf *gguf, const unsigned char *data)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) gguf->tensors[i].at = data + gguf->tensors[i].offset;
}

void as_gguf_close(as_gguf_file *file)
{
    as_gguf_free(&file->gguf);
    as_map_close(&file->map);
}

/* ---- numbers ---- */

#define NUMBER(id, type)                                                                                     \
    case id: {                                                                                               \
        type v;                                                                                              \
        memcpy(&v, value->at + i * sizeof v, sizeof v);                                                      \
        return (double)v;                                                                                    \
    }

double as_gguf_number(const as_gguf_value *value, uint64_t i)
{
    switch (value->type == AS_GGUF_ARRAY ? value->item : value->type) {
        NUMBER(AS_GGUF_U8, uint8_t)
        NUMBER(AS_GGUF_I8, int8_t)
        NUMBER(AS_GGUF_U16, uint16_t)
        NUMBER(AS_GGUF_I16, int16_t)
        NUMBER(AS_GGUF_U32, uint32_t)
        NUMBER(AS_GGUF_I32, int32_t)
        NUMBER(AS_GGUF_F32, float)
        NUMBER(AS_GGUF_BOOL, uint8_t)
        NUMBER(AS_GGUF_U64, uint64_t)
        NUMBER(AS_GGUF_I64, int64_t)
        NUMBER(AS_GGUF_F64, double)
    default: break;
    }
    AS_BUG(true);
    return 0;
}

bool as_gguf_integer(const as_gguf_value *value, uint64_t i, int64_t *out)
{
    as_gguf_type type = value->type == AS_GGUF_ARRAY ? value->item : value->type;
    if (type == AS_GGUF_U64 || type == AS_GGUF_I64) { /* a double would round them */
        int64_t v;
        memcpy(&v, value->at + i * sizeof v, sizeof v);
        if (type == AS_GGUF_U64 && v < 0) return false;
        *out = v;
        return true;
    }
    double v = as_gguf_number(value, i);
    if (!(fabs(v) < 4e18) || (double)(int64_t)v != v) return false; /* a NaN is not below */
    *out = (int64_t)v;
    return true;
}

/* ---- look-ups ---- */

const as_gguf_value *as_gguf_find(const as_gguf *gguf, const char *key)
{
    int64_t low = 0, high = gguf->pair_count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = strcmp(key, gguf->pairs[middle].key);
        if (order == 0) return &gguf->pairs[middle].value;
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

static bool is_number(as_gguf_type type)
{
    return type != AS_GGUF_STRING && type != AS_GGUF_ARRAY && type != AS_GGUF_BOOL;
}

static as_code wrong(const char *key, const as_gguf_value *value, const char *expected, as_error *err)
{
    bool array = value->type == AS_GGUF_ARRAY;
    return as_fail(err, AS_E_INPUT, "\"%s\" is %s%s, expected %s", key, array ? "an array of " : "",
                   type_names[array ? value->item : value->type], expected);
}

as_code as_gguf_get_int(const as_gguf *gguf, const char *key, int64_t *out, as_error *err)
{
    const as_gguf_value *value = as_gguf_find(gguf, key);
    if (!value) return AS_OK;
    if (!is_number(value->type)) return wrong(key, value, "an integer", err);
    if (as_gguf_integer(value, 0, out)) return AS_OK;
    return as_fail(err, AS_E_INPUT, "\"%s\" is %.17g, expected an integer of 63 bits", key,
                   as_gguf_number(value, 0));
}

as_code as_gguf_get_bool(const as_gguf *gguf, const char *key, bool *out, as_error *err)
{
    const as_gguf_value *value = as_gguf_find(gguf, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_BOOL) return wrong(key, value, "a bool", err);
    *out = *value->at != 0;
    return AS_OK;
}

as_code as_gguf_get_string(const as_gguf *gguf, const char *key, const char **text, size_t *size,
                           as_error *err)
{
    const as_gguf_value *value = as_gguf_find(gguf, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_STRING) return wrong(key, value, "a string", err);
    *text = (const char *)value->at;
    *size = value->count;
    return AS_OK;
}

as_code as_gguf_get_strings(const as_gguf *gguf, const char *key, const as_gguf_value **out, as_error *err)
{
    const as_gguf_value *value = as_gguf_find(gguf, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_ARRAY || value->item != AS_GGUF_STRING) {
        return wrong(key, value, "an array of strings", err);
    }
    *out = value;
    return AS_OK;
}

as_code as_gguf_get_numbers(const as_gguf *gguf, const char *key, const as_gguf_value **out, as_error *err)
{
    const as_gguf_value *value = as_gguf_find(gguf, key);
    if (!value) return AS_OK;
    if (value->type != AS_GGUF_ARRAY || !is_number(value->item)) {
        return wrong(key, value, "an array of numbers", err);
    }
    *out = value;
    return AS_OK;
}

void as_gguf_first(as_gguf_cursor *cursor, const as_gguf_value *array)
{
    *cursor = (as_gguf_cursor){.array = array, .at = array->at};
}

bool as_gguf_next(as_gguf_cursor *cursor, const char **text, size_t *size)
{
    if (cursor->done == cursor->array->count) return false;
    uint64_t length; /* parsing checked that all of it is there */
    memcpy(&length, cursor->at, sizeof length);
    *text = (const char *)cursor->at + sizeof length;
    *size = length;
    cursor->at += sizeof length + length;
    cursor->done++;
    return true;
}
