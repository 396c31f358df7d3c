/* A model's name to where it lies. */
#ifndef AS_HARNESS_RESOLVE_H
#define AS_HARNESS_RESOLVE_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/* Either a path, or the configuration of a model to generate. */
typedef struct as_resolved {
    char *path;
    json_t *synth;
    uint64_t seed;
} as_resolved;

/* A directory; org/name[@revision] in the hub cache (HF_HUB_CACHE, HF_HOME, ~/.cache/huggingface);
 * synth:<catalog id>[,layers=N][,seed=S]. AS_E_NOT_FOUND says where it looked. */
AS_MUST_USE as_code as_resolve(const char *name, as_resolved *out, as_error *err);
void as_resolved_free(as_resolved *resolved);

#endif
