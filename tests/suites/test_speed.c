/* suites/speed: a load on a clock that only the fake target moves, so every latency is known beforehand. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/speed/metrics.h"
#include "suites/speed/speed.h"
#include "tests/suites/fake_target.h"

#define GRID                                                                                                 \
    "'prompt_tokens': [100, 1000], 'concurrency': [1, 4], 'completion_tokens': 11, 'requests_least': 8, "    \
    "'requests_most': 12, 'open_requests': 20, 'silence_s': 5"
#define FLOOR ", 'gates': {'tokens_per_s': {'value': 10, 'reason': 'promised'}}"
#define RULES                                                                                                \
    ", 'rules': [{'id': 'throughput-10', 'suite': 'speed', 'parameters': {'tokens_per_second_above': 10}},"  \
    "{'id': 'ttft-low', 'suite': 'speed'}]"
#define PROFILE "{'name': 'p', 'speed': {" GRID FLOOR "}" RULES "}"

static int64_t fake_now(void *context)
{
    return *((fake_target *)context)->now_ns;
}

static void fake_sleep(void *context, int64_t at_ns)
{
    fake_target *f = context;
    if (*f->now_ns < at_ns) *f->now_ns = at_ns;
}

static void run_speed(fake_run *run, fake_target *f)
{
    as_clock_source clock = {fake_now, fake_sleep, f};
    as_error err = {.text = ""};
    cr_assert_eq(as_speed_run(&run->context, &clock, &err), AS_OK, "%s", err.text);
}

static void run_with(fake_run *run, fake_target *f, const char *profile)
{
    fake_run_open(run, "speed", f, profile);
    run_speed(run, f);
}

static void done(fake_run *run, fake_target *f)
{
    fake_run_close(run);
    fake_target_free(f);
}

static double value_at(const json_t *object, const char *first, const char *second, const char *third)
{
    const json_t *v = json_object_get(object, first);
    if (second) v = json_object_get(v, second);
    if (third) v = json_object_get(v, third);
    cr_assert(json_is_number(v), "%s is not a number", first);
    return json_number_value(v);
}

/* ---- the generator ---------------------------------------------------------------------------------------
 */

typedef struct setup {
    fake_target *f;
    fake_run run;
    as_clock_source clock;
    int32_t tokens[400];
    as_load load;
} setup;

static void set_up(setup *s)
{
    s->f = fake_target_new(4096);
    fake_run_open(&s->run, "speed", s->f, "{}");
    s->clock = (as_clock_source){fake_now, fake_sleep, s->f};
    for (int i = 0; i < 400; i++) s->tokens[i] = i % 250;
    s->load = (as_load){.context = &s->run.context,
                        .target = &s->f->base,
                        .clock = &s->clock,
                        .concurrency = 1,
                        .rate = 1,
                        .requests = 10,
                        .prompt_tokens = 100,
                        .completion_tokens = 11,
                        .tokens = s->tokens,
                        .token_count = 400,
                        .seed = 1,
                        .silence_s = 5,
                        .phrase = "test"};
}

static void tear_down(setup *s)
{
    fake_run_close(&s->run);
    fake_target_free(s->f);
}

Test(load, closed_latencies_are_known)
{
    setup s;
    set_up(&s);
    as_load_result r;
    as_speed_options options;
    as_speed_metrics m;
    cr_assert_eq(as_speed_options_read(NULL, &options, NULL), AS_OK);
    cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
    cr_assert_eq(as_speed_measure(&s.load, &r, &options, &m, NULL), AS_OK);
    cr_assert_eq(m.done, 10);
    cr_assert_eq(m.miscounted, 0);
    /* A prompt of 100 tokens at 10 us, then steps of 10 ms, the first with the prompt. */
    cr_assert_float_eq(m.ttft_send.value, 0.011, 1e-9);
    cr_assert_float_eq(m.tpot.value, 0.010, 1e-9);
    cr_assert_float_eq(m.gap.value, 0.010, 1e-9);
    cr_assert_float_eq(m.rate.value, 100, 1e-6);
    cr_assert_float_eq(m.end_to_end.value, 0.111, 1e-9);
    cr_assert_float_eq(m.total_rate, 110 / 1.11, 1e-6);
    cr_assert_float_eq(m.goodput, 10 / 1.11, 1e-6);
    cr_assert_eq(r.gap_count, 100);
    as_load_free(&r);
    tear_down(&s);
}

Test(load, runs_on_the_real_clock)
{
    setup s;
    set_up(&s);
    s.f->now_ns = NULL;
    s.load.clock = &as_clock_real;
    as_load_result r;
    for (int arrival = 0; arrival < 3; arrival++) {
        s.load.arrival = (as_arrival)arrival;
        s.load.rate = 2000;
        cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
        cr_assert_eq(r.count, 10);
        for (int i = 0; i < 10; i++) {
            cr_assert_eq(r.samples[i].state, AS_SAMPLE_DONE);
            cr_assert_leq(r.samples[i].due_ns, r.samples[i].sent_ns);
            cr_assert_leq(r.samples[i].sent_ns, r.samples[i].first_ns);
        }
        as_load_free(&r);
    }
    tear_down(&s);
}

Test(load, closed_keeps_n_under_way)
{
    setup s;
    set_up(&s);
    s.load.concurrency = 4;
    s.load.requests = 12;
    as_load_result r;
    cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
    for (int i = 0; i < 4; i++) cr_assert_eq(r.samples[i].sent_ns, r.samples[0].sent_ns);
    cr_assert_eq(r.samples[4].sent_ns, r.samples[0].last_ns);
    as_load_free(&r);
    tear_down(&s);
}

Test(load, open_latency_counts_from_the_due_time)
{
    setup s;
    set_up(&s);
    /* 20 a second of requests that take 111 ms alone: they overlap. One token at a time, so steps matter. */
    s.load.arrival = AS_ARRIVAL_CONSTANT;
    s.load.rate = 20;
    as_load_result r;
    cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
    for (int i = 0; i < 10; i++) {
        cr_assert_eq(r.samples[i].due_ns, r.start_ns + i * 50000000LL);
        cr_assert_geq(r.samples[i].sent_ns, r.samples[i].due_ns);
        cr_assert_leq(r.samples[i].sent_ns - r.samples[i].due_ns, 11000000);
        cr_assert_eq(r.samples[i].state, AS_SAMPLE_DONE);
    }
    as_load_free(&r);

    s.load.arrival = AS_ARRIVAL_POISSON;
    s.load.requests = 400;
    s.load.rate = 50;
    s.load.completion_tokens = 2;
    as_load_result again;
    s.load.seed = 7;
    cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
    cr_assert_eq(as_load_run(&s.load, &again, NULL), AS_OK);
    double span = (double)(r.samples[399].due_ns - r.start_ns) * 1e-9;
    cr_assert(span > 6.5 && span < 9.5, "400 arrivals at 50 a second took %g s", span);
    for (int i = 0; i < 400; i++) {
        cr_assert_eq(r.samples[i].due_ns - r.start_ns, again.samples[i].due_ns - again.start_ns);
    }
    as_load_free(&r);
    as_load_free(&again);
    tear_down(&s);
}

Test(load, failures_stay_failures)
{
    static const struct {
        unsigned fault;
        as_sample_state state;
        const char *problem;
    } cases[] = {{FAKE_BREAKS, AS_SAMPLE_BROKEN, "connection reset by peer"},
                 {FAKE_STOPS_EARLY, AS_SAMPLE_REFUSED, "exceed the context length"},
                 {FAKE_SILENT, AS_SAMPLE_SILENT, "no event for 5 s"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setup s;
        set_up(&s);
        s.f->faults = cases[i].fault;
        if (cases[i].fault == FAKE_STOPS_EARLY) s.f->base.facts.context = 120;
        as_load_result r;
        cr_assert_eq(as_load_run(&s.load, &r, NULL), AS_OK);
        cr_assert_eq(r.samples[0].state, cases[i].state, "case %zu: %s", i,
                     as_sample_state_name(r.samples[0].state));
        cr_assert(strstr(r.problem, cases[i].problem), "case %zu: %s", i, r.problem);
        cr_assert_eq(s.f->submitted, cases[i].fault == FAKE_SILENT ? 1 : 10, "nothing is sent twice");
        as_load_free(&r);
        tear_down(&s);
    }
}

Test(load, survives_failed_allocations)
{
    /* The generator's own two; the ones after them are the fake target's. */
    for (uint64_t n = 1; n <= 2; n++) {
        setup s;
        set_up(&s);
        as_load_result r;
        as_error err = {.text = ""};
        as_alloc_fail_after(n);
        as_code rc = as_load_run(&s.load, &r, &err);
        as_alloc_fail_after(0);
        cr_assert_eq(rc, AS_E_MEMORY);
        tear_down(&s);
    }
}

/* ---- the suite -------------------------------------------------------------------------------------------
 */

Test(speed, a_fast_target_passes)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    fake_run_open(&run, "speed", f, PROFILE);
    json_t *limits = json_pack("{s:f, s:f}", "read_gbps", 0.1, "fma_gflops", 50.0);
    run.context.limits = limits;
    run_speed(&run, f);
    fake_expect(&run, "speed/decode-floor", "pass", "the whole interval keeps it");
    fake_expect(&run, "speed/ttft", "pass", "no gate");
    fake_expect(&run, "speed/counts", "pass", NULL);
    fake_expect(&run, "p/throughput-10", "pass", NULL);
    fake_expect(&run, "p/ttft-low", "pass", "reported");
    const json_t *cell = fake_measured(&run, "speed/closed-p1000-c1");
    cr_assert_float_eq(value_at(cell, "ttft_s", "median", "value"), 0.020, 1e-9);
    cr_assert_float_eq(value_at(cell, "tokens_per_s", "median", "value"), 100, 1e-6);
    const json_t *p90 = json_object_get(json_object_get(cell, "ttft_s"), "p90");
    cr_assert(json_is_null(json_object_get(p90, "value")));
    cr_assert(strstr(json_string_value(json_object_get(p90, "reason")), "64 are needed"));
    /* 80 gaps back a p90 of the time between tokens, but not a p99. */
    cr_assert_float_eq(value_at(cell, "itl_s", "p90", "value"), 0.010, 1e-9);
    cr_assert(json_is_null(json_object_get(json_object_get(json_object_get(cell, "itl_s"), "p99"), "value")));
    /* 200000 bytes a token at 100 tokens a second of 1e8 bytes a second. */
    cr_assert_float_eq(value_at(fake_measured(&run, "speed/read-fraction"), "value", NULL, NULL), 0.2, 1e-9);
    /* 2 * 1e5 operations a token, 1000 tokens in 20 ms, of 5e10 a second. */
    cr_assert_float_eq(value_at(fake_measured(&run, "speed/fma-fraction"), "value", NULL, NULL), 0.2, 1e-9);
    fake_expect(&run, "speed/open-constant", "pass", NULL);
    fake_expect(&run, "speed/open-poisson", "pass", NULL);
    cr_assert_eq(json_object_size(json_object_get(fake_series(&run, "rate-by-concurrency"), "lines")), 2);
    json_decref(limits);
    done(&run, f);
}

Test(speed, floors_are_judged_on_the_interval)
{
    static const struct {
        int64_t step_ns, jitter_ns;
        const char *verdict;
    } cases[] = {{50000000, 0, "pass"}, {120000000, 0, "fail"}, {85000000, 30000000, "inconclusive"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_target *f = fake_target_new(4096);
        f->step_ns = cases[i].step_ns;
        f->jitter_ns = cases[i].jitter_ns;
        fake_run run;
        run_with(&run, f,
                 "{'name': 'p', 'speed': {'prompt_tokens': [100], 'concurrency': [1], 'completion_tokens': 6,"
                 "'requests_least': 6, 'requests_most': 6, 'open_requests': 0" FLOOR "}" RULES "}");
        fake_expect(&run, "speed/decode-floor", cases[i].verdict, NULL);
        fake_expect(&run, "p/throughput-10", cases[i].verdict, NULL);
        done(&run, f);
    }
}

Test(speed, repeats_until_narrow_or_out_of_requests)
{
    fake_target *f = fake_target_new(4096);
    f->jitter_ns = 30000000;
    fake_run run;
    run_with(
        &run, f,
        "{'speed': {'prompt_tokens': [100], 'concurrency': [1], 'completion_tokens': 11, 'requests_least': 8,"
        "'requests_most': 200, 'narrow': 0.05, 'open_requests': 0}}");
    double requests = value_at(fake_measured(&run, "speed/closed-p100-c1"), "requests", NULL, NULL);
    cr_assert(requests > 8 && requests < 200, "%g requests", requests);
    fake_expect(&run, "speed/closed-p100-c1", "pass", "narrow enough");
    done(&run, f);

    f = fake_target_new(4096);
    f->jitter_ns = 30000000;
    run_with(
        &run, f,
        "{'speed': {'prompt_tokens': [100], 'concurrency': [1], 'completion_tokens': 11, 'requests_least': 8,"
        "'requests_most': 10, 'narrow': 0.0001, 'open_requests': 0}}");
    fake_expect(&run, "speed/closed-p100-c1", "pass", "all requests were made");
    done(&run, f);
}

Test(speed, faults_get_their_verdicts)
{
    static const struct {
        unsigned fault;
        const char *id, *verdict, *word;
    } cases[] = {
        {FAKE_DUPLICATES, "speed/counts", "fail", "sent twice or lost"},
        {FAKE_MISCOUNTS, "speed/counts", "fail", NULL},
        {FAKE_IGNORES_MAX, "speed/counts", "fail", NULL},
        {FAKE_BREAKS, "speed/closed-p100-c1", "fail", "connection reset by peer"},
        {FAKE_BREAKS, "speed/decode-floor", "fail", "no request was served"},
        {FAKE_BREAKS, "p/throughput-10", "fail", "connection reset"},
        {FAKE_SILENT, "speed/closed-p100-c1", "fail", "no event for 5 s"},
        {FAKE_SILENT, "speed/decode-floor", "fail", "fell silent"},
        {FAKE_SILENT, "speed/open-poisson", "skip", "no closed load"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fake_target *f = fake_target_new(4096);
        f->faults = cases[i].fault;
        fake_run run;
        run_with(&run, f, PROFILE);
        fake_expect(&run, cases[i].id, cases[i].verdict, cases[i].word);
        done(&run, f);
    }
}

Test(speed, a_load_that_was_not_offered_is_an_error)
{
    fake_target *f = fake_target_new(4096);
    f->base.facts.kind = "http"; /* its poll ought to return in time */
    fake_run run;
    fake_run_open(&run, "speed", f,
                  "{'speed': {'prompt_tokens': [100], 'concurrency': [1], 'completion_tokens': 11,"
                  "'requests_least': 6, 'requests_most': 6, 'open_requests': 10, 'open_load': 2}}");
    f->faults = FAKE_SLOW_POLL;
    f->slow_ns = 400000000;
    run_speed(&run, f);
    fake_expect(&run, "speed/open-constant", "error", "not offered as asked");
    done(&run, f);
}

Test(speed, too_long_for_the_context_is_a_skip)
{
    fake_target *f = fake_target_new(512);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "speed/closed-p1000-c1", "skip", "exceed the context of 512");
    fake_expect(&run, "speed/closed-p100-c4", "pass", NULL);
    done(&run, f);
}

Test(speed, a_spent_budget_is_a_skip)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    fake_run_open(&run, "speed", f, PROFILE);
    run.context.budget_s = 1e-9;
    run_speed(&run, f);
    fake_expect(&run, "speed/closed-p100-c1", "skip", "budget");
    fake_expect(&run, "speed/decode-floor", "skip", "more budget");
    fake_expect(&run, "speed/open-constant", "skip", NULL);
    fake_expect(&run, "p/throughput-10", "skip", NULL);
    done(&run, f);
}

Test(speed, an_interrupted_run_goes_on)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    fake_run_open(&run, "speed", f, PROFILE);
    as_clock_source clock = {fake_now, fake_sleep, f};
    run.cancel_after = 2;
    as_error err = {.text = ""};
    cr_assert_eq(as_speed_run(&run.context, &clock, &err), AS_E_CANCELLED);
    cr_assert_eq(json_array_size(json_object_get(run.context.suite, "checks")), 2);
    run.cancel_after = 0;
    run.context.resume = true;
    int64_t before = f->submitted;
    run_speed(&run, f);
    fake_expect(&run, "speed/decode-floor", "pass", NULL);
    const json_t *lines = json_object_get(fake_series(&run, "rate-by-concurrency"), "lines");
    cr_assert_eq(json_array_size(json_object_get(lines, "prompt of 100 tokens")), 2);
    /* Two cells of at most 12 requests and a warm-up, two open loads of 20. */
    cr_assert_leq(f->submitted - before, 2 * 13 + 40);
    done(&run, f);
}
