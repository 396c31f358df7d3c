/* Rounding of activations to e4m3. Scales and quotients are those of the reference, bit for bit. */
#include <math.h>

#include "kernels/cpu/vec/ops.h"
#include "kernels/cpu/vec/rows.h"

/* The largest magnitude, NaN if there is one. */
static float largest_of(const float *x, int64_t width)
{
    vf most = vf_zero();
    vm odd = vm_none();
    for (int64_t c = 0; c < width; c += LANES) {
        vf size = vf_abs(vf_load_part(x + c, (int)as_min_i64(LANES, width - c)));
        odd = vm_or(odd, vf_is_nan(size));
        most = vf_max(size, most);
    }
    return vm_any(odd) ? NAN : vf_largest(most);
}

static float scale_for(float largest)
{
    if (largest == 0) return 1;
    float scale = largest / 448.0f;
    return scale < 1e-12f ? 1e-12f : scale;
}

static void round_part(const float *x, float *out, int64_t width, float scale)
{
    vf divisor = vf_set(scale);
    for (int64_t c = 0; c < width; c += LANES) {
        int count = (int)as_min_i64(LANES, width - c);
        vf quotient = vf_div(vf_load_part(x + c, count), divisor);
        vf_store_part(out + c, vf_round_e4m3(quotient), count);
    }
}

static void quantize_int8(const float *x, float *out, int64_t width, float *scale)
{
    float largest = largest_of(x, width), factor = 127.0f / (largest < 1e-5f ? 1e-5f : largest);
    *scale = 1 / factor;
    for (int64_t c = 0; c < width; c += LANES) {
        int count = (int)as_min_i64(LANES, width - c);
        vf nearest = vf_round(vf_mul(vf_load_part(x + c, count), vf_set(factor)));
        vf above = vf_select(vf_lt(vf_set(127), nearest), vf_set(127), nearest);
        vf_store_part(out + c, vf_select(vf_lt(above, vf_set(-128)), vf_set(-128), above), count);
    }
}

static void quantize_row(const void *args, int64_t i, int64_t from, int64_t until)
{
    (void)from;
    (void)until;
    const as_quantize_rows_args *q = args;
    const float *x = q->x + i * q->x_stride;
    float *out = q->out + i * q->out_stride;
    if (q->kind == AS_QUANT_INT8) {
        quantize_int8(x, out, q->width, &q->scale[i]);
        return;
    }
    int64_t size = q->kind == AS_QUANT_BLOCK ? q->block : q->width;
    int64_t blocks = as_ceil_div(q->width, size);
    for (int64_t b = 0; b < blocks; b++) {
        int64_t width = as_min_i64(size, q->width - b * size);
        float *scale = &q->scale[i * blocks + b];
        if (q->kind != AS_QUANT_TENSOR) *scale = scale_for(largest_of(x + b * size, width));
        round_part(x + b * size, out + b * size, width, *scale);
    }
}

/* Each row's largest magnitude into scale[row]. */
static void measure_row(const void *args, int64_t i, int64_t from, int64_t until)
{
    (void)from;
    (void)until;
    const as_quantize_rows_args *q = args;
    q->scale[i] = largest_of(q->x + i * q->x_stride, q->width);
}

void AS_VARIANT(quantize_rows)(const as_exec *exec, const as_quantize_rows_args *args)
{
    if (args->kind == AS_QUANT_TENSOR) {
        for_rows(exec, args->n, args->width, 1, true, measure_row, args);
        float largest = 0;
        for (int64_t i = 0; i < args->n; i++) {
            if (args->scale[i] > largest || isnan(args->scale[i])) largest = args->scale[i];
            if (isnan(largest)) break;
        }
        for (int64_t i = 0; i < args->n; i++) args->scale[i] = scale_for(largest);
    }
    for_rows(exec, args->n, args->width, 2, true, quantize_row, args);
}
