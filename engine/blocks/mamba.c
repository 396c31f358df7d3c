/* Mamba; see mamba.h. */
#include <math.h>

#include "engine/blocks/mamba.h"

typedef struct mamba_weights {
    as_linear in, gate, x, dt, out;
    as_expert_stack head_x, head_dt; /* a matrix for each head */
    const float *dt_bias, *conv, *conv_bias, *a, *d;
    as_norm_weights dt_norm, b_norm, c_norm;
} mamba_weights;

as_code as_mamba_bind_decay(as_binder *binder, int64_t count, bool holds_a, const float **out, as_error *err)
{
    const float *log_a;
    float *a;
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_A_LOG, "", count, &log_a, err));
    if (holds_a) {
        *out = log_a;
        return AS_OK;
    }
    AS_TRY(as_bind_floats(binder, count, &a, err));
    for (int64_t i = 0; i < count; i++) a[i] = -expf(log_a[i]);
    *out = a;
    return AS_OK;
}

/* dt, b and c from the convolution's output. */
static as_code bind_scan(as_binder *binder, const as_mamba_spec *m, mamba_weights *w, as_error *err)
{
    int64_t rows = m->dt_rank + 2 * m->states;
    if (m->heads) {
        int64_t each = m->width / m->heads;
        AS_TRY(as_bind_blocks(binder, AS_SLOT_SSM_X, m->heads, rows, each, &w->head_x, err));
        AS_TRY(as_bind_blocks(binder, AS_SLOT_SSM_DT, m->heads, each, m->dt_rank, &w->head_dt, err));
        AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_DT_BIAS, "", m->width, &w->dt_bias, err));
    } else {
        AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_X, rows, m->width, false, &w->x, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_DT, m->width, m->dt_rank, true, &w->dt, err));
    }
    AS_TRY(as_bind_norm(binder, &m->dt_norm, m->dt_rank, &w->dt_norm, err));
    AS_TRY(as_bind_norm(binder, &m->b_norm, m->states, &w->b_norm, err));
    AS_TRY(as_bind_norm(binder, &m->c_norm, m->states, &w->c_norm, err));
    AS_TRY(as_mamba_bind_decay(binder, m->width * m->states, m->holds_a, &w->a, err));
    return as_bind_vector(binder, AS_SLOT_SSM_D, "", m->width, &w->d, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mamba_spec *m = step->form;
    mamba_weights *w = weights;
    int64_t in = m->split_in ? m->width : 2 * m->width;
    AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_IN, in, spec->hidden, m->bias, &w->in, err));
    if (m->split_in) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_GATE, in, spec->hidden, m->bias, &w->gate, err));
    }
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".weight", m->width * m->taps, &w->conv, err));
    if (m->conv_bias) AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".bias", m->width, &w->conv_bias, err));
    AS_TRY(bind_scan(binder, m, w, err));
    return as_bind_linear(binder, AS_SLOT_SSM_OUT, spec->hidden, m->width, m->bias, &w->out, err);
}

static int64_t heads_of(const as_mamba_spec *m)
{
    return m->heads ? m->heads : 1;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_mamba_spec *m = step->form;
    int64_t linear = as_pass_linear_needs(m->width > spec->hidden ? m->width : spec->hidden);
    return (as_block_needs){.state = {m->width * (m->taps - 1), m->width * m->states},
                            .row = 4 * m->width + heads_of(m) * (m->dt_rank + 2 * m->states) + linear};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mamba_spec *m = step->form;
    double width = (double)m->width, states = (double)m->states;
    return (as_block_cost){.products =
                               (double)spec->hidden * 3 * width +
                               width * (2 * (double)m->dt_rank + 2 * states + (double)m->taps + 3 * states)};
}

/* Norms of the parts of each row [dt_rank, states, states]. */
static void normalise(as_pass *pass, const as_mamba_spec *m, const mamba_weights *w, float *dbc)
{
    int64_t stride = m->dt_rank + 2 * m->states;
    AS_BUG(m->heads && (m->dt_norm.present || m->b_norm.present || m->c_norm.present));
    float *b = dbc + m->dt_rank, *c = b + m->states;
    if (m->dt_norm.present) {
        as_pass_norm(pass, &m->dt_norm, &w->dt_norm, dbc, stride, dbc, stride, 1, m->dt_rank);
    }
    if (m->b_norm.present) as_pass_norm(pass, &m->b_norm, &w->b_norm, b, stride, b, stride, 1, m->states);
    if (m->c_norm.present) as_pass_norm(pass, &m->c_norm, &w->c_norm, c, stride, c, stride, 1, m->states);
}

/* dt after softplus [N, width], b and c [N, heads, dt_rank + 2 states] behind dt's latent. */
static void prepare_scan(as_pass *pass, const as_mamba_spec *m, const mamba_weights *w, const float *u,
                         float *dbc, float *dt)
{
    int64_t each = m->dt_rank + 2 * m->states, stride = heads_of(m) * each;
    if (m->heads) {
        as_pass_blocks(pass, &w->head_x, m->heads, NULL, u, 2 * m->width, dbc, stride);
    } else {
        as_pass_linear(pass, &w->x, u, 2 * m->width, dbc, stride);
    }
    normalise(pass, m, w, dbc);
    if (!m->heads) as_pass_linear(pass, &w->dt, dbc, stride, dt, m->width);
    for (int64_t h = 0; h < m->heads; h++) {
        int64_t first = h * m->width / m->heads;
        as_linear head = {.w = w->head_dt.w[h], .bias = w->dt_bias + first, .rounding = w->head_dt.rounding};
        as_pass_linear(pass, &head, dbc + h * each, stride, dt + first, m->width);
    }
    as_pass_activate(pass, AS_ACT_SOFTPLUS, dt, m->width);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mamba_spec *m = step->form;
    const mamba_weights *w = weights;
    int64_t hidden = pass->spec->hidden, n = pass->rows, each = m->dt_rank + 2 * m->states,
            bc = heads_of(m) * each;
    float *in = as_pass_floats(pass, n * 2 * m->width);
    float *u = in, *gate = in + m->width; /* halves of each row */
    float *dbc = as_pass_floats(pass, n * bc);
    float *dt = as_pass_floats(pass, n * m->width);
    float *scanned = as_pass_floats(pass, n * m->width);
    as_pass_linear(pass, &w->in, x, hidden, in, 2 * m->width);
    if (m->split_in) as_pass_linear(pass, &w->gate, x, hidden, gate, 2 * m->width);
    as_conv conv = {.weight = w->conv, .bias = w->conv_bias, .taps = m->taps, .act = m->act};
    as_pass_convolve(pass, &conv, pass->state[0], u, m->width, 2 * m->width);
    prepare_scan(pass, m, w, u, dbc, dt);
    pass->ops->selective_scan(&pass->exec, &(as_selective_scan_args){.x = u,
                                                                     .dt = dt,
                                                                     .b = dbc + m->dt_rank,
                                                                     .c = dbc + m->dt_rank + m->states,
                                                                     .out = scanned,
                                                                     .width = m->width,
                                                                     .states = m->states,
                                                                     .heads = m->heads,
                                                                     .bc_head = each,
                                                                     .x_stride = 2 * m->width,
                                                                     .dt_stride = m->width,
                                                                     .b_stride = bc,
                                                                     .c_stride = bc,
                                                                     .out_stride = m->width,
                                                                     .a = w->a,
                                                                     .d = w->d,
                                                                     .state = pass->state[1],
                                                                     .spans = pass->spans,
                                                                     .span_count = pass->span_count});
    /* The gate is SiLU whatever hidden_act says: that is the convolution's. */
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_SILU,
                                                 .a = gate,
                                                 .b = scanned,
                                                 .out = scanned,
                                                 .n = n,
                                                 .width = m->width,
                                                 .a_stride = 2 * m->width,
                                                 .b_stride = m->width,
                                                 .out_stride = m->width});
    as_pass_scale(pass, m->out_scale, scanned, m->width, m->width);
    as_pass_linear(pass, &w->out, scanned, m->width, y, hidden);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_mamba_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%lld channels, %lld states, %lld taps", (long long)m->width, (long long)m->states,
                  (long long)m->taps);
    if (m->heads) as_buf_printf(out, ", %lld heads", (long long)m->heads);
    if (m->dt_norm.present) as_buf_str(out, ", norms of dt, B and C");
}

const as_block as_block_mamba = {
    .name = "mamba",
    .form_size = sizeof(as_mamba_spec),
    .weights_size = sizeof(mamba_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
