/* Continuous batching: many requests at once give what each gives alone. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tests/engine/golden.h"

enum { REQUESTS = 70, MOST = 40 };

typedef struct outcome {
    int32_t tokens[MOST];
    int64_t count;
    as_finish finish;
    as_logprob top[MOST][3];
    double chosen[MOST];
} outcome;

typedef struct outcomes {
    outcome of[REQUESTS];
    int ended;
} outcomes;

static void collect(void *context, const as_event *event)
{
    outcomes *all = context;
    outcome *o = &all->of[(intptr_t)event->user];
    cr_assert_eq(o->finish, AS_FINISH_NONE, "an event after the end");
    if (event->token >= 0) {
        for (int64_t i = 0; i < event->top_count; i++) o->top[o->count][i] = event->top[i];
        o->chosen[o->count] = (double)event->chosen.logprob;
        o->tokens[o->count++] = event->token;
        cr_assert_eq(event->completion_tokens, o->count);
    }
    o->finish = event->finish;
    all->ended += event->finish != AS_FINISH_NONE;
}

/* Request number i: its own prompt, length and sampling. */
static as_request request_of(const golden *g, int i)
{
    as_request r = {.tokens = g->tokens + i % 11,
                    .count = 1 + (i * 7) % (g->count - 12),
                    .max_tokens = 1 + i % MOST,
                    .ignore_eos = true,
                    .logprobs = 3,
                    .user = (void *)(intptr_t)i};
    if (i % 3 == 1) r.sampling = (as_sampling){.temperature = 1.3, .seed = (uint64_t)i, .top_p = 0.9};
    if (i % 3 == 2) {
        r.sampling = (as_sampling){.temperature = 0.8,
                                   .top_k = 5,
                                   .seed = 9,
                                   .repetition_penalty = 1.2,
                                   .presence_penalty = 0.3,
                                   .frequency_penalty = 0.1};
    }
    return r;
}

static void serve(const as_model *model, const golden *g, int first, int last, int batch, int64_t chunk,
                  outcomes *out)
{
    as_session_options options = {.threads = 2, .cache_tokens = 4096, .max_sequences = batch, .chunk = chunk};
    as_scheduler_options serving = {.context = 512};
    as_session *session;
    as_scheduler *scheduler;
    as_error err;
    bool busy = true;
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_scheduler_open(session, &serving, &scheduler, &err), AS_OK, "%s", err.text);
    for (int i = first; i < last; i++) {
        as_request r = request_of(g, i);
        int64_t id;
        cr_assert_eq(as_scheduler_submit(scheduler, &r, &id, &err), AS_OK, "%s", err.text);
    }
    while (busy) cr_assert_eq(as_scheduler_step(scheduler, collect, out, &busy, &err), AS_OK, "%s", err.text);
    as_scheduler_close(scheduler);
    as_session_close(session);
}

/* Every `stride`-th request is also computed alone. */
static void check_batches(const char *name, int stride)
{
    static outcomes together, alone;
    golden g;
    golden_open(name, &g);
    as_model *model = golden_model(&g, "f32", NULL);
    memset(&together, 0, sizeof together);
    memset(&alone, 0, sizeof alone);
    serve(model, &g, 0, REQUESTS, 64, 100, &together);
    for (int i = 0; i < REQUESTS; i += stride) serve(model, &g, i, i + 1, 1, 512, &alone);
    cr_assert_eq(together.ended, REQUESTS);
    for (int i = 0; i < REQUESTS; i++) {
        cr_assert_eq(together.of[i].finish, AS_FINISH_LENGTH);
        if (i % stride) continue;
        cr_assert(memcmp(&together.of[i], &alone.of[i], sizeof alone.of[i]) == 0, "%s: request %d differs",
                  name, i);
    }
    as_model_close(model);
    golden_close(&g);
}

Test(scheduler, seventy_requests_together_as_each_alone)
{
    check_batches("llama-grouped", 2);
    check_batches("mamba-biases", 7);
    check_batches("mistral-window", 7);
    check_batches("mixtral-experts", 7);
}

/* One request of a small model, with what it is to end by. */
typedef struct single {
    as_model *model;
    as_session *session;
    as_scheduler *scheduler;
    golden g;
} single;

static single open_single(int64_t context)
{
    single s;
    as_error err;
    golden_open("llama-grouped", &s.g);
    s.model = golden_model(&s.g, "f32", NULL);
    as_session_options options = {.threads = 1, .cache_tokens = 512, .max_sequences = 2};
    as_scheduler_options serving = {.context = context};
    cr_assert_eq(as_session_open(s.model, &options, &s.session, &err), AS_OK);
    cr_assert_eq(as_scheduler_open(s.session, &serving, &s.scheduler, &err), AS_OK);
    return s;
}

static void close_single(single *s)
{
    as_scheduler_close(s->scheduler);
    as_session_close(s->session);
    as_model_close(s->model);
    golden_close(&s->g);
}

Test(scheduler, holds_the_context_exactly_and_names_it)
{
    single s = open_single(50);
    as_error err;
    int64_t id;
    as_request r = {.tokens = s.g.tokens, .count = 20, .max_tokens = 30, .ignore_eos = true, .logprobs = -1};
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_OK, "%s", err.text);
    r.max_tokens = 31;
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "50") && strstr(err.text, "20") && strstr(err.text, "31"), "%s", err.text);
    static outcomes out;
    bool busy = true;
    while (busy) cr_assert_eq(as_scheduler_step(s.scheduler, collect, &out, &busy, &err), AS_OK);
    cr_assert_eq(out.of[0].count, 30);
    cr_assert_eq(out.of[0].finish, AS_FINISH_LENGTH);
    close_single(&s);
}

Test(scheduler, refuses_what_makes_no_sense)
{
    single s = open_single(50);
    as_error err;
    int64_t id;
    as_request r = {.tokens = s.g.tokens, .count = 0, .max_tokens = 1};
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_E_INPUT);
    r.count = 5;
    r.max_tokens = -1;
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_E_INPUT);
    r.max_tokens = INT64_MAX;
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_E_LIMIT);
    int32_t outside[] = {1, 2, 1 << 30};
    r = (as_request){.tokens = outside, .count = 3, .max_tokens = 1};
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_E_INPUT);
    close_single(&s);
}

Test(scheduler, cancels_waiting_and_running_requests)
{
    single s = open_single(500);
    as_error err;
    static outcomes out;
    int64_t ids[4];
    for (int i = 0; i < 4; i++) {
        as_request r = {.tokens = s.g.tokens,
                        .count = 10,
                        .max_tokens = 20,
                        .ignore_eos = true,
                        .logprobs = -1,
                        .user = (void *)(intptr_t)i};
        cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &ids[i], &err), AS_OK);
    }
    bool busy = true;
    for (int step = 0; busy; step++) {
        if (step == 3) as_scheduler_cancel(s.scheduler, ids[0]);
        if (step == 4) as_scheduler_cancel(s.scheduler, ids[3]);
        cr_assert_eq(as_scheduler_step(s.scheduler, collect, &out, &busy, &err), AS_OK);
    }
    cr_assert_eq(out.of[0].finish, AS_FINISH_CANCELLED);
    cr_assert_eq(out.of[3].finish, AS_FINISH_CANCELLED);
    cr_assert_eq(out.of[0].count, 3);
    cr_assert_eq(out.of[3].count, 0);
    cr_assert_eq(out.of[1].finish, AS_FINISH_LENGTH);
    cr_assert_eq(out.of[2].count, 20);
    close_single(&s);
}

Test(scheduler, decoding_does_not_allocate)
{
    single s = open_single(500);
    as_error err;
    static outcomes out;
    int64_t id;
    as_request r = {.tokens = s.g.tokens, .count = 10, .max_tokens = 30, .ignore_eos = true, .logprobs = 3};
    cr_assert_eq(as_scheduler_submit(s.scheduler, &r, &id, &err), AS_OK);
    bool busy = true;
    cr_assert_eq(as_scheduler_step(s.scheduler, collect, &out, &busy, &err), AS_OK);
    uint64_t before = as_alloc_count();
    for (int i = 0; i < 20; i++)
        cr_assert_eq(as_scheduler_step(s.scheduler, collect, &out, &busy, &err), AS_OK);
    cr_assert_eq(as_alloc_count(), before);
    close_single(&s);
}
