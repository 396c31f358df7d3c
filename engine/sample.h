/* From logits to a token. */
#ifndef AS_ENGINE_SAMPLE_H
#define AS_ENGINE_SAMPLE_H

#include "engine/engine.h"

/* Work space for one choice: [vocab] each. */
typedef struct as_sample_room {
    float *scores;
    int32_t *ids;
} as_sample_room;

/* What a request's earlier tokens weigh: NULL lists where no penalty is on. */
typedef struct as_token_counts {
    const uint8_t *in_prompt;     /* [vocab] 1 where the prompt has the token */
    const int32_t *in_completion; /* [vocab] how often the completion has it */
} as_token_counts;

/* The token number `index` of a completion, from raw logits. Order as in transformers: penalties,
 * temperature, top-k, top-p, min-p. Random numbers depend on the seed and the index alone. Ties go to the
 * lower id. A row with NaN or with no finite value is AS_E_INTERNAL. */
AS_MUST_USE as_code as_sample(const as_sampling *sampling, const float *logits, int64_t vocab,
                              const as_token_counts *counts, int64_t index, as_sample_room *room,
                              int32_t *out, as_error *err);

/* ln of the softmax's denominator, in float64: logprob = logit - this. */
double as_log_sum_exp(const float *logits, int64_t vocab);
/* The `count` largest logits, best first, lower id first among equals, as log-probabilities. */
void as_top_logprobs(const float *logits, int64_t vocab, double log_sum, int64_t count, as_logprob *out);

#endif
