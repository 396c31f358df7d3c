/* The feed-forward block: down(act(gate x) * up x), or down(act(up x)). */
#include "engine/blocks/block.h"

typedef struct mlp_weights {
    as_linear gate, up, down;
} mlp_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_mlp_spec *m = &step->u.mlp;
    mlp_weights *w = weights;
    if (m->gated) AS_TRY(as_bind_linear(binder, m->gate, m->width, spec->hidden, m->up_bias, &w->gate, err));
    AS_TRY(as_bind_linear(binder, m->up, m->width, spec->hidden, m->up_bias, &w->up, err));
    return as_bind_linear(binder, m->down, spec->hidden, m->width, m->down_bias, &w->down, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    /* Two arrays and the rounded input; then one array and its rounded copy. */
    int64_t width = step->u.mlp.width, before = width + as_pass_linear_needs(spec->hidden),
            after = as_pass_linear_needs(width);
    return (as_block_needs){.row = width + (before > after ? before : after)};
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_mlp_spec *m = &step->u.mlp;
    const mlp_weights *w = weights;
    int64_t hidden = pass->spec->hidden;
    float *out = as_pass_floats(pass, pass->rows * m->width), *up = NULL;
    int64_t mark = pass->work_used;
    if (m->gated) {
        up = as_pass_floats(pass, pass->rows * m->width);
        as_pass_linear(pass, &w->up, x, hidden, up, m->width);
    }
    as_pass_linear(pass, m->gated ? &w->gate : &w->up, x, hidden, out, m->width);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = m->act,
                                                 .a = out,
                                                 .b = up,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = m->width,
                                                 .a_stride = m->width,
                                                 .b_stride = m->width,
                                                 .out_stride = m->width});
    pass->work_used = mark; /* up is done with */
    as_pass_linear(pass, &w->down, out, m->width, y, hidden);
}

const as_block as_block_mlp = {
    .name = "mlp",
    .weights_size = sizeof(mlp_weights),
    .bind = bind,
    .needs = needs,
    .forward = forward,
};
