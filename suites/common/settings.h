/* What a profile says about one suite: profile[section][key], and gates with their reasons under
 * profile[section]["gates"][name] = {"value": 0.02, "reason": "..."}.
 *
 * A missing section, key or gate leaves the caller's default; a value of the wrong type is AS_E_INPUT with
 * its place. Strings are borrowed from the profile. profile may be NULL. */
#ifndef AS_SUITES_COMMON_SETTINGS_H
#define AS_SUITES_COMMON_SETTINGS_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

typedef struct as_gate {
    double value; /* NAN: there is none, the number is only reported */
    const char *reason;
} as_gate;

AS_MUST_USE as_code as_setting_number(const json_t *profile, const char *section, const char *key,
                                      double *inout, as_error *err);
AS_MUST_USE as_code as_setting_int(const json_t *profile, const char *section, const char *key,
                                   int64_t *inout, as_error *err);
AS_MUST_USE as_code as_setting_string(const json_t *profile, const char *section, const char *key,
                                      const char **inout, as_error *err);
/* A gate whose value is null switches the gate off. */
AS_MUST_USE as_code as_setting_gate(const json_t *profile, const char *section, const char *name,
                                    as_gate *inout, as_error *err);

/* Lists: at most `room` values are taken, *count says how many; AS_E_LIMIT when there are more. */
AS_MUST_USE as_code as_setting_ints(const json_t *profile, const char *section, const char *key,
                                    int64_t *inout, int64_t room, int64_t *count, as_error *err);
AS_MUST_USE as_code as_setting_strings(const json_t *profile, const char *section, const char *key,
                                       const char **inout, int64_t room, int64_t *count, as_error *err);

/* The profile's id ("featherless"), "profile" where it has none. */
const char *as_profile_id(const json_t *profile);

#endif
