/* The same bits for any number of threads, any chunk size and any company in the batch. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/engine/golden.h"

/* Sanitizers stretch the work: under the thread sanitizer every tenth model, under another every third. The
 * bits are compared for all of them in the plain build. */
#if defined(__SANITIZE_THREAD__)
enum { STEP = 10 };
#elif defined(__SANITIZE_ADDRESS__)
enum { STEP = 3 };
#else
enum { STEP = 1 };
#endif

static void expect_same_bits(const golden *g, const float *a, const float *b, int64_t rows, const char *what,
                             int64_t n)
{
    for (int64_t i = 0; i < rows * g->vocab; i++) {
        cr_assert(memcmp(&a[i], &b[i], sizeof a[i]) == 0,
                  "%s: %s %lld: row %lld, token %lld: %.9g, expected %.9g", g->name, what, (long long)n,
                  (long long)(i / g->vocab), (long long)(i % g->vocab), (double)a[i], (double)b[i]);
    }
}

/* The part of a fixture's name that is its family. */
static size_t family_size(const char *name)
{
    return strcspn(name, "-");
}

typedef enum { ALL, ONE_OF_EACH_FAMILY } choice;

static void for_each_fixture(void (*check)(const golden *g, const as_model *model), const char *dtype,
                             choice which)
{
    char **names;
    size_t count;
    golden_list(&names, &count);
    for (size_t i = 0; i < count; i += STEP) {
        size_t size = family_size(names[i]);
        bool seen = i > 0 && size == family_size(names[i - 1]) && memcmp(names[i], names[i - 1], size) == 0;
        if (seen && which == ONE_OF_EACH_FAMILY) continue;
        golden g;
        golden_open(names[i], &g);
        as_model *model = golden_model(&g, dtype, NULL);
        check(&g, model);
        as_model_close(model);
        golden_close(&g);
    }
    as_names_free(names, count);
}

static void check_threads_and_chunks(const golden *g, const as_model *model)
{
    static const int64_t chunks[] = {1, 7, 16, 64};
    float *expected = golden_compute(model, g->tokens, g->count, 0, 1);
    for (int threads = 2; threads <= 3; threads++) {
        float *found = golden_compute(model, g->tokens, g->count, 0, threads);
        expect_same_bits(g, found, expected, g->count, "threads", threads);
        as_free(found);
    }
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        float *found = golden_compute(model, g->tokens, g->count, chunks[i], 2);
        expect_same_bits(g, found, expected, g->count, "chunk", chunks[i]);
        as_free(found);
    }
    as_free(expected);
}

/* Receives several feeds' rows: feed f's rows go to out[f]. */
typedef struct company {
    float *out[4];
    int64_t vocab;
} company;

static as_code store(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                     as_error *err)
{
    (void)err;
    company *c = context;
    memcpy(c->out[feed] + first * c->vocab, logits, (size_t)(rows * c->vocab) * sizeof *logits);
    return AS_OK;
}

/* Three other prompts in the same passes: a shorter one, a longer one, the same one. */
static void check_company(const golden *g, const as_model *model)
{
    int64_t lengths[4] = {g->count, g->count / 3 + 1, g->count, g->count / 2 + 1};
    company c = {.vocab = g->vocab};
    as_session_options options = {
        .threads = 2, .cache_tokens = 4 * g->count, .max_sequences = 4, .chunk = 40};
    as_session *session;
    as_error err;
    as_feed feeds[4];
    int32_t *other = as_alloc((size_t)g->count * sizeof *other);
    for (int64_t i = 0; i < g->count; i++) other[i] = g->tokens[g->count - 1 - i];
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    for (int i = 0; i < 4; i++) {
        feeds[i] = (as_feed){.tokens = i % 2 ? other : g->tokens, .count = lengths[i], .want = AS_LOGITS_ALL};
        cr_assert_eq(as_session_add(session, &feeds[i].sequence, &err), AS_OK);
        c.out[i] = as_alloc((size_t)(lengths[i] * g->vocab) * sizeof(float));
    }
    cr_assert_eq(as_session_forward(session, feeds, 4, store, &c, &err), AS_OK, "%s", err.text);
    float *expected = golden_compute(model, g->tokens, g->count, 0, 1);
    expect_same_bits(g, c.out[0], expected, g->count, "in company as", 0);
    expect_same_bits(g, c.out[2], expected, g->count, "in company as", 2);
    for (int i = 0; i < 4; i++) as_free(c.out[i]);
    as_free(expected);
    as_free(other);
    as_session_close(session);
}

Test(invariance, threads_and_chunks)
{
    for_each_fixture(check_threads_and_chunks, "f32", ALL);
}

Test(invariance, threads_and_chunks_at_16_and_8_bits)
{
    for_each_fixture(check_threads_and_chunks, "bf16", ONE_OF_EACH_FAMILY);
    for_each_fixture(check_threads_and_chunks, "fp8-channel+kv8", ONE_OF_EACH_FAMILY);
    for_each_fixture(check_threads_and_chunks, "fp8-block", ONE_OF_EACH_FAMILY);
    for_each_fixture(check_threads_and_chunks, "fp8-weight", ONE_OF_EACH_FAMILY);
}

Test(invariance, company_in_the_batch)
{
    for_each_fixture(check_company, "f32", ALL);
    for_each_fixture(check_company, "f16", ONE_OF_EACH_FAMILY);
}

/* ---- windows ---------------------------------------------------------------------------------------------
 */

/* A prompt of many pages, so that those behind a window are given back and taken again. */
enum { LONG = 270, PIECE = 37, THREE = 3 };

static const int32_t *long_prompt(const golden *g, int32_t tokens[static LONG], int64_t turn)
{
    for (int64_t i = 0; i < LONG; i++) tokens[i] = g->tokens[(i * (i / g->count + 1 + turn)) % g->count];
    return tokens;
}

static bool has_window(const as_model *model)
{
    double all = (double)as_model_facts(model)->kv_bytes_per_token * 65536;
    return as_model_cache_bytes(model, 65536, 1, 2) < all;
}

/* Three sequences take turns, piece by piece. */
static void check_turns(const golden *g, const as_model *model, const float *expected)
{
    int32_t tokens[THREE][LONG];
    float *out[THREE];
    as_session *session;
    as_error err;
    as_session_options options = {
        .threads = 2, .cache_tokens = THREE * LONG, .max_sequences = THREE, .chunk = 16};
    cr_assert_eq(as_session_open(model, &options, &session, &err), AS_OK, "%s", err.text);
    as_feed feeds[THREE] = {{.want = AS_LOGITS_ALL, .prompt_length = LONG}};
    for (int s = 0; s < THREE; s++) {
        feeds[s] = feeds[0];
        cr_assert_eq(as_session_add(session, &feeds[s].sequence, &err), AS_OK);
        long_prompt(g, tokens[s], s == 1);
        out[s] = as_alloc((size_t)(LONG * g->vocab) * sizeof(float));
    }
    for (int64_t at = 0; at < LONG; at += PIECE) {
        company c = {.vocab = g->vocab};
        for (int s = 0; s < THREE; s++) {
            feeds[s].tokens = tokens[s] + at;
            feeds[s].count = LONG - at < PIECE ? LONG - at : PIECE;
            c.out[s] = out[s] + at * g->vocab;
        }
        cr_assert_eq(as_session_forward(session, feeds, THREE, store, &c, &err), AS_OK, "%s", err.text);
    }
    expect_same_bits(g, out[0], expected, LONG, "by turns as", 0);
    expect_same_bits(g, out[2], expected, LONG, "by turns as", 2);
    for (int s = 0; s < THREE; s++) as_free(out[s]);
    as_session_close(session);
}

static int windows_seen;

static void check_window(const golden *g, const as_model *model)
{
    static const int64_t chunks[] = {7, 64};
    int32_t tokens[LONG];
    int64_t context = as_model_facts(model)->context;
    if (!has_window(model) || (context && context < LONG)) return;
    windows_seen++;
    float *expected =
        golden_compute(model, long_prompt(g, tokens, 0), LONG, 512, 1); /* one pass: all is kept */
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        float *found = golden_compute(model, tokens, LONG, chunks[i], 2);
        expect_same_bits(g, found, expected, LONG, "a long prompt in chunks of", chunks[i]);
        as_free(found);
    }
    check_turns(g, model, expected);
    as_free(expected);
}

Test(invariance, pages_behind_a_window_are_not_missed)
{
    for_each_fixture(check_window, "f32", ALL);
    cr_assert(STEP > 1 || windows_seen > 15, "only %d models with a window", windows_seen);
}
