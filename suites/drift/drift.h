/* drift: what another precision changes, on the same tokens. */
#ifndef AS_SUITES_DRIFT_DRIFT_H
#define AS_SUITES_DRIFT_DRIFT_H

#include "suites/suite.h"

extern const as_suite as_drift_suite;

#endif
