/* The matrix memory of xLSTM; see mlstm.h. */
#include "engine/blocks/mlstm.h"

#include <math.h>

typedef struct mlstm_weights {
    as_linear q, k, v, gate, in, forget, out; /* q and in: all of what is projected together, where it is */
    as_norm_weights norm;
    const float *ones; /* [heads] */
} mlstm_weights;

/* Widths of one row: keys and values of all heads, and what is projected at once (q, k, v, the output gate).
 */
typedef struct widths {
    int64_t key, value, all;
} widths;

static widths widths_of(const as_mlstm_spec *m)
{
    widths w = {.key = m->heads * m->key_width, .value = m->heads * m->value_width};
    w.all = 2 * w.key + 2 * w.value;
    return w;
}

static as_code bind_projections(as_binder *binder, const as_model_spec *spec, const as_mlstm_spec *m,
                                mlstm_weights *w, as_error *err)
{
    widths at = widths_of(m);
    int64_t hidden = spec->hidden;
    if (m->fused) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_QKVZ, at.all, hidden, m->bias, &w->q, err));
        return as_bind_linear(binder, AS_SLOT_LINEAR_BA, 2 * m->heads, hidden, true, &w->in, err);
    }
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_Q, at.key, hidden, m->bias, &w->q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_K, at.key, hidden, m->bias, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_V, at.value, hidden, m->bias, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_GATE, at.value, hidden, m->bias, &w->gate, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_B, m->heads, hidden, true, &w->in, err));
    return as_bind_linear(binder, AS_SLOT_LINEAR_A, m->heads, hidden, true, &w->forget, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mlstm_spec *m = step->form;
    mlstm_weights *w = weights;
    int64_t value = widths_of(m).value;
    float *ones;
    AS_TRY(bind_projections(binder, spec, m, w, err));
    AS_TRY(as_bind_norm(binder, &m->norm, value, &w->norm, err));
    AS_TRY(as_bind_floats(binder, m->heads, &ones, err));
    for (int64_t i = 0; i < m->heads; i++) ones[i] = 1;
    w->ones = ones;
    return as_bind_linear(binder, AS_SLOT_LINEAR_OUT, spec->hidden, value, m->bias, &w->out, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_mlstm_spec *m = step->form;
    widths at = widths_of(m);
    int64_t widest = spec->hidden > at.value ? spec->hidden : at.value;
    return (as_block_needs){.state = {at.key * m->value_width, at.key, m->heads},
                            .row = at.all + at.value + 6 * m->heads + as_pass_linear_needs(widest)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mlstm_spec *m = step->form;
    widths at = widths_of(m);
    double products = (double)spec->hidden * (double)(at.all + at.value + 2 * m->heads);
    return (as_block_cost){.products = products + 3 * (double)at.key * (double)(m->value_width + 1)};
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_mlstm_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%lld heads of %lld by %lld", (long long)m->heads, (long long)m->key_width,
                  (long long)m->value_width);
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

/* Queries, keys, values and output gates [N, all]; input and forget gates [N, 2 heads], capped. */
static void project(as_pass *pass, const as_mlstm_spec *m, const mlstm_weights *w, const float *x, float *all,
                    float *gates)
{
    widths at = widths_of(m);
    int64_t hidden = pass->spec->hidden, both = 2 * m->heads;
    as_pass_linear(pass, &w->q, x, hidden, all, at.all);
    as_pass_linear(pass, &w->in, x, hidden, gates, both);
    if (!m->fused) {
        as_pass_linear(pass, &w->k, x, hidden, all + at.key, at.all);
        as_pass_linear(pass, &w->v, x, hidden, all + 2 * at.key, at.all);
        as_pass_linear(pass, &w->gate, x, hidden, all + 2 * at.key + at.value, at.all);
        as_pass_linear(pass, &w->forget, x, hidden, gates + m->heads, both);
    }
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){
            .x = gates, .n = pass->rows, .width = both, .stride = both, .cap = m->gate_cap, .scale = 1});
}

/* What the queries read of a state of `width` columns a head. */
static void scan(as_pass *pass, const as_mlstm_spec *m, const float *all, const float *v, int64_t v_stride,
                 int64_t width, const float *decay, const float *gain, int64_t state, float *out)
{
    widths at = widths_of(m);
    pass->ops->state_scan(&pass->exec, &(as_state_scan_args){.r = all,
                                                             .k = all + at.key,
                                                             .v = v,
                                                             .w = decay,
                                                             .gain = gain,
                                                             .out = out,
                                                             .heads = m->heads,
                                                             .groups = m->heads,
                                                             .key_width = m->key_width,
                                                             .value_width = width,
                                                             .r_stride = at.all,
                                                             .k_stride = at.all,
                                                             .v_stride = v_stride,
                                                             .gain_stride = m->heads,
                                                             .out_stride = m->heads * width,
                                                             .w_stride = m->heads,
                                                             .w_head = 1,
                                                             .scale = (float)(1 / sqrt((double)m->key_width)),
                                                             .state = pass->state[state],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
}

/* Each head's reading, divided by the query's share of the sum of keys. */
static void remember(as_pass *pass, const as_mlstm_spec *m, const mlstm_weights *w, const float *all,
                     const float *gates, float *out)
{
    widths at = widths_of(m);
    int64_t mark = pass->work_used, n = pass->rows;
    float *decay = as_pass_floats(pass, n * m->heads), *gain = as_pass_floats(pass, n * m->heads),
          *least = as_pass_floats(pass, n * m->heads), *share = as_pass_floats(pass, n * m->heads);
    pass->ops->exp_gates(&pass->exec, &(as_exp_gates_args){.in = gates,
                                                           .forget = gates + m->heads,
                                                           .decay = decay,
                                                           .gain = gain,
                                                           .least = least,
                                                           .heads = m->heads,
                                                           .in_stride = 2 * m->heads,
                                                           .forget_stride = 2 * m->heads,
                                                           .out_stride = m->heads,
                                                           .state = pass->state[2],
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    scan(pass, m, all, all + 2 * at.key, at.all, m->value_width, decay, gain, 0, out);
    scan(pass, m, all, w->ones, 0, 1, decay, gain, 1, share);
    pass->ops->divide_groups(&pass->exec, &(as_divide_groups_args){.x = out,
                                                                   .by = share,
                                                                   .least = least,
                                                                   .n = n,
                                                                   .groups = m->heads,
                                                                   .width = m->value_width,
                                                                   .stride = at.value,
                                                                   .by_stride = m->heads,
                                                                   .eps = m->eps});
    pass->work_used = mark;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mlstm_spec *m = step->form;
    const mlstm_weights *w = weights;
    widths at = widths_of(m);
    int64_t n = pass->rows;
    float *all = as_pass_floats(pass, n * at.all), *gates = as_pass_floats(pass, n * 2 * m->heads),
          *out = as_pass_floats(pass, n * at.value);
    project(pass, m, w, x, all, gates);
    remember(pass, m, w, all, gates, out);
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = m->norm.kind,
                                                 .in = out,
                                                 .out = out,
                                                 .n = n,
                                                 .groups = m->heads,
                                                 .width = m->value_width,
                                                 .in_stride = at.value,
                                                 .out_stride = at.value,
                                                 .weight = w->norm.weight,
                                                 .bias = w->norm.bias,
                                                 .eps = m->norm.eps,
                                                 .weight_per_group = true});
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_SIGMOID,
                                                 .a = all + 2 * at.key + at.value,
                                                 .b = out,
                                                 .out = out,
                                                 .n = n,
                                                 .width = at.value,
                                                 .a_stride = at.all,
                                                 .b_stride = at.value,
                                                 .out_stride = at.value});
    as_pass_linear(pass, &w->out, out, at.value, y, pass->spec->hidden);
}

const as_block as_block_mlstm = {
    .name = "matrix memory",
    .form_size = sizeof(as_mlstm_spec),
    .weights_size = sizeof(mlstm_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
