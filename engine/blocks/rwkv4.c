/* RWKV 4's time mix; see rwkv4.h. */
#include "engine/blocks/rwkv4.h"

#include <math.h>

#include "engine/blocks/rwkv_shift.h"

typedef struct rwkv4_weights {
    as_linear r, k, v, out;
    const float *mix_r, *mix_k, *mix_v, *decay, *bonus;
} rwkv4_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    int64_t width = ((const as_rwkv4_spec *)step->form)->width, hidden = spec->hidden;
    rwkv4_weights *w = weights;
    const float *log_decay;
    float *decay;
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_Q, width, hidden, false, &w->r, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_K, width, hidden, false, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_V, width, hidden, false, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_OUT, hidden, width, false, &w->out, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_R, "", hidden, &w->mix_r, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_K, "", hidden, &w->mix_k, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_V, "", hidden, &w->mix_v, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_BONUS, "", width, &w->bonus, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_DECAY, "", width, &log_decay, err));
    AS_TRY(as_bind_floats(binder, width, &decay, err));
    for (int64_t i = 0; i < width; i++) decay[i] = expf(log_decay[i]);
    w->decay = decay;
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    int64_t width = ((const as_rwkv4_spec *)step->form)->width, hidden = spec->hidden;
    return (as_block_needs){.state = {hidden, 3 * width},
                            .row = 2 * hidden + 3 * width +
                                   as_pass_linear_needs(width > hidden ? width : hidden)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    double width = (double)((const as_rwkv4_spec *)step->form)->width;
    return (as_block_cost){.products = 4 * width * (double)spec->hidden + 8 * width};
}

/* A projection of the mixture in the given shares. */
static void project(as_pass *pass, const as_shifted *rows, const float *share, const as_linear *linear,
                    float *mixed, float *out)
{
    as_rwkv_mix(pass, rows, AS_SHARE_OF_SELF, share, NULL, 0, mixed);
    as_pass_linear(pass, linear, mixed, pass->spec->hidden, out, linear->w.rows);
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const rwkv4_weights *w = weights;
    int64_t width = ((const as_rwkv4_spec *)step->form)->width, hidden = pass->spec->hidden, n = pass->rows;
    as_shifted rows = as_rwkv_shift(pass, x, pass->state[0]);
    float *mixed = as_pass_floats(pass, n * hidden), *r = as_pass_floats(pass, n * width);
    float *k = as_pass_floats(pass, n * width), *v = as_pass_floats(pass, n * width);
    project(pass, &rows, w->mix_r, &w->r, mixed, r);
    project(pass, &rows, w->mix_k, &w->k, mixed, k);
    project(pass, &rows, w->mix_v, &w->v, mixed, v);
    pass->ops->wkv4(&pass->exec, &(as_wkv4_args){.k = k,
                                                 .v = v,
                                                 .out = v,
                                                 .width = width,
                                                 .k_stride = width,
                                                 .v_stride = width,
                                                 .out_stride = width,
                                                 .decay = w->decay,
                                                 .bonus = w->bonus,
                                                 .state = pass->state[1],
                                                 .spans = pass->spans,
                                                 .span_count = pass->span_count});
    as_pass_gate(pass, AS_ACT_SIGMOID, r, v, width);
    as_pass_linear(pass, &w->out, v, width, y, hidden);
}

const as_block as_block_rwkv4 = {
    .name = "RWKV 4 time mix",
    .form_size = sizeof(as_rwkv4_spec),
    .weights_size = sizeof(rwkv4_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
