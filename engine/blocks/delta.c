/* The gated delta rule; see delta.h. */
#include "engine/blocks/delta.h"

#include <math.h>
#include <string.h>

typedef struct delta_weights {
    as_linear q, k, v; /* q: all of what is projected together, where it is */
    as_linear gate, gate_down, a, a_down, b, out;
    const float *conv, *dt_bias, *norm;
    const float *rate; /* e^A_log for each decay */
} delta_weights;

/* Widths of one row. */
typedef struct widths {
    int64_t key, value; /* of all heads */
    int64_t mixed;      /* queries, keys, values */
    int64_t decays;
} widths;

static widths widths_of(const as_delta_spec *d)
{
    widths w = {.key = d->key_heads * d->key_width, .value = d->value_heads * d->value_width};
    w.mixed = 2 * w.key + w.value;
    w.decays = d->channel_decay ? d->value_heads * d->key_width : d->value_heads;
    return w;
}

static bool is_per_key_head(const as_delta_spec *d)
{
    return d->layout == AS_DELTA_PER_KEY_HEAD || d->layout == AS_DELTA_QKV_EITHER;
}

static bool is_tiled(const as_delta_spec *d)
{
    return d->tiled && d->value_heads > d->key_heads;
}

/* Of a query or a key for each value head. */
static int64_t tiled_width(const as_delta_spec *d)
{
    return is_tiled(d) ? d->value_heads * d->key_width : 0;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

/* One tensor for the channels of queries, keys and values, or one of each; or the one cut in three wherever
 * the cuts fall, which is how save_pretrained undoes a join. */
static as_code bind_conv(as_binder *binder, const as_delta_spec *d, const float **out, as_error *err)
{
    widths at = widths_of(d);
    const as_slot slots[3] = {AS_SLOT_LINEAR_CONV_Q, AS_SLOT_LINEAR_CONV_K, AS_SLOT_LINEAR_CONV_V};
    int present = 0;
    for (int i = 0; i < 3; i++) {
        present += as_binder_names(binder, slots[i]) && as_binder_has(binder, slots[i], ".weight");
    }
    if (present == 0 || as_binder_has(binder, AS_SLOT_LINEAR_CONV, ".weight")) {
        return as_bind_vector(binder, AS_SLOT_LINEAR_CONV, ".weight", at.mixed * d->taps, out, err);
    }
    int64_t counts[3] = {at.key * d->taps, at.key * d->taps, at.value * d->taps}, stored[3], sum = 0;
    for (int i = 0; i < 3; i++) sum += stored[i] = as_binder_elements(binder, slots[i], ".weight");
    if (sum == at.mixed * d->taps) memcpy(counts, stored, sizeof counts);
    for (int i = 0; present < 3 && i < 3;
         i++) { /* names the one that is missing before any of another size */
        const float *part;
        if (stored[i] == 0) return as_bind_vector(binder, slots[i], ".weight", counts[i], &part, err);
    }
    float *all;
    AS_TRY(as_bind_floats(binder, at.mixed * d->taps, &all, err));
    *out = all;
    for (int i = 0; i < 3; i++) {
        const float *part;
        AS_TRY(as_bind_vector(binder, slots[i], ".weight", counts[i], &part, err));
        memcpy(all, part, (size_t)counts[i] * sizeof *all);
        all += counts[i];
    }
    return AS_OK;
}

/* The checkpoint holds a logarithm for each head, or what is behind it with the sign changed. */
static as_code bind_rate(as_binder *binder, const as_delta_spec *d, const float **out, as_error *err)
{
    const float *log_rate;
    float *rate;
    int64_t each = widths_of(d).decays / d->value_heads;
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_A_LOG, "", d->value_heads, &log_rate, err));
    AS_TRY(as_bind_floats(binder, d->value_heads * each, &rate, err));
    for (int64_t i = 0; i < d->value_heads * each; i++) {
        rate[i] = d->holds_a ? -log_rate[i / each] : expf(log_rate[i / each]);
    }
    *out = rate;
    return AS_OK;
}

/* One projection, or two of a low rank between. */
static as_code bind_halves(as_binder *binder, as_slot down_slot, as_slot up_slot, int64_t rank, int64_t rows,
                           int64_t cols, as_linear *down, as_linear *up, as_error *err)
{
    if (rank == 0) return as_bind_linear(binder, up_slot, rows, cols, false, up, err);
    AS_TRY(as_bind_linear(binder, down_slot, rank, cols, false, down, err));
    return as_bind_linear(binder, up_slot, rows, rank, false, up, err);
}

static as_code bind_projections(as_binder *binder, const as_model_spec *spec, const as_delta_spec *d,
                                delta_weights *w, as_error *err)
{
    widths at = widths_of(d);
    int64_t hidden = spec->hidden;
    if (d->layout == AS_DELTA_QKV_EITHER && as_binder_has(binder, AS_SLOT_LINEAR_QKV, ".weight")) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_QKV, at.mixed, hidden, false, &w->q, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_GATE, at.value, hidden, false, &w->gate, err));
        return as_bind_linear(binder, AS_SLOT_LINEAR_BA, 2 * d->value_heads, hidden, false, &w->b, err);
    }
    if (is_per_key_head(d)) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_QKVZ, at.mixed + at.value, hidden, false, &w->q, err));
        return as_bind_linear(binder, AS_SLOT_LINEAR_BA, 2 * d->value_heads, hidden, false, &w->b, err);
    }
    if (d->layout == AS_DELTA_QKV) {
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_QKV, at.mixed, hidden, false, &w->q, err));
    } else {
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_Q, at.key, hidden, false, &w->q, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_K, at.key, hidden, false, &w->k, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_V, at.value, hidden, false, &w->v, err));
    }
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_B, d->value_heads, hidden, false, &w->b, err));
    AS_TRY(bind_halves(binder, AS_SLOT_LINEAR_A_DOWN, AS_SLOT_LINEAR_A, d->decay_rank, at.decays, hidden,
                       &w->a_down, &w->a, err));
    return bind_halves(binder, AS_SLOT_LINEAR_GATE_DOWN, AS_SLOT_LINEAR_GATE, d->gate_rank, at.value, hidden,
                       &w->gate_down, &w->gate, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_delta_spec *d = step->form;
    delta_weights *w = weights;
    widths at = widths_of(d);
    AS_TRY(bind_projections(binder, spec, d, w, err));
    AS_TRY(bind_conv(binder, d, &w->conv, err));
    AS_TRY(bind_rate(binder, d, &w->rate, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_DT_BIAS, "", at.decays, &w->dt_bias, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".weight", d->value_width, &w->norm, err));
    return as_bind_linear(binder, AS_SLOT_LINEAR_OUT, spec->hidden, at.value, false, &w->out, err);
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_delta_spec *d = step->form;
    widths at = widths_of(d);
    int64_t widest = max64(max64(spec->hidden, at.value), max64(d->decay_rank, d->gate_rank));
    int64_t together =
        is_per_key_head(d) ? at.mixed + at.value + 2 * d->value_heads : max64(d->decay_rank, d->gate_rank);
    return (as_block_needs){
        .state = {at.mixed * (d->taps - 1), d->value_heads * d->key_width * d->value_width},
        .row = at.mixed + 2 * at.value + d->value_heads + at.decays + together +
               as_pass_linear_needs(widest) + 2 * tiled_width(d)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_delta_spec *d = step->form;
    widths at = widths_of(d);
    double hidden = (double)spec->hidden, value = (double)at.value, decays = (double)at.decays;
    double gate = d->gate_rank ? (hidden + value) * (double)d->gate_rank : hidden * value;
    double decay = d->decay_rank ? (hidden + decays) * (double)d->decay_rank : hidden * decays;
    return (as_block_cost){.products = hidden * (double)(at.mixed + at.value + d->value_heads) + gate +
                                       decay + (double)(at.mixed * d->taps) +
                                       4 * value * (double)d->key_width};
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

/* The work arrays of a pass. */
typedef struct delta_rows {
    float *mixed, *gate, *beta, *decay, *out;
} delta_rows;

/* Projected together: for each key head its query, key, values and gates. */
static void project_per_head(as_pass *pass, const as_delta_spec *d, const delta_weights *w, const float *x,
                             const delta_rows *to)
{
    widths at = widths_of(d);
    int64_t mark = pass->work_used, n = pass->rows, heads = d->key_heads, each = d->value_heads / heads;
    int64_t stride = at.mixed + at.value, step = stride / heads, values = each * d->value_width;
    float *ba = as_pass_floats(pass, n * 2 * d->value_heads);
    as_pass_linear(pass, &w->b, x, pass->spec->hidden, ba, 2 * d->value_heads);
    as_pass_copy_groups(pass, heads, each, ba, 2 * each, 2 * d->value_heads, to->beta, d->value_heads);
    as_pass_copy_groups(pass, heads, each, ba + each, 2 * each, 2 * d->value_heads, to->decay,
                        d->value_heads);
    if (w->gate.w.rows) { /* the others are apart */
        as_pass_linear(pass, &w->q, x, pass->spec->hidden, to->mixed, at.mixed);
        as_pass_linear(pass, &w->gate, x, pass->spec->hidden, to->gate, at.value);
        pass->work_used = mark;
        return;
    }
    float *all = as_pass_floats(pass, n * stride);
    as_pass_linear(pass, &w->q, x, pass->spec->hidden, all, stride);
    as_pass_copy_groups(pass, heads, d->key_width, all, step, stride, to->mixed, at.mixed);
    as_pass_copy_groups(pass, heads, d->key_width, all + d->key_width, step, stride, to->mixed + at.key,
                        at.mixed);
    const float *from = all + 2 * d->key_width;
    as_pass_copy_groups(pass, heads, values, from, step, stride, to->mixed + 2 * at.key, at.mixed);
    as_pass_copy_groups(pass, heads, values, from + values, step, stride, to->gate, at.value);
    pass->work_used = mark;
}

static void project_halves(as_pass *pass, const as_linear *down, const as_linear *up, int64_t rank,
                           const float *x, float *y, int64_t width)
{
    int64_t mark = pass->work_used, hidden = pass->spec->hidden;
    if (rank == 0) {
        as_pass_linear(pass, up, x, hidden, y, width);
        return;
    }
    float *between = as_pass_floats(pass, pass->rows * rank);
    as_pass_linear(pass, down, x, hidden, between, rank);
    as_pass_linear(pass, up, between, rank, y, width);
    pass->work_used = mark;
}

static void project(as_pass *pass, const as_delta_spec *d, const delta_weights *w, const float *x,
                    const delta_rows *to)
{
    widths at = widths_of(d);
    int64_t hidden = pass->spec->hidden;
    if (is_per_key_head(d)) {
        project_per_head(pass, d, w, x, to);
        return;
    }
    as_pass_linear(pass, &w->q, x, hidden, to->mixed, at.mixed);
    if (d->layout == AS_DELTA_SEPARATE) {
        as_pass_linear(pass, &w->k, x, hidden, to->mixed + at.key, at.mixed);
        as_pass_linear(pass, &w->v, x, hidden, to->mixed + 2 * at.key, at.mixed);
    }
    as_pass_linear(pass, &w->b, x, hidden, to->beta, d->value_heads);
    project_halves(pass, &w->a_down, &w->a, d->decay_rank, x, to->decay, at.decays);
    project_halves(pass, &w->gate_down, &w->gate, d->gate_rank, x, to->gate, at.value);
}

/* Queries, keys and values through the convolution, queries and keys to length 1; updates and decays through
 * their functions. */
static void prepare(as_pass *pass, const as_delta_spec *d, const delta_weights *w, const delta_rows *rows)
{
    widths at = widths_of(d);
    int64_t n = pass->rows, heads = d->value_heads;
    as_conv conv = {.weight = w->conv, .taps = d->taps, .act = d->conv_act};
    as_pass_convolve(pass, &conv, pass->state[0], rows->mixed, at.mixed, at.mixed);
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_L2,
                                                 .in = rows->mixed,
                                                 .out = rows->mixed,
                                                 .n = n,
                                                 .groups = 2 * d->key_heads,
                                                 .width = d->key_width,
                                                 .in_stride = at.mixed,
                                                 .out_stride = at.mixed,
                                                 .eps = 1e-6f}); /* whatever the model's norms have */
    as_pass_activate(pass, AS_ACT_SIGMOID, rows->beta, heads);
    if (d->beta_scale != 1) {
        pass->ops->cap(
            &pass->exec,
            &(as_cap_args){.x = rows->beta, .n = n, .width = heads, .stride = heads, .scale = d->beta_scale});
    }
    as_decay_args decay = {.kind = d->decay,
                           .x = rows->decay,
                           .out = rows->decay,
                           .bias = w->dt_bias,
                           .rate = w->rate,
                           .n = n,
                           .width = at.decays,
                           .x_stride = at.decays,
                           .out_stride = at.decays};
    if (d->decay == AS_DECAY_SIGMOID) {
        decay.slope = w->rate;
        decay.rate = NULL;
        decay.scale = d->most;
    }
    pass->ops->decay(&pass->exec, &decay);
}

static void scan(as_pass *pass, const as_delta_spec *d, const delta_rows *rows)
{
    widths at = widths_of(d);
    int64_t mark = pass->work_used, groups = d->key_heads, stride = at.mixed;
    const float *q = rows->mixed, *k = rows->mixed + at.key;
    if (is_tiled(d)) { /* a query and a key for each value head */
        int64_t all = tiled_width(d);
        float *both = as_pass_floats(pass, pass->rows * 2 * all);
        as_pass_copy_groups(pass, d->value_heads / d->key_heads, at.key, q, 0, stride, both, 2 * all);
        as_pass_copy_groups(pass, d->value_heads / d->key_heads, at.key, k, 0, stride, both + all, 2 * all);
        q = both;
        k = both + all;
        groups = d->value_heads;
        stride = 2 * all;
    }
    pass->ops->state_scan(&pass->exec, &(as_state_scan_args){.r = q,
                                                             .k = k,
                                                             .v = rows->mixed + 2 * at.key,
                                                             .w = rows->decay,
                                                             .erase = k,
                                                             .gain = rows->beta,
                                                             .out = rows->out,
                                                             .heads = d->value_heads,
                                                             .groups = groups,
                                                             .key_width = d->key_width,
                                                             .value_width = d->value_width,
                                                             .r_stride = stride,
                                                             .k_stride = stride,
                                                             .v_stride = at.mixed,
                                                             .erase_stride = stride,
                                                             .gain_stride = d->value_heads,
                                                             .out_stride = at.value,
                                                             .w_stride = at.decays,
                                                             .w_head = at.decays / d->value_heads,
                                                             .w_step = d->channel_decay,
                                                             .scale = (float)(1 / sqrt((double)d->key_width)),
                                                             .erase_decayed = true,
                                                             .state = pass->state[1],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    pass->work_used = mark;
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_delta_spec *d = step->form;
    const delta_weights *w = weights;
    widths at = widths_of(d);
    int64_t n = pass->rows;
    delta_rows rows = {.mixed = as_pass_floats(pass, n * at.mixed),
                       .gate = as_pass_floats(pass, n * at.value),
                       .beta = as_pass_floats(pass, n * d->value_heads),
                       .decay = as_pass_floats(pass, n * at.decays),
                       .out = as_pass_floats(pass, n * at.value)};
    project(pass, d, w, x, &rows);
    prepare(pass, d, w, &rows);
    scan(pass, d, &rows);
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_RMS,
                                                 .in = rows.out,
                                                 .out = rows.out,
                                                 .n = n,
                                                 .groups = d->value_heads,
                                                 .width = d->value_width,
                                                 .in_stride = at.value,
                                                 .out_stride = at.value,
                                                 .weight = w->norm,
                                                 .eps = d->eps});
    as_pass_gate(pass, d->gate_act, rows.gate, rows.out, at.value);
    as_pass_linear(pass, &w->out, rows.out, at.value, y, pass->spec->hidden);
}

const as_block as_block_delta = {
    .name = "delta rule",
    .form_size = sizeof(as_delta_spec),
    .weights_size = sizeof(delta_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
