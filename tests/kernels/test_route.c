/* The ways of weighing experts that few models have: SparseMixer, logits before their sigmoid, caps, other
 * divisors. Plain routing is among the operations on rows (test_rows.c). */
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kernels/support.h"

enum { EXPERTS = 5 };

static const float scores[EXPERTS] = {1.0f, 0.5f, -2.0f, 0.9f, -0.1f};

/* Routes the scores with what args says besides, on every level. */
static void check(as_route_args args, int64_t top_k, const int *ids, const double *weights)
{
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        int32_t got_ids[EXPERTS];
        float got[EXPERTS];
        args.scores = scores;
        args.n = 1;
        args.experts = EXPERTS;
        args.top_k = top_k;
        args.groups = 1;
        args.scale = 1;
        args.ids = got_ids;
        args.weights = got;
        backend->route(&exec, &args);
        for (int64_t k = 0; k < top_k; k++) {
            cr_assert_eq(got_ids[k], ids[k], "%s: rank %ld is %d", backend->level, (long)k, got_ids[k]);
            cr_assert_float_eq(got[k], weights[k], 1e-6, "%s: rank %ld weighs %g, expected %g",
                               backend->level, (long)k, (double)got[k], weights[k]);
        }
    }
}

/* With a jitter of 0.1 only 0.9 is near 1.0, and then nothing near 0.9; with 0.25 also 0.5 is near both. */
Test(route, sparsemixer_weighs_each_among_its_neighbours)
{
    check((as_route_args){.kind = AS_ROUTE_SPARSEMIXER, .jitter = 0.1f}, 2, (const int[]){0, 3},
          (const double[]){1 / (1 + exp(-0.1)), 1});
    check((as_route_args){.kind = AS_ROUTE_SPARSEMIXER, .jitter = 0.25f}, 2, (const int[]){0, 3},
          (const double[]){1 / (1 + exp(-0.1) + exp(-0.5)), 1 / (1 + exp(-0.4))});
    check((as_route_args){.kind = AS_ROUTE_SPARSEMIXER, .jitter = 1e3f}, 2, (const int[]){0, 3},
          (const double[]){exp(1) / (exp(1) + exp(0.5) + exp(-2) + exp(0.9) + exp(-0.1)),
                           exp(0.9) / (exp(0.5) + exp(-2) + exp(0.9) + exp(-0.1))});
}

Test(route, logits_are_chosen_with_their_correction_and_weighed_by_a_sigmoid)
{
    static const float bias[EXPERTS] = {0, 0, 10, 0, 0};
    check((as_route_args){.kind = AS_ROUTE_TOPK_SIGMOID}, 2, (const int[]){0, 3},
          (const double[]){1 / (1 + exp(-1)), 1 / (1 + exp(-0.9))});
    check((as_route_args){.kind = AS_ROUTE_TOPK_SIGMOID, .bias = bias}, 2, (const int[]){2, 0},
          (const double[]){1 / (1 + exp(2)), 1 / (1 + exp(-1))});
}

Test(route, weights_are_divided_by_a_norm_that_has_a_least)
{
    double a = 1 / (1 + exp(-1)), b = 1 / (1 + exp(-0.9));
    as_route_args args = {.kind = AS_ROUTE_TOPK_SIGMOID, .normalise = true, .norm_power = 2};
    check(args, 2, (const int[]){0, 3}, (const double[]){a / sqrt(a * a + b * b), b / sqrt(a * a + b * b)});
    args.norm_power = 1;
    check(args, 2, (const int[]){0, 3}, (const double[]){a / (a + b), b / (a + b)});
    args.norm_added = 0.5f;
    check(args, 2, (const int[]){0, 3}, (const double[]){a / (a + b + 0.5), b / (a + b + 0.5)});
    args.norm_added = 0;
    args.norm_least = 4;
    check(args, 2, (const int[]){0, 3}, (const double[]){a / 4, b / 4});
}

Test(route, logits_are_capped)
{
    double a = 0.7 * tanh(1 / 0.7);
    check((as_route_args){.kind = AS_ROUTE_SIGMOID, .cap = 0.7f}, 1, (const int[]){0},
          (const double[]){1 / (1 + exp(-a))});
}

static int ascending(const void *a, const void *b)
{
    return *(const int32_t *)a - *(const int32_t *)b;
}

/* The experts of other groups count as zero, so that where the rest are corrected below zero many are equal.
 * Which of them are taken is what torch.topk (2.15, CPU, sorted=False) answers. */
Test(route, equal_scores_fall_as_torch_lets_them)
{
    enum { MOST = 256 };
    static const struct {
        int64_t experts, top;
        float scores[16];
        int32_t ids[6];
    } cases[] = {
        {8, 3, {0}, {4, 5, 6}},
        {12, 4, {-.5F, 0, 0, 0, 0, -.25F, 0, 0, 0, 0, -1, -2}, {1, 6, 7, 8}},
        {16, 5, {-.5F, -.75F, -.125F, -.25F}, {9, 10, 11, 12, 14}},
        {16, 6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .5F, -.75F, .125F, -.25F}, {1, 8, 9, 10, 12, 14}},
        {256, 2, {0}, {0, 1}},
    };
    as_exec exec = exec_with(1);
    const as_backend *backend;
    for (int l = 0; (backend = level_at(l)) != NULL; l++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            float all[MOST] = {0}, weights[6];
            int32_t ids[6];
            memcpy(all, cases[i].scores, sizeof cases[i].scores);
            backend->route(&exec, &(as_route_args){.kind = AS_ROUTE_TOPK_SIGMOID,
                                                   .scores = all,
                                                   .n = 1,
                                                   .experts = cases[i].experts,
                                                   .top_k = cases[i].top,
                                                   .groups = 1,
                                                   .scale = 1,
                                                   .ids = ids,
                                                   .weights = weights});
            qsort(ids, (size_t)cases[i].top, sizeof *ids, ascending);
            cr_assert_eq(memcmp(ids, cases[i].ids, (size_t)cases[i].top * sizeof *ids), 0,
                         "%s: case %zu: %d %d", backend->level, i, ids[0], ids[1]);
        }
    }
}
