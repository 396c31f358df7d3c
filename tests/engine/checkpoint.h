/* Checkpoints made for a test: a fixture's config and tensors, changed, and written to a folder of its own.
 */
#ifndef AS_TESTS_ENGINE_CHECKPOINT_H
#define AS_TESTS_ENGINE_CHECKPOINT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/repository.h"

typedef struct checkpoint_tensor {
    char name[128];
    as_dtype dtype;
    int dims;
    int64_t shape[AS_MAX_DIMS];
    size_t bytes;
    unsigned char *data;
} checkpoint_tensor;

enum { CHECKPOINT_TENSORS = 512 };

typedef struct checkpoint {
    char path[64]; /* the folder, "" until written */
    json_t *config;
    int64_t count;
    checkpoint_tensor tensors[CHECKPOINT_TENSORS];
    size_t shift; /* bytes by which the data part is moved off its alignment */
} checkpoint;

/* Reads fixtures/models/NAME; asserts on failure, as all of these do. Free it with checkpoint_free. */
checkpoint *checkpoint_read(const char *name);
checkpoint_tensor *checkpoint_find(checkpoint *c, const char *name);
void checkpoint_remove(checkpoint *c, const char *name);
/* A copy of a tensor under another name. */
checkpoint_tensor *checkpoint_copy(checkpoint *c, const char *name, const char *as);
/* Another element type, the numbers converted where the type holds floating-point numbers. */
void checkpoint_convert(checkpoint_tensor *t, as_dtype dtype);
void checkpoint_convert_all(checkpoint *c, as_dtype dtype);
/* Writes config.json and model.safetensors into a new folder, or over those there. */
void checkpoint_write(checkpoint *c);
/* Writes a file beside them. */
void checkpoint_file(checkpoint *c, const char *name, const char *text);
void checkpoint_free(checkpoint *c);

/* Writes it and opens it without tokenizer on one thread. */
as_code checkpoint_open(checkpoint *c, const char *dtype, as_model **out, as_error *err);

#endif
