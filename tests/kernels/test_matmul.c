/* matmul and expert_matmul: every level against ref, and independence of rows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support.h"

typedef struct record {
    as_dtype type;
    as_scale_kind scale;
    int64_t rows, cols, n;
    int64_t pad; /* added to every stride */
    bool bias, accumulate;
    int x_scale; /* 0 none, 1 per row, otherwise the block */
    fill_kind w, x;
} record;

static const record records[] = {
    /* one row, widths around a vector, a line, a block of columns */
    {AS_F32, AS_SCALE_NONE, 1, 1, 1, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F16, AS_SCALE_NONE, 3, 7, 1, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_BF16, AS_SCALE_NONE, 5, 8, 2, 0, true, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_NONE, 17, 15, 3, 0, false, true, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F32, AS_SCALE_NONE, 16, 16, 4, 3, true, true, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F16, AS_SCALE_NONE, 33, 63, 5, 1, true, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_BF16, AS_SCALE_NONE, 47, 65, 6, 5, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_NONE, 49, 129, 7, 7, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F32, AS_SCALE_NONE, 64, 1023, 8, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F16, AS_SCALE_NONE, 50, 1024, 13, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_BF16, AS_SCALE_NONE, 70, 1025, 16, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_NONE, 96, 2048, 17, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F32, AS_SCALE_NONE, 31, 2500, 33, 4, true, true, 0, FILL_POSITIVE, FILL_POSITIVE},
    {AS_F16, AS_SCALE_NONE, 100, 5632, 50, 0, false, false, 0, FILL_POSITIVE, FILL_POSITIVE},
    {AS_BF16, AS_SCALE_NONE, 100, 5632, 50, 0, true, false, 0, FILL_POSITIVE, FILL_POSITIVE},
    {AS_BF16, AS_SCALE_NONE, 64, 256, 100, 8, true, true, 0, FILL_NORMAL, FILL_SPREAD},
    {AS_F16, AS_SCALE_NONE, 64, 256, 100, 8, true, true, 0, FILL_NORMAL, FILL_SPREAD},
    /* blocks */
    {AS_Q8_0, AS_SCALE_NONE, 1, 32, 1, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_Q8_0, AS_SCALE_NONE, 33, 96, 5, 32, true, true, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_Q8_0, AS_SCALE_NONE, 70, 1056, 16, 0, true, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_Q8_0, AS_SCALE_NONE, 100, 2080, 50, 0, false, false, 0, FILL_SPREAD, FILL_NORMAL},
    {AS_E2M1, AS_SCALE_POWERS, 1, 32, 1, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E2M1, AS_SCALE_POWERS, 33, 96, 5, 32, true, true, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E2M1, AS_SCALE_POWERS, 70, 1056, 16, 0, true, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_E2M1, AS_SCALE_POWERS, 100, 2080, 50, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    /* scales */
    {AS_E4M3, AS_SCALE_TENSOR, 40, 300, 9, 0, true, false, 0, FILL_SPREAD, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_ROW, 40, 300, 20, 0, true, true, 0, FILL_SPREAD, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_ROW, 40, 300, 20, 0, false, false, 1, FILL_SPREAD, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_BLOCK, 300, 257, 3, 2, true, false, 128, FILL_SPREAD, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_BLOCK, 130, 1300, 40, 0, false, false, 128, FILL_SPREAD, FILL_NORMAL},
    {AS_E4M3, AS_SCALE_TENSOR, 64, 200, 40, 0, false, false, 1, FILL_SPREAD, FILL_NORMAL},
    {AS_BF16, AS_SCALE_BLOCK, 65, 100, 7, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL},
    {AS_F16, AS_SCALE_ROW, 65, 100, 7, 0, false, true, 37, FILL_NORMAL, FILL_NORMAL},
    /* ends of the range */
    {AS_F32, AS_SCALE_NONE, 20, 100, 20, 0, false, false, 0, FILL_HUGE, FILL_HUGE},
    {AS_BF16, AS_SCALE_NONE, 20, 100, 20, 0, false, false, 0, FILL_HUGE, FILL_HUGE},
    {AS_BF16, AS_SCALE_NONE, 20, 100, 20, 0, false, false, 0, FILL_TINY, FILL_TINY},
    {AS_F16, AS_SCALE_NONE, 20, 100, 20, 0, false, false, 0, FILL_TINY, FILL_HUGE},
    {AS_BF16, AS_SCALE_NONE, 20, 100, 3, 0, false, false, 0, FILL_DENORMAL, FILL_NORMAL},
    {AS_BF16, AS_SCALE_NONE, 20, 100, 3, 0, false, false, 0, FILL_NORMAL, FILL_DENORMAL},
    {AS_F32, AS_SCALE_NONE, 20, 100, 3, 0, false, false, 0, FILL_DENORMAL, FILL_NORMAL},
    {AS_F16, AS_SCALE_NONE, 20, 100, 3, 0, false, false, 0, FILL_ZERO, FILL_HUGE},
};

enum { RECORDS = sizeof records / sizeof records[0] };

static const char *name_of(const record *r)
{
    static char name[128];
    static const char *const scales[] = {"", " tensor", " row", " block", " powers"};
    snprintf(name, sizeof name, "%s%s %ldx%ld n=%ld%s%s xs=%d %s*%s", as_dtype_name(r->type),
             scales[r->scale], (long)r->rows, (long)r->cols, (long)r->n, r->bias ? " bias" : "",
             r->accumulate ? " acc" : "", r->x_scale, fill_names[r->w], fill_names[r->x]);
    return name;
}

/* A record's matrices. */
typedef struct operands {
    as_matrix w;
    float *x, *bias, *out_before, *x_scale;
    int64_t x_stride, out_stride, x_block;
} operands;

static void round_to_e4m3(float *x, int64_t count)
{
    for (int64_t i = 0; i < count; i++) x[i] = as_f32_from_e4m3(as_e4m3_from_f32(x[i] * 100));
}

/* Bytes of any value between least and most. */
static uint8_t *random_bytes(int64_t count, int least, int most)
{
    float *unit = filled(count, FILL_POSITIVE, 7);
    uint8_t *out = guarded((size_t)count);
    for (int64_t i = 0; i < count; i++) out[i] = (uint8_t)(least + (int)(unit[i] * (float)(most - least)));
    return out;
}

static operands operands_of(const record *r)
{
    operands o = {.x_stride = r->cols + r->pad, .out_stride = r->rows + r->pad};
    o.w = (as_matrix){.dtype = r->type, .scale = r->scale, .rows = r->rows, .cols = r->cols};
    o.w.stride = r->cols + r->pad;
    int64_t count = (r->rows - 1) * o.w.stride + r->cols;
    if (r->scale == AS_SCALE_POWERS) {
        o.w.power_stride = o.w.stride / AS_E2M1_BLOCK;
        o.w.powers = random_bytes(r->rows * o.w.power_stride, 118, 134);
        o.w.data = random_bytes(as_dtype_span(r->type, count), 0, 255);
    } else {
        o.w.data = stored_as(r->type, filled(count, r->w, 1), count);
    }
    o.w.block_rows = 128;
    o.w.block_cols = 48;
    if (r->scale != AS_SCALE_NONE) o.w.scales = filled(r->rows * r->cols + 1, FILL_POSITIVE, 2);
    o.x = filled((r->n - 1) * o.x_stride + r->cols, r->x, 3);
    o.out_before =
        filled((r->n - 1) * o.out_stride + r->rows, r->x == FILL_NORMAL ? FILL_NORMAL : FILL_ZERO, 4);
    if (r->bias) o.bias = filled(r->rows, FILL_NORMAL, 5);
    if (!r->x_scale) return o;
    o.x_block = r->x_scale == 1 ? 0 : r->x_scale;
    o.x_scale = filled(r->n * (r->cols + 1), FILL_POSITIVE, 6);
    round_to_e4m3(o.x, (r->n - 1) * o.x_stride + r->cols);
    return o;
}

/* Runs rows from..from+n-1 of the record into out. */
static void run(const as_backend *backend, const as_exec *exec, const record *r, const operands *o,
                int64_t from, int64_t n, float *out)
{
    int64_t scales = o->x_block ? (r->cols + o->x_block - 1) / o->x_block : 1;
    as_matmul_args args = {.w = &o->w,
                           .x = o->x + from * o->x_stride,
                           .n = n,
                           .x_stride = o->x_stride,
                           .bias = o->bias,
                           .out = out + from * o->out_stride,
                           .out_stride = o->out_stride,
                           .accumulate = r->accumulate,
                           .x_scale = o->x_scale ? o->x_scale + from * scales : NULL,
                           .x_block = o->x_block};
    backend->matmul(exec, &args);
}

static int64_t out_count(const record *r, const operands *o)
{
    return (r->n - 1) * o->out_stride + r->rows;
}

static float *fresh_out(const record *r, const operands *o)
{
    float *out = guarded((size_t)out_count(r, o) * sizeof *out);
    memcpy(out, o->out_before, (size_t)out_count(r, o) * sizeof *out);
    return out;
}

/* 2e-6 of sum |x||w|, from the products of the magnitudes by ref; and the flushing of tiny terms. */
static double *tolerances(const as_exec *exec, const record *r, const operands *o)
{
    operands sizes = *o;
    int64_t w_count = (r->rows - 1) * o->w.stride + r->cols, x_count = (r->n - 1) * o->x_stride + r->cols;
    float *w = as_alloc((size_t)w_count * sizeof *w), *x = as_alloc((size_t)x_count * sizeof *x);
    as_convert_to_f32(r->type, o->w.data, w, w_count);
    for (int64_t i = 0; i < w_count; i++) w[i] = fabsf(w[i]);
    for (int64_t i = 0; i < x_count; i++) x[i] = fabsf(o->x[i]);
    sizes.w.data = w;
    sizes.w.dtype = AS_F32;
    sizes.x = x;
    float *sums = fresh_out(r, o);
    for (int64_t i = 0; i < out_count(r, o); i++) sums[i] = fabsf(sums[i]);
    run(level_at(0), exec, r, &sizes, 0, r->n, sums);
    double *out = as_alloc((size_t)out_count(r, o) * sizeof *out);
    for (int64_t i = 0; i < out_count(r, o); i++) {
        out[i] = 2e-6 * fabs((double)sums[i]) + 1e-36 * (double)r->cols;
    }
    as_free(w);
    as_free(x);
    return out;
}

Test(matmul, every_level_agrees_with_ref)
{
    as_exec exec = exec_with(2);
    for (int i = 0; i < RECORDS; i++) {
        const record *r = &records[i];
        operands o = operands_of(r);
        double *tolerance = tolerances(&exec, r, &o);
        float *want = fresh_out(r, &o);
        run(level_at(0), &exec, r, &o, 0, r->n, want);
        const as_backend *backend;
        for (int l = 1; (backend = level_at(l)) != NULL; l++) {
            float *got = fresh_out(r, &o);
            run(backend, &exec, r, &o, 0, r->n, got);
            expect_close(name_of(r), backend->level, got, want, tolerance, out_count(r, &o), o.out_stride);
        }
        as_free(tolerance);
    }
}

/* Each row alone, and in uneven parts, with 1 to 5 threads: the bits of the whole. */
Test(matmul, rows_are_independent)
{
    as_exec execs[] = {exec_with(1), exec_with(2), exec_with(3), exec_with(5)};
    const as_backend *backend;
    for (int l = 1; (backend = level_at(l)) != NULL; l++) {
        for (int i = 0; i < RECORDS; i++) {
            const record *r = &records[i];
            operands o = operands_of(r);
            float *whole = fresh_out(r, &o);
            run(backend, &execs[0], r, &o, 0, r->n, whole);
            for (int64_t step = 1; step <= r->n; step = step * 3 + 1) {
                float *parts = fresh_out(r, &o);
                for (int64_t from = 0, turn = 0; from < r->n; from += step, turn++) {
                    int64_t n = from + step < r->n ? step : r->n - from;
                    run(backend, &execs[turn % 4], r, &o, from, n, parts);
                }
                expect_same_bits(name_of(r), backend->level, parts, whole, out_count(r, &o), o.out_stride);
            }
        }
    }
}

Test(matmul, nan_and_infinity_reach_their_row_and_no_other)
{
    static const record r = {AS_BF16, AS_SCALE_NONE, 20, 100,         9,          0,
                             false,   false,         0,  FILL_NORMAL, FILL_NORMAL};
    static const as_dtype types[] = {AS_F32, AS_F16, AS_BF16, AS_E4M3};
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        for (int t = 0; t < 4; t++) {
            for (int k = 0; k < 3; k++) {
                record with = r;
                with.type = types[t];
                operands o = operands_of(&with);
                float *out = fresh_out(&with, &o);
                o.x[3 * o.x_stride + 57] = odd[k];
                run(backend, &exec, &with, &o, 0, r.n, out);
                for (int64_t i = 0; i < r.n * r.rows; i++) {
                    cr_assert_eq(!isfinite(out[i]), i / r.rows == 3, "%s %s: [%ld,%ld] is %g", backend->level,
                                 as_dtype_name(types[t]), (long)(i / r.rows), (long)(i % r.rows),
                                 (double)out[i]);
                    if (k == 0) cr_assert_eq(isnan(out[i]), i / r.rows == 3);
                }
            }
        }
    }
}

Test(matmul, nan_weights_reach_their_output)
{
    static const as_dtype types[] = {AS_F32, AS_F16, AS_BF16, AS_E4M3};
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        for (int t = 0; t < 4; t++) {
            for (int64_t n = 1; n < 40; n += 18) {
                record r = {types[t], AS_SCALE_NONE, 20, 99, n, 0, false, false, 0, FILL_NORMAL, FILL_NORMAL};
                operands o = operands_of(&r);
                float *out = fresh_out(&r, &o), nan = NAN;
                unsigned char *data = (unsigned char *)(uintptr_t)o.w.data;
                as_convert_from_f32(types[t], &nan, data + (7 * 99 + 98) * as_dtype_bytes(types[t]), 1);
                run(backend, &exec, &r, &o, 0, n, out);
                for (int64_t i = 0; i < n * 20; i++) cr_assert_eq(isnan(out[i]), i % 20 == 7);
            }
        }
    }
}

typedef struct expert_record {
    as_dtype type;
    int64_t experts, rows, cols, n, rows_per_x;
    bool bias;
    int x_scale;
} expert_record;

static const expert_record expert_records[] = {
    {AS_F32, 4, 20, 40, 6, 2, false, 0},   {AS_BF16, 8, 48, 64, 32, 2, true, 0},
    {AS_F16, 8, 33, 100, 64, 1, false, 0}, {AS_E4M3, 3, 64, 130, 90, 3, true, 1},
    {AS_BF16, 64, 16, 32, 8, 8, false, 0}, {AS_BF16, 2, 70, 300, 120, 1, false, 0},
};

/* Every pair alone through matmul gives the bits of expert_matmul; ref is compared by tolerance. */
static void check_experts(const as_backend *backend, const as_exec *exec, const expert_record *e)
{
    as_matrix w[64];
    int64_t count = e->rows * e->cols, xs = (e->n + e->rows_per_x - 1) / e->rows_per_x;
    float *bias = filled(e->experts * e->rows, FILL_NORMAL, 20), *x = filled(xs * e->cols, FILL_NORMAL, 21);
    float *x_scale = filled(xs, FILL_POSITIVE, 22), *scales = filled(e->rows, FILL_POSITIVE, 23);
    if (e->x_scale) round_to_e4m3(x, xs * e->cols);
    for (int64_t i = 0; i < e->experts; i++) {
        w[i] = (as_matrix){.dtype = e->type, .rows = e->rows, .cols = e->cols, .stride = e->cols};
        w[i].data = stored_as(e->type, filled(count, FILL_NORMAL, 30 + (uint64_t)i), count);
        w[i].scale = e->x_scale ? AS_SCALE_ROW : AS_SCALE_NONE;
        w[i].scales = scales;
    }
    int32_t *ids = guarded((size_t)e->n * sizeof *ids);
    for (int64_t i = 0; i < e->n; i++) ids[i] = (int32_t)((i * 7 + i / 5) % e->experts);
    float *out = guarded((size_t)(e->n * e->rows) * sizeof *out),
          *want = as_alloc((size_t)(e->n * e->rows) * 4);
    as_expert_matmul_args args = {.w = w,
                                  .bias = e->bias ? bias : NULL,
                                  .experts = e->experts,
                                  .ids = ids,
                                  .n = e->n,
                                  .rows_per_x = e->rows_per_x,
                                  .x = x,
                                  .x_stride = e->cols,
                                  .out = out,
                                  .out_stride = e->rows,
                                  .x_scale = e->x_scale ? x_scale : NULL};
    backend->expert_matmul(exec, &args);
    for (int64_t r = 0; r < e->n; r++) {
        as_matmul_args one = {.w = &w[ids[r]],
                              .x = x + r / e->rows_per_x * e->cols,
                              .n = 1,
                              .x_stride = e->cols,
                              .bias = e->bias ? bias + ids[r] * e->rows : NULL,
                              .out = want + r * e->rows,
                              .out_stride = e->rows,
                              .x_scale = e->x_scale ? x_scale + r / e->rows_per_x : NULL};
        backend->matmul(exec, &one);
    }
    expect_same_bits("expert_matmul", backend->level, out, want, e->n * e->rows, e->rows);
    as_free(want);
}

Test(matmul, experts_are_matmuls)
{
    as_exec exec = exec_with(3);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        for (int i = 0; i < 6; i++) check_experts(backend, &exec, &expert_records[i]);
    }
}
