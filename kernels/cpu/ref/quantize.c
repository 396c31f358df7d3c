/* Rounding of activations to e4m3, the specification in plain C. The scale and the quotient are float32
 * numbers, as a server computes them, so every level gives the same bits. */
#include <math.h>

#include "kernels/cpu/ref/ref.h"

static float largest_of(const float *x, int64_t count, float largest)
{
    for (int64_t i = 0; i < count; i++) {
        float magnitude = fabsf(x[i]);
        if (magnitude > largest || isnan(magnitude)) largest = magnitude;
        if (isnan(largest)) return largest;
    }
    return largest;
}

static float scale_for(float largest)
{
    if (largest == 0) return 1;
    float scale = largest / 448.0f;
    return scale < 1e-12f ? 1e-12f : scale;
}

static void round_part(const float *x, float *out, int64_t count, float scale)
{
    for (int64_t i = 0; i < count; i++) out[i] = as_f32_from_e4m3(as_e4m3_from_f32(x[i] / scale));
}

static void quantize_int8(const float *x, float *out, int64_t count, float *scale)
{
    float largest = largest_of(x, count, 0), factor = 127.0f / (largest < 1e-5f ? 1e-5f : largest);
    *scale = 1 / factor;
    for (int64_t i = 0; i < count; i++) {
        float nearest = rintf(x[i] * factor);
        out[i] = nearest > 127 ? 127 : nearest < -128 ? -128 : nearest;
    }
}

static void quantize_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_quantize_rows_args *q = context;
    const float *x = q->x + i * q->x_stride;
    float *out = q->out + i * q->out_stride;
    if (q->kind == AS_QUANT_INT8) {
        quantize_int8(x, out, q->width, &q->scale[i]);
        return;
    }
    int64_t size = q->kind == AS_QUANT_BLOCK ? q->block : q->width;
    int64_t blocks = as_max_i64(1, as_ceil_div(q->width, size));
    for (int64_t b = 0; b < blocks; b++) {
        int64_t count = as_min_i64(size, q->width - b * size);
        float *scale = &q->scale[i * blocks + b];
        if (q->kind != AS_QUANT_TENSOR) *scale = scale_for(largest_of(x + b * size, count, 0));
        round_part(x + b * size, out + b * size, count, *scale);
    }
}

void quantize_rows_ref(const as_exec *exec, const as_quantize_rows_args *args)
{
    if (args->kind == AS_QUANT_TENSOR) {
        float largest = 0;
        for (int64_t i = 0; i < args->n; i++) {
            largest = largest_of(args->x + i * args->x_stride, args->width, largest);
        }
        for (int64_t i = 0; i < args->n; i++) args->scale[i] = scale_for(largest);
    }
    as_pool_for(exec->pool, args->n, quantize_row, (void *)args);
}
