/* Softmax attention; see attention.h. */
#include "engine/blocks/attention.h"

#include <math.h>
#include <string.h>

typedef struct attention_weights {
    as_linear q, k, v, qkv, o, gate, read_sinks, k_conv_own, v_conv_own;
    as_norm_weights q_norm, k_norm, v_norm, o_norm, k_in_norm, v_in_norm;
    const float *q_scale; /* [heads, k_width] or NULL */
    const float *sinks, *alibi, *k_conv, *v_conv;
    as_score_bias_weights score_bias;
    as_pool_index_weights pools;
    as_run_index_weights runs;
} attention_weights;

/* The part of the state that an index over pools keeps; the first two are of convolutions. */
enum { POOL_STATE = 2 };

/* Widths of one row. */
typedef struct widths {
    int64_t q, k, v, out; /* queries, keys, values of all heads; what the heads read */
    int64_t q_rows;       /* rows of the query projection: queries, and gates where it holds them */
    int64_t gate;         /* values of the gate */
} widths;

static widths widths_of(const as_attention_spec *a)
{
    widths w = {.q = a->heads * a->k_width,
                .k = a->kv_heads * a->k_width,
                .v = a->kv_heads * a->v_width,
                .out = a->heads * a->v_width};
    w.gate = a->gate == AS_ATTENTION_GATE_NONE ? 0 : a->gate == AS_ATTENTION_GATE_HEADS ? a->heads : w.out;
    w.q_rows = a->gate == AS_ATTENTION_GATE_IN_Q ? w.q + w.out : w.q;
    return w;
}

/* Key/value heads in the cache. */
static int64_t cache_heads(const as_attention_spec *a)
{
    return a->runs.top ? as_run_index_lists(&a->runs, a->kv_heads) : a->kv_heads;
}

static as_score_heads heads_of(const as_attention_spec *a)
{
    return (as_score_heads){
        .heads = a->heads, .kv_heads = a->kv_heads, .v_width = a->v_width, .window = a->window};
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

/* A view of `rows` rows of a matrix from row `first`. */
static as_linear linear_rows(const as_linear *whole, int64_t first, int64_t rows)
{
    as_linear part = *whole;
    part.w.rows = rows;
    part.w.data =
        (const unsigned char *)whole->w.data + as_dtype_span(whole->w.dtype, first * whole->w.stride);
    if (whole->w.scale == AS_SCALE_ROW) part.w.scales = whole->w.scales + first;
    if (whole->bias) part.bias = whole->bias + first;
    return part;
}

/* Whether the checkpoint has three projections instead of one; one is missed where it has neither. */
static bool has_three(const as_binder *binder)
{
    if (as_binder_has(binder, AS_SLOT_QKV, ".weight")) return false;
    return as_binder_has(binder, AS_SLOT_Q, ".weight") || as_binder_has(binder, AS_SLOT_K, ".weight") ||
           as_binder_has(binder, AS_SLOT_V, ".weight");
}

static as_code bind_qkv(as_binder *binder, const as_model_spec *spec, const as_attention_spec *a,
                        attention_weights *w, as_error *err)
{
    widths at = widths_of(a);
    bool three = a->layout == AS_QKV_EITHER ? has_three(binder) : a->layout == AS_QKV_SEPARATE;
    if (three || a->shared_cache) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_Q, at.q_rows, spec->hidden, a->q_bias, &w->q, err));
        if (a->shared_cache) return AS_OK;
        AS_TRY(as_bind_linear(binder, AS_SLOT_K, at.k, spec->hidden, a->k_bias, &w->k, err));
        if (a->keys_are_values) return AS_OK;
        return as_bind_linear(binder, AS_SLOT_V, at.v, spec->hidden, a->v_bias, &w->v, err);
    }
    AS_TRY(
        as_bind_linear(binder, AS_SLOT_QKV, at.q_rows + at.k + at.v, spec->hidden, a->q_bias, &w->qkv, err));
    if ((a->layout == AS_QKV_ROWS || a->layout == AS_QKV_EITHER) && w->qkv.w.scale != AS_SCALE_BLOCK) {
        w->q = linear_rows(&w->qkv, 0, at.q_rows);
        w->k = linear_rows(&w->qkv, at.q_rows, at.k);
        w->v = linear_rows(&w->qkv, at.q_rows + at.k, at.v);
        w->qkv.w.data = NULL; /* three products instead of one and a copy */
    }
    return AS_OK;
}

static as_code bind_head_norm(as_binder *binder, const as_attention_spec *a, const as_norm_spec *norm,
                              int64_t heads, int64_t width, as_norm_weights *out, as_error *err)
{
    return as_bind_norm(binder, norm, a->head_norm == AS_HEAD_NORM_SHARED ? width : heads * width, out, err);
}

static float alibi_scale(const as_attention_spec *a)
{
    return a->alibi_scale != 0 ? a->alibi_scale : 1;
}

/* Slopes of ALiBi (Press et al. 2022): a geometric series over the next power of two below the heads, and
 * every other term of the next series for those beyond. */
static as_code make_slopes(as_binder *binder, const as_attention_spec *a, const float **out, as_error *err)
{
    float *slopes;
    AS_TRY(as_bind_floats(binder, a->heads, &slopes, err));
    int64_t power = 1;
    while (power * 2 <= a->heads) power *= 2;
    double scale = a->alibi_rounded ? 1 : alibi_scale(a);
    for (int64_t h = 0; h < a->heads; h++) {
        double exponent =
            h < power ? (double)(h + 1) / (double)power : (double)(2 * (h - power) + 1) / (double)(2 * power);
        slopes[h] = (float)(exp2(-a->alibi_max * exponent) * scale);
        if (a->alibi_rounded) slopes[h] = as_f32_from_bf16(as_bf16_from_f32(slopes[h]));
    }
    *out = slopes;
    return AS_OK;
}

static as_code bind_convolutions(as_binder *binder, const as_model_spec *spec, const as_attention_spec *a,
                                 attention_weights *w, as_error *err)
{
    widths at = widths_of(a);
    int64_t taps = a->kv_taps, own = a->kv_heads * taps;
    float scale = a->kv_conv_scale != 0 ? a->kv_conv_scale : 1;
    if (!taps) return AS_OK;
    if (!a->kv_conv_own) {
        AS_TRY(as_bind_added_conv(binder, AS_SLOT_K_CONV, at.k, taps, scale, &w->k_conv, err));
        return as_bind_added_conv(binder, AS_SLOT_V_CONV, at.v, taps, scale, &w->v_conv, err);
    }
    AS_TRY(as_bind_vector(binder, AS_SLOT_K_CONV_SHARED, "", at.k * taps, &w->k_conv, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_V_CONV_SHARED, "", at.v * taps, &w->v_conv, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_K_CONV_OWN, own, spec->hidden, false, &w->k_conv_own, err));
    return as_bind_linear(binder, AS_SLOT_V_CONV_OWN, own, spec->hidden, false, &w->v_conv_own, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_attention_spec *a = step->form;
    attention_weights *w = weights;
    widths at = widths_of(a);
    AS_TRY(bind_qkv(binder, spec, a, w, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_O, spec->hidden, at.out, a->o_bias, &w->o, err));
    AS_TRY(bind_head_norm(binder, a, &a->q_norm, a->heads, a->k_width, &w->q_norm, err));
    if (!a->shared_cache) {
        AS_TRY(bind_head_norm(binder, a, &a->k_norm, a->kv_heads, a->k_width, &w->k_norm, err));
        AS_TRY(bind_head_norm(binder, a, &a->v_norm, a->kv_heads, a->v_width, &w->v_norm, err));
    }
    AS_TRY(bind_convolutions(binder, spec, a, w, err));
    AS_TRY(as_bind_norm(binder, &a->k_in_norm, spec->hidden, &w->k_in_norm, err));
    AS_TRY(as_bind_norm(binder, &a->v_in_norm, spec->hidden, &w->v_in_norm, err));
    if (a->most_length > 0) AS_TRY(as_bind_vector(binder, AS_SLOT_Q_SCALE, "", at.q, &w->q_scale, err));
    if (a->sinks_read)
        AS_TRY(as_bind_linear(binder, AS_SLOT_SINKS, a->heads, spec->hidden, false, &w->read_sinks, err));
    AS_TRY(as_bind_norm(binder, &a->o_norm, at.out, &w->o_norm, err));
    if (a->gate == AS_ATTENTION_GATE_ELEMENTS || a->gate == AS_ATTENTION_GATE_HEADS) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_ATTENTION_GATE, at.gate, spec->hidden, a->gate_bias, &w->gate,
                              err));
    }
    if (a->sinks) AS_TRY(as_bind_vector(binder, AS_SLOT_SINKS, "", a->heads, &w->sinks, err));
    if (a->alibi_max > 0) AS_TRY(make_slopes(binder, a, &w->alibi, err));
    if (a->pools.top) AS_TRY(as_bind_pool_index(binder, spec, &a->pools, &w->pools, err));
    if (a->runs.top) AS_TRY(as_bind_run_index(binder, spec, &a->runs, &w->runs, err));
    as_score_heads heads = heads_of(a);
    return as_bind_score_bias(binder, spec, &a->score_bias, &heads, &w->score_bias, err);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_attention_spec *a = step->form;
    widths at = widths_of(a);
    int64_t split = a->gate == AS_ATTENTION_GATE_IN_Q ? at.q : 0;
    as_block_needs result = {.row = 2 * (at.q_rows + at.k + at.v) + split + at.out + at.gate + 1 +
                                    max64(as_pass_linear_needs(spec->hidden), as_pass_linear_needs(at.out))};
    as_score_heads heads = heads_of(a);
    result.row += as_score_bias_needs(spec, &a->score_bias, &heads);
    if (a->kv_conv_own) result.row += a->kv_heads * a->kv_taps;
    if (a->k_from || a->v_from) result.row += 2 * spec->hidden;
    if (a->sinks_read) result.row += a->heads;
    if (a->kv_taps) {
        result.state[0] = at.k * (a->kv_taps - 1);
        result.state[1] = at.v * (a->kv_taps - 1);
    }
    if (a->score_bias.kind == AS_SCORE_BIAS_KEY) result.index_width = a->kv_heads;
    if (a->pools.top) as_pool_index_needs(spec, &a->pools, POOL_STATE, &result);
    if (a->runs.top) as_run_index_needs(spec, &a->runs, cache_heads(a), &result);
    if (!a->shared_cache) {
        result.kv_heads = cache_heads(a);
        if (result.kv_heads != a->kv_heads) result.row += result.kv_heads * (a->k_width + a->v_width);
        result.k_width = a->k_width;
        result.v_width = a->v_width;
    }
    return result;
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_attention_spec *a = step->form;
    widths at = widths_of(a);
    int64_t kv = a->shared_cache ? 0 : at.k + (a->keys_are_values ? 0 : at.v);
    int64_t gate = a->gate == AS_ATTENTION_GATE_IN_Q ? 0 : at.gate;
    int64_t index = a->pools.top ? (a->pools.heads + 1) * a->pools.width : 0;
    double scores = index ? (double)index / (double)a->pools.every : 0;
    if (a->runs.top) {
        index = (a->runs.heads + 1) * a->runs.width;
        scores = (double)(a->runs.heads * a->runs.width);
    }
    return (as_block_cost){.products =
                               (double)spec->hidden * (double)(at.q_rows + kv + gate + at.out + index),
                           .key_products = (double)(at.q + at.out) + scores,
                           .window = a->keeps_prompt ? 0 : a->window,
                           .chunk = a->chunk};
}

/* ---- projections -----------------------------------------------------------------------------------------
 */

/* Copies `count` groups of `width` floats a row, each `step` floats from the next. */
static void copy_groups(int64_t rows, int64_t count, int64_t width, const float *from, int64_t from_step,
                        int64_t from_stride, float *to)
{
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t g = 0; g < count; g++) {
            memcpy(to, from + i * from_stride + g * from_step, (size_t)width * sizeof *to);
            to += width;
        }
    }
}

static void split_qkv(const as_pass *pass, const as_attention_spec *a, const float *qkv, float *q, float *k,
                      float *v)
{
    widths at = widths_of(a);
    int64_t stride = at.q_rows + at.k + at.v;
    if (a->layout == AS_QKV_PER_KV_HEAD) {
        int64_t group = at.q_rows / a->kv_heads, step = group + a->k_width + a->v_width;
        copy_groups(pass->rows, a->kv_heads, group, qkv, step, stride, q);
        copy_groups(pass->rows, a->kv_heads, a->k_width, qkv + group, step, stride, k);
        copy_groups(pass->rows, a->kv_heads, a->v_width, qkv + group + a->k_width, step, stride, v);
        return;
    }
    if (a->layout == AS_QKV_PARTS_QVK) {
        int64_t n = a->qkv_parts, step = stride / n, v_at = at.q_rows / n, k_at = v_at + at.v / n;
        copy_groups(pass->rows, n, at.q_rows / n, qkv, step, stride, q);
        copy_groups(pass->rows, n, at.k / n, qkv + k_at, step, stride, k);
        copy_groups(pass->rows, n, at.v / n, qkv + v_at, step, stride, v);
        return;
    }
    copy_groups(pass->rows, 1, at.q_rows, qkv, 0, stride, q);
    copy_groups(pass->rows, 1, at.k, qkv + at.q_rows, 0, stride, k);
    copy_groups(pass->rows, 1, at.v, qkv + at.q_rows + at.k, 0, stride, v);
}

static void clip(as_pass *pass, float limit, float *x, int64_t width)
{
    pass->ops->clamp(
        &pass->exec,
        &(as_clamp_args){
            .x = x, .n = pass->rows, .width = width, .stride = width, .least = -limit, .most = limit});
}

/* x [N, width] convolved; own: what each row adds to the weights, read from `from`. */
static void convolve(as_pass *pass, const as_attention_spec *a, const float *weight, const as_linear *own,
                     const float *from, float *state, float *x, int64_t width)
{
    int64_t mark = pass->work_used, count = a->kv_heads * a->kv_taps;
    if (a->kv_conv_own) {
        float *rows = as_pass_floats(pass, pass->rows * count);
        as_pass_linear(pass, own, from, pass->spec->hidden, rows, count);
        pass->ops->conv_heads(&pass->exec,
                              &(as_conv_heads_args){.in = x,
                                                    .out = x,
                                                    .width = width,
                                                    .heads = a->kv_heads,
                                                    .taps = a->kv_taps,
                                                    .in_stride = width,
                                                    .out_stride = width,
                                                    .own_stride = count,
                                                    .weight = weight,
                                                    .own = rows,
                                                    .scale = a->kv_conv_scale != 0 ? a->kv_conv_scale : 1,
                                                    .state = state,
                                                    .spans = pass->spans,
                                                    .span_count = pass->span_count});
        pass->work_used = mark;
        return;
    }
    as_pass_convolve(pass, &(as_conv){.weight = weight, .taps = a->kv_taps}, state, x, width, width);
}

/* What keys or values are projected from: x, or what lies in what is carried, normed. */
static const float *kv_input(as_pass *pass, int64_t from, const as_norm_spec *norm,
                             const as_norm_weights *weights, const float *x)
{
    int64_t hidden = pass->spec->hidden;
    if (!from) return x;
    float *out = as_pass_floats(pass, pass->rows * hidden);
    as_pass_norm(pass, norm, weights, pass->carried + from - 1, pass->spec->carried, out, hidden, 1, hidden);
    return out;
}

static void project(as_pass *pass, const as_attention_spec *a, const attention_weights *w, const float *x,
                    float *q, float *k, float *v)
{
    widths at = widths_of(a);
    int64_t hidden = pass->spec->hidden, mark = pass->work_used;
    const float *for_k = kv_input(pass, a->k_from, &a->k_in_norm, &w->k_in_norm, x);
    const float *for_v = kv_input(pass, a->v_from, &a->v_in_norm, &w->v_in_norm, x);
    if (w->qkv.w.data) {
        int64_t width = at.q_rows + at.k + at.v;
        float *qkv = as_pass_floats(pass, pass->rows * width);
        as_pass_linear(pass, &w->qkv, x, hidden, qkv, width);
        split_qkv(pass, a, qkv, q, k, v);
    } else {
        as_pass_linear(pass, &w->q, x, hidden, q, at.q_rows);
        if (!a->shared_cache) as_pass_linear(pass, &w->k, for_k, hidden, k, at.k);
        if (!a->shared_cache && !a->keys_are_values) as_pass_linear(pass, &w->v, for_v, hidden, v, at.v);
    }
    if (a->kv_taps) {
        convolve(pass, a, w->k_conv, &w->k_conv_own, for_k, pass->state[0], k, at.k);
        convolve(pass, a, w->v_conv, &w->v_conv_own, for_v, pass->state[1], v, at.v);
    }
    pass->work_used = mark;
    if (!a->shared_cache && a->keys_are_values) {
        memcpy(v, k, (size_t)(pass->rows * at.v) * sizeof *v);
    }
    if (a->qkv_clip > 0) {
        if (!a->clip_after_norm) clip(pass, a->qkv_clip, q, at.q_rows);
        if (!a->clip_after_norm && !a->shared_cache) clip(pass, a->qkv_clip, k, at.k);
        if (!a->shared_cache) clip(pass, a->qkv_clip, v, at.v);
    }
    if (!a->shared_cache) as_pass_scale(pass, a->v_scale, v, at.v, at.v);
}

/* ---- queries and keys ------------------------------------------------------------------------------------
 */

static void normalise(as_pass *pass, const as_attention_spec *a, const as_norm_spec *norm,
                      const as_norm_weights *weights, float *x, int64_t heads, int64_t head_width)
{
    if (!norm->present) return;
    int64_t width = heads * head_width;
    bool row = a->head_norm == AS_HEAD_NORM_ROW;
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = norm->kind,
                                                 .in = x,
                                                 .out = x,
                                                 .n = pass->rows,
                                                 .groups = row ? 1 : heads,
                                                 .width = row ? width : head_width,
                                                 .in_stride = width,
                                                 .out_stride = width,
                                                 .weight = weights->weight,
                                                 .bias = weights->bias,
                                                 .weight_offset = weights->weight ? norm->weight_offset : 0,
                                                 .eps = norm->eps,
                                                 .weight_per_group = a->head_norm == AS_HEAD_NORM_OWN});
}

typedef struct order_job {
    const as_pass *pass;
    float *x;
    int64_t heads, width;
} order_job;

static void order_row(void *context, int64_t row, int worker)
{
    const order_job *job = context;
    int64_t half = job->width / 2;
    float *head = job->x + row * job->heads * job->width;
    float *room = (float *)(void *)(job->pass->exec.scratch + (int64_t)worker * AS_SCRATCH_BYTES);
    for (int64_t h = 0; h < job->heads; h++, head += job->width) {
        memcpy(room, head, (size_t)(2 * half) * sizeof *room);
        for (int64_t i = 0; i < half; i++) {
            head[i] = room[2 * i];
            head[half + i] = room[2 * i + 1];
        }
    }
}

/* Projections that give the halves of each head interleaved: ordered as elsewhere, so that sums over a head
 * run in the same order and give the same bits. */
static void order_heads(as_pass *pass, const as_attention_spec *a, float *x, int64_t heads)
{
    if (a->rope < 0 || !pass->spec->ropes[a->rope].paired_heads) return;
    order_job job = {.pass = pass, .x = x, .heads = heads, .width = a->k_width};
    as_pool_for(pass->exec.pool, pass->rows, order_row, &job);
}

/* Vectors longer than they may be, shortened; scale: on all of them before, or NULL. */
static void shorten(as_pass *pass, const as_attention_spec *a, const float *scale, float *x, int64_t heads)
{
    if (a->most_length <= 0) return;
    as_pass_affine(pass, &(as_affine_weights){.scale = scale}, x, heads * a->k_width);
    pass->ops->shorten(&pass->exec, &(as_shorten_args){.x = x,
                                                       .n = pass->rows,
                                                       .groups = heads,
                                                       .width = a->k_width,
                                                       .stride = heads * a->k_width,
                                                       .most = a->most_length});
}

static void normalise_and_rotate(as_pass *pass, const as_attention_spec *a, const as_norm_spec *norm,
                                 const as_norm_weights *weights, float *x, int64_t heads)
{
    if (!a->paired_norms) order_heads(pass, a, x, heads);
    if (!a->norm_after_rope) normalise(pass, a, norm, weights, x, heads, a->k_width);
    if (a->paired_norms) order_heads(pass, a, x, heads);
    if (a->qkv_clip > 0 && a->clip_after_norm) clip(pass, a->qkv_clip, x, heads * a->k_width);
    as_pass_rope(pass, a->rope, x, heads, a->k_width);
    if (a->norm_after_rope) normalise(pass, a, norm, weights, x, heads, a->k_width);
}

static double growth_at(const as_query_growth *growth, double at)
{
    if (growth->logn > 0) return fmax(1, log(at + 1) / log(growth->logn));
    if (growth->beyond) return 1 + growth->beta * log(fmax(1, (at + 1) / growth->length));
    return 1 + growth->beta * log1p(floor(at / growth->length));
}

void as_attention_grow(as_pass *pass, const as_query_growth *growth, float *q, int64_t width)
{
    if (growth->beta == 0 && growth->logn == 0) return;
    int64_t mark = pass->work_used;
    float *factors = as_pass_floats(pass, pass->rows);
    for (int64_t s = 0; s < pass->span_count; s++) {
        const as_span *span = &pass->spans[s];
        for (int64_t i = 0; i < span->count; i++) {
            double at = (double)(span->position + i + growth->offset);
            factors[span->first + i] = (float)growth_at(growth, at);
        }
    }
    pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.factors = factors,
                                                                 .factor_stride = 1,
                                                                 .x = q,
                                                                 .n = pass->rows,
                                                                 .groups = 1,
                                                                 .width = width,
                                                                 .stride = width});
    pass->work_used = mark;
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

static void apply_gate(as_pass *pass, const as_attention_spec *a, const float *gate, float *out)
{
    widths at = widths_of(a);
    if (a->gate == AS_ATTENTION_GATE_HEADS) {
        pass->ops->scale_groups(&pass->exec, &(as_scale_groups_args){.act = a->gate_act,
                                                                     .factors = gate,
                                                                     .factor_stride = a->heads,
                                                                     .x = out,
                                                                     .n = pass->rows,
                                                                     .groups = a->heads,
                                                                     .width = a->v_width,
                                                                     .stride = at.out});
    } else {
        as_pass_gate(pass, a->gate_act, gate, out, at.out);
    }
}

/* Each head as often as it stands in the cache. */
static const float *repeat_heads(as_pass *pass, const as_attention_spec *a, const float *x, int64_t width)
{
    int64_t times = cache_heads(a) / a->kv_heads, row = a->kv_heads * width;
    if (times == 1) return x;
    float *out = as_pass_floats(pass, pass->rows * row * times);
    for (int64_t t = 0; t < times; t++) {
        for (int64_t i = 0; i < pass->rows * a->kv_heads; i++) {
            memcpy(out + (i * times + t) * width, x + i * width, (size_t)width * sizeof *out);
        }
    }
    return out;
}

static void store(as_pass *pass, const as_attention_spec *a, const float *k, const float *v)
{
    int64_t heads = cache_heads(a);
    pass->ops->kv_store(&pass->exec, &(as_kv_store_args){.cache = pass->cache,
                                                         .k = repeat_heads(pass, a, k, a->k_width),
                                                         .v = repeat_heads(pass, a, v, a->v_width),
                                                         .k_stride = heads * a->k_width,
                                                         .v_stride = heads * a->v_width,
                                                         .spans = pass->spans,
                                                         .span_count = pass->span_count});
}

/* Queries and, where there is one, the gate; keys and values into the cache. Returns the queries. */
static float *prepare(as_pass *pass, const as_attention_spec *a, const attention_weights *w, const float *x,
                      float *gate)
{
    widths at = widths_of(a);
    int64_t n = pass->rows;
    float *q = as_pass_floats(pass, n * at.q);
    int64_t mark = pass->work_used;
    bool in_q = a->gate == AS_ATTENTION_GATE_IN_Q;
    float *projected = in_q ? as_pass_floats(pass, n * at.q_rows) : q;
    float *k = a->shared_cache ? NULL : as_pass_floats(pass, n * at.k);
    float *v = a->shared_cache ? NULL : as_pass_floats(pass, n * at.v);
    project(pass, a, w, x, projected, k, v);
    if (in_q) {
        int64_t step = a->k_width + a->v_width;
        copy_groups(n, a->heads, a->k_width, projected, step, at.q_rows, q);
        copy_groups(n, a->heads, a->v_width, projected + a->k_width, step, at.q_rows, gate);
    } else if (gate) {
        as_pass_linear(pass, &w->gate, x, pass->spec->hidden, gate, at.gate);
    }
    normalise_and_rotate(pass, a, &a->q_norm, &w->q_norm, q, a->heads);
    shorten(pass, a, w->q_scale, q, a->heads);
    as_attention_grow(pass, &a->growth, q, at.q);
    if (!a->shared_cache) {
        normalise_and_rotate(pass, a, &a->k_norm, &w->k_norm, k, a->kv_heads);
        shorten(pass, a, NULL, k, a->kv_heads);
        normalise(pass, a, &a->v_norm, &w->v_norm, v, a->kv_heads, a->v_width);
        if (a->rotated_values) as_pass_rope(pass, a->rope, v, a->kv_heads, a->v_width);
        store(pass, a, k, v);
        as_score_heads heads = heads_of(a);
        as_score_bias_store(pass, &a->score_bias, &heads, &w->score_bias, v);
    }
    pass->work_used = mark;
    return q;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_attention_spec *a = step->form;
    const attention_weights *w = weights;
    widths at = widths_of(a);
    float *out = as_pass_floats(pass, pass->rows * at.out);
    float *gate = at.gate ? as_pass_floats(pass, pass->rows * at.gate) : NULL;
    const float *q = prepare(pass, a, w, x, gate);
    as_attention_args args = {.cache = pass->cache,
                              .q = q,
                              .out = out,
                              .q_stride = at.q,
                              .out_stride = at.out,
                              .heads = a->heads,
                              .scale = a->scale,
                              .softcap = a->softcap,
                              .window = a->window,
                              .chunk = a->chunk,
                              .keeps_prompt = a->keeps_prompt,
                              .alibi = w->alibi,
                              .alibi_rounded = a->alibi_rounded ? alibi_scale(a) : 0,
                              .sinks = w->sinks,
                              .spans = pass->spans,
                              .span_count = pass->span_count};
    if (a->sinks_read) {
        float *sinks = as_pass_floats(pass, pass->rows * a->heads);
        as_pass_linear(pass, &w->read_sinks, x, pass->spec->hidden, sinks, a->heads);
        args.sinks = sinks;
        args.sink_stride = a->heads;
    }
    if (a->pools.top) {
        args.keys = as_pass_pool_index(pass, &a->pools, &w->pools, pass->state[POOL_STATE], x);
        args.key_count = args.key_stride = as_pool_index_keys(&a->pools);
    }
    if (a->runs.top) {
        args.key_count = args.key_head_stride = as_run_index_keys(&a->runs);
        args.key_stride = cache_heads(a) * args.key_count;
        args.keys = as_pass_run_index(pass, &a->runs, &w->runs, cache_heads(a), x);
    }
    as_score_heads heads = heads_of(a);
    float *by_distance = as_score_bias_set(pass, &a->score_bias, &heads, &w->score_bias, x, &args);
    if (by_distance) as_attention_grow(pass, &a->growth, by_distance, args.distance_stride);
    pass->ops->attention(&pass->exec, &args);
    static const as_norm_weights none = {NULL, NULL};
    if (a->read_norm.present) {
        as_pass_norm(pass, &a->read_norm, &none, out, at.out, out, at.out, a->heads, a->v_width);
    }
    if (gate) apply_gate(pass, a, gate, out);
    if (a->o_norm.present) {
        as_pass_norm(pass, &a->o_norm, &w->o_norm, out, at.out, out, at.out, 1, at.out);
    }
    as_pass_linear(pass, &w->o, out, at.out, y, pass->spec->hidden);
}

static void describe_positions(const as_model_spec *spec, const as_attention_spec *a, as_buf *out)
{
    static const char *const scalings[] = {"", " linear", " dynamic", " yarn", " llama3", " longrope"};
    if (a->alibi_max > 0) as_buf_str(out, ", linear biases");
    if (a->rope < 0) {
        if (a->alibi_max <= 0 && !spec->positions.present) as_buf_str(out, ", no positions");
        return;
    }
    const as_rope_spec *rope = &spec->ropes[a->rope];
    as_buf_str(out, ", rotary");
    if (rope->rotary != a->k_width) as_buf_printf(out, " %lld", (long long)rope->rotary);
    if ((size_t)rope->scaling < sizeof scalings / sizeof scalings[0])
        as_buf_str(out, scalings[rope->scaling]);
}

static void describe(const as_model_spec *spec, const as_step *step, as_buf *out)
{
    const as_attention_spec *a = step->form;
    as_buf_printf(out, "%lld heads of %lld", (long long)a->heads, (long long)a->k_width);
    if (a->v_width != a->k_width) as_buf_printf(out, " (values %lld)", (long long)a->v_width);
    if (a->kv_heads != a->heads) as_buf_printf(out, " over %lld", (long long)a->kv_heads);
    describe_positions(spec, a, out);
    if (a->window) as_buf_printf(out, ", window %lld", (long long)a->window);
    if (a->keeps_prompt) as_buf_str(out, " behind the prompt");
    if (a->chunk) as_buf_printf(out, ", chunks of %lld", (long long)a->chunk);
    if (a->q_norm.present) as_buf_str(out, ", q/k norm");
    if (a->q_bias) as_buf_str(out, ", q/k/v bias");
    if (a->sinks || a->sinks_read) as_buf_str(out, ", sinks");
    if (a->softcap > 0) as_buf_str(out, ", soft cap");
    if (a->score_bias.kind == AS_SCORE_BIAS_KEY) as_buf_str(out, ", biases of the keys");
    if (a->score_bias.kind == AS_SCORE_BIAS_DISTANCE) as_buf_str(out, ", learned biases of distances");
    if (a->score_bias.keep) as_buf_printf(out, ", the best %lld", (long long)a->score_bias.keep);
    if (a->pools.top) {
        as_buf_printf(out, ", sees %lld runs of %lld keys by its index", (long long)a->pools.top,
                      (long long)a->pools.every);
    }
    if (a->runs.top) {
        as_buf_printf(out, ", each of %lld groups sees %lld runs of %lld keys by its index",
                      (long long)a->runs.heads, (long long)a->runs.top, (long long)a->runs.every);
    }
    if (a->gate != AS_ATTENTION_GATE_NONE) as_buf_str(out, ", output gate");
    if (a->shared_cache)
        as_buf_printf(out, ", keys and values of layer %lld", (long long)step->cache_layer - 1);
}

const as_block as_block_attention = {
    .name = "attention",
    .form_size = sizeof(as_attention_spec),
    .weights_size = sizeof(attention_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .describe = describe,
    .forward = forward,
};
