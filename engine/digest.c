/* What a model is known by; see digest.h. */
#include "engine/digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"

enum { BLOCK = 4096, MOST_BLOCKS = 16, LEAST_BLOCKS = 2, ALL_BLOCKS = 8192 };

static void add_number(as_sha256 *hash, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(value >> 8 * i);
    as_sha256_add(hash, bytes, sizeof bytes);
}

static void add_text(as_sha256 *hash, const char *text, size_t size)
{
    add_number(hash, size);
    as_sha256_add(hash, text, size);
}

static as_code add_config(as_sha256 *hash, const json_t *config, as_error *err)
{
    as_buf text;
    as_buf_init(&text, 0);
    as_json_write(config, 0, &text);
    as_code rc = as_buf_check(&text, "the configuration", err);
    if (rc == AS_OK) add_text(hash, as_buf_text(&text), text.size);
    as_buf_free(&text);
    return rc;
}

static void add_sample(as_sha256 *hash, const unsigned char *data, uint64_t size, uint64_t blocks)
{
    if (size <= blocks * BLOCK) {
        as_sha256_add(hash, data, size);
        return;
    }
    uint64_t last = size - BLOCK, step = last / (blocks - 1);
    for (uint64_t i = 0; i < blocks; i++)
        as_sha256_add(hash, data + (i + 1 < blocks ? i * step : last), BLOCK);
}

static as_code add_tensor(as_sha256 *hash, as_repository *repository, const as_tensor *tensor,
                          uint64_t blocks, as_error *err)
{
    add_text(hash, tensor->name, strlen(tensor->name));
    add_text(hash, as_dtype_name(tensor->dtype), strlen(as_dtype_name(tensor->dtype)));
    add_number(hash, (uint64_t)tensor->dims);
    for (int i = 0; i < tensor->dims; i++) add_number(hash, (uint64_t)tensor->shape[i]);
    const void *data;
    AS_TRY(as_repository_data(repository, tensor, &data, err));
    add_sample(hash, data, tensor->bytes, blocks);
    return AS_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const as_tensor *const *)a)->name, (*(const as_tensor *const *)b)->name);
}

/* The model's tensors sorted by name, in one allocation. */
static as_code list_tensors(const as_repository *repository, const as_tensor ***out, int64_t *out_count,
                            as_error *err)
{
    int64_t count = 0, used = 0;
    for (int64_t f = 0; f < repository->weight_count; f++) count += repository->weights[f].tensor_count;
    const as_tensor **list = AS_NEW_ARRAY(const as_tensor *, count);
    if (!list) return as_fail_memory(err, "the table of tensors");
    for (int64_t f = 0; f < repository->weight_count; f++) {
        for (int64_t t = 0; t < repository->weights[f].tensor_count; t++) {
            const as_tensor *tensor = &repository->weights[f].tensors[t];
            if (as_repository_find(repository, tensor->name) == tensor) list[used++] = tensor;
        }
    }
    qsort(list, (size_t)used, sizeof *list, by_name);
    *out = list;
    *out_count = used;
    return AS_OK;
}

static as_code add_tensors(as_sha256 *hash, as_repository *repository, as_error *err)
{
    const as_tensor **list = NULL;
    int64_t count = 0;
    AS_TRY(list_tensors(repository, &list, &count, err));
    uint64_t blocks = count > 0 ? (uint64_t)(ALL_BLOCKS / count) : MOST_BLOCKS;
    if (blocks > MOST_BLOCKS) blocks = MOST_BLOCKS;
    if (blocks < LEAST_BLOCKS) blocks = LEAST_BLOCKS;
    as_code rc = AS_OK;
    for (int64_t i = 0; rc == AS_OK && i < count; i++)
        rc = add_tensor(hash, repository, list[i], blocks, err);
    as_free(list);
    return rc;
}

as_code as_model_digest(const json_t *config, as_repository *repository, uint64_t seed,
                        char out[static 2 * AS_SHA256_BYTES + 1], as_error *err)
{
    as_sha256 hash;
    as_sha256_init(&hash);
    AS_TRY(add_config(&hash, config, err));
    if (repository) {
        AS_TRY(add_tensors(&hash, repository, err));
    } else {
        add_number(&hash, seed);
    }
    as_sha256_finish_hex(&hash, out);
    return AS_OK;
}
