/* Two results of the same checks: what got better, what got worse, what cannot be told. A regression gate.
 *
 * Checks pair by id, series by suite and name. Of two numbers the difference and its interval decide; the
 * interval comes, in this order, from pairs of samples (evidence.samples of both, of one length and with the
 * same sample_ids if any: a paired bootstrap of the mean; shares of questions by Newcombe's paired interval
 * and McNemar's exact test), from samples that do not pair (bootstrap of both), or from the two intervals
 * (MOVER: Zou and Donner, Statistics in Medicine 27, 2008). Numbers without any are taken as exact. With d
 * the difference as a fraction of the first number:
 *
 *   same          the interval of d lies within +-margin, or estimate and interval are the very same
 *   worse, better it does not, and it excludes 0 on that side
 *   inconclusive  it includes 0 and reaches beyond the margin
 *
 * A changed verdict comes before any number: pass to fail is worse however small the step. What was held in A
 * and is no longer measured in a suite that B ran is worse too; what B did not run at all is inconclusive. */
#ifndef AS_REPORTS_COMPARE_H
#define AS_REPORTS_COMPARE_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "reports/report.h"
#include "reports/value.h"

/* From best to worst for a gate: the whole is the worst of its parts, but same only gives way. */
typedef enum { AS_CHANGE_SAME, AS_CHANGE_BETTER, AS_CHANGE_INCONCLUSIVE, AS_CHANGE_WORSE } as_change;
const char *as_change_name(as_change change);

typedef struct as_compare_options {
    double margin; /* fraction that makes no difference, unless a check's evidence has its own; 0: 0.01 */
    double level;  /* of the intervals of a bootstrap; 0: 0.95 */
    int resamples; /* 0: 4000 */
    uint64_t seed;
} as_compare_options;

/* Makes the document "assay.compare/1" (docs/results.md). NULL options: the defaults. A new reference. */
AS_MUST_USE as_code as_compare(const json_t *a, const json_t *b, const as_compare_options *options,
                               json_t **out, as_error *err);
/* 1 when something got worse, else 0; an inconclusive whole is 1 too where it is not let pass. */
int as_compare_status(const json_t *compare, as_inconclusive inconclusive);

/* compare.json, compare.html and plots/ of both results over one another. */
AS_MUST_USE as_code as_compare_write(const json_t *compare, const json_t *a, const json_t *b, const char *dir,
                                     as_error *err);

/* The difference of two numbers with its interval, and what it means. */
typedef struct as_difference {
    double value, low, high; /* b - a; low = high = value where there is no interval */
    double base;             /* what a fraction is of: |a|, or 0 */
    bool has_interval, has_p;
    double p; /* of no difference, by the exact test; better and worse need it below 1 - level */
    int64_t n;
    const char *method; /* "paired samples", "paired questions", "samples", "intervals", "exact" */
    as_change change;
} as_difference;
/* The difference of two shares of questions (evidence.sample_statistic is "share"), of those that both sides
 * were asked by sample_ids. False where they cannot be paired. */
bool as_compare_shares(const json_t *check_a, const json_t *check_b, double level, as_difference *out);
/* NULL samples: none. False when one of them has no number. */
AS_MUST_USE as_code as_compare_numbers(const json_t *check_a, const json_t *check_b, as_better better,
                                       const as_compare_options *options, as_difference *out,
                                       bool *comparable, as_error *err);

#endif
