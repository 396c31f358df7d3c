/* Experts: a router picks top_k gated feed-forward blocks for each token and their outputs are summed by
 * weight. */
#include <string.h>

#include "engine/blocks/block.h"

typedef struct moe_weights {
    as_matrix router;
    as_expert_stack gate, up, down;
} moe_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_moe_spec *m = &step->u.moe;
    moe_weights *w = weights;
    AS_TRY(as_bind_matrix(binder, AS_SLOT_ROUTER, m->experts, spec->hidden, &w->router, err));
    AS_TRY(as_bind_experts(binder, AS_SLOT_EXPERT_GATE, m->experts, m->width, spec->hidden, &w->gate, err));
    AS_TRY(as_bind_experts(binder, AS_SLOT_EXPERT_UP, m->experts, m->width, spec->hidden, &w->up, err));
    return as_bind_experts(binder, AS_SLOT_EXPERT_DOWN, m->experts, spec->hidden, m->width, &w->down, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_moe_spec *m = &step->u.moe;
    /* Beside the gates: the ups and the rounded input; then the rounded gates and the outputs. */
    int64_t before = m->top_k * m->width + as_pass_linear_needs(spec->hidden),
            after = m->top_k * (as_pass_linear_needs(m->width) + spec->hidden);
    return (as_block_needs){.row = m->experts + 2 * m->top_k + m->top_k * m->width +
                                   (before > after ? before : after)};
}

/* Rounds rows of expert inputs where the precision says so; sets x, x_scale and x_block of the product. */
static void round_inputs(as_pass *pass, const as_expert_stack *stack, int64_t rows, int64_t width,
                         as_expert_matmul_args *args)
{
    const as_activation_rounding *rounding = &stack->rounding;
    if (!rounding->on) return;
    int64_t blocks = rounding->kind == AS_QUANT_BLOCK ? (width + rounding->block - 1) / rounding->block : 1;
    float *out = as_pass_floats(pass, rows * width), *scale = as_pass_floats(pass, rows * blocks);
    pass->ops->quantize_rows(&pass->exec, &(as_quantize_rows_args){.kind = rounding->kind,
                                                                   .x = args->x,
                                                                   .out = out,
                                                                   .n = rows,
                                                                   .width = width,
                                                                   .x_stride = args->x_stride,
                                                                   .out_stride = width,
                                                                   .block = rounding->block,
                                                                   .scale = scale});
    args->x = out;
    args->x_stride = width;
    args->x_scale = scale;
    args->x_block = rounding->kind == AS_QUANT_BLOCK ? rounding->block : 0;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_moe_spec *m = &step->u.moe;
    const moe_weights *w = weights;
    int64_t hidden = pass->spec->hidden, n = pass->rows, pairs = n * m->top_k;
    float *scores = as_pass_floats(pass, n * m->experts);
    float *shares = as_pass_floats(pass, pairs);
    int32_t *ids = (int32_t *)as_pass_floats(pass, pairs);
    float *gate = as_pass_floats(pass, pairs * m->width);
    int64_t mark = pass->work_used;
    float *up = as_pass_floats(pass, pairs * m->width);
    pass->ops->matmul(
        &pass->exec,
        &(as_matmul_args){
            .w = &w->router, .x = x, .n = n, .x_stride = hidden, .out = scores, .out_stride = m->experts});
    pass->ops->route(&pass->exec, &(as_route_args){.kind = m->route,
                                                   .scores = scores,
                                                   .n = n,
                                                   .experts = m->experts,
                                                   .top_k = m->top_k,
                                                   .groups = m->groups,
                                                   .group_top = m->group_top,
                                                   .normalise = m->normalise,
                                                   .scale = m->scale,
                                                   .ids = ids,
                                                   .weights = shares});

    as_expert_matmul_args product = {.w = w->up.w,
                                     .experts = m->experts,
                                     .ids = ids,
                                     .n = pairs,
                                     .rows_per_x = m->top_k,
                                     .x = x,
                                     .x_stride = hidden,
                                     .out = up,
                                     .out_stride = m->width};
    round_inputs(pass, &w->up, n, hidden, &product);
    pass->ops->expert_matmul(&pass->exec, &product);
    product.w = w->gate.w;
    product.out = gate;
    pass->ops->expert_matmul(&pass->exec, &product);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = m->act,
                                                 .a = gate,
                                                 .b = up,
                                                 .out = gate,
                                                 .n = pairs,
                                                 .width = m->width,
                                                 .a_stride = m->width,
                                                 .b_stride = m->width,
                                                 .out_stride = m->width});
    pass->work_used = mark; /* the ups and the rounded input are done with */
    float *down = as_pass_floats(pass, pairs * hidden);
    product = (as_expert_matmul_args){.w = w->down.w,
                                      .experts = m->experts,
                                      .ids = ids,
                                      .n = pairs,
                                      .rows_per_x = 1,
                                      .x = gate,
                                      .x_stride = m->width,
                                      .out = down,
                                      .out_stride = hidden};
    round_inputs(pass, &w->down, pairs, m->width, &product);
    pass->ops->expert_matmul(&pass->exec, &product);
    memset(y, 0, (size_t)(n * hidden) * sizeof *y);
    pass->ops->expert_combine(&pass->exec, &(as_expert_combine_args){.x = down,
                                                                     .weights = shares,
                                                                     .ids = ids,
                                                                     .n = n,
                                                                     .top_k = m->top_k,
                                                                     .width = hidden,
                                                                     .x_stride = hidden,
                                                                     .out_stride = hidden,
                                                                     .out = y});
}

const as_block as_block_moe = {
    .name = "experts",
    .weights_size = sizeof(moe_weights),
    .bind = bind,
    .needs = needs,
    .forward = forward,
};
