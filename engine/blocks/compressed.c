/* Attention with compressed keys; see compressed.h. */
#include "engine/blocks/compressed.h"

#include "engine/blocks/index.h"
#include "engine/blocks/pool.h"

/* What makes keys of several tokens, each of `width`. */
typedef struct pool_weights {
    as_linear x, gate;
    const float *bias;
    as_norm_weights norm;
} pool_weights;

typedef struct compressed_weights {
    as_linear q_down, q, kv, o;
    as_matrix o_down;
    as_norm_weights q_norm, kv_norm;
    const float *sinks;
    pool_weights entries, index;
    as_linear index_q;
    as_matrix index_weights;
} compressed_weights;

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Columns of what is pooled to keys of that width. */
static int64_t pooled(const as_compressed_spec *m, int64_t width)
{
    return m->overlap ? 2 * width : width;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_pool(as_binder *binder, const as_model_spec *spec, const as_compressed_spec *m,
                         int64_t width, const as_slot slots[3], const as_norm_spec *norm, pool_weights *w,
                         as_error *err)
{
    int64_t cols = pooled(m, width);
    AS_TRY(as_bind_linear(binder, slots[0], cols, spec->hidden, false, &w->x, err));
    AS_TRY(as_bind_linear(binder, slots[1], cols, spec->hidden, false, &w->gate, err));
    AS_TRY(as_bind_vector(binder, slots[2], "", m->rate * cols, &w->bias, err));
    return as_bind_norm(binder, norm, width, &w->norm, err);
}

static as_code bind_index(as_binder *binder, const as_model_spec *spec, const as_compressed_spec *m,
                          compressed_weights *w, as_error *err)
{
    static const as_slot slots[3] = {AS_SLOT_INDEX_K, AS_SLOT_INDEX_POOL_GATE, AS_SLOT_INDEX_POOL_BIAS};
    AS_TRY(bind_pool(binder, spec, m, m->index_width, slots, &m->index_norm, &w->index, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_Q, m->index_heads * m->index_width, m->q_rank, false,
                          &w->index_q, err));
    return as_bind_matrix(binder, AS_SLOT_INDEX_WEIGHTS, m->index_heads, spec->hidden, &w->index_weights,
                          err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    static const as_slot slots[3] = {AS_SLOT_POOL_KV, AS_SLOT_POOL_GATE, AS_SLOT_POOL_BIAS};
    const as_compressed_spec *m = step->form;
    compressed_weights *w = weights;
    int64_t hidden = spec->hidden, all = m->heads * m->width, low = m->groups * m->group_rank;
    AS_TRY(as_bind_linear(binder, AS_SLOT_Q_DOWN, m->q_rank, hidden, false, &w->q_down, err));
    AS_TRY(as_bind_norm(binder, &m->q_norm, m->q_rank, &w->q_norm, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_Q_UP, all, m->q_rank, false, &w->q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_KV, m->width, hidden, false, &w->kv, err));
    AS_TRY(as_bind_norm(binder, &m->kv_norm, m->width, &w->kv_norm, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SINKS, "", m->heads, &w->sinks, err));
    if (m->rate) AS_TRY(bind_pool(binder, spec, m, m->width, slots, &m->entry_norm, &w->entries, err));
    if (m->index_top) AS_TRY(bind_index(binder, spec, m, w, err));
    AS_TRY(as_bind_matrix(binder, AS_SLOT_O_DOWN, low, all / m->groups, &w->o_down, err));
    return as_bind_linear(binder, AS_SLOT_O, hidden, low, false, &w->o, err);
}

/* Floats of a running sum for each of the pool's channels, and of its work. */
static int64_t pool_state(const as_compressed_spec *m, int64_t width)
{
    return 3 * pooled(m, width);
}

static int64_t pool_row(const as_model_spec *spec, const as_compressed_spec *m, int64_t width)
{
    return 2 * pooled(m, width) + width + as_pass_linear_needs(spec->hidden);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_compressed_spec *m = step->form;
    int64_t all = m->heads * m->width, low = m->groups * m->group_rank;
    int64_t from_hidden = as_pass_linear_needs(spec->hidden), latent = as_pass_linear_needs(m->q_rank);
    int64_t row = max64(max64(from_hidden, latent), m->width + from_hidden);
    as_block_needs result = {.kv_heads = 1, .k_width = m->width, .v_width = m->width, .values_in_keys = true};
    if (m->rate) {
        result.entry_width = m->width;
        result.every = m->rate;
        result.state[0] = pool_state(m, m->width);
        row = max64(row, pool_row(spec, m, m->width));
        row = max64(row, all + 2 * m->heads); /* their outputs beside the window's */
    }
    if (m->index_top) {
        result.index_width = m->index_width;
        result.state[1] = pool_state(m, m->index_width);
        row = max64(row, pool_row(spec, m, m->index_width));
        row = max64(row, m->index_heads * (m->index_width + 1) + latent);
    }
    row = max64(row, low + as_pass_linear_needs(low));
    result.row = 2 * all + m->q_rank + m->heads + as_pass_pool_span_needs() + m->index_top + row;
    return result;
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_compressed_spec *m = step->form;
    double hidden = (double)spec->hidden, all = (double)(m->heads * m->width);
    double low = (double)(m->groups * m->group_rank), per_key = 0;
    double products = hidden * (double)(m->q_rank + m->width) + (double)m->q_rank * all +
                      (double)m->group_rank * all + low * hidden;
    if (m->rate) {
        products += 2 * hidden * (double)pooled(m, m->width) + 2 * all * (double)m->window;
        per_key = m->index_top ? 0 : 2 * all / (double)m->rate;
    }
    if (m->index_top) {
        double index = (double)(m->index_heads * m->index_width);
        products += 2 * hidden * (double)pooled(m, m->index_width) + (double)m->q_rank * index +
                    hidden * (double)m->index_heads + 2 * all * (double)m->index_top;
        per_key = index / (double)m->rate;
    }
    /* With compressed keys the window's are counted as products: it is soon full. */
    if (!m->rate) return (as_block_cost){.products = products, .key_products = 2 * all, .window = m->window};
    return (as_block_cost){.products = products, .key_products = per_key};
}

/* ---- steps -----------------------------------------------------------------------------------------------
 */

/* Turns the last elements of each head. */
static void rotate(as_pass *pass, int table, float *x, int64_t heads, int64_t width)
{
    as_pass_rope_at(pass, table, x, heads, width, width - pass->spec->ropes[table].rotary);
}

/* Pools this pass's tokens and stores the keys that they complete. */
static void compress(as_pass *pass, const as_compressed_spec *m, const pool_weights *w, const float *x,
                     const as_norm_spec *norm, const as_kv_layer *cache, float *state, const as_span *spans)
{
    int64_t hidden = pass->spec->hidden, width = cache->k_width, cols = pooled(m, width);
    int64_t mark = pass->work_used;
    float *values = as_pass_floats(pass, pass->rows * cols), *gate = as_pass_floats(pass, pass->rows * cols);
    float *keys = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->x, x, hidden, values, cols);
    as_pass_linear(pass, &w->gate, x, hidden, gate, cols);
    pass->ops->pool_keys(&pass->exec, &(as_pool_keys_args){.x = values,
                                                           .gate = gate,
                                                           .bias = w->bias,
                                                           .out = keys,
                                                           .width = width,
                                                           .every = m->rate,
                                                           .x_stride = cols,
                                                           .gate_stride = cols,
                                                           .out_stride = width,
                                                           .overlap = m->overlap,
                                                           .state = state,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    as_pass_norm(pass, norm, &w->norm, keys, width, keys, width, 1, width);
    rotate(pass, m->rope_key, keys, 1, width);
    as_pass_gather_pools(pass, m->rate, width, keys);
    as_pass_store_keys(pass, cache, keys, width, spans);
    pass->work_used = mark;
}

/* The compressed keys that each row may see. */
static void choose_keys(as_pass *pass, const as_compressed_spec *m, const compressed_weights *w,
                        const float *x, const float *latent, int32_t *keys)
{
    int64_t width = m->index_heads * m->index_width, mark = pass->work_used;
    float *q = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->index_q, latent, m->q_rank, q, width);
    rotate(pass, m->rope, q, m->index_heads, m->index_width);
    as_pass_index(pass, &(as_index_choice){.weights = &w->index_weights,
                                           .x = x,
                                           .q = q,
                                           .heads = m->index_heads,
                                           .width = m->index_width,
                                           .top = m->index_top,
                                           .every = m->rate,
                                           .keys = keys,
                                           .key_stride = m->index_top});
    pass->work_used = mark;
}

/* out of the window and `more` of the compressed keys become what one softmax over both gives. */
static void merge(as_pass *pass, const as_compressed_spec *m, const float *lse, float *more_lse, float *more,
                  float *out)
{
    int64_t all = m->heads * m->width;
    as_scale_groups_args scale = {.act = AS_ACT_SIGMOID,
                                  .factors = more_lse,
                                  .factor_stride = m->heads,
                                  .n = pass->rows,
                                  .groups = m->heads,
                                  .width = m->width,
                                  .stride = all};
    as_add_args add = {.x = lse,
                       .out = more_lse,
                       .n = pass->rows,
                       .width = m->heads,
                       .x_stride = m->heads,
                       .out_stride = m->heads,
                       .scale = -1,
                       .out_scale = 1};
    pass->ops->add(&pass->exec, &add);
    scale.x = more;
    pass->ops->scale_groups(&pass->exec, &scale);
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){.x = more_lse, .n = pass->rows, .width = m->heads, .stride = m->heads, .scale = -1});
    scale.x = out;
    pass->ops->scale_groups(&pass->exec, &scale);
    add = (as_add_args){.x = more,
                        .out = out,
                        .n = pass->rows,
                        .width = all,
                        .x_stride = all,
                        .out_stride = all,
                        .scale = 1,
                        .out_scale = 1};
    pass->ops->add(&pass->exec, &add);
}

static void attend(as_pass *pass, const as_compressed_spec *m, const compressed_weights *w, const float *q,
                   const int32_t *keys, float *out)
{
    int64_t all = m->heads * m->width, mark = pass->work_used;
    as_attention_args args = {.cache = pass->cache,
                              .q = q,
                              .out = out,
                              .q_stride = all,
                              .out_stride = all,
                              .heads = m->heads,
                              .scale = m->scale,
                              .window = m->window,
                              .sinks = w->sinks,
                              .spans = pass->spans,
                              .span_count = pass->span_count};
    if (m->rate) args.lse = as_pass_floats(pass, pass->rows * m->heads);
    pass->ops->attention(&pass->exec, &args);
    if (m->rate) {
        const float *lse = args.lse;
        args.cache = pass->entries;
        args.out = as_pass_floats(pass, pass->rows * all);
        args.lse = as_pass_floats(pass, pass->rows * m->heads);
        args.window = 0;
        args.sinks = NULL;
        args.every = m->rate;
        args.keys = keys;
        args.key_count = args.key_stride = m->index_top;
        pass->ops->attention(&pass->exec, &args);
        merge(pass, m, lse, args.lse, args.out, out);
    }
    pass->work_used = mark;
}

/* Queries [N, heads, width], their latent, and this pass's shared vectors into the cache. */
static void project(as_pass *pass, const as_compressed_spec *m, const compressed_weights *w, const float *x,
                    float *latent, float *q)
{
    int64_t hidden = pass->spec->hidden, all = m->heads * m->width, mark = pass->work_used;
    as_norm_weights none = {.weight = NULL};
    as_pass_linear(pass, &w->q_down, x, hidden, latent, m->q_rank);
    as_pass_norm(pass, &m->q_norm, &w->q_norm, latent, m->q_rank, latent, m->q_rank, 1, m->q_rank);
    as_pass_linear(pass, &w->q, latent, m->q_rank, q, all);
    as_pass_norm(pass, &m->head_norm, &none, q, all, q, all, m->heads, m->width);
    rotate(pass, m->rope, q, m->heads, m->width);
    float *kv = as_pass_floats(pass, pass->rows * m->width);
    as_pass_linear(pass, &w->kv, x, hidden, kv, m->width);
    as_pass_norm(pass, &m->kv_norm, &w->kv_norm, kv, m->width, kv, m->width, 1, m->width);
    rotate(pass, m->rope, kv, 1, m->width);
    as_pass_store_keys(pass, pass->cache, kv, m->width, pass->spans);
    pass->work_used = mark;
}

/* The heads' outputs in groups to a low rank, and together to the stream's width. */
static void project_out(as_pass *pass, const as_compressed_spec *m, const compressed_weights *w,
                        const float *out, float *y)
{
    int64_t all = m->heads * m->width, low = m->groups * m->group_rank;
    float *inner = as_pass_floats(pass, pass->rows * low);
    pass->ops->head_matmul(&pass->exec, &(as_head_matmul_args){.w = &w->o_down,
                                                               .heads = m->groups,
                                                               .rows = m->group_rank,
                                                               .x = out,
                                                               .out = inner,
                                                               .n = pass->rows,
                                                               .x_stride = all,
                                                               .x_head_stride = all / m->groups,
                                                               .out_stride = low,
                                                               .out_head_stride = m->group_rank});
    as_pass_linear(pass, &w->o, inner, low, y, pass->spec->hidden);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_compressed_spec *m = step->form;
    const compressed_weights *w = weights;
    int64_t all = m->heads * m->width;
    float *out = as_pass_floats(pass, pass->rows * all), *q = as_pass_floats(pass, pass->rows * all);
    float *latent = as_pass_floats(pass, pass->rows * m->q_rank);
    int32_t *keys = NULL;
    project(pass, m, w, x, latent, q);
    if (m->rate) {
        const as_span *spans = as_pass_pool_spans(pass, m->rate);
        compress(pass, m, &w->entries, x, &m->entry_norm, pass->entries, pass->state[0], spans);
        if (m->index_top) {
            keys = (int32_t *)(void *)as_pass_floats(pass, pass->rows * m->index_top);
            compress(pass, m, &w->index, x, &m->index_norm, pass->index, pass->state[1], spans);
            choose_keys(pass, m, w, x, latent, keys);
        }
    }
    attend(pass, m, w, q, keys, out);
    rotate(pass, m->rope_back, out, m->heads, m->width);
    project_out(pass, m, w, out, y);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_compressed_spec *m = step->form;
    as_buf_printf(out, "%lld heads of %lld on one key that is the value, window %lld, sinks, rotary on %lld",
                  (long long)m->heads, (long long)m->width, (long long)m->window,
                  (long long)spec->ropes[m->rope].rotary);
    if (m->rate) {
        as_buf_printf(out, ", a key of every %lld tokens%s", (long long)m->rate,
                      m->overlap ? ", overlapping" : "");
    }
    if (m->index_top) as_buf_printf(out, ", of which %lld by an index", (long long)m->index_top);
    as_buf_printf(out, ", output in %lld groups of rank %lld", (long long)m->groups,
                  (long long)m->group_rank);
}

const as_block as_block_compressed = {
    .name = "compressed attention",
    .form_size = sizeof(as_compressed_spec),
    .weights_size = sizeof(compressed_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
