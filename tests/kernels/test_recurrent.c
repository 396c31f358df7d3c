/* conv1d and the scans: every level against ref, and one call against many. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "support.h"

enum { TOKENS = 37, SLOTS = 3 };

typedef struct record {
    int64_t width, depth; /* taps or states */
    as_activation act;
    bool bias;
} record;

static const record records[] = {
    {1, 1, AS_ACT_NONE, false}, {5, 4, AS_ACT_SILU, true},   {16, 2, AS_ACT_SILU, false},
    {33, 3, AS_ACT_NONE, true}, {200, 4, AS_ACT_SILU, true}, {64, 16, AS_ACT_NONE, true},
    {17, 9, AS_ACT_GELU, true},
};

enum { RECORDS = sizeof records / sizeof records[0] };

/* Two sequences: rows 0..TOKENS-1 of the batch in slot 2, one row in slot 0. */
static const as_span spans[] = {
    {.first = 0, .count = TOKENS, .state = 2},
    {.first = TOKENS, .count = 1, .position = 5, .state = 0},
};

typedef void run_function(const as_backend *backend, const as_exec *exec, const record *r,
                          const as_span *list, int64_t count, float *state, float *out);

static void run_conv(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                     int64_t count, float *state, float *out)
{
    static float *in, *weight, *bias;
    int64_t stride = r->width + 2;
    in = filled((TOKENS + 1) * stride, FILL_NORMAL, 1);
    weight = filled(r->width * r->depth, FILL_NORMAL, 2);
    bias = filled(r->width, FILL_NORMAL, 3);
    as_conv1d_args args = {.in = in,
                           .out = out,
                           .width = r->width,
                           .taps = r->depth,
                           .in_stride = stride,
                           .out_stride = r->width,
                           .weight = weight,
                           .bias = r->bias ? bias : NULL,
                           .act = r->act,
                           .state = state,
                           .spans = list,
                           .span_count = count};
    backend->conv1d(exec, &args);
}

/* Heads of an eighth, a fifth or a third of the channels where these divide them; 0, which means one,
 * elsewhere. */
static void run_scan(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                     int64_t count, float *state, float *out)
{
    int64_t w = r->width, s = r->depth;
    int64_t heads = w % 8 == 0 ? 8 : w % 5 == 0 ? 5 : w % 3 == 0 ? 3 : 0, bc = 2 * s * (heads ? heads : 1);
    float *x = filled((TOKENS + 1) * w, FILL_NORMAL, 1),
          *dt = filled((TOKENS + 1) * (w + 1), FILL_POSITIVE, 2);
    float *b = filled((TOKENS + 1) * bc, FILL_NORMAL, 3), *a = filled(w * s, FILL_POSITIVE, 4);
    float *d = filled(w, FILL_NORMAL, 5);
    for (int64_t i = 0; i < w * s; i++) a[i] = -4 * a[i];
    as_selective_scan_args args = {.x = x,
                                   .dt = dt,
                                   .b = b,
                                   .c = b + s,
                                   .out = out,
                                   .width = w,
                                   .states = s,
                                   .heads = heads,
                                   .x_stride = w,
                                   .dt_stride = w + 1,
                                   .b_stride = bc,
                                   .c_stride = bc,
                                   .bc_head = 2 * s,
                                   .out_stride = w,
                                   .a = a,
                                   .d = d,
                                   .state = state,
                                   .spans = list,
                                   .span_count = count};
    backend->selective_scan(exec, &args);
}

/* Heads of up to 8 channels, as many groups as divide them. */
static void run_ssd(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                    int64_t count, float *state, float *out)
{
    int64_t w = r->width, s = r->depth, width = w % 8 == 0 ? 8 : w % 5 == 0 ? 5 : w % 3 == 0 ? 3 : 1;
    int64_t heads = w / width, groups = heads % 2 == 0 ? 2 : heads % 11 == 0 ? 11 : 1;
    float *bc = filled((TOKENS + 1) * 2 * groups * s, FILL_NORMAL, 3), *a = filled(heads, FILL_POSITIVE, 4);
    for (int64_t i = 0; i < heads; i++) a[i] = -4 * a[i];
    as_ssd_scan_args args = {.x = filled((TOKENS + 1) * (w + 1), FILL_NORMAL, 1),
                             .dt = filled((TOKENS + 1) * (heads + 2), FILL_NORMAL, 2),
                             .b = bc,
                             .c = bc + groups * s,
                             .out = out,
                             .heads = heads,
                             .width = width,
                             .states = s,
                             .groups = groups,
                             .x_stride = w + 1,
                             .dt_stride = heads + 2,
                             .b_stride = 2 * groups * s,
                             .c_stride = 2 * groups * s,
                             .out_stride = w,
                             .a = a,
                             .d = filled(heads, FILL_NORMAL, 5),
                             .dt_bias = filled(heads, FILL_NORMAL, 6),
                             .dt_least = 0.3f,
                             .dt_most = r->bias ? INFINITY : 1.5f,
                             .state = state,
                             .spans = list,
                             .span_count = count};
    backend->ssd_scan(exec, &args);
}

static void run_rglru(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                      int64_t count, float *state, float *out)
{
    int64_t w = r->width, rows = TOKENS + 1;
    float *decay = filled(w, FILL_POSITIVE, 4);
    for (int64_t i = 0; i < w; i++) decay[i] *= r->bias ? 8 : 0.01f;
    as_rglru_scan_args args = {.x = filled(rows * (w + 3), FILL_NORMAL, 1),
                               .in_gate = filled(rows * (w + 3), FILL_NORMAL, 2),
                               .gate = filled(rows * (w + 3), FILL_NORMAL, 3),
                               .out = out,
                               .width = w,
                               .stride = w + 3,
                               .out_stride = w,
                               .decay = decay,
                               .state = state,
                               .spans = list,
                               .span_count = count};
    backend->rglru_scan(exec, &args);
}

/* One span after the other, token by token. */
static void run_singly(run_function *run, const as_backend *backend, const as_exec *exec, const record *r,
                       float *state, float *out)
{
    for (int s = 0; s < 2; s++) {
        for (int64_t i = 0; i < spans[s].count; i++) {
            as_span one = spans[s];
            one.first += i;
            one.position += i;
            one.count = 1;
            run(backend, exec, r, &one, 1, state, out);
        }
    }
}

static void check(const char *what, run_function *run, const record *r, int64_t kept)
{
    as_exec one = exec_with(1), three = exec_with(3);
    int64_t states = SLOTS * r->width * kept, outs = (TOKENS + 1) * r->width;
    float *want = filled(outs, FILL_ZERO, 0), *want_state = filled(states + 1, FILL_NORMAL, 7);
    run(level_at(0), &one, r, spans, 2, want_state, want);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *out = filled(outs, FILL_ZERO, 0), *state = filled(states + 1, FILL_NORMAL, 7);
        float *single = filled(outs, FILL_ZERO, 0), *single_state = filled(states + 1, FILL_NORMAL, 7);
        run(backend, &three, r, spans, 2, state, out);
        run_singly(run, backend, &one, r, single_state, single);
        expect_same_bits(what, backend->level, single, out, outs, r->width);
        expect_same_bits("state", backend->level, single_state, state, states, r->width);
        if (l == 0) continue;
        expect_near(what, backend->level, out, want, 3e-6, (double)r->depth, outs, r->width);
        expect_near("state", backend->level, state, want_state, 3e-6, 1, states, r->width);
    }
}

Test(recurrent, conv1d)
{
    for (int i = 0; i < RECORDS; i++) check("conv1d", run_conv, &records[i], records[i].depth - 1);
}

Test(recurrent, selective_scan)
{
    for (int i = 0; i < RECORDS; i++) check("selective_scan", run_scan, &records[i], records[i].depth);
}

Test(recurrent, ssd_scan)
{
    for (int i = 0; i < RECORDS; i++) check("ssd_scan", run_ssd, &records[i], records[i].depth);
}

Test(recurrent, rglru_scan)
{
    for (int i = 0; i < RECORDS; i++) check("rglru_scan", run_rglru, &records[i], 1);
}

Test(recurrent, conv1d_in_place)
{
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *in = filled(TOKENS * 20, FILL_NORMAL, 1), *out = filled(TOKENS * 20, FILL_ZERO, 1);
        float *state = filled(20 * 3, FILL_ZERO, 1), *weight = filled(20 * 4, FILL_NORMAL, 2);
        as_span span = {.count = TOKENS};
        as_conv1d_args args = {.in = in,
                               .out = out,
                               .width = 20,
                               .taps = 4,
                               .in_stride = 20,
                               .out_stride = 20,
                               .weight = weight,
                               .act = AS_ACT_SILU,
                               .state = state,
                               .spans = &span,
                               .span_count = 1};
        backend->conv1d(&exec, &args);
        args.out = in;
        args.state = filled(20 * 3, FILL_ZERO, 1);
        backend->conv1d(&exec, &args);
        expect_same_bits("conv1d in place", backend->level, in, out, TOKENS * 20, 20);
    }
}

Test(recurrent, nan_stays_in_its_channel)
{
    static const record r = {20, 4, AS_ACT_SILU, true};
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *out = filled((TOKENS + 1) * 20, FILL_ZERO, 0), *state = filled(SLOTS * 20 * 4, FILL_ZERO, 0);
        state[(2 * 20 + 7) * 4] = NAN;
        run_scan(backend, &exec, &r, spans, 2, state, out);
        for (int64_t i = 0; i < TOKENS * 20; i++) cr_assert_eq(isnan(out[i]), i % 20 == 7);
    }
}

/* Each row's own weights, head by head, beside the common ones; one pass gives the bits of two. */
Test(recurrent, convolutions_have_weights_of_each_row)
{
    enum { N = 9, CUT = 4, HEADS = 2, WIDTH = 14, TAPS = 3, OWN = HEADS * TAPS };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    float *in = filled(N * WIDTH, FILL_NORMAL, 1), *weight = filled(TAPS * WIDTH, FILL_NORMAL, 2),
          *own = filled(N * OWN, FILL_NORMAL, 3);
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float once[N * WIDTH], twice[N * WIDTH];
        as_span whole = {.count = N}, second = {.count = N - CUT, .position = CUT};
        as_conv_heads_args args = {.in = in,
                                   .out = once,
                                   .width = WIDTH,
                                   .heads = HEADS,
                                   .taps = TAPS,
                                   .in_stride = WIDTH,
                                   .out_stride = WIDTH,
                                   .own_stride = OWN,
                                   .weight = weight,
                                   .own = own,
                                   .scale = 0.5f,
                                   .state = filled(WIDTH * (TAPS - 1), FILL_ZERO, 0),
                                   .spans = &whole,
                                   .span_count = 1};
        backend->conv_heads(&exec, &args);
        for (int i = 0; i < N; i++) {
            for (int c = 0; c < WIDTH; c++) {
                double sum = in[i * WIDTH + c], sizes = fabs(sum);
                for (int t = 0; t < TAPS && t <= i; t++) {
                    double term =
                        ((double)weight[t * WIDTH + c] + own[i * OWN + c / (WIDTH / HEADS) * TAPS + t]) *
                        in[(i - t) * WIDTH + c];
                    sum += term;
                    sizes += fabs(term);
                }
                cr_assert_float_eq(once[i * WIDTH + c], 0.5 * sum, 1e-6 * sizes,
                                   "%s: [%d,%d] %g, expected %g", backend->level, i, c,
                                   (double)once[i * WIDTH + c], 0.5 * sum);
            }
        }
        args.state = filled(WIDTH * (TAPS - 1), FILL_ZERO, 0);
        args.out = twice;
        whole.count = CUT;
        backend->conv_heads(&exec, &args);
        args.in = in + CUT * WIDTH;
        args.out = twice + CUT * WIDTH;
        args.own = own + CUT * OWN;
        args.spans = &second;
        backend->conv_heads(&exec, &args);
        expect_same_bits("conv_heads", backend->level, once, twice, N * WIDTH, WIDTH);
    }
}
