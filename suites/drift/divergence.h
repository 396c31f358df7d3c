/* How far two distributions over one vocabulary are apart, from their logits.
 *
 * Logits are float32, everything else float64: exact log-softmax against the row's maximum, all of the
 * vocabulary, no term dropped, sums in one fixed order. Equal rows give exactly 0. */
#ifndef AS_SUITES_DRIFT_DIVERGENCE_H
#define AS_SUITES_DRIFT_DIVERGENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { AS_TOP_COUNT = 10 };

typedef struct as_divergence {
    bool finite;     /* false: a logit of either row is NaN or infinite, and nothing else is set */
    double kl;       /* sum of p_ref (ln p_ref - ln p), nats */
    double reversed; /* sum of p (ln p - ln p_ref) */
    int32_t reference_top, candidate_top; /* the likeliest token; of equals the lowest id */
    double margin;                        /* reference: ln p of its best minus ln p of its second best */
    int64_t shared; /* tokens that both have among their ten likeliest (fewer in a smaller vocabulary) */
    double log_reference, log_candidate; /* ln p of `next` under each; 0 where next is negative */
} as_divergence;

/* next: the token that the text goes on with, or -1. vocab is at least 1. */
void as_divergence_compute(const float *reference, const float *candidate, int64_t vocab, int32_t next,
                           as_divergence *out);

#endif
