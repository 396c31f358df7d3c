/* Multi-head latent attention; see mla.h. */
#include "engine/blocks/mla.h"

#include <math.h>
#include <string.h>

#include "engine/blocks/index.h"
#include "engine/blocks/pool.h"

/* Of each head, a and b of a ln(position + 1) + b; NULL: none. */
typedef struct head_growth {
    const float *rate, *base;
} head_growth;

typedef struct mla_weights {
    as_linear q, q_down, kv_down, kv_up, o, gate;
    const float *sinks;
    as_linear index_q, index_k, index_gate;
    const float *index_bias;
    as_matrix index_weights;
    as_norm_weights q_norm, kv_norm, k_norm, index_norm, index_q_norm;
    head_growth growth, index_growth;
} mla_weights;

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Values of the gate of one row, and floats of its query projection. */
static int64_t gate_width(const as_mla_spec *m)
{
    return m->out_gate == AS_ATTENTION_GATE_NONE    ? 0
           : m->out_gate == AS_ATTENTION_GATE_HEADS ? m->heads
                                                    : m->heads * m->v_width;
}

static int64_t q_rows(const as_mla_spec *m)
{
    return m->heads * (m->nope + m->rope + (m->out_gate == AS_ATTENTION_GATE_IN_Q ? m->v_width : 0));
}

/* Columns of the query projection from the latent. */
static int64_t q_cols(const as_mla_spec *m)
{
    return m->q_with_raw ? 2 * m->q_rank : m->q_rank;
}

/* Columns of the projection to the queries of the index. */
static int64_t index_q_cols(const as_model_spec *spec, const as_mla_spec *m)
{
    return m->q_rank ? m->q_rank : spec->hidden;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_index(as_binder *binder, const as_model_spec *spec, const as_mla_spec *m, mla_weights *w,
                          as_error *err)
{
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_Q, m->index_heads * m->index_width, index_q_cols(spec, m),
                          false, &w->index_q, err));
    AS_TRY(as_bind_norm(binder, &m->index_q_norm, index_q_cols(spec, m), &w->index_q_norm, err));
    if (m->head_growth) {
        AS_TRY(as_bind_vector(binder, AS_SLOT_INDEX_GROWTH, "", m->index_heads, &w->index_growth.rate, err));
        AS_TRY(as_bind_vector(binder, AS_SLOT_INDEX_GROWTH_BASE, "", m->index_heads, &w->index_growth.base,
                              err));
    }
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_K, m->index_width, spec->hidden, false, &w->index_k, err));
    AS_TRY(as_bind_norm(binder, &m->index_norm, m->index_width, &w->index_norm, err));
    if (m->index_pool) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_POOL_GATE, m->index_width, spec->hidden, false,
                              &w->index_gate, err));
        AS_TRY(as_bind_vector(binder, AS_SLOT_INDEX_POOL_BIAS, "", m->index_pool * m->index_width,
                              &w->index_bias, err));
    }
    return as_bind_matrix(binder, AS_SLOT_INDEX_WEIGHTS, m->index_heads, spec->hidden, &w->index_weights,
                          err);
}

/* One projection for keys and values or, in files that prepare them to be absorbed, one for each. */
static as_code bind_kv_up(as_binder *binder, const as_mla_spec *m, as_linear *out, as_error *err)
{
    bool apart = as_binder_names(binder, AS_SLOT_K_UP) && as_binder_has(binder, AS_SLOT_K_UP, ".weight") &&
                 !as_binder_has(binder, AS_SLOT_KV_UP, ".weight");
    if (apart) return as_bind_latent_up(binder, m->heads, m->nope, m->v_width, m->kv_rank, out, err);
    return as_bind_linear(binder, AS_SLOT_KV_UP, m->heads * (m->nope + m->v_width), m->kv_rank, false, out,
                          err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mla_spec *m = step->form;
    mla_weights *w = weights;
    int64_t hidden = spec->hidden, q = q_rows(m), out = m->heads * m->v_width;
    if (m->q_rank) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q_DOWN, m->q_rank, hidden, m->bias, &w->q_down, err));
        AS_TRY(as_bind_norm(binder, &m->q_norm, m->q_rank, &w->q_norm, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q_UP, q, q_cols(m), false, &w->q, err));
    } else {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q, q, hidden, false, &w->q, err));
    }
    AS_TRY(bind_kv_up(binder, m, &w->kv_up, err));
    if (!m->shared_cache) {
        AS_TRY(
            as_bind_linear(binder, AS_SLOT_KV_DOWN, m->kv_rank + m->rope, hidden, m->bias, &w->kv_down, err));
        AS_TRY(as_bind_norm(binder, &m->kv_norm, m->kv_rank, &w->kv_norm, err));
        AS_TRY(as_bind_norm(binder, &m->k_norm, m->rope, &w->k_norm, err));
    }
    if (m->head_growth) {
        AS_TRY(as_bind_vector(binder, AS_SLOT_HEAD_GROWTH, "", m->heads, &w->growth.rate, err));
        AS_TRY(as_bind_vector(binder, AS_SLOT_HEAD_GROWTH_BASE, "", m->heads, &w->growth.base, err));
    }
    if (m->out_gate == AS_ATTENTION_GATE_HEADS || m->out_gate == AS_ATTENTION_GATE_ELEMENTS) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_ATTENTION_GATE, gate_width(m), hidden, false, &w->gate, err));
    }
    if (m->sinks) AS_TRY(as_bind_vector(binder, AS_SLOT_SINKS, "", m->heads, &w->sinks, err));
    if (m->index == AS_INDEX_OWN) AS_TRY(bind_index(binder, spec, m, w, err));
    return as_bind_linear(binder, AS_SLOT_O, hidden, out, m->bias, &w->o, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_mla_spec *m = step->form;
    int64_t latent = m->kv_rank + m->rope, from_hidden = as_pass_linear_needs(spec->hidden);
    int64_t out = m->heads * m->v_width, absorbed = m->heads * latent, context = m->heads * m->kv_rank;
    /* The queries, beside them their latent and what the index makes of it, or the keys' latent. */
    int64_t from_latent = m->q_rank ? q_cols(m) + max64(from_hidden, as_pass_linear_needs(q_cols(m))) : 0;
    if (m->out_gate == AS_ATTENTION_GATE_IN_Q) from_latent += q_rows(m) + (m->q_rank ? 0 : from_hidden);
    if (m->index == AS_INDEX_OWN) from_latent += (m->index_heads + 1) * m->index_width + m->index_heads;
    if (m->index == AS_INDEX_OWN && !m->q_rank) from_latent += spec->hidden + from_hidden;
    if (m->head_growth) from_latent += m->heads;
    if (m->index == AS_INDEX_OWN && m->index_pool) {
        from_latent += 2 * m->index_width + m->index_pools + as_pass_pool_span_needs();
    }
    int64_t queries = m->heads * (m->nope + m->rope) + max64(from_latent, latent + from_hidden);
    int64_t most = max64(absorbed + max64(queries, context), as_pass_linear_needs(out));
    as_block_needs result = {.row = out + gate_width(m) + most};
    if (!m->shared_cache) {
        result.kv_heads = 1;
        result.k_width = latent;
        result.v_width = m->kv_rank;
        result.values_in_keys = true;
    }
    if (m->index == AS_INDEX_OWN) result.index_width = m->index_width;
    if (m->index == AS_INDEX_OWN && m->index_pool) {
        result.every = m->index_pool;
        result.state[0] = 3 * m->index_width;
    }
    return result;
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mla_spec *m = step->form;
    double hidden = (double)spec->hidden, heads = (double)m->heads;
    double q = (double)q_rows(m), latent = (double)(m->kv_rank + m->rope);
    double gate = m->out_gate == AS_ATTENTION_GATE_IN_Q ? 0 : (double)gate_width(m);
    double products = hidden * ((m->shared_cache ? 0 : latent) + heads * (double)m->v_width + gate);
    products += m->q_rank ? (double)m->q_rank * hidden + (double)q_cols(m) * q : hidden * q;
    products += heads * (double)m->kv_rank * (double)(m->nope + m->v_width);
    double per_key = heads * (latent + (double)m->kv_rank);
    if (m->index == AS_INDEX_OWN) {
        double index = (double)(m->index_heads * m->index_width);
        products +=
            (double)index_q_cols(spec, m) * index + hidden * (double)(m->index_width + m->index_heads);
        per_key += index;
    }
    return (as_block_cost){.products = products, .key_products = per_key, .window = m->window};
}

/* ---- steps -----------------------------------------------------------------------------------------------
 */

/* Where the choice of keys lies, [N, index_top] with the stride of what is carried. */
static int32_t *chosen_keys(const as_pass *pass, const as_mla_spec *m)
{
    return (int32_t *)(void *)(pass->carried + m->index_at);
}

/* Pools this pass's index keys and stores the pools that they complete. */
static void store_pools(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                        const float *k)
{
    int64_t width = m->index_width, mark = pass->work_used;
    float *gate = as_pass_floats(pass, pass->rows * width), *keys = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->index_gate, x, pass->spec->hidden, gate, width);
    pass->ops->pool_keys(&pass->exec, &(as_pool_keys_args){.x = k,
                                                           .gate = gate,
                                                           .bias = w->index_bias,
                                                           .out = keys,
                                                           .width = width,
                                                           .every = m->index_pool,
                                                           .x_stride = width,
                                                           .gate_stride = width,
                                                           .out_stride = width,
                                                           .state = pass->state[0],
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    as_pass_gather_pools(pass, m->index_pool, width, keys);
    as_pass_store_keys(pass, pass->index, keys, width, as_pass_pool_spans(pass, m->index_pool));
    pass->work_used = mark;
}

/* Queries [N, heads, width] times what their heads' growth has come to. */
static void grow_heads(as_pass *pass, const head_growth *growth, float *q, int64_t heads, int64_t width)
{
    if (!growth->rate) return;
    int64_t mark = pass->work_used;
    float *factors = as_pass_floats(pass, pass->rows * heads);
    for (int64_t s = 0; s < pass->span_count; s++) {
        const as_span *span = &pass->spans[s];
        for (int64_t i = 0; i < span->count; i++) {
            float at = logf((float)(span->position + i + 1)), *row = factors + (span->first + i) * heads;
            for (int64_t h = 0; h < heads; h++) row[h] = growth->rate[h] * at + growth->base[h];
        }
    }
    pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.factors = factors,
                                                                 .factor_stride = heads,
                                                                 .x = q,
                                                                 .n = pass->rows,
                                                                 .groups = heads,
                                                                 .width = width,
                                                                 .stride = heads * width});
    pass->work_used = mark;
}

/* The queries of the index, not yet rotated, from the queries' latent or, without one, the input. */
static void project_index(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                          const float *q_latent, float *q)
{
    int64_t hidden = pass->spec->hidden, width = m->index_heads * m->index_width, mark = pass->work_used;
    int64_t cols = q_latent ? q_cols(m) : hidden;
    const float *from = q_latent ? q_latent : x;
    if (m->index_q_norm.present) {
        float *normed = as_pass_floats(pass, pass->rows * cols);
        as_pass_norm(pass, &m->index_q_norm, &w->index_q_norm, from, cols, normed, cols, 1, cols);
        from = normed;
    }
    as_pass_linear(pass, &w->index_q, from, cols, q, width);
    pass->work_used = mark;
    grow_heads(pass, &w->index_growth, q, m->index_heads, m->index_width);
}

/* The keys that each row may see, into what the pass carries from layer to layer. */
static void choose_keys(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                        const float *q_latent)
{
    int64_t hidden = pass->spec->hidden, width = m->index_heads * m->index_width;
    float *q = as_pass_floats(pass, pass->rows * width);
    float *k = as_pass_floats(pass, pass->rows * m->index_width);
    AS_BUG(pass->spec->carried < m->index_at + m->index_top);
    project_index(pass, m, w, x, q_latent, q);
    as_pass_linear(pass, &w->index_k, x, hidden, k, m->index_width);
    as_pass_norm(pass, &m->index_norm, &w->index_norm, k, m->index_width, k, m->index_width, 1,
                 m->index_width);
    as_pass_rope_at(pass, m->index_rope, q, m->index_heads, m->index_width, m->index_offset);
    as_pass_rope_at(pass, m->index_rope, k, 1, m->index_width, m->index_offset);
    as_index_choice choice = {.weights = &w->index_weights,
                              .x = x,
                              .q = q,
                              .heads = m->index_heads,
                              .width = m->index_width,
                              .top = m->index_top,
                              .keys = chosen_keys(pass, m),
                              .key_stride = pass->spec->carried};
    if (!m->index_pool) {
        as_pass_store_keys(pass, pass->index, k, m->index_width, pass->spans);
        as_pass_index(pass, &choice);
        return;
    }
    store_pools(pass, m, w, x, k);
    choice.top = choice.key_stride = m->index_pools;
    choice.every = m->index_pool;
    choice.keys = (int32_t *)(void *)as_pass_floats(pass, pass->rows * m->index_pools);
    as_pass_index(pass, &choice);
    as_pass_pool_tokens(pass, choice.keys, m->index_pools, m->index_pool, true, chosen_keys(pass, m),
                        pass->spec->carried);
}

/* x [N, from] through the query projection: queries [N, heads, nope + rope] and, where it holds one, the
 * gate. */
static void split_queries(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                          int64_t from, float *q, float *gate)
{
    int64_t head = m->nope + m->rope, step = head + m->v_width, rows = q_rows(m);
    if (m->out_gate != AS_ATTENTION_GATE_IN_Q) {
        as_pass_linear(pass, &w->q, x, from, q, rows);
        return;
    }
    float *all = as_pass_floats(pass, pass->rows * rows);
    as_pass_linear(pass, &w->q, x, from, all, rows);
    as_pass_copy_groups(pass, m->heads, head, all, step, rows, q, m->heads * head);
    as_pass_copy_groups(pass, m->heads, m->v_width, all + head, step, rows, gate, m->heads * m->v_width);
}

/* Queries, rotated, [N, heads, nope + rope]; and the gate where their projection holds it. */
static void project_queries(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                            float *q, float *gate)
{
    int64_t hidden = pass->spec->hidden, head = m->nope + m->rope, width = m->heads * head;
    int64_t mark = pass->work_used, cols = q_cols(m);
    if (m->q_rank) {
        float *latent = as_pass_floats(pass, pass->rows * cols), *raw = latent + cols - m->q_rank;
        as_pass_linear(pass, &w->q_down, x, hidden, raw, cols);
        as_pass_norm(pass, &m->q_norm, &w->q_norm, raw, cols, latent, cols, 1, m->q_rank);
        split_queries(pass, m, w, latent, cols, q, gate);
        if (m->index == AS_INDEX_OWN) choose_keys(pass, m, w, x, latent);
    } else {
        split_queries(pass, m, w, x, hidden, q, gate);
        pass->work_used = mark;
        if (m->index == AS_INDEX_OWN) choose_keys(pass, m, w, x, NULL);
    }
    pass->work_used = mark;
    as_pass_scale(pass, m->q_scale, q, width, width);
    as_pass_rope_at(pass, m->rope_table, q, m->heads, head, m->nope);
    as_attention_grow(pass, &m->growth, q, width);
    grow_heads(pass, &w->growth, q, m->heads, head);
}

/* Each token's latent and rotated key into the cache. */
static void store_latents(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x)
{
    int64_t width = m->kv_rank + m->rope, mark = pass->work_used;
    float *latent = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->kv_down, x, pass->spec->hidden, latent, width);
    as_pass_norm(pass, &m->kv_norm, &w->kv_norm, latent, width, latent, width, 1, m->kv_rank);
    if (m->k_norm.present) {
        float *key = latent + m->kv_rank;
        as_pass_norm(pass, &m->k_norm, &w->k_norm, key, width, key, width, 1, m->rope);
    }
    as_pass_scale(pass, m->kv_scale, latent, m->kv_rank, width);
    as_pass_rope_at(pass, m->rope_table, latent, 1, width, m->kv_rank);
    as_pass_store_keys(pass, pass->cache, latent, width, pass->spans);
    pass->work_used = mark;
}

/* The queries in the space of the cached keys: the first part through the key projection, the second as it
 * is.
 */
static void absorb(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *q, float *absorbed)
{
    int64_t head = m->nope + m->rope, width = m->kv_rank + m->rope;
    pass->ops->head_matmul(&pass->exec, &(as_head_matmul_args){.w = &w->kv_up.w,
                                                               .heads = m->heads,
                                                               .rows = m->nope,
                                                               .transposed = true,
                                                               .x = q,
                                                               .out = absorbed,
                                                               .n = pass->rows,
                                                               .x_stride = m->heads * head,
                                                               .x_head_stride = head,
                                                               .out_stride = m->heads * width,
                                                               .out_head_stride = width});
    for (int64_t i = 0; i < pass->rows * m->heads; i++) {
        memcpy(absorbed + i * width + m->kv_rank, q + i * head + m->nope, (size_t)m->rope * sizeof *q);
    }
}

static void attend(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *absorbed,
                   float *context)
{
    bool chosen = m->index != AS_INDEX_NONE;
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = absorbed,
                                                           .out = context,
                                                           .q_stride = m->heads * (m->kv_rank + m->rope),
                                                           .out_stride = m->heads * m->kv_rank,
                                                           .heads = m->heads,
                                                           .scale = m->scale,
                                                           .window = m->window,
                                                           .sinks = w->sinks,
                                                           .keys = chosen ? chosen_keys(pass, m) : NULL,
                                                           .key_count = chosen ? m->index_top : 0,
                                                           .key_stride = pass->spec->carried,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
}

static void apply_gate(as_pass *pass, const as_mla_spec *m, const float *gate, float *out)
{
    int64_t width = m->heads * m->v_width;
    if (m->out_gate == AS_ATTENTION_GATE_HEADS) {
        pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.act = AS_ACT_SIGMOID,
                                                                     .factors = gate,
                                                                     .factor_stride = m->heads,
                                                                     .x = out,
                                                                     .n = pass->rows,
                                                                     .groups = m->heads,
                                                                     .width = m->v_width,
                                                                     .stride = width});
        return;
    }
    as_pass_gate(pass, AS_ACT_SIGMOID, gate, out, width);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mla_spec *m = step->form;
    const mla_weights *w = weights;
    int64_t n = pass->rows, width = m->heads * m->v_width;
    float *out = as_pass_floats(pass, n * width);
    float *gate = gate_width(m) ? as_pass_floats(pass, n * gate_width(m)) : NULL;
    int64_t all = pass->work_used;
    float *absorbed = as_pass_floats(pass, n * m->heads * (m->kv_rank + m->rope));
    int64_t mark = pass->work_used;
    float *q = as_pass_floats(pass, n * m->heads * (m->nope + m->rope));
    project_queries(pass, m, w, x, q, gate);
    if (!m->shared_cache) store_latents(pass, m, w, x);
    absorb(pass, m, w, q, absorbed);
    pass->work_used = mark;
    float *context = as_pass_floats(pass, n * m->heads * m->kv_rank);
    attend(pass, m, w, absorbed, context);
    pass->ops->head_matmul(&pass->exec, &(as_head_matmul_args){.w = &w->kv_up.w,
                                                               .heads = m->heads,
                                                               .first = m->nope,
                                                               .rows = m->v_width,
                                                               .x = context,
                                                               .out = out,
                                                               .n = n,
                                                               .x_stride = m->heads * m->kv_rank,
                                                               .x_head_stride = m->kv_rank,
                                                               .out_stride = width,
                                                               .out_head_stride = m->v_width});
    pass->work_used = all;
    if (gate && m->out_gate != AS_ATTENTION_GATE_IN_Q) {
        as_pass_linear(pass, &w->gate, x, pass->spec->hidden, gate, gate_width(m));
    }
    if (gate) apply_gate(pass, m, gate, out);
    as_pass_linear(pass, &w->o, out, width, y, pass->spec->hidden);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_mla_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%lld heads of %lld + %lld", (long long)m->heads, (long long)m->nope,
                  (long long)m->rope);
    if (m->v_width != m->nope) as_buf_printf(out, " (values %lld)", (long long)m->v_width);
    as_buf_printf(out, " from a latent of %lld", (long long)m->kv_rank);
    if (m->q_rank) as_buf_printf(out, ", queries from %lld", (long long)m->q_rank);
    as_buf_str(out, m->rope_table < 0 ? ", no positions" : ", rotary on the second part");
    if (m->bias) as_buf_str(out, ", biases");
    if (m->window) as_buf_printf(out, ", window %lld", (long long)m->window);
    if (m->sinks) as_buf_str(out, ", sinks");
    if (m->out_gate != AS_ATTENTION_GATE_NONE) as_buf_str(out, ", output gate");
    if (m->shared_cache) as_buf_printf(out, ", keys of layer %lld", (long long)step->cache_layer - 1);
    if (m->index != AS_INDEX_NONE) {
        as_buf_printf(out,
                      m->index == AS_INDEX_OWN ? ", sees %lld keys by its index"
                                               : ", shares a choice of %lld keys",
                      (long long)m->index_top);
    }
}

const as_block as_block_mla = {
    .name = "latent attention",
    .form_size = sizeof(as_mla_spec),
    .weights_size = sizeof(mla_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
