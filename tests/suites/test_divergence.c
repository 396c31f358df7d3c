/* suites/drift/divergence.h and lockstep.h: values computed with 40 digits; two runs in step. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "suites/drift/divergence.h"
#include "suites/drift/lockstep.h"
#include "tests/suites/fake_target.h"

static void near(double found, double expected, double tolerance, const char *what)
{
    cr_assert(fabs(found - expected) <= tolerance * fmax(1, fabs(expected)),
              "%s: found %.17g, expected %.17g, difference %.3g", what, found, expected, found - expected);
}

Test(divergence, of_a_few_tokens)
{
    const float a[] = {1.0f, 2.5f, -3.25f, 0.5f, 7.125f}, b[] = {0.75f, 2.0f, -4.0f, 1.5f, 6.0f};
    as_divergence d;
    as_divergence_compute(a, b, 5, 1, &d);
    cr_assert(d.finite);
    near(d.kl, 0.01013845679280676045, 1e-15, "kl");
    near(d.reversed, 0.017464032610236628669, 1e-15, "reversed");
    near(d.log_reference, -4.6382608149213027452, 1e-14, "log p_ref");
    near(d.log_candidate, -4.034128494552921441, 1e-14, "log p");
    cr_assert_eq(d.reference_top, 4);
    cr_assert_eq(d.candidate_top, 4);
    cr_assert_eq(d.shared, 5);
    near(d.margin, 4.625, 1e-15, "margin");
}

Test(divergence, of_a_large_vocabulary)
{
    enum { V = 5003 };
    static float a[V], b[V];
    for (int64_t i = 0; i < V; i++) {
        a[i] = (float)((i * 7919) % 1000) / 64 - 8;
        b[i] = a[i] + (float)((i * 104729) % 17 - 8) / 256;
    }
    as_divergence d;
    as_divergence_compute(a, b, V, -1, &d);
    near(d.kl / 0.00018300615150663332451, 1, 1e-11, "kl, relative");
    near(d.reversed / 0.00018299072051427643281, 1, 1e-11, "reversed, relative");
}

Test(divergence, of_extreme_logits)
{
    const float a[] = {0, -1000, 50}, b[] = {50, -2000, 0};
    as_divergence d;
    as_divergence_compute(a, b, 3, 0, &d);
    near(d.kl, 50, 1e-14, "kl");
    float c[10], e[10];
    for (int i = 0; i < 10; i++) c[i] = i ? -300.0f : 300.0f, e[i] = i ? 299.0f : 300.0f;
    as_divergence_compute(c, e, 10, 0, &d);
    near(d.kl, 1.461150171734474795, 1e-14, "kl");
    near(d.reversed, 458.58922913450523731, 1e-13, "reversed");
}

Test(divergence, of_equal_rows_is_exactly_zero)
{
    static float a[1000];
    as_rng rng;
    as_rng_init(&rng, 1, 0);
    for (int i = 0; i < 1000; i++) a[i] = (float)(10 * as_rng_normal(&rng));
    as_divergence d;
    as_divergence_compute(a, a, 1000, 3, &d);
    cr_assert_eq(d.kl, 0);
    cr_assert_eq(d.reversed, 0);
    cr_assert_eq(d.shared, 10);
    cr_assert_eq(d.log_reference, d.log_candidate);
}

Test(divergence, tells_what_is_not_finite)
{
    float a[300], b[300];
    const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int place = 0; place < 300; place += 13) {
        for (int kind = 0; kind < 3; kind++) {
            for (int i = 0; i < 300; i++) a[i] = b[i] = (float)i / 10;
            (kind == 1 ? b : a)[place] = bad[kind];
            as_divergence d;
            as_divergence_compute(a, b, 300, 0, &d);
            cr_assert(!d.finite, "place %d kind %d", place, kind);
        }
    }
}

Test(divergence, top_ten_against_a_sort)
{
    enum { V = 1777 };
    static float a[V], b[V];
    as_rng rng;
    as_rng_init(&rng, 9, 0);
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < V; i++) {
            a[i] = (float)as_rng_below(&rng, 400);
            b[i] = (float)as_rng_below(&rng, 400);
        }
        int tops[2][10];
        for (int side = 0; side < 2; side++) {
            const float *row = side ? b : a;
            char taken[V] = {0};
            for (int k = 0; k < 10; k++) {
                int best = -1;
                for (int i = 0; i < V; i++) {
                    if (!taken[i] && (best < 0 || row[i] > row[best])) best = i;
                }
                tops[side][k] = best;
                taken[best] = 1;
            }
        }
        int shared = 0;
        for (int i = 0; i < 10; i++) {
            for (int j = 0; j < 10; j++) shared += tops[0][i] == tops[1][j];
        }
        as_divergence d;
        as_divergence_compute(a, b, V, 0, &d);
        cr_assert_eq(d.reference_top, tops[0][0]);
        cr_assert_eq(d.candidate_top, tops[1][0]);
        cr_assert_eq(d.shared, shared);
        near(d.margin, a[tops[0][0]] - a[tops[0][1]], 0, "margin");
    }
}

/* ---- lockstep --------------------------------------------------------------------------------------------
 */

typedef struct seen {
    int64_t rows, layers, stop_at;
    double kl;
} seen;

static as_code on_row(void *context, int64_t index, const float *reference, const float *candidate,
                      as_error *err)
{
    seen *s = context;
    cr_assert_eq(index, s->rows);
    if (s->stop_at && index == s->stop_at) return as_fail(err, AS_E_CANCELLED, "interrupted");
    s->rows++;
    as_divergence d;
    as_divergence_compute(reference, candidate, FAKE_VOCAB, -1, &d);
    s->kl += d.kl;
    return AS_OK;
}

static void on_layer(void *context, int64_t layer, int64_t rows, int64_t width, const float *reference,
                     const float *candidate)
{
    (void)layer, (void)rows, (void)width, (void)reference, (void)candidate;
    ((seen *)context)->layers++;
}

static as_code run_pair(as_target *a, as_target *b, int64_t rows, int64_t a_chunk, int64_t b_chunk,
                        bool layers, seen *s, as_error *err)
{
    int32_t tokens[301];
    for (int i = 0; i < 301; i++) tokens[i] = (i * 37) % 200;
    as_lockstep pair = {a, b, tokens, 301, rows, a_chunk, b_chunk, on_row, layers ? on_layer : NULL, s};
    return as_lockstep_run(&pair, err);
}

Test(lockstep, any_chunks_give_the_same_sum)
{
    fake_target *a = fake_target_new(4096);
    as_target *b;
    cr_assert_eq(a->base.ops->variant(&a->base, "fp8-channel", &b, NULL), AS_OK);
    seen first = {0};
    cr_assert_eq(run_pair(&a->base, b, 64, 64, 64, false, &first, NULL), AS_OK);
    cr_assert_eq(first.rows, 301);
    cr_assert_gt(first.kl, 0);
    static const int64_t shapes[][3] = {{1, 1, 1},     {7, 64, 5},     {64, 7, 100},
                                        {400, 64, 64}, {64, 512, 512}, {13, 13, 13}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        seen s = {0};
        cr_assert_eq(run_pair(&a->base, b, shapes[i][0], shapes[i][1], shapes[i][2], false, &s, NULL), AS_OK);
        cr_assert_eq(s.rows, 301);
        cr_assert_eq(s.kl, first.kl, "shape %zu", i);
    }
    seen s = {0};
    cr_assert_eq(run_pair(&a->base, b, 16, 16, 16, true, &s, NULL), AS_OK);
    cr_assert_eq(s.layers, 3 * ((301 + 15) / 16));
    b->ops->close(b);
    fake_target_free(a);
}

Test(lockstep, ends_when_either_side_fails)
{
    fake_target *a = fake_target_new(4096);
    as_target *b;
    cr_assert_eq(a->base.ops->variant(&a->base, "fp8-channel", &b, NULL), AS_OK);
    as_error err;
    seen s = {0};
    a->fail_score_after = 100;
    cr_assert_eq(run_pair(&a->base, b, 32, 32, 32, true, &s, &err), AS_E_IO);
    cr_assert(strstr(err.text, "reference at f16: the device was lost"), "%s", err.text);
    a->fail_score_after = 0;
    ((fake_target *)b)->fail_score_after = 150;
    s = (seen){0};
    cr_assert_eq(run_pair(&a->base, b, 32, 32, 32, false, &s, &err), AS_E_IO);
    cr_assert(strstr(err.text, "candidate at fp8-channel: the device was lost"), "%s", err.text);
    ((fake_target *)b)->fail_score_after = 0;
    s = (seen){.stop_at = 77};
    cr_assert_eq(run_pair(&a->base, b, 32, 32, 32, false, &s, &err), AS_E_CANCELLED);
    a->base.facts.vocab = 100;
    cr_assert_eq(run_pair(&a->base, b, 32, 32, 32, false, &s, &err), AS_E_INPUT);
    b->ops->close(b);
    a->base.facts.vocab = FAKE_VOCAB;
    fake_target_free(a);
}
