/* What every suite asks of its context; see suite.h. */
#include "suites/suite.h"

#include <string.h>

#include "base/clock.h"

bool as_suite_over_budget(const as_suite_context *context, double seconds)
{
    if (context->budget_s <= 0) return false;
    return as_clock_seconds() + seconds > context->started_s + context->budget_s;
}

const json_t *as_suite_check(const as_suite_context *context, const char *id)
{
    size_t i;
    json_t *check;
    json_array_foreach(json_object_get(context->suite, "checks"), i, check)
    {
        const char *found = json_string_value(json_object_get(check, "id"));
        if (found && strcmp(found, id) == 0) return check;
    }
    return NULL;
}

bool as_suite_done(const as_suite_context *context, const char *id)
{
    return context->resume && as_suite_check(context, id);
}
