/* Multi-head latent attention; see mla.h. */
#include "engine/blocks/mla.h"

#include <math.h>
#include <string.h>

typedef struct mla_weights {
    as_linear q, q_down, kv_down, kv_up, o, gate;
    as_linear index_q, index_k;
    as_matrix index_weights;
    as_norm_weights q_norm, kv_norm, index_norm;
} mla_weights;

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_index(as_binder *binder, const as_model_spec *spec, const as_mla_spec *m, mla_weights *w,
                          as_error *err)
{
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_Q, m->index_heads * m->index_width, m->q_rank, false,
                          &w->index_q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_K, m->index_width, spec->hidden, false, &w->index_k, err));
    AS_TRY(as_bind_norm(binder, &m->index_norm, m->index_width, &w->index_norm, err));
    return as_bind_matrix(binder, AS_SLOT_INDEX_WEIGHTS, m->index_heads, spec->hidden, &w->index_weights,
                          err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mla_spec *m = step->form;
    mla_weights *w = weights;
    int64_t hidden = spec->hidden, q = m->heads * (m->nope + m->rope), out = m->heads * m->v_width;
    if (m->q_rank) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q_DOWN, m->q_rank, hidden, m->bias, &w->q_down, err));
        AS_TRY(as_bind_norm(binder, &m->q_norm, m->q_rank, &w->q_norm, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q_UP, q, m->q_rank, false, &w->q, err));
    } else {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q, q, hidden, false, &w->q, err));
    }
    AS_TRY(as_bind_linear(binder, AS_SLOT_KV_DOWN, m->kv_rank + m->rope, hidden, m->bias, &w->kv_down, err));
    AS_TRY(as_bind_norm(binder, &m->kv_norm, m->kv_rank, &w->kv_norm, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_KV_UP, m->heads * (m->nope + m->v_width), m->kv_rank, false,
                          &w->kv_up, err));
    if (m->gate) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_ATTENTION_GATE, m->heads, hidden, false, &w->gate, err));
    }
    if (m->index == AS_INDEX_OWN) AS_TRY(bind_index(binder, spec, m, w, err));
    return as_bind_linear(binder, AS_SLOT_O, hidden, out, m->bias, &w->o, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_mla_spec *m = step->form;
    int64_t latent = m->kv_rank + m->rope, from_hidden = as_pass_linear_needs(spec->hidden);
    int64_t out = m->heads * m->v_width, absorbed = m->heads * latent, context = m->heads * m->kv_rank;
    /* The queries, beside them their latent and what the index makes of it, or the keys' latent. */
    int64_t from_latent = m->q_rank ? m->q_rank + max64(from_hidden, as_pass_linear_needs(m->q_rank)) : 0;
    if (m->index == AS_INDEX_OWN) from_latent += (m->index_heads + 1) * m->index_width + m->index_heads;
    int64_t queries = m->heads * (m->nope + m->rope) + max64(from_latent, latent + from_hidden);
    int64_t most = max64(absorbed + max64(queries, context), as_pass_linear_needs(out));
    as_block_needs result = {.kv_heads = 1,
                             .k_width = latent,
                             .v_width = m->kv_rank,
                             .values_in_keys = true,
                             .row = out + (m->gate ? m->heads : 0) + most};
    if (m->index == AS_INDEX_OWN) result.index_width = m->index_width;
    return result;
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mla_spec *m = step->form;
    double hidden = (double)spec->hidden, heads = (double)m->heads;
    double q = heads * (double)(m->nope + m->rope), latent = (double)(m->kv_rank + m->rope);
    double products = hidden * (latent + heads * (double)(m->v_width + m->gate));
    products += m->q_rank ? (double)m->q_rank * (hidden + q) : hidden * q;
    products += heads * (double)m->kv_rank * (double)(m->nope + m->v_width);
    double per_key = heads * (latent + (double)m->kv_rank);
    if (m->index == AS_INDEX_OWN) {
        double index = (double)(m->index_heads * m->index_width);
        products += (double)m->q_rank * index + hidden * (double)(m->index_width + m->index_heads);
        per_key += index;
    }
    return (as_block_cost){.products = products, .key_products = per_key};
}

/* ---- steps -----------------------------------------------------------------------------------------------
 */

static void rotate(as_pass *pass, int table, float *x, int64_t heads, int64_t width, int64_t offset)
{
    if (table < 0) return;
    const as_rope_spec *rope = &pass->spec->ropes[table];
    pass->ops->rope(&pass->exec, &(as_rope_args){.kind = rope->kind,
                                                 .x = x,
                                                 .n = pass->rows,
                                                 .heads = heads,
                                                 .width = width,
                                                 .stride = heads * width,
                                                 .offset = offset,
                                                 .rotary = rope->rotary,
                                                 .cos = pass->ropes[table].cos,
                                                 .sin = pass->ropes[table].sin});
}

static void scale(as_pass *pass, float factor, float *x, int64_t width, int64_t stride)
{
    if (factor == 0 || factor == 1) return;
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){.x = x, .n = pass->rows, .width = width, .stride = stride, .scale = factor});
}

static void store(as_pass *pass, const as_kv_layer *cache, const float *k, int64_t stride)
{
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = cache,
                                                         .k = k,
                                                         .k_stride = stride,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
}

/* The keys that each row may see, into what the pass carries from layer to layer. */
static void choose_keys(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                        const float *q_latent)
{
    int64_t hidden = pass->spec->hidden, width = m->index_heads * m->index_width;
    float *q = as_pass_floats(pass, pass->rows * width);
    float *k = as_pass_floats(pass, pass->rows * m->index_width);
    float *weights = as_pass_floats(pass, pass->rows * m->index_heads);
    AS_BUG(pass->spec->carried != m->index_top);
    as_pass_linear(pass, &w->index_q, q_latent, m->q_rank, q, width);
    as_pass_linear(pass, &w->index_k, x, hidden, k, m->index_width);
    as_pass_norm(pass, &m->index_norm, &w->index_norm, k, m->index_width, k, m->index_width, 1,
                 m->index_width);
    rotate(pass, m->index_rope, q, m->index_heads, m->index_width, 0);
    rotate(pass, m->index_rope, k, 1, m->index_width, 0);
    store(pass, pass->index, k, m->index_width);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->index_weights,
                                                     .x = x,
                                                     .n = pass->rows,
                                                     .x_stride = hidden,
                                                     .out = weights,
                                                     .out_stride = m->index_heads});
    scale(pass, (float)(1 / sqrt((double)width)), weights, m->index_heads, m->index_heads);
    pass->ops->index_keys(&pass->exec, &(as_index_keys_args){.cache = pass->index,
                                                             .q = q,
                                                             .weights = weights,
                                                             .q_stride = width,
                                                             .weight_stride = m->index_heads,
                                                             .heads = m->index_heads,
                                                             .top = m->index_top,
                                                             .keys = (int32_t *)pass->carried,
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
}

/* Queries, rotated, [N, heads, nope + rope]. */
static void project_queries(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x,
                            float *q)
{
    int64_t hidden = pass->spec->hidden, head = m->nope + m->rope, width = m->heads * head;
    int64_t mark = pass->work_used;
    if (m->q_rank) {
        float *latent = as_pass_floats(pass, pass->rows * m->q_rank);
        as_pass_linear(pass, &w->q_down, x, hidden, latent, m->q_rank);
        as_pass_norm(pass, &m->q_norm, &w->q_norm, latent, m->q_rank, latent, m->q_rank, 1, m->q_rank);
        as_pass_linear(pass, &w->q, latent, m->q_rank, q, width);
        if (m->index == AS_INDEX_OWN) choose_keys(pass, m, w, x, latent);
    } else {
        as_pass_linear(pass, &w->q, x, hidden, q, width);
    }
    pass->work_used = mark;
    scale(pass, m->q_scale, q, width, width);
    rotate(pass, m->rope_table, q, m->heads, head, m->nope);
    as_attention_grow(pass, &m->growth, q, width);
}

/* Each token's latent and rotated key into the cache. */
static void store_latents(as_pass *pass, const as_mla_spec *m, const mla_weights *w, const float *x)
{
    int64_t width = m->kv_rank + m->rope, mark = pass->work_used;
    float *latent = as_pass_floats(pass, pass->rows * width);
    as_pass_linear(pass, &w->kv_down, x, pass->spec->hidden, latent, width);
    as_pass_norm(pass, &m->kv_norm, &w->kv_norm, latent, width, latent, width, 1, m->kv_rank);
    scale(pass, m->kv_scale, latent, m->kv_rank, width);
    rotate(pass, m->rope_table, latent, 1, width, m->kv_rank);
    store(pass, pass->cache, latent, width);
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

static void attend(as_pass *pass, const as_mla_spec *m, const float *absorbed, float *context)
{
    bool chosen = m->index != AS_INDEX_NONE;
    pass->ops->attention(&pass->exec,
                         &(as_attention_args){.cache = pass->cache,
                                              .q = absorbed,
                                              .out = context,
                                              .q_stride = m->heads * (m->kv_rank + m->rope),
                                              .out_stride = m->heads * m->kv_rank,
                                              .heads = m->heads,
                                              .scale = m->scale,
                                              .keys = chosen ? (const int32_t *)pass->carried : NULL,
                                              .key_count = chosen ? m->index_top : 0,
                                              .spans = pass->spans,
                                              .span_count = pass->span_count});
}

static void apply_gate(as_pass *pass, const as_mla_spec *m, const float *gate, float *out)
{
    pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.act = AS_ACT_SIGMOID,
                                                                 .factors = gate,
                                                                 .factor_stride = m->heads,
                                                                 .x = out,
                                                                 .n = pass->rows,
                                                                 .groups = m->heads,
                                                                 .width = m->v_width,
                                                                 .stride = m->heads * m->v_width});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mla_spec *m = step->form;
    const mla_weights *w = weights;
    int64_t n = pass->rows, width = m->heads * m->v_width;
    float *out = as_pass_floats(pass, n * width), *gate = m->gate ? as_pass_floats(pass, n * m->heads) : NULL;
    int64_t all = pass->work_used;
    float *absorbed = as_pass_floats(pass, n * m->heads * (m->kv_rank + m->rope));
    int64_t mark = pass->work_used;
    float *q = as_pass_floats(pass, n * m->heads * (m->nope + m->rope));
    project_queries(pass, m, w, x, q);
    store_latents(pass, m, w, x);
    absorb(pass, m, w, q, absorbed);
    pass->work_used = mark;
    float *context = as_pass_floats(pass, n * m->heads * m->kv_rank);
    attend(pass, m, absorbed, context);
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
    if (gate) {
        as_pass_linear(pass, &w->gate, x, pass->spec->hidden, gate, m->heads);
        apply_gate(pass, m, gate, out);
    }
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
    if (m->gate) as_buf_str(out, ", output gate");
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
