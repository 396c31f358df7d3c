/* Operations on single rows: embed, norm, rope, gate, add, cap. */
#include <math.h>

#include "kernels/cpu/vec/math.h"
#include "kernels/cpu/vec/ops.h"
#include "kernels/cpu/vec/rows.h"

/* Runs `body` with `count` = LANES for whole vectors from `from`, then once for the rest below `until`. */
#define FOR_VECTORS(c, from, until, body)                                                                    \
    do {                                                                                                     \
        int64_t c = (from), end_ = (until);                                                                  \
        for (; c + LANES <= end_; c += LANES) {                                                              \
            const int count = LANES;                                                                         \
            body                                                                                             \
        }                                                                                                    \
        if (c < end_) {                                                                                      \
            const int count = (int)(end_ - c);                                                               \
            body                                                                                             \
        }                                                                                                    \
    } while (0)

AS_INLINE vf load(const float *p, int count)
{
    return count == LANES ? vf_load(p) : vf_load_part(p, count);
}

AS_INLINE void store(float *p, vf v, int count)
{
    if (count == LANES) {
        vf_store(p, v);
    } else {
        vf_store_part(p, v, count);
    }
}

AS_INLINE void embed_as(as_dtype type, const unsigned char *from, float *to, int64_t begin, int64_t until,
                        float scale)
{
    int64_t size = as_dtype_bytes(type);
    vf by = vf_set(scale);
    FOR_VECTORS(c, begin, until, {
        const unsigned char *at = from + c * size;
        vf value = count == LANES ? vf_load_as(type, at) : vf_load_part_as(type, at, count);
        store(to + c, vf_mul(value, by), count);
    });
}

/* Blocks: from and until may lie anywhere in them. */
static void embed_blocks(as_dtype type, const unsigned char *data, float *to, int64_t from, int64_t until,
                         float scale)
{
    for (int64_t c = from; c < until;) {
        float values[AS_Q8_0_BLOCK];
        int64_t begin = c / AS_Q8_0_BLOCK * AS_Q8_0_BLOCK, end = as_min_i64(until, begin + AS_Q8_0_BLOCK);
        as_convert_to_f32(type, data + as_dtype_span(type, begin), values, end - begin);
        for (; c < end; c++) to[c] = values[c - begin] * scale;
    }
}

static void embed_part(const as_matrix *m, int64_t row, float *to, int64_t from, int64_t until, float scale)
{
    const unsigned char *data = as_matrix_row(m, row);
    switch (m->dtype) {
    case AS_F16: embed_as(AS_F16, data, to, from, until, scale); return;
    case AS_BF16: embed_as(AS_BF16, data, to, from, until, scale); return;
    case AS_E4M3: embed_as(AS_E4M3, data, to, from, until, scale); return;
    case AS_Q8_0: embed_blocks(m->dtype, data, to, from, until, scale); return;
    default: embed_as(AS_F32, data, to, from, until, scale); return;
    }
}

static void embed_row(const void *args, int64_t i, int64_t from, int64_t until)
{
    const as_embed_args *a = args;
    const as_matrix *m = a->matrix;
    int64_t row = a->tokens[i];
    float *out = a->out + i * a->out_stride;
    if (m->scale != AS_SCALE_BLOCK) {
        float scale = m->scale == AS_SCALE_ROW ? m->scales[row] : m->scale ? m->scales[0] : 1;
        embed_part(m, row, out, from, until, scale * a->scale);
        return;
    }
    const float *scales = m->scales + row / m->block_rows * as_ceil_div(m->cols, m->block_cols);
    while (from < until) {
        int64_t block = from / m->block_cols, end = as_min_i64(until, (block + 1) * m->block_cols);
        embed_part(m, row, out, from, end, scales[block] * a->scale);
        from = end;
    }
}

void AS_VARIANT(embed)(const as_exec *exec, const as_embed_args *args)
{
    for_rows(exec, args->n, args->matrix->cols, 1, true, embed_row, args);
}

/* The sum over a vector of (x - middle)^power: four chains of lanes, then one, then their tree. */
AS_INLINE float sum_of(const float *x, int64_t width, vf middle, int power)
{
    vf sums[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
    int64_t c = 0;
    for (; c + 4 * LANES <= width; c += 4 * LANES) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            vf value = vf_sub(vf_load(x + c + i * LANES), middle);
            sums[i] = power == 2 ? vf_fma(value, value, sums[i]) : vf_add(value, sums[i]);
        }
    }
    for (; c < width; c += LANES) {
        int count = (int)as_min_i64(LANES, width - c);
        vf value = vf_select(vm_first(count), vf_sub(load(x + c, count), middle), vf_zero());
        sums[0] = power == 2 ? vf_fma(value, value, sums[0]) : vf_add(value, sums[0]);
    }
    return vf_sum(vf_add(vf_add(sums[0], sums[1]), vf_add(sums[2], sums[3])));
}

static void norm_vector(const as_norm_args *a, const float *in, float *out, int64_t at)
{
    float mean = 0;
    if (a->kind == AS_NORM_LAYER) mean = sum_of(in, a->width, vf_zero(), 1) / (float)a->width;
    vf middle = vf_set(mean);
    float sum = sum_of(in, a->width, middle, 2);
    if (a->kind != AS_NORM_L2) sum /= (float)a->width;
    vf inverse = vf_set(1.0f / sqrtf(sum + a->eps)), offset = vf_set(a->weight_offset);
    FOR_VECTORS(c, 0, a->width, {
        vf value = vf_mul(vf_sub(load(in + c, count), middle), inverse);
        if (a->weight) value = vf_mul(value, vf_add(load(a->weight + at + c, count), offset));
        if (a->bias) value = vf_add(value, load(a->bias + at + c, count));
        store(out + c, value, count);
    });
}

static void norm_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    (void)from;
    (void)until;
    const as_norm_args *a = args;
    for (int64_t g = 0; g < a->groups; g++) {
        norm_vector(a, a->in + row * a->in_stride + g * a->width, a->out + row * a->out_stride + g * a->width,
                    a->weight_per_group ? g * a->width : 0);
    }
}

void AS_VARIANT(norm)(const as_exec *exec, const as_norm_args *args)
{
    for_rows(exec, args->n, args->groups * args->width, 2, true, norm_row, args);
}

static void rope_half(float *x, const float *cosine, const float *sine, int64_t half)
{
    FOR_VECTORS(j, 0, half, {
        vf a = load(x + j, count);
        vf b = load(x + half + j, count);
        vf c = load(cosine + j, count);
        vf s = load(sine + j, count);
        store(x + j, vf_fnma(b, s, vf_mul(a, c)), count);
        store(x + half + j, vf_fma(a, s, vf_mul(b, c)), count);
    });
}

static void rope_pairs(float *x, const float *cosine, const float *sine, int64_t half)
{
    int64_t j = 0;
    for (; j + LANES / 2 <= half; j += LANES / 2) {
        vf value = vf_load(x + 2 * j), c = vf_double_up(cosine + j), s = vf_double_up(sine + j);
        vf turned = vf_negate_even(vf_mul(vf_swap_pairs(value), s));
        vf_store(x + 2 * j, vf_fma(value, c, turned));
    }
    for (; j < half; j++) {
        float a = x[2 * j], b = x[2 * j + 1];
        x[2 * j] = fmaf(a, cosine[j], -(b * sine[j]));
        x[2 * j + 1] = fmaf(b, cosine[j], a * sine[j]);
    }
}

static void rope_row(const void *args, int64_t i, int64_t from, int64_t until)
{
    (void)from;
    (void)until;
    const as_rope_args *r = args;
    int64_t half = r->rotary / 2;
    for (int64_t h = 0; h < r->heads; h++) {
        float *x = r->x + i * r->stride + h * r->width + r->offset;
        if (r->kind == AS_ROPE_HALF) {
            rope_half(x, r->cos + i * half, r->sin + i * half, half);
        } else {
            rope_pairs(x, r->cos + i * half, r->sin + i * half, half);
        }
    }
}

void AS_VARIANT(rope)(const as_exec *exec, const as_rope_args *args)
{
    for_rows(exec, args->n, args->heads * args->rotary, 1, true, rope_row, args);
}

AS_INLINE void gate_as(as_activation act, const as_gate_args *g, int64_t row, int64_t from, int64_t until)
{
    const float *a = g->a + row * g->a_stride, *b = g->b ? g->b + row * g->b_stride : NULL;
    float *out = g->out + row * g->out_stride;
    FOR_VECTORS(c, from, until, {
        vf value = vf_activate(act, load(a + c, count));
        if (b) value = vf_mul(value, load(b + c, count));
        store(out + c, value, count);
    });
}

/* With limits, an offset or a slope: the few models that have them go through the slow switch. */
static void gate_limited(const as_gate_args *g, int64_t row, int64_t from, int64_t until)
{
    const float *a = g->a + row * g->a_stride, *b = g->b ? g->b + row * g->b_stride : NULL;
    float *out = g->out + row * g->out_stride;
    vf most = vf_set(g->limit > 0 ? g->limit : INFINITY),
       least = vf_set(g->limit > 0 ? -g->limit : -INFINITY), none = vf_set(INFINITY);
    vf before = g->limit_act ? none : most, behind = g->limit_act ? most : none;
    vf offset = vf_set(g->b_offset), slope = vf_set(g->slope);
    FOR_VECTORS(c, from, until, {
        vf value = vf_min(before, load(a + c, count));
        value = g->slope > 0 ? vf_times_sigmoid(value, vf_mul(slope, value)) : vf_activate(g->act, value);
        value = vf_min(behind, value);
        if (b) value = vf_mul(value, vf_add(offset, vf_max(least, vf_min(most, load(b + c, count)))));
        store(out + c, value, count);
    });
}

static void gate_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    const as_gate_args *g = args;
    if (g->limit > 0 || g->b_offset != 0 || g->slope > 0) {
        gate_limited(g, row, from, until);
        return;
    }
    switch (g->act) {
    case AS_ACT_SILU: gate_as(AS_ACT_SILU, g, row, from, until); return;
    case AS_ACT_GELU: gate_as(AS_ACT_GELU, g, row, from, until); return;
    case AS_ACT_GELU_TANH: gate_as(AS_ACT_GELU_TANH, g, row, from, until); return;
    case AS_ACT_GELU_QUICK: gate_as(AS_ACT_GELU_QUICK, g, row, from, until); return;
    case AS_ACT_RELU: gate_as(AS_ACT_RELU, g, row, from, until); return;
    case AS_ACT_RELU2: gate_as(AS_ACT_RELU2, g, row, from, until); return;
    case AS_ACT_SIGMOID: gate_as(AS_ACT_SIGMOID, g, row, from, until); return;
    case AS_ACT_TANH: gate_as(AS_ACT_TANH, g, row, from, until); return;
    case AS_ACT_SOFTPLUS: gate_as(AS_ACT_SOFTPLUS, g, row, from, until); return;
    case AS_ACT_NONE: gate_as(AS_ACT_NONE, g, row, from, until); return;
    default: gate_as(g->act, g, row, from, until); return;
    }
}

void AS_VARIANT(gate)(const as_exec *exec, const as_gate_args *args)
{
    for_rows(exec, args->n, args->width, 4, false, gate_row, args);
}

static void add_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    const as_add_args *a = args;
    const float *x = a->x + row * a->x_stride;
    float *out = a->out + row * a->out_stride;
    vf scale = vf_set(a->scale), out_scale = vf_set(a->out_scale);
    FOR_VECTORS(c, from, until, {
        vf old = vf_mul(load(out + c, count), out_scale);
        store(out + c, vf_fma(load(x + c, count), scale, old), count);
    });
}

void AS_VARIANT(add)(const as_exec *exec, const as_add_args *args)
{
    for_rows(exec, args->n, args->width, 1, false, add_row, args);
}

static void cap_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    const as_cap_args *a = args;
    float *x = a->x + row * a->stride;
    vf scale = vf_set(a->scale), cap = vf_set(a->cap);
    FOR_VECTORS(c, from, until, {
        vf value = vf_mul(load(x + c, count), scale);
        if (a->cap > 0) value = vf_mul(cap, vf_tanh(vf_div(value, cap)));
        store(x + c, value, count);
    });
}

void AS_VARIANT(cap)(const as_exec *exec, const as_cap_args *args)
{
    for_rows(exec, args->n, args->width, args->cap > 0 ? 4 : 1, false, cap_row, args);
}
