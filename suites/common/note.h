/* Recording checks and series in the words every suite shares. */
#ifndef AS_SUITES_COMMON_NOTE_H
#define AS_SUITES_COMMON_NOTE_H

#include "suites/common/settings.h"
#include "suites/stats.h"
#include "suites/suite.h"

/* Records `check` with its why printed from the format. References in the check are taken over, as by
 * context->record. */
AS_MUST_USE as_code as_note(as_suite_context *context, const as_check *check, as_error *err, const char *why,
                            ...) AS_PRINTF(4, 5);

/* A check that cannot be known here. */
AS_MUST_USE as_code as_note_skip(as_suite_context *context, const char *id, const char *title, as_error *err,
                                 const char *why, ...) AS_PRINTF(5, 6);

/* A check that the budget had no room for: a skip, and the evidence says that more time would decide it. */
AS_MUST_USE as_code as_note_cut(as_suite_context *context, const char *id, const char *title, as_error *err,
                                const char *why, ...) AS_PRINTF(5, 6);

/* What marks a skip as such a one: {"cut_by_budget": true}. */
json_t *as_cut_evidence(void);

/* A measured number held against a gate by its interval. */
typedef struct as_gated {
    const char *id, *title, *unit;
    const char *name; /* the quantity in a sentence: "mean KL divergence" */
    as_interval measured;
    as_gate_sense sense;
    as_gate gate;        /* value NAN: reported, not judged */
    const char *lenient; /* not NULL: a verdict worse than pass becomes warn, for this reason */
    json_t *evidence;    /* object or NULL; "better" is added */
    /* Where too few samples back a value (measured.value is NAN): how many there are and how many it takes.
     * Then a gate is undecided, and what is only reported is not known here. */
    const char *too_few;
} as_gated;
/* evidence is taken over. */
AS_MUST_USE as_code as_note_gated(as_suite_context *context, const as_gated *gated, as_error *err);

/* Sets one line of a series of several lines; the lines of an earlier, interrupted run stay. `series->points`
 * is ignored; `points` is taken over. */
AS_MUST_USE as_code as_note_line(as_suite_context *context, const as_series *series, const char *line,
                                 json_t *points, as_error *err);

/* Sets the points at x of one line, leaving its others. */
AS_MUST_USE as_code as_note_line_point(as_suite_context *context, const as_series *series, const char *line,
                                       double x, json_t *points, as_error *err);

/* Replaces the points of a series whose first coordinate is x by `points` (taken over); those of other x, of
 * an earlier check or run, stay. `series->points` is ignored. */
AS_MUST_USE as_code as_note_cells(as_suite_context *context, const as_series *series, double x,
                                  json_t *points, as_error *err);

/* [x, y] with what is not finite as null; a new reference. */
json_t *as_point(double x, double y);
json_t *as_point_interval(double x, const as_interval *y); /* [x, y, low, high], or [x, y] without ends */
json_t *as_number_json(double value);                      /* null when not finite */

/* ---- rules of a profile ----------------------------------------------------------------------------------
 * profile["rules"] is a list of {"id", "suite", "title", ...}; a suite answers those that name it. The id is
 * "rule" or "profile/rule". */
typedef struct as_rule_context {
    as_suite_context *suite;
    const json_t *rule; /* the profile's object */
    const char *id;     /* "featherless/throughput-10" */
    const char *title;
} as_rule_context;
typedef struct as_rule_entry {
    const char *name; /* without the profile */
    const char *title;
    as_code (*check)(const as_rule_context *rule, void *state, as_error *err);
} as_rule_entry;
/* Runs the entry of each rule that profile gives to `suite` and that is not done yet; a rule without an entry
 * is recorded as a skip. */
AS_MUST_USE as_code as_note_rules(as_suite_context *context, const char *suite, const as_rule_entry *entries,
                                  size_t count, void *state, as_error *err);

#endif
