/* Two targets score the same tokens in step, so that their rows can be compared while neither run's logits
 * are ever held whole: the reference computes `rows` rows and waits, the candidate computes its own and they
 * are compared, and so on. Memory is rows * vocab floats (and layers * rows * width where layers are asked
 * for), whatever the length of the text.
 *
 * The reference runs in a thread of its own, but only one of the two computes at any time. */
#ifndef AS_SUITES_DRIFT_LOCKSTEP_H
#define AS_SUITES_DRIFT_LOCKSTEP_H

#include "suites/target.h"

typedef struct as_lockstep {
    as_target *reference, *candidate; /* not the same */
    const int32_t *tokens;
    int64_t count;
    int64_t rows;                             /* of the reference held at a time */
    int64_t reference_chunk, candidate_chunk; /* as as_score.chunk; with layers both must equal rows */
    /* Both rows of token `index`; not AS_OK stops both runs. */
    as_code (*row)(void *context, int64_t index, const float *reference, const float *candidate,
                   as_error *err);
    /* Hidden states [rows, width] after `layer` of the same tokens; NULL: not asked for. */
    void (*layer)(void *context, int64_t layer, int64_t rows, int64_t width, const float *reference,
                  const float *candidate);
    void *context;
} as_lockstep;

/* An error of either target names it. AS_E_INPUT when the vocabularies differ or a target skips rows. */
AS_MUST_USE as_code as_lockstep_run(const as_lockstep *pair, as_error *err);

#endif
