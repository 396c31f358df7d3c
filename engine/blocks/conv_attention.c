/* Compressed convolutional attention; see conv_attention.h. As transformers models/zaya has it. */
#include "engine/blocks/conv_attention.h"

#include <math.h>
#include <string.h>

typedef struct conv_weights {
    as_linear q, k, v_now, v_before, o;
    const float *channel_conv; /* [width of queries and keys, channel_taps] */
    const float *delays;       /* [the same * head_taps, head_taps]: channel c * head_taps + t is t taps in */
    as_expert_stack head_conv; /* [heads + kv_heads] of [width, width * head_taps] */
    const float *head_bias;
    const float *key_scale; /* [kv_heads, width] */
} conv_weights;

/* Widths of one row. */
typedef struct widths {
    int64_t q, kv, qk, half;
} widths;

static widths widths_of(const as_conv_attention_spec *a)
{
    int64_t q = a->heads * a->width, kv = a->kv_heads * a->width;
    return (widths){.q = q, .kv = kv, .qk = q + kv, .half = kv / 2};
}

/* The second convolution as a matrix for each head over its channels and their delays. The bias of the first,
 * which it would convolve too, is folded into its own, so that both begin with nothing before the first
 * token. */
static as_code bind_head_conv(as_binder *binder, const as_conv_attention_spec *a, conv_weights *w,
                              as_error *err)
{
    int64_t taps = a->head_taps, blocks = a->heads + a->kv_heads, cols = a->width * taps,
            qk = widths_of(a).qk;
    const float *values = NULL, *bias = NULL, *channel_bias = NULL;
    float *folded, *delays;
    AS_TRY(as_bind_vector(binder, AS_SLOT_HEAD_CONV, ".weight", qk * cols, &values, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_HEAD_CONV, ".bias", qk, &bias, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_CHANNEL_CONV, ".bias", qk, &channel_bias, err));
    AS_TRY(as_bind_floats(binder, qk, &folded, err));
    AS_TRY(as_bind_floats(binder, qk * taps * taps, &delays, err));
    for (int64_t r = 0; r < qk; r++) {
        double sum = bias[r];
        for (int64_t c = 0; c < cols; c++) {
            sum += (double)values[r * cols + c] * channel_bias[r / a->width * a->width + c / taps];
        }
        folded[r] = (float)sum;
    }
    for (int64_t i = 0; i < qk * taps; i++) delays[i * taps + i % taps] = 1;
    w->head_bias = folded;
    w->delays = delays;
    return as_bind_float_blocks(binder, values, blocks, a->width, cols, &w->head_conv, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_conv_attention_spec *a = step->form;
    conv_weights *w = weights;
    widths at = widths_of(a);
    const float *scale = NULL;
    float *spread;
    AS_TRY(as_bind_linear(binder, AS_SLOT_Q, at.q, spec->hidden, a->bias, &w->q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_K, at.kv, spec->hidden, a->bias, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_V, at.half, spec->hidden, a->bias, &w->v_now, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_V_BEFORE, at.half, spec->hidden, a->bias, &w->v_before, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_O, spec->hidden, at.q, a->bias, &w->o, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_CHANNEL_CONV, ".weight", at.qk * a->channel_taps, &w->channel_conv,
                          err));
    AS_TRY(bind_head_conv(binder, a, w, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_KEY_SCALE, "", a->kv_heads, &scale, err));
    AS_TRY(as_bind_floats(binder, at.kv, &spread, err));
    for (int64_t i = 0; i < at.kv; i++) spread[i] = scale[i / a->width];
    w->key_scale = spread;
    return AS_OK;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_conv_attention_spec *a = step->form;
    widths at = widths_of(a);
    int64_t mixing = at.qk * (1 + a->head_taps) + as_pass_linear_needs(a->width * a->head_taps);
    int64_t values = spec->hidden + 2 * at.half + at.kv + as_pass_linear_needs(spec->hidden);
    return (as_block_needs){
        .kv_heads = a->kv_heads,
        .k_width = a->width,
        .v_width = a->width,
        .state = {at.qk * (a->channel_taps - 1), at.qk * a->head_taps * (a->head_taps - 1), spec->hidden},
        .row = 3 * at.qk + (mixing > values ? mixing : values) + at.q + as_pass_linear_needs(spec->hidden) +
               as_pass_linear_needs(at.q)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_conv_attention_spec *a = step->form;
    widths at = widths_of(a);
    double projections = (double)spec->hidden * (double)(2 * at.qk);
    double mixing = (double)at.qk * (double)(a->channel_taps + a->width * a->head_taps);
    return (as_block_cost){
        .products = projections + mixing, .key_products = 2 * (double)at.q, .window = a->window};
}

/* Both convolutions of x [N, queries and keys] into out. */
static void mix_tokens(as_pass *pass, const as_conv_attention_spec *a, const conv_weights *w, const float *x,
                       float *out)
{
    int64_t qk = widths_of(a).qk, taps = a->head_taps, mark = pass->work_used;
    float *mixed = as_pass_floats(pass, pass->rows * qk),
          *spread = as_pass_floats(pass, pass->rows * qk * taps);
    memcpy(mixed, x, (size_t)(pass->rows * qk) * sizeof *x);
    as_conv channels = {.weight = w->channel_conv, .taps = a->channel_taps};
    as_pass_convolve(pass, &channels, pass->state[0], mixed, qk, qk);
    for (int64_t i = 0; i < pass->rows * qk; i++) {
        for (int64_t t = 0; t < taps; t++) spread[i * taps + t] = mixed[i];
    }
    as_conv delays = {.weight = w->delays, .taps = taps};
    as_pass_convolve(pass, &delays, pass->state[1], spread, qk * taps, qk * taps);
    as_pass_blocks(pass, &w->head_conv, a->heads + a->kv_heads, w->head_bias, spread, qk * taps, out, qk);
    pass->work_used = mark;
}

/* Adds to queries the mean of each and its key as projected, to keys the mean of their queries' means. */
static void add_means(const as_pass *pass, const as_conv_attention_spec *a, const float *x, float *out)
{
    widths at = widths_of(a);
    int64_t group = a->heads / a->kv_heads;
    for (int64_t i = 0; i < pass->rows; i++, x += at.qk, out += at.qk) {
        for (int64_t c = 0; c < at.kv; c++) {
            int64_t g = c / a->width, d = c % a->width;
            float sum = 0;
            for (int64_t h = g * group; h < (g + 1) * group; h++) {
                float mean = (x[h * a->width + d] + x[at.q + c]) * 0.5f;
                out[h * a->width + d] += mean;
                sum += mean;
            }
            out[at.q + c] += sum / (float)group;
        }
    }
}

static void normalise(as_pass *pass, const as_conv_attention_spec *a, const float *weight, float *x,
                      int64_t heads)
{
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_RMS,
                                                 .in = x,
                                                 .out = x,
                                                 .n = pass->rows,
                                                 .groups = heads,
                                                 .width = a->width,
                                                 .in_stride = heads * a->width,
                                                 .out_stride = heads * a->width,
                                                 .weight = weight,
                                                 .weight_per_group = true,
                                                 .eps = 1e-30f}); /* only zeros come near it */
    as_pass_rope(pass, a->rope, x, heads, a->width);
}

/* Half of the values are of the row, half of the one before it. */
static void make_values(as_pass *pass, const as_conv_attention_spec *a, const conv_weights *w, const float *x,
                        float *v)
{
    int64_t hidden = pass->spec->hidden, mark = pass->work_used;
    widths at = widths_of(a);
    float *before = as_pass_floats(pass, pass->rows * hidden);
    pass->ops->token_shift(&pass->exec, &(as_token_shift_args){.x = x,
                                                               .out = before,
                                                               .width = hidden,
                                                               .x_stride = hidden,
                                                               .out_stride = hidden,
                                                               .state = pass->state[2],
                                                               .spans = pass->spans,
                                                               .span_count = pass->span_count});
    as_pass_linear(pass, &w->v_now, x, hidden, v, at.kv);
    as_pass_linear(pass, &w->v_before, before, hidden, v + at.half, at.kv);
    pass->work_used = mark;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_conv_attention_spec *a = step->form;
    const conv_weights *w = weights;
    widths at = widths_of(a);
    int64_t hidden = pass->spec->hidden, n = pass->rows;
    float *qk = as_pass_floats(pass, n * at.qk), *mixed = as_pass_floats(pass, n * at.qk);
    float *q = as_pass_floats(pass, n * at.q), *k = as_pass_floats(pass, n * at.kv);
    as_pass_linear(pass, &w->q, x, hidden, qk, at.qk);
    as_pass_linear(pass, &w->k, x, hidden, qk + at.q, at.qk);
    mix_tokens(pass, a, w, qk, mixed);
    add_means(pass, a, qk, mixed);
    as_pass_copy_groups(pass, 1, at.q, mixed, 0, at.qk, q, at.q);
    as_pass_copy_groups(pass, 1, at.kv, mixed + at.q, 0, at.qk, k, at.kv);
    normalise(pass, a, NULL, q, a->heads);
    normalise(pass, a, w->key_scale, k, a->kv_heads);
    int64_t mark = pass->work_used;
    float *v = as_pass_floats(pass, n * at.kv);
    make_values(pass, a, w, x, v);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = k,
                                                         .v = v,
                                                         .k_stride = at.kv,
                                                         .v_stride = at.kv,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
    pass->work_used = mark;
    float *out = as_pass_floats(pass, n * at.q);
    pass->ops->attention(&pass->exec, &(as_attention_args){.cache = pass->cache,
                                                           .q = q,
                                                           .out = out,
                                                           .q_stride = at.q,
                                                           .out_stride = at.q,
                                                           .heads = a->heads,
                                                           .scale = 1 / sqrtf((float)a->width),
                                                           .window = a->window,
                                                           .spans = pass->spans,
                                                           .span_count = pass->span_count});
    as_pass_linear(pass, &w->o, out, at.q, y, hidden);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_conv_attention_spec *a = step->form;
    (void)spec;
    as_buf_printf(out, "%lld heads of %lld over %lld, %lld and %lld taps, half of the values a token old",
                  (long long)a->heads, (long long)a->width, (long long)a->kv_heads,
                  (long long)a->channel_taps, (long long)a->head_taps);
    if (a->window) as_buf_printf(out, ", window %lld", (long long)a->window);
}

const as_block as_block_conv_attention = {
    .name = "convolutional attention",
    .form_size = sizeof(as_conv_attention_spec),
    .weights_size = sizeof(conv_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
