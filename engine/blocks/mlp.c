/* The feed-forward block; see mlp.h. */
#include "engine/blocks/mlp.h"

#include <math.h>

static double softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static void set_xielu(as_mlp_weights *w, double alpha_p, double alpha_n, float beta)
{
    w->xielu.alpha_p = (float)softplus(alpha_p);
    w->xielu.alpha_n = (float)(beta + softplus(alpha_n));
    w->xielu.beta = beta;
}

/* The learned numbers are stored before a softplus; older checkpoints lack the two constants. */
static as_code bind_xielu(as_binder *binder, const double *stated, as_mlp_weights *w, as_error *err)
{
    const float *alpha_p = NULL, *alpha_n = NULL;
    float beta = 0.5f;
    w->xielu.eps = -1e-6f;
    if (stated) {
        set_xielu(w, stated[0], stated[1], (float)stated[2]);
        w->xielu.eps = (float)stated[3];
        return AS_OK;
    }
    AS_TRY(as_bind_vector(binder, AS_SLOT_XIELU_ALPHA_P, "", 1, &alpha_p, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_XIELU_ALPHA_N, "", 1, &alpha_n, err));
    AS_TRY(as_bind_number(binder, AS_SLOT_XIELU_BETA, "", &beta, err));
    AS_TRY(as_bind_number(binder, AS_SLOT_XIELU_EPS, "", &w->xielu.eps, err));
    set_xielu(w, alpha_p[0], alpha_n[0], beta);
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mlp_spec *m = step->form;
    as_mlp_weights *w = weights;
    if (m->gated) AS_TRY(as_bind_linear(binder, m->gate, m->width, spec->hidden, m->up_bias, &w->gate, err));
    AS_TRY(as_bind_linear(binder, m->up, m->width, spec->hidden, m->up_bias, &w->up, err));
    AS_TRY(as_bind_norm(binder, &m->sub_norm, m->width, &w->sub_norm, err));
    if (m->xielu) AS_TRY(bind_xielu(binder, m->xielu_stated, w, err));
    w->scale = 1;
    if (m->scaled) AS_TRY(as_bind_number(binder, AS_SLOT_DOWN_SCALE, "", &w->scale, err));
    return as_bind_linear(binder, m->down, spec->hidden, m->width, m->down_bias, &w->down, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    /* Two arrays and the rounded input; then one array and its rounded copy. */
    const as_mlp_spec *m = step->form;
    int64_t width = m->width, before = width + as_pass_linear_needs(spec->hidden),
            after = as_pass_linear_needs(width);
    return (as_block_needs){.row = width + (before > after ? before : after)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_mlp_spec *m = step->form;
    return (as_block_cost){.products = (double)spec->hidden * (double)m->width * (m->gated ? 3 : 2)};
}

static void activate(as_pass *pass, const as_mlp_spec *m, const as_mlp_weights *w, float *out,
                     const float *up)
{
    if (m->xielu) {
        pass->ops->xielu(&pass->exec, &(as_xielu_args){.x = out,
                                                       .n = pass->rows,
                                                       .width = m->width,
                                                       .stride = m->width,
                                                       .alpha_p = w->xielu.alpha_p,
                                                       .alpha_n = w->xielu.alpha_n,
                                                       .beta = w->xielu.beta,
                                                       .eps = w->xielu.eps});
        return;
    }
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = m->act,
                                                 .limit = m->limit,
                                                 .limit_act = m->limit_act,
                                                 .b_offset = m->up_offset,
                                                 .slope = m->slope,
                                                 .a = out,
                                                 .b = up,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = m->width,
                                                 .a_stride = m->width,
                                                 .b_stride = m->width,
                                                 .out_stride = m->width});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mlp_spec *m = step->form;
    const as_mlp_weights *w = weights;
    int64_t hidden = pass->spec->hidden;
    float *out = as_pass_floats(pass, pass->rows * m->width), *up = NULL;
    int64_t mark = pass->work_used;
    if (m->gated) {
        up = as_pass_floats(pass, pass->rows * m->width);
        as_pass_linear(pass, &w->up, x, hidden, up, m->width);
    }
    as_pass_linear(pass, m->gated ? &w->gate : &w->up, x, hidden, out, m->width);
    if (m->sparse) {
        pass->ops->sparsify(&pass->exec, &(as_sparsify_args){.x = out,
                                                             .n = pass->rows,
                                                             .width = m->width,
                                                             .stride = m->width,
                                                             .deviations = m->deviations});
    }
    as_pass_scale(pass, m->gate_scale, out, m->width, m->width);
    activate(pass, m, w, out, up);
    pass->work_used = mark; /* up is done with */
    if (m->sub_norm.present) {
        as_pass_norm(pass, &m->sub_norm, &w->sub_norm, out, m->width, out, m->width, 1, m->width);
    }
    as_pass_linear(pass, &w->down, out, m->width, y, hidden);
    if (!m->scaled) return;
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){.x = y, .n = pass->rows, .width = hidden, .stride = hidden, .scale = w->scale});
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_mlp_spec *m = step->form;
    (void)spec;
    as_buf_printf(out, "%s%s %lld", m->gated ? "gated " : "", as_activation_name(m->act),
                  (long long)m->width);
}

const as_block as_block_mlp = {
    .name = "mlp",
    .form_size = sizeof(as_mlp_spec),
    .weights_size = sizeof(as_mlp_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
