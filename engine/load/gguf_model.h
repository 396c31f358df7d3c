/* A GGUF file seen as the repository that it was made of: config.json, and tensors in the hub's order of
 * shapes. */
#ifndef AS_ENGINE_LOAD_GGUF_MODEL_H
#define AS_ENGINE_LOAD_GGUF_MODEL_H

#include "engine/load/gguf.h"
#include "engine/repository.h"

/* A file, or all parts of one: files[0] holds the keys. */
typedef struct as_gguf_parts {
    int count;
    as_gguf_file *files;
    as_gguf whole; /* the first part's keys, all parts' tensors; borrowed from them but for the list */
} as_gguf_parts;

/* path: a file, any part (NAME-00002-of-00003.gguf: the others lie beside it). AS_E_NOT_FOUND names a part
 * that is missing; AS_E_INPUT parts that contradict each other, or a tensor that stands in two. */
AS_MUST_USE as_code as_gguf_parts_open(const char *path, as_gguf_parts *out, as_error *err);
void as_gguf_parts_close(as_gguf_parts *parts);

/* The configuration as an object (json_decref): what the family's file in engine/arch reads, and "gguf", the
 * family's name there, by which the spec follows the file (engine/arch/stored.c). Reads the numbers of
 * rope_freqs, where as_gguf_place has said where they are. */
AS_MUST_USE as_code as_gguf_config(const as_gguf *gguf, json_t **out, as_error *err);

/* The tensors under the file's names, with the shapes that they have on the hub, in one block (as_free);
 * names are the gguf's. AS_E_UNSUPPORTED names the first tensor of a type that is not read. */
AS_MUST_USE as_code as_gguf_tensors(const as_gguf *gguf, as_tensor **out, int64_t *count, as_error *err);

#endif
