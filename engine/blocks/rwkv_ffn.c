/* RWKV's channel mix; see rwkv_ffn.h. */
#include "engine/blocks/rwkv_ffn.h"

typedef struct ffn_weights {
    as_linear up, down, gate;
    const float *mix_k, *mix_r;
} ffn_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_rwkv_ffn_spec *f = step->form;
    ffn_weights *w = weights;
    int64_t hidden = spec->hidden;
    AS_TRY(as_bind_vector(binder, AS_SLOT_FFN_MIX_K, "", hidden, &w->mix_k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_UP, f->width, hidden, false, &w->up, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_DOWN, hidden, f->width, false, &w->down, err));
    if (!f->gated) return AS_OK;
    AS_TRY(as_bind_vector(binder, AS_SLOT_FFN_MIX_R, "", hidden, &w->mix_r, err));
    return as_bind_linear(binder, AS_SLOT_GATE, hidden, hidden, false, &w->gate, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv_ffn_spec *f = step->form;
    int64_t hidden = spec->hidden;
    return (as_block_needs){.state = {hidden},
                            .row = 3 * hidden + f->width +
                                   as_pass_linear_needs(f->width > hidden ? f->width : hidden)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv_ffn_spec *f = step->form;
    double hidden = (double)spec->hidden;
    return (as_block_cost){.products = 2 * hidden * (double)f->width + (f->gated ? hidden * hidden : 0)};
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_rwkv_ffn_spec *f = step->form;
    const ffn_weights *w = weights;
    int64_t hidden = pass->spec->hidden, n = pass->rows;
    as_shifted rows = as_rwkv_shift(pass, x, pass->state[0]);
    float *mixed = as_pass_floats(pass, n * hidden), *wide = as_pass_floats(pass, n * f->width);
    as_rwkv_mix(pass, &rows, f->share, w->mix_k, NULL, 0, mixed);
    as_pass_linear(pass, &w->up, mixed, hidden, wide, f->width);
    as_pass_activate(pass, AS_ACT_RELU2, wide, f->width);
    as_pass_linear(pass, &w->down, wide, f->width, y, hidden);
    if (!f->gated) return;
    float *gate = as_pass_floats(pass, n * hidden);
    as_rwkv_mix(pass, &rows, f->share, w->mix_r, NULL, 0, mixed);
    as_pass_linear(pass, &w->gate, mixed, hidden, gate, hidden);
    as_pass_gate(pass, AS_ACT_SIGMOID, gate, y, hidden);
}

const as_block as_block_rwkv_ffn = {
    .name = "RWKV channel mix",
    .form_size = sizeof(as_rwkv_ffn_spec),
    .weights_size = sizeof(ffn_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
