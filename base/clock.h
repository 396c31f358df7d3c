/* Time: a monotonic clock for measuring, wall time for records. */
#ifndef AS_BASE_CLOCK_H
#define AS_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t as_clock_ns(void);                /* monotonic nanoseconds */
double as_clock_seconds(void);            /* the same in seconds */
void as_clock_sleep_until(int64_t at_ns); /* on the monotonic clock; returns at once if it has passed */
void as_clock_utc(char room[static 32]);  /* now as 2026-01-02T03:04:05Z */
void as_clock_duration(double seconds,
                       char room[static 32]); /* for people: "850 ms", "12.3 s", "4 min 10 s" */

#endif
