/* context: the promised length, proved. */
#ifndef AS_SUITES_CONTEXT_CONTEXT_H
#define AS_SUITES_CONTEXT_CONTEXT_H

#include "suites/suite.h"

extern const as_suite as_context_suite;

#endif
