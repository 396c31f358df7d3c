/* Per-layer inputs; see per_layer.h. */
#include "engine/blocks/per_layer.h"

#include <math.h>

/* ---- making them -----------------------------------------------------------------------------------------
 */

typedef struct input_weights {
    as_matrix table;
    as_linear project;
    as_norm_weights norm;
} input_weights;

static as_code bind_inputs(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    const as_per_layer_spec *p = step->form;
    input_weights *w = weights;
    int64_t all = p->layers * p->width;
    AS_TRY(as_bind_matrix(binder, AS_SLOT_PER_LAYER_EMBED, p->vocab, all, &w->table, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_PER_LAYER_IN, all, spec->hidden, false, &w->project, err));
    return as_bind_norm(binder, &p->in_norm, p->width, &w->norm, err);
}

static as_block_needs inputs_needs(const as_model_spec *spec, const as_step *step)
{
    const as_per_layer_spec *p = step->form;
    return (as_block_needs){.row = p->layers * p->width + 1 + as_pass_linear_needs(spec->hidden)};
}

static as_block_cost inputs_cost(const as_model_spec *spec, const as_step *step)
{
    const as_per_layer_spec *p = step->form;
    double all = (double)p->layers * (double)p->width;
    return (as_block_cost){.products = all * (double)spec->hidden, .table = all * (double)p->vocab};
}

static void make_inputs(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_per_layer_spec *p = step->form;
    const input_weights *w = weights;
    int64_t n = pass->rows, hidden = pass->spec->hidden, all = p->layers * p->width;
    int64_t stride = pass->spec->carried;
    float *made = pass->carried + p->at, *found = as_pass_floats(pass, n * all);
    int32_t *tokens = (int32_t *)as_pass_floats(pass, n);
    (void)y;
    for (int64_t i = 0; i < n; i++) tokens[i] = pass->tokens[i] < p->vocab ? pass->tokens[i] : 0;
    pass->ops->embed(&pass->exec, &(as_embed_args){.matrix = &w->table,
                                                   .tokens = tokens,
                                                   .n = n,
                                                   .scale = sqrtf((float)p->width),
                                                   .out = found,
                                                   .out_stride = all});
    as_pass_linear(pass, &w->project, x, hidden, made, stride);
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){.x = made, .n = n, .width = all, .stride = stride, .scale = 1 / sqrtf((float)hidden)});
    as_pass_norm(pass, &p->in_norm, &w->norm, made, stride, made, stride, p->layers, p->width);
    pass->ops->add(&pass->exec, &(as_add_args){.x = found,
                                               .out = made,
                                               .n = n,
                                               .width = all,
                                               .x_stride = all,
                                               .out_stride = stride,
                                               .scale = (float)M_SQRT1_2,
                                               .out_scale = (float)M_SQRT1_2});
}

/* ---- applying one ----------------------------------------------------------------------------------------
 */

typedef struct apply_weights {
    as_linear gate, out;
    as_norm_weights norm;
    const float *scale;
} apply_weights;

static as_code bind_apply(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                          as_error *err)
{
    const as_per_layer_spec *p = step->form;
    apply_weights *w = weights;
    if (p->scaled) AS_TRY(as_bind_vector(binder, AS_SLOT_ALTUP_SCALE, "", spec->hidden, &w->scale, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_PER_LAYER_GATE, p->width, spec->hidden, false, &w->gate, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_PER_LAYER_OUT, spec->hidden, p->width, false, &w->out, err));
    return as_bind_norm(binder, &p->out_norm, spec->hidden, &w->norm, err);
}

static as_block_needs apply_needs(const as_model_spec *spec, const as_step *step)
{
    const as_per_layer_spec *p = step->form;
    return (as_block_needs){.row = p->width + spec->hidden + as_pass_linear_needs(spec->hidden) +
                                   as_pass_linear_needs(p->width)};
}

static as_block_cost apply_cost(const as_model_spec *spec, const as_step *step)
{
    const as_per_layer_spec *p = step->form;
    return (as_block_cost){.products = 2 * (double)spec->hidden * (double)p->width};
}

static const float *scaled_input(as_pass *pass, const float *scale, const float *x)
{
    int64_t hidden = pass->spec->hidden;
    float *out = as_pass_floats(pass, pass->rows * hidden);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_NONE,
                                                 .a = x,
                                                 .b = scale, /* the same for every row */
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = hidden,
                                                 .a_stride = hidden,
                                                 .out_stride = hidden});
    return out;
}

static void apply(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_per_layer_spec *p = step->form;
    const apply_weights *w = weights;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    float *inner = as_pass_floats(pass, pass->rows * p->width);
    if (p->scaled) x = scaled_input(pass, w->scale, x);
    as_pass_linear(pass, &w->gate, x, hidden, inner, p->width);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = p->act,
                                                 .a = inner,
                                                 .b = pass->carried + p->at + pass->layer * p->width,
                                                 .out = inner,
                                                 .n = pass->rows,
                                                 .width = p->width,
                                                 .a_stride = p->width,
                                                 .b_stride = stride,
                                                 .out_stride = p->width});
    as_pass_linear(pass, &w->out, inner, p->width, y, hidden);
    as_pass_norm(pass, &p->out_norm, &w->norm, y, hidden, y, hidden, 1, hidden);
    for (int64_t s = 0; s < p->other_streams; s++) {
        pass->ops->add(&pass->exec, &(as_add_args){.x = y,
                                                   .out = pass->carried + p->other_at + s * hidden,
                                                   .n = pass->rows,
                                                   .width = hidden,
                                                   .x_stride = hidden,
                                                   .out_stride = stride,
                                                   .scale = 1,
                                                   .out_scale = 1});
    }
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_per_layer_spec *p = step->form;
    (void)spec;
    as_buf_printf(out, "width %lld", (long long)p->width);
}

const as_block as_block_per_layer_inputs = {
    .name = "per-layer inputs",
    .form_size = sizeof(as_per_layer_spec),
    .weights_size = sizeof(input_weights),
    .bind = bind_inputs,
    .needs = inputs_needs,
    .cost = inputs_cost,
    .describe = describe,
    .forward = make_inputs,
};
const as_block as_block_per_layer = {
    .name = "per-layer input",
    .form_size = sizeof(as_per_layer_spec),
    .weights_size = sizeof(apply_weights),
    .bind = bind_apply,
    .needs = apply_needs,
    .cost = apply_cost,
    .describe = describe,
    .forward = apply,
};
