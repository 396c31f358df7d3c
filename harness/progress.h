/* Progress on stderr: a bar on a terminal, a line now and then elsewhere, nothing with --quiet. */
#ifndef AS_HARNESS_PROGRESS_H
#define AS_HARNESS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct as_progress {
    const char *what; /* "drift" */
    bool terminal, shown;
    double next; /* seconds on the monotonic clock, as all times here */
    /* the phase, told by its phrase: when it began, and what was done by then */
    char phase[64];
    double phase_started;
    int64_t phase_done;
} as_progress;

void as_progress_begin(as_progress *progress, const char *what);
/* Cheap enough for every token; draws a few times a second at most. total 0: unknown. */
void as_progress_update(as_progress *progress, int64_t done, int64_t total, const char *phrase);
void as_progress_end(as_progress *progress); /* clears the bar */

#endif
