/* Time; see clock.h. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

int64_t as_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

double as_clock_seconds(void)
{
    return (double)as_clock_ns() * 1e-9;
}

void as_clock_sleep_until(int64_t at_ns)
{
    if (at_ns <= as_clock_ns()) return;
    struct timespec at = {.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

void as_clock_utc(char room[static 32])
{
    time_t now = time(NULL);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(room, 32, "%Y-%m-%dT%H:%M:%SZ", &parts);
}

void as_clock_duration(double seconds, char room[static 32])
{
    if (seconds < 1) {
        snprintf(room, 32, "%.0f ms", seconds * 1e3);
    } else if (seconds < 60) {
        snprintf(room, 32, "%.1f s", seconds);
    } else if (seconds < 3600) {
        snprintf(room, 32, "%d min %02d s", (int)seconds / 60, (int)seconds % 60);
    } else {
        snprintf(room, 32, "%d h %02d min", (int)(seconds / 3600), (int)(seconds / 60) % 60);
    }
}
