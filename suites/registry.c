/* The suites, in the order they run. To add one: declare it and name it here. */
#include "suites/suite.h"

#include <string.h>

extern const as_suite as_rules_suite, as_context_suite, as_drift_suite, as_speed_suite;

const as_suite *const as_suites[] = {&as_rules_suite, &as_context_suite, &as_drift_suite, &as_speed_suite,
                                     NULL};

const as_suite *as_suite_find(const char *name)
{
    for (size_t i = 0; as_suites[i]; i++) {
        if (strcmp(as_suites[i]->name, name) == 0) return as_suites[i];
    }
    return NULL;
}
