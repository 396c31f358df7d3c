/* Alternating updates and the learned residual; see altup.h. */
#include "engine/blocks/altup.h"

/* Below this mean square a stream is not brought to another's size (transformers models/gemma3n). */
static const float least_size = 1e-5f;

static float *streams_of(const as_pass *pass, const as_altup_spec *a)
{
    return pass->carried + a->at;
}

static void copy_stream(const as_pass *pass, const as_altup_spec *a, int64_t index, float *to)
{
    int64_t hidden = pass->spec->hidden;
    as_pass_copy_groups(pass, 1, hidden, streams_of(pass, a) + index * hidden, 0, pass->spec->carried, to,
                        hidden);
}

static void add_scaled(as_pass *pass, const float *x, float scale, float *out, float out_scale)
{
    int64_t hidden = pass->spec->hidden;
    pass->ops->add(&pass->exec, &(as_add_args){.x = x,
                                               .out = out,
                                               .n = pass->rows,
                                               .width = hidden,
                                               .x_stride = hidden,
                                               .out_stride = hidden,
                                               .scale = scale,
                                               .out_scale = out_scale});
}

/* ---- to the streams and back -----------------------------------------------------------------------------
 */

typedef struct edge_weights {
    as_expert_stack maps; /* [streams - 1] */
} edge_weights;

static as_code bind_edge(as_binder *binder, const as_model_spec *spec, const as_step *step, as_slot slot,
                         edge_weights *w, as_error *err)
{
    const as_altup_spec *a = step->form;
    if (a->streams == 1) return AS_OK;
    return as_bind_stack(binder, slot, a->streams - 1, spec->hidden, spec->hidden, &w->maps, err);
}

static as_code bind_spread(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    return bind_edge(binder, spec, step, AS_SLOT_STREAMS_IN, weights, err);
}

static as_code bind_gather(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    return bind_edge(binder, spec, step, AS_SLOT_STREAMS_OUT, weights, err);
}

static as_block_needs edge_needs(const as_model_spec *spec, const as_step *step)
{
    (void)step;
    return (as_block_needs){.row = spec->hidden + as_pass_linear_needs(spec->hidden)};
}

static as_block_cost edge_cost(const as_model_spec *spec, const as_step *step)
{
    const as_altup_spec *a = step->form;
    return (as_block_cost){.products =
                               (double)(a->streams - 1) * (double)spec->hidden * (double)spec->hidden};
}

static as_linear edge_map(const edge_weights *w, int64_t index)
{
    return (as_linear){.w = w->maps.w[index], .rounding = w->maps.rounding};
}

static void spread(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_altup_spec *a = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    float *streams = streams_of(pass, a);
    (void)y;
    as_pass_copy_groups(pass, 1, hidden, x, 0, hidden, streams, stride);
    for (int64_t s = 1; s < a->streams; s++) {
        as_linear map = edge_map(weights, s - 1);
        as_pass_linear(pass, &map, x, hidden, streams + s * hidden, stride);
        pass->ops->match_size(&pass->exec, &(as_match_size_args){.like = x,
                                                                 .x = streams + s * hidden,
                                                                 .n = pass->rows,
                                                                 .width = hidden,
                                                                 .like_stride = hidden,
                                                                 .x_stride = stride,
                                                                 .least = least_size});
    }
}

static void gather(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_altup_spec *a = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    const float *streams = streams_of(pass, a);
    float *back = as_pass_floats(pass, pass->rows * hidden), share = 1 / (float)a->streams;
    (void)x;
    copy_stream(pass, a, 0, y);
    for (int64_t s = 1; s < a->streams; s++) {
        as_linear map = edge_map(weights, s - 1);
        as_pass_linear(pass, &map, streams + s * hidden, stride, back, hidden);
        pass->ops->match_size(&pass->exec, &(as_match_size_args){.like = streams,
                                                                 .x = back,
                                                                 .n = pass->rows,
                                                                 .width = hidden,
                                                                 .like_stride = stride,
                                                                 .x_stride = hidden,
                                                                 .least = least_size});
        add_scaled(pass, back, share, y, s == 1 ? share : 1);
    }
}

/* ---- prediction and correction ---------------------------------------------------------------------------
 */

typedef struct altup_weights {
    as_norm_weights router_norm;
    as_linear router, factors; /* kept as stored: they are small */
} altup_weights;

static as_code bind_factors(as_binder *binder, const as_model_spec *spec, const as_altup_spec *a,
                            as_slot slot, int64_t count, altup_weights *w, as_error *err)
{
    AS_TRY(as_bind_norm(binder, &a->router_norm, spec->hidden, &w->router_norm, err));
    AS_TRY(as_bind_matrix(binder, AS_SLOT_ALTUP_ROUTER, a->streams, spec->hidden, &w->router.w, err));
    return as_bind_matrix(binder, slot, count, a->streams, &w->factors.w, err);
}

static as_code bind_predict(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                            as_error *err)
{
    const as_altup_spec *a = step->form;
    return bind_factors(binder, spec, a, AS_SLOT_ALTUP_PREDICT, a->streams * a->streams, weights, err);
}

static as_code bind_correct(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                            as_error *err)
{
    const as_altup_spec *a = step->form;
    altup_weights *w = weights;
    float *ones;
    AS_TRY(bind_factors(binder, spec, a, AS_SLOT_ALTUP_CORRECT, a->streams, w, err));
    AS_TRY(as_bind_floats(binder, a->streams, &ones, err));
    for (int64_t s = 0; s < a->streams; s++) ones[s] = 1;
    w->factors.bias = ones;
    return AS_OK;
}

static as_block_needs factor_needs(const as_model_spec *spec, const as_step *step)
{
    const as_altup_spec *a = step->form;
    return (as_block_needs){.row = spec->hidden + a->streams + a->streams * a->streams};
}

static as_block_cost predict_cost(const as_model_spec *spec, const as_step *step)
{
    const as_altup_spec *a = step->form;
    double streams = (double)a->streams;
    return (as_block_cost){.products = (double)spec->hidden * (streams + streams * streams) +
                                       streams * streams * streams};
}

static as_block_cost correct_cost(const as_model_spec *spec, const as_step *step)
{
    const as_altup_spec *a = step->form;
    double streams = (double)a->streams;
    return (as_block_cost){.products = (double)spec->hidden * 2 * streams + streams * streams};
}

/* Factors [N, count] = map(tanh(router(norm(x) / hidden))) */
static float *make_factors(as_pass *pass, const as_altup_spec *a, const altup_weights *w, const float *x,
                           int64_t x_stride, int64_t count)
{
    int64_t hidden = pass->spec->hidden;
    float *factors = as_pass_floats(pass, pass->rows * count);
    int64_t mark = pass->work_used;
    float *normed = as_pass_floats(pass, pass->rows * hidden);
    float *modes = as_pass_floats(pass, pass->rows * a->streams);
    as_pass_norm(pass, &a->router_norm, &w->router_norm, x, x_stride, normed, hidden, 1, hidden);
    as_pass_linear(pass, &w->router, normed, hidden, modes, a->streams);
    pass->ops->cap(&pass->exec, &(as_cap_args){.x = modes,
                                               .n = pass->rows,
                                               .width = a->streams,
                                               .stride = a->streams,
                                               .cap = 1,
                                               .scale = 1 / (float)hidden});
    as_pass_linear(pass, &w->factors, modes, a->streams, factors, count);
    pass->work_used = mark;
    return factors;
}

static void predict(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_altup_spec *a = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried, count = a->streams * a->streams;
    float *streams = streams_of(pass, a);
    (void)x;
    const float *factors = make_factors(pass, a, weights, streams + a->active * hidden, stride, count);
    pass->ops->mix_streams(&pass->exec, &(as_mix_streams_args){.factors = factors,
                                                               .from = streams,
                                                               .x = streams,
                                                               .n = pass->rows,
                                                               .streams = a->streams,
                                                               .from_count = a->streams,
                                                               .width = hidden,
                                                               .factor_stride = count,
                                                               .from_stride = stride,
                                                               .x_stride = stride});
    copy_stream(pass, a, a->active, y);
}

static void correct(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_altup_spec *a = step->form;
    int64_t hidden = pass->spec->hidden, stride = pass->spec->carried;
    const float *factors = make_factors(pass, a, weights, x, hidden, a->streams);
    float *change = as_pass_floats(pass, pass->rows * hidden);
    copy_stream(pass, a, a->active, change);
    add_scaled(pass, x, 1, change, -1);
    pass->ops->mix_streams(&pass->exec, &(as_mix_streams_args){.factors = factors,
                                                               .from = change,
                                                               .x = streams_of(pass, a),
                                                               .n = pass->rows,
                                                               .streams = a->streams,
                                                               .from_count = 1,
                                                               .width = hidden,
                                                               .factor_stride = a->streams,
                                                               .from_stride = hidden,
                                                               .x_stride = stride});
    copy_stream(pass, a, a->active, y);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_altup_spec *a = step->form;
    (void)spec;
    as_buf_printf(out, "%lld streams", (long long)a->streams);
}

/* ---- the learned residual --------------------------------------------------------------------------------
 */

typedef struct laurel_weights {
    as_linear down, up;
    as_norm_weights norm;
} laurel_weights;

static as_code bind_laurel(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                           as_error *err)
{
    const as_laurel_spec *l = step->form;
    laurel_weights *w = weights;
    AS_TRY(as_bind_linear(binder, AS_SLOT_LAUREL_DOWN, l->rank, spec->hidden, false, &w->down, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LAUREL_UP, spec->hidden, l->rank, false, &w->up, err));
    return as_bind_norm(binder, &l->norm, spec->hidden, &w->norm, err);
}

static as_block_needs laurel_needs(const as_model_spec *spec, const as_step *step)
{
    const as_laurel_spec *l = step->form;
    return (as_block_needs){.row =
                                l->rank + as_pass_linear_needs(spec->hidden) + as_pass_linear_needs(l->rank)};
}

static as_block_cost laurel_cost(const as_model_spec *spec, const as_step *step)
{
    const as_laurel_spec *l = step->form;
    return (as_block_cost){.products = 2 * (double)spec->hidden * (double)l->rank};
}

static void laurel(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_laurel_spec *l = step->form;
    const laurel_weights *w = weights;
    int64_t hidden = pass->spec->hidden;
    float *inner = as_pass_floats(pass, pass->rows * l->rank);
    as_pass_linear(pass, &w->down, x, hidden, inner, l->rank);
    as_pass_linear(pass, &w->up, inner, l->rank, y, hidden);
    as_pass_norm(pass, &l->norm, &w->norm, y, hidden, y, hidden, 1, hidden);
    add_scaled(pass, x, 1, y, 1);
}

static void describe_laurel(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_laurel_spec *l = step->form;
    (void)spec;
    as_buf_printf(out, "rank %lld", (long long)l->rank);
}

const as_block as_block_altup_spread = {
    .name = "streams in",
    .form_size = sizeof(as_altup_spec),
    .weights_size = sizeof(edge_weights),
    .bind = bind_spread,
    .needs = edge_needs,
    .cost = edge_cost,
    .describe = describe,
    .forward = spread,
};
const as_block as_block_altup_gather = {
    .name = "streams out",
    .form_size = sizeof(as_altup_spec),
    .weights_size = sizeof(edge_weights),
    .bind = bind_gather,
    .needs = edge_needs,
    .cost = edge_cost,
    .describe = describe,
    .forward = gather,
};
const as_block as_block_altup_predict = {
    .name = "stream prediction",
    .form_size = sizeof(as_altup_spec),
    .weights_size = sizeof(altup_weights),
    .bind = bind_predict,
    .needs = factor_needs,
    .cost = predict_cost,
    .describe = describe,
    .forward = predict,
};
const as_block as_block_altup_correct = {
    .name = "stream correction",
    .form_size = sizeof(as_altup_spec),
    .weights_size = sizeof(altup_weights),
    .bind = bind_correct,
    .needs = factor_needs,
    .cost = correct_cost,
    .describe = describe,
    .forward = correct,
};
const as_block as_block_laurel = {
    .name = "learned residual",
    .form_size = sizeof(as_laurel_spec),
    .weights_size = sizeof(laurel_weights),
    .bind = bind_laurel,
    .needs = laurel_needs,
    .cost = laurel_cost,
    .describe = describe_laurel,
    .forward = laurel,
};
