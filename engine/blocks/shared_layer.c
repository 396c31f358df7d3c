/* A transformer layer whose weights several layers share; see shared_layer.h. */
#include "engine/blocks/shared_layer.h"

#include <string.h>

/* A projection and what its adapter adds: out (in x). */
typedef struct adapted {
    as_linear base, in, out;
} adapted;

typedef struct shared_weights {
    as_norm_weights in_norm, ffn_norm;
    adapted q, k, v, gate, up;
    as_linear o, down, linear;
} shared_weights;

typedef struct adapter_slots {
    as_slot base, in, out;
} adapter_slots;

static as_norm_spec norm_of(const as_shared_layer_spec *s, as_slot slot)
{
    return (as_norm_spec){.present = true, .kind = AS_NORM_RMS, .eps = (float)s->eps, .slot = slot};
}

static as_code bind_adapted(as_binder *binder, adapter_slots slots, int64_t rows, int64_t cols, int64_t rank,
                            bool bias, adapted *out, as_error *err)
{
    AS_TRY(as_bind_linear(binder, slots.base, rows, cols, bias, &out->base, err));
    if (rank == 0) return AS_OK;
    AS_TRY(as_bind_linear(binder, slots.in, rank, cols, false, &out->in, err));
    return as_bind_linear(binder, slots.out, rows, rank, false, &out->out, err);
}

static as_code bind_parts(as_binder *binder, const as_model_spec *spec, const as_shared_layer_spec *s,
                          shared_weights *w, as_error *err)
{
    static const adapter_slots q = {AS_SLOT_Q, AS_SLOT_Q_ADAPTER_IN, AS_SLOT_Q_ADAPTER_OUT},
                               k = {AS_SLOT_K, AS_SLOT_K_ADAPTER_IN, AS_SLOT_K_ADAPTER_OUT},
                               v = {AS_SLOT_V, AS_SLOT_V_ADAPTER_IN, AS_SLOT_V_ADAPTER_OUT},
                               gate = {AS_SLOT_GATE, AS_SLOT_GATE_ADAPTER_IN, AS_SLOT_GATE_ADAPTER_OUT},
                               up = {AS_SLOT_UP, AS_SLOT_GATE_ADAPTER_IN, AS_SLOT_UP_ADAPTER_OUT};
    int64_t hidden = spec->hidden, qs = s->heads * s->head_dim, kvs = s->kv_heads * s->head_dim;
    int64_t qkv_rank = s->adapt_qkv ? s->rank : 0, mlp_rank = s->adapt_mlp ? s->rank : 0;
    as_norm_spec in_norm = norm_of(s, AS_SLOT_SHARED_IN_NORM), ffn_norm = norm_of(s, AS_SLOT_SHARED_FFN_NORM);
    AS_TRY(as_bind_norm(binder, &in_norm, 2 * hidden, &w->in_norm, err));
    AS_TRY(as_bind_norm(binder, &ffn_norm, hidden, &w->ffn_norm, err));
    AS_TRY(bind_adapted(binder, q, qs, 2 * hidden, qkv_rank, false, &w->q, err));
    AS_TRY(bind_adapted(binder, k, kvs, 2 * hidden, qkv_rank, false, &w->k, err));
    AS_TRY(bind_adapted(binder, v, kvs, 2 * hidden, qkv_rank, false, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_O, hidden, qs, false, &w->o, err));
    AS_TRY(bind_adapted(binder, gate, s->width, hidden, mlp_rank, s->mlp_bias, &w->gate, err));
    AS_TRY(bind_adapted(binder, up, s->width, hidden, mlp_rank, s->mlp_bias, &w->up, err));
    return as_bind_linear(binder, AS_SLOT_DOWN, hidden, s->width, s->mlp_bias, &w->down, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_shared_layer_spec *s = step->form;
    shared_weights *w = weights;
    AS_TRY(as_bind_linear(binder, AS_SLOT_SHARED_LINEAR, spec->hidden, spec->hidden, false, &w->linear, err));
    as_binder_at(binder, s->layer, (int)s->use);
    bool own = as_binder_has(binder, AS_SLOT_O, ".weight") || as_binder_has(binder, AS_SLOT_Q, ".weight");
    if (!own) as_binder_at(binder, s->source, (int)s->use);
    return bind_parts(binder, spec, s, w, err);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_shared_layer_spec *s = step->form;
    int64_t qs = s->heads * s->head_dim, kvs = s->kv_heads * s->head_dim;
    int64_t widest = max64(max64(2 * spec->hidden, qs), max64(s->width, s->rank));
    return (as_block_needs){.kv_heads = s->kv_heads,
                            .k_width = s->head_dim,
                            .v_width = s->head_dim,
                            .row = 2 * spec->hidden + 2 * qs + 2 * kvs + spec->hidden + 2 * s->width +
                                   s->rank + as_pass_linear_needs(widest)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_shared_layer_spec *s = step->form;
    double hidden = (double)spec->hidden, qs = (double)(s->heads * s->head_dim),
           kvs = (double)(s->kv_heads * s->head_dim), rank = (double)s->rank, width = (double)s->width;
    double products = 2 * hidden * (qs + 2 * kvs) + qs * hidden + hidden * (3 * width + hidden);
    if (s->adapt_qkv) products += rank * (6 * hidden + qs + 2 * kvs);
    if (s->adapt_mlp) products += rank * (hidden + 2 * width);
    return (as_block_cost){.products = products, .key_products = 2 * qs};
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_shared_layer_spec *s = step->form;
    (void)spec;
    as_buf_printf(out, "weights of layer %lld, %lld heads of %lld", (long long)s->source, (long long)s->heads,
                  (long long)s->head_dim);
    if (s->adapt_qkv || s->adapt_mlp) as_buf_printf(out, ", adapters of rank %lld", (long long)s->rank);
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

/* y = base x + out (in x) */
static void project(as_pass *pass, const adapted *a, const float *x, float *y)
{
    int64_t mark = pass->work_used, rows = a->base.w.rows, rank = a->in.w.rows;
    as_pass_linear(pass, &a->base, x, a->base.w.cols, y, rows);
    if (rank == 0) return;
    float *low = as_pass_floats(pass, pass->rows * rank);
    as_pass_linear(pass, &a->in, x, a->in.w.cols, low, rank);
    as_pass_add_linear(pass, &a->out, low, rank, y, rows);
    pass->work_used = mark;
}

static void rotate(as_pass *pass, const as_shared_layer_spec *s, float *x, int64_t heads)
{
    if (s->rope < 0) return;
    const as_rope_spec *rope = &pass->spec->ropes[s->rope];
    pass->ops->rope(&pass->exec, &(as_rope_args){.kind = rope->kind,
                                                 .x = x,
                                                 .n = pass->rows,
                                                 .heads = heads,
                                                 .width = s->head_dim,
                                                 .stride = heads * s->head_dim,
                                                 .offset = rope->offset,
                                                 .rotary = rope->rotary,
                                                 .cos = pass->ropes[s->rope].cos,
                                                 .sin = pass->ropes[s->rope].sin});
}

/* What the heads read, from both [N, 2 hidden]. */
static void attend(as_pass *pass, const as_shared_layer_spec *s, const shared_weights *w, const float *both,
                   float *out)
{
    int64_t mark = pass->work_used, qs = s->heads * s->head_dim, kvs = s->kv_heads * s->head_dim;
    float *q = as_pass_floats(pass, pass->rows * qs), *k = as_pass_floats(pass, pass->rows * kvs),
          *v = as_pass_floats(pass, pass->rows * kvs);
    project(pass, &w->q, both, q);
    project(pass, &w->k, both, k);
    project(pass, &w->v, both, v);
    rotate(pass, s, q, s->heads);
    rotate(pass, s, k, s->kv_heads);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = k,
                                                         .v = v,
                                                         .k_stride = kvs,
                                                         .v_stride = kvs,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = q,
                                                           .out = out,
                                                           .q_stride = qs,
                                                           .out_stride = qs,
                                                           .heads = s->heads,
                                                           .scale = s->scale,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    pass->work_used = mark;
}

static void feed_forward(as_pass *pass, const as_shared_layer_spec *s, const shared_weights *w,
                         const float *x, float *y)
{
    float *gate = as_pass_floats(pass, pass->rows * s->width),
          *up = as_pass_floats(pass, pass->rows * s->width);
    project(pass, &w->gate, x, gate);
    project(pass, &w->up, x, up);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = s->act,
                                                 .a = gate,
                                                 .b = up,
                                                 .out = gate,
                                                 .n = pass->rows,
                                                 .width = s->width,
                                                 .a_stride = s->width,
                                                 .b_stride = s->width,
                                                 .out_stride = s->width});
    as_pass_linear(pass, &w->down, gate, s->width, y, pass->spec->hidden);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_shared_layer_spec *s = step->form;
    const shared_weights *w = weights;
    int64_t hidden = pass->spec->hidden, n = pass->rows, qs = s->heads * s->head_dim;
    float *both = as_pass_floats(pass, n * 2 * hidden), *read = as_pass_floats(pass, n * qs),
          *inner = as_pass_floats(pass, n * hidden);
    for (int64_t i = 0; i < n; i++) {
        memcpy(both + 2 * i * hidden, x + i * hidden, (size_t)hidden * sizeof *x);
        memcpy(both + (2 * i + 1) * hidden, pass->embedding + i * hidden, (size_t)hidden * sizeof *x);
    }
    as_norm_spec in_norm = norm_of(s, AS_SLOT_SHARED_IN_NORM), ffn_norm = norm_of(s, AS_SLOT_SHARED_FFN_NORM);
    as_pass_norm(pass, &in_norm, &w->in_norm, both, 2 * hidden, both, 2 * hidden, 1, 2 * hidden);
    attend(pass, s, w, both, read);
    as_pass_linear(pass, &w->o, read, qs, inner, hidden);
    as_pass_norm(pass, &ffn_norm, &w->ffn_norm, inner, hidden, inner, hidden, 1, hidden);
    feed_forward(pass, s, w, inner, inner);
    as_pass_linear(pass, &w->linear, inner, hidden, y, hidden);
}

const as_block as_block_shared_layer = {
    .name = "shared layer",
    .form_size = sizeof(as_shared_layer_spec),
    .weights_size = sizeof(shared_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
