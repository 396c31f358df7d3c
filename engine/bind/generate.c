/* Generated weights; see internal.h. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "engine/bind/internal.h"

typedef struct generate_job {
    uint64_t seed, stream;
    as_dtype dtype;
    int64_t count;
    float spread;
    unsigned char *out;
} generate_job;

enum { GENERATE_CHUNK = 8192 };

/* Uniform numbers of the given standard deviation; eight from each block of the generator. */
static void generate_chunk(void *context, int64_t i, int worker)
{
    (void)worker;
    const generate_job *job = context;
    float values[GENERATE_CHUNK];
    int64_t first = i * GENERATE_CHUNK,
            n = job->count - first < GENERATE_CHUNK ? job->count - first : GENERATE_CHUNK;
    float step = job->spread * 1.7320508f / 32768.0f; /* sqrt 3: half width of a uniform of deviation 1 */
    for (int64_t k = 0; k < n; k += 8) {
        uint32_t words[4];
        as_rng_block(job->seed, job->stream, (uint64_t)(first + k) / 8, words);
        for (int64_t j = 0; j < 8 && k + j < n; j++) {
            int32_t half = (int32_t)(words[j / 2] >> (j % 2 * 16) & 0xFFFF) - 32768;
            values[k + j] = ((float)half + 0.5f) * step;
        }
    }
    as_convert_from_f32(job->dtype, values, job->out + first * as_dtype_bytes(job->dtype), n);
}

as_code as_generate_matrix(as_binder *b, int64_t rows, int64_t cols, as_matrix *out, as_error *err)
{
    as_dtype type = b->source.dtype;
    if (b->source.counted) {
        b->totals.parameters += rows * cols;
        b->totals.checkpoint_bytes += rows * cols * as_dtype_bytes(type);
        *out = (as_matrix){.dtype = type, .rows = rows, .cols = cols, .stride = cols};
        return AS_OK;
    }
    generate_job job = {.seed = b->source.seed,
                        .stream = b->generated++,
                        .dtype = type,
                        .count = rows * cols,
                        .spread = 1.0f / sqrtf((float)cols)};
    job.out = as_binder_take(b, job.count * as_dtype_bytes(type));
    if (!job.out) return as_fail_memory(err, "the generated weights");
    as_pool_for(b->pool, (job.count + GENERATE_CHUNK - 1) / GENERATE_CHUNK, generate_chunk, &job);
    b->totals.parameters += job.count;
    b->totals.checkpoint_bytes += job.count * as_dtype_bytes(type);
    *out = (as_matrix){.dtype = type, .rows = rows, .cols = cols, .stride = cols, .data = job.out};
    return AS_OK;
}

/* Norms pass through, biases are zero, other vectors (decay rates, step sizes) are small and positive. */
as_code as_generate_vector(as_binder *b, as_slot slot, const char *suffix, int64_t count, const float **out,
                           as_error *err)
{
    b->totals.parameters += count;
    b->totals.checkpoint_bytes += count * as_dtype_bytes(b->source.dtype);
    b->totals.weight_bytes += count * (int64_t)sizeof(float);
    if (b->source.counted) return as_binder_zeros(b, count, out, err);
    float *values = NULL;
    AS_TRY(as_bind_floats(b, count, &values, err));
    bool bias = strcmp(suffix, ".bias") == 0, raw = suffix[0] == 0;
    uint64_t stream = b->generated++;
    for (int64_t i = 0; i < count; i++) {
        uint32_t words[4];
        as_rng_block(b->source.seed, stream, (uint64_t)i, words);
        float unit = (float)(words[0] >> 8) * 0x1p-24f;
        values[i] = bias                                                      ? 0
                    : raw                                                     ? unit
                    : slot == AS_SLOT_SSM_CONV || slot == AS_SLOT_LINEAR_CONV ? unit - 0.5f
                                                                              : 1;
    }
    *out = values;
    return AS_OK;
}
