/* An index over pools of keys; see pool_index.h. */
#include "engine/blocks/pool_index.h"

#include "engine/blocks/pool.h"

static int64_t rows_of(const as_pool_index_spec *p)
{
    return (p->heads + 1) * p->width;
}

as_code as_bind_pool_index(as_binder *binder, const as_model_spec *spec, const as_pool_index_spec *p,
                           as_pool_index_weights *w, as_error *err)
{
    float *zeros, *ones;
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_QK, rows_of(p), spec->hidden, false, &w->project, err));
    AS_TRY(as_bind_norm(binder, &p->q_norm, p->width, &w->q_norm, err));
    AS_TRY(as_bind_norm(binder, &p->k_norm, p->width, &w->k_norm, err));
    AS_TRY(as_bind_floats(binder, p->every * p->width, &zeros, err));
    w->zeros = zeros;
    AS_TRY(as_bind_floats(binder, p->heads, &ones, err));
    for (int64_t h = 0; h < p->heads; h++) ones[h] = 1;
    w->ones = ones;
    return AS_OK;
}

void as_pool_index_needs(const as_model_spec *spec, const as_pool_index_spec *p, int part,
                         as_block_needs *needs)
{
    needs->index_width = p->width;
    needs->every = p->every;
    needs->state[part] = 3 * p->width;
    needs->row += as_pool_index_keys(p) + p->top + rows_of(p) + p->heads * p->width + p->width +
                  as_pass_pool_span_needs() + as_pass_linear_needs(spec->hidden);
}

/* The mean of each pool's keys, [N, width] of stride rows_of(p), turned by its first token's position. */
static void store_pools(as_pass *pass, const as_pool_index_spec *p, const as_pool_index_weights *w,
                        float *state, const float *k)
{
    int64_t width = p->width, mark = pass->work_used;
    float *keys = as_pass_floats(pass, pass->rows * width);
    pass->ops->pool_keys(&pass->exec, &(as_pool_keys_args){.x = k,
                                                           .gate = w->zeros,
                                                           .bias = w->zeros,
                                                           .out = keys,
                                                           .width = width,
                                                           .every = p->every,
                                                           .x_stride = rows_of(p),
                                                           .out_stride = width,
                                                           .state = state,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    as_pass_norm(pass, &p->k_norm, &w->k_norm, keys, width, keys, width, 1, width);
    as_pass_rope_at(pass, p->rope_key, keys, 1, width, 0);
    as_pass_gather_pools(pass, p->every, width, keys);
    as_pass_store_keys(pass, pass->index, keys, width, as_pass_pool_spans(pass, p->every));
    pass->work_used = mark;
}

/* The pass's spans, for a choice among the pools that a row sees alone: equal scores are settled in a list of
 * those. */
static const as_span *spans_without_total(as_pass *pass)
{
    as_span *out = (as_span *)(void *)as_pass_floats(pass, pass->span_count * as_pass_pool_span_needs());
    for (int64_t i = 0; i < pass->span_count; i++) {
        out[i] = pass->spans[i];
        out[i].total = 0;
    }
    return out;
}

const int32_t *as_pass_pool_index(as_pass *pass, const as_pool_index_spec *p, const as_pool_index_weights *w,
                                  float *state, const float *x)
{
    int64_t all = p->heads * p->width, stride = as_pool_index_keys(p);
    int32_t *keys = (int32_t *)(void *)as_pass_floats(pass, pass->rows * stride);
    int64_t mark = pass->work_used;
    int32_t *pools = (int32_t *)(void *)as_pass_floats(pass, pass->rows * p->top);
    float *projected = as_pass_floats(pass, pass->rows * rows_of(p));
    float *q = as_pass_floats(pass, pass->rows * all);
    as_pass_linear(pass, &w->project, x, pass->spec->hidden, projected, rows_of(p));
    as_pass_norm(pass, &p->q_norm, &w->q_norm, projected, rows_of(p), q, all, p->heads, p->width);
    as_pass_rope_at(pass, p->rope, q, p->heads, p->width, 0);
    store_pools(pass, p, w, state, projected + all);
    pass->ops->index_keys(&pass->exec, &(as_index_keys_args){.cache = pass->index,
                                                             .q = q,
                                                             .weights = w->ones,
                                                             .q_stride = all,
                                                             .heads = p->heads,
                                                             .top = p->top,
                                                             .every = p->every,
                                                             .keys = pools,
                                                             .key_stride = p->top,
                                                             .spans = spans_without_total(pass),
                                                             .span_count = pass->span_count});
    as_pass_pool_tokens(pass, pools, p->top, p->every, true, keys, stride);
    pass->work_used = mark;
    return keys;
}
