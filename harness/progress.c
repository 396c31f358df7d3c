/* Progress; see progress.h. */
#include "harness/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness/common.h"

enum { BAR = 24 };
static const double redraw_s = 0.1, line_s = 15;

void as_progress_begin(as_progress *p, const char *what)
{
    const char *kind = getenv("TERM");
    *p = (as_progress){.what = what,
                       .terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0,
                       .started = as_clock_seconds()};
    p->next = p->started + (p->terminal ? 0 : line_s);
}

/* "about 2 min left" from the share done so far, or nothing while that is a guess. */
static void describe_rest(const as_progress *p, int64_t done, int64_t total, char room[static 64])
{
    char duration[32];
    double spent = as_clock_seconds() - p->started;
    room[0] = 0;
    if (total <= 0 || done <= 0 || done >= total || spent < 2) return;
    as_clock_duration(spent / (double)done * (double)(total - done), duration);
    snprintf(room, 64, ", about %s left", duration);
}

void as_progress_update(as_progress *p, int64_t done, int64_t total, const char *phrase)
{
    double now = as_clock_seconds();
    if (as_common.quiet || now < p->next) return;
    p->next = now + (p->terminal ? redraw_s : line_s);
    char rest[64], bar[BAR + 1];
    describe_rest(p, done, total, rest);
    int filled = total > 0 && done > 0 ? (int)(done >= total ? BAR : done * BAR / total) : 0;
    for (int i = 0; i < BAR; i++) bar[i] = i < filled ? '=' : ' ';
    bar[BAR] = 0;
    if (!p->terminal) {
        fprintf(stderr, "assay: %s: %s (%lld of %lld%s)\n", p->what, phrase, (long long)done,
                (long long)total, rest);
        return;
    }
    fprintf(stderr, "\r\033[K%-8s [%s] %s%s", p->what, bar, phrase, rest);
    fflush(stderr);
    p->shown = true;
}

void as_progress_end(as_progress *p)
{
    if (p->shown) fputs("\r\033[K", stderr);
    p->shown = false;
}
