/* Scores of attention and their exponentials with a running maximum, a page of keys at a time.
 *
 * What a query's sums become does not depend on how many queries are taken together. */
#ifndef AS_KERNELS_CPU_VEC_ATTENTION_SCORES_H
#define AS_KERNELS_CPU_VEC_ATTENTION_SCORES_H

#include <math.h>
#include <string.h>

#include "kernels/cpu/vec/math.h"

enum {
    PAGE = AS_PAGE_TOKENS,
    PAGE_VECTORS = PAGE / LANES,
};

/* The running sums of MAX_QUERIES queries: largest score so far, sum of exponentials (spread over lanes) and
 * of exponentials times values. */
typedef struct sums {
    float *largest; /* [queries] */
    float *total;   /* [queries, LANES] */
    float *out;     /* [queries, v_pad] */
} sums;

/* What turns a sum q.k into the score of key `first_key` + lane. */
typedef struct scorer {
    float scale, softcap, alibi, alibi_rounded, alibi_here; /* the last: alibi * position as bf16 */
    int64_t first_key, position;                            /* of lane 0; of the query */
    const float *seen; /* [PAGE], above 0 for the keys that the query may see; NULL: all */
} scorer;

AS_INLINE vf score_of(const scorer *s, vf sum, int vector)
{
    vf score = vf_mul(sum, vf_set(s->scale));
    if (s->softcap > 0) {
        score = vf_mul(vf_set(s->softcap), vf_tanh(vf_div(score, vf_set(s->softcap))));
    }
    if (s->alibi_rounded != 0) {
        vf key = vf_add(vf_iota(), vf_set((float)(s->first_key + vector * LANES)));
        vf bias = vf_of_bf16(vf_to_bf16(vf_mul(vf_set(s->alibi), key)));
        score = vf_fma(vf_set(s->alibi_rounded), vf_sub(bias, vf_set(s->alibi_here)), score);
    } else if (s->alibi != 0) {
        vf distance = vf_add(vf_iota(), vf_set((float)(s->first_key + vector * LANES - s->position)));
        score = vf_fma(vf_set(s->alibi), distance, score);
    }
    return score;
}

/* Lanes of `vector` within slots first..end-1. */
AS_INLINE vm slots_within(int vector, int64_t first, int64_t end)
{
    vf slot = vf_add(vf_iota(), vf_set((float)(vector * LANES)));
    return vm_and(vf_le(vf_set((float)first), slot), vf_lt(slot, vf_set((float)end)));
}

/* The same, of those that the query may see. */
AS_INLINE vm slots_seen(const scorer *how, int vector, int64_t first, int64_t end)
{
    vm within = slots_within(vector, first, end);
    return how->seen ? vm_and(within, vf_lt(vf_zero(), vf_load(how->seen + vector * LANES))) : within;
}

static inline float exp_of(float x)
{
    float room[LANES];
    vf_store(room, vf_exp(vf_set(x)));
    return room[0];
}

/* The vectors from..until-1 of scores become exponentials, those outside slots first..end-1 zero; the query's
 * sums so far fade by *fade. */
AS_INLINE void soften_vectors(const scorer *how, bool whole, int from, int until, int64_t first, int64_t end,
                              float *scores, float *largest, float *total, float *fade)
{
    vf most = vf_set(-INFINITY), score[PAGE_VECTORS];
#pragma GCC unroll 8
    for (int v = from; v < until; v++) {
        score[v] = score_of(how, vf_load(scores + v * LANES), v);
        if (!whole) score[v] = vf_select(slots_seen(how, v, first, end), score[v], vf_set(-INFINITY));
        most = vf_max(score[v], most); /* passes over NaN, which the sum below keeps */
    }
    float now = vf_largest(most);
    if (now < *largest) now = *largest;
    float base = now == -INFINITY ? 0 : now, shrink = now == *largest ? 1 : exp_of(*largest - base);
    vf sum = vf_zero(), down = vf_set(base);
#pragma GCC unroll 8
    for (int v = from; v < until; v++) {
        vf p = vf_exp_down(vf_sub(score[v], down));
        if (!whole) p = vf_select(slots_seen(how, v, first, end), p, vf_zero());
        vf_store(scores + v * LANES, p);
        sum = vf_add(sum, p);
    }
    vf_store(total, vf_fma(vf_load(total), vf_set(shrink), sum));
    *largest = now;
    *fade = shrink;
}

static inline void soften(const scorer *how, int64_t first, int64_t end, float *scores, float *largest,
                          float *total, float *fade)
{
    if (first == 0 && end == PAGE && how->softcap <= 0 && how->alibi == 0 && !how->seen) {
        scorer plain = {.scale = how->scale};
        soften_vectors(&plain, true, 0, PAGE_VECTORS, 0, PAGE, scores, largest, total, fade);
        return;
    }
    int from = (int)(first / LANES), until = (int)as_ceil_div(end, LANES);
    memset(scores, 0, (size_t)(from * LANES) * sizeof *scores);
    memset(scores + until * LANES, 0, (size_t)(PAGE - until * LANES) * sizeof *scores);
    soften_vectors(how, false, from, until, first, end, scores, largest, total, fade);
}

/* LANES queries that see the whole page, their scores one behind the other: what soften does to each, with
 * the largest scores and the fading of all found together. */
static inline void soften_many(float scale, float *scores, float *largest, float *total, float *fade)
{
    vf most[LANES], by = vf_set(scale), before = vf_load(largest);
#pragma GCC unroll 1
    for (int i = 0; i < LANES; i++) {
        vf high = vf_set(-INFINITY);
#pragma GCC unroll 8
        for (int v = 0; v < PAGE_VECTORS; v++) {
            high = vf_max(vf_mul(vf_load(scores + i * PAGE + v * LANES), by), high);
        }
        most[i] = high;
    }
    vf_transpose(most);
    vf now = before;
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) now = vf_max(most[i], now);
    vf base = vf_select(vf_le(now, vf_set(-INFINITY)), vf_zero(), now);
    vf shrink = vf_select(vf_le(now, before), vf_set(1), vf_exp(vf_sub(before, base)));
    float bases[LANES];
    vf_store(bases, base);
    vf_store(largest, now);
    vf_store(fade, shrink);
#pragma GCC unroll 1
    for (int i = 0; i < LANES; i++) {
        vf sum = vf_zero(), down = vf_set(bases[i]);
        float *at = scores + i * PAGE;
#pragma GCC unroll 8
        for (int v = 0; v < PAGE_VECTORS; v++) {
            vf p = vf_exp_down(vf_sub(vf_mul(vf_load(at + v * LANES), by), down));
            vf_store(at + v * LANES, p);
            sum = vf_add(sum, p);
        }
        vf_store(total + i * LANES, vf_fma(vf_load(total + i * LANES), vf_set(fade[i]), sum));
    }
}

#endif
