/* RWKV 7's time mix; see rwkv7.h. */
#include "engine/blocks/rwkv7.h"

#include <string.h>

/* up(act(down x)) + bias */
typedef struct low_rank {
    as_linear down, up;
} low_rank;

typedef struct rwkv7_weights {
    as_linear r, k, v, out;
    low_rank decay, rate, value, gate;
    const float *mix_r, *mix_w, *mix_k, *mix_v, *mix_a, *mix_g;
    const float *key_erase, *key_rate, *bonus;
    as_norm_weights norm;
} rwkv7_weights;

/* ---- weights ---------------------------------------------------------------------------------------------
 */

/* The slots of the pair and, behind them, of its bias (AS_SLOT_NONE: none). */
static as_code bind_low_rank(as_binder *binder, const as_model_spec *spec, const as_slot slots[3],
                             int64_t rows, int64_t usual, low_rank *out, as_error *err)
{
    int64_t rank;
    AS_TRY(as_rwkv_rank(binder, spec, slots[0], spec->hidden, usual, &rank, err));
    AS_TRY(as_bind_linear(binder, slots[0], rank, spec->hidden, false, &out->down, err));
    AS_TRY(as_bind_linear(binder, slots[1], rows, rank, false, &out->up, err));
    if (slots[2] == AS_SLOT_NONE) return AS_OK;
    return as_bind_vector(binder, slots[2], "", rows, &out->up.bias, err);
}

static as_code bind_low_ranks(as_binder *binder, const as_model_spec *spec, const as_rwkv7_spec *m,
                              rwkv7_weights *w, as_error *err)
{
    static const as_slot decay[] = {AS_SLOT_DECAY_DOWN, AS_SLOT_DECAY_UP, AS_SLOT_DECAY};
    static const as_slot rate[] = {AS_SLOT_RATE_DOWN, AS_SLOT_RATE_UP, AS_SLOT_RATE};
    static const as_slot value[] = {AS_SLOT_VALUE_DOWN, AS_SLOT_VALUE_UP, AS_SLOT_VALUE};
    static const as_slot gate[] = {AS_SLOT_LINEAR_GATE_DOWN, AS_SLOT_LINEAR_GATE, AS_SLOT_NONE};
    int64_t keys = m->heads * m->head_dim, values = m->heads * m->value_dim;
    AS_TRY(bind_low_rank(binder, spec, decay, keys, m->decay_rank, &w->decay, err));
    AS_TRY(bind_low_rank(binder, spec, rate, keys, m->rate_rank, &w->rate, err));
    AS_TRY(bind_low_rank(binder, spec, gate, values, m->gate_rank, &w->gate, err));
    if (m->first) return AS_OK;
    return bind_low_rank(binder, spec, value, values, m->value_rank, &w->value, err);
}

static as_code bind(as_binder *binder, const as_model_spec *spec, const as_step *step, void *weights,
                    as_error *err)
{
    const as_rwkv7_spec *m = step->form;
    rwkv7_weights *w = weights;
    int64_t hidden = spec->hidden, keys = m->heads * m->head_dim, values = m->heads * m->value_dim;
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_Q, keys, hidden, false, &w->r, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_K, keys, hidden, false, &w->k, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_V, values, hidden, false, &w->v, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_LINEAR_OUT, hidden, values, false, &w->out, err));
    AS_TRY(bind_low_ranks(binder, spec, m, w, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_R, "", hidden, &w->mix_r, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_W, "", hidden, &w->mix_w, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_K, "", hidden, &w->mix_k, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_V, "", hidden, &w->mix_v, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_A, "", hidden, &w->mix_a, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_MIX_G, "", hidden, &w->mix_g, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_KEY_ERASE, "", keys, &w->key_erase, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_KEY_RATE, "", keys, &w->key_rate, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_BONUS, "", keys, &w->bonus, err));
    AS_TRY(as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".weight", values, &w->norm.weight, err));
    return as_bind_vector(binder, AS_SLOT_LINEAR_NORM, ".bias", values, &w->norm.bias, err);
}

static as_block_needs needs(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv7_spec *m = step->form;
    int64_t hidden = spec->hidden, keys = m->heads * m->head_dim, values = m->heads * m->value_dim;
    int64_t rank = as_rwkv_most_rank(spec), widest = values > rank ? values : rank;
    return (as_block_needs){.state = {hidden, keys * m->value_dim},
                            .row = 2 * hidden + 7 * keys + 4 * values + rank + as_pass_linear_needs(widest)};
}

static as_block_cost cost(const as_model_spec *spec, const as_step *step)
{
    const as_rwkv7_spec *m = step->form;
    double hidden = (double)spec->hidden, keys = (double)(m->heads * m->head_dim);
    double values = (double)(m->heads * m->value_dim);
    double low = (hidden + keys) * (double)(m->decay_rank + m->rate_rank) +
                 (hidden + values) * (double)(m->gate_rank + (m->first ? 0 : m->value_rank));
    return (as_block_cost){.products = 2 * hidden * (keys + values) + low + 4 * keys * (double)m->value_dim};
}

/* ---- forward ---------------------------------------------------------------------------------------------
 */

/* out = act(a) * b; b NULL: act(a). b_stride 0: the same b for every row. */
static void multiply(as_pass *pass, as_activation act, const float *a, const float *b, int64_t b_stride,
                     int64_t width, float *out)
{
    pass->ops->gate(&pass->exec, &(as_gate_args){.act = act,
                                                 .a = a,
                                                 .b = b,
                                                 .out = out,
                                                 .n = pass->rows,
                                                 .width = width,
                                                 .a_stride = width,
                                                 .b_stride = b_stride,
                                                 .out_stride = width});
}

/* The input, mixed by a share. */
typedef struct mixer {
    as_shifted rows;
    float *mixed;
} mixer;

static void project(as_pass *pass, const mixer *mix, const float *share, const as_linear *linear, float *out)
{
    as_rwkv_mix(pass, &mix->rows, AS_SHARE_OF_BEFORE, share, NULL, 0, mix->mixed);
    as_pass_linear(pass, linear, mix->mixed, pass->spec->hidden, out, linear->w.rows);
}

static void project_low(as_pass *pass, const float *x, const low_rank *by, as_activation act, float *out)
{
    int64_t rank = by->down.w.rows, mark = pass->work_used;
    float *low = as_pass_floats(pass, pass->rows * rank);
    as_pass_linear(pass, &by->down, x, pass->spec->hidden, low, rank);
    if (act != AS_ACT_NONE) multiply(pass, act, low, NULL, 0, rank, low);
    as_pass_linear(pass, &by->up, low, rank, out, by->up.w.rows);
    pass->work_used = mark;
}

/* Values, drawn towards those of the first layer; out is work space of the same size. */
static void make_values(as_pass *pass, const as_rwkv7_spec *m, const rwkv7_weights *w, const mixer *mix,
                        float *v, float *amount)
{
    int64_t width = m->heads * m->value_dim;
    project(pass, mix, w->mix_v, &w->v, v);
    if (m->first) {
        memcpy(pass->carried, v, (size_t)(pass->rows * width) * sizeof *v);
        return;
    }
    project_low(pass, mix->mixed, &w->value, AS_ACT_NONE, amount);
    pass->ops->mix(&pass->exec, &(as_mix_args){.x = v,
                                               .y = pass->carried,
                                               .out = v,
                                               .amount = amount,
                                               .act = AS_ACT_SIGMOID,
                                               .n = pass->rows,
                                               .width = width,
                                               .x_stride = width,
                                               .y_stride = width,
                                               .out_stride = width,
                                               .amount_stride = width});
}

/* The keys of one row of a pass: what is added, what is erased and how. */
typedef struct keys {
    float *k, *erase, *write;
} keys;

static void make_keys(as_pass *pass, const as_rwkv7_spec *m, const rwkv7_weights *w, const mixer *mix,
                      const keys *to)
{
    int64_t width = m->heads * m->head_dim, n = pass->rows;
    float *rate = to->write, *scaled = as_pass_floats(pass, n * width);
    project(pass, mix, w->mix_k, &w->k, to->k);
    as_rwkv_mix(pass, &mix->rows, AS_SHARE_OF_BEFORE, w->mix_a, NULL, 0, mix->mixed);
    project_low(pass, mix->mixed, &w->rate, AS_ACT_NONE, rate);
    multiply(pass, AS_ACT_SIGMOID, rate, NULL, 0, width, rate);
    multiply(pass, AS_ACT_NONE, to->k, w->key_erase, 0, width, to->erase);
    pass->ops->norm(&pass->exec, &(as_norm_args){.kind = AS_NORM_L2,
                                                 .in = to->erase,
                                                 .out = to->erase,
                                                 .n = n,
                                                 .groups = m->heads,
                                                 .width = m->head_dim,
                                                 .in_stride = width,
                                                 .out_stride = width,
                                                 .eps = 1e-24f});
    multiply(pass, AS_ACT_NONE, to->k, rate, width, width, scaled);
    pass->ops->mix(&pass->exec, &(as_mix_args){.x = to->k,
                                               .y = scaled,
                                               .out = to->k,
                                               .weight = w->key_rate,
                                               .n = n,
                                               .width = width,
                                               .x_stride = width,
                                               .y_stride = width,
                                               .out_stride = width});
    multiply(pass, AS_ACT_NONE, rate, to->erase, width, width, to->write);
}

static void scan(as_pass *pass, const as_rwkv7_spec *m, const float *r, const keys *at, const float *v,
                 const float *decay, float *out)
{
    int64_t width = m->heads * m->head_dim, values = m->heads * m->value_dim;
    pass->ops->state_scan(&pass->exec, &(as_state_scan_args){.r = r,
                                                             .k = at->k,
                                                             .v = v,
                                                             .w = decay,
                                                             .erase = at->erase,
                                                             .write = at->write,
                                                             .out = out,
                                                             .heads = m->heads,
                                                             .groups = m->heads,
                                                             .key_width = m->head_dim,
                                                             .value_width = m->value_dim,
                                                             .r_stride = width,
                                                             .k_stride = width,
                                                             .v_stride = values,
                                                             .erase_stride = width,
                                                             .write_stride = width,
                                                             .out_stride = values,
                                                             .w_stride = width,
                                                             .w_head = m->head_dim,
                                                             .w_step = 1,
                                                             .scale = 1,
                                                             .state = pass->state[1],
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
}

static void add_bonus(as_pass *pass, const as_rwkv7_spec *m, const float *weight, const float *r,
                      const float *k, const float *v, float *out)
{
    int64_t width = m->heads * m->head_dim, values = m->heads * m->value_dim;
    pass->ops->key_bonus(&pass->exec, &(as_key_bonus_args){.r = r,
                                                           .key = k,
                                                           .v = v,
                                                           .weight = weight,
                                                           .out = out,
                                                           .n = pass->rows,
                                                           .heads = m->heads,
                                                           .width = m->head_dim,
                                                           .value_width = m->value_dim,
                                                           .r_stride = width,
                                                           .key_stride = width,
                                                           .v_stride = values,
                                                           .out_stride = values});
}

/* exp(-e^-0.5 sigmoid(decay + tanh(x down) up)) */
static void make_decays(as_pass *pass, const as_rwkv7_spec *m, const rwkv7_weights *w, const mixer *mix,
                        float *decay)
{
    int64_t width = m->heads * m->head_dim;
    as_rwkv_mix(pass, &mix->rows, AS_SHARE_OF_BEFORE, w->mix_w, NULL, 0, mix->mixed);
    project_low(pass, mix->mixed, &w->decay, AS_ACT_TANH, decay);
    pass->ops->decay(&pass->exec, &(as_decay_args){.kind = AS_DECAY_SIGMOID,
                                                   .x = decay,
                                                   .out = decay,
                                                   .scale = 0.60653066f,
                                                   .n = pass->rows,
                                                   .width = width,
                                                   .x_stride = width,
                                                   .out_stride = width});
}

static void forward(as_pass *pass, const as_step *step, const void *weights, const float *x, float *y)
{
    const as_rwkv7_spec *m = step->form;
    const rwkv7_weights *w = weights;
    int64_t width = m->heads * m->head_dim, values = m->heads * m->value_dim, n = pass->rows;
    mixer mix = {.rows = as_rwkv_shift(pass, x, pass->state[0]),
                 .mixed = as_pass_floats(pass, n * pass->spec->hidden)};
    float *r = as_pass_floats(pass, n * width), *decay = as_pass_floats(pass, n * width);
    keys at = {.k = as_pass_floats(pass, n * width),
               .erase = as_pass_floats(pass, n * width),
               .write = as_pass_floats(pass, n * width)};
    float *v = as_pass_floats(pass, n * values), *out = as_pass_floats(pass, n * values);
    float *gate = as_pass_floats(pass, n * values);
    project(pass, &mix, w->mix_r, &w->r, r);
    make_decays(pass, m, w, &mix, decay);
    make_keys(pass, m, w, &mix, &at);
    make_values(pass, m, w, &mix, v, out);
    as_rwkv_mix(pass, &mix.rows, AS_SHARE_OF_BEFORE, w->mix_g, NULL, 0, mix.mixed);
    project_low(pass, mix.mixed, &w->gate, AS_ACT_SIGMOID, gate);
    scan(pass, m, r, &at, v, decay, out);
    as_rwkv_head_norm(pass, &w->norm, m->heads, m->value_dim, m->eps, out);
    add_bonus(pass, m, w->bonus, r, at.k, v, out);
    multiply(pass, AS_ACT_NONE, gate, out, values, values, out);
    as_pass_linear(pass, &w->out, out, values, y, pass->spec->hidden);
}

const as_block as_block_rwkv7 = {
    .name = "RWKV 7 time mix",
    .form_size = sizeof(as_rwkv7_spec),
    .weights_size = sizeof(rwkv7_weights),
    .bind = bind,
    .needs = needs,
    .cost = cost,
    .forward = forward,
};
