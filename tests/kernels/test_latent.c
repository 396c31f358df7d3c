/* What latent attention adds: a matrix for each head, values within the keys, listed keys, and their choice.
 */
#include <math.h>
#include <string.h>

#include "tests/kernels/support.h"

/* ---- head_matmul -----------------------------------------------------------------------------------------
 */

typedef struct product {
    const char *name;
    as_dtype type;
    as_scale_kind scale;
    int64_t block_rows, block_cols;
    int64_t heads, before, rows, behind, cols, n; /* rows of each head: before, its own, behind */
} product;

static const product products[] = {
    {"one", AS_F32, AS_SCALE_NONE, 0, 0, 1, 0, 1, 0, 1, 1},
    {"small", AS_F32, AS_SCALE_NONE, 0, 0, 3, 0, 10, 12, 20, 7},
    {"second half", AS_BF16, AS_SCALE_NONE, 0, 0, 2, 16, 24, 0, 130, 19},
    {"f16", AS_F16, AS_SCALE_NONE, 0, 0, 4, 5, 60, 3, 257, 40},
    {"tensor scale", AS_E4M3, AS_SCALE_TENSOR, 0, 0, 2, 8, 33, 8, 64, 5},
    {"row scales", AS_E4M3, AS_SCALE_ROW, 0, 0, 5, 9, 17, 2, 48, 20},
    {"whole blocks", AS_E4M3, AS_SCALE_BLOCK, 128, 128, 2, 128, 128, 0, 300, 300},
    {"parts of blocks", AS_E4M3, AS_SCALE_BLOCK, 128, 128, 3, 64, 96, 10, 200, 18},
    {"odd blocks", AS_BF16, AS_SCALE_BLOCK, 7, 5, 3, 3, 11, 4, 23, 9},
    {"wide", AS_BF16, AS_SCALE_NONE, 0, 0, 2, 0, 128, 128, 512, 33},
};

enum { PRODUCTS = sizeof products / sizeof products[0] };

static int64_t head_rows(const product *p)
{
    return p->before + p->rows + p->behind;
}

static as_matrix matrix_of(const product *p)
{
    int64_t rows = p->heads * head_rows(p), count = rows * p->cols;
    as_matrix w = {.dtype = p->type, .scale = p->scale, .rows = rows, .cols = p->cols, .stride = p->cols};
    w.data = stored_as(p->type, filled(count, FILL_NORMAL, 1), count);
    w.block_rows = p->block_rows;
    w.block_cols = p->block_cols;
    int64_t scales = p->scale == AS_SCALE_TENSOR ? 1 : p->scale == AS_SCALE_ROW ? rows : 0;
    if (p->scale == AS_SCALE_BLOCK) {
        scales =
            ((rows + p->block_rows - 1) / p->block_rows) * ((p->cols + p->block_cols - 1) / p->block_cols);
    }
    if (scales) w.scales = filled(scales, FILL_POSITIVE, 2);
    return w;
}

/* Rows from..from+n-1 of x. */
static void multiply(const as_backend *backend, const as_exec *exec, const product *p, const as_matrix *w,
                     bool transposed, const float *x, int64_t from, int64_t n, float *out)
{
    int64_t in_width = transposed ? p->rows : p->cols, out_width = transposed ? p->cols : p->rows;
    int64_t x_stride = p->heads * (in_width + 2), out_stride = p->heads * (out_width + 3);
    as_head_matmul_args args = {.w = w,
                                .heads = p->heads,
                                .first = p->before,
                                .rows = p->rows,
                                .transposed = transposed,
                                .x = x + from * x_stride,
                                .out = out + from * out_stride,
                                .n = n,
                                .x_stride = x_stride,
                                .x_head_stride = in_width + 2,
                                .out_stride = out_stride,
                                .out_head_stride = out_width + 3};
    backend->head_matmul(exec, &args);
}

static float *outputs(int64_t count)
{
    float *out = guarded((size_t)count * sizeof *out);
    for (int64_t i = 0; i < count; i++) out[i] = 77;
    return out;
}

static void check_product(const product *p, bool transposed)
{
    as_exec execs[] = {exec_with(1), exec_with(2), exec_with(3)};
    int64_t in_width = transposed ? p->rows : p->cols, out_width = transposed ? p->cols : p->rows;
    int64_t count = p->n * p->heads * (out_width + 3);
    as_matrix w = matrix_of(p);
    float *x = filled(p->n * p->heads * (in_width + 2), FILL_NORMAL, 3), *want = outputs(count);
    multiply(level_at(0), &execs[0], p, &w, transposed, x, 0, p->n, want);
    const as_backend *backend;
    for (int l = 1; (backend = level_at(l)) != NULL; l++) {
        float *whole = outputs(count), *parts = outputs(count);
        multiply(backend, &execs[0], p, &w, transposed, x, 0, p->n, whole);
        expect_near(p->name, backend->level, whole, want, 2e-6, (double)in_width, count, out_width + 3);
        for (int64_t from = 0, step = 1; from < p->n; from += step, step = step * 4 + 1) {
            int64_t n = from + step < p->n ? step : p->n - from;
            multiply(backend, &execs[step % 3], p, &w, transposed, x, from, n, parts);
        }
        expect_same_bits(p->name, backend->level, parts, whole, count, out_width + 3);
    }
}

Test(head_matmul, every_level_agrees_with_ref_and_with_itself)
{
    for (int i = 0; i < PRODUCTS; i++) {
        check_product(&products[i], false);
        check_product(&products[i], true);
    }
}

/* ---- values within the keys, listed keys -----------------------------------------------------------------
 */

typedef struct scene {
    as_kv_layer cache;
    int32_t *pages;
    int64_t tokens;
} scene;

/* A cache of one head of keys; its values are the first v_width elements. Slots behind the last hold NaN. */
static scene scene_of(as_dtype type, int64_t k_width, int64_t v_width, int64_t tokens)
{
    int64_t pages = (tokens + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS;
    scene s = {.tokens = tokens, .pages = guarded((size_t)pages * sizeof *s.pages)};
    for (int64_t p = 0; p < pages; p++) s.pages[p] = (int32_t)(pages - 1 - p);
    size_t bytes = (size_t)(pages * AS_PAGE_TOKENS * k_width * as_dtype_bytes(type));
    s.cache = (as_kv_layer){.dtype = type, .kv_heads = 1, .k_width = k_width, .v_width = v_width};
    s.cache.k = s.cache.v = guarded(bytes);
    memset(s.cache.k, 0xFF, bytes);
    as_exec exec = exec_with(1);
    as_span all = {.count = tokens, .pages = s.pages};
    as_kv_store_args store = {.cache = &s.cache,
                              .k = filled(tokens * k_width, FILL_NORMAL, 1),
                              .k_stride = k_width,
                              .spans = &all,
                              .span_count = 1};
    level_at(0)->kv_store(&exec, &store);
    return s;
}

typedef struct latent {
    const char *name;
    as_dtype type;
    int64_t heads, k_width, v_width, position, count;
    int64_t every; /* a row lists the keys that this divides, and its own; 0: no list */
    bool odd;      /* NaN and infinity stand in keys that no row lists */
} latent;

static const latent latents[] = {
    {"all keys", AS_F32, 3, 26, 20, 0, 70, 0, false},
    {"all keys f16", AS_F16, 128, 576, 512, 700, 3, 0, false},
    {"wider than usual", AS_F32, 2, 1300, 1200, 0, 5, 0, false},
    {"listed", AS_F32, 3, 26, 20, 0, 150, 3, false},
    {"few listed", AS_BF16, 5, 40, 32, 2000, 60, 300, false},
    {"unlisted infinities", AS_F32, 4, 16, 16, 0, 130, 2, true},
    {"unlisted infinities, far", AS_F16, 2, 24, 8, 1500, 40, 70, true},
};

enum { LATENTS = sizeof latents / sizeof latents[0] };

static int32_t *list_keys(const latent *l, int64_t *count)
{
    *count = (l->position + l->count) / l->every + 2;
    int32_t *keys = guarded((size_t)(l->count * *count) * sizeof *keys);
    for (int64_t i = 0; i < l->count; i++) {
        int64_t position = l->position + i, used = 0;
        for (int64_t j = 0; j < position; j += l->every) keys[i * *count + used++] = (int32_t)j;
        keys[i * *count + used++] = (int32_t)position;
        while (used < *count) keys[i * *count + used++] = AS_NO_KEY;
    }
    return keys;
}

static void spoil(const latent *l, const scene *s)
{
    int64_t size = as_dtype_bytes(l->type);
    for (int64_t j = 1; j < l->position; j++) {
        if (j % l->every == 0) continue;
        int64_t at =
            ((int64_t)s->pages[j / AS_PAGE_TOKENS] * AS_PAGE_TOKENS + j % AS_PAGE_TOKENS) * l->k_width;
        float odd = j % 2 ? INFINITY : NAN;
        as_convert_from_f32(l->type, &odd, s->cache.k + (at + j % l->v_width) * size, 1);
    }
}

static void attend(const as_backend *backend, const as_exec *exec, const latent *l, const scene *s,
                   const float *q, const int32_t *keys, int64_t key_count, int64_t from, int64_t n,
                   float *out)
{
    as_span span = {.first = 0, .count = n, .position = l->position + from, .pages = s->pages};
    as_attention_args args = {.cache = &s->cache,
                              .q = q + from * l->heads * l->k_width,
                              .out = out + from * l->heads * l->v_width,
                              .q_stride = l->heads * l->k_width,
                              .out_stride = l->heads * l->v_width,
                              .heads = l->heads,
                              .scale = 1 / sqrtf((float)l->k_width),
                              .keys = keys ? keys + from * key_count : NULL,
                              .key_count = key_count,
                              .key_stride = key_count,
                              .spans = &span,
                              .span_count = 1};
    backend->attention(exec, &args);
}

static void check_latent(const latent *l)
{
    as_exec execs[] = {exec_with(2), exec_with(1), exec_with(3)};
    int64_t count = l->count * l->heads * l->v_width, key_count = 0;
    scene s = scene_of(l->type, l->k_width, l->v_width, l->position + l->count);
    if (l->odd) spoil(l, &s);
    const int32_t *keys = l->every ? list_keys(l, &key_count) : NULL;
    float *q = filled(l->count * l->heads * l->k_width, FILL_NORMAL, 2), *want = outputs(count);
    attend(level_at(0), &execs[0], l, &s, q, keys, key_count, 0, l->count, want);
    for (int64_t i = 0; i < count; i++) cr_assert(isfinite(want[i]), "%s: %ld", l->name, (long)i);
    const as_backend *backend;
    for (int b = 1; (backend = level_at(b)) != NULL; b++) {
        float *whole = outputs(count), *parts = outputs(count);
        attend(backend, &execs[0], l, &s, q, keys, key_count, 0, l->count, whole);
        expect_near(l->name, backend->level, whole, want, 2e-6, 1, count, l->v_width);
        for (int64_t from = 0, step = 1; from < l->count; from += step, step = step * 3 + 1) {
            int64_t n = from + step < l->count ? step : l->count - from;
            attend(backend, &execs[step % 3], l, &s, q, keys, key_count, from, n, parts);
        }
        expect_same_bits(l->name, backend->level, parts, whole, count, l->v_width);
    }
}

Test(latent_attention, values_within_keys_and_listed_keys)
{
    for (int i = 0; i < LATENTS; i++) check_latent(&latents[i]);
}

/* ---- index_keys ------------------------------------------------------------------------------------------
 */

/* What index_keys is to choose of. */
typedef struct index_case {
    int64_t top, window;
} index_case;

static void choose(const as_backend *backend, const as_exec *exec, const scene *s, int64_t heads,
                   const index_case *c, const float *q, const float *weights, int64_t from, int64_t n,
                   int32_t *keys)
{
    int64_t top = c->top;
    int64_t width = s->cache.k_width;
    as_span span = {.first = 0, .count = n, .position = from, .pages = s->pages};
    as_index_keys_args args = {.cache = &s->cache,
                               .q = q + from * heads * width,
                               .weights = weights + from * heads,
                               .q_stride = heads * width,
                               .weight_stride = heads,
                               .heads = heads,
                               .top = top,
                               .window = c->window,
                               .keys = keys + from * top,
                               .key_stride = top,
                               .spans = &span,
                               .span_count = 1};
    backend->index_keys(exec, &args);
}

/* Small whole numbers: scores are exact, so that every level must choose the same, with many equal scores. */
Test(index_keys, every_level_chooses_as_ref_does)
{
    enum { TOKENS = 300, HEADS = 5, WIDTH = 20 };
    static const index_case cases[] = {{1, 0},    {7, 0},    {64, 0},  {100, 0},   {299, 0},
                                       {300, 0},  {1000, 0}, {5, 1},   {9, 70},    {64, 64},
                                       {30, 129}, {200, 50}, {3, 299}, {100, 1000}};
    as_exec execs[] = {exec_with(2), exec_with(1), exec_with(3)};
    scene s = scene_of(AS_F32, WIDTH, 0, TOKENS);
    float *q = filled((int64_t)TOKENS * HEADS * WIDTH, FILL_NORMAL, 2);
    float *weights = filled((int64_t)TOKENS * HEADS, FILL_NORMAL, 3), *k = (float *)(void *)s.cache.k;
    int64_t slots = (TOKENS + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS * AS_PAGE_TOKENS;
    for (int64_t i = 0; i < slots * WIDTH; i++) k[i] = roundf(k[i]);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS * WIDTH; i++) q[i] = roundf(2 * q[i]);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS; i++) weights[i] = roundf(4 * weights[i]);
    for (size_t t = 0; t < sizeof cases / sizeof cases[0]; t++) {
        const index_case *c = &cases[t];
        int64_t top = c->top, count = TOKENS * top;
        int32_t *want = guarded((size_t)count * sizeof *want), *got = guarded((size_t)count * sizeof *got);
        choose(level_at(0), &execs[0], &s, HEADS, c, q, weights, 0, TOKENS, want);
        for (int64_t i = 0; i < TOKENS; i++) {
            int64_t seen = c->window && i + 1 > c->window ? c->window : i + 1,
                    chosen = seen < top ? seen : top;
            for (int64_t r = 0; r < top; r++) {
                int32_t key = want[i * top + r], before = r ? want[i * top + r - 1] : -1;
                cr_assert(r < chosen ? key > before && key <= i && key > i - seen : key == AS_NO_KEY,
                          "top %ld row %ld rank %ld", (long)top, (long)i, (long)r);
            }
        }
        const as_backend *backend;
        for (int b = 1; (backend = level_at(b)) != NULL; b++) {
            for (int64_t from = 0, step = 1; from < TOKENS; from += step, step = step * 3 + 1) {
                int64_t n = from + step < TOKENS ? step : TOKENS - from;
                choose(backend, &execs[step % 3], &s, HEADS, c, q, weights, from, n, got);
            }
            cr_assert_eq(memcmp(got, want, (size_t)count * sizeof *want), 0, "%s: top %ld, window %ld",
                         backend->level, (long)top, (long)c->window);
        }
    }
}

/* Scores of which many are equal, and what torch.topk (2.15, on a CPU) chooses of them: few keys of many by a
 * heap, others by splitting. A row of `total` scores sees `seen`; the rest are less. */
typedef struct tie_case {
    int64_t total, seen, top;
    bool few; /* few scores are not zero */
    int32_t chosen[34];
} tie_case;

static float tied_score(const tie_case *c, int64_t i)
{
    if (c->few) return i % 97 == 60;
    return i * 7 % 5 >= 3 ? (float)(i * 37 % 11 - 5) : 0;
}

Test(index_keys, ties_are_settled_as_torch_settles_them)
{
    static const tie_case cases[] = {
        {10, 10, 3, false, {1, 2, 7}},
        {33, 20, 8, false, {1, 2, 7, 10, 11, 16, 18, 19}},
        {71, 71, 16, false, {2, 7, 19, 24, 27, 29, 32, 37, 43, 46, 48, 49, 52, 54, 57, 62}},
        {71, 50, 33, false, {0,  1,  2,  3,  4,  6,  7,  8,  10, 11, 13, 19, 24, 25, 26, 27, 28,
                             29, 30, 31, 32, 33, 35, 36, 37, 38, 40, 41, 43, 45, 46, 48, 49}},
        {256, 256, 4, true, {1, 60, 157, 254}},
        {290, 200, 4, true, {1, 3, 60, 157}},
        {290, 200, 5, true, {60, 132, 133, 134, 157}},
    };
    as_exec exec = exec_with(1);
    static const float q[] = {1, -1}, weights[] = {1, -1}; /* max(0, k) - max(0, -k) */
    for (size_t t = 0; t < sizeof cases / sizeof cases[0]; t++) {
        const tie_case *c = &cases[t];
        scene s = scene_of(AS_F32, 1, 0, c->seen);
        float *k = guarded((size_t)c->seen * sizeof *k);
        for (int64_t i = 0; i < c->seen; i++) k[i] = tied_score(c, i);
        as_span all = {.count = c->seen, .pages = s.pages};
        as_kv_store_args store = {.cache = &s.cache, .k = k, .k_stride = 1, .spans = &all, .span_count = 1};
        level_at(0)->kv_store(&exec, &store);
        as_span last = {.count = 1, .position = c->seen - 1, .pages = s.pages, .total = c->total};
        int32_t *keys = guarded((size_t)c->top * sizeof *keys);
        as_index_keys_args args = {.cache = &s.cache,
                                   .q = q,
                                   .weights = weights,
                                   .q_stride = 2,
                                   .weight_stride = 2,
                                   .heads = 2,
                                   .top = c->top,
                                   .keys = keys,
                                   .key_stride = c->top,
                                   .spans = &last,
                                   .span_count = 1};
        const as_backend *backend;
        for (int b = 0; (backend = level_at(b)) != NULL; b++) {
            backend->index_keys(&exec, &args);
            for (int64_t r = 0; r < c->top; r++) {
                cr_assert_eq(keys[r], c->chosen[r], "%s: case %zu rank %ld: %d", backend->level, t, (long)r,
                             keys[r]);
            }
        }
    }
}

/* ---- index_runs ------------------------------------------------------------------------------------------
 */

typedef struct run_case {
    int64_t top, every, local;
} run_case;

static void choose_runs(const as_backend *backend, const as_exec *exec, const scene *s, int64_t heads,
                        const run_case *c, const float *q, int64_t from, int64_t n, int32_t *keys)
{
    int64_t width = s->cache.k_width, list = c->top * c->every;
    as_span span = {.count = n, .position = from, .pages = s->pages, .total = s->tokens};
    as_index_runs_args args = {.cache = &s->cache,
                               .q = q + from * heads * width,
                               .q_stride = heads * width,
                               .heads = heads,
                               .top = c->top,
                               .every = c->every,
                               .local = c->local,
                               .keys = keys + from * heads * list,
                               .key_stride = heads * list,
                               .key_head_stride = list,
                               .spans = &span,
                               .span_count = 1};
    backend->index_runs(exec, &args);
}

/* The best product of the row with a key of the run that it sees; one of the last runs is above all. */
static float best_of_run(const run_case *c, const float *k, const float *q, int64_t width, int64_t row,
                         int64_t run)
{
    float best = -INFINITY;
    if (run > row / c->every - c->local) return INFINITY;
    for (int64_t j = run * c->every; j < (run + 1) * c->every && j <= row; j++) {
        float sum = 0;
        for (int64_t i = 0; i < width; i++) sum += q[i] * k[j * width + i];
        best = fmaxf(best, sum);
    }
    return best;
}

/* Whether the row's list is that of its best runs: as many as there may be, whole, and none left out that is
 * better than one taken. */
static void check_runs(const run_case *c, const float *k, const float *q, int64_t width, int64_t row,
                       const int32_t *keys)
{
    int64_t runs = row / c->every + 1, taken = 0, used = 0;
    float least = INFINITY, most = -INFINITY;
    for (int64_t run = 0; run < runs; run++) {
        float best = best_of_run(c, k, q, width, row, run);
        if (keys[used] != run * c->every) {
            most = fmaxf(most, best);
            continue;
        }
        taken++;
        least = fminf(least, best);
        for (int64_t j = run * c->every; j < (run + 1) * c->every && j <= row; j++) {
            cr_assert_eq(keys[used++], j, "row %ld run %ld", (long)row, (long)run);
        }
        if (used == c->top * c->every) break;
    }
    for (; used < c->top * c->every; used++) cr_assert_eq(keys[used], AS_NO_KEY, "row %ld", (long)row);
    cr_assert_eq(taken, runs < c->top ? runs : c->top, "row %ld: %ld runs", (long)row, (long)taken);
    cr_assert(least >= most, "row %ld: %g is left out for %g", (long)row, (double)most, (double)least);
}

/* Small whole numbers, as above. */
Test(index_runs, every_level_takes_the_best_runs)
{
    enum { TOKENS = 200, HEADS = 3, WIDTH = 12 };
    static const run_case cases[] = {{1, 4, 1},  {3, 5, 0},  {4, 16, 2}, {2, 1, 1},
                                     {40, 7, 1}, {2, 70, 1}, {2, 8, 4}};
    as_exec execs[] = {exec_with(2), exec_with(1), exec_with(3)};
    scene s = scene_of(AS_F32, WIDTH, 0, TOKENS);
    float *q = filled((int64_t)TOKENS * HEADS * WIDTH, FILL_NORMAL, 2);
    float *k = filled((int64_t)TOKENS * WIDTH, FILL_NORMAL, 4);
    for (int64_t i = 0; i < (int64_t)TOKENS * WIDTH; i++) k[i] = roundf(2 * k[i]);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS * WIDTH; i++) q[i] = roundf(2 * q[i]);
    as_span all = {.count = TOKENS, .pages = s.pages};
    level_at(0)->kv_store(
        &execs[0],
        &(as_kv_store_args){.cache = &s.cache, .k = k, .k_stride = WIDTH, .spans = &all, .span_count = 1});
    for (size_t t = 0; t < sizeof cases / sizeof cases[0]; t++) {
        const run_case *c = &cases[t];
        int64_t list = c->top * c->every, count = TOKENS * HEADS * list;
        int32_t *want = guarded((size_t)count * sizeof *want), *got = guarded((size_t)count * sizeof *got);
        choose_runs(level_at(0), &execs[0], &s, HEADS, c, q, 0, TOKENS, want);
        for (int64_t i = 0; i < (int64_t)TOKENS * HEADS; i++) {
            check_runs(c, k, q + i * WIDTH, WIDTH, i / HEADS, want + i * list);
        }
        const as_backend *backend;
        for (int b = 1; (backend = level_at(b)) != NULL; b++) {
            for (int64_t from = 0, step = 1; from < TOKENS; from += step, step = step * 3 + 1) {
                int64_t n = from + step < TOKENS ? step : TOKENS - from;
                choose_runs(backend, &execs[step % 3], &s, HEADS, c, q, from, n, got);
            }
            cr_assert_eq(memcmp(got, want, (size_t)count * sizeof *want), 0, "%s: top %ld of %ld",
                         backend->level, (long)c->top, (long)c->every);
        }
    }
}
