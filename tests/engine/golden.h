/* The fixture models and their golden traces, for the engine's tests. */
#ifndef AS_TESTS_ENGINE_GOLDEN_H
#define AS_TESTS_ENGINE_GOLDEN_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/repository.h"

typedef struct golden {
    char path[512];
    char name[128];
    as_repository *repository; /* holds golden.safetensors mapped */
    const int32_t *tokens;
    int64_t count;
    const float *logits; /* [count, vocab] */
    int64_t vocab;
    const int32_t *greedy;
    int64_t greedy_count;
    bool layer_stages; /* false for layers that run several times: embed and final_norm alone */
} golden;

/* Names of the folders under fixtures/models that hold a trace; *names by as_names_free. */
void golden_list(char ***names, size_t *count);
/* Opens one; asserts on failure. */
void golden_open(const char *name, golden *out);
void golden_close(golden *g);
/* A stage's values, or NULL: "embed", "0.mixer", "final_norm". */
const float *golden_stage(const golden *g, const char *stage, int64_t *elements);

as_model *golden_model(const golden *g, const char *dtype, const char *level);

/* Logits of all tokens in one sequence. chunk and threads 0: the defaults. Freed with as_free. */
float *golden_compute(const as_model *model, const int32_t *tokens, int64_t count, int64_t chunk,
                      int threads);

#endif
