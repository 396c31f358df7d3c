/* The name of a model's content. */
#ifndef AS_ENGINE_DIGEST_H
#define AS_ENGINE_DIGEST_H

#include <jansson.h>

#include "base/error.h"
#include "base/sha256.h"
#include "engine/repository.h"

/* SHA-256, in hexadecimal, over the configuration, then for each tensor of the model in the order of their
 * names its name, type, shape and a sample of its bytes. It does not depend on how the tensors are spread
 * over files. Reading all of a large checkpoint would take longer than opening it, so the sample is blocks of
 * 4 KiB at even distances, the first and the last of them at the tensor's ends: 16, or with more than 512
 * tensors as many as make 8192 together, but 2 at least; a tensor not larger than its sample counts whole.
 * Training, merging or requantizing touches every block; a change of single bytes may go unseen. Without a
 * repository (generated weights) the seed takes the tensors' place. */
AS_MUST_USE as_code as_model_digest(const json_t *config, as_repository *repository, uint64_t seed,
                                    char out[static 2 * AS_SHA256_BYTES + 1], as_error *err);

#endif
