/* What linear attention is made of: decays, steps between rows, states. A state's columns (or RWKV 4's
 * channels) lie across the lanes: each is a sum of its own, in the order of the tokens and keys. */
#include <string.h>

#include "kernels/cpu/vec/math.h"
#include "kernels/cpu/vec/ops.h"
#include "kernels/cpu/vec/rows.h"

AS_INLINE vf load(const float *p, int count)
{
    return count == LANES ? vf_load(p) : vf_load_part(p, count);
}

AS_INLINE void store(float *p, vf v, int count)
{
    if (count == LANES) {
        vf_store(p, v);
    } else {
        vf_store_part(p, v, count);
    }
}

/* ---- rows ------------------------------------------------------------------------------------------------
 */

AS_INLINE void mix_as(as_activation act, const as_mix_args *a, int64_t row, int64_t from, int64_t until)
{
    const float *x = a->x + row * a->x_stride, *y = a->y + row * a->y_stride;
    const float *amount = a->amount ? a->amount + row * a->amount_stride : NULL;
    float *out = a->out + row * a->out_stride;
    for (int64_t c = from; c < until; c += LANES) {
        int count = (int)as_min_i64(LANES, until - c);
        vf share = a->weight ? load(a->weight + c, count) : vf_zero();
        if (amount) share = vf_add(share, load(amount + c, count));
        share = vf_activate(act, share);
        vf here = load(x + c, count);
        store(out + c, vf_fma(vf_sub(load(y + c, count), here), share, here), count);
    }
}

static void mix_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    const as_mix_args *a = args;
    switch (a->act) {
    case AS_ACT_NONE: mix_as(AS_ACT_NONE, a, row, from, until); return;
    case AS_ACT_SIGMOID: mix_as(AS_ACT_SIGMOID, a, row, from, until); return;
    default: mix_as(a->act, a, row, from, until); return;
    }
}

void AS_VARIANT(mix)(const as_exec *exec, const as_mix_args *args)
{
    for_rows(exec, args->n, args->width, 4, true, mix_row, args);
}

AS_INLINE void decay_as(as_decay_kind kind, const as_decay_args *a, int64_t row, int64_t from, int64_t until)
{
    const float *x = a->x + row * a->x_stride;
    float *out = a->out + row * a->out_stride;
    for (int64_t c = from; c < until; c += LANES) {
        int count = (int)as_min_i64(LANES, until - c);
        vf z = load(x + c, count);
        if (a->bias) z = vf_add(z, load(a->bias + c, count));
        if (a->slope) z = vf_mul(z, load(a->slope + c, count));
        vf lost = kind == AS_DECAY_EXP        ? vf_exp(z)
                  : kind == AS_DECAY_SOFTPLUS ? vf_softplus(z)
                                              : vf_sigmoid(z);
        if (a->rate) lost = vf_mul(lost, load(a->rate + c, count));
        if (a->scale != 0) lost = vf_mul(lost, vf_set(a->scale));
        if (a->most > 0) lost = vf_select(vf_lt(vf_set(a->most), lost), vf_set(a->most), lost);
        store(out + c, vf_exp(vf_sub(vf_zero(), lost)), count);
    }
}

static void decay_row(const void *args, int64_t row, int64_t from, int64_t until)
{
    const as_decay_args *a = args;
    switch (a->kind) {
    case AS_DECAY_EXP: decay_as(AS_DECAY_EXP, a, row, from, until); return;
    case AS_DECAY_SOFTPLUS: decay_as(AS_DECAY_SOFTPLUS, a, row, from, until); return;
    default: decay_as(AS_DECAY_SIGMOID, a, row, from, until); return;
    }
}

void AS_VARIANT(decay)(const as_exec *exec, const as_decay_args *args)
{
    for_rows(exec, args->n, args->width, 40, true, decay_row, args);
}

/* ---- RWKV 4 ----------------------------------------------------------------------------------------------
 */

static void wkv4_channels(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_wkv4_args *a = context;
    int64_t groups = as_ceil_div(a->width, LANES), first = at % groups * LANES;
    const as_span *span = &a->spans[at / groups];
    int count = (int)as_min_i64(LANES, a->width - first);
    float *state = a->state + span->state * 3 * a->width + first;
    vf top = load(state, count), bottom = load(state + a->width, count);
    vf most = vf_select(vf_lt(vf_zero(), bottom), load(state + 2 * a->width, count), vf_set(-1e38f));
    vf decay = load(a->decay + first, count), bonus = load(a->bonus + first, count);
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        vf k = load(a->k + i * a->k_stride + first, count), v = load(a->v + i * a->v_stride + first, count);
        vf here = vf_add(k, bonus), largest = vf_max(most, here);
        vf before = vf_exp(vf_sub(most, largest)), now = vf_exp(vf_sub(here, largest));
        vf above = vf_fma(before, top, vf_mul(now, v)), below = vf_fma(before, bottom, now);
        store(a->out + i * a->out_stride + first, vf_div(above, below), count);
        vf decayed = vf_sub(most, decay);
        largest = vf_max(decayed, k);
        before = vf_exp(vf_sub(decayed, largest));
        now = vf_exp(vf_sub(k, largest));
        top = vf_fma(before, top, vf_mul(now, v));
        bottom = vf_fma(before, bottom, now);
        most = largest;
    }
    store(state, top, count);
    store(state + a->width, bottom, count);
    store(state + 2 * a->width, most, count);
}

void AS_VARIANT(wkv4)(const as_exec *exec, const as_wkv4_args *args)
{
    as_pool_for(exec->pool, args->span_count * as_ceil_div(args->width, LANES), wkv4_channels, (void *)args);
}

/* ---- states ----------------------------------------------------------------------------------------------
 */

enum { SCAN_VECTORS = 4 }; /* columns of one piece of work, in vectors */

/* What one head's token brings. */
typedef struct scan_row {
    const float *r, *k, *w, *erase, *write;
} scan_row;

AS_INLINE scan_row scan_row_at(const as_state_scan_args *s, int64_t i, int64_t head)
{
    int64_t group = head / (s->heads / s->groups) * s->key_width;
    return (scan_row){.r = s->r + i * s->r_stride + group,
                      .k = s->k + i * s->k_stride + group,
                      .w = s->w + i * s->w_stride + head * s->w_head,
                      .erase = s->erase ? s->erase + i * s->erase_stride + group : NULL,
                      .write = s->write ? s->write + i * s->write_stride + group : NULL};
}

/* `vectors` whole vectors of columns, or one of count lanes; a head's token after the other. */
AS_INLINE void scan_columns(const as_state_scan_args *s, const as_span *span, int64_t head, int64_t column,
                            int vectors, int count)
{
    int64_t depth = s->value_width, offset = head * depth + column;
    float *state = s->state + (span->state * s->heads + head) * s->key_width * depth + column;
    for (int64_t i = span->first; i < span->first + span->count; i++) {
        scan_row at = scan_row_at(s, i, head);
        vf v[SCAN_VECTORS], erased[SCAN_VECTORS], read[SCAN_VECTORS];
        for (int n = 0; n < vectors; n++) {
            v[n] = load(s->v + i * s->v_stride + offset + n * LANES, count);
            erased[n] = read[n] = vf_zero();
        }
        for (int64_t j = 0; at.erase && j < s->key_width; j++) {
            vf by = vf_set(s->erase_decayed ? at.erase[j] * at.w[j * s->w_step] : at.erase[j]);
            for (int n = 0; n < vectors; n++) {
                erased[n] = vf_fma(by, load(state + j * depth + n * LANES, count), erased[n]);
            }
        }
        vf gain = vf_set(s->gain ? s->gain[i * s->gain_stride + head] : 1);
        for (int n = 0; !at.write && n < vectors; n++) v[n] = vf_mul(gain, vf_sub(v[n], erased[n]));
        for (int64_t j = 0; j < s->key_width; j++) {
            vf r = vf_set(at.r[j]), k = vf_set(at.k[j]), w = vf_set(at.w[j * s->w_step]);
            vf write = at.write ? vf_set(at.write[j]) : vf_zero();
            for (int n = 0; n < vectors; n++) {
                float *place = state + j * depth + n * LANES;
                vf old = load(place, count), fresh = vf_fma(w, old, vf_mul(k, v[n]));
                if (at.write) fresh = vf_fnma(write, erased[n], fresh);
                store(place, fresh, count);
                read[n] = vf_fma(r, s->read_before ? old : fresh, read[n]);
            }
        }
        for (int n = 0; n < vectors; n++) {
            store(s->out + i * s->out_stride + offset + n * LANES, vf_mul(read[n], vf_set(s->scale)), count);
        }
    }
}

static void scan_piece(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_state_scan_args *s = context;
    int64_t pieces = as_ceil_div(s->value_width, SCAN_VECTORS * LANES);
    int64_t column = at % pieces * SCAN_VECTORS * LANES, head = at / pieces % s->heads;
    const as_span *span = &s->spans[at / pieces / s->heads];
    if (column + SCAN_VECTORS * LANES <= s->value_width) {
        scan_columns(s, span, head, column, SCAN_VECTORS, LANES);
        return;
    }
    for (; column + LANES <= s->value_width; column += LANES) scan_columns(s, span, head, column, 1, LANES);
    if (column < s->value_width) scan_columns(s, span, head, column, 1, (int)(s->value_width - column));
}

void AS_VARIANT(state_scan)(const as_exec *exec, const as_state_scan_args *args)
{
    int64_t pieces = as_ceil_div(args->value_width, SCAN_VECTORS * LANES);
    as_pool_for(exec->pool, args->span_count * args->heads * pieces, scan_piece, (void *)args);
}
