/* A gated short convolution; see short_conv.h. */
#include "engine/blocks/short_conv.h"

typedef struct conv_weights {
    as_linear in, out;
    const float *conv, *conv_bias;
} conv_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_short_conv_spec *s = step->form;
    conv_weights *w = weights;
    int64_t hidden = spec->hidden;
    AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_IN, 3 * hidden, hidden, s->bias, &w->in, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".weight", hidden * s->taps, &w->conv, err));
    if (s->bias) AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".bias", hidden, &w->conv_bias, err));
    return as_bind_linear(binder, AS_SLOT_SSM_OUT, hidden, hidden, s->bias, &w->out, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_short_conv_spec *s = step->form;
    return (as_block_needs){.state = {spec->hidden * (s->taps - 1)},
                            .row = 4 * spec->hidden + as_pass_linear_needs(spec->hidden)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_short_conv_spec *s = step->form;
    double hidden = (double)spec->hidden;
    return (as_block_cost){.products = hidden * (4 * hidden + (double)s->taps + 2)};
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_short_conv_spec *s = step->form;
    (void)spec;
    as_buf_printf(out, "%lld taps", (long long)s->taps);
}

/* out = gate * x, both parts of a row of the input projection or out itself. */
static void multiply(as_pass *pass, const float *gate, const float *x, int64_t x_stride, float *out)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->gate(&pass->exec, &(as_gate_args){.a = gate,
                                                 .b = x,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = hidden,
                                                 .a_stride = 3 * hidden,
                                                 .b_stride = x_stride,
                                                 .out_stride = hidden});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_short_conv_spec *s = step->form;
    const conv_weights *w = weights;
    int64_t hidden = pass->spec->hidden;
    float *in = as_pass_floats(pass, pass->rows * 3 * hidden), *u = as_pass_floats(pass, pass->rows * hidden);
    as_pass_linear(pass, &w->in, x, hidden, in, 3 * hidden);
    multiply(pass, in, in + 2 * hidden, 3 * hidden, u);
    as_conv conv = {.weight = w->conv, .bias = w->conv_bias, .taps = s->taps};
    as_pass_convolve(pass, &conv, pass->state[0], u, hidden, hidden);
    multiply(pass, in + hidden, u, hidden, u);
    as_pass_linear(pass, &w->out, u, hidden, y, hidden);
}

const as_block as_block_short_conv = {
    .name = "short convolution",
    .form_size = sizeof(as_short_conv_spec),
    .weights_size = sizeof(conv_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
