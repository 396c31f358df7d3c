/* Sampling against a plain float64 definition: which tokens may come, how often, and always the same. */
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "engine/sample.h"

enum { VOCAB = 40, DRAWS = 20000 };

/* ---- the definition --------------------------------------------------------------------------------------
 */

typedef struct candidate {
    int id;
    double score;
} candidate;

static int by_score(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->score != y->score) return x->score < y->score ? 1 : -1;
    return x->id - y->id;
}

/* Probabilities of all tokens, step by step as the interface describes them. */
static void define(const as_sampling *s, const float *logits, const as_token_counts *counts, double *out)
{
    candidate c[VOCAB];
    for (int i = 0; i < VOCAB; i++) {
        double score = (double)logits[i];
        int n = counts ? counts->in_completion[i] : 0;
        if (s->repetition_penalty > 0 && counts && (n || counts->in_prompt[i])) {
            score = score > 0 ? score / s->repetition_penalty : score * s->repetition_penalty;
        }
        if (n) score -= s->presence_penalty + n * s->frequency_penalty;
        c[i] = (candidate){i, score / s->temperature};
    }
    qsort(c, VOCAB, sizeof *c, by_score);
    int kept = s->top_k > 0 && s->top_k < VOCAB ? (int)s->top_k : VOCAB;
    double sum = 0, before = 0;
    for (int i = 0; i < kept; i++) sum += exp(c[i].score - c[0].score);
    if (s->top_p > 0 && s->top_p < 1) {
        int n = 0;
        while (n < kept && (n == 0 || before / sum < s->top_p)) before += exp(c[n++].score - c[0].score);
        kept = n;
    }
    if (s->min_p > 0) {
        int n = 1;
        while (n < kept && exp(c[n].score - c[0].score) >= s->min_p) n++;
        kept = n;
    }
    sum = 0;
    for (int i = 0; i < kept; i++) sum += exp(c[i].score - c[0].score);
    for (int i = 0; i < VOCAB; i++) out[i] = 0;
    for (int i = 0; i < kept; i++) out[c[i].id] = exp(c[i].score - c[0].score) / sum;
}

/* ---- helpers ---------------------------------------------------------------------------------------------
 */

static as_code draw(const as_sampling *s, const float *logits, const as_token_counts *counts, int64_t index,
                    int32_t *out, as_error *err)
{
    float scores[VOCAB];
    int32_t ids[VOCAB];
    as_sample_room room = {scores, ids};
    return as_sample(s, logits, VOCAB, counts, index, &room, out, err);
}

static int32_t must_draw(const as_sampling *s, const float *logits, const as_token_counts *counts,
                         int64_t index)
{
    int32_t token = -1;
    as_error err;
    cr_assert_eq(draw(s, logits, counts, index, &token, &err), AS_OK, "%s", err.text);
    cr_assert(token >= 0 && token < VOCAB);
    return token;
}

static void make_logits(float *logits, uint64_t seed)
{
    as_rng rng;
    as_rng_init(&rng, seed, 0);
    for (int i = 0; i < VOCAB; i++) logits[i] = (float)(2.5 * as_rng_normal(&rng));
}

/* Pearson's statistic over classes of an expected count of five or more, the rest together; a token of
 * probability 0 must never come. The bound is the normal approximation's at five deviations. */
static void expect_distribution(const as_sampling *s, const float *logits, const as_token_counts *counts,
                                const char *name)
{
    double expected[VOCAB], statistic = 0, rest_expected = 0, rest_found = 0;
    int64_t found[VOCAB] = {0}, classes = 0;
    define(s, logits, counts, expected);
    for (int64_t i = 0; i < DRAWS; i++) found[must_draw(s, logits, counts, i)]++;
    for (int i = 0; i < VOCAB; i++) {
        double mean = expected[i] * DRAWS;
        cr_assert(mean > 0 || found[i] == 0, "%s: token %d came %lld times, expected never", name, i,
                  (long long)found[i]);
        if (mean < 5) {
            rest_expected += mean;
            rest_found += (double)found[i];
            continue;
        }
        statistic += ((double)found[i] - mean) * ((double)found[i] - mean) / mean;
        classes++;
    }
    if (rest_expected >= 1) {
        statistic += (rest_found - rest_expected) * (rest_found - rest_expected) / rest_expected;
        classes++;
    }
    double freedom = (double)(classes > 1 ? classes - 1 : 1), bound = freedom + 5 * sqrt(2 * freedom) + 5;
    cr_assert_leq(statistic, bound, "%s: chi-square %.1f with %g degrees of freedom, at most %.1f", name,
                  statistic, freedom, bound);
}

/* ---- tests -----------------------------------------------------------------------------------------------
 */

Test(sample, every_option_gives_its_distribution)
{
    static const struct {
        const char *name;
        as_sampling sampling;
        bool counts;
    } cases[] = {
        {"temperature 1", {.temperature = 1}, false},
        {"temperature 0.5", {.temperature = 0.5}, false},
        {"temperature 3", {.temperature = 3}, false},
        {"top_k 1", {.temperature = 1, .top_k = 1}, false},
        {"top_k 7", {.temperature = 1, .top_k = 7}, false},
        {"top_k of all", {.temperature = 1, .top_k = VOCAB}, false},
        {"top_k of more than all", {.temperature = 1, .top_k = 1 << 20}, false},
        {"top_p 0.5", {.temperature = 1, .top_p = 0.5}, false},
        {"top_p 0.95", {.temperature = 2, .top_p = 0.95}, false},
        {"top_p 1", {.temperature = 1, .top_p = 1}, false},
        {"top_p tiny", {.temperature = 1, .top_p = 1e-9}, false},
        {"min_p 0.1", {.temperature = 1, .min_p = 0.1}, false},
        {"min_p 1", {.temperature = 1, .min_p = 1}, false},
        {"top_k, top_p and min_p", {.temperature = 1.5, .top_k = 12, .top_p = 0.9, .min_p = 0.05}, false},
        {"repetition", {.temperature = 1, .repetition_penalty = 1.5}, true},
        {"repetition below 1", {.temperature = 1, .repetition_penalty = 0.7}, true},
        {"presence", {.temperature = 1, .presence_penalty = 1.2}, true},
        {"frequency", {.temperature = 1, .frequency_penalty = 0.4}, true},
        {"all at once",
         {.temperature = 0.8,
          .top_k = 20,
          .top_p = 0.9,
          .min_p = 0.01,
          .repetition_penalty = 1.3,
          .presence_penalty = 0.5,
          .frequency_penalty = -0.2,
          .seed = 77},
         true},
    };
    float logits[VOCAB];
    uint8_t in_prompt[VOCAB] = {0};
    int32_t in_completion[VOCAB] = {0};
    make_logits(logits, 5);
    for (int i = 0; i < VOCAB; i++) {
        in_prompt[i] = i % 3 == 0;
        in_completion[i] = i % 4 == 0 ? 1 + i % 5 : 0;
    }
    as_token_counts counts = {in_prompt, in_completion};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_distribution(&cases[i].sampling, logits, cases[i].counts ? &counts : NULL, cases[i].name);
    }
}

Test(sample, top_p_keeps_just_what_reaches_it)
{
    /* Probabilities 1/2, 1/4, 1/8, ..., exact in float64: the sum before a token decides. */
    float logits[VOCAB];
    for (int i = 0; i < VOCAB; i++) logits[i] = -INFINITY;
    static const double tops[] = {0.25, 0.5, 0.6, 0.75, 0.76};
    static const int kept[] = {1, 1, 2, 2, 3};
    for (int i = 0; i < 4; i++) logits[i] = (float)-i * (float)M_LN2;
    logits[4] = logits[3]; /* so that the sum is 1 */
    for (size_t t = 0; t < 5; t++) {
        as_sampling s = {.temperature = 1, .top_p = tops[t] + (t == 1 || t == 3 ? -1e-6 : 0)};
        int most = 0;
        for (int i = 0; i < 2000; i++) {
            int32_t token = must_draw(&s, logits, NULL, i);
            if (token + 1 > most) most = token + 1;
        }
        cr_assert_eq(most, kept[t], "top_p %g kept %d, expected %d", s.top_p, most, kept[t]);
    }
}

Test(sample, ties_go_to_the_lower_id)
{
    float logits[VOCAB] = {0};
    as_sampling greedy = {.temperature = 0}, one = {.temperature = 1, .top_k = 1},
                three = {.temperature = 1, .top_k = 3}, half = {.temperature = 1, .top_p = 1e-12};
    logits[7] = logits[9] = logits[31] = logits[32] = 3;
    for (int i = 0; i < 300; i++) {
        cr_assert_eq(must_draw(&greedy, logits, NULL, i), 7);
        cr_assert_eq(must_draw(&one, logits, NULL, i), 7);
        cr_assert_eq(must_draw(&half, logits, NULL, i), 7);
        int32_t token = must_draw(&three, logits, NULL, i);
        cr_assert(token == 7 || token == 9 || token == 31, "%d", token);
    }
}

Test(sample, the_seed_and_the_index_alone_decide)
{
    float logits[VOCAB];
    make_logits(logits, 1);
    as_sampling s = {.temperature = 1.5, .seed = 123}, other = {.temperature = 1.5, .seed = 124};
    int differ_by_seed = 0, differ_by_index = 0;
    for (int i = 0; i < 200; i++) {
        int32_t token = must_draw(&s, logits, NULL, i);
        cr_assert_eq(token, must_draw(&s, logits, NULL, i));
        differ_by_seed += token != must_draw(&other, logits, NULL, i);
        differ_by_index += token != must_draw(&s, logits, NULL, i + 1000);
    }
    cr_assert_gt(differ_by_seed, 50);
    cr_assert_gt(differ_by_index, 50);
    /* Fixed for ever: a seed in a result must give the same text in the next release. */
    static const int32_t pinned[8] = {8, 22, 33, 31, 16, 8, 31, 12};
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(must_draw(&s, logits, NULL, i), pinned[i], "draw %d: %d", i,
                     must_draw(&s, logits, NULL, i));
    }
}

Test(sample, what_is_no_number_is_refused)
{
    float logits[VOCAB];
    int32_t token = -5;
    as_error err;
    static const double temperatures[] = {0, 1};
    for (size_t t = 0; t < 2; t++) {
        as_sampling s = {.temperature = temperatures[t], .top_k = 5};
        make_logits(logits, 2);
        logits[17] = NAN;
        cr_assert_eq(draw(&s, logits, NULL, 0, &token, &err), AS_E_INTERNAL);
        cr_assert(strstr(err.text, "token 17"), "%s", err.text);
        logits[17] = INFINITY;
        cr_assert_eq(draw(&s, logits, NULL, 0, &token, &err), AS_E_INTERNAL);
        for (int i = 0; i < VOCAB; i++) logits[i] = -INFINITY;
        cr_assert_eq(draw(&s, logits, NULL, 0, &token, &err), AS_E_INTERNAL);
        cr_assert_eq(token, -5);
    }
}

Test(sample, what_is_ruled_out_never_comes)
{
    float logits[VOCAB];
    uint8_t in_prompt[VOCAB];
    int32_t in_completion[VOCAB];
    memset(in_prompt, 1, sizeof in_prompt);
    for (int i = 0; i < VOCAB; i++) in_completion[i] = 3;
    as_token_counts counts = {in_prompt, in_completion};
    static const as_sampling cases[] = {
        {.temperature = 0},
        {.temperature = 1},
        {.temperature = 1e6},
        {.temperature = 1, .top_k = 30},
        {.temperature = 1, .top_p = 0.9999999},
        {.temperature = 1, .repetition_penalty = 1e6, .presence_penalty = 1e6, .frequency_penalty = 1e6},
        {.temperature = 1, .repetition_penalty = 1e-6, .presence_penalty = -1e6},
    };
    for (int i = 0; i < VOCAB; i++) logits[i] = i % 4 == 1 ? FLT_MAX / 2 : -INFINITY;
    logits[VOCAB - 1] = -INFINITY;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (int i = 0; i < 500; i++) {
            cr_assert_eq(must_draw(&cases[c], logits, NULL, i) % 4, 1, "case %zu", c);
            cr_assert_eq(must_draw(&cases[c], logits, &counts, i) % 4, 1, "case %zu with counts", c);
        }
    }
}

Test(sample, the_smallest_temperature_is_greedy)
{
    float logits[VOCAB];
    make_logits(logits, 3);
    int32_t best = must_draw(&(as_sampling){.temperature = 0}, logits, NULL, 0);
    static const double temperatures[] = {1e-3, 1e-30, 1e-45, 1e-300};
    for (size_t t = 0; t < 4; t++) {
        as_sampling s = {.temperature = temperatures[t]};
        for (int i = 0; i < 100; i++) cr_assert_eq(must_draw(&s, logits, NULL, i), best, "%g", s.temperature);
    }
}

Test(sample, log_probabilities)
{
    float logits[VOCAB];
    double sum = 0, all = 0;
    as_logprob top[VOCAB];
    make_logits(logits, 4);
    logits[3] = logits[30] = 9; /* equal: the lower id first */
    for (int i = 0; i < VOCAB; i++) sum += exp((double)logits[i]);
    double found = as_log_sum_exp(logits, VOCAB);
    cr_assert_float_eq(found, log(sum), 1e-12);
    for (int64_t count = 0; count <= VOCAB; count++) {
        as_top_logprobs(logits, VOCAB, found, count, top);
        for (int64_t i = 0; i < count; i++) {
            cr_assert_float_eq((double)top[i].logprob, (double)logits[top[i].token] - log(sum), 1e-6);
            bool ordered = i == 0 || top[i - 1].logprob > top[i].logprob ||
                           (top[i - 1].logprob == top[i].logprob && top[i - 1].token < top[i].token);
            cr_assert(ordered, "place %lld of %lld", (long long)i, (long long)count);
        }
    }
    cr_assert(top[0].token == 3 && top[1].token == 30);
    for (int i = 0; i < VOCAB; i++) all += exp((double)top[i].logprob);
    cr_assert_float_eq(all, 1, 1e-5);
    for (int i = 0; i < VOCAB; i++) logits[i] += 1e4f; /* no overflow */
    cr_assert_float_eq(as_log_sum_exp(logits, VOCAB), log(sum) + 1e4, 1e-2);
}
