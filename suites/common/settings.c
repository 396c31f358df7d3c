/* Profile look-ups; see settings.h. */
#include "suites/common/settings.h"

#include <math.h>

#include "base/json.h"

/* profile[section], NULL when absent. */
static as_code find_section(const json_t *profile, const char *section, json_t **out, as_error *err)
{
    *out = NULL;
    if (!profile) return AS_OK;
    if (as_json_get_object(profile, section, out, err) != AS_OK) return as_wrap(err, "profile");
    return AS_OK;
}

#define IN_SECTION(call)                                                                                     \
    do {                                                                                                     \
        json_t *object;                                                                                      \
        AS_TRY(find_section(profile, section, &object, err));                                                \
        if (!object) return AS_OK;                                                                           \
        if ((call) != AS_OK) return as_wrap(err, "profile: %s", section);                                    \
        return AS_OK;                                                                                        \
    } while (0)

as_code as_setting_number(const json_t *profile, const char *section, const char *key, double *inout,
                          as_error *err)
{
    IN_SECTION(as_json_get_number(object, key, inout, err));
}

as_code as_setting_int(const json_t *profile, const char *section, const char *key, int64_t *inout,
                       as_error *err)
{
    IN_SECTION(as_json_get_int(object, key, inout, err));
}

as_code as_setting_string(const json_t *profile, const char *section, const char *key, const char **inout,
                          as_error *err)
{
    IN_SECTION(as_json_get_string(object, key, inout, err));
}

static as_code read_gate(const json_t *object, const char *name, as_gate *inout, as_error *err)
{
    json_t *gates = NULL, *gate = NULL;
    AS_TRY(as_json_get_object(object, "gates", &gates, err));
    if (!gates) return AS_OK;
    if (as_json_get_object(gates, name, &gate, err) != AS_OK) return as_wrap(err, "gates");
    if (!gate) return AS_OK;
    as_gate read = {NAN, inout->reason};
    as_code rc = as_json_get_number(gate, "value", &read.value, err);
    if (rc == AS_OK) rc = as_json_get_string(gate, "reason", &read.reason, err);
    if (rc != AS_OK) return as_wrap(err, "gates: %s", name);
    *inout = read;
    return AS_OK;
}

as_code as_setting_gate(const json_t *profile, const char *section, const char *name, as_gate *inout,
                        as_error *err)
{
    IN_SECTION(read_gate(object, name, inout, err));
}

static as_code find_list(const json_t *profile, const char *section, const char *key, int64_t room,
                         json_t **out, as_error *err)
{
    json_t *object;
    *out = NULL;
    AS_TRY(find_section(profile, section, &object, err));
    if (!object) return AS_OK;
    if (as_json_get_array(object, key, out, err) != AS_OK) return as_wrap(err, "profile: %s", section);
    if (*out && (int64_t)json_array_size(*out) > room) {
        return as_fail(err, AS_E_LIMIT, "profile: %s: %s: %zu values, at most %lld are taken", section, key,
                       json_array_size(*out), (long long)room);
    }
    return AS_OK;
}

as_code as_setting_ints(const json_t *profile, const char *section, const char *key, int64_t *inout,
                        int64_t room, int64_t *count, as_error *err)
{
    json_t *list;
    AS_TRY(find_list(profile, section, key, room, &list, err));
    if (!list) return AS_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_integer(item)) {
            char found[64];
            return as_fail(err, AS_E_INPUT, "profile: %s: %s[%zu] is %s, expected an integer", section, key,
                           i, as_json_describe(item, found));
        }
        inout[i] = json_integer_value(item);
    }
    *count = (int64_t)json_array_size(list);
    return AS_OK;
}

as_code as_setting_strings(const json_t *profile, const char *section, const char *key, const char **inout,
                           int64_t room, int64_t *count, as_error *err)
{
    json_t *list;
    AS_TRY(find_list(profile, section, key, room, &list, err));
    if (!list) return AS_OK;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (!json_is_string(item)) {
            char found[64];
            return as_fail(err, AS_E_INPUT, "profile: %s: %s[%zu] is %s, expected a string", section, key, i,
                           as_json_describe(item, found));
        }
        inout[i] = json_string_value(item);
    }
    *count = (int64_t)json_array_size(list);
    return AS_OK;
}

const char *as_profile_id(const json_t *profile)
{
    const char *id = profile ? json_string_value(json_object_get(profile, "id")) : NULL;
    if (!id && profile) id = json_string_value(json_object_get(profile, "name"));
    return id ? id : "profile";
}
