/* Hyper-connections; see hyper.h. */
#include "engine/blocks/hyper.h"

#include <string.h>

typedef struct hyper_weights {
    as_matrix project; /* kept as stored: it is small */
    const float *base, *factor;
    const float *shares; /* [streams]: of a mean */
} hyper_weights;

static float *streams_of(const as_pass *pass, const as_hyper_spec *h)
{
    return pass->carried + h->at;
}

/* Where the weights of the way out lie, and behind them those between the streams. */
static float *out_of(const as_pass *pass, const as_hyper_spec *h)
{
    return streams_of(pass, h) + h->streams * pass->spec->hidden;
}

/* Numbers from which the weights around a block are made. */
static int64_t enter_parts(const as_hyper_spec *h)
{
    return (2 + (h->independent ? 0 : h->streams)) * h->streams;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

static as_code bind_parts(as_binder *binder, const as_model_spec *spec, const as_hyper_spec *h, int64_t parts,
                          int64_t factors, hyper_weights *w, as_error *err)
{
    AS_TRY(as_bind_matrix(binder, h->project, parts, h->streams * spec->hidden, &w->project, err));
    AS_TRY(as_bind_vector(binder, h->base, "", parts, &w->base, err));
    return as_bind_vector(binder, h->factor, "", factors, &w->factor, err);
}

static as_code bind_enter(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                          as_error *err)
{
    const as_hyper_spec *h = step->form;
    return bind_parts(binder, spec, h, enter_parts(h), h->independent ? 2 : 3, weights, err);
}

static as_code bind_gather(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    const as_hyper_spec *h = step->form;
    hyper_weights *w = weights;
    float *shares;
    if (h->project != AS_SLOT_NONE) return bind_parts(binder, spec, h, h->streams, 1, weights, err);
    AS_TRY(as_bind_floats(binder, h->streams, &shares, err));
    for (int64_t s = 0; s < h->streams; s++) shares[s] = 1 / (float)h->streams;
    w->shares = shares;
    return AS_OK;
}

static as_code bind_none(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                         as_error *err)
{
    (void)binder;
    (void)spec;
    (void)step;
    (void)weights;
    (void)err;
    return AS_OK;
}

static as_block_needs enter_needs(const as_model_spec *spec, const as_step *step)
{
    const as_hyper_spec *h = step->form;
    return (as_block_needs){.row = h->streams * spec->hidden + (3 + h->streams) * h->streams};
}

static as_block_needs no_needs(const as_model_spec *spec, const as_step *step)
{
    (void)spec;
    (void)step;
    return (as_block_needs){.row = 0};
}

static as_block_cost enter_cost(const as_model_spec *spec, const as_step *step)
{
    const as_hyper_spec *h = step->form;
    double all = (double)(h->streams * spec->hidden);
    return (as_block_cost){.products = all * (double)((2 + h->streams) * h->streams + 1)};
}

/* Of the way out, and of the last layer's. */
static as_block_cost square_cost(const as_model_spec *spec, const as_step *step)
{
    const as_hyper_spec *h = step->form;
    return (as_block_cost){.products = (double)(h->streams * spec->hidden) * (double)(h->streams + 1)};
}

static as_block_cost no_cost(const as_model_spec *spec, const as_step *step)
{
    (void)spec;
    (void)step;
    return (as_block_cost){.products = 0};
}

/* ---- steps -----------------------------------------------------------------------------------------------
 */

static void spread(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_hyper_spec *h = step->form;
    int64_t hidden = pass->spec->hidden;
    (void)weights;
    (void)y;
    as_pass_copy_groups(pass, h->streams, hidden, x, 0, hidden, streams_of(pass, h), pass->spec->carried);
}

/* y = sum_s in_s x_s; in_stride 0: the same for every row. */
static void mix_into(as_pass *pass, const as_hyper_spec *h, const float *in, int64_t in_stride, float *y)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->mix_streams(&pass->exec, &(as_mix_streams_args){.factors = in,
                                                               .from = streams_of(pass, h),
                                                               .x = y,
                                                               .n = pass->rows,
                                                               .streams = 1,
                                                               .from_count = h->streams,
                                                               .width = hidden,
                                                               .factor_stride = in_stride,
                                                               .from_stride = pass->spec->carried,
                                                               .x_stride = hidden,
                                                               .replace = true});
}

/* y = sum_s in_s x_s, with weights of `parts` numbers: in alone, or those of leave too. */
static void collapse(as_pass *pass, const as_hyper_spec *h, const hyper_weights *w, int64_t parts, float *y)
{
    int64_t hidden = pass->spec->hidden, all = h->streams * hidden, stride = pass->spec->carried;
    as_norm_spec norm = {.kind = AS_NORM_RMS, .eps = h->norm_eps};
    as_norm_weights none = {.weight = NULL};
    float *normed = as_pass_floats(pass, pass->rows * all);
    float *numbers = as_pass_floats(pass, pass->rows * parts);
    float *in = as_pass_floats(pass, pass->rows * h->streams), *out = out_of(pass, h);
    as_pass_norm(pass, &norm, &none, streams_of(pass, h), stride, normed, all, 1, all);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->project,
                                                     .x = normed,
                                                     .n = pass->rows,
                                                     .x_stride = all,
                                                     .out = numbers,
                                                     .out_stride = parts});
    bool both = parts > h->streams, mixed = both && !h->independent;
    pass->ops->hyper_weights(&pass->exec, &(as_hyper_weights_args){.x = numbers,
                                                                   .base = w->base,
                                                                   .scale = w->factor,
                                                                   .in = in,
                                                                   .in_stride = h->streams,
                                                                   .out = both ? out : NULL,
                                                                   .mix = mixed ? out + h->streams : NULL,
                                                                   .n = pass->rows,
                                                                   .streams = h->streams,
                                                                   .iterations = h->iterations,
                                                                   .x_stride = parts,
                                                                   .stride = stride,
                                                                   .eps = h->eps,
                                                                   .magnitude = h->magnitude,
                                                                   .out_eps = h->out_eps});
    mix_into(pass, h, in, h->streams, y);
}

static void enter(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_hyper_spec *h = step->form;
    (void)x;
    collapse(pass, h, weights, enter_parts(h), y);
}

static void gather(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_hyper_spec *h = step->form;
    const hyper_weights *w = weights;
    (void)x;
    if (w->shares) {
        mix_into(pass, h, w->shares, 0, y);
    } else {
        collapse(pass, h, w, h->streams, y);
    }
}

static void leave(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_hyper_spec *h = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    const float *out = out_of(pass, h);
    as_mix_streams_args mix = {.factors = out + h->streams,
                               .from = streams_of(pass, h),
                               .x = streams_of(pass, h),
                               .n = pass->rows,
                               .streams = h->streams,
                               .from_count = h->streams,
                               .width = hidden,
                               .factor_stride = stride,
                               .from_stride = stride,
                               .x_stride = stride,
                               .replace = true};
    (void)weights;
    (void)y;
    if (!h->independent) pass->ops->mix_streams(&pass->exec, &mix);
    mix.factors = out;
    mix.from = x;
    mix.from_count = 1;
    mix.from_stride = hidden;
    mix.replace = false;
    pass->ops->mix_streams(&pass->exec, &mix);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_hyper_spec *h = step->form;
    (void)spec;
    as_buf_printf(out, "%lld streams", (long long)h->streams);
}

const as_block as_block_hyper_spread = {
    .name = "hyper-connections spread",
    .form_size = sizeof(as_hyper_spec),
    .weights_size = sizeof(hyper_weights),
    .bind = bind_none,
    .needs = no_needs,
    .cost = no_cost,
    .describe = describe,
    .forward = spread,
};
const as_block as_block_hyper_enter = {
    .name = "hyper-connections in",
    .form_size = sizeof(as_hyper_spec),
    .weights_size = sizeof(hyper_weights),
    .bind = bind_enter,
    .needs = enter_needs,
    .cost = enter_cost,
    .describe = describe,
    .forward = enter,
};
const as_block as_block_hyper_leave = {
    .name = "hyper-connections out",
    .form_size = sizeof(as_hyper_spec),
    .weights_size = sizeof(hyper_weights),
    .bind = bind_none,
    .needs = no_needs,
    .cost = square_cost,
    .forward = leave,
};
const as_block as_block_hyper_gather = {
    .name = "hyper-connections gather",
    .form_size = sizeof(as_hyper_spec),
    .weights_size = sizeof(hyper_weights),
    .bind = bind_gather,
    .needs = enter_needs,
    .cost = square_cost,
    .describe = describe,
    .forward = gather,
};
