/* Progress; see progress.h. */
#include "harness/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness/common.h"

enum { BAR = 24, LEAST_SHARE = 20 /* of the whole must be done for an estimate: a twentieth */ };
static const double redraw_s = 0.1, line_s = 15;

void as_progress_begin(as_progress *p, const char *what)
{
    const char *kind = getenv("TERM");
    *p = (as_progress){.what = what, .terminal = isatty(STDERR_FILENO) && kind && strcmp(kind, "dumb") != 0};
    p->next = as_clock_seconds() + (p->terminal ? 0 : line_s);
}

/* A new phrase begins a phase of its own: what went before says nothing of its pace. */
static void follow_phase(as_progress *p, int64_t done, const char *phrase)
{
    if (strncmp(p->phase, phrase, sizeof p->phase - 1) == 0) return;
    snprintf(p->phase, sizeof p->phase, "%s", phrase);
    p->phase_started = as_clock_seconds();
    p->phase_done = done;
}

/* "about 2 min left" from the pace of this phase, or nothing while that is a guess. */
static void describe_rest(const as_progress *p, int64_t done, int64_t total, char room[static 64])
{
    char duration[32];
    double spent = as_clock_seconds() - p->phase_started;
    int64_t since = done - p->phase_done;
    room[0] = 0;
    if (since <= 0 || done >= total || spent < 5 || since * LEAST_SHARE < total) return;
    as_clock_duration(spent / (double)since * (double)(total - done), duration);
    snprintf(room, 64, ", about %s left", duration);
}

void as_progress_update(as_progress *p, int64_t done, int64_t total, const char *phrase)
{
    double now = as_clock_seconds();
    follow_phase(p, done, phrase);
    if (as_common.quiet || now < p->next) return;
    p->next = now + (p->terminal ? redraw_s : line_s);
    char rest[64], bar[BAR + 1];
    describe_rest(p, done, total, rest);
    int filled = total > 0 && done > 0 ? (int)(done >= total ? BAR : done * BAR / total) : 0;
    for (int i = 0; i < BAR; i++) bar[i] = i < filled ? '=' : ' ';
    bar[BAR] = 0;
    if (!p->terminal) {
        char share[64] = "";
        if (total > 0)
            snprintf(share, sizeof share, " (%lld of %lld%s)", (long long)done, (long long)total, rest);
        fprintf(stderr, "assay: %s: %s%s\n", p->what, phrase, share);
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
