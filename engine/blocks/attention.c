/* Softmax attention over a key/value cache: grouped heads, rotary positions, windows, caps, norms on q and k.
 */
#include <string.h>

#include "engine/blocks/block.h"

typedef struct attention_weights {
    as_linear q, k, v, qkv, o;
    as_norm_weights q_norm, k_norm;
} attention_weights;

/* A view of `rows` rows of a matrix from row `first`. */
static as_linear linear_rows(const as_linear *whole, int64_t first, int64_t rows)
{
    as_linear part = *whole;
    part.w.rows = rows;
    part.w.data =
        (const unsigned char *)whole->w.data + first * whole->w.stride * as_dtype_bytes(whole->w.dtype);
    if (whole->w.scale == AS_SCALE_ROW) part.w.scales = whole->w.scales + first;
    if (whole->bias) part.bias = whole->bias + first;
    return part;
}

static as_code bind_qkv(as_binder *binder, const as_model_spec *spec, const as_attention_spec *a,
                        attention_weights *w, as_error *err)
{
    int64_t q = a->heads * a->k_width, k = a->kv_heads * a->k_width, v = a->kv_heads * a->v_width;
    if (a->layout == AS_QKV_SEPARATE) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q, q, spec->hidden, a->q_bias, &w->q, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_K, k, spec->hidden, a->k_bias, &w->k, err));
        return as_bind_linear(binder, AS_SLOT_V, v, spec->hidden, a->v_bias, &w->v, err);
    }
    AS_TRY(as_bind_linear(binder, AS_SLOT_QKV, q + k + v, spec->hidden, a->q_bias, &w->qkv, err));
    if (a->layout == AS_QKV_ROWS && w->qkv.w.scale != AS_SCALE_BLOCK) {
        w->q = linear_rows(&w->qkv, 0, q);
        w->k = linear_rows(&w->qkv, q, k);
        w->v = linear_rows(&w->qkv, q + k, v);
        w->qkv.w.data = NULL; /* three products instead of one and a copy */
    }
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_attention_spec *a = &step->u.attention;
    attention_weights *w = weights;
    AS_TRY(bind_qkv(binder, spec, a, w, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_O, spec->hidden, a->heads * a->v_width, a->o_bias, &w->o, err));
    int64_t q_norm_width = a->norm_full_width ? a->heads * a->k_width : a->k_width;
    int64_t k_norm_width = a->norm_full_width ? a->kv_heads * a->k_width : a->k_width;
    AS_TRY(as_bind_norm(binder, &a->q_norm, q_norm_width, &w->q_norm, err));
    return as_bind_norm(binder, &a->k_norm, k_norm_width, &w->k_norm, err);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_attention_spec *a = &step->u.attention;
    int64_t q = a->heads * a->k_width, k = a->kv_heads * a->k_width, v = a->kv_heads * a->v_width;
    int64_t out = a->heads * a->v_width;
    return (as_block_needs){.kv_heads = a->kv_heads,
                            .k_width = a->k_width,
                            .v_width = a->v_width,
                            .row = 2 * (q + k + v) + out +
                                   max64(as_pass_linear_needs(spec->hidden), as_pass_linear_needs(out))};
}

/* Splits rows of [kv head][its queries, its key, its value] into q, k and v. */
static void split_per_kv_head(const as_pass *pass, const as_attention_spec *a, const float *qkv, float *q,
                              float *k, float *v)
{
    int64_t group = a->heads / a->kv_heads, q_width = group * a->k_width;
    for (int64_t i = 0; i < pass->rows; i++) {
        for (int64_t g = 0; g < a->kv_heads; g++) {
            memcpy(q, qkv, (size_t)q_width * sizeof *q);
            memcpy(k, qkv + q_width, (size_t)a->k_width * sizeof *k);
            memcpy(v, qkv + q_width + a->k_width, (size_t)a->v_width * sizeof *v);
            qkv += q_width + a->k_width + a->v_width;
            q += q_width;
            k += a->k_width;
            v += a->v_width;
        }
    }
}

static void split_rows(const as_pass *pass, int64_t q_width, int64_t k_width, int64_t v_width,
                       const float *qkv, float *q, float *k, float *v)
{
    for (int64_t i = 0; i < pass->rows; i++) {
        const float *row = qkv + i * (q_width + k_width + v_width);
        memcpy(q + i * q_width, row, (size_t)q_width * sizeof *q);
        memcpy(k + i * k_width, row + q_width, (size_t)k_width * sizeof *k);
        memcpy(v + i * v_width, row + q_width + k_width, (size_t)v_width * sizeof *v);
    }
}

static void project(as_pass *pass, const as_attention_spec *a, const attention_weights *w, const float *x,
                    float *q, float *k, float *v)
{
    int64_t q_width = a->heads * a->k_width, k_width = a->kv_heads * a->k_width,
            v_width = a->kv_heads * a->v_width;
    int64_t hidden = pass->spec->hidden;
    if (!w->qkv.w.data) {
        as_pass_linear(pass, &w->q, x, hidden, q, q_width);
        as_pass_linear(pass, &w->k, x, hidden, k, k_width);
        as_pass_linear(pass, &w->v, x, hidden, v, v_width);
        return;
    }
    int64_t mark = pass->work_used, width = q_width + k_width + v_width;
    float *qkv = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->qkv, x, hidden, qkv, width);
    if (a->layout == AS_QKV_PER_KV_HEAD) {
        split_per_kv_head(pass, a, qkv, q, k, v);
    } else {
        split_rows(pass, q_width, k_width, v_width, qkv, q, k, v);
    }
    pass->work_used = mark;
}

static void normalise_and_rotate(as_pass *pass, const as_attention_spec *a, const as_norm_spec *norm,
                                 const as_norm_weights *weights, float *x, int64_t heads)
{
    int64_t width = heads * a->k_width;
    if (norm->present) {
        as_pass_norm(pass, norm, weights, x, width, x, width, a->norm_full_width ? 1 : heads,
                     a->norm_full_width ? width : a->k_width);
    }
    if (a->rope < 0 || pass->spec->ropes[a->rope].rotary == 0) return;
    const as_rope_spec *rope = &pass->spec->ropes[a->rope];
    pass->ops->rope(&pass->exec, &(as_rope_args){.kind = rope->kind,
                                                 .x = x,
                                                 .n = pass->rows,
                                                 .heads = heads,
                                                 .width = a->k_width,
                                                 .stride = width,
                                                 .offset = rope->offset,
                                                 .rotary = rope->rotary,
                                                 .cos = pass->ropes[a->rope].cos,
                                                 .sin = pass->ropes[a->rope].sin});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_attention_spec *a = &step->u.attention;
    const attention_weights *w = weights;
    int64_t q_width = a->heads * a->k_width, k_width = a->kv_heads * a->k_width,
            v_width = a->kv_heads * a->v_width;
    int64_t out_width = a->heads * a->v_width;
    float *q = as_pass_floats(pass, pass->rows * q_width);
    float *k = as_pass_floats(pass, pass->rows * k_width);
    float *v = as_pass_floats(pass, pass->rows * v_width);
    float *out = as_pass_floats(pass, pass->rows * out_width);
    project(pass, a, w, x, q, k, v);
    normalise_and_rotate(pass, a, &a->q_norm, &w->q_norm, q, a->heads);
    normalise_and_rotate(pass, a, &a->k_norm, &w->k_norm, k, a->kv_heads);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = k,
                                                         .v = v,
                                                         .k_stride = k_width,
                                                         .v_stride = v_width,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = q,
                                                           .out = out,
                                                           .q_stride = q_width,
                                                           .out_stride = out_width,
                                                           .heads = a->heads,
                                                           .scale = a->scale,
                                                           .softcap = a->softcap,
                                                           .window = a->window,
                                                           .chunk = a->chunk,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    as_pass_linear(pass, &w->o, out, out_width, y, pass->spec->hidden);
}

const as_block as_block_attention = {
    .name = "attention",
    .weights_size = sizeof(attention_weights),
    .bind = bind,
    .needs = needs,
    .forward = forward,
};
