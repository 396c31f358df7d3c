/* Single rows of logits: log-probabilities and what two rows differ by. float64 throughout. */
#ifndef AS_SUITES_CONTEXT_LOGITS_H
#define AS_SUITES_CONTEXT_LOGITS_H

#include <stdbool.h>
#include <stdint.h>

/* ln of the probability of `token`; NAN when a logit is not finite. */
double as_row_log_probability(const float *logits, int64_t vocab, int32_t token);
int32_t as_row_best(const float *logits, int64_t vocab); /* of equals the lowest id */
/* Largest |a - b|, and the standard deviation of a. */
double as_row_difference(const float *a, const float *b, int64_t vocab);
double as_row_deviation(const float *a, int64_t vocab);

#endif
