/* Griffin's recurrent block; see rglru.h. */
#include "engine/blocks/rglru.h"

#include <math.h>

typedef struct rglru_weights {
    as_linear in, gate, out;
    const float *conv, *conv_bias, *decay;
    as_expert_stack in_gate, rate; /* a matrix for each block */
    const float *in_gate_bias, *rate_bias;
} rglru_weights;

/* The checkpoint's parameter p stands for the decay 8 softplus(p). */
static as_code bind_decay(as_binder *binder, int64_t width, const float **out, as_error *err)
{
    const float *raw;
    float *decay;
    AS_TRY(as_bind_vector(binder, AS_SLOT_LRU_DECAY, "", width, &raw, err));
    AS_TRY(as_bind_floats(binder, width, &decay, err));
    for (int64_t i = 0; i < width; i++) {
        double p = raw[i];
        decay[i] = (float)(8 * (p > 0 ? p + log1p(exp(-p)) : log1p(exp(p))));
    }
    *out = decay;
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_rglru_spec *r = step->form;
    rglru_weights *w = weights;
    int64_t hidden = spec->hidden, each = r->width / r->blocks;
    AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_IN, r->width, hidden, true, &w->in, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_SSM_GATE, r->width, hidden, true, &w->gate, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".weight", r->width * r->taps, &w->conv, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_SSM_CONV, ".bias", r->width, &w->conv_bias, err));
    AS_TRY(bind_decay(binder, r->width, &w->decay, err));
    AS_TRY(as_bind_blocks(binder, AS_SLOT_LRU_IN_GATE, r->blocks, each, each, &w->in_gate, err));
    AS_TRY(as_bind_blocks(binder, AS_SLOT_LRU_GATE, r->blocks, each, each, &w->rate, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LRU_IN_GATE_BIAS, "", r->width, &w->in_gate_bias, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LRU_GATE_BIAS, "", r->width, &w->rate_bias, err));
    return as_bind_linear(binder, AS_SLOT_SSM_OUT, hidden, r->width, true, &w->out, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_rglru_spec *r = step->form;
    int64_t linear = as_pass_linear_needs(r->width > spec->hidden ? r->width : spec->hidden);
    return (as_block_needs){.state = {r->width * (r->taps - 1), r->width}, .row = 4 * r->width + linear};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_rglru_spec *r = step->form;
    double width = (double)r->width;
    return (as_block_cost){
        .products = width * (3 * (double)spec->hidden + 2 * width / (double)r->blocks + (double)r->taps + 3)};
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_rglru_spec *r = step->form;
    (void)spec;
    as_buf_printf(out, "%lld channels, gates of %lld blocks, %lld taps", (long long)r->width,
                  (long long)r->blocks, (long long)r->taps);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_rglru_spec *r = step->form;
    const rglru_weights *w = weights;
    int64_t width = r->width, n = pass->rows;
    float *u = as_pass_floats(pass, n * width), *gate = as_pass_floats(pass, n * width),
          *in_gate = as_pass_floats(pass, n * width), *rate = as_pass_floats(pass, n * width);
    as_pass_linear(pass, &w->gate, x, pass->spec->hidden, gate, width);
    as_pass_linear(pass, &w->in, x, pass->spec->hidden, u, width);
    as_conv conv = {.weight = w->conv, .bias = w->conv_bias, .taps = r->taps};
    as_pass_convolve(pass, &conv, pass->state[0], u, width, width);
    as_pass_blocks(pass, &w->in_gate, r->blocks, w->in_gate_bias, u, width, in_gate, width);
    as_pass_blocks(pass, &w->rate, r->blocks, w->rate_bias, u, width, rate, width);
    pass->ops->rglru_scan(&pass->exec, &(as_rglru_scan_args){.x = u,
                                                             .in_gate = in_gate,
                                                             .gate = rate,
                                                             .out = u,
                                                             .width = width,
                                                             .stride = width,
                                                             .out_stride = width,
                                                             .decay = w->decay,
                                                             .state = pass->state[1],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    as_pass_gate(pass, r->act, gate, u, width);
    as_pass_linear(pass, &w->out, u, width, y, pass->spec->hidden);
}

const as_block as_block_rglru = {
    .name = "recurrent unit",
    .form_size = sizeof(as_rglru_spec),
    .weights_size = sizeof(rglru_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
