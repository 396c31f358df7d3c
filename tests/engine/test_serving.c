/* The scheduler as a server sees it: stop strings, end tokens, log-probabilities, fairness, cancellation,
 * promises of cache, requests that fail alone. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "engine/text/tokenizer.h"
#include "tests/engine/checkpoint.h"
#include "tests/engine/golden.h"

/* ---- a server of one model -------------------------------------------------------------------------------
 */

typedef struct server {
    as_model *model;
    as_session *session;
    as_scheduler *scheduler;
} server;

static void start(server *s, as_session_options options, int64_t context)
{
    as_error err;
    as_scheduler_options serving = {.context = context};
    cr_assert_eq(as_session_open(s->model, &options, &s->session, &err), AS_OK, "%s", err.text);
    cr_assert_eq(as_scheduler_open(s->session, &serving, &s->scheduler, &err), AS_OK, "%s", err.text);
}

static server open_server(const char *name, as_session_options options, int64_t context)
{
    server s;
    as_error err;
    char path[256];
    as_model_options loading = {.dtype = "f32", .threads = 1};
    snprintf(path, sizeof path, "fixtures/models/%s", name);
    cr_assert_eq(as_model_open(path, &loading, &s.model, &err), AS_OK, "%s", err.text);
    start(&s, options, context);
    return s;
}

static void stop(server *s)
{
    as_scheduler_close(s->scheduler);
    as_session_close(s->session);
}

static void close_server(server *s)
{
    stop(s);
    as_model_close(s->model);
}

/* What came of one request, gathered from its events. */
enum { MOST = 256 };
typedef struct answer {
    int32_t tokens[MOST];
    double logprobs[MOST];
    int64_t steps[MOST]; /* at which each token came */
    int64_t count, first_step, last_step;
    as_finish finish;
    char problem[128];
    as_buf text;
    int64_t last_time;
} answer;

static int64_t step_now; /* of the server at hand; each test is its own process */

static void gather(void *context, const as_event *event)
{
    (void)context;
    answer *a = event->user;
    cr_assert_eq(a->finish, AS_FINISH_NONE, "an event after the end");
    cr_assert_geq(event->time_ns, a->last_time);
    a->last_time = event->time_ns;
    if (event->token >= 0) {
        cr_assert_eq(event->chosen.token, event->token);
        a->logprobs[a->count] = (double)event->chosen.logprob;
        a->steps[a->count] = step_now;
        a->tokens[a->count++] = event->token;
    } else {
        cr_assert_neq(event->finish, AS_FINISH_NONE, "an event without token and end");
    }
    cr_assert_eq(event->completion_tokens, a->count);
    if (event->finish == AS_FINISH_ERROR) {
        snprintf(a->problem, sizeof a->problem, "%s", event->text);
    } else if (event->text_size) {
        as_buf_add(&a->text, event->text, (size_t)event->text_size); /* it may hold zero bytes */
    }
    a->finish = event->finish;
    if (event->finish != AS_FINISH_NONE) a->last_step = step_now;
}

static int64_t submit(server *s, as_request request, answer *a)
{
    as_error err;
    int64_t id;
    *a = (answer){.count = 0};
    request.user = a;
    cr_assert_eq(as_scheduler_submit(s->scheduler, &request, &id, &err), AS_OK, "%s", err.text);
    return id;
}

static bool step(server *s)
{
    as_error err;
    bool busy;
    cr_assert_eq(as_scheduler_step(s->scheduler, gather, NULL, &busy, &err), AS_OK, "%s", err.text);
    step_now++;
    return busy;
}

static void run(server *s, as_request request, answer *a)
{
    submit(s, request, a);
    while (step(s)) continue;
    cr_assert_neq(a->finish, AS_FINISH_NONE);
}

static int32_t prompt[400];

static void fill_prompt(int vocab)
{
    for (int i = 0; i < 400; i++) prompt[i] = 3 + (i * 7 + i / 11) % (vocab - 3);
}

static bool same_text(const as_buf *a, const char *text, size_t size)
{
    return a->size == size && memcmp(as_buf_text(a), text, size) == 0;
}

/* ---- text ------------------------------------------------------------------------------------------------
 */

Test(serving, the_text_is_the_tokens_decoded)
{
    fill_prompt(300);
    server s = open_server("llama-chat", (as_session_options){.threads = 1}, 0);
    answer a;
    for (int i = 0; i < 8; i++) {
        as_buf whole;
        as_error err;
        as_decode_options skip = {.skip_special = true};
        as_request request = {.tokens = prompt + i,
                              .count = 20,
                              .max_tokens = 100,
                              .ignore_eos = true,
                              .sampling = {.temperature = i ? 1.5 : 0, .seed = (uint64_t)i}};
        run(&s, request, &a);
        cr_assert_eq(a.finish, AS_FINISH_LENGTH);
        as_buf_init(&whole, 0);
        cr_assert_eq(
            as_tokenizer_decode(as_model_tokenizer(s.model), a.tokens, (size_t)a.count, &skip, &whole, &err),
            AS_OK);
        cr_assert(same_text(&a.text, as_buf_text(&whole), whole.size));
        cr_assert_gt(whole.size, 40);
        as_buf_free(&whole);
        as_buf_free(&a.text);
    }
    close_server(&s);
}

/* Every piece of the text taken as a stop string ends the text just before its first occurrence, wherever the
 * borders of tokens lie. */
Test(serving, stop_strings_across_tokens)
{
    fill_prompt(300);
    server s = open_server("llama-chat", (as_session_options){.threads = 1}, 0);
    as_request request = {.tokens = prompt,
                          .count = 20,
                          .max_tokens = 40,
                          .ignore_eos = true,
                          .logprobs = -1,
                          .sampling = {.temperature = 1.2, .seed = 3}};
    answer whole, a;
    run(&s, request, &whole);
    const char *text = as_buf_text(&whole.text);
    int cut_inside = 0;
    for (size_t at = 0; at < whole.text.size; at++) {
        for (size_t size = 1; size < 12 && at + size <= whole.text.size; size += 2) {
            char piece[16];
            memcpy(piece, text + at, size);
            piece[size] = 0;
            if (memchr(piece, 0, size)) continue;
            const char *stops[] = {"this does not occur", piece, "\n\n\n\n\n\n"};
            request.stop = stops;
            request.stop_count = 3;
            run(&s, request, &a);
            size_t expected = (size_t)((const char *)memmem(text, whole.text.size, piece, size) - text);
            cr_assert_eq(a.finish, AS_FINISH_STOP, "stop string \"%s\"", piece);
            cr_assert(same_text(&a.text, text, expected), "stop string \"%s\" gives \"%s\" of \"%s\"", piece,
                      as_buf_text(&a.text), text);
            cr_assert_leq(a.count, whole.count);
            cr_assert_eq(memcmp(a.tokens, whole.tokens, (size_t)a.count * sizeof *a.tokens), 0);
            cut_inside += a.count < whole.count;
            as_buf_free(&a.text);
        }
    }
    cr_assert_gt(cut_inside, 50);
    /* beginnings that never complete hold text back only until the end */
    const char *half[4] = {"\x7f\x7f"};
    char begun[3][8];
    for (int i = 0; i < 3; i++) {
        memcpy(begun[i], text + whole.text.size - 3 + i, (size_t)(3 - i));
        memcpy(begun[i] + 3 - i, "\x7f", 2);
        half[i + 1] = begun[i];
    }
    request.stop = half;
    request.stop_count = 4;
    run(&s, request, &a);
    cr_assert_eq(a.finish, AS_FINISH_LENGTH);
    cr_assert(same_text(&a.text, text, whole.text.size));
    as_buf_free(&a.text);
    as_buf_free(&whole.text);
    close_server(&s);
}

/* ---- end tokens ------------------------------------------------------------------------------------------
 */

Test(serving, end_tokens_end_and_may_be_ignored)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    server s;
    as_error err;
    answer plain, a;
    fill_prompt(90);
    as_request request = {.tokens = prompt,
                          .count = 10,
                          .max_tokens = 30,
                          .logprobs = -1,
                          .sampling = {.temperature = 1, .seed = 11}};
    json_object_del(c->config, "eos_token_id");
    cr_assert_eq(checkpoint_open(c, "f32", &s.model, &err), AS_OK, "%s", err.text);
    start(&s, (as_session_options){.threads = 1}, 0);
    run(&s, request, &plain);
    cr_assert_eq(plain.count, 30, "no end token, no end");
    close_server(&s);
    for (int last = 3; last < 30; last += 9) {
        char text[64];
        int first = 0;
        while (plain.tokens[first] != plain.tokens[last]) first++;
        snprintf(text, sizeof text, "{\"eos_token_id\": [%d, 1000]}", plain.tokens[last]);
        checkpoint_file(c, "generation_config.json", text);
        cr_assert_eq(checkpoint_open(c, "f32", &s.model, &err), AS_OK, "%s", err.text);
        start(&s, (as_session_options){.threads = 1}, 0);
        request.ignore_eos = false;
        run(&s, request, &a);
        cr_assert(a.finish == AS_FINISH_STOP && a.count == first + 1, "%lld tokens, expected %d",
                  (long long)a.count, first + 1);
        request.ignore_eos = true;
        run(&s, request, &a);
        cr_assert(a.finish == AS_FINISH_LENGTH && memcmp(a.tokens, plain.tokens, sizeof(int32_t) * 30) == 0);
        close_server(&s);
    }
    checkpoint_free(c);
}

Test(serving, no_limit_goes_to_the_end_of_the_context)
{
    server s = open_server("llama-grouped", (as_session_options){.threads = 1, .cache_tokens = 128}, 0);
    answer a;
    as_error err;
    int64_t id;
    fill_prompt(90);
    as_request request = {.tokens = prompt, .count = 100, .ignore_eos = true, .logprobs = -1};
    run(&s, request, &a);
    cr_assert(a.count == 28 && a.finish == AS_FINISH_LENGTH, "%lld tokens", (long long)a.count);
    request.count = 127;
    run(&s, request, &a);
    cr_assert(a.count == 1 && a.finish == AS_FINISH_LENGTH, "%lld tokens", (long long)a.count);
    request.count = 128;
    cr_assert_eq(as_scheduler_submit(s.scheduler, &request, &id, &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "128"), "%s", err.text);
    close_server(&s);
}

/* ---- log-probabilities -----------------------------------------------------------------------------------
 */

static void check_top(void *context, const as_event *event)
{
    int64_t *wanted = context;
    double sum = 0;
    bool found = false;
    cr_assert_eq(event->top_count, *wanted);
    for (int64_t i = 0; i < event->top_count; i++) {
        cr_assert(event->top[i].logprob <= 0 &&
                  (i == 0 || event->top[i - 1].logprob >= event->top[i].logprob));
        for (int64_t k = 0; k < i; k++) cr_assert_neq(event->top[k].token, event->top[i].token);
        sum += exp((double)event->top[i].logprob);
        found |= event->top[i].token == event->token && event->top[i].logprob == event->chosen.logprob;
    }
    cr_assert(sum <= 1 + 1e-5 && event->chosen.logprob <= 0);
    cr_assert(found || event->top_count == 0 ||
              event->chosen.logprob <= event->top[event->top_count - 1].logprob);
    if (*wanted == 64) cr_assert_gt(sum, 0.6, "64 of 91 tokens have most of the probability: %g", sum);
}

Test(serving, log_probabilities_of_any_number)
{
    static const int64_t wanted[] = {-1, 0, 1, 5, 64};
    server s = open_server("llama-grouped", (as_session_options){.threads = 1}, 0);
    as_error err;
    int64_t id;
    fill_prompt(90);
    for (size_t i = 0; i < 5; i++) {
        int64_t top = wanted[i] > 0 ? wanted[i] : 0;
        bool busy = true;
        as_request request = {.tokens = prompt,
                              .count = 10,
                              .max_tokens = 10,
                              .ignore_eos = true,
                              .logprobs = wanted[i],
                              .sampling = {.temperature = 2, .seed = 5, .repetition_penalty = 1.5}};
        cr_assert_eq(as_scheduler_submit(s.scheduler, &request, &id, &err), AS_OK);
        while (busy) cr_assert_eq(as_scheduler_step(s.scheduler, check_top, &top, &busy, &err), AS_OK);
    }
    as_request request = {.tokens = prompt, .count = 10, .max_tokens = 1, .logprobs = 65};
    cr_assert_eq(as_scheduler_submit(s.scheduler, &request, &id, &err), AS_E_INPUT);
    close_server(&s);
}

static as_code last_row(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                        as_error *err)
{
    (void)feed, (void)first, (void)rows, (void)err;
    memcpy(context, logits, 91 * sizeof *logits);
    return AS_OK;
}

/* The log-probability is that of the raw distribution, whatever temperature and penalties chose. */
Test(serving, log_probabilities_are_of_the_raw_distribution)
{
    server s = open_server("llama-grouped", (as_session_options){.threads = 1, .max_sequences = 2}, 0);
    answer a;
    float logits[91];
    as_error err;
    int64_t sequence;
    fill_prompt(90);
    as_request request = {
        .tokens = prompt,
        .count = 10,
        .max_tokens = 1,
        .ignore_eos = true,
        .sampling = {.temperature = 3, .seed = 8, .presence_penalty = 1, .repetition_penalty = 1.3}};
    run(&s, request, &a);
    stop(&s);
    start(&s, (as_session_options){.threads = 1}, 0);
    cr_assert_eq(as_session_add(s.session, &sequence, &err), AS_OK);
    as_feed feed = {.sequence = sequence, .tokens = prompt, .count = 10};
    cr_assert_eq(as_session_forward(s.session, &feed, 1, last_row, logits, &err), AS_OK);
    double sum = 0;
    for (int i = 0; i < 91; i++) sum += exp((double)logits[i]);
    cr_assert_float_eq(a.logprobs[0], (double)logits[a.tokens[0]] - log(sum), 1e-5);
    close_server(&s);
}

/* ---- fairness --------------------------------------------------------------------------------------------
 */

Test(serving, a_long_prompt_does_not_hold_up_the_others)
{
    enum { OTHERS = 3 };
    server s = open_server(
        "llama-grouped",
        (as_session_options){.threads = 1, .max_sequences = 4, .cache_tokens = 600, .chunk = 16}, 250);
    static answer others[OTHERS], late;
    fill_prompt(90);
    for (int i = 0; i < OTHERS; i++) {
        submit(&s,
               (as_request){
                   .tokens = prompt + i, .count = 5, .max_tokens = 60, .ignore_eos = true, .logprobs = -1},
               &others[i]);
    }
    for (int i = 0; i < 3; i++) step(&s);
    int64_t submitted = step_now;
    submit(&s,
           (as_request){.tokens = prompt, .count = 200, .max_tokens = 5, .ignore_eos = true, .logprobs = -1},
           &late);
    while (step(&s)) continue;
    for (int i = 0; i < OTHERS; i++) {
        cr_assert_eq(others[i].count, 60);
        for (int64_t k = 1; k < 60; k++) {
            cr_assert_eq(others[i].steps[k], others[i].steps[k - 1] + 1, "a token of request %d was held up",
                         i);
        }
    }
    cr_assert_eq(late.count, 5);
    int64_t needed = (200 + 12) / 13; /* 13 rows a step beside three decoding ones */
    cr_assert_leq(late.steps[0] - submitted, needed, "the long prompt took %lld steps",
                  (long long)(late.steps[0] - submitted));
    close_server(&s);
}

Test(serving, a_hundred_requests_within_the_promised_cache)
{
    enum { REQUESTS = 100, TOKENS = 400 };
    server s = open_server(
        "llama-grouped",
        (as_session_options){.threads = 1, .max_sequences = 64, .cache_tokens = TOKENS, .chunk = 64}, 256);
    static answer answers[REQUESTS];
    static int64_t needs[REQUESTS];
    fill_prompt(90);
    for (int i = 0; i < REQUESTS; i++) {
        as_request request = {.tokens = prompt + i,
                              .count = 1 + i * 13 % 60,
                              .max_tokens = 1 + i * 7 % 50,
                              .ignore_eos = true,
                              .logprobs = -1};
        if (i == 50) request.count = 200, request.max_tokens = 56; /* it must get its turn too */
        needs[i] = request.count + request.max_tokens;
        submit(&s, request, &answers[i]);
    }
    while (step(&s)) continue;
    for (int64_t now = 0; now < step_now; now++) { /* what was in work at each step */
        int64_t promised = 0;
        for (int i = 0; i < REQUESTS; i++) {
            if (answers[i].steps[0] <= now && now <= answers[i].last_step) promised += needs[i];
        }
        cr_assert_leq(promised, TOKENS, "%lld tokens promised at step %lld", (long long)promised,
                      (long long)now);
    }
    for (int i = 0; i < REQUESTS; i++) {
        cr_assert_eq(answers[i].finish, AS_FINISH_LENGTH);
        if (i)
            cr_assert_geq(answers[i].steps[0], answers[i - 1].steps[0] - 4, "request %d came out of turn", i);
    }
    close_server(&s);
}

/* ---- cancellation ----------------------------------------------------------------------------------------
 */

Test(serving, cancelling_in_the_middle_of_a_prompt)
{
    server s = open_server(
        "llama-grouped",
        (as_session_options){.threads = 1, .max_sequences = 2, .cache_tokens = 300, .chunk = 16}, 0);
    static answer alone, beside, gone, next;
    fill_prompt(90);
    as_request small = {.tokens = prompt, .count = 20, .max_tokens = 25, .ignore_eos = true, .logprobs = -1};
    as_request large = {.tokens = prompt, .count = 200, .max_tokens = 20, .ignore_eos = true, .logprobs = -1};
    run(&s, small, &alone);
    for (int round = 0; round < 3; round++) {
        submit(&s, small, &beside);
        int64_t id = submit(&s, large, &gone);
        for (int i = 0; i < 5; i++) step(&s);
        as_scheduler_cancel(s.scheduler, id);
        step(&s);
        cr_assert(gone.finish == AS_FINISH_CANCELLED && gone.count == 0);
        as_scheduler_cancel(s.scheduler, id); /* again, and unknown ones: nothing happens */
        as_scheduler_cancel(s.scheduler, 999999);
        while (step(&s)) continue;
        cr_assert_eq(memcmp(beside.tokens, alone.tokens, sizeof alone.tokens), 0);
        run(&s, large, &next); /* its cache and sequence are free again */
        cr_assert_eq(next.finish, AS_FINISH_LENGTH);
    }
    close_server(&s);
}

Test(serving, a_cancelled_request_leaves_the_queue_at_once)
{
    server s = open_server("llama-grouped",
                           (as_session_options){.threads = 1, .max_sequences = 1, .cache_tokens = 256}, 0);
    static answer answers[5];
    int64_t ids[5];
    fill_prompt(90);
    for (int i = 0; i < 5; i++) {
        ids[i] = submit(
            &s,
            (as_request){.tokens = prompt, .count = 10, .max_tokens = 30, .ignore_eos = true, .logprobs = -1},
            &answers[i]);
    }
    step(&s);
    as_scheduler_cancel(s.scheduler, ids[2]);
    as_scheduler_cancel(s.scheduler, ids[4]); /* the last: the queue's end moves */
    step(&s);
    cr_assert(answers[2].finish == AS_FINISH_CANCELLED && answers[4].finish == AS_FINISH_CANCELLED);
    cr_assert_eq(answers[0].finish, AS_FINISH_NONE);
    static answer later;
    submit(&s,
           (as_request){.tokens = prompt, .count = 10, .max_tokens = 3, .ignore_eos = true, .logprobs = -1},
           &later);
    as_scheduler_cancel(s.scheduler, ids[1]);
    as_scheduler_cancel(s.scheduler, ids[3]);
    while (step(&s)) continue;
    cr_assert(answers[0].count == 30 && later.count == 3 && answers[1].count == 0 && answers[3].count == 0);
    submit(&s, (as_request){.tokens = prompt, .count = 10, .max_tokens = 3},
           &answers[0]); /* closed while it waits */
    close_server(&s);
}

/* ---- failures --------------------------------------------------------------------------------------------
 */

Test(serving, a_request_without_numbers_fails_alone)
{
    checkpoint *c = checkpoint_read("llama-grouped");
    server s;
    as_error err;
    answer alone, beside, bad;
    float nan = NAN;
    fill_prompt(90);
    for (int i = 0; i < 400; i++) prompt[i] = prompt[i] == 5 ? 6 : prompt[i];
    memcpy(checkpoint_find(c, "model.embed_tokens.weight")->data + 5 * 32 * 4, &nan, sizeof nan);
    cr_assert_eq(checkpoint_open(c, "f32", &s.model, &err), AS_OK, "%s", err.text);
    start(&s, (as_session_options){.threads = 1, .max_sequences = 2}, 0);
    as_request request = {
        .tokens = prompt, .count = 10, .max_tokens = 10, .ignore_eos = true, .logprobs = -1};
    run(&s, request, &alone);
    static const int32_t poison[] = {9, 5, 11};
    submit(&s, (as_request){.tokens = poison, .count = 3, .max_tokens = 10}, &bad);
    run(&s, request, &beside);
    cr_assert(bad.finish == AS_FINISH_ERROR && bad.count == 0);
    cr_assert(strstr(bad.problem, "not a number"), "%s", bad.problem);
    cr_assert_eq(memcmp(beside.tokens, alone.tokens, 10 * sizeof *alone.tokens), 0);
    run(&s, request, &beside); /* in the pages that held the other's numbers */
    cr_assert_eq(memcmp(beside.tokens, alone.tokens, 10 * sizeof *alone.tokens), 0);
    close_server(&s);
    checkpoint_free(c);
}

Test(serving, sampling_out_of_range_is_refused_by_name)
{
    static const struct {
        as_sampling sampling;
        const char *words;
    } cases[] = {
        {{.temperature = -1}, "temperature is -1"},
        {{.temperature = NAN}, "temperature is nan"},
        {{.temperature = INFINITY}, "temperature is inf"},
        {{.top_p = 1.5}, "top_p is 1.5"},
        {{.top_p = -0.1}, "top_p is -0.1"},
        {{.top_p = NAN}, "top_p is nan"},
        {{.min_p = 2}, "min_p is 2"},
        {{.min_p = -1}, "min_p is -1"},
        {{.top_k = -1}, "top_k is -1"},
        {{.repetition_penalty = -2}, "repetition_penalty is -2"},
        {{.repetition_penalty = INFINITY}, "repetition_penalty is inf"},
        {{.presence_penalty = NAN}, "presence_penalty is nan"},
        {{.frequency_penalty = -INFINITY}, "frequency_penalty is -inf"},
    };
    server s = open_server("llama-grouped", (as_session_options){.threads = 1}, 0);
    fill_prompt(90);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_request request = {.tokens = prompt, .count = 10, .max_tokens = 10, .sampling = cases[i].sampling};
        as_error err;
        int64_t id = -7;
        cr_assert_eq(as_scheduler_submit(s.scheduler, &request, &id, &err), AS_E_INPUT, "case %zu", i);
        cr_assert(strstr(err.text, cases[i].words) && id == -7, "%s", err.text);
    }
    close_server(&s);
}
