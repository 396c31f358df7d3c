/* Operations on single rows: embed, norm, rope, gate, add, cap, clamp, scale_groups, xielu. The specification
 * in plain C: sums and functions in double, one rounding at the end. */
#include <math.h>

#include "kernels/cpu/ref/ref.h"

static void embed_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_embed_args *a = context;
    for (int64_t c = 0; c < a->matrix->cols; c++) {
        double value = as_ref_weight(a->matrix, a->tokens[i], c);
        a->out[i * a->out_stride + c] = (float)(a->scale * value);
    }
}

void embed_ref(const as_exec *exec, const as_embed_args *args)
{
    as_pool_for(exec->pool, args->n, embed_row, (void *)args);
}

static void norm_vector(const as_norm_args *a, int64_t row, int64_t group)
{
    const float *in = a->in + row * a->in_stride + group * a->width;
    float *out = a->out + row * a->out_stride + group * a->width;
    int64_t at = a->weight_per_group ? group * a->width : 0;
    double mean = 0, sum = 0;
    if (a->kind == AS_NORM_LAYER) {
        for (int64_t i = 0; i < a->width; i++) mean += in[i];
        mean /= (double)a->width;
    }
    for (int64_t i = 0; i < a->width; i++) sum += (in[i] - mean) * (in[i] - mean);
    if (a->kind != AS_NORM_L2) sum /= (double)a->width;
    double inverse = 1 / sqrt(sum + (double)a->eps);
    for (int64_t i = 0; i < a->width; i++) {
        double weight = a->weight ? (double)a->weight[at + i] + a->weight_offset : 1;
        double bias = a->bias ? a->bias[at + i] : 0;
        out[i] = (float)((in[i] - mean) * inverse * weight + bias);
    }
}

static void norm_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_norm_args *a = context;
    for (int64_t g = 0; g < a->groups; g++) norm_vector(a, i, g);
}

void norm_ref(const as_exec *exec, const as_norm_args *args)
{
    as_pool_for(exec->pool, args->n, norm_row, (void *)args);
}

static void rope_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_rope_args *r = context;
    int64_t half = r->rotary / 2;
    const float *cosine = r->cos + i * half, *sine = r->sin + i * half;
    for (int64_t h = 0; h < r->heads; h++) {
        float *x = r->x + i * r->stride + h * r->width + r->offset;
        for (int64_t j = 0; j < half; j++) {
            float *pa = r->kind == AS_ROPE_HALF ? x + j : x + 2 * j;
            float *pb = r->kind == AS_ROPE_HALF ? x + j + half : x + 2 * j + 1;
            double a = *pa, b = *pb;
            *pa = (float)(a * cosine[j] - b * sine[j]);
            *pb = (float)(b * cosine[j] + a * sine[j]);
        }
    }
}

void rope_ref(const as_exec *exec, const as_rope_args *args)
{
    as_pool_for(exec->pool, args->n, rope_row, (void *)args);
}

double as_ref_activate(as_activation act, double x)
{
    switch (act) {
    case AS_ACT_NONE: return x;
    case AS_ACT_SILU: return x == -INFINITY ? 0 : x / (1 + exp(-x));
    case AS_ACT_GELU: return x == -INFINITY ? 0 : 0.5 * x * erfc(-x * M_SQRT1_2);
    case AS_ACT_GELU_TANH: {
        double inner = sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
        return x == -INFINITY ? 0 : x / (1 + exp(-2 * inner));
    }
    case AS_ACT_GELU_QUICK: return x == -INFINITY ? 0 : x / (1 + exp(-1.702 * x));
    case AS_ACT_RELU: return x < 0 ? 0 : x;
    case AS_ACT_RELU2: return x < 0 ? 0 : x * x;
    case AS_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case AS_ACT_TANH: return tanh(x);
    case AS_ACT_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case AS_ACT_GELU_CLIPPED: return isnan(x) ? x : fmin(fmax(as_ref_activate(AS_ACT_GELU, x), -10), 10);
    case AS_ACT_HARDSWISH: return x == -INFINITY ? 0 : x * fmin(fmax(x + 3, 0), 6) / 6;
    case AS_ACT_LAPLACE: return 0.5 * (1 + erf((x - 0.707107) / (0.282095 * M_SQRT2)));
    case AS_ACT_LEAKY_RELU: return x < 0 ? 0.01 * x : x;
    case AS_ACT_MISH: return x == -INFINITY ? 0 : x * tanh(as_ref_activate(AS_ACT_SOFTPLUS, x));
    case AS_ACT_RELU6: return x < 0 ? 0 : x > 6 ? 6 : x;
    case AS_ACT_SQRT_SOFTPLUS: return sqrt(as_ref_activate(AS_ACT_SOFTPLUS, x));
    case AS_ACT_COUNT: break;
    }
    AS_BUG(true);
    return 0;
}

static void gate_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_gate_args *g = context;
    for (int64_t c = 0; c < g->width; c++) {
        double a = g->a[i * g->a_stride + c], b = g->b ? g->b[i * g->b_stride + c] : 0;
        if (g->limit > 0) {
            if (a > g->limit && !g->limit_act) a = g->limit;
            if (b > g->limit) b = g->limit;
            if (b < -g->limit) b = -g->limit;
        }
        double value =
            g->slope > 0 ? as_ref_activate(AS_ACT_SILU, g->slope * a) / g->slope : as_ref_activate(g->act, a);
        if (g->limit > 0 && g->limit_act && value > g->limit) value = g->limit;
        if (g->b) value *= b + g->b_offset;
        g->out[i * g->out_stride + c] = (float)value;
    }
}

void gate_ref(const as_exec *exec, const as_gate_args *args)
{
    as_pool_for(exec->pool, args->n, gate_row, (void *)args);
}

static void add_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_add_args *a = context;
    for (int64_t c = 0; c < a->width; c++) {
        float *out = a->out + i * a->out_stride + c;
        *out = (float)((double)a->out_scale * *out + (double)a->scale * a->x[i * a->x_stride + c]);
    }
}

void add_ref(const as_exec *exec, const as_add_args *args)
{
    as_pool_for(exec->pool, args->n, add_row, (void *)args);
}

static void cap_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_cap_args *c = context;
    for (int64_t j = 0; j < c->width; j++) {
        float *x = c->x + i * c->stride + j;
        double scaled = (double)c->scale * *x;
        *x = (float)(c->cap > 0 ? c->cap * tanh(scaled / c->cap) : scaled);
    }
}

void cap_ref(const as_exec *exec, const as_cap_args *args)
{
    as_pool_for(exec->pool, args->n, cap_row, (void *)args);
}

static void clamp_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_clamp_args *c = context;
    for (int64_t j = 0; j < c->width; j++) {
        float *x = c->x + i * c->stride + j;
        if (*x < c->least) *x = c->least;
        if (*x > c->most) *x = c->most;
    }
}

void clamp_ref(const as_exec *exec, const as_clamp_args *args)
{
    as_pool_for(exec->pool, args->n, clamp_row, (void *)args);
}

static void shorten_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_shorten_args *s = context;
    for (int64_t g = 0; g < s->groups; g++) {
        float *x = s->x + i * s->stride + g * s->width;
        double sum = 0;
        for (int64_t c = 0; c < s->width; c++) sum += (double)x[c] * x[c];
        double factor = s->most / (sqrt(sum) + 1e-6);
        for (int64_t c = 0; c < s->width && factor < 1; c++) x[c] = (float)(x[c] * factor);
    }
}

void shorten_ref(const as_exec *exec, const as_shorten_args *args)
{
    as_pool_for(exec->pool, args->n, shorten_row, (void *)args);
}

static void scale_groups_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_scale_groups_args *s = context;
    for (int64_t g = 0; g < s->groups; g++) {
        double factor = as_ref_activate(s->act, s->factors[i * s->factor_stride + g]);
        float *x = s->x + i * s->stride + g * s->width;
        for (int64_t c = 0; c < s->width; c++) x[c] = (float)(x[c] * factor);
    }
}

void scale_groups_ref(const as_exec *exec, const as_scale_groups_args *args)
{
    as_pool_for(exec->pool, args->n, scale_groups_row, (void *)args);
}

static void xielu_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_xielu_args *a = context;
    for (int64_t c = 0; c < a->width; c++) {
        double x = a->x[i * a->stride + c];
        double curve = x > 0 ? a->alpha_p * x * x : a->alpha_n * (expm1(fmin(x, a->eps)) - x);
        a->x[i * a->stride + c] = (float)(curve + a->beta * x);
    }
}

void xielu_ref(const as_exec *exec, const as_xielu_args *args)
{
    as_pool_for(exec->pool, args->n, xielu_row, (void *)args);
}
