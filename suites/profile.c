/* Profiles; see profile.h. */
#include "suites/profile.h"

#include <stdio.h>
#include <string.h>

#include "base/embed.h"
#include "base/file.h"
#include "base/json.h"

enum { MAX_PROFILE = 4 << 20, MAX_RULES = 1000 };

extern const as_embedded as_profile_files[];

const char as_profile_default[] = "reference";

static const char schema[] = "assay.profile/1", folder[] = "profiles/", suffix[] = ".json";

/* Which suites there are to answer a rule; a section of the same name holds a suite's settings. */
static const char *const suites[] = {"rules", "context", "drift", "speed"};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

const char *as_profile_name_at(size_t i)
{
    static _Thread_local char name[64];
    size_t seen = 0;
    while (seen < i && as_profile_files[seen].name) seen++;
    const char *file = as_profile_files[seen].name;
    if (!file) return NULL;
    size_t size = strlen(file) - strlen(folder) - strlen(suffix);
    snprintf(name, sizeof name, "%.*s", (int)size, file + strlen(folder));
    return name;
}

static bool is_id(const char *text)
{
    size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return n > 0 && n < 64 && text[n] == 0;
}

static as_code need_text(const json_t *object, const char *key, as_error *err)
{
    const char *text = NULL;
    AS_TRY(as_json_get_string(object, key, &text, err));
    return text && *text ? AS_OK : as_fail(err, AS_E_INPUT, "\"%s\" is missing", key);
}

static as_code need_id(const json_t *object, const char *key, as_error *err)
{
    AS_TRY(need_text(object, key, err));
    const char *text = json_string_value(json_object_get(object, key));
    if (is_id(text)) return AS_OK;
    return as_fail(err, AS_E_INPUT, "\"%s\" is \"%.60s\", expected small letters, digits and '-'", key, text);
}

static as_code check_suite(const json_t *rule, as_error *err)
{
    AS_TRY(need_text(rule, "suite", err));
    const char *suite = json_string_value(json_object_get(rule, "suite"));
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++) {
        if (strcmp(suite, suites[i]) == 0) return AS_OK;
    }
    return as_fail(err, AS_E_INPUT, "\"suite\" is \"%.60s\", expected rules, context, drift or speed", suite);
}

static as_code check_rule(const json_t *rule, as_error *err)
{
    char room[64];
    json_t *parameters;
    const char *unused;
    if (!json_is_object(rule)) {
        return as_fail(err, AS_E_INPUT, "%s, expected an object", as_json_describe(rule, room));
    }
    AS_TRY(need_id(rule, "id", err));
    AS_TRY(need_text(rule, "title", err));
    AS_TRY(check_suite(rule, err));
    if (as_json_has(rule, "check")) AS_TRY(need_id(rule, "check", err));
    AS_TRY(as_json_get_object(rule, "parameters", &parameters, err));
    AS_TRY(as_json_get_string(rule, "source", &unused, err));
    return as_json_get_string(rule, "reason", &unused, err);
}

static as_code check_rules(const json_t *rules, as_error *err)
{
    size_t i, k;
    json_t *rule;
    if (json_array_size(rules) > MAX_RULES) {
        return as_fail(err, AS_E_LIMIT, "%zu rules, at most %d are read", json_array_size(rules), MAX_RULES);
    }
    json_array_foreach(rules, i, rule)
    {
        if (check_rule(rule, err) != AS_OK) return as_wrap(err, "rules[%zu]", i);
        const char *id = json_string_value(json_object_get(rule, "id"));
        for (k = 0; k < i; k++) {
            const json_t *earlier = json_array_get(rules, k);
            if (strcmp(id, json_string_value(json_object_get(earlier, "id"))) == 0) {
                return as_fail(err, AS_E_INPUT, "rules[%zu]: the id \"%s\" stands twice", i, id);
            }
        }
    }
    return AS_OK;
}

static as_code check_profile(const json_t *profile, as_error *err)
{
    if (!json_is_object(profile)) return as_fail(err, AS_E_INPUT, "not an object");
    AS_TRY(need_text(profile, "schema", err));
    const char *found = json_string_value(json_object_get(profile, "schema"));
    if (strcmp(found, schema) != 0) {
        return as_fail(err, AS_E_UNSUPPORTED, "\"schema\" is \"%.60s\", expected \"%s\"", found, schema);
    }
    AS_TRY(need_id(profile, "id", err));
    AS_TRY(need_text(profile, "title", err));
    json_t *rules = NULL, *section;
    AS_TRY(as_json_get_array(profile, "rules", &rules, err));
    if (!rules) return as_fail(err, AS_E_INPUT, "\"rules\" is missing");
    for (size_t i = 1; i < sizeof suites / sizeof suites[0]; i++) { /* the first has its rules only */
        AS_TRY(as_json_get_object(profile, suites[i], &section, err));
    }
    return check_rules(rules, err);
}

as_code as_profile_validate(const json_t *profile, const char *name, as_error *err)
{
    as_error own;
    if (!err) err = &own;
    return check_profile(profile, err) == AS_OK ? AS_OK : as_wrap(err, "%s", name);
}

static as_code fail_unknown(const char *name, as_error *err)
{
    char known[256] = "";
    for (size_t i = 0; as_profile_files[i].name; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", as_profile_name_at(i));
    }
    return as_fail(err, AS_E_NOT_FOUND, "there is no profile \"%.100s\"; there are %s, or give a .json file",
                   name, known);
}

as_code as_profile_load(const char *name, json_t **out, as_error *err)
{
    json_t *profile = NULL;
    if (strchr(name, '/') || ends_with(name, suffix)) {
        AS_TRY(as_json_read(name, AS_JSON_NO_DUPLICATES, MAX_PROFILE, &profile, err));
    } else {
        char file[128];
        int size = snprintf(file, sizeof file, "%s%s%s", folder, name, suffix);
        const as_embedded *found = size < (int)sizeof file ? as_embedded_find(as_profile_files, file) : NULL;
        if (!found) return fail_unknown(name, err);
        AS_TRY(as_json_parse((const char *)found->data, found->size, AS_JSON_NO_DUPLICATES, file, &profile,
                             err));
    }
    as_code rc = as_profile_validate(profile, as_path_base(name), err);
    if (rc != AS_OK) {
        json_decref(profile);
        return rc;
    }
    *out = profile;
    return AS_OK;
}
