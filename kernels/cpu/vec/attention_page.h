/* Attention of some queries over one page of keys and values: what every path of attention.c is made of.
 *
 * A query is one head of one row. Keys lie across the lanes: the page's keys are widened to float32 and
 * transposed, so a score sums q[d] k[d] over d in ascending order by fused multiply-adds; an output sums
 * p[j] v[j] over the page's keys in ascending order. Both orders are those of one number by itself: how many
 * queries share the page changes nothing. */
#ifndef AS_KERNELS_CPU_VEC_ATTENTION_PAGE_H
#define AS_KERNELS_CPU_VEC_ATTENTION_PAGE_H

#include <string.h>

#include "kernels/cpu/vec/attention_scores.h"

enum {
    MAX_QUERIES = 192, /* at a time */
    LINE = 64,         /* bytes in a line of the caches */
};

/* Memory that will be needed soon, fetched bit by bit so that it arrives while there is other work. */
typedef struct soon {
    const unsigned char *at, *end;
} soon;

/* One line; at must be before end. */
AS_INLINE void fetch_line(soon *s)
{
    _mm_prefetch((const char *)s->at, _MM_HINT_T1);
    s->at += LINE;
}

AS_INLINE void fetch_soon(soon *s, int lines)
{
    for (int i = 0; i < lines && s->end - s->at >= LINE; i++) fetch_line(s);
}

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
    float *added;           /* [PAGE]: biases of the page's keys, or of the distances of the query at hand */
    float *seen;            /* [PAGE], where rows list their keys: 1 for those of the row at hand, else 0 */
    bool values_finite;
    soon keys_soon, values_soon; /* the same of the next page */
} query_tile;

/* The last key that a row of the tile sees; -1: none. */
static inline int64_t position_of(const query_tile *t, int64_t row)
{
    return as_last_visible(t->span->position + t->row + row, t->args->every);
}

/* c[r] = c[r] * fade[r] (0 where fade is NULL) + sum over d of a[r][d] * b[d], for `rows` rows and `vectors`
 * vectors of columns. */
typedef struct update {
    const float *a, *b, *fade;
    float *c;
    int64_t a_stride, b_stride, c_stride, depth;
    soon *soon;
} update;

/* Adds a[r][d] * b[d] to the sums for d from..until-1. */
AS_INLINE void add_products(int rows, int vectors, const update *u, int64_t from, int64_t until, bool fetch,
                            vf acc[UPDATE_ROWS][UPDATE_VECTORS])
{
    const float *b = u->b + from * u->b_stride;
    for (int64_t d = from; d < until; d++, b += u->b_stride) {
        if (fetch) fetch_line(u->soon);
        vf across[UPDATE_VECTORS];
#pragma GCC unroll 8
        for (int v = 0; v < vectors; v++) across[v] = vf_load(b + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vf down = vf_set(u->a[r * u->a_stride + d]);
#pragma GCC unroll 8
            for (int v = 0; v < vectors; v++) acc[r][v] = vf_fma(down, across[v], acc[r][v]);
        }
    }
}

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
    int64_t fetched = as_min_i64(u->depth, (u->soon->end - u->soon->at) / LINE);
    add_products(rows, vectors, u, 0, fetched, true, acc);
    add_products(rows, vectors, u, fetched, u->depth, false, acc);
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
static inline void update_all(int64_t rows, int64_t vectors, const update *whole)
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

/* LANES keys by up to LANES numbers, transposed; the keys of slots outside first..end-1 are zero. */
AS_INLINE void widen_square(as_dtype type, const unsigned char *k, int64_t stride, int count, int64_t slot,
                            int64_t first, int64_t end, float *to)
{
    vf square[LANES];
#pragma GCC unroll 16
    for (int s = 0; s < LANES; s++) {
        const unsigned char *at = k + s * stride;
        if (count == LANES && slot >= first && slot + LANES <= end) {
            square[s] = vf_load_as(type, at);
        } else {
            bool seen = slot + s >= first && slot + s < end;
            square[s] = seen ? vf_load_part_as(type, at, count) : vf_zero();
        }
    }
    vf_transpose(square);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        if (i < count) vf_store(to + i * PAGE, square[i]);
    }
}

/* Keys of slots first..end-1 transposed; zero in the other slots of their vectors. */
AS_INLINE void widen_keys(as_dtype type, query_tile *t, const unsigned char *k, int64_t first, int64_t end)
{
    int64_t width = t->args->cache->k_width, size = as_dtype_bytes(type), stride = width * size;
    for (int64_t slot = 0; slot < end; slot += LANES) {
        bool whole = slot >= first && slot + LANES <= end;
        for (int64_t d = 0; d < width; d += LANES) {
            const unsigned char *at = k + slot * stride + d * size;
            int64_t count = as_min_i64(LANES, width - d);
            float *to = t->keys + d * PAGE + slot;
            fetch_soon(&t->keys_soon, LANES == 16 ? 4 : 1);
            if (whole && count == LANES) {
                widen_square(type, at, stride, LANES, 0, 0, LANES, to);
            } else {
                widen_square(type, at, stride, (int)count, slot, first, end, to);
            }
        }
    }
}

/* Values of slots first..end-1; zero before. Returns whether all are finite. */
AS_INLINE bool widen_values(as_dtype type, query_tile *t, const unsigned char *v, int64_t first, int64_t end)
{
    const as_kv_layer *cache = t->args->cache;
    int64_t width = cache->v_width, size = as_dtype_bytes(type), v_pad = t->v_pad;
    int64_t stride = as_kv_v_stride(cache) * size;
    float *to = t->values;
    vf nothing = vf_zero(); /* stays zero while values are finite */
    memset(to, 0, (size_t)(first * v_pad) * sizeof *to);
    for (int64_t slot = first; slot < end; slot++) {
        const unsigned char *from = v + slot * stride;
        float *row = to + slot * v_pad;
        int64_t c = 0;
        fetch_soon(&t->keys_soon, 1);
        for (; c + LANES <= width; c += LANES) {
            vf value = vf_load_as(type, from + c * size);
            nothing = vf_fma(value, vf_zero(), nothing);
            vf_store(row + c, value);
        }
        if (c == width) continue;
        vf value = vf_load_part_as(type, from + c * size, (int)(width - c));
        nothing = vf_fma(value, vf_zero(), nothing);
        vf_store(row + c, value);
    }
    return !vm_any(vf_is_nan(nothing));
}

AS_INLINE void load_page_as(as_dtype type, query_tile *t, int64_t page, int64_t first, int64_t end)
{
    const as_kv_layer *cache = t->args->cache;
    int64_t size = as_dtype_bytes(type), row = page_row(t, page);
    widen_keys(type, t, cache->k + row * cache->k_width * size, first, end);
    t->values_finite = widen_values(type, t, cache->v + row * as_kv_v_stride(cache) * size, first, end);
}

/* Brings slots first..end-1 of the page into keys and values; `next` is the page after it, or -1. */
static inline void load_page(query_tile *t, int64_t page, int64_t next, int64_t first, int64_t end)
{
    const as_kv_layer *cache = t->args->cache;
    t->keys_soon = t->values_soon = (soon){NULL, NULL};
    if (next >= 0) {
        int64_t bytes = as_dtype_bytes(cache->dtype), row = page_row(t, next);
        int64_t k = cache->k_width * bytes, v = cache->v_width * bytes;
        t->keys_soon = (soon){cache->k + row * k, cache->k + (row + PAGE) * k};
        if (cache->v != cache->k) t->values_soon = (soon){cache->v + row * v, cache->v + (row + PAGE) * v};
    }
    switch (cache->dtype) {
    case AS_F16: load_page_as(AS_F16, t, page, first, end); return;
    case AS_BF16: load_page_as(AS_BF16, t, page, first, end); return;
    case AS_E4M3: load_page_as(AS_E4M3, t, page, first, end); return;
    default: load_page_as(AS_F32, t, page, first, end); return;
    }
}

/* Adds p v over slots first..end-1 of one query. */
static inline void add_values(query_tile *t, int64_t query, int64_t first, int64_t end, float *out)
{
    update u = {.a = t->scores + query * PAGE + first,
                .b = t->values + first * t->v_pad,
                .fade = t->fade + query,
                .c = out + query * t->v_pad,
                .a_stride = PAGE,
                .b_stride = t->v_pad,
                .c_stride = t->v_pad,
                .depth = end - first,
                .soon = &t->values_soon};
    update_all(1, t->v_pad / LANES, &u);
}

/* The same over those of the slots that the query sees. The sums fade once. */
static inline void add_seen_values(query_tile *t, int64_t query, int64_t first, int64_t end, float *out)
{
    for (int64_t slot = first; slot < end;) {
        int64_t stop = slot;
        while (stop < end && t->seen[stop] > 0) stop++;
        if (stop > slot) {
            add_values(t, query, slot, stop, out);
            t->fade[query] = 1;
        }
        slot = stop + 1;
    }
}

/* Where in the row's list of keys those from `key` on begin. */
static inline int64_t keys_from(const int32_t *keys, int64_t count, int64_t key)
{
    int64_t low = 0, high = count;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (keys[middle] < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first key that a row at the position may see; where the prompt is kept there are others behind it that
 * it does not. */
static inline int64_t first_key(const as_attention_args *a, int64_t position)
{
    return a->keeps_prompt ? 0 : as_first_visible(position, a->window, a->chunk);
}

/* Whether rows see some of the keys before them alone. */
static inline bool picks_keys(const as_attention_args *a)
{
    return a->keys || a->keeps_prompt;
}

static inline const int32_t *keys_of(const query_tile *t, int64_t row)
{
    const as_attention_args *a = t->args;
    return a->keys + (t->span->first + t->row + row) * a->key_stride + t->kv_head * a->key_head_stride;
}

/* The biases of the page's keys in slots first..end-1. */
static inline void load_key_bias(query_tile *t, int64_t page, int64_t first, int64_t end)
{
    const as_kv_layer *cache = t->args->key_bias;
    int64_t size = as_dtype_bytes(cache->dtype), row = (int64_t)t->span->pages[page] * PAGE;
    memset(t->added, 0, PAGE * sizeof *t->added);
    for (int64_t slot = first; slot < end; slot++) {
        const unsigned char *at = cache->k + ((row + slot) * cache->k_width + t->kv_head) * size;
        as_convert_to_f32(cache->dtype, at, t->added + slot, 1);
    }
}

/* The biases of a query's distances to the page's slots first..end-1. */
static inline void set_distance_bias(query_tile *t, int64_t query, int64_t page, int64_t first, int64_t end)
{
    const as_attention_args *a = t->args;
    int64_t row = query / t->heads, head = t->head + query % t->heads;
    int64_t nearest = position_of(t, row) - page * PAGE;
    const float *from =
        a->distance_bias + (t->span->first + t->row + row) * a->distance_stride + head * a->distances;
    memset(t->added, 0, PAGE * sizeof *t->added);
    for (int64_t slot = as_max_i64(first, nearest - a->distances + 1); slot < end; slot++) {
        t->added[slot] = from[nearest - slot];
    }
}

/* Marks the slots of the page that the row's list has, or its window and the prompt. */
static inline void mark_seen(query_tile *t, int64_t row, int64_t page)
{
    if (t->args->keeps_prompt) {
        int64_t low = as_first_visible(position_of(t, row), t->args->window, 0);
        for (int64_t slot = 0; slot < PAGE; slot++) {
            int64_t key = page * PAGE + slot;
            t->seen[slot] = key < t->span->prompt || key >= low;
        }
        return;
    }
    const int32_t *keys = keys_of(t, row);
    int64_t count = t->args->key_count;
    memset(t->seen, 0, PAGE * sizeof *t->seen);
    for (int64_t i = keys_from(keys, count, page * PAGE); i < count && keys[i] < (page + 1) * PAGE; i++) {
        t->seen[keys[i] - page * PAGE] = 1;
    }
}

/* Whether a row of the tile has a key in the page. */
static inline bool page_is_seen(const query_tile *t, int64_t page)
{
    int64_t count = t->args->key_count;
    if (t->args->keeps_prompt && page * PAGE >= t->span->prompt) {
        return (page + 1) * PAGE > as_first_visible(position_of(t, 0), t->args->window, 0);
    }
    if (!t->args->keys) return true;
    for (int64_t r = 0; r < t->rows; r++) {
        const int32_t *keys = keys_of(t, r);
        int64_t i = keys_from(keys, count, page * PAGE);
        if (i < count && keys[i] < (page + 1) * PAGE) return true;
    }
    return false;
}

/* Whether a row sees all of the page. */
static inline bool row_sees_page(const query_tile *t, int64_t row, int64_t page)
{
    int64_t position = position_of(t, row);
    return position >= (page + 1) * PAGE - 1 && first_key(t->args, position) <= page * PAGE;
}

/* The scores of query i over slots first..end-1 of the page, as far as it sees them, become exponentials;
 * seen marks its row's keys, where rows list them. */
static inline void soften_query(query_tile *t, int64_t page, int64_t first, int64_t end, int64_t i,
                                const sums *into)
{
    const as_attention_args *a = t->args;
    int64_t head = t->head + i % t->heads, position = position_of(t, i / t->heads);
    int64_t low = first_key(a, position) - page * PAGE;
    int64_t begin = as_max_i64(first, low), stop = as_min_i64(end, position + 1 - page * PAGE);
    scorer how = {.scale = a->scale,
                  .softcap = a->softcap,
                  .alibi = a->alibi ? a->alibi[head] : 0,
                  .alibi_rounded = a->alibi ? a->alibi_rounded : 0,
                  .first_key = page * PAGE,
                  .position = position};
    if (how.alibi_rounded != 0) {
        how.alibi_here = as_f32_from_bf16(as_bf16_from_f32(how.alibi * (float)position));
    }
    if (picks_keys(a)) how.seen = t->seen;
    if (a->distance_bias) set_distance_bias(t, i, page, begin, stop);
    if (a->key_bias || a->distance_bias) how.added = t->added;
    soften(&how, begin, stop, t->scores + i * PAGE, &into->largest[i], into->total + i * LANES, &t->fade[i]);
    if (t->values_finite) return;
    if (picks_keys(a)) {
        add_seen_values(t, i, begin, stop, into->out);
    } else {
        add_values(t, i, begin, stop, into->out);
    }
}

/* The scores of queries from..until-1 become exponentials. */
static inline void soften_queries(query_tile *t, int64_t page, int64_t first, int64_t end, int64_t from,
                                  int64_t until, const sums *into)
{
    const as_attention_args *a = t->args;
    bool plain = first == 0 && end == PAGE && a->softcap <= 0 && !a->alibi && !picks_keys(a) &&
                 !a->key_bias && !a->distance_bias && t->values_finite;
    if (a->key_bias) load_key_bias(t, page, first, end);
    for (int64_t i = from; i < until;) {
        if (plain && i + LANES <= until && row_sees_page(t, i / t->heads, page) &&
            row_sees_page(t, (i + LANES - 1) / t->heads, page)) {
            soften_many(a->scale, t->scores + i * PAGE, into->largest + i, into->total + i * LANES,
                        t->fade + i);
            i += LANES;
        } else {
            if (picks_keys(a) && (i == from || i % t->heads == 0)) mark_seen(t, i / t->heads, page);
            soften_query(t, page, first, end, i++, into);
        }
    }
}

/* Takes the page into the sums of queries from..until-1. */
static inline void attend_queries(query_tile *t, int64_t page, int64_t first, int64_t end, int64_t from,
                                  int64_t until, const sums *into)
{
    int64_t k_width = t->args->cache->k_width;
    update products = {.a = t->q + from * k_width,
                       .b = t->keys,
                       .c = t->scores + from * PAGE,
                       .a_stride = k_width,
                       .b_stride = PAGE,
                       .c_stride = PAGE,
                       .depth = k_width,
                       .soon = &t->keys_soon};
    update_all(until - from, as_ceil_div(end, LANES), &products);
    soften_queries(t, page, first, end, from, until, into);
    if (!t->values_finite) return; /* done there: 0 times infinity must not be added */
    update values = {.a = t->scores + from * PAGE,
                     .b = t->values,
                     .fade = t->fade + from,
                     .c = into->out + from * t->v_pad,
                     .a_stride = PAGE,
                     .b_stride = t->v_pad,
                     .c_stride = t->v_pad,
                     .depth = end,
                     .soon = &t->values_soon};
    update_all(until - from, t->v_pad / LANES, &values);
}

/* Takes the page, of which slots first..end-1 are loaded, into the sums of the tile. The rows that see some
 * of it are those of a range. */
static inline void attend_page(query_tile *t, int64_t page, int64_t first, int64_t end, const sums *into)
{
    int64_t from = 0;
    while (from < t->rows && position_of(t, from) < page * PAGE + first) from++;
    int64_t until = from;
    for (; until < t->rows; until++) {
        int64_t low = first_key(t->args, position_of(t, until));
        if (low >= page * PAGE + end) break;
    }
    attend_queries(t, page, first, end, from * t->heads, until * t->heads, into);
}

#endif
