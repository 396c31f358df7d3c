/* Lightning attention; see lightning.h. */
#include "engine/blocks/lightning.h"

#include <math.h>

typedef struct lightning_weights {
    as_linear qkv, gate, out; /* qkv: for each head its query, key and value */
    const float *norm, *decay;
    const float *from_start, *to_end, *within, *over; /* as_block_scan_args; NULL: decay says it */
} lightning_weights;

/* Rounded tables: each place of a block then has a decay of its own. */
static as_code bind_tables(as_binder *binder, const as_lightning_spec *l, lightning_weights *w, as_error *err)
{
    const float *slopes;
    float *over;
    int64_t places = l->heads * l->block;
    if (!l->block || as_binder_elements(binder, AS_SLOT_LINEAR_WITHIN, "") != places * l->block) return AS_OK;
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_SLOPES, "", l->heads, &slopes, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_FROM_START, "", places, &w->from_start, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_TO_END, "", places, &w->to_end, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_WITHIN, "", places, &w->within, err));
    AS_TRY(as_bind_floats(binder, l->heads, &over, err));
    for (int64_t h = 0; h < l->heads; h++) over[h] = expf(-slopes[h] * (float)l->block);
    w->over = over;
    return AS_OK;
}

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
    return bind_tables(binder, l, w, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_lightning_spec *l = step->form;
    int64_t width = l->heads * l->head_dim;
    return (as_block_needs){.state = {width * l->head_dim, l->heads * l->block * (2 * l->head_dim + 1)},
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
    as_pass_activate(pass, l->act, mixed, 3 * width);
    for (int part = 0; part < 3; part++) {
        as_pass_copy_groups(pass, l->heads, l->head_dim, mixed + part * l->head_dim, 3 * l->head_dim,
                            3 * width, out + part * width, 3 * width);
    }
    pass->work_used = mark;
    return out;
}

static void scan(as_pass *pass, const as_lightning_spec *l, const lightning_weights *w, const float *qkv,
                 float *out)
{
    int64_t width = l->heads * l->head_dim;
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
}

static void scan_blocks(as_pass *pass, const as_lightning_spec *l, const lightning_weights *w,
                        const float *qkv, float *out)
{
    int64_t width = l->heads * l->head_dim;
    pass->ops->block_scan(&pass->exec, &(as_block_scan_args){.q = qkv,
                                                             .k = qkv + width,
                                                             .v = qkv + 2 * width,
                                                             .from_start = w->from_start,
                                                             .to_end = w->to_end,
                                                             .within = w->within,
                                                             .over = w->over,
                                                             .out = out,
                                                             .heads = l->heads,
                                                             .key_width = l->head_dim,
                                                             .value_width = l->head_dim,
                                                             .block = l->block,
                                                             .q_stride = 3 * width,
                                                             .k_stride = 3 * width,
                                                             .v_stride = 3 * width,
                                                             .out_stride = width,
                                                             .state = pass->state[0],
                                                             .rows = pass->state[1],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_lightning_spec *l = step->form;
    const lightning_weights *w = weights;
    int64_t width = l->heads * l->head_dim, n = pass->rows, hidden = pass->spec->hidden;
    float *out = as_pass_floats(pass, n * width), *gate = as_pass_floats(pass, n * width);
    const float *qkv = project(pass, l, w, x);
    if (w->over) {
        scan_blocks(pass, l, w, qkv, out);
    } else {
        scan(pass, l, w, qkv, out);
    }
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
    as_pass_gate(pass, AS_ACT_SIGMOID, gate, out, width);
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
