/* The engine of this process as a target of the suites. */
#ifndef AS_HARNESS_TARGET_ENGINE_H
#define AS_HARNESS_TARGET_ENGINE_H

#include "suites/target.h"

typedef struct as_engine_options {
    as_model_options model; /* borrowed strings must outlive the target */
    const char *path;       /* what as_model_open takes */
    int threads;
    const char *cache; /* key/value cache, NULL: by precision */
    int64_t context;   /* enforced for prompt + completion; 0: the model's, 32768 for one without end */
    int64_t max_batch; /* 0: 64 */
} as_engine_options;

/* Opens the model. Sessions are opened when first needed: one for requests, one for `score`. */
AS_MUST_USE as_code as_target_engine_open(const as_engine_options *options, as_target **out, as_error *err);

#endif
