/* kv_store: rounding new keys and values to the cache's type. */
#include "kernels/cpu/vec/ops.h"

typedef struct store_job {
    const as_kv_store_args *args;
    const as_span *span;
} store_job;

AS_INLINE void store_as(as_dtype type, const float *from, unsigned char *to, int64_t width)
{
    int64_t size = as_dtype_bytes(type);
    for (int64_t c = 0; c < width; c += LANES) {
        int count = (int)as_min_i64(LANES, width - c);
        vf value = count == LANES ? vf_load(from + c) : vf_load_part(from + c, count);
        vf_store_as(type, to + c * size, value, count);
    }
}

static void store_vector(as_dtype type, const float *from, unsigned char *to, int64_t width)
{
    switch (type) {
    case AS_F16: store_as(AS_F16, from, to, width); return;
    case AS_BF16: store_as(AS_BF16, from, to, width); return;
    case AS_E4M3: store_as(AS_E4M3, from, to, width); return;
    default: store_as(AS_F32, from, to, width); return;
    }
}

static void store_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const store_job *job = context;
    const as_kv_store_args *a = job->args;
    const as_kv_layer *cache = a->cache;
    int64_t position = job->span->position + i, row = job->span->first + i;
    int64_t page = job->span->pages[position / AS_PAGE_TOKENS], size = as_dtype_bytes(cache->dtype);
    for (int64_t g = 0; g < cache->kv_heads; g++) {
        int64_t at = (page * cache->kv_heads + g) * AS_PAGE_TOKENS + position % AS_PAGE_TOKENS;
        store_vector(cache->dtype, a->k + row * a->k_stride + g * cache->k_width,
                     cache->k + at * cache->k_width * size, cache->k_width);
        if (cache->v == cache->k) continue;
        store_vector(cache->dtype, a->v + row * a->v_stride + g * cache->v_width,
                     cache->v + at * cache->v_width * size, cache->v_width);
    }
}

void AS_VARIANT(kv_store)(const as_exec *exec, const as_kv_store_args *args)
{
    enum { SERIAL_FLOATS = 32768 };
    int64_t width = args->cache->kv_heads * (args->cache->k_width + args->cache->v_width);
    for (int64_t s = 0; s < args->span_count; s++) {
        store_job job = {args, &args->spans[s]};
        bool serial = job.span->count * width <= SERIAL_FLOATS;
        as_pool_for(serial ? NULL : exec->pool, job.span->count, store_row, &job);
    }
}
