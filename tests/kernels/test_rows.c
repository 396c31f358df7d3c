/* The operations on single rows (embed, norm, rope, gate, add, cap, expert_combine, quantize_rows, route):
 * every level against ref, and independence of rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support.h"

/* Widths around a vector and its multiples, and rows that are cut for the workers. */
static const int64_t widths[] = {1, 2, 7, 8, 15, 16, 17, 31, 64, 65, 127, 300, 2048, 20000};
enum { WIDTHS = sizeof widths / sizeof widths[0], ROWS = 9 };

/* One operation at one width: runs rows from..from+n-1 of its input (a fixed function of the case) into out,
 * [ROWS, stride]. */
typedef struct subject {
    const char *name;
    int kind; /* of the operation: an activation, a norm, ... */
    int64_t width, stride;
    fill_kind fill;
    const float *a, *b, *c;
    const float *size; /* like out: what errors are relative to where that is not the result; or NULL */
} subject;

typedef void run_function(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                          int64_t n, float *out);

static float *out_for(const subject *s)
{
    float *out = guarded((size_t)(ROWS * s->stride) * sizeof *out);
    fill(out, ROWS * s->stride, s->fill, 9);
    return out;
}

static void check(run_function *run, const subject *s, double relative, double floor)
{
    as_exec execs[] = {exec_with(1), exec_with(3)};
    float *want = out_for(s);
    double *tolerance = as_alloc((size_t)(ROWS * s->stride) * sizeof *tolerance);
    run(level_at(0), &execs[0], s, 0, ROWS, want);
    const as_backend *backend;
    char name[64];
    snprintf(name, sizeof name, "%s width %ld %s", s->name, (long)s->width, fill_names[s->fill]);
    for (int l = 1; (backend = level_at(l)) != NULL; l++) {
        float *got = out_for(s), *single = out_for(s);
        run(backend, &execs[1], s, 0, ROWS, got);
        for (int64_t i = 0; i < ROWS * s->stride; i++) {
            tolerance[i] = relative * fmax(fabs((double)want[i]), s->size ? (double)s->size[i] : floor);
        }
        expect_close(name, backend->level, got, want, tolerance, ROWS * s->stride, s->stride);
        for (int64_t i = 0; i < ROWS; i++) run(backend, &execs[0], s, i, 1, single);
        expect_same_bits(name, backend->level, single, got, ROWS * s->stride, s->stride);
    }
    as_free(tolerance);
    for (int i = 0; i < 2; i++) {
        as_pool_close(execs[i].pool);
        as_free_pages(execs[i].scratch, (size_t)(i == 0 ? 1 : 3) * AS_SCRATCH_BYTES);
    }
}

static subject subject_of(const char *name, int kind, int64_t width, fill_kind fill)
{
    subject s = {.name = name, .kind = kind, .width = width, .stride = width + 3, .fill = fill};
    s.a = filled(ROWS * s.stride, fill, 1);
    s.b = filled(ROWS * s.stride, fill, 2);
    s.c = filled(ROWS * s.stride, fill, 3);
    return s;
}

static void run_norm(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                     int64_t n, float *out)
{
    bool plain = s->kind > AS_NORM_L2; /* kinds 3..5: without weight and bias, in two groups where even */
    int64_t groups = plain && s->width % 2 == 0 ? 2 : 1;
    as_norm_args args = {.kind = (as_norm_kind)(s->kind % 3),
                         .in = s->a + from * s->stride,
                         .out = out + from * s->stride,
                         .n = n,
                         .groups = groups,
                         .width = s->width / groups,
                         .in_stride = s->stride,
                         .out_stride = s->stride,
                         .weight = plain && s->kind == 3 ? NULL : s->b,
                         .bias = plain ? NULL : s->c,
                         .weight_offset = s->kind == 4 ? 1 : 0,
                         .eps = 1e-5f,
                         .weight_per_group = s->kind == 5};
    backend->norm(exec, &args);
}

Test(rows, norm)
{
    static const fill_kind kinds[] = {FILL_NORMAL, FILL_ZERO, FILL_HUGE, FILL_TINY};
    for (int w = 0; w < WIDTHS; w++) {
        for (int kind = 0; kind < 6; kind++) {
            for (int f = 0; f < 4; f++) {
                subject s = subject_of("norm", kind, widths[w], kinds[f]);
                /* Subtracting the mean leaves errors relative to the largest value, not to the difference. */
                bool differs = kind < 3 || kind == 4; /* with a bias, or a mean */
                double floor = differs ? (kinds[f] == FILL_HUGE ? 1e16 : 10) : 1e-30;
                check(run_norm, &s, 1e-6, floor);
            }
        }
    }
}

static void run_gate(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                     int64_t n, float *out)
{
    bool limited = s->kind >= 2 * AS_ACT_COUNT;
    bool sloped = limited && s->kind % AS_ACT_COUNT == AS_ACT_NONE;
    bool behind = limited && s->kind % AS_ACT_COUNT % 2 == 1; /* the limit holds what the activation gives */
    as_gate_args args = {.act = (as_activation)(s->kind % AS_ACT_COUNT),
                         .limit = limited ? 1.5f : 0,
                         .b_offset = limited ? 1 : 0,
                         .slope = sloped ? 2.5f : 0,
                         .limit_act = behind,
                         .a = s->a + from * s->stride,
                         .b = s->kind / AS_ACT_COUNT != 1 ? s->b + from * s->stride : NULL,
                         .out = out + from * s->stride,
                         .n = n,
                         .width = s->width,
                         .a_stride = s->stride,
                         .b_stride = s->stride,
                         .out_stride = s->stride};
    backend->gate(exec, &args);
}

/* Errors of act(a) b are relative to the larger of 1 and |a|, times |b|. */
static void check_gate(int kind, int64_t width, fill_kind fill)
{
    subject s = subject_of("gate", kind, width, fill);
    float *size = filled(ROWS * s.stride, FILL_ZERO, 0);
    for (int64_t i = 0; i < ROWS * s.stride; i++) {
        float b = kind < AS_ACT_COUNT ? fabsf(s.b[i]) : kind < 2 * AS_ACT_COUNT ? 1 : 2.5f;
        size[i] = fmaxf(1, fabsf(s.a[i])) * b;
    }
    s.size = size;
    check(run_gate, &s, 5e-7, 1);
}

Test(rows, gate)
{
    for (int w = 0; w < WIDTHS; w++) {
        for (int kind = 0; kind < 3 * AS_ACT_COUNT; kind++) {
            check_gate(kind, widths[w], FILL_NORMAL);
            check_gate(kind, widths[w], FILL_SPREAD);
        }
    }
}

static void run_clamp(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                      int64_t n, float *out)
{
    float *x = out + from * s->stride;
    memcpy(x, s->a + from * s->stride, (size_t)(n * s->stride) * sizeof *x);
    backend->clamp(
        exec,
        &(as_clamp_args){.x = x, .n = n, .width = s->width, .stride = s->stride, .least = -1, .most = 0.5f});
}

static void run_scale_groups(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                             int64_t n, float *out)
{
    float *x = out + from * s->stride;
    memcpy(x, s->a + from * s->stride, (size_t)(n * s->stride) * sizeof *x);
    backend->scale_groups(exec, &(as_scale_groups_args){.act = s->kind ? AS_ACT_SIGMOID : AS_ACT_NONE,
                                                        .factors = s->b + from * s->stride,
                                                        .factor_stride = s->stride,
                                                        .x = x,
                                                        .n = n,
                                                        .groups = s->width >= 3 ? 3 : 1,
                                                        .width = s->width >= 3 ? s->width / 3 : s->width,
                                                        .stride = s->stride});
}

Test(rows, clamp_and_scale_groups)
{
    for (int w = 0; w < WIDTHS; w++) {
        subject clamp = subject_of("clamp", 0, widths[w], FILL_SPREAD);
        check(run_clamp, &clamp, 0, 1e-30);
        for (int kind = 0; kind < 2; kind++) {
            subject scale = subject_of("scale_groups", kind, widths[w], FILL_NORMAL);
            check(run_scale_groups, &scale, 5e-7, 1e-30);
        }
    }
}

static void run_xielu(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                      int64_t n, float *out)
{
    float *x = out + from * s->stride;
    memcpy(x, s->a + from * s->stride, (size_t)(n * s->stride) * sizeof *x);
    backend->xielu(exec, &(as_xielu_args){.x = x,
                                          .n = n,
                                          .width = s->width,
                                          .stride = s->stride,
                                          .alpha_p = 0.7f,
                                          .alpha_n = 1.3f,
                                          .beta = 0.5f,
                                          .eps = -1e-6f});
}

Test(rows, xielu)
{
    for (int w = 0; w < WIDTHS; w++) {
        subject s = subject_of("xielu", 0, widths[w], FILL_SPREAD);
        check(run_xielu, &s, 1e-6, 1);
    }
    /* By hand, both sides and the bound just below zero. */
    static const float in[] = {2, 0, -1e-7F, -1};
    static const double out[] = {0.7 * 4 + 1, -1.3e-6, 1.3 * (-1e-6 + 1e-7) - 0.5e-7, 1.3 * exp(-1) - 0.5};
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float x[4];
        memcpy(x, in, sizeof x);
        backend->xielu(&exec, &(as_xielu_args){.x = x,
                                               .n = 1,
                                               .width = 4,
                                               .stride = 4,
                                               .alpha_p = 0.7f,
                                               .alpha_n = 1.3f,
                                               .beta = 0.5f,
                                               .eps = -1e-6f});
        for (int i = 0; i < 4; i++) {
            cr_assert(fabs(x[i] - out[i]) <= 1e-6 * fmax(fabs(out[i]), 1e-3), "%s: xielu of %g is %.9g",
                      backend->level, (double)in[i], (double)x[i]);
        }
    }
}

static void run_add(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from, int64_t n,
                    float *out)
{
    as_add_args args = {.x = s->a + from * s->stride,
                        .out = out + from * s->stride,
                        .n = n,
                        .width = s->width,
                        .x_stride = s->stride,
                        .out_stride = s->stride,
                        .scale = s->kind ? 0.37f : 1,
                        .out_scale = s->kind ? 1.3f : 1};
    backend->add(exec, &args);
}

static void run_cap(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from, int64_t n,
                    float *out)
{
    as_cap_args args = {.x = out + from * s->stride,
                        .n = n,
                        .width = s->width,
                        .stride = s->stride,
                        .cap = s->kind ? 30 : 0,
                        .scale = 0.7f};
    backend->cap(exec, &args);
}

Test(rows, add_and_cap)
{
    for (int w = 0; w < WIDTHS; w++) {
        for (int kind = 0; kind < 2; kind++) {
            subject s = subject_of("add", kind, widths[w], FILL_NORMAL);
            check(run_add, &s, 1e-6, 1);
            s = subject_of("cap", kind, widths[w], FILL_SPREAD);
            check(run_cap, &s, 1e-6, 1e-30);
        }
    }
}

/* kind: 0 half, 1 interleaved; +2: a part of the head, off its start. */
static void run_rope(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                     int64_t n, float *out)
{
    int64_t width = s->width / 2, rotary = width & ~(int64_t)1, offset = 0;
    if (s->kind >= 2 && width >= 4) {
        rotary = (width / 2) & ~(int64_t)1;
        offset = width - rotary;
    }
    as_rope_args args = {.kind = s->kind % 2 ? AS_ROPE_INTERLEAVED : AS_ROPE_HALF,
                         .x = out + from * s->stride,
                         .n = n,
                         .heads = 2,
                         .width = width,
                         .stride = s->stride,
                         .offset = offset,
                         .rotary = rotary,
                         .cos = s->a + from * (rotary / 2),
                         .sin = s->b + from * (rotary / 2)};
    backend->rope(exec, &args);
}

Test(rows, rope)
{
    static const int64_t heads[] = {2, 4, 8, 12, 20, 24, 32, 34, 48, 64, 80, 96, 128, 192, 256, 576};
    for (int w = 0; w < 16; w++) {
        for (int kind = 0; kind < 4; kind++) {
            subject s = subject_of("rope", kind, 2 * heads[w], FILL_NORMAL);
            check(run_rope, &s, 1e-6, 1);
        }
    }
}

static void run_embed(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                      int64_t n, float *out)
{
    static const as_dtype types[] = {AS_F32, AS_F16, AS_BF16, AS_E4M3};
    static const int32_t tokens[ROWS] = {4, 0, 3, 3, 1, 2, 4, 0, 1};
    as_matrix m = {.dtype = types[s->kind % 4], .rows = 5, .cols = s->width, .stride = s->stride};
    m.data = stored_as(m.dtype, s->a, 4 * s->stride + s->width);
    m.scale = (as_scale_kind)(s->kind / 4);
    m.scales = s->b;
    m.block_rows = 2;
    m.block_cols = 40;
    float *scales = NULL;
    if (m.scale == AS_SCALE_BLOCK) m.scales = scales = filled(3 * (s->width / 40 + 1), FILL_POSITIVE, 5);
    as_embed_args args = {.matrix = &m,
                          .tokens = tokens + from,
                          .n = n,
                          .scale = 1.25f,
                          .out = out + from * s->stride,
                          .out_stride = s->stride};
    backend->embed(exec, &args);
}

Test(rows, embed)
{
    for (int w = 0; w < WIDTHS - 1; w++) {
        for (int kind = 0; kind < 16; kind++) {
            subject s = subject_of("embed", kind, widths[w] < 5 ? 5 : widths[w], FILL_NORMAL);
            check(run_embed, &s, 2e-7, 1e-6);
        }
    }
}

static void run_combine(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                        int64_t n, float *out)
{
    int64_t k = s->kind;
    int32_t ids[ROWS * 8];
    float *x = filled(ROWS * k * s->stride, FILL_NORMAL, 6);
    for (int64_t i = 0; i < ROWS * k; i++) ids[i] = (int32_t)((i % k * 5 + i / k) % 11);
    as_expert_combine_args args = {.x = x + from * k * s->stride,
                                   .weights = s->a + from * k,
                                   .ids = ids + from * k,
                                   .n = n,
                                   .top_k = k,
                                   .width = s->width,
                                   .x_stride = s->stride,
                                   .out_stride = s->stride,
                                   .out = out + from * s->stride};
    backend->expert_combine(exec, &args);
}

Test(rows, expert_combine)
{
    for (int w = 4; w < WIDTHS - 1; w++) {
        for (int k = 1; k <= 8; k += 3) {
            subject s = subject_of("expert_combine", k, widths[w], FILL_NORMAL);
            check(run_combine, &s, 1e-6, 4);
        }
    }
}

/* out holds the rounded numbers, and the scales in the columns behind them. */
static void run_quantize(const as_backend *backend, const as_exec *exec, const subject *s, int64_t from,
                         int64_t n, float *out)
{
    enum { BLOCK = 24 };
    int64_t blocks = s->kind == AS_QUANT_BLOCK ? (s->width + BLOCK - 1) / BLOCK : 1;
    float *scale = guarded((size_t)(n * blocks) * sizeof *scale);
    as_quantize_rows_args args = {.kind = (as_quant_kind)s->kind,
                                  .x = s->a + from * s->stride,
                                  .out = out + from * s->stride,
                                  .n = n,
                                  .width = s->width,
                                  .x_stride = s->stride,
                                  .out_stride = s->stride,
                                  .block = BLOCK,
                                  .scale = scale};
    backend->quantize_rows(exec, &args);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t b = 0; b < 3 && b < blocks; b++) {
            out[(from + i) * s->stride + s->width + b] = scale[i * blocks + b];
        }
    }
}

Test(rows, quantize)
{
    static const fill_kind kinds[] = {FILL_NORMAL, FILL_ZERO, FILL_HUGE, FILL_DENORMAL, FILL_SPREAD};
    as_exec exec = exec_with(3);
    for (int w = 0; w < WIDTHS; w++) {
        for (int f = 0; f < 5; f++) {
            for (int kind = AS_QUANT_TOKEN; kind <= AS_QUANT_INT8; kind++) {
                subject s = subject_of("quantize_rows", kind, widths[w], kinds[f]);
                check(run_quantize, &s, 0, 0); /* the same bits as ref */
            }
            subject s = subject_of("quantize_rows", AS_QUANT_TENSOR, widths[w], kinds[f]);
            float *want = out_for(&s);
            run_quantize(level_at(0), &exec, &s, 0, ROWS, want);
            const as_backend *backend;
            for (int l = 1; (backend = level_at(l)) != NULL; l++) {
                float *got = out_for(&s);
                run_quantize(backend, &exec, &s, 0, ROWS, got);
                expect_same_bits("quantize_rows tensor", backend->level, got, want, ROWS * s.stride,
                                 s.stride);
            }
        }
    }
}

/* NaN in one place comes out there, and in all of a row that is normalised or quantized. */
Test(rows, nan_is_not_hidden)
{
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        subject s = subject_of("nan", 0, 37, FILL_NORMAL);
        ((float *)(uintptr_t)s.a)[2 * s.stride + 33] = NAN;
        for (int act = 0; act < AS_ACT_COUNT; act++) {
            float *out = out_for(&s);
            s.kind = act;
            run_gate(backend, &exec, &s, 0, ROWS, out);
            for (int64_t i = 0; i < ROWS * s.stride; i++) {
                cr_assert_eq(isnan(out[i]), i == 2 * s.stride + 33, "%s act %d: [%ld] is %g", backend->level,
                             act, (long)i, (double)out[i]);
            }
        }
        for (int kind = 0; kind < 3; kind++) {
            float *out = out_for(&s);
            s.kind = kind;
            run_norm(backend, &exec, &s, 0, ROWS, out);
            for (int64_t i = 0; i < 37; i++) cr_assert(isnan(out[2 * s.stride + i]));
            cr_assert_not(isnan(out[0]));
        }
        float *out = out_for(&s);
        s.kind = AS_QUANT_TOKEN;
        run_quantize(backend, &exec, &s, 0, ROWS, out);
        for (int64_t i = 0; i < 37; i++) cr_assert(isnan(out[2 * s.stride + i]));
        cr_assert_not(isnan(out[0]));
        s.kind = AS_QUANT_TENSOR;
        run_quantize(backend, &exec, &s, 0, ROWS, out);
        cr_assert(isnan(out[0]));
    }
}

Test(rows, infinity_through_activations)
{
    /* What each tends to; high 0 stands for infinity. */
    static const struct {
        float high, low;
    } limits[AS_ACT_COUNT] = {
        [AS_ACT_NONE] = {0, -INFINITY},  [AS_ACT_SIGMOID] = {1, 0}, [AS_ACT_TANH] = {1, -1},
        [AS_ACT_GELU_CLIPPED] = {10, 0}, [AS_ACT_LAPLACE] = {1, 0}, [AS_ACT_LEAKY_RELU] = {0, -INFINITY},
        [AS_ACT_RELU6] = {6, 0},
    };
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        subject s = subject_of("infinity", 0, 2, FILL_NORMAL);
        for (int act = 0; act < AS_ACT_COUNT; act++) {
            float *a = (float *)(uintptr_t)s.a, *out = out_for(&s);
            a[0] = INFINITY;
            a[1] = -INFINITY;
            s.kind = act + AS_ACT_COUNT;
            run_gate(backend, &exec, &s, 0, 1, out);
            float high = limits[act].high != 0 ? limits[act].high : INFINITY, low = limits[act].low;
            cr_assert_eq(out[0], high, "%s act %d of inf: %g", backend->level, act, (double)out[0]);
            cr_assert_eq(out[1], low, "%s act %d of -inf: %g", backend->level, act, (double)out[1]);
        }
    }
}

typedef struct route_record {
    as_route_kind kind;
    int64_t experts, top_k, groups, group_top;
    bool bias, by_max, normalise;
} route_record;

/* Routing by hand: the definition, as plainly as it can be written, for rows without ties. */
static void route_plainly(const route_record *r, const float *scores, const float *bias, int32_t *ids,
                          double *weights)
{
    double value[64], choice[64], group[64], sum = 0;
    for (int64_t i = 0; i < r->experts; i++) sum += exp(scores[i]);
    for (int64_t i = 0; i < r->experts; i++) {
        value[i] = r->kind == AS_ROUTE_SIGMOID   ? 1 / (1 + exp(-scores[i]))
                   : r->kind == AS_ROUTE_SOFTMAX ? exp(scores[i]) / sum
                                                 : scores[i];
        choice[i] = value[i] + (r->bias ? bias[i] : 0);
    }
    int64_t size = r->groups > 1 ? r->experts / r->groups : r->experts;
    for (int64_t g = 0; r->groups > 1 && g < r->groups; g++) {
        double first = -1e9, second = -1e9;
        for (int64_t i = g * size; i < (g + 1) * size; i++) {
            if (choice[i] > first) {
                second = first;
                first = choice[i];
            } else if (choice[i] > second) {
                second = choice[i];
            }
        }
        group[g] = r->by_max ? first : first + second;
    }
    for (int64_t i = 0; r->groups > 1 && i < r->experts; i++) {
        int64_t better = 0;
        for (int64_t g = 0; g < r->groups; g++) better += group[g] > group[i / size];
        if (better >= r->group_top) choice[i] = -1e9;
    }
    sum = 0;
    for (int64_t k = 0; k < r->top_k; k++) {
        int64_t best = 0;
        for (int64_t i = 1; i < r->experts; i++) best = choice[i] > choice[best] ? i : best;
        ids[k] = (int32_t)best;
        weights[k] = r->kind == AS_ROUTE_SOFTMAX_TOPK ? exp(value[best]) : value[best];
        sum += weights[k];
        choice[best] = -1e10;
    }
    bool divide = r->normalise || r->kind == AS_ROUTE_SOFTMAX_TOPK;
    for (int64_t k = 0; k < r->top_k; k++) weights[k] = (divide ? weights[k] / sum : weights[k]) * 1.5;
}

Test(rows, route)
{
    static const route_record records[] = {
        {AS_ROUTE_SOFTMAX, 8, 2, 1, 1, false, false, false},
        {AS_ROUTE_SOFTMAX, 60, 4, 1, 1, false, false, true},
        {AS_ROUTE_SOFTMAX_TOPK, 8, 2, 1, 1, false, false, true},
        {AS_ROUTE_SOFTMAX_TOPK, 32, 4, 0, 0, true, false, false},
        {AS_ROUTE_SIGMOID, 64, 8, 8, 4, true, false, true},
        {AS_ROUTE_SIGMOID, 16, 1, 1, 1, false, false, false},
        {AS_ROUTE_SOFTMAX, 64, 6, 8, 3, false, true, false},
    };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        for (int i = 0; i < 7; i++) {
            const route_record *r = &records[i];
            int32_t ids[40 * 8], want_ids[8];
            float weights[40 * 8], *scores = filled(40 * r->experts, FILL_NORMAL, 1);
            float *bias = filled(r->experts, FILL_NORMAL, 2);
            double want[8];
            as_route_args args = {.kind = r->kind,
                                  .scores = scores,
                                  .bias = r->bias ? bias : NULL,
                                  .n = 40,
                                  .experts = r->experts,
                                  .top_k = r->top_k,
                                  .groups = r->groups,
                                  .group_top = r->group_top,
                                  .group_by_max = r->by_max,
                                  .normalise = r->normalise,
                                  .scale = 1.5f,
                                  .ids = ids,
                                  .weights = weights};
            backend->route(&exec, &args);
            for (int64_t row = 0; row < 40; row++) {
                route_plainly(r, scores + row * r->experts, bias, want_ids, want);
                for (int64_t k = 0; k < r->top_k; k++) {
                    cr_assert_eq(ids[row * r->top_k + k], want_ids[k], "record %d row %ld", i, (long)row);
                    cr_assert_float_eq(weights[row * r->top_k + k], want[k], 1e-6);
                }
            }
        }
    }
}

/* Of four equal ones torch.topk takes the last two and the first; test_route.c has more. */
Test(rows, route_settles_equals_as_torch_and_shows_nan)
{
    float scores[2][6] = {{1, 3, 3, 3, 2, 3}, {1, NAN, 2, 0, 0, 0}}, weights[2 * 3];
    int32_t ids[2 * 3];
    as_exec exec = exec_with(1);
    as_route_args args = {.kind = AS_ROUTE_SOFTMAX,
                          .scores = scores[0],
                          .n = 2,
                          .experts = 6,
                          .top_k = 3,
                          .groups = 1,
                          .group_top = 1,
                          .scale = 1,
                          .ids = ids,
                          .weights = weights};
    level_at(0)->route(&exec, &args);
    static const int32_t expected[] = {1, 3, 5}; /* of one rank, in ascending order */
    for (int k = 0; k < 3; k++) cr_assert_eq(ids[k], expected[k]);
    for (int k = 0; k < 3; k++) {
        cr_assert(isnan(weights[3 + k]));
        cr_assert(ids[3 + k] >= 0 && ids[3 + k] < 6);
    }
}

/* Vectors longer than `most` get that length, others stay but for rounding. */
Test(rows, long_vectors_are_shortened)
{
    enum { LINES = 3, GROUPS = 2, WIDTH = 21, STRIDE = 50 };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float x[LINES * STRIDE], was[LINES * STRIDE];
        for (int i = 0; i < LINES * STRIDE; i++)
            was[i] = x[i] = (float)((i * 37 % 19) - 9) * (i < STRIDE ? 0.01f : 1);
        backend->shorten(
            &exec, &(as_shorten_args){
                       .x = x, .n = LINES, .groups = GROUPS, .width = WIDTH, .stride = STRIDE, .most = 2});
        for (int i = 0; i < LINES * STRIDE; i++) {
            int row = i / STRIDE, at = i % STRIDE;
            if (at >= GROUPS * WIDTH) {
                cr_assert_eq(x[i], was[i], "%s: behind the vectors", backend->level);
                continue;
            }
            double squares = 0;
            const float *vector = was + row * STRIDE + at / WIDTH * WIDTH;
            for (int k = 0; k < WIDTH; k++) squares += (double)vector[k] * vector[k];
            double factor = fmin(1, 2 / (sqrt(squares) + 1e-6));
            cr_assert((row == 0) == (factor == 1));
            cr_assert_float_eq(x[i], was[i] * factor, 1e-6 * fabs(was[i] * factor) + 1e-12, "%s: [%d,%d]",
                               backend->level, row, at);
        }
    }
}
