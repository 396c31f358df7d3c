/* Operations with a state per sequence: causal convolution and the scans of Mamba, Mamba-2 and
 * RG-LRU, the specification in plain C. */
#include <math.h>

#include "kernels/cpu/ref/ref.h"

/* Spans, each with all its channels: the iterations are (span, channel). */
static void conv1d_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_conv1d_args *a = context;
    const as_span *span = &a->spans[at / a->width];
    int64_t c = at % a->width, kept = a->taps - 1;
    float *state = a->state + (span->state * a->width + c) * kept;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        float input = a->in[i * a->in_stride + c];
        double sum = a->bias ? a->bias[c] : 0;
        for (int64_t t = 0; t < kept; t++) sum += (double)a->weight[c * a->taps + t] * state[t];
        sum += (double)a->weight[c * a->taps + kept] * input;
        for (int64_t t = 0; t + 1 < kept; t++) state[t] = state[t + 1];
        if (kept > 0) state[kept - 1] = input;
        a->out[i * a->out_stride + c] = (float)as_ref_activate(a->act, sum);
    }
}

void conv1d_ref(const as_exec *exec, const as_conv1d_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, conv1d_channel, (void *)args);
}

static void conv_heads_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_conv_heads_args *a = context;
    const as_span *span = &a->spans[at / a->width];
    int64_t c = at % a->width, kept = a->taps - 1, head = c / (a->width / a->heads);
    float *state = a->state + (span->state * a->width + c) * kept;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        const float *own = a->own + i * a->own_stride + head * a->taps;
        float input = a->in[i * a->in_stride + c];
        double sum = input + ((double)a->weight[c] + own[0]) * input;
        for (int64_t t = 1; t <= kept; t++) {
            sum += ((double)a->weight[t * a->width + c] + own[t]) * state[kept - t];
        }
        for (int64_t t = 0; t + 1 < kept; t++) state[t] = state[t + 1];
        if (kept > 0) state[kept - 1] = input;
        a->out[i * a->out_stride + c] = (float)(a->scale * sum);
    }
}

void conv_heads_ref(const as_exec *exec, const as_conv_heads_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, conv_heads_channel, (void *)args);
}

static void scan_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_selective_scan_args *s = context;
    const as_span *span = &s->spans[at / s->width];
    int64_t c = at % s->width;
    float *h = s->state + (span->state * s->width + c) * s->states;
    const float *a = s->a + c * s->states;
    int64_t head = c / (s->width / (s->heads ? s->heads : 1)) * s->bc_head;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        double x = s->x[i * s->x_stride + c], dt = s->dt[i * s->dt_stride + c], sum = 0;
        for (int64_t k = 0; k < s->states; k++) {
            h[k] = (float)(exp(dt * a[k]) * h[k] + dt * s->b[i * s->b_stride + head + k] * x);
            sum += (double)h[k] * s->c[i * s->c_stride + head + k];
        }
        s->out[i * s->out_stride + c] = (float)(sum + s->d[c] * x);
    }
}

void selective_scan_ref(const as_exec *exec, const as_selective_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, scan_channel, (void *)args);
}

static void ssd_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_ssd_scan_args *s = context;
    int64_t channels = s->heads * s->width, channel = at % channels, head = channel / s->width;
    const as_span *span = &s->spans[at / channels];
    int64_t group = head / (s->heads / s->groups);
    float *h = s->state + (span->state * channels + channel) * s->states;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        double x = s->x[i * s->x_stride + channel], sum = 0;
        double dt =
            as_ref_activate(AS_ACT_SOFTPLUS, (double)s->dt[i * s->dt_stride + head] + s->dt_bias[head]);
        dt = dt < s->dt_least ? s->dt_least : dt > s->dt_most ? s->dt_most : dt;
        double decay = exp(dt * s->a[head]);
        const float *b = s->b + i * s->b_stride + group * s->states;
        const float *c = s->c + i * s->c_stride + group * s->states;
        for (int64_t k = 0; k < s->states; k++) {
            h[k] = (float)(decay * h[k] + dt * b[k] * x);
            sum += (double)h[k] * c[k];
        }
        s->out[i * s->out_stride + channel] = (float)(sum + s->d[head] * x);
    }
}

void ssd_scan_ref(const as_exec *exec, const as_ssd_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->heads * args->width, ssd_channel, (void *)args);
}

static void rglru_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_rglru_scan_args *s = context;
    const as_span *span = &s->spans[at / s->width];
    int64_t c = at % s->width;
    float *h = s->state + span->state * s->width + c;
    for (int64_t i = 0; i < span->count; i++) {
        int64_t from = (span->first + i) * s->stride + c;
        double l = -s->decay[c] * as_ref_activate(AS_ACT_SIGMOID, s->gate[from]);
        double in = as_ref_activate(AS_ACT_SIGMOID, s->in_gate[from]) * s->x[from];
        double root = span->position + i == 0 ? 1 : sqrt(-expm1(2 * l));
        *h = (float)(exp(l) * *h + root * in);
        s->out[(span->first + i) * s->out_stride + c] = *h;
    }
}

void rglru_scan_ref(const as_exec *exec, const as_rglru_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, rglru_channel, (void *)args);
}
