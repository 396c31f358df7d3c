/* A GGUF file seen as the repository that it was made of: config.json, and tensors by the hub's names. */
#ifndef AS_ENGINE_LOAD_GGUF_MODEL_H
#define AS_ENGINE_LOAD_GGUF_MODEL_H

#include "engine/load/gguf.h"
#include "engine/repository.h"

/* The configuration as an object (json_decref): what the family's file in engine/arch reads, and "stored", a
 * list of the ways in which its tensors differ from the hub's. file: for rope_freqs, which is read. */
AS_MUST_USE as_code as_gguf_config(const as_gguf_file *file, json_t **out, as_error *err);

/* The tensors with the hub's names and shapes, in one block (as_free); names live in the arena. Stacked
 * experts become one tensor for each. A tensor that the family does not know keeps its name. AS_E_UNSUPPORTED
 * names the first tensor of a type that is not read. */
AS_MUST_USE as_code as_gguf_tensors(const as_gguf *gguf, as_arena *arena, as_tensor **out, int64_t *count,
                                    as_error *err);

#endif
