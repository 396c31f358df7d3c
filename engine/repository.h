/* A model repository on disk, by its headers: which files it holds, what its configuration says, which
 * tensors its weight files declare. Nothing is executed, no weight is read until asked for by name.
 *
 * A GGUF file is a repository of one weight file: its metadata stand as config.json, its tensors under the
 * names and shapes that they have on the hub.
 *
 * Opening succeeds for any readable directory; what is wrong with a part is kept beside that part
 * (`problem`), so that the rules suite can report every fault and the model loader can refuse with the first.
 */
#ifndef AS_ENGINE_REPOSITORY_H
#define AS_ENGINE_REPOSITORY_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "base/file.h"
#include "kernels/dtype.h"

enum { AS_MAX_DIMS = 8 };

/* One tensor as a weight file's header declares it. */
typedef struct as_tensor {
    const char *name;
    as_dtype dtype;
    int dims;
    int64_t shape[AS_MAX_DIMS];
    int64_t elements;
    int64_t file;    /* index into as_repository.weights */
    uint64_t offset; /* of its first byte in the file */
    uint64_t bytes;
} as_tensor;

/* One weight file. A file whose header breaks the format has a problem and no tensors. */
typedef struct as_weight_file {
    const char *name; /* relative to the repository */
    uint64_t size;
    uint64_t header_bytes; /* the header's length */
    int64_t tensor_count;
    const as_tensor *tensors; /* in the header's order */
    const json_t *metadata;   /* __metadata__ or NULL */
    bool loaded; /* part of the model: the index names it; without one model.safetensors alone where it
                    exists, else every file */
    bool has_problem;
    as_error problem;
} as_weight_file;

/* A JSON file of the repository: absent (value NULL, no problem), read, or broken. */
typedef struct as_json_file {
    json_t *value;
    bool has_problem;
    as_error problem;
} as_json_file;

typedef struct as_repository {
    const char *path;
    int64_t file_count;
    char **files; /* every regular file, relative, sorted; at most two levels deep */
    int64_t outside_count;
    char **outside; /* links that leave the repository: neither listed above nor ever read */
    as_json_file config, generation_config,
        index; /* config.json, generation_config.json, *.safetensors.index.json */
    int64_t weight_count;
    as_weight_file *weights; /* *.safetensors of the root (those the index names where there is one, then the
                                rest), or the GGUF file */
} as_repository;

/* path: a directory, or a .gguf file. AS_E_NOT_FOUND or AS_E_IO when it cannot be read. Reads headers only:
 * at most 100 MB a file, and no more than the file's size. Symbolic links that leave the repository are a
 * problem of that file, except into the blobs folder of a hub cache (../../blobs/). */
AS_MUST_USE as_code as_repository_open(const char *path, as_repository **out, as_error *err);
void as_repository_close(as_repository *repo);
/* The GGUF file of a directory that has weights in no other form: its path into room. AS_E_NOT_FOUND when
 * there is none, AS_E_INPUT when there are several. */
AS_MUST_USE as_code as_repository_find_gguf(const as_repository *repo, char room[static AS_PATH_MAX],
                                            as_error *err);

/* The model's tensor of that name: with an index the index decides in which file; without one,
 * model.safetensors alone counts where it exists, else every file. NULL if there is none. */
const as_tensor *as_repository_find(const as_repository *repo, const char *name);
/* Its bytes, mapped for reading until the repository is closed (the file is mapped at the first request; safe
 * from several threads). */
AS_MUST_USE as_code as_repository_data(as_repository *repo, const as_tensor *tensor, const void **out,
                                       as_error *err);
/* Whether it is a GGUF file, and how many tokens the tokenizer in it lists (0: it holds none). */
bool as_repository_is_gguf(const as_repository *repo);
int64_t as_repository_gguf_tokens(const as_repository *repo);
/* Whether the repository holds a file of that name. */
bool as_repository_has(const as_repository *repo, const char *name);
/* The path to open a listed file by; AS_E_NOT_FOUND for one that is not listed, which includes links that
 * leave the repository. */
AS_MUST_USE as_code as_repository_path(const as_repository *repo, const char *name,
                                       char room[static AS_PATH_MAX], as_error *err);

/* ---- what a configuration asks of a repository ----------------------------------------------------------
 */

/* A tensor that a model of some configuration needs. */
typedef struct as_need {
    const char *name; /* as the repository writes it; the usual one where it lacks it */
    int dims;
    int64_t shape[AS_MAX_DIMS];
    bool any_shape;    /* a vector: any shape of so many elements will do */
    bool longer;       /* a stack: it may hold more matrices */
    bool either_order; /* a matrix: the last two dimensions may be exchanged */
    bool optional;     /* may be left out: a tied head, scales of 8-bit weights */
    bool embedding;    /* a matrix with a row per token of the vocabulary */
} as_need;

typedef struct as_needs as_needs;

/* What a model of this configuration needs: asked of the family, so that it is what loading it asks for.
 * repo settles which of several forms counts (names, prefixes, fused or split); NULL: the usual ones. Reads
 * nothing but what repo holds open. AS_E_UNSUPPORTED for an architecture or a setting that does not run,
 * AS_E_INPUT for a configuration that contradicts itself, AS_E_LIMIT beyond all sizes. In the engine's
 * library. */
AS_MUST_USE as_code as_needs_open(const as_repository *repo, const json_t *config, as_needs **out,
                                  as_error *err);
void as_needs_close(as_needs *needs);
int64_t as_needs_count(const as_needs *needs);
const as_need *as_needs_at(const as_needs *needs, int64_t i); /* by name */
/* NULL if no tensor of that name is needed. */
const as_need *as_needs_find(const as_needs *needs, const char *name);
bool as_need_fits(const as_need *need, const as_tensor *tensor);
/* True for names that checkpoints carry and the model does not need: saved buffers, other towers. */
bool as_needs_ignores(const as_needs *needs, const char *name);
/* Elements of all that is not optional, packed ones as their bytes; rows of the embedding. */
int64_t as_needs_parameters(const as_needs *needs);
int64_t as_needs_vocab(const as_needs *needs);

/* ---- the form of safetensors ------------------------------------------------------------------------------
 */

/* Parse the header of one safetensors file's first bytes: used by the above and by fuzzing. `size` is the
 * whole file's size, `head` its first `head_bytes` (at least the header). Tensors are allocated in one block
 * (as_free); names point into *names_json, which the caller releases with json_decref after them. Strict:
 * length within the file, JSON without duplicates, known dtypes, shape times element size equal to the
 * offsets' span with checked arithmetic, offsets inside the data part, no overlap, no hole, all bytes used.
 */
AS_MUST_USE as_code as_safetensors_parse(const unsigned char *head, uint64_t head_bytes, uint64_t size,
                                         as_tensor **tensors, int64_t *count, json_t **names_json,
                                         uint64_t *header_bytes, as_error *err);

#endif
