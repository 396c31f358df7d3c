/* Reading a result that was written earlier, here or elsewhere: types are checked before anyone relies on
 * them, and the message names the place. See result.h. */
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "suites/result.h"

enum { MAX_RESULT = 256 << 20 };

static const char schema[] = "assay.results/1";

typedef enum { KIND_TEXT, KIND_OBJECT, KIND_ARRAY, KIND_VERDICT, KIND_ANY } kind;

typedef struct field {
    const char *name;
    kind kind;
    bool required;
} field;

static const field result_fields[] = {
    {"tool", KIND_OBJECT, false}, {"run", KIND_OBJECT, false},     {"model", KIND_OBJECT, false},
    {"suites", KIND_ARRAY, true}, {"verdict", KIND_VERDICT, true}, {NULL, KIND_ANY, false},
};
static const field suite_fields[] = {
    {"name", KIND_TEXT, true},     {"verdict", KIND_VERDICT, true}, {"checks", KIND_ARRAY, true},
    {"series", KIND_ARRAY, false}, {NULL, KIND_ANY, false},
};
static const field check_fields[] = {
    {"id", KIND_TEXT, true},    {"title", KIND_TEXT, true}, {"verdict", KIND_VERDICT, true},
    {"unit", KIND_TEXT, false}, {"why", KIND_TEXT, false},  {"evidence", KIND_OBJECT, false},
    {NULL, KIND_ANY, false},
};
static const field series_fields[] = {
    {"name", KIND_TEXT, true},     {"title", KIND_TEXT, false},   {"kind", KIND_TEXT, false},
    {"x", KIND_OBJECT, true},      {"y", KIND_OBJECT, true},      {"scale", KIND_OBJECT, false},
    {"points", KIND_ARRAY, false}, {"lines", KIND_OBJECT, false}, {"groups", KIND_ANY, false},
    {NULL, KIND_ANY, false},
};
static const field axis_fields[] = {
    {"label", KIND_TEXT, false}, {"unit", KIND_TEXT, false}, {NULL, KIND_ANY, false}};

static bool is_kind(const json_t *value, kind wanted)
{
    as_verdict verdict;
    switch (wanted) {
    case KIND_TEXT: return json_is_string(value);
    case KIND_OBJECT: return json_is_object(value);
    case KIND_ARRAY: return json_is_array(value);
    case KIND_VERDICT: return json_is_string(value) && as_verdict_parse(json_string_value(value), &verdict);
    case KIND_ANY: return true;
    }
    return false;
}

static as_code check_object(const json_t *object, const field *fields, as_error *err)
{
    static const char *const kinds[] = {"a text", "an object", "a list",
                                        "one of pass, skip, warn, inconclusive, fail and error", "anything"};
    char room[64];
    if (!json_is_object(object)) {
        return as_fail(err, AS_E_INPUT, "%s, expected an object", as_json_describe(object, room));
    }
    for (const field *f = fields; f->name; f++) {
        const json_t *value = json_object_get(object, f->name);
        if (!value || json_is_null(value)) {
            if (f->required) return as_fail(err, AS_E_INPUT, "\"%s\" is missing", f->name);
        } else if (!is_kind(value, f->kind)) {
            return as_fail(err, AS_E_INPUT, "\"%s\" is %s, expected %s", f->name,
                           as_json_describe(value, room), kinds[f->kind]);
        }
    }
    return AS_OK;
}

static as_code check_points(const json_t *points, as_error *err)
{
    size_t i;
    json_t *point;
    char room[64];
    json_array_foreach(points, i, point)
    {
        if (!json_is_array(point) || json_array_size(point) < 2) {
            return as_fail(err, AS_E_INPUT, "points[%zu] is %s, expected a list of at least 2", i,
                           as_json_describe(point, room));
        }
    }
    return AS_OK;
}

static as_code check_series(const json_t *series, as_error *err)
{
    AS_TRY(check_object(series, series_fields, err));
    static const char *const axes[] = {"x", "y"};
    for (size_t i = 0; i < 2; i++) {
        if (check_object(json_object_get(series, axes[i]), axis_fields, err) != AS_OK) {
            return as_wrap(err, "%s", axes[i]);
        }
    }
    AS_TRY(check_points(json_object_get(series, "points"), err));
    const char *name;
    json_t *line;
    json_object_foreach(json_object_get(series, "lines"), name, line)
    {
        if (!json_is_array(line)) return as_fail(err, AS_E_INPUT, "line \"%.80s\" is not a list", name);
        if (check_points(line, err) != AS_OK) return as_wrap(err, "line \"%.80s\"", name);
    }
    return AS_OK;
}

static as_code check_check(const json_t *check, as_error *err)
{
    return check_object(check, check_fields, err);
}

static as_code check_each(const json_t *object, const char *list,
                          as_code (*check)(const json_t *item, as_error *err), as_error *err)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(object, list), i, item)
    {
        if (check(item, err) != AS_OK) return as_wrap(err, "%s[%zu]", list, i);
    }
    return AS_OK;
}

static as_code check_suite(const json_t *suite, as_error *err)
{
    AS_TRY(check_object(suite, suite_fields, err));
    AS_TRY(check_each(suite, "checks", check_check, err));
    return check_each(suite, "series", check_series, err);
}

/* "assay.results/1", or a later "assay.results/1.N", which only adds fields. */
static as_code check_schema(const json_t *result, as_error *err)
{
    const char *found = json_string_value(json_object_get(result, "schema"));
    size_t n = sizeof schema - 1;
    if (found && strncmp(found, schema, n) == 0 && (found[n] == 0 || found[n] == '.')) return AS_OK;
    if (!found) {
        return as_fail(err, AS_E_INPUT, "\"schema\" is missing, expected \"%s\": not a result of assay",
                       schema);
    }
    return as_fail(err, AS_E_UNSUPPORTED, "\"schema\" is \"%.60s\", this assay reads \"%s\"", found, schema);
}

as_code as_result_validate(const json_t *result, const char *name, as_error *err)
{
    as_error own;
    if (!err) err = &own;
    as_code rc = AS_OK;
    if (!json_is_object(result)) {
        rc = as_fail(err, AS_E_INPUT, "not an object");
    } else if ((rc = check_schema(result, err)) == AS_OK &&
               (rc = check_object(result, result_fields, err)) == AS_OK) {
        rc = check_each(result, "suites", check_suite, err);
    }
    return rc == AS_OK ? AS_OK : as_wrap(err, "%s", name);
}

as_code as_result_read(const char *path, json_t **out, as_error *err)
{
    json_t *result = NULL;
    AS_TRY(as_json_read(path, AS_JSON_LENIENT, MAX_RESULT, &result, err));
    as_code rc = as_result_validate(result, as_path_base(path), err);
    if (rc != AS_OK) {
        json_decref(result);
        return rc;
    }
    *out = result;
    return AS_OK;
}
