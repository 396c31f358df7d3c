/* Experts of one row chosen by pairs of keys; see product_keys.h.
 *
 * As transformers models/doge has it, the 2 T halves of the scores of a feed's T tokens are one list, of
 * which token t reads number t for the one key and T + t for the other. A token so reads later ones' scores,
 * and the spec says that feeds are whole (as_model_spec.whole_feeds); with one token at a time both are its
 * own. */
#include "engine/blocks/product_keys.h"

#include <string.h>

typedef struct keys_weights {
    as_mlp_weights shared;
    as_matrix router, down, up;
    const float *ones; /* [hidden] */
} keys_weights;

static as_step shared_step(const as_product_keys_spec *k)
{
    return (as_step){.block = &as_block_mlp, .form = &k->shared};
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_product_keys_spec *k = step->form;
    keys_weights *w = weights;
    as_step shared = shared_step(k);
    float *ones;
    AS_TRY(as_block_mlp.bind(binder, spec, &shared, &w->shared, err));
    AS_TRY(as_bind_matrix(binder, AS_SLOT_ROUTER, 2 * k->keys, spec->hidden, &w->router, err));
    AS_TRY(as_bind_matrix(binder, AS_SLOT_EXPERT_DOWN, k->experts, spec->hidden, &w->down, err));
    AS_TRY(as_bind_matrix(binder, AS_SLOT_EXPERT_UP, k->experts, spec->hidden, &w->up, err));
    AS_TRY(as_bind_floats(binder, spec->hidden, &ones, err));
    for (int64_t i = 0; i < spec->hidden; i++) ones[i] = 1;
    w->ones = ones;
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_product_keys_spec *k = step->form;
    as_step shared = shared_step(k);
    int64_t routing = 2 * k->keys + k->keys * k->keys, rows = k->top_k * (spec->hidden + 1);
    int64_t row = 2 * k->top_k + (routing > rows ? routing : rows);
    int64_t other = spec->hidden + as_block_mlp.needs(spec, &shared).row;
    return (as_block_needs){.row = row > other ? row : other};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_product_keys_spec *k = step->form;
    as_step shared = shared_step(k);
    as_block_cost cost = as_block_mlp.cost(spec, &shared);
    cost.products += (double)spec->hidden * (double)(2 * k->keys + 2 * k->top_k);
    cost.table = 2 * (double)k->experts * (double)spec->hidden;
    return cost;
}

typedef struct sum_job {
    const as_product_keys_spec *form;
    const as_span *span;
    const float *scores; /* [N, 2, keys] */
    float *sums;         /* [N, keys, keys] */
} sum_job;

static void sum_row(void *context, int64_t t, int worker)
{
    (void)worker;
    const sum_job *job = context;
    int64_t keys = job->form->keys, row = job->span->first + t;
    const float *list = job->scores + job->span->first * 2 * keys;
    const float *a = list + t * keys, *b = list + (job->span->count + t) * keys;
    float *out = job->sums + row * keys * keys;
    for (int64_t i = 0; i < keys; i++) {
        for (int64_t j = 0; j < keys; j++) *out++ = a[i] + b[j];
    }
}

/* Experts of each row and their shares. */
static void route(as_pass *pass, const as_product_keys_spec *k, const keys_weights *w, const float *x,
                  int32_t *ids, float *shares)
{
    int64_t n = pass->rows, all = k->keys * k->keys, mark = pass->work_used;
    float *scores = as_pass_floats(pass, n * 2 * k->keys), *sums = as_pass_floats(pass, n * all);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->router,
                                                     .x = x,
                                                     .n = n,
                                                     .x_stride = pass->spec->hidden,
                                                     .out = scores,
                                                     .out_stride = 2 * k->keys});
    for (int64_t s = 0; s < pass->span_count; s++) {
        sum_job job = {.form = k, .span = &pass->spans[s], .scores = scores, .sums = sums};
        as_pool_for(pass->exec.pool, job.span->count, sum_row, &job);
    }
    pass->ops->route(&pass->exec, &(as_route_args){.kind = AS_ROUTE_SOFTMAX_TOPK,
                                                   .scores = sums,
                                                   .n = n,
                                                   .experts = all,
                                                   .top_k = k->top_k,
                                                   .normalise = k->normalise,
                                                   .scale = 1,
                                                   .ids = ids,
                                                   .weights = shares});
    pass->work_used = mark;
}

static void look_up(as_pass *pass, const as_matrix *table, const int32_t *ids, int64_t count, float *rows)
{
    pass->ops->embed(&pass->exec, &(as_embed_args){.matrix = table,
                                                   .tokens = ids,
                                                   .n = count,
                                                   .scale = 1,
                                                   .out = rows,
                                                   .out_stride = pass->spec->hidden});
}

/* y = sum of shares * act(down row . x) * up row, over the chosen experts. */
static void retrieve(as_pass *pass, const as_product_keys_spec *k, const keys_weights *w, const float *x,
                     const int32_t *ids, const float *shares, float *y)
{
    int64_t hidden = pass->spec->hidden, n = pass->rows, mark = pass->work_used;
    float *rows = as_pass_floats(pass, n * k->top_k * hidden), *inner = as_pass_floats(pass, n * k->top_k);
    look_up(pass, &w->down, ids, n * k->top_k, rows);
    memset(inner, 0, (size_t)(n * k->top_k) * sizeof *inner);
    for (int64_t r = 0; r < k->top_k; r++) {
        pass->ops->key_bonus(&pass->exec, &(as_key_bonus_args){.r = x,
                                                               .key = rows + r * hidden,
                                                               .v = w->ones,
                                                               .weight = w->ones,
                                                               .out = inner + r,
                                                               .n = n,
                                                               .heads = 1,
                                                               .width = hidden,
                                                               .value_width = 1,
                                                               .r_stride = hidden,
                                                               .key_stride = k->top_k * hidden,
                                                               .out_stride = k->top_k});
    }
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = k->act,
                                                 .a = inner,
                                                 .b = shares,
                                                 .out = inner,
                                                 .n = n,
                                                 .width = k->top_k,
                                                 .a_stride = k->top_k,
                                                 .b_stride = k->top_k,
                                                 .out_stride = k->top_k});
    look_up(pass, &w->up, ids, n * k->top_k, rows);
    memset(y, 0, (size_t)(n * hidden) * sizeof *y);
    pass->ops->expert_combine(&pass->exec, &(as_expert_combine_args){.x = rows,
                                                                     .weights = inner,
                                                                     .ids = ids,
                                                                     .n = n,
                                                                     .top_k = k->top_k,
                                                                     .width = hidden,
                                                                     .x_stride = hidden,
                                                                     .out_stride = hidden,
                                                                     .out = y});
    pass->work_used = mark;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_product_keys_spec *k = step->form;
    const keys_weights *w = weights;
    int64_t hidden = pass->spec->hidden, n = pass->rows, mark = pass->work_used;
    as_step shared = shared_step(k);
    int32_t *ids = (int32_t *)(void *)as_pass_floats(pass, n * k->top_k);
    float *shares = as_pass_floats(pass, n * k->top_k);
    route(pass, k, w, x, ids, shares);
    retrieve(pass, k, w, x, ids, shares, y);
    pass->work_used = mark;
    float *out = as_pass_floats(pass, n * hidden);
    as_block_mlp.forward(pass, &shared, &w->shared, x, out);
    pass->ops->add(&pass->exec, &(as_add_args){.x = out,
                                               .out = y,
                                               .n = n,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .out_stride = hidden,
                                               .scale = 1,
                                               .out_scale = 1});
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_product_keys_spec *k = step->form;
    as_step shared = shared_step(k);
    as_buf_printf(out, "%lld of %lld by pairs of %lld keys, shared ", (long long)k->top_k,
                  (long long)(k->keys * k->keys), (long long)k->keys);
    as_block_mlp.describe(spec, &shared, out);
}

const as_block as_block_product_keys = {
    .name = "experts of one row",
    .form_size = sizeof(as_product_keys_spec),
    .weights_size = sizeof(keys_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
