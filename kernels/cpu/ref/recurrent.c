/* Operations with a state per sequence: causal convolution and Mamba's scan, the specification in plain C. */
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

static void scan_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_selective_scan_args *s = context;
    const as_span *span = &s->spans[at / s->width];
    int64_t c = at % s->width;
    float *h = s->state + (span->state * s->width + c) * s->states;
    const float *a = s->a + c * s->states;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        double x = s->x[i * s->x_stride + c], dt = s->dt[i * s->dt_stride + c], sum = 0;
        for (int64_t k = 0; k < s->states; k++) {
            h[k] = (float)(exp(dt * a[k]) * h[k] + dt * s->b[i * s->b_stride + k] * x);
            sum += (double)h[k] * s->c[i * s->c_stride + k];
        }
        s->out[i * s->out_stride + c] = (float)(sum + s->d[c] * x);
    }
}

void selective_scan_ref(const as_exec *exec, const as_selective_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, scan_channel, (void *)args);
}
