/* A profile. */
#include <stdint.h>

#include "base/json.h"
#include "suites/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *profile = NULL;
    as_error err;
    if (as_json_parse((const char *)data, size, AS_JSON_NO_DUPLICATES, "fuzz", &profile, &err) == AS_OK) {
        (void)!as_profile_validate(profile, "fuzz", &err);
    }
    json_decref(profile);
    return 0;
}
