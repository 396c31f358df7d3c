/* Mamba-2; see mamba2.h. */
#include "engine/blocks/mamba2.h"

#include "engine/blocks/mamba.h"

typedef struct mamba2_weights {
    as_linear in, out;
    const float *conv, *conv_bias, *a, *d, *dt_bias;
    as_norm_weights norm;
} mamba2_weights;

/* Widths of one row: the input projection gives [gate, x, B, C, dt]. */
typedef struct widths {
    int64_t inner, bc, conv, in; /* gate or x; B or C; x, B and C; all */
} widths;

static widths widths_of(const as_mamba2_spec *m)
{
    widths w = {.inner = m->heads * m->head_dim, .bc = m->groups * m->states};
    w.conv = w.inner + 2 * w.bc;
    w.in = w.inner + w.conv + m->heads;
    return w;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mamba2_spec *m = step->form;
    mamba2_weights *w = weights;
    widths at = widths_of(m);
    AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_IN, at.in, spec->hidden, m->in_bias, &w->in, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".weight", at.conv * m->taps, &w->conv, err));
    if (m->conv_bias) AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".bias", at.conv, &w->conv_bias, err));
    AS_TRY(as_mamba_bind_decay(binder, m->heads, m->holds_a, &w->a, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_D, "", m->heads, &w->d, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_DT_BIAS, "", m->heads, &w->dt_bias, err));
    AS_TRY(as_bind_norm(binder, &m->norm, at.inner, &w->norm, err));
    return as_bind_linear(binder, AS_SLOT_SSM_OUT, spec->hidden, at.inner, m->out_bias, &w->out, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_mamba2_spec *m = step->form;
    widths at = widths_of(m);
    int64_t linear = as_pass_linear_needs(at.inner > spec->hidden ? at.inner : spec->hidden);
    return (as_block_needs){.state = {at.conv * (m->taps - 1), at.inner * m->states},
                            .row = at.in + at.inner + linear};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mamba2_spec *m = step->form;
    widths at = widths_of(m);
    return (as_block_cost){.products = (double)spec->hidden * (double)(at.in + at.inner) +
                                       (double)(at.conv * m->taps + 3 * at.inner * m->states)};
}

static void scan(as_pass *pass, const as_mamba2_spec *m, const mamba2_weights *w, float *in, float *out)
{
    widths at = widths_of(m);
    float *x = in + at.inner, *b = x + at.inner, *c = b + at.bc, *dt = c + at.bc;
    as_conv conv = {.weight = w->conv, .bias = w->conv_bias, .taps = m->taps, .act = m->act};
    as_pass_convolve(pass, &conv, pass->state[0], x, at.conv, at.in);
    pass->ops->ssd_scan(&pass->exec, &(as_ssd_scan_args){.x = x,
                                                         .dt = dt,
                                                         .b = b,
                                                         .c = c,
                                                         .out = out,
                                                         .heads = m->heads,
                                                         .width = m->head_dim,
                                                         .states = m->states,
                                                         .groups = m->groups,
                                                         .x_stride = at.in,
                                                         .dt_stride = at.in,
                                                         .b_stride = at.in,
                                                         .c_stride = at.in,
                                                         .out_stride = at.inner,
                                                         .a = w->a,
                                                         .d = w->d,
                                                         .dt_bias = w->dt_bias,
                                                         .dt_least = m->dt_least,
                                                         .dt_most = m->dt_most,
                                                         .state = pass->state[1],
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
}

static void normalise(as_pass *pass, const as_mamba2_spec *m, const mamba2_weights *w, float *y)
{
    int64_t inner = m->heads * m->head_dim;
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = m->norm.kind,
                                                 .in = y,
                                                 .out = y,
                                                 .n = pass->rows,
                                                 .groups = m->groups,
                                                 .width = inner / m->groups,
                                                 .in_stride = inner,
                                                 .out_stride = inner,
                                                 .weight = w->norm.weight,
                                                 .weight_offset = m->norm.weight_offset,
                                                 .eps = m->norm.eps,
                                                 .weight_per_group = true});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mamba2_spec *m = step->form;
    const mamba2_weights *w = weights;
    widths at = widths_of(m);
    int64_t hidden = pass->spec->hidden;
    float *in = as_pass_floats(pass, pass->rows * at.in), *out = as_pass_floats(pass, pass->rows * at.inner);
    as_pass_linear(pass, &w->in, x, hidden, in, at.in);
    as_pass_scale(pass, m->factors.gate, in, at.inner, at.in);
    as_pass_scale(pass, m->factors.x, in + at.inner, at.inner, at.in);
    as_pass_scale(pass, m->factors.b, in + 2 * at.inner, at.bc, at.in);
    as_pass_scale(pass, m->factors.c, in + 2 * at.inner + at.bc, at.bc, at.in);
    as_pass_scale(pass, m->factors.dt, in + at.inner + at.conv, m->heads, at.in);
    scan(pass, m, w, in, out);
    if (m->norm.present && m->norm_before_gate) normalise(pass, m, w, out);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_SILU,
                                                 .a = in,
                                                 .b = out,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = at.inner,
                                                 .a_stride = at.in,
                                                 .b_stride = at.inner,
                                                 .out_stride = at.inner});
    if (m->norm.present && !m->norm_before_gate) normalise(pass, m, w, out);
    as_pass_scale(pass, m->out_scale, out, at.inner, at.inner);
    as_pass_linear(pass, &w->out, out, at.inner, y, hidden);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_mamba2_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%lld heads of %lld, %lld states, %lld groups, %lld taps", (long long)m->heads,
                  (long long)m->head_dim, (long long)m->states, (long long)m->groups, (long long)m->taps);
    if (!m->norm.present) as_buf_str(out, ", no norm");
    if (m->norm.present && m->norm_before_gate) as_buf_str(out, ", norm before the gate");
}

const as_block as_block_mamba2 = {
    .name = "mamba2",
    .form_size = sizeof(as_mamba2_spec),
    .weights_size = sizeof(mamba2_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
