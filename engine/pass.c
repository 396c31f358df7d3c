/* Help for blocks; see pass.h. */
#include <string.h>

#include "engine/blocks/block.h"

enum { SMALLEST_BLOCK = 32 }; /* of columns with a scale of their own: bounds the scales a row can need */

as_block_needs as_step_needs(const as_model_spec *spec, const as_step *step)
{
    as_block_needs needs = step->block->needs(spec, step);
    if (step->out_taps) needs.state[AS_OUTPUT_STATE] = spec->hidden * (step->out_taps - 1);
    return needs;
}

float *as_pass_floats(as_pass *pass, int64_t count)
{
    count = (count + 15) & ~(int64_t)15; /* whole cache lines */
    AS_BUG(pass->work_used + count > pass->work_size);
    float *at = pass->work + pass->work_used;
    pass->work_used += count;
    return at;
}

int64_t as_pass_linear_needs(int64_t cols)
{
    return cols + (cols + SMALLEST_BLOCK - 1) / SMALLEST_BLOCK;
}

static void multiply(as_pass *pass, const as_linear *linear, const float *x, int64_t x_stride, float *y,
                     int64_t y_stride, bool accumulate)
{
    int64_t cols = linear->w.cols, mark = pass->work_used;
    as_matmul_args args = {.w = &linear->w,
                           .x = x,
                           .n = pass->rows,
                           .x_stride = x_stride,
                           .bias = linear->bias,
                           .out = y,
                           .out_stride = y_stride,
                           .accumulate = accumulate};
    const as_activation_rounding *rounding = &linear->rounding;
    if (rounding->on) {
        int64_t blocks =
            rounding->kind == AS_QUANT_BLOCK ? (cols + rounding->block - 1) / rounding->block : 1;
        float *rounded = as_pass_floats(pass, pass->rows * cols);
        float *scale = as_pass_floats(pass, pass->rows * blocks);
        if (rounding->norm) {
            pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_RMS,
                                                         .in = x,
                                                         .out = rounded,
                                                         .n = pass->rows,
                                                         .groups = 1,
                                                         .width = cols,
                                                         .in_stride = x_stride,
                                                         .out_stride = cols,
                                                         .weight = rounding->norm,
                                                         .eps = rounding->norm_eps});
        }
        pass->ops->quantize_rows(&pass->exec,
                                 &(as_quantize_rows_args){.kind = rounding->kind,
                                                          .x = rounding->norm ? rounded : x,
                                                          .out = rounded,
                                                          .n = pass->rows,
                                                          .width = cols,
                                                          .x_stride = rounding->norm ? cols : x_stride,
                                                          .out_stride = cols,
                                                          .block = rounding->block,
                                                          .scale = scale});
        args.x = rounded;
        args.x_stride = cols;
        args.x_scale = scale;
        args.x_block = rounding->kind == AS_QUANT_BLOCK ? rounding->block : 0;
    }
    pass->ops->matmul(&pass->exec, &args);
    pass->work_used = mark;
}

void as_pass_linear(as_pass *pass, const as_linear *linear, const float *x, int64_t x_stride, float *y,
                    int64_t y_stride)
{
    multiply(pass, linear, x, x_stride, y, y_stride, false);
}

void as_pass_add_linear(as_pass *pass, const as_linear *linear, const float *x, int64_t x_stride, float *y,
                        int64_t y_stride)
{
    multiply(pass, linear, x, x_stride, y, y_stride, true);
}

void as_pass_blocks(as_pass *pass, const as_expert_stack *stack, int64_t blocks, const float *bias,
                    const float *x, int64_t x_stride, float *y, int64_t y_stride)
{
    for (int64_t b = 0; b < blocks; b++) {
        const as_matrix *w = &stack->w[b];
        as_linear block = {.w = *w, .bias = bias ? bias + b * w->rows : NULL, .rounding = stack->rounding};
        as_pass_linear(pass, &block, x + b * w->cols, x_stride, y + b * w->rows, y_stride);
    }
}

void as_pass_activate(const as_pass *pass, as_activation act, float *x, int64_t width)
{
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = act,
                                                 .a = x,
                                                 .out = x,
                                                 .n = pass->rows,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .out_stride = width});
}

void as_pass_convolve(const as_pass *pass, const as_conv *conv, float *state, float *x, int64_t width,
                      int64_t stride)
{
    pass->ops->conv1d(&pass->exec, &(as_conv1d_args){.in = x,
                                                     .out = x,
                                                     .width = width,
                                                     .taps = conv->taps,
                                                     .in_stride = stride,
                                                     .out_stride = stride,
                                                     .weight = conv->weight,
                                                     .bias = conv->bias,
                                                     .act = conv->act,
                                                     .state = state,
                                                     .spans = pass->spans,
                                                     .span_count = pass->span_count});
}

void as_pass_gate(const as_pass *pass, as_activation act, const float *gate, float *x, int64_t width)
{
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = act,
                                                 .a = gate,
                                                 .b = x,
                                                 .out = x,
                                                 .n = pass->rows,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .b_stride = width,
                                                 .out_stride = width});
}

void as_pass_copy_groups(const as_pass *pass, int64_t count, int64_t width, const float *from,
                         int64_t from_step, int64_t from_stride, float *to, int64_t to_stride)
{
    for (int64_t i = 0; i < pass->rows; i++) {
        for (int64_t g = 0; g < count; g++) {
            memcpy(to + i * to_stride + g * width, from + i * from_stride + g * from_step,
                   (size_t)width * sizeof *to);
        }
    }
}

void as_pass_norm(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights, const float *in,
                  int64_t in_stride, float *out, int64_t out_stride, int64_t groups, int64_t width)
{
    const float *weight = weights->weight;
    if (norm->weight_first) { /* one row of weights for all: its stride is none */
        for (int64_t g = 0; g < groups; g++) {
            pass->ops->gate(&pass->exec, &(as_gate_args){.a = in + g * width,
                                                         .b = weight,
                                                         .out = out + g * width,
                                                         .n = pass->rows,
                                                         .width = width,
                                                         .a_stride = in_stride,
                                                         .out_stride = out_stride});
        }
        in = out;
        in_stride = out_stride;
        weight = NULL;
    }
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = norm->kind,
                                                 .in = in,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .groups = groups,
                                                 .width = width,
                                                 .in_stride = in_stride,
                                                 .out_stride = out_stride,
                                                 .weight = weight,
                                                 .bias = weights->bias,
                                                 .weight_offset = weight ? norm->weight_offset : 0,
                                                 .eps = norm->eps});
}

void as_pass_scale(as_pass *pass, float factor, float *x, int64_t width, int64_t stride)
{
    if (factor == 0 || factor == 1) return;
    pass->ops->cap(
        &pass->exec,
        &(as_cap_args){.x = x, .n = pass->rows, .width = width, .stride = stride, .scale = factor});
}

void as_pass_rope_at(as_pass *pass, int index, float *x, int64_t heads, int64_t width, int64_t offset)
{
    if (index < 0 || pass->spec->ropes[index].rotary == 0) return;
    const as_rope_spec *rope = &pass->spec->ropes[index];
    pass->ops->rope(&pass->exec, &(as_rope_args){.kind = rope->kind,
                                                 .x = x,
                                                 .n = pass->rows,
                                                 .heads = heads,
                                                 .width = width,
                                                 .stride = heads * width,
                                                 .offset = offset,
                                                 .rotary = rope->rotary,
                                                 .cos = pass->ropes[index].cos,
                                                 .sin = pass->ropes[index].sin});
}

void as_pass_rope(as_pass *pass, int index, float *x, int64_t heads, int64_t width)
{
    if (index >= 0) as_pass_rope_at(pass, index, x, heads, width, pass->spec->ropes[index].offset);
}

void as_pass_affine(as_pass *pass, const as_affine_weights *affine, float *x, int64_t width)
{
    if (affine->shift) { /* one row for all: its stride is none */
        pass->ops->add(&pass->exec, &(as_add_args){.x = affine->shift,
                                                   .out = x,
                                                   .n = pass->rows,
                                                   .width = width,
                                                   .out_stride = width,
                                                   .scale = 1,
                                                   .out_scale = 1});
    }
    if (affine->scale) {
        pass->ops->gate(&pass->exec, &(as_gate_args){.a = x,
                                                     .b = affine->scale,
                                                     .out = x,
                                                     .n = pass->rows,
                                                     .width = width,
                                                     .a_stride = width,
                                                     .out_stride = width});
    }
}

void as_pass_store_keys(as_pass *pass, const as_kv_layer *cache, const float *k, int64_t stride,
                        const as_span *spans)
{
    pass->ops->kv_store(
        &pass->exec,
        &(as_kv_store_args){
            .cache = cache, .k = k, .k_stride = stride, .spans = spans, .span_count = pass->span_count});
}

int64_t as_pass_self_gate_needs(int64_t hidden, int64_t rank)
{
    return rank + hidden + as_pass_linear_needs(hidden > rank ? hidden : rank);
}

void as_pass_self_gate(as_pass *pass, const as_linear *down, const as_linear *up, float *x)
{
    int64_t hidden = up->w.rows, rank = down->w.rows, mark = pass->work_used;
    float *inner = as_pass_floats(pass, pass->rows * rank), *gate = as_pass_floats(pass, pass->rows * hidden);
    as_pass_linear(pass, down, x, hidden, inner, rank);
    as_gate_args args = {.act = AS_ACT_SILU,
                         .a = inner,
                         .out = inner,
                         .n = pass->rows,
                         .width = rank,
                         .a_stride = rank,
                         .out_stride = rank};
    pass->ops->gate(&pass->exec, &args);
    as_pass_linear(pass, up, inner, rank, gate, hidden);
    args = (as_gate_args){.act = AS_ACT_SIGMOID,
                          .a = gate,
                          .b = x,
                          .out = x,
                          .n = pass->rows,
                          .width = hidden,
                          .a_stride = hidden,
                          .b_stride = hidden,
                          .out_stride = hidden};
    pass->ops->gate(&pass->exec, &args);
    pass->work_used = mark;
}
