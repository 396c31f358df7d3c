/* Attention of some queries over one page of keys and values: what every path of attention.c is made of.
 *
 * A query is one head of one row. Keys lie across the lanes: the page's keys are widened to float32 and
 * transposed, so a score sums q[d] k[d] over d in ascending order by fused multiply-adds; an output sums
 * p[j] v[j] over the page's keys in ascending order. Both orders are those of one number by itself: how many
 * queries share the page changes nothing. */
#ifndef AS_KERNELS_CPU_VEC_ATTENTION_PAGE_H
#define AS_KERNELS_CPU_VEC_ATTENTION_PAGE_H

#include <math.h>
#include <string.h>

#include "kernels/cpu/vec/math.h"

enum {
    PAGE = AS_PAGE_TOKENS,
    PAGE_VECTORS = PAGE / LANES,
    MAX_QUERIES = 96, /* at a time */
};

/* The running sums of MAX_QUERIES queries: largest score so far, sum of exponentials (spread over lanes) and
 * of exponentials times values. */
typedef struct sums {
    float *largest; /* [queries] */
    float *total;   /* [queries, LANES] */
    float *out;     /* [queries, v_pad] */
} sums;

/* Queries that share a key/value head: heads head..head+heads-1 of rows row..row+rows-1 of one span. Query i
 * is head i % heads of row i / heads. */
typedef struct query_tile {
    const as_attention_args *args;
    const as_span *span;
    int64_t kv_head, head, heads, row, rows;
    int64_t queries, v_pad; /* heads * rows; v_width rounded up to LANES */
    float *q;               /* [queries, k_width] */
    float *keys;            /* [k_width, PAGE] of the page */
    float *values;          /* [PAGE, v_pad] */
    float *scores;          /* [queries, PAGE] */
    float *fade;            /* [queries]: by what earlier sums shrink */
    bool values_finite;
} query_tile;

static inline int64_t position_of(const query_tile *t, int64_t row)
{
    return t->span->position + t->row + row;
}

/* c[r] = c[r] * fade[r] (0 where fade is NULL) + sum over d of a[r][d] * b[d], for `rows` rows and `vectors`
 * vectors of columns. */
typedef struct update {
    const float *a, *b, *fade;
    float *c;
    int64_t a_stride, b_stride, c_stride, depth;
} update;

AS_INLINE void update_tile(int rows, int vectors, const update *u)
{
    vf acc[UPDATE_ROWS][UPDATE_VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) {
            vf old = u->fade ? vf_load(u->c + r * u->c_stride + v * LANES) : vf_zero();
            acc[r][v] = u->fade ? vf_mul(old, vf_set(u->fade[r])) : old;
        }
    }
    const float *a = u->a, *b = u->b;
    for (int64_t d = 0; d < u->depth; d++, b += u->b_stride) {
        vf across[UPDATE_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) across[v] = vf_load(b + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf down = vf_set(a[r * u->a_stride + d]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) acc[r][v] = vf_fma(down, across[v], acc[r][v]);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) vf_store(u->c + r * u->c_stride + v * LANES, acc[r][v]);
    }
}

/* One pass over `vectors` vectors of columns, at most UPDATE_ROWS rows. */
AS_INLINE void update_rows(int64_t rows, int vectors, const update *u)
{
    switch (rows) {
    case 1: update_tile(1, vectors, u); break;
    case 2: update_tile(2, vectors, u); break;
    case 3: update_tile(3, vectors, u); break;
    case 4: update_tile(4, vectors, u); break;
    case 5: update_tile(5, vectors, u); break;
    default: update_tile(6, vectors, u); break;
    }
}

/* The whole product: rows by vectors, in register tiles. */
static void update_all(int64_t rows, int64_t vectors, const update *whole)
{
    for (int64_t r = 0; r < rows; r += UPDATE_ROWS) {
        int64_t count = as_min_i64(UPDATE_ROWS, rows - r);
        update u = *whole;
        u.a += r * u.a_stride;
        u.c += r * u.c_stride;
        if (u.fade) u.fade += r;
        int64_t v = 0;
        for (; v + UPDATE_VECTORS <= vectors; v += UPDATE_VECTORS) {
            update_rows(count, UPDATE_VECTORS, &u);
            u.b += UPDATE_VECTORS * LANES;
            u.c += UPDATE_VECTORS * LANES;
        }
        for (; v < vectors; v++, u.b += LANES, u.c += LANES) update_rows(count, 1, &u);
    }
}

/* Where the head's part of a page begins, in elements / width. */
static inline int64_t page_row(const query_tile *t, int64_t page)
{
    return ((int64_t)t->span->pages[page] * t->args->cache->kv_heads + t->kv_head) * PAGE;
}

static inline void prefetch_span(const unsigned char *from, int64_t bytes)
{
    for (int64_t at = 0; at < bytes; at += 64) _mm_prefetch((const char *)from + at, _MM_HINT_T1);
}

/* Keys of slots first..end-1 transposed; zero in the other slots of their vectors. `next` is the same head's
 * part of the page to come, or NULL. */
AS_INLINE void widen_keys(as_dtype type, const query_tile *t, const unsigned char *k,
                          const unsigned char *next, int64_t first, int64_t end)
{
    int64_t width = t->args->cache->k_width, size = as_dtype_bytes(type);
    for (int64_t slot = 0; slot < end; slot += LANES) {
        if (next) prefetch_span(next + slot * width * size, LANES * width * size);
        for (int64_t d = 0; d < width; d += LANES) {
            int count = (int)as_min_i64(LANES, width - d);
            vf square[LANES];
#pragma GCC unroll 16
            for (int64_t s = 0; s < LANES; s++) {
                const unsigned char *at = k + ((slot + s) * width + d) * size;
                bool seen = slot + s >= first && slot + s < end;
                square[s] = !seen            ? vf_zero()
                            : count == LANES ? vf_load_as(type, at)
                                             : vf_load_part_as(type, at, count);
            }
            vf_transpose(square);
            for (int i = 0; i < count; i++) vf_store(t->keys + (d + i) * PAGE + slot, square[i]);
        }
    }
}

/* Values of slots first..end-1; zero before. Returns whether all are finite. */
AS_INLINE bool widen_values(as_dtype type, const query_tile *t, const unsigned char *v,
                            const unsigned char *next, int64_t first, int64_t end)
{
    int64_t width = t->args->cache->v_width, size = as_dtype_bytes(type);
    vm odd = vm_none();
    memset(t->values, 0, (size_t)(first * t->v_pad) * sizeof(float));
    for (int64_t slot = first; slot < end; slot++) {
        if (next) prefetch_span(next + slot * width * size, width * size);
        for (int64_t c = 0; c < width; c += LANES) {
            const unsigned char *at = v + (slot * width + c) * size;
            int64_t count = as_min_i64(LANES, width - c);
            vf value = count == LANES ? vf_load_as(type, at) : vf_load_part_as(type, at, (int)count);
            odd = vm_or(odd, vf_not_finite(value));
            vf_store(t->values + slot * t->v_pad + c, value);
        }
    }
    return !vm_any(odd);
}

AS_INLINE void load_page_as(as_dtype type, query_tile *t, int64_t page, int64_t next, int64_t first,
                            int64_t end)
{
    const as_kv_layer *cache = t->args->cache;
    int64_t size = as_dtype_bytes(type), row = page_row(t, page);
    int64_t ahead = next >= 0 ? page_row(t, next) : -1;
    widen_keys(type, t, cache->k + row * cache->k_width * size,
               ahead < 0 ? NULL : cache->k + ahead * cache->k_width * size, first, end);
    t->values_finite = widen_values(type, t, cache->v + row * cache->v_width * size,
                                    ahead < 0 ? NULL : cache->v + ahead * cache->v_width * size, first, end);
}

/* Brings slots first..end-1 of the page into keys and values; `next` is the page after it, or -1. */
static void load_page(query_tile *t, int64_t page, int64_t next, int64_t first, int64_t end)
{
    switch (t->args->cache->dtype) {
    case AS_F16: load_page_as(AS_F16, t, page, next, first, end); return;
    case AS_BF16: load_page_as(AS_BF16, t, page, next, first, end); return;
    case AS_E4M3: load_page_as(AS_E4M3, t, page, next, first, end); return;
    default: load_page_as(AS_F32, t, page, next, first, end); return;
    }
}

/* What turns a sum q.k into the score of key `first_key` + lane. */
typedef struct scorer {
    float scale, softcap, alibi;
    int64_t first_key, position; /* of lane 0; of the query */
} scorer;

AS_INLINE vf score_of(const scorer *s, vf sum, int vector)
{
    vf score = vf_mul(sum, vf_set(s->scale));
    if (s->softcap > 0) {
        score = vf_mul(vf_set(s->softcap), vf_tanh(vf_div(score, vf_set(s->softcap))));
    }
    if (s->alibi != 0) {
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

static inline float exp_of(float x)
{
    float room[LANES];
    vf_store(room, vf_exp(vf_set(x)));
    return room[0];
}

/* Scores of slots first..end-1 become exponentials, 0 elsewhere; the query's sums so far fade by *fade. */
static void soften(const scorer *how, float *scores, int64_t first, int64_t end, float *largest, float *total,
                   float *fade)
{
    vf most = vf_set(-INFINITY), score[PAGE_VECTORS];
    int from = (int)(first / LANES), until = (int)as_ceil_div(end, LANES);
    for (int v = from; v < until; v++) {
        score[v] = score_of(how, vf_load(scores + v * LANES), v);
        score[v] = vf_select(slots_within(v, first, end), score[v], vf_set(-INFINITY));
        most = vf_max(score[v], most); /* passes over NaN, which the sum below keeps */
    }
    float now = vf_largest(most);
    if (now < *largest) now = *largest;
    float base = now == -INFINITY ? 0 : now;
    float shrink = now == *largest ? 1 : exp_of(*largest - base);
    vf sum = vf_zero();
    for (int v = 0; v < PAGE_VECTORS; v++) {
        vf p = v >= from && v < until ? vf_exp(vf_sub(score[v], vf_set(base))) : vf_zero();
        vf_store(scores + v * LANES, p);
        sum = vf_add(sum, p);
    }
    vf_store(total, vf_fma(vf_load(total), vf_set(shrink), sum));
    *largest = now;
    *fade = shrink;
}

/* Adds p v over slots first..end-1 of one query. */
static void add_values(const query_tile *t, int64_t query, int64_t first, int64_t end, float *out)
{
    update u = {.a = t->scores + query * PAGE + first,
                .b = t->values + first * t->v_pad,
                .fade = t->fade + query,
                .c = out + query * t->v_pad,
                .a_stride = PAGE,
                .b_stride = t->v_pad,
                .c_stride = t->v_pad,
                .depth = end - first};
    update_all(1, t->v_pad / LANES, &u);
}

/* Takes the page into the sums of all queries of the tile. Slots first..end-1 are loaded. */
static void attend_page(query_tile *t, int64_t page, int64_t first, int64_t end, const sums *into)
{
    const as_attention_args *a = t->args;
    update products = {.a = t->q,
                       .b = t->keys,
                       .c = t->scores,
                       .a_stride = a->cache->k_width,
                       .b_stride = PAGE,
                       .c_stride = PAGE,
                       .depth = a->cache->k_width};
    update_all(t->queries, as_ceil_div(end, LANES), &products);
    for (int64_t i = 0; i < t->queries; i++) {
        int64_t head = t->head + i % t->heads, position = position_of(t, i / t->heads);
        int64_t low = as_first_visible(position, a->window, a->chunk) - page * PAGE;
        int64_t from = as_max_i64(first, low), until = as_min_i64(end, position + 1 - page * PAGE);
        scorer s = {a->scale, a->softcap, a->alibi ? a->alibi[head] : 0, page * PAGE, position};
        t->fade[i] = 1;
        if (from >= until) {
            memset(t->scores + i * PAGE, 0, PAGE * sizeof(float));
            continue;
        }
        soften(&s, t->scores + i * PAGE, from, until, &into->largest[i], into->total + i * LANES,
               &t->fade[i]);
        if (!t->values_finite) add_values(t, i, from, until, into->out);
    }
    if (!t->values_finite) return; /* done above: 0 times infinity must not be added */
    update values = {.a = t->scores,
                     .b = t->values,
                     .fade = t->fade,
                     .c = into->out,
                     .a_stride = PAGE,
                     .b_stride = t->v_pad,
                     .c_stride = t->v_pad,
                     .depth = end};
    update_all(t->queries, t->v_pad / LANES, &values);
}

#endif
