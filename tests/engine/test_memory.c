/* Every allocation of opening a model, opening a session and serving a request made to fail in turn: the
 * answer is AS_E_MEMORY, or success where the loss does not matter; nothing leaks (the address sanitizer's
 * part). */
#include <criterion/criterion.h>
#include <string.h>

#include "base/mem.h"
#include "tests/engine/checkpoint.h"
#include "tests/engine/golden.h"

static void count_events(void *context, const as_event *event)
{
    (void)event;
    ++*(int *)context;
}

static as_code serve(as_session *session, const int32_t *tokens, as_error *err)
{
    static const char *const stop[] = {"\n\n", "never"};
    as_request request = {.tokens = tokens,
                          .count = 20,
                          .max_tokens = 6,
                          .ignore_eos = true,
                          .logprobs = 2,
                          .stop = stop,
                          .stop_count = 2,
                          .sampling = {.temperature = 1, .top_p = 0.9, .repetition_penalty = 1.1}};
    as_scheduler *scheduler = NULL;
    int64_t id;
    int events = 0;
    bool busy = true;
    as_code rc = as_scheduler_open(session, NULL, &scheduler, err);
    if (rc == AS_OK) rc = as_scheduler_submit(scheduler, &request, &id, err);
    if (rc == AS_OK) rc = as_scheduler_submit(scheduler, &request, &id, err);
    while (rc == AS_OK && busy) rc = as_scheduler_step(scheduler, count_events, &events, &busy, err);
    if (rc == AS_OK) cr_assert_eq(events, 12);
    as_scheduler_close(scheduler);
    return rc;
}

static as_code run(const char *path, const as_model_options *options, as_error *err)
{
    static const int32_t tokens[20] = {5,  9,  3,  77, 12, 40, 41, 42, 6,  8,
                                       10, 11, 13, 14, 15, 16, 17, 18, 19, 20};
    as_session_options serving = {.threads = 2, .cache_tokens = 128, .max_sequences = 2, .chunk = 12};
    as_model *model = NULL;
    as_session *session = NULL;
    as_code rc = as_model_open(path, options, &model, err);
    if (rc == AS_OK) rc = as_session_open(model, &serving, &session, err);
    if (rc == AS_OK) rc = serve(session, tokens, err);
    as_session_close(session);
    as_model_close(model);
    return rc;
}

static void check(const char *path, as_model_options options)
{
    as_code rc = AS_E_MEMORY;
    as_error err = {.text = ""};
    uint64_t before = as_alloc_count();
    cr_assert_eq(run(path, &options, &err), AS_OK, "%s: %s", path, err.text);
    uint64_t made = as_alloc_count() - before;
    int64_t step = 1, succeeded = 0;
    for (uint64_t n = 1; n <= made; n += (uint64_t)step) {
        err = (as_error){.text = "no message"};
        as_alloc_fail_after(n);
        rc = run(path, &options, &err);
        as_alloc_fail_after(0);
        cr_assert(rc == AS_OK || rc == AS_E_MEMORY, "%s: allocation %llu of %llu: %s: %s", path,
                  (unsigned long long)n, (unsigned long long)made, as_code_name(rc), err.text);
        cr_assert(rc == AS_OK || (err.code == AS_E_MEMORY && strstr(err.text, "memory")),
                  "%s: allocation %llu: %s", path, (unsigned long long)n, err.text);
        succeeded += rc == AS_OK;
        step = 1 + (int64_t)(n / 400); /* the first ones all, later ones thinner */
    }
    /* Copying JSON asks again, and a quantized tensor's row maxima can be done without. */
    cr_assert_lt(2 * succeeded, (int64_t)made, "%s: %lld of %llu failures went unnoticed", path,
                 (long long)succeeded, (unsigned long long)made);
}

Test(memory, other_kinds_of_blocks)
{
    static const char *const paths[] = {"fixtures/models/mixtral-experts", "fixtures/models/mamba-biases",
                                        "fixtures/models/neox-parallel", "fixtures/models/llama-head-size"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        check(paths[i], (as_model_options){.threads = 1, .without_tokenizer = true});
    }
}

Test(memory, converted_weights)
{
    static const char *const dtypes[] = {"bf16", "fp8-tensor+kv8", "fp8-block"};
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++) {
        check("fixtures/models/llama-biases",
              (as_model_options){.dtype = dtypes[i], .threads = 2, .without_tokenizer = true});
    }
}

Test(memory, generated_weights)
{
    checkpoint *c = checkpoint_read("mixtral-window");
    check("synth:test", (as_model_options){.synth = c->config, .threads = 1});
    check("synth:test", (as_model_options){.synth = c->config, .dtype = "fp8", .threads = 1});
    checkpoint_free(c);
}

/* Reading a file must not take more than a small multiple of its size. */
Test(memory, opening_takes_a_bounded_number_of_allocations)
{
    uint64_t before = as_alloc_count();
    as_model *model;
    as_error err;
    as_model_options options = {.threads = 1, .without_tokenizer = true};
    cr_assert_eq(as_model_open("fixtures/models/llama-grouped", &options, &model, &err), AS_OK);
    as_model_close(model);
    cr_assert_leq(as_alloc_count() - before, 5000);
}
