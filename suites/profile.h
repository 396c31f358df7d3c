/* Profiles: which rules and limits a provider or a team holds a model to. Data files, documented in
 * docs/profiles.md; those in profiles/ are embedded in the program. */
#ifndef AS_SUITES_PROFILE_H
#define AS_SUITES_PROFILE_H

#include <jansson.h>

#include "base/error.h"

/* The profile used when none is named. */
extern const char as_profile_default[];

/* By the name of an embedded profile ("featherless"), or from a file (a name with a '/' or ending in
 * ".json"). The caller's reference; checked as below. AS_E_NOT_FOUND names the profiles there are. */
AS_MUST_USE as_code as_profile_load(const char *name, json_t **out, as_error *err);
/* Schema tag, types, ids that are unique and well formed. `name` stands in the message, with the place. */
AS_MUST_USE as_code as_profile_validate(const json_t *profile, const char *name, as_error *err);

/* The embedded profile at a position, NULL past the last. */
const char *as_profile_name_at(size_t i);

#endif
