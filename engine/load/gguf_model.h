/* A GGUF file seen as the repository that it was made of: config.json, and tensors in the hub's order of shapes. */
#ifndef AS_ENGINE_LOAD_GGUF_MODEL_H
#define AS_ENGINE_LOAD_GGUF_MODEL_H

#include "engine/load/gguf.h"
#include "engine/repository.h"

/* The configuration as an object (json_decref): what the family's file in engine/arch reads, and "gguf", the
 * family's name there, by which the spec follows the file (engine/arch/stored.c). file: for rope_freqs, which is read. */
AS_MUST_USE as_code as_gguf_config(const as_gguf_file *file, json_t **out, as_error *err);

/* The tensors under the file's names, with the shapes that they have on the hub, in one block (as_free); names
 * are the gguf's. AS_E_UNSUPPORTED names the first tensor of a type that is not read. */
AS_MUST_USE as_code as_gguf_tensors(const as_gguf *gguf, as_tensor **out, int64_t *count, as_error *err);

#endif
