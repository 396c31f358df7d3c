/* kv_store and attention: every level against ref, independence of rows and splits, dropped pages. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support.h"

typedef struct record {
    const char *name;
    as_dtype type;
    int64_t heads, kv_heads, k_width, v_width;
    int64_t position, count; /* rows position..position+count-1 attend */
    int64_t window, chunk;
    float softcap;
    bool alibi, sinks;
    bool row_sinks; /* each row its own */
    int64_t prompt; /* kept whatever the window; 0: it is not */
    float alibi_rounded;
    fill_kind kind;
    bool key_bias;     /* with lists for each key/value head, of every `listed`-th key and the row's own */
    int64_t listed;    /* 0: no lists */
    int64_t distances; /* that have biases; 0: none */
} record;

static const record records[] = {
    {.name = "one key", .heads = 1, .kv_heads = 1, .k_width = 1, .v_width = 1, .count = 1},
    {.name = "short", .heads = 2, .kv_heads = 2, .k_width = 12, .v_width = 12, .count = 5},
    {.name = "one page", .heads = 4, .kv_heads = 2, .k_width = 20, .v_width = 20, .count = 64},
    {.name = "grouped", .heads = 8, .kv_heads = 1, .k_width = 64, .v_width = 64, .count = 130},
    {.name = "grouped f16", AS_F16, .heads = 8, .kv_heads = 2, .k_width = 64, .v_width = 64, .count = 200},
    {.name = "bf16", AS_BF16, .heads = 3, .kv_heads = 3, .k_width = 24, .v_width = 24, .count = 100},
    {.name = "e4m3", AS_E4M3, .heads = 4, .kv_heads = 4, .k_width = 80, .v_width = 80, .count = 70},
    {.name = "96 wide", .heads = 2, .kv_heads = 1, .k_width = 96, .v_width = 96, .position = 37, .count = 65},
    {.name = "128 wide",
     AS_F16,
     .heads = 2,
     .kv_heads = 1,
     .k_width = 128,
     .v_width = 128,
     .position = 300,
     .count = 3},
    {.name = "192/128 wide",
     .heads = 2,
     .kv_heads = 2,
     .k_width = 192,
     .v_width = 128,
     .position = 63,
     .count = 66},
    {.name = "256 wide",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 256,
     .v_width = 256,
     .position = 1,
     .count = 127},
    {.name = "latent",
     AS_BF16,
     .heads = 16,
     .kv_heads = 1,
     .k_width = 576,
     .v_width = 512,
     .position = 90,
     .count = 20},
    {.name = "many heads",
     .heads = 128,
     .kv_heads = 1,
     .k_width = 20,
     .v_width = 12,
     .position = 10,
     .count = 4},
    {.name = "decode", .heads = 8, .kv_heads = 2, .k_width = 64, .v_width = 64, .position = 777, .count = 1},
    {.name = "decode over parts",
     AS_F16,
     .heads = 4,
     .kv_heads = 1,
     .k_width = 32,
     .v_width = 32,
     .position = 5000,
     .count = 1},
    {.name = "prefill over parts",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .position = 1000,
     .count = 1100},
    {.name = "window", .heads = 2, .kv_heads = 1, .k_width = 16, .v_width = 16, .count = 300, .window = 50},
    {.name = "window of one",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .count = 70,
     .window = 1},
    {.name = "long window decode",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .position = 4100,
     .count = 2,
     .window = 3000},
    {.name = "kept prompt",
     .heads = 4,
     .kv_heads = 2,
     .k_width = 16,
     .v_width = 12,
     .count = 300,
     .window = 50,
     .prompt = 70},
    {.name = "kept prompt far away, sinks of each row",
     AS_F16,
     .heads = 2,
     .kv_heads = 1,
     .k_width = 24,
     .v_width = 24,
     .position = 2500,
     .count = 20,
     .window = 30,
     .row_sinks = true,
     .prompt = 200},
    {.name = "chunk", .heads = 2, .kv_heads = 1, .k_width = 16, .v_width = 16, .count = 300, .chunk = 100},
    {.name = "window and chunk",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .position = 190,
     .count = 120,
     .window = 70,
     .chunk = 96},
    {.name = "softcap", .heads = 2, .kv_heads = 1, .k_width = 16, .v_width = 16, .count = 100, .softcap = 5},
    {.name = "alibi", .heads = 4, .kv_heads = 4, .k_width = 16, .v_width = 16, .count = 200, .alibi = true},
    {.name = "rounded alibi",
     .heads = 3,
     .kv_heads = 3,
     .k_width = 16,
     .v_width = 16,
     .position = 500,
     .count = 200,
     .alibi = true,
     .alibi_rounded = 0.25f},
    {.name = "sinks",
     AS_BF16,
     .heads = 4,
     .kv_heads = 2,
     .k_width = 64,
     .v_width = 64,
     .count = 150,
     .window = 40,
     .sinks = true},
    {.name = "all together",
     AS_E4M3,
     .heads = 6,
     .kv_heads = 2,
     .k_width = 40,
     .v_width = 24,
     .position = 1500,
     .count = 90,
     .window = 600,
     .softcap = 20,
     .alibi = true,
     .sinks = true},
    {.name = "biases of keys",
     .heads = 6,
     .kv_heads = 3,
     .k_width = 16,
     .v_width = 16,
     .position = 70,
     .count = 130,
     .key_bias = true},
    {.name = "biases of keys f16, window",
     AS_F16,
     .heads = 4,
     .kv_heads = 2,
     .k_width = 24,
     .v_width = 16,
     .position = 1100,
     .count = 40,
     .window = 100,
     .key_bias = true},
    {.name = "biases of keys, lists of each head",
     .heads = 6,
     .kv_heads = 3,
     .k_width = 20,
     .v_width = 12,
     .position = 30,
     .count = 200,
     .key_bias = true,
     .listed = 3},
    {.name = "biases of distances",
     .heads = 6,
     .kv_heads = 2,
     .k_width = 16,
     .v_width = 16,
     .position = 20,
     .count = 200,
     .distances = 90},
    {.name = "biases of few distances, sinks",
     AS_BF16,
     .heads = 3,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .position = 1020,
     .count = 90,
     .sinks = true,
     .distances = 1},
    {.name = "biases of a window's distances",
     .heads = 4,
     .kv_heads = 4,
     .k_width = 16,
     .v_width = 16,
     .count = 200,
     .window = 66,
     .distances = 66},
    {.name = "zeros",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .count = 100,
     .kind = FILL_ZERO},
    {.name = "large scores",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .count = 100,
     .kind = FILL_SPREAD},
    {.name = "tiny",
     .heads = 2,
     .kv_heads = 1,
     .k_width = 16,
     .v_width = 16,
     .count = 100,
     .kind = FILL_DENORMAL},
};

enum { RECORDS = sizeof records / sizeof records[0] };

/* A record's cache, filled by ref, and queries. Pages lie in the cache in a scrambled order; those that no
 * query can see are -1; slots behind the last position hold NaN. */
typedef struct scene {
    as_kv_layer cache;
    int64_t cache_pages, page_count;
    int32_t *pages;
    float *k, *v, *q, *alibi, *sinks, *distance_bias;
    as_kv_layer key_bias;
    int32_t *lists; /* [count, kv_heads, list_width] */
    int64_t q_stride, out_stride, list_width;
} scene;

static as_kv_layer cache_for(const record *r, int64_t pages)
{
    as_kv_layer cache = {
        .dtype = r->type, .kv_heads = r->kv_heads, .k_width = r->k_width, .v_width = r->v_width};
    size_t tokens = (size_t)(pages * r->kv_heads * AS_PAGE_TOKENS * as_dtype_bytes(r->type));
    cache.k = guarded(tokens * (size_t)r->k_width);
    cache.v = guarded(tokens * (size_t)r->v_width);
    memset(cache.k, 0xFF, tokens * (size_t)r->k_width);
    memset(cache.v, 0xFF, tokens * (size_t)r->v_width);
    return cache;
}

static void drop_unseen(const record *r, scene *s)
{
    if (r->prompt) return;
    int64_t low = r->window > 0 && r->position + 1 > r->window ? r->position + 1 - r->window : 0;
    if (r->chunk > 0 && r->position / r->chunk * r->chunk > low) low = r->position / r->chunk * r->chunk;
    for (int64_t p = 0; p < low / AS_PAGE_TOKENS; p++) s->pages[p] = -1;
}

/* Head g lists the keys j with (j + g) divisible by `listed`, and each row's own. */
static void list_keys(const record *r, scene *s)
{
    s->list_width = (r->position + r->count) / r->listed + 3;
    s->lists = guarded((size_t)(r->count * r->kv_heads * s->list_width) * sizeof *s->lists);
    int32_t *to = s->lists;
    for (int64_t i = 0; i < r->count; i++) {
        for (int64_t g = 0; g < r->kv_heads; g++, to += s->list_width) {
            int64_t used = 0;
            for (int64_t j = 0; j <= r->position + i; j++) {
                if ((j + g) % r->listed == 0 || j == r->position + i) to[used++] = (int32_t)j;
            }
            while (used < s->list_width) to[used++] = AS_NO_KEY;
        }
    }
}

/* A bias of each key and key/value head, in a cache of one head. */
static void add_key_bias(const record *r, scene *s, const as_exec *exec, const as_backend *writer)
{
    int64_t tokens = r->position + r->count;
    record of_bias = {.type = r->type, .kv_heads = 1, .k_width = r->kv_heads, .v_width = 1};
    as_span all = {.count = tokens, .pages = s->pages};
    s->key_bias = cache_for(&of_bias, s->cache_pages);
    s->key_bias.v = s->key_bias.k;
    as_kv_store_args store = {.cache = &s->key_bias,
                              .k = filled(tokens * r->kv_heads, FILL_NORMAL, 6),
                              .k_stride = r->kv_heads,
                              .spans = &all,
                              .span_count = 1};
    writer->kv_store(exec, &store);
}

static scene scene_of(const record *r, const as_exec *exec, const as_backend *writer)
{
    int64_t tokens = r->position + r->count;
    scene s = {.page_count = (tokens + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS};
    s.cache_pages = s.page_count + 1;
    s.cache = cache_for(r, s.cache_pages);
    s.pages = guarded((size_t)s.page_count * sizeof *s.pages);
    for (int64_t p = 0; p < s.page_count; p++) s.pages[p] = (int32_t)((p * 7 + 3) % s.cache_pages);
    if (s.cache_pages % 7 == 0) {
        for (int64_t p = 0; p < s.page_count; p++) s.pages[p] = (int32_t)(s.page_count - p);
    }
    s.k = filled(tokens * r->kv_heads * r->k_width, r->kind, 1);
    s.v = filled(tokens * r->kv_heads * r->v_width, r->kind == FILL_SPREAD ? FILL_NORMAL : r->kind, 2);
    as_span all = {.count = tokens, .pages = s.pages};
    as_kv_store_args store = {.cache = &s.cache,
                              .k = s.k,
                              .v = s.v,
                              .k_stride = r->kv_heads * r->k_width,
                              .v_stride = r->kv_heads * r->v_width,
                              .spans = &all,
                              .span_count = 1};
    writer->kv_store(exec, &store);
    if (r->key_bias) add_key_bias(r, &s, exec, writer);
    if (r->listed) list_keys(r, &s);
    if (r->distances) s.distance_bias = filled(r->count * r->heads * r->distances, FILL_NORMAL, 7);
    drop_unseen(r, &s);
    s.q_stride = r->heads * r->k_width + 3;
    s.out_stride = r->heads * r->v_width + 1;
    s.q = filled(r->count * s.q_stride, r->kind, 3);
    if (r->alibi) s.alibi = filled(r->heads, FILL_POSITIVE, 4);
    if (r->sinks || r->row_sinks) {
        s.sinks = filled(r->heads * (r->row_sinks ? r->count : 1), FILL_NORMAL, 5);
    }
    return s;
}

static float *blank_out(const record *r, const scene *s)
{
    int64_t count = (r->count - 1) * s->out_stride + r->heads * r->v_width;
    float *out = guarded((size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = 77;
    return out;
}

static int64_t out_count(const record *r, const scene *s)
{
    return (r->count - 1) * s->out_stride + r->heads * r->v_width;
}

/* Attention of rows from..from+n-1 as `spans` spans of about equal length. */
static void run(const as_backend *backend, const as_exec *exec, const record *r, const scene *s, int64_t from,
                int64_t n, int spans, float *out)
{
    as_span list[8];
    for (int i = 0; i < spans; i++) {
        int64_t first = n * i / spans, end = n * (i + 1) / spans;
        list[i] = (as_span){.first = first,
                            .count = end - first,
                            .position = r->position + from + first,
                            .pages = s->pages,
                            .prompt = r->prompt};
    }
    as_attention_args args = {.cache = &s->cache,
                              .q = s->q + from * s->q_stride,
                              .out = out + from * s->out_stride,
                              .q_stride = s->q_stride,
                              .out_stride = s->out_stride,
                              .heads = r->heads,
                              .scale = 1 / sqrtf((float)r->k_width),
                              .softcap = r->softcap,
                              .window = r->window,
                              .chunk = r->chunk,
                              .alibi = s->alibi,
                              .alibi_rounded = r->alibi_rounded,
                              .sinks = s->sinks,
                              .keeps_prompt = r->prompt > 0,
                              .spans = list,
                              .span_count = spans};
    if (r->row_sinks) {
        args.sinks += from * r->heads;
        args.sink_stride = r->heads;
    }
    if (r->key_bias) args.key_bias = &s->key_bias;
    if (s->lists) {
        args.keys = s->lists + from * r->kv_heads * s->list_width;
        args.key_count = args.key_head_stride = s->list_width;
        args.key_stride = r->kv_heads * s->list_width;
    }
    if (s->distance_bias) {
        args.distances = r->distances;
        args.distance_stride = r->heads * r->distances;
        args.distance_bias = s->distance_bias + from * args.distance_stride;
    }
    backend->attention(exec, &args);
}

Test(attention, every_level_agrees_with_ref)
{
    as_exec exec = exec_with(2);
    for (int i = 0; i < RECORDS; i++) {
        const record *r = &records[i];
        scene s = scene_of(r, &exec, level_at(0));
        float *want = blank_out(r, &s);
        run(level_at(0), &exec, r, &s, 0, r->count, 1, want);
        const as_backend *backend;
        for (int l = 1; (backend = level_at(l)) != NULL; l++) {
            float *got = blank_out(r, &s);
            run(backend, &exec, r, &s, 0, r->count, 1, got);
            expect_near(r->name, backend->level, got, want, 2e-6, 1, out_count(r, &s), s.out_stride);
        }
    }
}

Test(attention, rows_and_splits_are_independent)
{
    as_exec execs[] = {exec_with(1), exec_with(2), exec_with(3), exec_with(5)};
    const as_backend *backend;
    for (int l = 1; (backend = level_at(l)) != NULL; l++) {
        for (int i = 0; i < RECORDS; i++) {
            const record *r = &records[i];
            scene s = scene_of(r, &execs[0], backend);
            float *whole = blank_out(r, &s);
            run(backend, &execs[0], r, &s, 0, r->count, 1, whole);
            for (int64_t step = 1; step <= r->count; step = step * 5 + 2) {
                float *parts = blank_out(r, &s);
                for (int64_t from = 0, turn = 0; from < r->count; from += step, turn++) {
                    int64_t n = from + step < r->count ? step : r->count - from;
                    run(backend, &execs[turn % 4], r, &s, from, n, (int)(turn % 3) + 1, parts);
                }
                expect_same_bits(r->name, backend->level, parts, whole, out_count(r, &s), s.out_stride);
            }
        }
    }
}

Test(attention, a_later_token_never_shows)
{
    static const record r = {
        .name = "later", .heads = 4, .kv_heads = 2, .k_width = 16, .v_width = 16, .count = 90};
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        scene s = scene_of(&r, &exec, backend);
        float *want = blank_out(&r, &s);
        run(backend, &exec, &r, &s, 0, r.count, 1, want);
        for (int k = 0; k < 3; k++) {
            float *got = blank_out(&r, &s);
            int64_t at = (s.pages[1] * r.kv_heads * AS_PAGE_TOKENS + 80 % AS_PAGE_TOKENS) * 16 + 5;
            float before_k, before_v;
            memcpy(&before_k, s.cache.k + at * 4, 4);
            memcpy(&before_v, s.cache.v + at * 4, 4);
            memcpy(s.cache.k + at * 4, &odd[k], 4);
            memcpy(s.cache.v + at * 4, &odd[k], 4);
            run(backend, &exec, &r, &s, 0, r.count, 1, got);
            memcpy(s.cache.k + at * 4, &before_k, 4);
            memcpy(s.cache.v + at * 4, &before_v, 4);
            expect_same_bits("before position 80", backend->level, got, want, 80 * s.out_stride,
                             s.out_stride);
            for (int64_t i = 80; i < r.count; i++) {
                if (k > 0) continue;
                cr_assert(isnan(got[i * s.out_stride + 5]), "%s: row %ld hides a NaN", backend->level,
                          (long)i);
            }
        }
    }
}

Test(attention, an_empty_span_writes_nothing)
{
    static const record r = {
        .name = "empty", .heads = 4, .kv_heads = 2, .k_width = 16, .v_width = 16, .count = 3};
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        scene s = scene_of(&r, &exec, backend);
        float *out = blank_out(&r, &s);
        run(backend, &exec, &r, &s, 0, 0, 2, out);
        run(backend, &exec, &r, &s, 0, 0, 0, out);
        for (int64_t i = 0; i < out_count(&r, &s); i++) cr_assert_eq(out[i], 77);
        run(backend, &exec, &r, &s, 0, 1, 3, out); /* of three spans two are empty */
        cr_assert_neq(out[0], 77);
        cr_assert_eq(out[s.out_stride], 77);
    }
}

/* Every level writes the same bytes as ref. */
Test(kv_store, rounds_as_ref_does)
{
    static const as_dtype types[] = {AS_F32, AS_F16, AS_BF16, AS_E4M3};
    static const fill_kind kinds[] = {FILL_NORMAL, FILL_SPREAD, FILL_HUGE, FILL_DENORMAL};
    as_exec exec = exec_with(3);
    for (int t = 0; t < 4; t++) {
        for (int k = 0; k < 4; k++) {
            record r = {.type = types[t], .heads = 4, .kv_heads = 4, .k_width = 37, .v_width = 80};
            r.count = 300;
            r.kind = kinds[k];
            scene want = scene_of(&r, &exec, level_at(0));
            const as_backend *backend;
            for (int l = 1; (backend = level_at(l)) != NULL; l++) {
                scene got = scene_of(&r, &exec, backend);
                size_t tokens = (size_t)(got.cache_pages * 4 * AS_PAGE_TOKENS * as_dtype_bytes(types[t]));
                cr_assert_eq(memcmp(got.cache.k, want.cache.k, tokens * 37), 0, "%s %s keys", backend->level,
                             as_dtype_name(types[t]));
                cr_assert_eq(memcmp(got.cache.v, want.cache.v, tokens * 80), 0, "%s %s values",
                             backend->level, as_dtype_name(types[t]));
            }
        }
    }
}
