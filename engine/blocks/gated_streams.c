/* Streams behind low-rank gates; see gated_streams.h. */
#include "engine/blocks/gated_streams.h"

typedef struct gated_weights {
    as_norm_weights norm;
    as_linear down, up;
    as_matrix inject; /* kept as stored: it is small */
    const float *shares;
} gated_weights;

static as_code bind_gather(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    const as_gated_streams_spec *g = step->form;
    gated_weights *w = weights;
    int64_t all = g->streams * spec->hidden;
    float *shares;
    AS_TRY(as_bind_norm(binder, &g->norm, all, &w->norm, err));
    AS_TRY(as_bind_linear(binder, g->down, g->rank, all, false, &w->down, err));
    AS_TRY(as_bind_linear(binder, g->up, all, g->rank, false, &w->up, err));
    AS_TRY(as_bind_floats(binder, g->streams, &shares, err));
    for (int64_t s = 0; s < g->streams; s++) shares[s] = 1 / (float)g->streams;
    w->shares = shares;
    return AS_OK;
}

static as_code bind_enter(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                          as_error *err)
{
    const as_gated_streams_spec *g = step->form;
    gated_weights *w = weights;
    AS_TRY(bind_gather(binder, spec, step, weights, err));
    return as_bind_matrix(binder, g->inject, g->streams, g->streams * spec->hidden, &w->inject, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_gated_streams_spec *g = step->form;
    int64_t all = g->streams * spec->hidden, widest = all > g->rank ? all : g->rank;
    return (as_block_needs){.row = 2 * all + g->rank + as_pass_linear_needs(widest)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_gated_streams_spec *g = step->form;
    return (as_block_cost){.products =
                               (double)(g->streams * spec->hidden) * (double)(2 * g->rank + g->streams + 1)};
}

void as_pass_norm_streams(as_pass *pass, const as_norm_spec *norm, const as_norm_weights *weights,
                          const float *x, int64_t x_stride, float *out, int64_t streams)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = norm->kind,
                                                 .in = x,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .groups = streams,
                                                 .width = hidden,
                                                 .in_stride = x_stride,
                                                 .out_stride = streams * hidden,
                                                 .weight = weights->weight,
                                                 .weight_offset = norm->weight_offset,
                                                 .eps = norm->eps,
                                                 .weight_per_group = true});
}

static float *normalise(as_pass *pass, const as_gated_streams_spec *g, const gated_weights *w)
{
    float *normed = as_pass_floats(pass, pass->rows * g->streams * pass->spec->hidden);
    as_pass_norm_streams(pass, &g->norm, &w->norm, pass->carried + g->at, pass->spec->carried, normed,
                         g->streams);
    return normed;
}

/* y of the normalised streams, which are gated in their place. */
static void collapse(as_pass *pass, const as_gated_streams_spec *g, const gated_weights *w, float *normed,
                     float *y)
{
    int64_t hidden = pass->spec->hidden, all = g->streams * hidden;
    float *mix = as_pass_floats(pass, pass->rows * all), *low = as_pass_floats(pass, pass->rows * g->rank);
    as_pass_linear(pass, &w->down, normed, all, low, g->rank);
    as_pass_scale(pass, w->shares[0], low, g->rank, g->rank);
    as_pass_activate(pass, AS_ACT_SILU, low, g->rank);
    as_pass_linear(pass, &w->up, low, g->rank, mix, all);
    as_pass_gate(pass, AS_ACT_SIGMOID, mix, normed, all);
    pass->ops->mix_streams(&pass->exec, &(as_mix_streams_args){.factors = w->shares,
                                                               .from = normed,
                                                               .x = y,
                                                               .n = pass->rows,
                                                               .streams = 1,
                                                               .from_count = g->streams,
                                                               .width = hidden,
                                                               .from_stride = all,
                                                               .x_stride = hidden,
                                                               .replace = true});
}

/* The streams' shares of what the block will give. */
static void weigh_output(as_pass *pass, const as_gated_streams_spec *g, const gated_weights *w,
                         const float *normed)
{
    int64_t all = g->streams * pass->spec->hidden, stride = pass->spec->carried;
    float *out = pass->carried + g->at + all;
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->inject,
                                                     .x = normed,
                                                     .n = pass->rows,
                                                     .x_stride = all,
                                                     .out = out,
                                                     .out_stride = stride});
    as_pass_scale(pass, w->shares[0], out, g->streams, stride);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_SIGMOID,
                                                 .a = out,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = g->streams,
                                                 .a_stride = stride,
                                                 .out_stride = stride});
    as_pass_scale(pass, 2, out, g->streams, stride);
}

static void enter(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    float *normed = normalise(pass, step->form, weights);
    (void)x;
    weigh_output(pass, step->form, weights, normed);
    collapse(pass, step->form, weights, normed, y);
}

static void gather(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    (void)x;
    collapse(pass, step->form, weights, normalise(pass, step->form, weights), y);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_gated_streams_spec *g = step->form;
    (void)spec;
    as_buf_printf(out, "%lld streams, gates of rank %lld", (long long)g->streams, (long long)g->rank);
}

const as_block as_block_gated_enter = {
    .name = "gated streams in",
    .form_size = sizeof(as_gated_streams_spec),
    .weights_size = sizeof(gated_weights),
    .bind = bind_enter,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = enter,
};
const as_block as_block_gated_gather = {
    .name = "gated streams gather",
    .form_size = sizeof(as_gated_streams_spec),
    .weights_size = sizeof(gated_weights),
    .bind = bind_gather,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = gather,
};
