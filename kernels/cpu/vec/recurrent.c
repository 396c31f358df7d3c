/* Operations with a state per sequence: causal convolution, the scans of Mamba and RG-LRU. Channels lie
 * across the lanes; a group of LANES channels of one span is one piece of work. */
#include <string.h>

#include "kernels/cpu/vec/math.h"
#include "kernels/cpu/vec/ops.h"

enum { MAX_TAPS = 64, MAX_STATES = 1024 };

AS_INLINE vf load_channels(const float *p, int count)
{
    return count == LANES ? vf_load(p) : vf_load_part(p, count);
}

AS_INLINE void store_channels(float *p, vf v, int count)
{
    if (count == LANES) {
        vf_store(p, v);
    } else {
        vf_store_part(p, v, count);
    }
}

/* Rows of `depth` numbers for each of count channels become `depth` vectors, and back. */
static void gather(const float *from, int64_t depth, int count, float *to)
{
    memset(to, 0, (size_t)(depth * LANES) * sizeof *to);
    for (int c = 0; c < count; c++) {
        for (int64_t d = 0; d < depth; d++) to[d * LANES + c] = from[c * depth + d];
    }
}

static void scatter(const float *from, int64_t depth, int count, float *to)
{
    for (int c = 0; c < count; c++) {
        for (int64_t d = 0; d < depth; d++) to[c * depth + d] = from[d * LANES + c];
    }
}

static void conv1d_channels(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_conv1d_args *a = context;
    int64_t groups = as_ceil_div(a->width, LANES), first = at % groups * LANES, kept = a->taps - 1;
    const as_span *span = &a->spans[at / groups];
    int count = (int)as_min_i64(LANES, a->width - first);
    float weight[MAX_TAPS * LANES], window[MAX_TAPS * LANES];
    float *state = a->state + (span->state * a->width + first) * kept;
    gather(a->weight + first * a->taps, a->taps, count, weight);
    gather(state, kept, count, window);
    vf bias = a->bias ? load_channels(a->bias + first, count) : vf_zero();
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        vf input = load_channels(a->in + i * a->in_stride + first, count), sum = bias;
        for (int64_t t = 0; t < kept; t++) {
            sum = vf_fma(vf_load(weight + t * LANES), vf_load(window + t * LANES), sum);
        }
        sum = vf_fma(vf_load(weight + kept * LANES), input, sum);
        if (kept > 0) {
            memmove(window, window + LANES, (size_t)((kept - 1) * LANES) * sizeof *window);
            vf_store(window + (kept - 1) * LANES, input);
        }
        store_channels(a->out + i * a->out_stride + first, vf_activate(a->act, sum), count);
    }
    scatter(window, kept, count, state);
}

void AS_VARIANT(conv1d)(const as_exec *exec, const as_conv1d_args *args)
{
    AS_BUG(args->taps > MAX_TAPS);
    int64_t groups = as_ceil_div(args->width, LANES);
    as_pool_for(exec->pool, args->span_count * groups, conv1d_channels, (void *)args);
}

typedef struct scan_job {
    const as_exec *exec;
    const as_selective_scan_args *args;
    int64_t width, groups; /* of a head: channels, and groups of LANES of them */
} scan_job;

static void scan_channels(void *context, int64_t at, int worker)
{
    const scan_job *job = context;
    const as_selective_scan_args *s = job->args;
    int64_t heads = s->heads ? s->heads : 1, head = at / job->groups % heads,
            within = at % job->groups * LANES;
    int64_t first = head * job->width + within;
    const as_span *span = &s->spans[at / job->groups / heads];
    int count = (int)as_min_i64(LANES, job->width - within);
    float *h = (float *)(void *)as_exec_scratch(job->exec, worker), *a = h + s->states * LANES;
    float *state = s->state + (span->state * s->width + first) * s->states;
    gather(state, s->states, count, h);
    gather(s->a + first * s->states, s->states, count, a);
    vf d = load_channels(s->d + first, count);
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        vf x = load_channels(s->x + i * s->x_stride + first, count);
        vf dt = load_channels(s->dt + i * s->dt_stride + first, count);
        vf dt_x = vf_mul(dt, x), sum = vf_zero();
        const float *b = s->b + i * s->b_stride + head * s->bc_head,
                    *c = s->c + i * s->c_stride + head * s->bc_head;
        for (int64_t k = 0; k < s->states; k++) {
            vf decay = vf_exp(vf_mul(dt, vf_load(a + k * LANES)));
            vf next = vf_fma(decay, vf_load(h + k * LANES), vf_mul(dt_x, vf_set(b[k])));
            vf_store(h + k * LANES, next);
            sum = vf_fma(next, vf_set(c[k]), sum);
        }
        store_channels(s->out + i * s->out_stride + first, vf_fma(d, x, sum), count);
    }
    scatter(h, s->states, count, state);
}

void AS_VARIANT(selective_scan)(const as_exec *exec, const as_selective_scan_args *args)
{
    AS_BUG(args->states > MAX_STATES);
    int64_t heads = args->heads ? args->heads : 1, width = args->width / heads;
    scan_job job = {exec, args, width, as_ceil_div(width, LANES)};
    as_pool_for(exec->pool, args->span_count * heads * job.groups, scan_channels, &job);
}

static void rglru_channels(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_rglru_scan_args *s = context;
    int64_t groups = as_ceil_div(s->width, LANES), first = at % groups * LANES;
    const as_span *span = &s->spans[at / groups];
    int count = (int)as_min_i64(LANES, s->width - first);
    float *state = s->state + span->state * s->width + first;
    vf h = load_channels(state, count), decay = load_channels(s->decay + first, count);
    for (int64_t i = 0; i < span->count; i++) {
        int64_t from = (span->first + i) * s->stride + first;
        vf x = load_channels(s->x + from, count);
        vf l = vf_mul(decay, vf_sigmoid(load_channels(s->gate + from, count)));
        l = vf_sub(vf_zero(), l);
        vf in = vf_times_sigmoid(x, load_channels(s->in_gate + from, count));
        if (span->position + i > 0) in = vf_mul(in, vf_sqrt(vf_one_minus_exp(vf_add(l, l))));
        h = vf_fma(vf_exp(l), h, in);
        store_channels(s->out + (span->first + i) * s->out_stride + first, h, count);
    }
    store_channels(state, h, count);
}

void AS_VARIANT(rglru_scan)(const as_exec *exec, const as_rglru_scan_args *args)
{
    int64_t groups = as_ceil_div(args->width, LANES);
    as_pool_for(exec->pool, args->span_count * groups, rglru_channels, (void *)args);
}
