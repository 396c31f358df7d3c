/* Recurrence over two stacks; see recurrence.h. */
#include "engine/blocks/recurrence.h"

#include <string.h>

typedef struct recurrence_weights {
    const float *fast; /* [hidden], of the beginning */
} recurrence_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_recurrence_spec *r = step->form;
    recurrence_weights *w = weights;
    return r->begin ? as_bind_vector(binder, AS_SLOT_FAST_STATE, "", spec->hidden, &w->fast, err) : AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    (void)spec;
    (void)step;
    return (as_block_needs){.row = 0};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    (void)step;
    return (as_block_cost){.products = (double)spec->hidden};
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_recurrence_spec *r = step->form;
    const recurrence_weights *w = weights;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    float *fast = pass->carried, *slow = fast + hidden, *kept = r->begin || r->slow ? slow : fast;
    AS_BUG(stride < 2 * hidden);
    as_pass_copy_groups(pass, 1, hidden, x, 0, hidden, kept, stride);
    for (int64_t i = 0; r->begin && i < pass->rows; i++) {
        memcpy(fast + i * stride, w->fast, (size_t)hidden * sizeof *fast);
    }
    memcpy(y, x, (size_t)(pass->rows * hidden) * sizeof *y);
    if (r->last) return;
    pass->ops->add(&pass->exec, &(as_add_args){.x = kept == slow ? fast : slow,
                                               .out = y,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = stride,
                                               .out_stride = hidden,
                                               .scale = 1,
                                               .out_scale = 1});
}

const as_block as_block_recurrence = {
    .name = "recurrence",
    .form_size = sizeof(as_recurrence_spec),
    .weights_size = sizeof(recurrence_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
