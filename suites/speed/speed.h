/* speed: latency and throughput under closed and open load, and how much of the machine they use. */
#ifndef AS_SUITES_SPEED_SPEED_H
#define AS_SUITES_SPEED_SPEED_H

#include "suites/speed/load.h"

extern const as_suite as_speed_suite;

/* The suite's run on a clock of the caller's choice. */
AS_MUST_USE as_code as_speed_run(as_suite_context *context, const as_clock_source *clock, as_error *err);

#endif
