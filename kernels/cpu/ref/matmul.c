/* Matrix products: the specification in plain C, with sums in double. */
#include <string.h>

#include "kernels/cpu/ref/ref.h"

float as_ref_element(as_dtype type, const void *data, int64_t i)
{
    float values[AS_Q8_0_BLOCK];
    int64_t in_block = as_dtype_is_blocks(type) ? i % AS_Q8_0_BLOCK : 0;
    const unsigned char *at = (const unsigned char *)data + as_dtype_span(type, i - in_block);
    as_convert_to_f32(type, at, values, in_block + 1);
    return values[in_block];
}

static double weight_scale(const as_matrix *w, int64_t row, int64_t col)
{
    switch (w->scale) {
    case AS_SCALE_NONE: return 1;
    case AS_SCALE_TENSOR: return w->scales[0];
    case AS_SCALE_ROW: return w->scales[row];
    case AS_SCALE_POWERS: return as_f32_from_e8m0(w->powers[row * w->power_stride + col / AS_E2M1_BLOCK]);
    case AS_SCALE_BLOCK: {
        int64_t wide = as_ceil_div(w->cols, w->block_cols);
        return w->scales[row / w->block_rows * wide + col / w->block_cols];
    }
    }
    AS_BUG(true);
    return 0;
}

double as_ref_weight(const as_matrix *w, int64_t row, int64_t col)
{
    return as_ref_element(w->dtype, w->data, row * w->stride + col) * weight_scale(w, row, col);
}

/* One row of weights as doubles, converted once for all rows of x: a part of at most PART columns. */
enum { PART = 1024 };

typedef struct product {
    const as_matrix *w;
    const float *x, *x_scale;
    int64_t n, x_stride, x_block;
} product;

static double x_scale_at(const product *p, int64_t i, int64_t col)
{
    if (!p->x_scale) return 1;
    if (p->x_block == 0) return p->x_scale[i];
    return p->x_scale[i * as_ceil_div(p->w->cols, p->x_block) + col / p->x_block];
}

static double dot(const product *p, int64_t row, int64_t i)
{
    double sum = 0;
    float part[PART];
    bool inner = p->w->scale == AS_SCALE_BLOCK || p->w->scale == AS_SCALE_POWERS;
    for (int64_t at = 0; at < p->w->cols; at += PART) {
        int64_t count = as_min_i64(PART, p->w->cols - at);
        as_convert_to_f32(p->w->dtype, as_matrix_row(p->w, row) + as_dtype_span(p->w->dtype, at), part,
                          count);
        const float *x = p->x + i * p->x_stride + at;
        for (int64_t c = 0; c < count; c++) {
            double term = (double)part[c] * x[c];
            if (inner) term *= weight_scale(p->w, row, at + c);
            if (p->x_block > 0) term *= x_scale_at(p, i, at + c);
            sum += term;
        }
    }
    if (!inner) sum *= weight_scale(p->w, row, 0);
    return p->x_block > 0 ? sum : sum * x_scale_at(p, i, 0);
}

static void matmul_row(void *context, int64_t row, int worker)
{
    (void)worker;
    const as_matmul_args *m = context;
    product p = {.w = m->w, .x = m->x, .x_scale = m->x_scale, .x_stride = m->x_stride, .x_block = m->x_block};
    for (int64_t i = 0; i < m->n; i++) {
        double value = dot(&p, row, i);
        float *out = m->out + i * m->out_stride + row;
        if (m->bias) value += m->bias[row];
        if (m->accumulate) value += *out;
        *out = (float)value;
    }
}

void matmul_ref(const as_exec *exec, const as_matmul_args *args)
{
    as_pool_for(exec->pool, args->w->rows, matmul_row, (void *)args);
}

static void expert_row(void *context, int64_t r, int worker)
{
    (void)worker;
    const as_expert_matmul_args *e = context;
    int32_t id = e->ids[r];
    if (id >= e->experts) return;
    product p = {
        .w = &e->w[id], .x = e->x, .x_scale = e->x_scale, .x_stride = e->x_stride, .x_block = e->x_block};
    for (int64_t row = 0; row < p.w->rows; row++) {
        double value = dot(&p, row, r / e->rows_per_x);
        if (e->bias) value += e->bias[id * p.w->rows + row];
        e->out[r * e->out_stride + row] = (float)value;
    }
}

void expert_matmul_ref(const as_exec *exec, const as_expert_matmul_args *args)
{
    as_pool_for(exec->pool, args->n, expert_row, (void *)args);
}

typedef struct head_row {
    const as_head_matmul_args *args;
    const float *x;
    float *out;
    int64_t first; /* row of w */
} head_row;

static void head_forward(const head_row *h)
{
    const as_matrix *w = h->args->w;
    for (int64_t r = 0; r < h->args->rows; r++) {
        double sum = 0;
        for (int64_t c = 0; c < w->cols; c++) sum += as_ref_weight(w, h->first + r, c) * h->x[c];
        h->out[r] = (float)sum;
    }
}

static void head_transposed(const head_row *h)
{
    const as_matrix *w = h->args->w;
    for (int64_t c = 0; c < w->cols; c++) {
        double sum = 0;
        for (int64_t r = 0; r < h->args->rows; r++) sum += as_ref_weight(w, h->first + r, c) * h->x[r];
        h->out[c] = (float)sum;
    }
}

static void head_body(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_head_matmul_args *a = context;
    int64_t row = i / a->heads, head = i % a->heads;
    head_row h = {.args = a,
                  .x = a->x + row * a->x_stride + head * a->x_head_stride,
                  .out = a->out + row * a->out_stride + head * a->out_head_stride,
                  .first = head * (a->w->rows / a->heads) + a->first};
    if (a->transposed) {
        head_transposed(&h);
    } else {
        head_forward(&h);
    }
}

void head_matmul_ref(const as_exec *exec, const as_head_matmul_args *args)
{
    as_pool_for(exec->pool, args->n * args->heads, head_body, (void *)args);
}
