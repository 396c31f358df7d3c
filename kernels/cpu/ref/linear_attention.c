/* What linear attention is made of: token shift, decays, states; the specification in plain C. */
#include <math.h>
#include <string.h>

#include "kernels/cpu/ref/ref.h"

static void token_shift_span(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_token_shift_args *a = context;
    const as_span *span = &a->spans[at];
    size_t bytes = (size_t)a->width * sizeof(float);
    float *kept = a->state + span->state * a->width, *out = a->out + span->first * a->out_stride;
    const float *x = a->x + span->first * a->x_stride;
    if (span->count == 0) return;
    memcpy(out, kept, bytes);
    for (int64_t i = 1; i < span->count; i++) {
        memcpy(out + i * a->out_stride, x + (i - 1) * a->x_stride, bytes);
    }
    memcpy(kept, x + (span->count - 1) * a->x_stride, bytes);
}

void token_shift_ref(const as_exec *exec, const as_token_shift_args *args)
{
    as_pool_for(exec->pool, args->span_count, token_shift_span, (void *)args);
}

static void mix_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_mix_args *a = context;
    const float *x = a->x + i * a->x_stride, *y = a->y + i * a->y_stride;
    const float *amount = a->amount ? a->amount + i * a->amount_stride : NULL;
    for (int64_t c = 0; c < a->width; c++) {
        double share = (a->weight ? (double)a->weight[c] : 0) + (amount ? (double)amount[c] : 0);
        share = as_ref_activate(a->act, share);
        a->out[i * a->out_stride + c] = (float)(x[c] + ((double)y[c] - x[c]) * share);
    }
}

void mix_ref(const as_exec *exec, const as_mix_args *args)
{
    as_pool_for(exec->pool, args->n, mix_row, (void *)args);
}

static double decay_value(const as_decay_args *a, int64_t c, double x)
{
    double z = (x + (a->bias ? (double)a->bias[c] : 0)) * (a->slope ? (double)a->slope[c] : 1);
    double f = a->kind == AS_DECAY_EXP        ? exp(z)
               : a->kind == AS_DECAY_SOFTPLUS ? as_ref_activate(AS_ACT_SOFTPLUS, z)
                                              : as_ref_activate(AS_ACT_SIGMOID, z);
    double lost = f * (a->rate ? (double)a->rate[c] : 1) * (a->scale != 0 ? (double)a->scale : 1);
    if (a->most > 0 && lost > a->most) lost = a->most;
    return exp(-lost);
}

static void decay_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_decay_args *a = context;
    for (int64_t c = 0; c < a->width; c++) {
        a->out[i * a->out_stride + c] = (float)decay_value(a, c, a->x[i * a->x_stride + c]);
    }
}

void decay_ref(const as_exec *exec, const as_decay_args *args)
{
    as_pool_for(exec->pool, args->n, decay_row, (void *)args);
}

static void key_bonus_head(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_key_bonus_args *a = context;
    int64_t i = at / a->heads, h = at % a->heads;
    const float *r = a->r + i * a->r_stride + h * a->width, *key = a->key + i * a->key_stride + h * a->width;
    const float *v = a->v + i * a->v_stride + h * a->value_width, *weight = a->weight + h * a->width;
    float *out = a->out + i * a->out_stride + h * a->value_width;
    double sum = 0;
    for (int64_t k = 0; k < a->width; k++) sum += (double)weight[k] * r[k] * key[k];
    for (int64_t c = 0; c < a->value_width; c++) out[c] = (float)(out[c] + sum * v[c]);
}

void key_bonus_ref(const as_exec *exec, const as_key_bonus_args *args)
{
    as_pool_for(exec->pool, args->n * args->heads, key_bonus_head, (void *)args);
}

/* A denominator of 0 is an empty state: any other is at least 1. */
static void wkv4_channel(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_wkv4_args *a = context;
    const as_span *span = &a->spans[at / a->width];
    int64_t c = at % a->width;
    float *state = a->state + span->state * 3 * a->width + c;
    double top = state[0], bottom = state[a->width];
    double most = bottom > 0 ? (double)state[2 * a->width] : -1e38;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        double k = a->k[i * a->k_stride + c], v = a->v[i * a->v_stride + c], here = k + a->bonus[c];
        double largest = most > here ? most : here;
        double before = exp(most - largest), now = exp(here - largest);
        a->out[i * a->out_stride + c] = (float)((before * top + now * v) / (before * bottom + now));
        double decayed = most - a->decay[c];
        largest = decayed > k ? decayed : k;
        before = exp(decayed - largest);
        now = exp(k - largest);
        /* The state's precision is that of its storage, whatever the split into calls. */
        top = (float)(before * top + now * v);
        bottom = (float)(before * bottom + now);
        most = (float)largest;
    }
    state[0] = (float)top;
    state[a->width] = (float)bottom;
    state[2 * a->width] = (float)most;
}

void wkv4_ref(const as_exec *exec, const as_wkv4_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->width, wkv4_channel, (void *)args);
}

/* One token and one column of a head's state. */
static void gate_head(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_exp_gates_args *a = context;
    const as_span *span = &a->spans[at / a->heads];
    int64_t head = at % a->heads;
    float *state = &a->state[span->state * a->heads + head];
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        double in = a->in[i * a->in_stride + head], x = a->forget[i * a->forget_stride + head];
        double kept = (x < 0 ? x : 0) - log1p(exp(-fabs(x))) + *state, most = kept > in ? kept : in;
        int64_t out = i * a->out_stride + head;
        a->decay[out] = (float)exp(kept - most);
        a->gain[out] = (float)exp(in - most);
        a->least[out] = (float)exp(-most);
        *state = (float)most;
    }
}

void exp_gates_ref(const as_exec *exec, const as_exp_gates_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->heads, gate_head, (void *)args);
}

static void divide_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_divide_groups_args *a = context;
    for (int64_t g = 0; g < a->groups; g++) {
        float *x = a->x + i * a->stride + g * a->width;
        double by = fabs((double)a->by[i * a->by_stride + g]), least = a->least[i * a->by_stride + g];
        double divisor = (by > least ? by : least) + (double)a->eps;
        for (int64_t c = 0; c < a->width; c++) x[c] = (float)(x[c] / divisor);
    }
}

void divide_groups_ref(const as_exec *exec, const as_divide_groups_args *args)
{
    as_pool_for(exec->pool, args->n, divide_row, (void *)args);
}

static float scan_token(const as_state_scan_args *s, int64_t i, int64_t head, int64_t column, float *state)
{
    int64_t group = head / (s->heads / s->groups) * s->key_width;
    const float *r = s->r + i * s->r_stride + group, *k = s->k + i * s->k_stride + group;
    const float *w = s->w + i * s->w_stride + head * s->w_head;
    const float *erase = s->erase ? s->erase + i * s->erase_stride + group : NULL;
    const float *write = s->write ? s->write + i * s->write_stride + group : NULL;
    double v = s->v[i * s->v_stride + head * s->value_width + column], erased = 0, read = 0;
    double gain = s->gain ? (double)s->gain[i * s->gain_stride + head] : 1;
    for (int64_t j = 0; erase && j < s->key_width; j++) {
        double left = s->erase_decayed ? (double)w[j * s->w_step] : 1;
        erased += erase[j] * left * state[j * s->value_width];
    }
    for (int64_t j = 0; j < s->key_width; j++) {
        float *at = &state[j * s->value_width];
        if (s->read_before) read += (double)r[j] * *at;
        double added = write ? k[j] * v - write[j] * erased : gain * k[j] * (v - erased);
        *at = (float)((double)w[j * s->w_step] * *at + added);
        if (!s->read_before) read += (double)r[j] * *at;
    }
    return (float)(read * s->scale);
}

static void scan_column(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_state_scan_args *s = context;
    int64_t column = at % s->value_width, head = at / s->value_width % s->heads;
    const as_span *span = &s->spans[at / s->value_width / s->heads];
    float *state = s->state + (span->state * s->heads + head) * s->key_width * s->value_width + column;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        s->out[i * s->out_stride + head * s->value_width + column] = scan_token(s, i, head, column, state);
    }
}

void state_scan_ref(const as_exec *exec, const as_state_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->heads * args->value_width, scan_column, (void *)args);
}

/* What a head's queries, keys and values of one row and its tables are. */
typedef struct block_head {
    const float *q, *k, *v, *from_start, *to_end, *within;
    float over, *out, *state, *rows;
} block_head;

static void close_block(const as_block_scan_args *s, const block_head *h)
{
    int64_t width = s->key_width + s->value_width + 1;
    for (int64_t j = 0; j < s->key_width; j++) {
        for (int64_t c = 0; c < s->value_width; c++) {
            double sum = (double)h->over * h->state[j * s->value_width + c];
            for (int64_t m = 0; m < s->block; m++) {
                const float *row = h->rows + m * width;
                sum += (double)h->to_end[m] * row[j] * row[s->key_width + c];
            }
            h->state[j * s->value_width + c] = (float)sum;
        }
    }
}

/* The last element of a row of the block is the weight of its value. */
static void block_token(const as_block_scan_args *s, const block_head *h, int64_t place)
{
    int64_t width = s->key_width + s->value_width + 1;
    float *own = h->rows + place * width;
    memcpy(own, h->k, (size_t)s->key_width * sizeof *own);
    memcpy(own + s->key_width, h->v, (size_t)s->value_width * sizeof *own);
    for (int64_t m = 0; m <= place; m++) {
        float *row = h->rows + m * width;
        double product = 0;
        for (int64_t j = 0; j < s->key_width; j++) product += (double)h->q[j] * row[j];
        row[width - 1] = (float)(product * h->within[place - m]);
    }
    for (int64_t c = 0; c < s->value_width; c++) {
        double before = 0, here = 0;
        for (int64_t j = 0; j < s->key_width; j++) {
            before += (double)h->q[j] * h->state[j * s->value_width + c];
        }
        for (int64_t m = 0; m <= place; m++) {
            const float *row = h->rows + m * width;
            here += (double)row[width - 1] * row[s->key_width + c];
        }
        h->out[c] = (float)(before * h->from_start[place] + here);
    }
    if (place == s->block - 1) close_block(s, h);
}

static void block_head_of_span(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_block_scan_args *s = context;
    int64_t head = at % s->heads, keys = s->key_width, values = s->value_width;
    const as_span *span = &s->spans[at / s->heads];
    int64_t slot = span->state * s->heads + head;
    block_head h = {.from_start = s->from_start + head * s->block,
                    .to_end = s->to_end + head * s->block,
                    .within = s->within + head * s->block,
                    .over = s->over[head],
                    .state = s->state + slot * keys * values,
                    .rows = s->rows + slot * s->block * (keys + values + 1)};
    for (int64_t i = 0; i < span->count; i++) {
        int64_t row = span->first + i;
        h.q = s->q + row * s->q_stride + head * keys;
        h.k = s->k + row * s->k_stride + head * keys;
        h.v = s->v + row * s->v_stride + head * values;
        h.out = s->out + row * s->out_stride + head * values;
        block_token(s, &h, (span->position + i) % s->block);
    }
}

void block_scan_ref(const as_exec *exec, const as_block_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->heads, block_head_of_span, (void *)args);
}
