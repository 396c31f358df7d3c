/* Lightning attention; see lightning.h. */
#include "engine/blocks/lightning.h"

#include <math.h>

typedef struct lightning_weights {
    as_linear qkv, gate, out; /* qkv: for each head its query, key and value */
    const float *norm, *decay;
} lightning_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_lightning_spec *l = step->form;
    lightning_weights *w = weights;
    int64_t width = l->heads * l->head_dim;
    float *decay;
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_QKV, 3 * width, spec->hidden, false, &w->qkv, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_GATE, width, spec->hidden, false, &w->gate, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_OUT, spec->hidden, width, false, &w->out, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".weight", width, &w->norm, err));
    AS_TRY(as_bind_floats(binder, l->heads, &decay, err));
    for (int64_t h = 0; h < l->heads; h++) {
        decay[h] = (float)exp(-l->slope * exp2(-8.0 * (double)(h + 1) / (double)l->heads));
    }
    w->decay = decay;
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_lightning_spec *l = step->form;
    int64_t width = l->heads * l->head_dim;
    return (as_block_needs){.state = {width * l->head_dim},
                            .row = 8 * width +
                                   as_pass_linear_needs(width > spec->hidden ? width : spec->hidden)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_lightning_spec *l = step->form;
    double width = (double)(l->heads * l->head_dim);
    return (as_block_cost){.products = 5 * (double)spec->hidden * width + 3 * width * (double)l->head_dim};
}

/* Queries, keys and values, each of all heads; returns their start, one behind the other in a row. */
static const float *project(as_pass *pass, const as_lightning_spec *l, const lightning_weights *w,
                            const float *x)
{
    int64_t width = l->heads * l->head_dim, n = pass->rows;
    float *out = as_pass_floats(pass, n * 3 * width);
    int64_t mark = pass->work_used;
    float *mixed = as_pass_floats(pass, n * 3 * width);
    as_pass_linear(pass, &w->qkv, x, pass->spec->hidden, mixed, 3 * width);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = l->act,
                                                 .a = mixed,
                                                 .out = mixed,
                                                 .n = n,
                                                 .width = 3 * width,
                                                 .a_stride = 3 * width,
                                                 .out_stride = 3 * width});
    for (int part = 0; part < 3; part++) {
        as_pass_copy_groups(pass, l->heads, l->head_dim, mixed + part * l->head_dim, 3 * l->head_dim,
                            3 * width, out + part * width, 3 * width);
    }
    pass->work_used = mark;
    return out;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_lightning_spec *l = step->form;
    const lightning_weights *w = weights;
    int64_t width = l->heads * l->head_dim, n = pass->rows, hidden = pass->spec->hidden;
    float *out = as_pass_floats(pass, n * width), *gate = as_pass_floats(pass, n * width);
    const float *qkv = project(pass, l, w, x);
    pass->ops->state_scan(&pass->exec, &(as_state_scan_args){.r = qkv,
                                                             .k = qkv + width,
                                                             .v = qkv + 2 * width,
                                                             .w = w->decay,
                                                             .out = out,
                                                             .heads = l->heads,
                                                             .groups = l->heads,
                                                             .key_width = l->head_dim,
                                                             .value_width = l->head_dim,
                                                             .r_stride = 3 * width,
                                                             .k_stride = 3 * width,
                                                             .v_stride = 3 * width,
                                                             .out_stride = width,
                                                             .w_head = 1,
                                                             .scale = 1,
                                                             .state = pass->state[0],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_RMS,
                                                 .in = out,
                                                 .out = out,
                                                 .n = n,
                                                 .groups = 1,
                                                 .width = width,
                                                 .in_stride = width,
                                                 .out_stride = width,
                                                 .weight = w->norm,
                                                 .eps = l->eps});
    as_pass_linear(pass, &w->gate, x, hidden, gate, width);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_SIGMOID,
                                                 .a = gate,
                                                 .b = out,
                                                 .out = out,
                                                 .n = n,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .b_stride = width,
                                                 .out_stride = width});
    as_pass_linear(pass, &w->out, out, width, y, hidden);
}

const as_block as_block_lightning = {
    .name = "lightning attention",
    .form_size = sizeof(as_lightning_spec),
    .weights_size = sizeof(lightning_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
