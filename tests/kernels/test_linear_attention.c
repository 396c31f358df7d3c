/* The operations of linear attention: every level against ref, one call against many, and small answers by
 * hand. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "support.h"

enum { TOKENS = 29, ROWS = TOKENS + 1, SLOTS = 3 };

/* Two sequences: rows 0..TOKENS-1 of the batch in slot 2, one row in slot 0. */
static const as_span spans[] = {
    {.first = 0, .count = TOKENS, .state = 2},
    {.first = TOKENS, .count = 1, .state = 0},
};

typedef struct record {
    int64_t heads, groups, key, value;
    bool erase, write, gain, read_before, erase_decayed;
    int w; /* 0: per channel and token, 1: per head and token, 2: per channel, 3: per head */
} record;

static const record records[] = {
    {1, 1, 1, 1, false, false, false, false, false, 0},  {2, 2, 8, 8, false, false, false, true, false, 2},
    {3, 3, 16, 40, true, true, false, false, false, 0},  {4, 2, 7, 12, true, false, true, false, true, 1},
    {2, 1, 33, 70, true, false, true, false, true, 0},   {2, 2, 64, 64, false, false, false, false, false, 3},
    {1, 1, 24, 131, true, true, false, false, false, 0}, {2, 2, 5, 3, true, false, true, false, false, 1},
};

enum { RECORDS = sizeof records / sizeof records[0] };

typedef void run_function(const as_backend *backend, const as_exec *exec, const record *r,
                          const as_span *list, int64_t count, float *state, float *out);

static float *scaled(int64_t count, fill_kind kind, uint64_t stream, float by)
{
    float *x = filled(count, kind, stream);
    for (int64_t i = 0; i < count; i++) x[i] *= by;
    return x;
}

static void run_states(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                       int64_t count, float *state, float *out)
{
    int64_t keys = r->groups * r->key, values = r->heads * r->value, channels = r->heads * r->key;
    float share = 1 / sqrtf((float)r->key);
    as_state_scan_args args = {.r = filled(ROWS * keys, FILL_NORMAL, 1),
                               .k = scaled(ROWS * keys, FILL_NORMAL, 2, share),
                               .v = filled(ROWS * values, FILL_NORMAL, 3),
                               .w = filled(ROWS * channels, FILL_POSITIVE, 4),
                               .out = out,
                               .heads = r->heads,
                               .groups = r->groups,
                               .key_width = r->key,
                               .value_width = r->value,
                               .r_stride = keys,
                               .k_stride = keys,
                               .v_stride = values,
                               .erase_stride = keys,
                               .write_stride = keys,
                               .gain_stride = r->heads,
                               .out_stride = values,
                               .w_stride = r->w == 0   ? channels
                                           : r->w == 1 ? r->heads
                                                       : 0,
                               .w_head = r->w % 2 ? 1 : r->key,
                               .w_step = r->w % 2 ? 0 : 1,
                               .scale = 0.7f,
                               .read_before = r->read_before,
                               .erase_decayed = r->erase_decayed,
                               .state = state,
                               .spans = list,
                               .span_count = count};
    if (r->erase) args.erase = args.k;
    if (r->write) args.write = scaled(ROWS * keys, FILL_NORMAL, 5, share);
    if (r->gain) args.gain = filled(ROWS * r->heads, FILL_POSITIVE, 6);
    backend->state_scan(exec, &args);
}

static void run_wkv4(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                     int64_t count, float *state, float *out)
{
    int64_t width = r->heads * r->value;
    as_wkv4_args args = {.k = scaled(ROWS * width, FILL_NORMAL, 1, 20),
                         .v = filled(ROWS * width, FILL_NORMAL, 2),
                         .out = out,
                         .width = width,
                         .k_stride = width,
                         .v_stride = width,
                         .out_stride = width,
                         .decay = filled(width, FILL_POSITIVE, 3),
                         .bonus = filled(width, FILL_NORMAL, 4),
                         .state = state,
                         .spans = list,
                         .span_count = count};
    backend->wkv4(exec, &args);
}

static void run_shift(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                      int64_t count, float *state, float *out)
{
    int64_t width = r->heads * r->value;
    as_token_shift_args args = {.x = filled(ROWS * width, FILL_NORMAL, 1),
                                .out = out,
                                .width = width,
                                .x_stride = width,
                                .out_stride = width,
                                .state = state,
                                .spans = list,
                                .span_count = count};
    backend->token_shift(exec, &args);
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

static void check(const char *what, run_function *run, const record *r, int64_t states)
{
    as_exec one = exec_with(1), three = exec_with(3);
    int64_t width = r->heads * r->value, outs = ROWS * width;
    float *want = filled(outs, FILL_ZERO, 0), *want_state = filled(SLOTS * states, FILL_ZERO, 7);
    run(level_at(0), &one, r, spans, 2, want_state, want);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *out = filled(outs, FILL_ZERO, 0), *state = filled(SLOTS * states, FILL_ZERO, 7);
        float *single = filled(outs, FILL_ZERO, 0), *single_state = filled(SLOTS * states, FILL_ZERO, 7);
        run(backend, &three, r, spans, 2, state, out);
        run_singly(run, backend, &one, r, single_state, single);
        expect_same_bits(what, backend->level, single, out, outs, width);
        expect_same_bits("state", backend->level, single_state, state, SLOTS * states, width);
        expect_near(what, backend->level, out, want, 1e-5, 1, outs, width);
        expect_near("state", backend->level, state, want_state, 1e-5, 1, SLOTS * states, width);
    }
}

Test(linear_attention, state_scan)
{
    for (int i = 0; i < RECORDS; i++) {
        const record *r = &records[i];
        check("state_scan", run_states, r, r->heads * r->key * r->value);
    }
}

/* A block of seven, and the second span in the middle of one. */
static void run_blocks(const as_backend *backend, const as_exec *exec, const record *r, const as_span *list,
                       int64_t count, float *state, float *out)
{
    enum { BLOCK = 7 };
    int64_t keys = r->heads * r->key, values = r->heads * r->value, sums = SLOTS * keys * r->value;
    as_block_scan_args args = {.q = filled(ROWS * keys, FILL_NORMAL, 1),
                               .k = scaled(ROWS * keys, FILL_NORMAL, 2, 1 / sqrtf((float)r->key)),
                               .v = filled(ROWS * values, FILL_NORMAL, 3),
                               .from_start = filled(r->heads * BLOCK, FILL_POSITIVE, 4),
                               .to_end = filled(r->heads * BLOCK, FILL_POSITIVE, 5),
                               .within = filled(r->heads * BLOCK, FILL_POSITIVE, 6),
                               .over = filled(r->heads, FILL_POSITIVE, 7),
                               .out = out,
                               .heads = r->heads,
                               .key_width = r->key,
                               .value_width = r->value,
                               .block = BLOCK,
                               .q_stride = keys,
                               .k_stride = keys,
                               .v_stride = values,
                               .out_stride = values,
                               .state = state,
                               .rows = state + sums,
                               .spans = list,
                               .span_count = count};
    backend->block_scan(exec, &args);
}

Test(linear_attention, block_scan)
{
    for (int i = 0; i < RECORDS; i++) {
        const record *r = &records[i];
        check("block_scan", run_blocks, r, r->heads * (r->key * r->value + 7 * (r->key + r->value + 1)));
    }
}

/* Tables that say what one rate says give what state_scan gives. */
Test(linear_attention, block_scan_of_one_rate_is_state_scan)
{
    enum { WIDTH = 6, BLOCK = 5 };
    as_exec exec = exec_with(1);
    float *x = filled(3 * ROWS * WIDTH, FILL_NORMAL, 1), rate = 0.83f, over = powf(rate, BLOCK);
    float start[BLOCK], end[BLOCK], within[BLOCK], want[TOKENS * WIDTH], out[TOKENS * WIDTH];
    float *want_state = filled(WIDTH * WIDTH, FILL_ZERO, 0), *state = filled(WIDTH * WIDTH, FILL_ZERO, 0);
    float *rows = filled(BLOCK * (2 * WIDTH + 1), FILL_ZERO, 0);
    as_span span = {.count = TOKENS};
    for (int i = 0; i < BLOCK; i++) {
        start[i] = powf(rate, (float)(i + 1));
        end[i] = powf(rate, (float)(BLOCK - 1 - i));
        within[i] = powf(rate, (float)i);
    }
    level_at(0)->state_scan(&exec, &(as_state_scan_args){.r = x,
                                                         .k = x + WIDTH,
                                                         .v = x + 2 * WIDTH,
                                                         .w = &rate,
                                                         .out = want,
                                                         .heads = 1,
                                                         .groups = 1,
                                                         .key_width = WIDTH,
                                                         .value_width = WIDTH,
                                                         .r_stride = 3 * WIDTH,
                                                         .k_stride = 3 * WIDTH,
                                                         .v_stride = 3 * WIDTH,
                                                         .out_stride = WIDTH,
                                                         .scale = 1,
                                                         .state = want_state,
                                                         .spans = &span,
                                                         .span_count = 1});
    level_at(0)->block_scan(&exec, &(as_block_scan_args){.q = x,
                                                         .k = x + WIDTH,
                                                         .v = x + 2 * WIDTH,
                                                         .from_start = start,
                                                         .to_end = end,
                                                         .within = within,
                                                         .over = &over,
                                                         .out = out,
                                                         .heads = 1,
                                                         .key_width = WIDTH,
                                                         .value_width = WIDTH,
                                                         .block = BLOCK,
                                                         .q_stride = 3 * WIDTH,
                                                         .k_stride = 3 * WIDTH,
                                                         .v_stride = 3 * WIDTH,
                                                         .out_stride = WIDTH,
                                                         .state = state,
                                                         .rows = rows,
                                                         .spans = &span,
                                                         .span_count = 1});
    expect_near("block_scan", "ref", out, want, 1e-5, 1, TOKENS * WIDTH, WIDTH);
}

Test(linear_attention, wkv4)
{
    for (int i = 0; i < RECORDS; i++) {
        check("wkv4", run_wkv4, &records[i], 3 * records[i].heads * records[i].value);
    }
}

Test(linear_attention, token_shift)
{
    for (int i = 0; i < RECORDS; i++) {
        check("token_shift", run_shift, &records[i], records[i].heads * records[i].value);
    }
}

/* A first token far below every exponent's range still counts fully. */
Test(linear_attention, wkv4_of_one_token_is_its_value)
{
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float k[3] = {-500, 0, 500}, v[3] = {1, 2, 3}, out[3], state[9] = {0}, zero[3] = {0};
        as_span span = {.count = 1};
        backend->wkv4(&exec, &(as_wkv4_args){.k = k,
                                             .v = v,
                                             .out = out,
                                             .width = 3,
                                             .decay = zero,
                                             .bonus = zero,
                                             .state = state,
                                             .spans = &span,
                                             .span_count = 1});
        for (int i = 0; i < 3; i++) cr_assert_float_eq(out[i], v[i], 1e-6, "%s", backend->level);
    }
}

/* The delta rule with a gain of 1 and no decay replaces what stands under a key. */
Test(linear_attention, delta_rule_replaces)
{
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float k[4] = {0.6f, 0.8f, 0.6f, 0.8f}, v[2] = {5, -3}, w = 1, out[2], state[2] = {0};
        as_span span = {.count = 2};
        backend->state_scan(&exec, &(as_state_scan_args){.r = k,
                                                         .k = k,
                                                         .v = v,
                                                         .w = &w,
                                                         .erase = k,
                                                         .out = out,
                                                         .heads = 1,
                                                         .groups = 1,
                                                         .key_width = 2,
                                                         .value_width = 1,
                                                         .r_stride = 2,
                                                         .k_stride = 2,
                                                         .v_stride = 1,
                                                         .erase_stride = 2,
                                                         .out_stride = 1,
                                                         .scale = 1,
                                                         .erase_decayed = true,
                                                         .state = state,
                                                         .spans = &span,
                                                         .span_count = 1});
        cr_assert_float_eq(out[0], 5, 1e-5, "%s", backend->level);
        cr_assert_float_eq(out[1], -3, 1e-5, "%s", backend->level);
    }
}

static void check_decay(as_decay_kind kind, int64_t width, bool full)
{
    as_exec exec = exec_with(2);
    const as_backend *backend;
    float *x = scaled(ROWS * width, FILL_NORMAL, 1, 8), *want = filled(ROWS * width, FILL_ZERO, 0);
    as_decay_args args = {
        .kind = kind, .x = x, .n = ROWS, .width = width, .x_stride = width, .out_stride = width};
    if (full) {
        args.bias = filled(width, FILL_NORMAL, 2);
        args.rate = filled(width, FILL_POSITIVE, 3);
        args.slope = filled(width, FILL_POSITIVE, 4);
        args.scale = 0.6f;
        args.most = 3;
    }
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *out = l ? filled(ROWS * width, FILL_ZERO, 0) : want;
        args.out = out;
        backend->decay(&exec, &args);
        expect_near("decay", backend->level, out, want, 1e-6, 1, ROWS * width, width);
    }
}

Test(linear_attention, decay)
{
    static const int64_t widths[] = {1, 5, 16, 67};
    for (int kind = AS_DECAY_EXP; kind <= AS_DECAY_SIGMOID; kind++) {
        for (int i = 0; i < 4; i++) {
            check_decay((as_decay_kind)kind, widths[i], false);
            check_decay((as_decay_kind)kind, widths[i], true);
        }
    }
}

Test(linear_attention, mix)
{
    enum { WIDTH = 53 };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    float *want = filled(ROWS * WIDTH, FILL_ZERO, 0);
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *out = l ? filled(ROWS * WIDTH, FILL_ZERO, 0) : want;
        as_mix_args args = {.x = filled(ROWS * WIDTH, FILL_NORMAL, 1),
                            .y = filled(ROWS * WIDTH, FILL_NORMAL, 2),
                            .out = out,
                            .weight = filled(WIDTH, FILL_NORMAL, 3),
                            .amount = filled(ROWS * WIDTH, FILL_NORMAL, 4),
                            .act = AS_ACT_SIGMOID,
                            .n = ROWS,
                            .width = WIDTH,
                            .x_stride = WIDTH,
                            .y_stride = WIDTH,
                            .out_stride = WIDTH,
                            .amount_stride = WIDTH};
        backend->mix(&exec, &args);
        expect_near("mix", backend->level, out, want, 1e-6, 1, ROWS * WIDTH, WIDTH);
    }
}

/* With m = -ln(least): gain e^m is e^in, decay e^(m - m before) is sigmoid(forget), and the larger of both
 * is 1. A sequence fed row by row has the same bits. */
Test(linear_attention, exp_gates)
{
    enum { HEADS = 5, COUNT = ROWS * HEADS };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *decay = filled(COUNT, FILL_ZERO, 0), *gain = filled(COUNT, FILL_ZERO, 0),
              *least = filled(COUNT, FILL_ZERO, 0), *state = filled(HEADS, FILL_ZERO, 0);
        float *single = filled(3 * COUNT, FILL_ZERO, 0), *single_state = filled(HEADS, FILL_ZERO, 0);
        as_span span = {.count = ROWS};
        as_exp_gates_args args = {.in = scaled(COUNT, FILL_NORMAL, 1, 4),
                                  .forget = scaled(COUNT, FILL_NORMAL, 2, 4),
                                  .decay = decay,
                                  .gain = gain,
                                  .least = least,
                                  .heads = HEADS,
                                  .in_stride = HEADS,
                                  .forget_stride = HEADS,
                                  .out_stride = HEADS,
                                  .state = state,
                                  .spans = &span,
                                  .span_count = 1};
        backend->exp_gates(&exec, &args);
        for (int i = 0; i < COUNT; i++) {
            double before = i < HEADS ? 0 : -log((double)least[i - HEADS]), now = -log((double)least[i]);
            cr_assert_float_eq(log((double)gain[i]) + now, (double)args.in[i], 1e-5);
            cr_assert_float_eq(log((double)decay[i]) + now - before, -log1p(exp(-(double)args.forget[i])),
                               1e-5);
            cr_assert_eq(decay[i] > gain[i] ? decay[i] : gain[i], 1);
        }
        args.state = single_state;
        args.decay = single;
        args.gain = single + COUNT;
        args.least = single + 2 * COUNT;
        for (int64_t i = 0; i < ROWS; i++) {
            span = (as_span){.first = i, .count = 1, .position = i};
            backend->exp_gates(&exec, &args);
        }
        expect_same_bits("decay", backend->level, single, decay, COUNT, HEADS);
        expect_same_bits("gain", backend->level, single + COUNT, gain, COUNT, HEADS);
        expect_same_bits("least", backend->level, single + 2 * COUNT, least, COUNT, HEADS);
    }
}

Test(linear_attention, divide_groups)
{
    enum { GROUPS = 3, WIDTH = 7, STRIDE = GROUPS * WIDTH };
    as_exec exec = exec_with(2);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        float *x = filled(ROWS * STRIDE, FILL_NORMAL, 1), *want = filled(ROWS * STRIDE, FILL_NORMAL, 1);
        as_divide_groups_args args = {.x = x,
                                      .by = filled(ROWS * GROUPS, FILL_NORMAL, 2),
                                      .least = filled(ROWS * GROUPS, FILL_POSITIVE, 3),
                                      .n = ROWS,
                                      .groups = GROUPS,
                                      .width = WIDTH,
                                      .stride = STRIDE,
                                      .by_stride = GROUPS,
                                      .eps = 0.1f};
        backend->divide_groups(&exec, &args);
        for (int i = 0; i < ROWS * STRIDE; i++) {
            float by = fabsf(args.by[i / WIDTH]), least = args.least[i / WIDTH];
            want[i] /= (by > least ? by : least) + 0.1f;
        }
        expect_near("divide_groups", backend->level, x, want, 1e-6, 10, ROWS * STRIDE, STRIDE);
    }
}
