/* The time mix of RWKV 5 and 6; see rwkv6.h. */
#include "engine/blocks/rwkv6.h"

#include <math.h>

typedef struct rwkv6_weights {
    as_linear r, k, v, gate, out;
    as_linear mix_down, mix_up[AS_MIX_PARTS]; /* by part */
    as_linear decay_down, decay_up;           /* decay_up.bias: the decay itself */
    const float *mix_x, *mix[AS_MIX_PARTS];
    const float *decay; /* of version 5: constant */
    const float *bonus;
    as_norm_weights norm;
} rwkv6_weights;

static const as_slot mix_slots[AS_MIX_PARTS] = {
    [AS_MIX_W] = AS_SLOT_MIX_W, [AS_MIX_K] = AS_SLOT_MIX_K, [AS_MIX_V] = AS_SLOT_MIX_V,
    [AS_MIX_R] = AS_SLOT_MIX_R, [AS_MIX_G] = AS_SLOT_MIX_G,
};

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* ---- weights ---------------------------------------------------------------------------------------------
 */

/* The shares of each token: down, tanh, and up to each part. */
static as_code bind_mix(as_binder *binder, const as_model_spec *spec, const as_rwkv6_spec *m,
                        rwkv6_weights *w, as_error *err)
{
    int64_t hidden = spec->hidden, rank;
    as_expert_stack up;
    AS_TRY(as_rwkv_rank(binder, spec, AS_SLOT_MIX_DOWN, hidden * AS_MIX_PARTS, m->mix_rank, &rank, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_X, "", hidden, &w->mix_x, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_MIX_DOWN, AS_MIX_PARTS * rank, hidden, false, &w->mix_down, err));
    AS_TRY(as_bind_stack(binder, AS_SLOT_MIX_UP, AS_MIX_PARTS, hidden, rank, &up, err));
    for (int i = 0; i < AS_MIX_PARTS; i++) {
        w->mix_up[m->order[i]] = (as_linear){.w = up.w[i], .rounding = up.rounding};
    }
    return AS_OK;
}

static as_code bind_decay(as_binder *binder, const as_model_spec *spec, const as_rwkv6_spec *m,
                          rwkv6_weights *w, as_error *err)
{
    int64_t width = m->heads * m->head_dim, rank;
    const float *stored;
    AS_TRY(as_bind_vector(binder, AS_SLOT_DECAY, "", width, &stored, err));
    if (m->dynamic) {
        AS_TRY(as_rwkv_rank(binder, spec, AS_SLOT_DECAY_DOWN, spec->hidden, m->decay_rank, &rank, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_DECAY_DOWN, rank, spec->hidden, false, &w->decay_down, err));
        AS_TRY(as_bind_linear(binder, AS_SLOT_DECAY_UP, width, rank, false, &w->decay_up, err));
        w->decay_up.bias = stored;
        return AS_OK;
    }
    float *decay;
    AS_TRY(as_bind_floats(binder, width, &decay, err));
    for (int64_t i = 0; i < width; i++) decay[i] = (float)exp(-exp((double)stored[i]));
    w->decay = decay;
    return AS_OK;
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_rwkv6_spec *m = step->form;
    rwkv6_weights *w = weights;
    int64_t width = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim, hidden = spec->hidden;
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_Q, width, hidden, m->qkv_bias, &w->r, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_K, kv, hidden, m->qkv_bias, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_V, kv, hidden, m->qkv_bias, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_GATE, width, hidden, false, &w->gate, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_OUT, hidden, width, m->out_bias, &w->out, err));
    for (int i = 0; i < AS_MIX_PARTS; i++) {
        if (i == AS_MIX_W && !m->dynamic) continue;
        AS_TRY(as_bind_vector(binder, mix_slots[i], "", hidden, &w->mix[i], err));
    }
    if (m->dynamic) AS_TRY(bind_mix(binder, spec, m, w, err));
    AS_TRY(bind_decay(binder, spec, m, w, err));
    if (m->bonus) AS_TRY(as_bind_vector(binder, AS_SLOT_BONUS, "", width, &w->bonus, err));
    if (!m->norm) return AS_OK;
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".weight", width, &w->norm.weight, err));
    return as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".bias", width, &w->norm.bias, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv6_spec *m = step->form;
    int64_t width = m->heads * m->head_dim, hidden = spec->hidden, rank = as_rwkv_most_rank(spec);
    int64_t low = m->dynamic ? hidden + (AS_MIX_PARTS + 1) * rank : 0;
    return (as_block_needs){.state = {hidden, width * m->head_dim},
                            .row = 2 * hidden + 9 * width + low +
                                   as_pass_linear_needs(max64(max64(hidden, width), rank))};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv6_spec *m = step->form;
    double hidden = (double)spec->hidden, width = (double)(m->heads * m->head_dim);
    double kv = (double)(m->kv_heads * m->head_dim), low = 0;
    if (m->dynamic)
        low = 2 * hidden * AS_MIX_PARTS * (double)m->mix_rank + (hidden + width) * (double)m->decay_rank;
    return (as_block_cost){.products = hidden * (3 * width + 2 * kv) + low + 3 * width * (double)m->head_dim};
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

/* The input of each part, one after the other in the same place. */
typedef struct mixer {
    const as_rwkv6_spec *spec;
    const rwkv6_weights *weights;
    as_shifted rows;
    float *low, *amount, *mixed;
    int64_t low_width; /* of all parts */
} mixer;

static void apply(as_pass *pass, as_activation act, float *x, int64_t width)
{
    as_pass_activate(pass, act, x, width);
}

static mixer start_mixing(as_pass *pass, const as_rwkv6_spec *m, const rwkv6_weights *w, const float *x)
{
    int64_t hidden = pass->spec->hidden, n = pass->rows;
    mixer mix = {.spec = m, .weights = w, .rows = as_rwkv_shift(pass, x, pass->state[0])};
    mix.mixed = as_pass_floats(pass, n * hidden);
    if (!m->dynamic) return mix;
    mix.low_width = w->mix_down.w.rows;
    mix.amount = as_pass_floats(pass, n * hidden);
    mix.low = as_pass_floats(pass, n * mix.low_width);
    as_rwkv_mix(pass, &mix.rows, AS_SHARE_OF_BEFORE, w->mix_x, NULL, 0, mix.mixed);
    as_pass_linear(pass, &w->mix_down, mix.mixed, hidden, mix.low, mix.low_width);
    apply(pass, AS_ACT_TANH, mix.low, mix.low_width);
    return mix;
}

static const float *mixed_for(as_pass *pass, const mixer *mix, as_mix_part part)
{
    const rwkv6_weights *w = mix->weights;
    int64_t hidden = pass->spec->hidden;
    as_share share = mix->spec->dynamic ? AS_SHARE_OF_BEFORE : AS_SHARE_OF_SELF;
    if (mix->spec->dynamic) {
        int at = 0;
        while (mix->spec->order[at] != part) at++;
        const float *low = mix->low + at * (mix->low_width / AS_MIX_PARTS);
        as_pass_linear(pass, &w->mix_up[part], low, mix->low_width, mix->amount, hidden);
    }
    as_rwkv_mix(pass, &mix->rows, share, w->mix[part], mix->amount, hidden, mix->mixed);
    return mix->mixed;
}

/* Each key or value head repeated for the heads that it serves. */
static float *repeated(as_pass *pass, const as_rwkv6_spec *m, const float *x)
{
    int64_t width = m->heads * m->head_dim, kv = m->kv_heads * m->head_dim, each = m->heads / m->kv_heads;
    float *out = as_pass_floats(pass, pass->rows * width);
    for (int64_t h = 0; h < m->heads; h++) {
        as_pass_copy_groups(pass, 1, m->head_dim, x + h / each * m->head_dim, 0, kv, out + h * m->head_dim,
                            width);
    }
    return out;
}

static float *project(as_pass *pass, const mixer *mix, as_mix_part part, const as_linear *linear)
{
    float *out = as_pass_floats(pass, pass->rows * linear->w.rows);
    const float *in = mixed_for(pass, mix, part);
    as_pass_linear(pass, linear, in, pass->spec->hidden, out, linear->w.rows);
    return out;
}

/* exp(-exp(decay + tanh(x down) up)) */
static float *decays(as_pass *pass, const mixer *mix)
{
    const rwkv6_weights *w = mix->weights;
    int64_t width = w->decay_up.w.rows, rank = w->decay_down.w.rows;
    float *out = as_pass_floats(pass, pass->rows * width), *low = as_pass_floats(pass, pass->rows * rank);
    const float *in = mixed_for(pass, mix, AS_MIX_W);
    as_pass_linear(pass, &w->decay_down, in, pass->spec->hidden, low, rank);
    apply(pass, AS_ACT_TANH, low, rank);
    as_pass_linear(pass, &w->decay_up, low, rank, out, width);
    pass->ops->decay(&pass->exec, &(as_decay_args){.kind = AS_DECAY_EXP,
                                                   .x = out,
                                                   .out = out,
                                                   .most = mix->spec->balanced ? 5 : 0,
                                                   .n = pass->rows,
                                                   .width = width,
                                                   .x_stride = width,
                                                   .out_stride = width});
    return out;
}

/* k = k - k decay */
static void balance(as_pass *pass, float *k, const float *decay, int64_t width)
{
    float *lost = as_pass_floats(pass, pass->rows * width);
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = AS_ACT_NONE,
                                                 .a = k,
                                                 .b = decay,
                                                 .out = lost,
                                                 .n = pass->rows,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .b_stride = width,
                                                 .out_stride = width});
    pass->ops->add(&pass->exec, &(as_add_args){.x = lost,
                                               .out = k,
                                               .n = pass->rows,
                                               .width = width,
                                               .x_stride = width,
                                               .out_stride = width,
                                               .scale = -1,
                                               .out_scale = 1});
}

static void scan(as_pass *pass, const as_rwkv6_spec *m, const rwkv6_weights *w, const float *r,
                 const float *k, const float *v, const float *decay, float *out)
{
    int64_t width = m->heads * m->head_dim;
    pass->ops->state_scan(&pass->exec, &(as_state_scan_args){.r = r,
                                                             .k = k,
                                                             .v = v,
                                                             .w = decay ? decay : w->decay,
                                                             .out = out,
                                                             .heads = m->heads,
                                                             .groups = m->heads,
                                                             .key_width = m->head_dim,
                                                             .value_width = m->head_dim,
                                                             .r_stride = width,
                                                             .k_stride = width,
                                                             .v_stride = width,
                                                             .out_stride = width,
                                                             .w_stride = decay ? width : 0,
                                                             .w_head = m->head_dim,
                                                             .w_step = 1,
                                                             .scale = m->scale,
                                                             .read_before = m->bonus,
                                                             .state = pass->state[1],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    if (!m->bonus) return;
    pass->ops->key_bonus(&pass->exec, &(as_key_bonus_args){.r = r,
                                                           .key = k,
                                                           .v = v,
                                                           .weight = w->bonus,
                                                           .out = out,
                                                           .n = pass->rows,
                                                           .heads = m->heads,
                                                           .width = m->head_dim,
                                                           .value_width = m->head_dim,
                                                           .r_stride = width,
                                                           .key_stride = width,
                                                           .v_stride = width,
                                                           .out_stride = width});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_rwkv6_spec *m = step->form;
    const rwkv6_weights *w = weights;
    int64_t width = m->heads * m->head_dim, n = pass->rows;
    mixer mix = start_mixing(pass, m, w, x);
    const float *decay = m->dynamic ? decays(pass, &mix) : NULL;
    const float *r = project(pass, &mix, AS_MIX_R, &w->r);
    float *k = project(pass, &mix, AS_MIX_K, &w->k), *v = project(pass, &mix, AS_MIX_V, &w->v);
    float *gate = project(pass, &mix, AS_MIX_G, &w->gate);
    if (m->kv_heads < m->heads) {
        k = repeated(pass, m, k);
        v = repeated(pass, m, v);
    }
    if (m->balanced) balance(pass, k, decay, width);
    float *out = as_pass_floats(pass, n * width);
    scan(pass, m, w, r, k, v, decay, out);
    if (m->norm) as_rwkv_head_norm(pass, &w->norm, m->heads, m->head_dim, m->eps, out);
    as_pass_gate(pass, m->gate_act, gate, out, width);
    as_pass_linear(pass, &w->out, out, width, y, pass->spec->hidden);
}

const as_block as_block_rwkv6 = {
    .name = "RWKV 5/6 time mix",
    .form_size = sizeof(as_rwkv6_spec),
    .weights_size = sizeof(rwkv6_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
