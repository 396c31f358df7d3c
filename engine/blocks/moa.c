/* Mixture of attention heads; see moa.h. */
#include "engine/blocks/moa.h"

#include <string.h>

typedef struct moa_weights {
    as_router_weights router;
    as_expert_stack q, o;
    as_linear kv; /* keys, then values */
    const float *out_bias;
} moa_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_moa_spec *a = step->form;
    moa_weights *w = weights;
    int64_t e = a->experts.experts, hidden = spec->hidden, width = a->kv_heads * a->width;
    AS_TRY(as_bind_router(binder, spec, &a->experts, AS_SLOT_ATTENTION_ROUTER, &w->router, err));
    AS_TRY(as_bind_experts(binder, AS_SLOT_Q, e, width, hidden, false, &w->q, err));
    AS_TRY(as_bind_experts(binder, AS_SLOT_O, e, hidden, width, false, &w->o, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_KV, 2 * width, hidden, false, &w->kv, err));
    return as_bind_vector(binder, AS_SLOT_ATTENTION_BIAS, "", hidden, &w->out_bias, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_moa_spec *a = step->form;
    int64_t width = a->kv_heads * a->width, k = a->experts.top_k;
    /* Ids and shares, queries in both orders, keys with values, and what the products take. */
    int64_t in = as_pass_linear_needs(spec->hidden), out = k * (as_pass_linear_needs(width) + spec->hidden);
    return (as_block_needs){.kv_heads = a->kv_heads,
                            .k_width = a->width,
                            .v_width = a->width,
                            .row = 2 * k + a->experts.experts + 2 * k * width + 2 * width +
                                   (in > out ? in : out)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_moa_spec *a = step->form;
    int64_t width = a->kv_heads * a->width, k = a->experts.top_k;
    return (as_block_cost){.products = (double)spec->hidden *
                                       (double)(a->experts.experts + 2 * k * width + 2 * width),
                           .key_products = 2.0 * (double)(k * width),
                           .experts = a->experts.experts,
                           .used = k};
}

/* Heads between the experts' order [rank, head] and attention's, where those of a key stand together. */
static void reorder(const as_pass *pass, const as_moa_spec *a, const float *from, float *to,
                    bool to_attention)
{
    int64_t k = a->experts.top_k, heads = a->kv_heads, width = a->width;
    for (int64_t i = 0; i < pass->rows; i++) {
        for (int64_t r = 0; r < k; r++) {
            for (int64_t h = 0; h < heads; h++) {
                int64_t by_rank = ((i * k + r) * heads + h) * width,
                        by_key = ((i * heads + h) * k + r) * width;
                memcpy(to + (to_attention ? by_key : by_rank), from + (to_attention ? by_rank : by_key),
                       (size_t)width * sizeof *to);
            }
        }
    }
}

static void rotate(as_pass *pass, const as_moa_spec *a, float *x, int64_t heads, int64_t stride)
{
    const as_rope_spec *rope = &pass->spec->ropes[a->rope];
    pass->ops->rope(&pass->exec, &(as_rope_args){.kind = rope->kind,
                                                 .x = x,
                                                 .n = pass->rows,
                                                 .heads = heads,
                                                 .width = a->width,
                                                 .stride = stride,
                                                 .offset = rope->offset,
                                                 .rotary = rope->rotary,
                                                 .cos = pass->ropes[a->rope].cos,
                                                 .sin = pass->ropes[a->rope].sin});
}

/* Rotated queries of the chosen experts in attention's order; keys and values into the cache. */
static void prepare(as_pass *pass, const as_moa_spec *a, const moa_weights *w, const float *x,
                    const int32_t *ids, float *q, float *room)
{
    int64_t k = a->experts.top_k, width = a->kv_heads * a->width, n = pass->rows, mark = pass->work_used;
    as_pass_experts(pass, &w->q,
                    (as_expert_matmul_args){.experts = a->experts.experts,
                                            .ids = ids,
                                            .n = n * k,
                                            .rows_per_x = k,
                                            .x = x,
                                            .x_stride = pass->spec->hidden,
                                            .out = room,
                                            .out_stride = width});
    reorder(pass, a, room, q, true);
    float *kv = as_pass_floats(pass, n * 2 * width);
    as_pass_linear(pass, &w->kv, x, pass->spec->hidden, kv, 2 * width);
    rotate(pass, a, q, k * a->kv_heads, k * width);
    rotate(pass, a, kv, a->kv_heads, 2 * width);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = kv,
                                                         .v = kv + width,
                                                         .k_stride = 2 * width,
                                                         .v_stride = 2 * width,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
    pass->work_used = mark;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_moa_spec *a = step->form;
    const moa_weights *w = weights;
    int64_t k = a->experts.top_k, width = a->kv_heads * a->width, n = pass->rows;
    float *shares = as_pass_floats(pass, n * k);
    int32_t *ids = (int32_t *)as_pass_floats(pass, n * k);
    float *q = as_pass_floats(pass, n * k * width), *room = as_pass_floats(pass, n * k * width);
    as_pass_route(pass, &a->experts, &w->router, x, ids, shares);
    prepare(pass, a, w, x, ids, q, room);
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = q,
                                                           .out = room,
                                                           .q_stride = k * width,
                                                           .out_stride = k * width,
                                                           .heads = k * a->kv_heads,
                                                           .scale = a->scale,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    reorder(pass, a, room, q, false);
    float *outputs = as_pass_floats(pass, n * k * pass->spec->hidden);
    as_pass_experts(pass, &w->o,
                    (as_expert_matmul_args){.experts = a->experts.experts,
                                            .ids = ids,
                                            .n = n * k,
                                            .rows_per_x = 1,
                                            .x = q,
                                            .x_stride = width,
                                            .out = outputs,
                                            .out_stride = pass->spec->hidden});
    as_pass_combine(pass, &a->experts, w->out_bias, outputs, ids, shares, y);
}

const as_block as_block_moa = {
    .name = "attention experts",
    .form_size = sizeof(as_moa_spec),
    .weights_size = sizeof(moa_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
