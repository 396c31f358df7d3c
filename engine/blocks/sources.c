/* A stream that reads its own past; see sources.h. */
#include "engine/blocks/sources.h"

#include <math.h>
#include <string.h>

typedef struct sources_weights {
    as_matrix queries;
} sources_weights;

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_sources_spec *s = step->form;
    sources_weights *w = weights;
    const float *queries;
    if (s->queries == AS_SLOT_NONE) return AS_OK;
    AS_TRY(as_bind_vector(binder, s->queries, "", s->mixes * spec->hidden, &queries, err));
    w->queries = (as_matrix){
        .dtype = AS_F32, .rows = s->mixes, .cols = spec->hidden, .stride = spec->hidden, .data = queries};
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_sources_spec *s = step->form;
    return (as_block_needs){.row = (s->count + 1) * (spec->hidden + 2 * s->mixes) + s->mixes * spec->hidden};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_sources_spec *s = step->form;
    if (s->queries == AS_SLOT_NONE) return (as_block_cost){.products = 0};
    return (as_block_cost){.products = 2 * (double)(s->mixes * (s->count + 1)) * (double)spec->hidden};
}

/* The states and, behind them, the stream, each normalised: [N, count + 1, hidden]. */
static float *normalise(as_pass *pass, const as_sources_spec *s, const float *x)
{
    int64_t hidden = pass->spec->hidden, all = (s->count + 1) * hidden;
    as_norm_spec norm = {.kind = AS_NORM_RMS, .eps = s->eps};
    as_norm_weights none = {.weight = NULL};
    float *out = as_pass_floats(pass, pass->rows * all);
    as_pass_copy_groups(pass, 1, s->count * hidden, pass->carried + s->at, 0, pass->spec->carried, out, all);
    as_pass_copy_groups(pass, 1, hidden, x, 0, hidden, out + s->count * hidden, all);
    as_pass_norm(pass, &norm, &none, out, all, out, all, s->count + 1, hidden);
    return out;
}

/* The sources' scores [count + 1, mixes] of one row become shares [mixes, count + 1]. */
static void soften(const float *scores, int64_t sources, int64_t mixes, float scale, float *shares)
{
    for (int64_t m = 0; m < mixes; m++, shares += sources) {
        float most = -INFINITY, sum = 0;
        for (int64_t i = 0; i < sources; i++) {
            shares[i] = scores[i * mixes + m] * scale;
            most = fmaxf(most, shares[i]);
        }
        for (int64_t i = 0; i < sources; i++) sum += shares[i] = expf(shares[i] - most);
        for (int64_t i = 0; i < sources; i++) shares[i] /= sum;
    }
}

static void mix(as_pass *pass, const as_sources_spec *s, const sources_weights *w, const float *x, float *out,
                int64_t out_stride)
{
    int64_t hidden = pass->spec->hidden, sources = s->count + 1, n = pass->rows, each = sources * s->mixes;
    float *normed = normalise(pass, s, x);
    float *scores = as_pass_floats(pass, n * each), *shares = as_pass_floats(pass, n * each);
    pass->ops->matmul(&pass->exec, &(as_matmul_args){.w = &w->queries,
                                                     .x = normed,
                                                     .n = n * sources,
                                                     .x_stride = hidden,
                                                     .out = scores,
                                                     .out_stride = s->mixes});
    float scale = (float)(1 / sqrt((double)hidden));
    for (int64_t i = 0; i < n; i++) soften(scores + i * each, sources, s->mixes, scale, shares + i * each);
    pass->ops->mix_streams(&pass->exec, &(as_mix_streams_args){.factors = shares,
                                                               .from = normed,
                                                               .x = out,
                                                               .n = n,
                                                               .streams = s->mixes,
                                                               .from_count = sources,
                                                               .width = hidden,
                                                               .factor_stride = each,
                                                               .from_stride = sources * hidden,
                                                               .x_stride = out_stride,
                                                               .replace = true});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_sources_spec *s = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    float *out = s->to < 0 ? y : pass->carried + s->to;
    int64_t out_stride = s->to < 0 ? hidden : stride;
    if (s->queries == AS_SLOT_NONE) {
        as_pass_copy_groups(pass, s->mixes, hidden, x, 0, hidden, out, out_stride);
    } else {
        mix(pass, s, weights, x, out, out_stride);
    }
    if (s->keeps) {
        as_pass_copy_groups(pass, 1, hidden, x, 0, hidden, pass->carried + s->at + s->count * hidden, stride);
    }
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_sources_spec *s = step->form;
    (void)spec;
    as_buf_printf(out, "%lld mixes of %lld states", (long long)s->mixes, (long long)s->count + 1);
}

const as_block as_block_sources = {
    .name = "sources",
    .form_size = sizeof(as_sources_spec),
    .weights_size = sizeof(sources_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
