/* pool_keys: one key of several tokens. Each channel is a running softmax of its own. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/ref/ref.h"

enum { POOL_CHANNELS = 64 }; /* that one worker takes at a time */

typedef struct pool_job {
    const as_pool_keys_args *args;
    int64_t cuts; /* of a span's channels */
} pool_job;

/* A running sum's three arrays of a slot. */
typedef struct pool_sum {
    float *largest, *total, *weighted;
} pool_sum;

static pool_sum pool_sum_at(const as_pool_keys_args *a, int64_t slot, int64_t which)
{
    float *at = a->state + (slot * (a->overlap ? 2 : 1) + which) * 3 * a->width;
    return (pool_sum){at, at + a->width, at + 2 * a->width};
}

/* Takes one value into the sum of channel c; a sum whose total is zero is empty. */
static void pool_add(const pool_sum *s, int64_t c, float score, float x)
{
    if (score == -INFINITY) return;
    double most = s->total[c] == 0 || score > s->largest[c] ? score : s->largest[c];
    double fade = s->total[c] == 0 ? 0 : exp(s->largest[c] - most), weight = exp(score - most);
    s->total[c] = (float)(s->total[c] * fade + weight);
    s->weighted[c] = (float)(s->weighted[c] * fade + weight * x);
    s->largest[c] = (float)most;
}

static void pool_end(const as_pool_keys_args *a, int64_t slot, int64_t from, int64_t until, float *out)
{
    pool_sum s = pool_sum_at(a, slot, 0);
    for (int64_t c = from; c < until; c++) out[c] = (float)((double)s.weighted[c] / s.total[c]);
    size_t bytes = (size_t)(until - from) * sizeof(float);
    for (int part = 0; part < 3; part++) {
        float *sum = s.largest + part * a->width + from;
        if (a->overlap) {
            memcpy(sum, sum + 3 * a->width, bytes);
            sum += 3 * a->width;
        }
        memset(sum, 0, bytes);
    }
}

static void pool_cut(void *context, int64_t index, int worker)
{
    (void)worker;
    const pool_job *job = context;
    const as_pool_keys_args *a = job->args;
    const as_span *span = &a->spans[index / job->cuts];
    int64_t from = index % job->cuts * POOL_CHANNELS, until = as_min_i64(a->width, from + POOL_CHANNELS);
    int64_t own = a->overlap ? a->width : 0, all = own + a->width;
    pool_sum now = pool_sum_at(a, span->state, 0), next = pool_sum_at(a, span->state, 1);
    for (int64_t i = 0; i < span->count; i++) {
        int64_t row = span->first + i, phase = (span->position + i) % a->every;
        const float *x = a->x + row * a->x_stride, *gate = a->gate + row * a->gate_stride;
        const float *bias = a->bias + phase * all;
        float *out = a->out + row * a->out_stride;
        for (int64_t c = from; c < until; c++) {
            pool_add(&now, c, gate[own + c] + bias[own + c], x[own + c]);
            if (a->overlap) pool_add(&next, c, gate[c] + bias[c], x[c]);
        }
        if (phase == a->every - 1) {
            pool_end(a, span->state, from, until, out);
        } else {
            memset(out + from, 0, (size_t)(until - from) * sizeof *out);
        }
    }
}

void pool_keys_ref(const as_exec *exec, const as_pool_keys_args *args)
{
    pool_job job = {.args = args, .cuts = as_ceil_div(args->width, POOL_CHANNELS)};
    as_pool_for(exec->pool, args->span_count * job.cuts, pool_cut, &job);
}
