/* The values of a result as a reader meets them: numbers with their intervals, gates, distances from a gate.
 *
 * A measured number is a JSON number or {"value", "low", "high", "n", "level"}: the estimate, the bounds of
 * its confidence interval (null: the samples do not bound that end), the samples behind it, its level.
 * A gate is what `expected` holds for a number: {"min": x}, {"max": x}, {"above": x}, {"below": x}, min and
 * max together for a range, or a text such as ">= 10", "at most 0.05"; or a number, which is meant exactly,
 * unless the check's evidence has a "sense" ("at least", "at most", "above", "below") or a "better". */
#ifndef AS_REPORTS_VALUE_H
#define AS_REPORTS_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

typedef struct as_number {
    double value;
    bool has_interval;
    double low, high; /* where has_interval */
    int64_t n;        /* 0: not said */
    double level;     /* 0: not said */
} as_number;

/* False for what is no number. Bounds that are no numbers, or lie the wrong way round, are no interval. */
bool as_value_number(const json_t *value, as_number *out);

typedef enum { AS_BETTER_UNKNOWN, AS_BETTER_HIGHER, AS_BETTER_LOWER } as_better;

typedef struct as_expected {
    bool has_min, has_max; /* both for a range, and for an exact value (equal then) */
    bool strict;           /* above or below, rather than at least or at most */
    double min, max;
} as_expected;

/* The gate that a check's number is held against; false where `expected` is none. */
bool as_value_expected(const json_t *check, as_expected *out);
/* Which way a check's number is better: its `better` key, that in its evidence, else what its gate says. */
as_better as_value_better(const json_t *check);

/* How far a number is from meeting the gate, as a fraction of the gate (of nothing where the gate is 0): 0
 * when met. */
double as_value_excess(const as_number *number, const as_expected *gate);
/* The same for a reader: "16.2% below", "3.1 times the limit"; nothing when met. */
void as_value_write_excess(const as_number *number, const as_expected *gate, as_buf *out);

/* Numbers with four digits that matter, thousands apart by commas: "16,384", "0.03127", "1.2e-9". */
void as_value_write_real(double x, as_buf *out);
/* Any value with its unit: "8.41 tokens/s", "at most 0.05 nats", "yes", "a, b, c". Cut at about `most` bytes;
 * text is cleaned (as_tree_clean). The interval is not part of it. */
void as_value_write(const json_t *value, const char *unit, size_t most, as_buf *out);
/* "8.2 to 8.6 (95%, n = 64)"; nothing without an interval and a count. */
void as_value_write_interval(const as_number *number, as_buf *out);
/* A gate in words: "at least 10 tokens/s". */
void as_value_write_expected(const as_expected *gate, const char *unit, as_buf *out);

#endif
