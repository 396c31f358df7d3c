/* What attention with compressed keys and hyper-connections add: keys of several tokens, the logarithm of the
 * denominator, pooling, the streams' weights, given experts. */
#include <math.h>
#include <string.h>

#include "tests/kernels/support.h"

enum { TOKENS = 400, HEADS = 3, WIDTH = 20, PAGES = (TOKENS + AS_PAGE_TOKENS - 1) / AS_PAGE_TOKENS };

static int32_t pages[PAGES];

/* A cache of TOKENS vectors that are keys and values, and queries. */
static as_kv_layer cache_of(const as_exec *exec, float **q)
{
    as_kv_layer cache = {.dtype = AS_F32, .kv_heads = 1, .k_width = WIDTH, .v_width = WIDTH};
    cache.k = cache.v = guarded((size_t)PAGES * AS_PAGE_TOKENS * WIDTH * sizeof(float));
    for (int p = 0; p < PAGES; p++) pages[p] = (p * 3 + 1) % PAGES;
    as_span all = {.count = TOKENS, .pages = pages};
    level_at(0)->kv_store(exec, &(as_kv_store_args){.cache = &cache,
                                                    .k = filled((int64_t)TOKENS * WIDTH, FILL_NORMAL, 1),
                                                    .k_stride = WIDTH,
                                                    .spans = &all,
                                                    .span_count = 1});
    *q = filled((int64_t)TOKENS * HEADS * WIDTH, FILL_NORMAL, 2);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS * WIDTH; i++) (*q)[i] *= 3;
    return cache;
}

static void attend(const as_backend *backend, const as_exec *exec, const as_kv_layer *cache, const float *q,
                   int64_t every, const float *sinks, int64_t from, int64_t n, float *out, float *lse)
{
    as_span span = {.count = n, .position = from, .pages = pages};
    backend->attention(exec, &(as_attention_args){.cache = cache,
                                                  .q = q + from * HEADS * WIDTH,
                                                  .out = out + from * HEADS * WIDTH,
                                                  .q_stride = (int64_t)HEADS * WIDTH,
                                                  .out_stride = (int64_t)HEADS * WIDTH,
                                                  .heads = HEADS,
                                                  .scale = 1,
                                                  .sinks = sinks,
                                                  .every = every,
                                                  .lse = lse + from * HEADS,
                                                  .spans = &span,
                                                  .span_count = 1});
}

static void check_every(int64_t every, const float *sinks)
{
    as_exec execs[] = {exec_with(1), exec_with(3)};
    int64_t wide = (int64_t)HEADS * WIDTH, count = TOKENS * wide, few = (int64_t)TOKENS * HEADS;
    float *q, *want = filled(count, FILL_ZERO, 0), *want_lse = filled(few, FILL_ZERO, 0);
    as_kv_layer cache = cache_of(&execs[0], &q);
    attend(level_at(0), &execs[0], &cache, q, every, sinks, 0, TOKENS, want, want_lse);
    for (int64_t i = 0; every && i < every - 1 && !sinks; i++) {
        cr_assert(want[i * wide] == 0 && want_lse[i * HEADS] == -INFINITY, "row %ld sees no key", (long)i);
    }
    const as_backend *backend;
    for (int l = 1; (backend = level_at(l)) != NULL; l++) {
        float *got = filled(count, FILL_NORMAL, 9), *got_lse = filled(few, FILL_NORMAL, 9);
        attend(backend, &execs[1], &cache, q, every, sinks, 0, TOKENS, got, got_lse);
        expect_near("keys of several tokens", backend->level, got, want, 2e-6, 1, count, wide);
        for (int64_t i = 0; i < few; i++) {
            bool near = got_lse[i] == want_lse[i] ||
                        fabs((double)got_lse[i] - want_lse[i]) <= 2e-6 * fmax(1, fabs((double)want_lse[i]));
            cr_assert(near, "%s: lse %g, expected %g", backend->level, (double)got_lse[i],
                      (double)want_lse[i]);
        }
        float *parts = filled(count, FILL_NORMAL, 8), *parts_lse = filled(few, FILL_NORMAL, 8);
        for (int64_t from = 0, step = 1; from < TOKENS; from += step, step = step * 3 + 1) {
            int64_t n = from + step < TOKENS ? step : TOKENS - from;
            attend(backend, &execs[step % 2], &cache, q, every, sinks, from, n, parts, parts_lse);
        }
        expect_same_bits("keys of several tokens", backend->level, parts, got, count, wide);
        expect_same_bits("lse", backend->level, parts_lse, got_lse, few, HEADS);
    }
}

Test(attention, keys_of_several_tokens_and_the_denominator)
{
    static const int64_t every[] = {0, 1, 3, 4, 128};
    static const float sinks[HEADS] = {-2, 0.5f, 3};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        check_every(every[i], NULL);
        check_every(every[i], sinks);
    }
}

/* Small whole numbers, so that every level must choose the same. */
Test(index_keys, of_keys_of_several_tokens)
{
    enum { TOP = 9, EVERY = 5 };
    as_exec exec = exec_with(2);
    float *q;
    as_kv_layer cache = cache_of(&exec, &q);
    float *k = (float *)(void *)cache.k, *weights = filled((int64_t)TOKENS * HEADS, FILL_NORMAL, 3);
    for (int64_t i = 0; i < (int64_t)PAGES * AS_PAGE_TOKENS * WIDTH; i++) k[i] = roundf(3 * k[i]);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS * WIDTH; i++) q[i] = roundf(q[i]);
    for (int64_t i = 0; i < (int64_t)TOKENS * HEADS; i++) weights[i] = roundf(4 * weights[i]);
    cache.v_width = 0;
    as_span span = {.count = TOKENS, .pages = pages};
    int32_t *keys[8] = {NULL};
    const as_backend *backend;
    for (int l = 0; l < 8 && (backend = level_at(l)) != NULL; l++) {
        keys[l] = guarded((size_t)TOKENS * (TOP + 2) * sizeof **keys);
        memset(keys[l], 0, (size_t)TOKENS * (TOP + 2) * sizeof **keys);
        backend->index_keys(&exec, &(as_index_keys_args){.cache = &cache,
                                                         .q = q,
                                                         .weights = weights,
                                                         .q_stride = (int64_t)HEADS * WIDTH,
                                                         .weight_stride = HEADS,
                                                         .heads = HEADS,
                                                         .top = TOP,
                                                         .every = EVERY,
                                                         .keys = keys[l],
                                                         .key_stride = TOP + 2,
                                                         .spans = &span,
                                                         .span_count = 1});
        cr_assert_eq(memcmp(keys[l], keys[0], (size_t)TOKENS * (TOP + 2) * sizeof **keys), 0, "%s",
                     backend->level);
    }
    for (int64_t i = 0; i < TOKENS; i++) {
        int64_t seen = (i + 1) / EVERY, chosen = seen < TOP ? seen : TOP;
        for (int64_t r = 0; r < TOP; r++) {
            int32_t key = keys[0][i * (TOP + 2) + r];
            cr_assert(r < chosen ? key < seen : key == AS_NO_KEY, "row %ld rank %ld: %d", (long)i, (long)r,
                      key);
        }
    }
}

/* ---- pool_keys -------------------------------------------------------------------------------------------
 */

typedef struct pooled {
    int64_t width, every, cols;
    bool overlap;
    const float *x, *gate, *bias;
} pooled;

/* The definition, in float64: window w of each channel. */
static double pool_of(const pooled *p, int64_t w, int64_t c)
{
    double top = 0, total = 0;
    for (int64_t half = p->overlap ? 0 : 1; half < 2; half++) {
        int64_t window = w - 1 + half, col = p->overlap ? half * p->width + c : c;
        for (int64_t t = 0; window >= 0 && t < p->every; t++) {
            int64_t row = window * p->every + t;
            double weight = exp((double)p->gate[row * p->cols + col] + p->bias[t * p->cols + col]);
            total += weight;
            top += weight * p->x[row * p->cols + col];
        }
    }
    return top / total;
}

static void pool(const as_backend *backend, const as_exec *exec, const pooled *p, int64_t from, int64_t n,
                 float *state, float *out)
{
    as_span spans[2] = {{.count = n / 3, .position = from, .state = 1},
                        {.first = n / 3, .count = n - n / 3, .position = from + n / 3, .state = 1}};
    for (int s = 0; s < 2; s++) { /* one sequence's rows never stand in two spans of a call */
        backend->pool_keys(exec, &(as_pool_keys_args){.x = p->x + from * p->cols,
                                                      .gate = p->gate + from * p->cols,
                                                      .bias = p->bias,
                                                      .out = out + from * p->width,
                                                      .width = p->width,
                                                      .every = p->every,
                                                      .x_stride = p->cols,
                                                      .gate_stride = p->cols,
                                                      .out_stride = p->width,
                                                      .overlap = p->overlap,
                                                      .state = state,
                                                      .spans = &spans[s],
                                                      .span_count = 1});
    }
}

static void check_pool(int64_t width, int64_t every, bool overlap)
{
    enum { ROWS = 60 };
    as_exec execs[] = {exec_with(1), exec_with(3)};
    pooled p = {.width = width, .every = every, .overlap = overlap, .cols = overlap ? 2 * width : width};
    p.x = filled(ROWS * p.cols, FILL_NORMAL, 1);
    p.gate = filled(ROWS * p.cols, FILL_NORMAL, 2);
    p.bias = filled(every * p.cols, FILL_NORMAL, 3);
    int64_t states = 2 * (overlap ? 2 : 1) * 3 * width, count = ROWS * width;
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *whole = filled(count, FILL_NORMAL, 4), *parts = filled(count, FILL_NORMAL, 5);
        float *one = filled(states, FILL_ZERO, 0), *other = filled(states, FILL_ZERO, 0);
        pool(backend, &execs[0], &p, 0, ROWS, one, whole);
        for (int64_t from = 0, step = 1; from < ROWS; from += step, step = step * 2 + 1) {
            pool(backend, &execs[step % 2], &p, from, from + step < ROWS ? step : ROWS - from, other, parts);
        }
        expect_same_bits("pool_keys", backend->level, parts, whole, count, width);
        expect_same_bits("pool_keys' state", backend->level, other, one, states, width);
        for (int64_t i = 0; i < count; i++) {
            int64_t row = i / width;
            double want = row % every == every - 1 ? pool_of(&p, row / every, i % width) : 0;
            cr_assert(fabs(whole[i] - want) <= 1e-5, "%s: every %ld row %ld: %g, expected %g", backend->level,
                      (long)every, (long)row, (double)whole[i], want);
        }
    }
}

Test(pool_keys, is_a_softmax_over_each_window)
{
    static const int64_t every[] = {1, 2, 5, 16, 59};
    for (size_t i = 0; i < sizeof every / sizeof every[0]; i++) {
        check_pool(3, every[i], false);
        check_pool(130, every[i], true);
    }
}

/* ---- streams ---------------------------------------------------------------------------------------------
 */

/* Rows and columns of the weights between streams sum to one; the others are sigmoids. */
Test(hyper_weights, are_balanced)
{
    enum { ROWS = 7, STREAMS = 4, PARTS = (2 + STREAMS) * STREAMS };
    static const float scale[3] = {0.5f, 2, 1.5f};
    as_exec exec = exec_with(2);
    float *x = filled(ROWS * PARTS, FILL_NORMAL, 1), *base = filled(PARTS, FILL_NORMAL, 2);
    float *in = guarded(ROWS * STREAMS * sizeof *in), *out = guarded(ROWS * PARTS * sizeof *out);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        backend->hyper_weights(&exec, &(as_hyper_weights_args){.x = x,
                                                               .base = base,
                                                               .scale = scale,
                                                               .in = in,
                                                               .out = out,
                                                               .mix = out + STREAMS,
                                                               .n = ROWS,
                                                               .streams = STREAMS,
                                                               .iterations = 30,
                                                               .x_stride = PARTS,
                                                               .in_stride = STREAMS,
                                                               .stride = PARTS,
                                                               .eps = 1e-7f,
                                                               .magnitude = 2,
                                                               .out_eps = 0.25f});
        for (int64_t i = 0; i < ROWS; i++) {
            const float *mix = out + i * PARTS + STREAMS;
            for (int s = 0; s < STREAMS; s++) {
                double row = 0, column = 0, z = 0.5 * x[i * PARTS + s] + base[s];
                for (int k = 0; k < STREAMS; k++) {
                    row += mix[s * STREAMS + k];
                    column += mix[k * STREAMS + s];
                }
                cr_assert(fabs(row - 1) < 1e-5 && fabs(column - 1) < 1e-4, "row %g, column %g", row, column);
                cr_assert_float_eq(in[i * STREAMS + s], 1 / (1 + exp(-z)), 2e-6);
                z = 2 * (double)x[i * PARTS + STREAMS + s] + base[STREAMS + s];
                cr_assert_float_eq(out[i * PARTS + s], 2 / (1 + exp(-z)) + 0.25, 2e-6);
            }
        }
    }
}

/* One round: columns of what the softmax of rows gives, and that transposed. */
Test(hyper_weights, mix_is_written_transposed)
{
    static const float x[2 * 2 + 4] = {0, 0, 0, 0, 1, 0, 0, 0}, base[8] = {0}, scale[3] = {1, 1, 1};
    as_exec exec = exec_with(1);
    float in[2], out[6];
    double e = exp(1), a = e / (e + 1), b = 1 / (e + 1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        backend->hyper_weights(&exec, &(as_hyper_weights_args){.x = x,
                                                               .base = base,
                                                               .scale = scale,
                                                               .in = in,
                                                               .out = out,
                                                               .mix = out + 2,
                                                               .n = 1,
                                                               .streams = 2,
                                                               .iterations = 1,
                                                               .x_stride = 8,
                                                               .in_stride = 2,
                                                               .stride = 6,
                                                               .magnitude = 2});
        const double want[4] = {a / (a + 0.5), 0.5 / (a + 0.5), b / (b + 0.5), 0.5 / (b + 0.5)};
        for (int i = 0; i < 4; i++) cr_assert_float_eq(out[2 + i], want[i], 2e-6, "factor %d", i);
    }
}

Test(mix_streams, may_replace)
{
    static const float factors[4] = {0.5f, 2, -1, 3};
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float x[4] = {1, 10, 100, 1000};
        backend->mix_streams(&exec, &(as_mix_streams_args){.factors = factors,
                                                           .from = x,
                                                           .x = x,
                                                           .n = 1,
                                                           .streams = 2,
                                                           .from_count = 2,
                                                           .width = 2,
                                                           .factor_stride = 4,
                                                           .from_stride = 4,
                                                           .x_stride = 4,
                                                           .replace = true});
        cr_assert(x[0] == 200.5f && x[1] == 2005 && x[2] == 299 && x[3] == 2990);
    }
}

/* ---- route -----------------------------------------------------------------------------------------------
 */

Test(route, weighs_given_experts)
{
    static const float scores[4] = {0, 1, -1, 2};
    as_exec exec = exec_with(1);
    int32_t ids[3] = {2, 0, 2}; /* one of them twice */
    float weights[3];
    level_at(0)->route(&exec, &(as_route_args){.kind = AS_ROUTE_SQRT_SOFTPLUS,
                                               .scores = scores,
                                               .n = 1,
                                               .experts = 4,
                                               .top_k = 3,
                                               .groups = 1,
                                               .group_top = 1,
                                               .given = true,
                                               .normalise = true,
                                               .scale = 3,
                                               .ids = ids,
                                               .weights = weights});
    double a = sqrt(log1p(exp(-1))), b = sqrt(log(2)), sum = 2 * a + b;
    cr_assert(ids[0] == 2 && ids[1] == 0 && ids[2] == 2);
    cr_assert_float_eq(weights[0], 3 * a / sum, 1e-6);
    cr_assert_float_eq(weights[1], 3 * b / sum, 1e-6);
    cr_assert_eq(weights[0], weights[2]);
}

Test(expert_combine, adds_an_expert_that_is_there_twice)
{
    static const int32_t ids[4] = {3, 1, 3, 0};
    static const float weights[4] = {1, 10, 100, 1000}, x[4] = {1, 2, 3, 4};
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float out = 0.5f;
        backend->expert_combine(&exec, &(as_expert_combine_args){.x = x,
                                                                 .weights = weights,
                                                                 .ids = ids,
                                                                 .n = 1,
                                                                 .top_k = 4,
                                                                 .width = 1,
                                                                 .x_stride = 1,
                                                                 .out_stride = 1,
                                                                 .out = &out});
        cr_assert_eq(out, 4321.5f, "%s: %g", backend->level, (double)out);
    }
}

/* Of two groups the second is taken; its worse expert counts less than zero, so that one of the first, which
 * counts as zero, goes before it: of these two the one that torch.topk takes. */
Test(route, counts_groups_not_taken_as_zero)
{
    static const float scores[4] = {-1, -2, 3, -3}, bias[4] = {-0.2f, -0.1f, 0, -0.5f};
    as_exec exec = exec_with(1);
    int32_t ids[2];
    float weights[2];
    as_route_args args = {.kind = AS_ROUTE_SIGMOID,
                          .scores = scores,
                          .bias = bias,
                          .n = 1,
                          .experts = 4,
                          .top_k = 2,
                          .groups = 2,
                          .group_top = 1,
                          .scale = 1,
                          .ids = ids,
                          .weights = weights};
    level_at(0)->route(&exec, &args);
    cr_assert(ids[0] == 2 && ids[1] == 3);
    args.groups_as_zero = true;
    level_at(0)->route(&exec, &args);
    cr_assert(ids[0] == 2 && ids[1] == 1, "%d %d", ids[0], ids[1]);
    cr_assert_float_eq(weights[1], 1 / (1 + exp(2)), 1e-6);
}
