/* One matrix in place of a block; see linear.h. */
#include "engine/blocks/linear.h"

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_linear_spec *l = step->form;
    return as_bind_linear(binder, l->slot, spec->hidden, spec->hidden, l->bias, weights, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    (void)step;
    return (as_block_needs){.row = as_pass_linear_needs(spec->hidden)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    (void)step;
    return (as_block_cost){.products = (double)spec->hidden * (double)spec->hidden};
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_linear_spec *l = step->form;
    int64_t hidden = pass->spec->hidden;
    as_pass_linear(pass, weights, x, hidden, y, hidden);
    if (l->act == AS_ACT_NONE) return;
    as_pass_activate(pass, l->act, y, hidden);
}

const as_block as_block_linear = {
    .name = "linear",
    .form_size = sizeof(as_linear_spec),
    .weights_size = sizeof(as_linear),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
