/* JUnit XML for CI: a testsuite for each suite, a testcase for each check. */
#ifndef AS_REPORTS_JUNIT_H
#define AS_REPORTS_JUNIT_H

#include <jansson.h>

#include "base/error.h"
#include "reports/report.h"

/* What templates/junit.xml renders. fail is a failure, error an error, skip skipped, warn a pass with a text;
 * inconclusive is a failure, or skipped where it is let pass. A new reference. */
AS_MUST_USE as_code as_junit_view(const json_t *result, as_inconclusive inconclusive, json_t **out,
                                  as_error *err);

#endif
