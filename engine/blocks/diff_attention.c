/* Differential attention; see diff_attention.h. As transformers models/diffllama has it: a key/value head of
 * either half reads the value heads of both halves, one beside the other, so that the cache holds values of
 * twice the width and one attention yields both. */
#include "engine/blocks/diff_attention.h"

#include <math.h>
#include <string.h>

typedef struct diff_weights {
    as_linear q, k, v, o;
    float lambda;
    const float *keep; /* [2 * width], each the share left to the norm */
} diff_weights;

/* exp(sum of products), of the two vectors that make one lambda. */
static as_code bind_exponent(as_binder *binder, as_slot q, as_slot k, int64_t width, double *out,
                             as_error *err)
{
    const float *a = NULL, *b = NULL;
    AS_TRY(as_bind_vector(binder, q, "", width, &a, err));
    AS_TRY(as_bind_vector(binder, k, "", width, &b, err));
    double sum = 0;
    for (int64_t i = 0; i < width; i++) sum += (double)a[i] * b[i];
    *out = exp(sum);
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_diff_attention_spec *a = step->form;
    diff_weights *w = weights;
    int64_t q = a->heads * a->width, kv = a->kv_heads * a->width;
    double first, second;
    float *keep;
    AS_TRY(as_bind_linear(binder, AS_SLOT_Q, q, spec->hidden, a->bias, &w->q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_K, kv, spec->hidden, a->bias, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_V, kv, spec->hidden, a->bias, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_O, spec->hidden, q, a->bias, &w->o, err));
    AS_TRY(bind_exponent(binder, AS_SLOT_LAMBDA_Q1, AS_SLOT_LAMBDA_K1, a->width, &first, err));
    AS_TRY(bind_exponent(binder, AS_SLOT_LAMBDA_Q2, AS_SLOT_LAMBDA_K2, a->width, &second, err));
    AS_TRY(as_bind_floats(binder, 2 * a->width, &keep, err));
    w->lambda = (float)(first - second + a->initial);
    for (int64_t i = 0; i < 2 * a->width; i++) keep[i] = (float)(1 - a->initial);
    w->keep = keep;
    return AS_OK;
}

/* Two arrays of queries and outputs twice as wide, keys, values before and after they are joined. */
static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_diff_attention_spec *a = step->form;
    int64_t q = a->heads * a->width, kv = a->kv_heads * a->width;
    return (as_block_needs){
        .kv_heads = a->kv_heads,
        .k_width = a->width,
        .v_width = 2 * a->width,
        .row = 3 * q + 4 * kv + as_pass_linear_needs(spec->hidden) + as_pass_linear_needs(q),
    };
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_diff_attention_spec *a = step->form;
    double q = (double)(a->heads * a->width), kv = (double)(a->kv_heads * a->width);
    return (as_block_cost){.products = (double)spec->hidden * (2 * q + 2 * kv), .key_products = 3 * q};
}

/* Value head g of the result: heads g and g + half of v, of one row after another, g taken modulo half. */
static void join_values(const as_pass *pass, const as_diff_attention_spec *a, const float *v, float *joined)
{
    int64_t half = a->kv_heads / 2;
    size_t bytes = (size_t)a->width * sizeof *v;
    for (int64_t i = 0; i < pass->rows; i++, v += a->kv_heads * a->width) {
        for (int64_t g = 0; g < a->kv_heads; g++, joined += 2 * a->width) {
            memcpy(joined, v + g % half * a->width, bytes);
            memcpy(joined + a->width, v + (half + g % half) * a->width, bytes);
        }
    }
}

static void store(as_pass *pass, const as_diff_attention_spec *a, const diff_weights *w, const float *x)
{
    int64_t kv = a->kv_heads * a->width, hidden = pass->spec->hidden, mark = pass->work_used;
    float *k = as_pass_floats(pass, pass->rows * kv), *v = as_pass_floats(pass, pass->rows * kv);
    float *joined = as_pass_floats(pass, pass->rows * 2 * kv);
    as_pass_linear(pass, &w->k, x, hidden, k, kv);
    as_pass_linear(pass, &w->v, x, hidden, v, kv);
    as_pass_rope(pass, a->rope, k, a->kv_heads, a->width);
    join_values(pass, a, v, joined);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = k,
                                                         .v = joined,
                                                         .k_stride = kv,
                                                         .v_stride = 2 * kv,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
    pass->work_used = mark;
}

/* The first half of the heads less lambda times the second, normed; in place, rows 2 * heads * width apart.
 */
static void subtract(as_pass *pass, const as_diff_attention_spec *a, const diff_weights *w, float *out)
{
    int64_t width = a->heads * a->width;
    pass->ops->add(&pass->exec, &(as_add_args){.x = out + width,
                                               .out = out,
                                               .n = pass->rows,
                                               .width = width,
                                               .x_stride = 2 * width,
                                               .out_stride = 2 * width,
                                               .scale = -w->lambda,
                                               .out_scale = 1});
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_RMS,
                                                 .in = out,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .groups = a->heads / 2,
                                                 .width = 2 * a->width,
                                                 .in_stride = 2 * width,
                                                 .out_stride = 2 * width,
                                                 .weight = w->keep,
                                                 .eps = a->eps});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_diff_attention_spec *a = step->form;
    const diff_weights *w = weights;
    int64_t width = a->heads * a->width, hidden = pass->spec->hidden;
    float *q = as_pass_floats(pass, pass->rows * width), *out = as_pass_floats(pass, pass->rows * 2 * width);
    store(pass, a, w, x);
    as_pass_linear(pass, &w->q, x, hidden, q, width);
    as_pass_rope(pass, a->rope, q, a->heads, a->width);
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = q,
                                                           .out = out,
                                                           .q_stride = width,
                                                           .out_stride = 2 * width,
                                                           .heads = a->heads,
                                                           .scale = (float)(1 / sqrt((double)a->width)),
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    subtract(pass, a, w, out);
    as_pass_linear(pass, &w->o, out, 2 * width, y, hidden);
}

const as_block as_block_diff_attention = {
    .name = "differential attention",
    .form_size = sizeof(as_diff_attention_spec),
    .weights_size = sizeof(diff_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
