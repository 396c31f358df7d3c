/* Every fixture model against transformers: each stage in order, the logits, the greedy continuation. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/engine/golden.h"

/* The promise: 1e-4 of the logits' standard deviation. Stages are held to the same of their own. */
static const double tolerance = 1e-4;

/* Of all but the logits of tokens that are never continued with. */
static double deviation(const float *values, int64_t count)
{
    static const float barred = -1e30F;
    double sum = 0, squares = 0;
    int64_t taken = 0;
    for (int64_t i = 0; i < count; i++) {
        if (values[i] < barred) continue;
        sum += values[i];
        squares += (double)values[i] * values[i];
        taken++;
    }
    double mean = sum / (double)taken;
    return sqrt(squares / (double)taken - mean * mean);
}

/* Largest difference in units of the expected values' deviation; NaN anywhere gives infinity. */
static double relative(const float *values, const float *expected, int64_t count, int64_t *where)
{
    double worst = 0;
    for (int64_t i = 0; i < count; i++) {
        double difference = fabs((double)values[i] - expected[i]);
        if (isnan(difference)) difference = INFINITY;
        if (difference <= worst) continue;
        worst = difference;
        *where = i;
    }
    return worst / deviation(expected, count);
}

typedef struct tracer {
    const golden *g;
    int compared;
} tracer;

static void compare_stage(void *context, const char *stage, int64_t rows, int64_t width, const float *values)
{
    tracer *t = context;
    int64_t elements = 0, where = 0;
    const float *expected = golden_stage(t->g, stage, &elements);
    if (!expected && !t->g->layer_stages && strchr("0123456789", stage[0])) return;
    /* What ModernBERT's decoder has behind its layers is part of the last of them here. */
    const char *out = strstr(stage, ".out");
    if (!expected && out && strncmp(t->g->name, "modernbertdecoder-", 18) == 0) return;
    cr_assert(expected, "%s: the trace has no stage %s", t->g->name, stage);
    cr_assert_eq(elements, rows * width, "%s: stage %s has %lld values, expected %lld", t->g->name, stage,
                 (long long)(rows * width), (long long)elements);
    double off = relative(values, expected, elements, &where);
    cr_assert(off <= tolerance,
              "%s: stage %s is the first to differ: %.3g of its deviation at row %lld, element "
              "%lld: %.9g, expected %.9g",
              t->g->name, stage, off, (long long)(where / width), (long long)(where % width),
              (double)values[where], (double)expected[where]);
    t->compared++;
}

static as_code compare_logits(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                              as_error *err)
{
    (void)feed, (void)err;
    const golden *g = ((tracer *)context)->g;
    int64_t where = 0;
    double worst = 0, scale = deviation(g->logits, g->count * g->vocab);
    for (int64_t i = 0; i < rows * g->vocab; i++) {
        double difference = fabs((double)logits[i] - g->logits[first * g->vocab + i]);
        if (difference <= worst) continue;
        worst = difference;
        where = i;
    }
    cr_assert(worst <= tolerance * scale,
              "%s: logits differ by %.3g of their deviation at row %lld, token %lld", g->name, worst / scale,
              (long long)(first + where / g->vocab), (long long)(where % g->vocab));
    return AS_OK;
}

static void check_stages(const golden *g, const as_model *model)
{
    as_session_options options = {.threads = 2, .cache_tokens = g->count};
    as_session *session;
    as_error err;
    int64_t sequence;
    tracer t = {.g = g};
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_session_add(session, &sequence, &err), AS_OK);
    as_session_trace(session, compare_stage, &t);
    as_feed feed = {.sequence = sequence, .tokens = g->tokens, .count = g->count, .want = AS_LOGITS_ALL};
    as_code rc = as_session_forward(session, &feed, 1, compare_logits, &t, &err);
    cr_assert_eq(rc, AS_OK, "%s", err.text);
    /* Only HRM Text's layers run several times. */
    cr_assert(g->layer_stages || strncmp(g->name, "hrm_text-", 9) == 0, "%s: no layer's stages", g->name);
    int layers = g->layer_stages ? (int)as_model_facts(model)->layers : 0;
    cr_assert_geq(t.compared, 2 + 2 * layers, "%s: %d stages", g->name, t.compared);
    as_session_close(session);
}

typedef struct continuation {
    int32_t tokens[256];
    int64_t count;
} continuation;

static void collect(void *context, const as_event *event)
{
    continuation *c = context;
    if (event->token >= 0) c->tokens[c->count++] = event->token;
}

static void check_greedy(const golden *g, const as_model *model)
{
    as_session_options options = {.threads = 1, .cache_tokens = g->count + g->greedy_count};
    as_scheduler_options serving = {.context = g->count + g->greedy_count};
    as_request request = {.tokens = g->tokens,
                          .count = g->count,
                          .max_tokens = g->greedy_count,
                          .ignore_eos = true,
                          .logprobs = -1};
    as_session *session;
    as_scheduler *scheduler;
    as_error err;
    int64_t id;
    bool busy = true;
    continuation c = {.count = 0};
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_scheduler_open(session, &serving, &scheduler, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_scheduler_submit(scheduler, &request, &id, &err), AS_OK, "%s", err.text);
    while (busy) cr_assert_eq(as_scheduler_step(scheduler, collect, &c, &busy, &err), AS_OK, "%s", err.text);
    cr_assert_eq(c.count, g->greedy_count);
    for (int64_t i = 0; i < c.count; i++) {
        cr_assert_eq(c.tokens[i], g->greedy[i], "%s: token %lld of the continuation is %d, expected %d",
                     g->name, (long long)i, c.tokens[i], g->greedy[i]);
    }
    as_scheduler_close(scheduler);
    as_session_close(session);
}

static void check_all(const char *level)
{
    char **names;
    size_t count;
    golden_list(&names, &count);
    for (size_t i = 0; i < count; i++) {
        golden g;
        golden_open(names[i], &g);
        as_model *model = golden_model(&g, "f32", level);
        check_stages(&g, model);
        check_greedy(&g, model);
        as_model_close(model);
        golden_close(&g);
    }
    as_names_free(names, count);
}

Test(golden, every_stage_at_the_best_level)
{
    check_all(NULL);
}

Test(golden, every_stage_at_the_reference_level)
{
    check_all("ref");
}
