/* Sessions: limits, reuse, interruption, traces, prompts in pieces, cache types, work space. */
#include <criterion/criterion.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/arch/arch.h"
#include "engine/model.h"
#include "tests/engine/checkpoint.h"
#include "tests/engine/golden.h"

/* ---- helpers ---------------------------------------------------------------------------------------------
 */

typedef struct fixture {
    golden g;
    as_model *model;
    as_session *session;
} fixture;

static fixture open_fixture(const char *name, as_session_options options)
{
    fixture f;
    as_error err;
    golden_open(name, &f.g);
    f.model = golden_model(&f.g, "f32", NULL);
    cr_assert_eq(as_session_open(f.model, &options, &f.session, &err), AS_OK, "%s", err.text);
    return f;
}

static void close_fixture(fixture *f)
{
    as_session_close(f->session);
    as_model_close(f->model);
    golden_close(&f->g);
}

static int64_t add(as_session *session)
{
    int64_t sequence = -1;
    as_error err;
    cr_assert_eq(as_session_add(session, &sequence, &err), AS_OK, "%s", err.text);
    return sequence;
}

typedef struct store {
    float *out; /* rows in the order they come */
    int64_t rows, vocab;
} store;

static as_code keep(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                    as_error *err)
{
    (void)feed, (void)first, (void)err;
    store *s = context;
    memcpy(s->out + s->rows * s->vocab, logits, (size_t)(rows * s->vocab) * sizeof *logits);
    s->rows += rows;
    return AS_OK;
}

static store open_store(const fixture *f)
{
    store s = {.vocab = f->g.vocab};
    s.out = as_alloc((size_t)(2 * f->g.count * s.vocab) * sizeof *s.out);
    return s;
}

static as_code feed(fixture *f, int64_t sequence, const int32_t *tokens, int64_t count, store *s)
{
    as_error err;
    as_feed one = {
        .sequence = sequence, .tokens = tokens, .count = count, .want = s ? AS_LOGITS_ALL : AS_LOGITS_NONE};
    return as_session_forward(f->session, &one, 1, keep, s, &err);
}

static bool same(const store *a, const store *b)
{
    return a->rows == b->rows && memcmp(a->out, b->out, (size_t)(a->rows * a->vocab) * sizeof *a->out) == 0;
}

/* ---- limits ----------------------------------------------------------------------------------------------
 */

Test(session, options_out_of_range)
{
    fixture f = open_fixture("llama-grouped", (as_session_options){.threads = 1});
    static const struct {
        as_session_options options;
        as_code code;
        const char *words;
    } cases[] = {
        {{.max_sequences = -1}, AS_E_LIMIT, "-1 sequences"},
        {{.max_sequences = 1 << 20}, AS_E_LIMIT, "1048576 sequences"},
        {{.cache_tokens = -5}, AS_E_LIMIT, "-5 tokens"},
        {{.cache_tokens = (int64_t)1 << 40}, AS_E_LIMIT, "1099511627776 tokens"},
        {{.chunk = -1}, AS_E_LIMIT, "chunk is -1"},
        {{.chunk = 10000}, AS_E_LIMIT, "chunk is 10000"},
        {{.cache = "f8"}, AS_E_USAGE, "f8"},
        {{.threads = 100000}, AS_E_LIMIT, "100000 threads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        as_session *session;
        as_error err;
        cr_assert_eq(as_session_open(f.model, &cases[i].options, &session, &err), cases[i].code, "case %zu",
                     i);
        cr_assert(strstr(err.text, cases[i].words), "%s", err.text);
    }
    as_session_limits limits = as_session_get_limits(f.session);
    cr_assert_eq(limits.cache_tokens, 256, "the model's context");
    cr_assert_eq(limits.max_sequences, 1);
    cr_assert_eq(limits.chunk, 512);
    cr_assert_gt(as_session_bytes(f.session), 0);
    cr_assert_eq(as_session_model(f.session), f.model);
    close_fixture(&f);
}

Test(session, a_full_cache_changes_nothing)
{
    fixture f = open_fixture("llama-grouped",
                             (as_session_options){.threads = 1, .cache_tokens = 128, .max_sequences = 2});
    as_error err;
    store whole = open_store(&f), parts = open_store(&f);
    int32_t tokens[300];
    for (int i = 0; i < 300; i++) tokens[i] = f.g.tokens[i % f.g.count];
    int64_t a = add(f.session), b = add(f.session), none = -1;
    cr_assert_eq(as_session_add(f.session, &none, &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "2 sequences") && none == -1, "%s", err.text);
    cr_assert_eq(feed(&f, a, tokens, 50, &parts), AS_OK);
    as_feed two[] = {{.sequence = a, .tokens = tokens + 50, .count = 14, .want = AS_LOGITS_ALL},
                     {.sequence = b, .tokens = tokens, .count = 129, .want = AS_LOGITS_ALL}};
    cr_assert_eq(as_session_forward(f.session, two, 2, keep, &parts, &err), AS_E_LIMIT);
    cr_assert(strstr(err.text, "128 tokens"), "%s", err.text);
    cr_assert_eq(as_session_length(f.session, a), 50);
    cr_assert_eq(as_session_length(f.session, b), 0);
    int32_t outside = 91;
    two[1] = (as_feed){.sequence = b, .tokens = &outside, .count = 1};
    cr_assert_eq(as_session_forward(f.session, two, 2, keep, &parts, &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "91"), "%s", err.text);
    outside = -1;
    cr_assert_eq(as_session_forward(f.session, two, 2, keep, &parts, &err), AS_E_INPUT);
    two[1].count = 0;
    cr_assert_eq(as_session_forward(f.session, two, 2, keep, &parts, &err), AS_E_INPUT);
    cr_assert_eq(as_session_length(f.session, a), 50);
    cr_assert_eq(feed(&f, a, tokens + 50, 14, &parts), AS_OK, "a is as it was");
    as_session_drop(f.session, a);
    a = add(f.session);
    cr_assert_eq(feed(&f, a, tokens, 64, &whole), AS_OK);
    cr_assert(same(&whole, &parts));
    as_free(whole.out);
    as_free(parts.out);
    close_fixture(&f);
}

/* ---- reuse -----------------------------------------------------------------------------------------------
 */

static void check_reuse(const char *name)
{
    fixture f = open_fixture(
        name, (as_session_options){.threads = 2, .cache_tokens = 256, .max_sequences = 2, .chunk = 33});
    store fresh = open_store(&f);
    int64_t a = add(f.session);
    cr_assert_eq(feed(&f, a, f.g.tokens, f.g.count, &fresh), AS_OK);
    as_session_drop(f.session, a);
    for (int round = 0; round < 3; round++) {
        store again = open_store(&f);
        int64_t other = add(f.session), s = add(f.session); /* pages and states now come in another order */
        cr_assert_eq(feed(&f, other, f.g.tokens + round, f.g.count / 2, NULL), AS_OK);
        cr_assert_eq(feed(&f, s, f.g.tokens, f.g.count, &again), AS_OK);
        cr_assert(same(&again, &fresh), "%s: round %d", name, round);
        as_session_drop(f.session, round % 2 ? other : s);
        as_session_drop(f.session, round % 2 ? s : other);
        as_free(again.out);
    }
    as_free(fresh.out);
    close_fixture(&f);
}

Test(session, nothing_is_left_of_a_dropped_sequence)
{
    check_reuse("llama-grouped");
    check_reuse("mistral-window");
    check_reuse("mamba-biases");
    check_reuse("gemma2-caps");
}

/* A cache full of NaN from another sequence must not reach this one's numbers: what lies behind the last key
 * of a page is never multiplied, not even by zero. */
static void check_poison(const char *fixture_name, const char *embedding)
{
    checkpoint *c = checkpoint_read(fixture_name);
    checkpoint_tensor *t = checkpoint_find(c, embedding);
    checkpoint_convert(t, AS_F32);
    float bad = NAN;
    enum { POISON = 5 };
    memcpy(t->data + POISON * t->shape[1] * 4, &bad, sizeof bad);
    fixture f;
    as_error err;
    cr_assert_eq(checkpoint_open(c, "f32", &f.model, &err), AS_OK, "%s", err.text);
    static const char *const caches[] = {"f32", "f16", "bf16", "e4m3"};
    for (size_t i = 0; i < 4; i++) {
        as_session_options options = {.threads = 1, .cache = caches[i], .cache_tokens = 256, .chunk = 64};
        cr_assert_eq(as_session_open(f.model, &options, &f.session, &err), AS_OK);
        int32_t clean[80], poison[256];
        for (int k = 0; k < 80; k++) clean[k] = 6 + k % 40;
        for (int k = 0; k < 256; k++) poison[k] = POISON;
        store fresh = {.vocab = as_model_facts(f.model)->vocab}, again = fresh;
        fresh.out = as_alloc((size_t)(80 * fresh.vocab) * sizeof(float));
        again.out = as_alloc((size_t)(80 * fresh.vocab) * sizeof(float));
        int64_t s = add(f.session);
        cr_assert_eq(feed(&f, s, clean, 80, &fresh), AS_OK);
        as_session_drop(f.session, s);
        s = add(f.session);
        cr_assert_eq(feed(&f, s, poison, 256, NULL), AS_OK);
        as_session_drop(f.session, s);
        s = add(f.session);
        cr_assert_eq(feed(&f, s, clean, 3, &again), AS_OK); /* decoding and prefill both */
        cr_assert_eq(feed(&f, s, clean + 3, 1, &again), AS_OK);
        cr_assert_eq(feed(&f, s, clean + 4, 76, &again), AS_OK);
        for (int64_t k = 0; k < 80 * fresh.vocab; k++) {
            if (k % fresh.vocab != POISON)
                cr_assert(isfinite(fresh.out[k])); /* a tied head has the bad row too */
        }
        cr_assert(same(&again, &fresh), "%s with a cache of %s", fixture_name, caches[i]);
        as_free(fresh.out);
        as_free(again.out);
        as_session_close(f.session);
    }
    as_model_close(f.model);
    checkpoint_free(c);
}

Test(session, not_a_number_in_a_reused_page_does_no_harm)
{
    check_poison("llama-grouped", "model.embed_tokens.weight");
    check_poison("mistral-window", "model.embed_tokens.weight");
    check_poison("gemma2-caps", "model.embed_tokens.weight");
    check_poison("mamba-biases", "backbone.embeddings.weight");
}

/* ---- interruption ----------------------------------------------------------------------------------------
 */

static void cancel_at(void *context, const char *stage, int64_t rows, int64_t width, const float *values)
{
    (void)rows, (void)width, (void)values;
    if (strcmp(stage, "0.out") == 0) as_session_cancel(context);
}

Test(session, a_cancelled_pass_leaves_a_session_that_works)
{
    fixture f =
        open_fixture("llama-grouped", (as_session_options){.threads = 2, .cache_tokens = 128, .chunk = 16});
    as_error err;
    store fresh = open_store(&f), again = open_store(&f);
    int64_t s = add(f.session);
    cr_assert_eq(feed(&f, s, f.g.tokens, f.g.count, &fresh), AS_OK);
    as_session_drop(f.session, s);
    s = add(f.session);
    as_session_trace(f.session, cancel_at, f.session);
    as_feed one = {.sequence = s, .tokens = f.g.tokens, .count = f.g.count, .want = AS_LOGITS_ALL};
    cr_assert_eq(as_session_forward(f.session, &one, 1, keep, &again, &err), AS_E_CANCELLED);
    cr_assert_eq(again.rows, 0, "nothing of the pass was handed over");
    as_session_trace(f.session, NULL, NULL);
    as_session_drop(f.session, s);
    s = add(f.session);
    cr_assert_eq(feed(&f, s, f.g.tokens, f.g.count, &again), AS_OK);
    cr_assert(same(&again, &fresh));
    as_free(fresh.out);
    as_free(again.out);
    close_fixture(&f);
}

static atomic_bool stop_cancelling;

static void *cancel_now_and_then(void *context)
{
    while (!atomic_load(&stop_cancelling)) {
        as_session_cancel(context);
        as_clock_sleep_until(as_clock_ns() + 300000);
    }
    return NULL;
}

Test(session, cancelling_from_another_thread)
{
    fixture f =
        open_fixture("llama-grouped", (as_session_options){.threads = 2, .cache_tokens = 128, .chunk = 4});
    store fresh = open_store(&f);
    pthread_t thread;
    int64_t s = add(f.session);
    cr_assert_eq(feed(&f, s, f.g.tokens, f.g.count, &fresh), AS_OK);
    as_session_drop(f.session, s);
    cr_assert_eq(pthread_create(&thread, NULL, cancel_now_and_then, f.session), 0);
    int cancelled = 0;
    for (int i = 0; i < 200 && cancelled < 30; i++) {
        store again = open_store(&f);
        s = add(f.session);
        as_code rc = feed(&f, s, f.g.tokens, f.g.count, &again);
        cr_assert(rc == AS_E_CANCELLED || (rc == AS_OK && same(&again, &fresh)), "%s", as_code_name(rc));
        cancelled += rc == AS_E_CANCELLED;
        as_session_drop(f.session, s);
        as_free(again.out);
    }
    atomic_store(&stop_cancelling, true);
    pthread_join(thread, NULL);
    cr_assert_gt(cancelled, 0);
    as_free(fresh.out);
    close_fixture(&f);
}

static as_code refuse(void *context, int64_t feed_number, int64_t first, int64_t rows, const float *logits,
                      as_error *err)
{
    (void)feed_number, (void)first, (void)rows, (void)logits;
    if (--*(int *)context > 0) return AS_OK;
    return as_fail(err, AS_E_IO, "the sink is full");
}

Test(session, a_failing_sink_ends_the_call)
{
    fixture f =
        open_fixture("llama-grouped", (as_session_options){.threads = 1, .cache_tokens = 128, .chunk = 16});
    as_error err;
    int left = 3;
    int64_t s = add(f.session);
    as_feed one = {.sequence = s, .tokens = f.g.tokens, .count = f.g.count, .want = AS_LOGITS_ALL};
    cr_assert_eq(as_session_forward(f.session, &one, 1, refuse, &left, &err), AS_E_IO);
    cr_assert_str_eq(err.text, "the sink is full");
    cr_assert_eq(left, 0);
    as_session_drop(f.session, s);
    store out = open_store(&f);
    cr_assert_eq(feed(&f, add(f.session), f.g.tokens, f.g.count, &out), AS_OK);
    as_free(out.out);
    close_fixture(&f);
}

/* ---- traces ----------------------------------------------------------------------------------------------
 */

typedef struct trace_list {
    char text[512];
    int64_t rows;
} trace_list;

static void list_stage(void *context, const char *stage, int64_t rows, int64_t width, const float *values)
{
    (void)width;
    trace_list *list = context;
    size_t used = strlen(list->text);
    snprintf(list->text + used, sizeof list->text - used, " %s", stage);
    cr_assert(rows >= 1 && isfinite(values[0]));
    list->rows += rows;
}

Test(session, traces_come_in_order)
{
    static const struct {
        const char *name, *stages;
    } cases[] = {
        {"llama-grouped", " embed 0.mixer 0.ffn 0.out 1.mixer 1.ffn 1.out 2.mixer 2.ffn 2.out final_norm"},
        {"neox-parallel", " embed 0.mixer 0.ffn 0.out 1.mixer 1.ffn 1.out final_norm"},
        {"mamba-tied", " embed 0.mixer 0.out 1.mixer 1.out final_norm"},
    };
    for (size_t i = 0; i < 3; i++) {
        fixture f = open_fixture(cases[i].name, (as_session_options){.threads = 1, .cache_tokens = 128});
        trace_list list = {.rows = 0};
        as_error err;
        as_session_trace(f.session, list_stage, &list);
        as_feed one = {.sequence = add(f.session), .tokens = f.g.tokens, .count = 9, .want = AS_LOGITS_LAST};
        store out = open_store(&f);
        cr_assert_eq(as_session_forward(f.session, &one, 1, keep, &out, &err), AS_OK);
        cr_assert_str_eq(list.text, cases[i].stages);
        cr_assert_eq(out.rows, 1);
        as_session_trace(f.session, NULL, NULL);
        list.text[0] = 0;
        one.want = AS_LOGITS_NONE;
        cr_assert_eq(as_session_forward(f.session, &one, 1, NULL, NULL, &err), AS_OK, "no logits, no sink");
        cr_assert_str_eq(list.text, "");
        as_free(out.out);
        close_fixture(&f);
    }
}

/* ---- pieces ----------------------------------------------------------------------------------------------
 */

/* A prompt fed in several calls gives the bits of one call; a position encoding that looks at the length is
 * told of it by prompt_length. */
static void check_pieces(const char *name, bool told)
{
    fixture f =
        open_fixture(name, (as_session_options){.threads = 1, .cache_tokens = 512, .max_sequences = 2});
    as_error err;
    store whole = open_store(&f), pieces = open_store(&f);
    cr_assert_eq(feed(&f, add(f.session), f.g.tokens, f.g.count, &whole), AS_OK);
    int64_t s = add(f.session);
    for (int64_t at = 0, n = 1; at < f.g.count; at += n, n = n % 7 + 2) {
        if (n > f.g.count - at) n = f.g.count - at;
        as_feed one = {.sequence = s,
                       .tokens = f.g.tokens + at,
                       .count = n,
                       .want = AS_LOGITS_ALL,
                       .prompt_length = told ? f.g.count : 0};
        cr_assert_eq(as_session_forward(f.session, &one, 1, keep, &pieces, &err), AS_OK, "%s", err.text);
    }
    cr_assert_eq(same(&whole, &pieces), told, "%s", name);
    as_free(whole.out);
    as_free(pieces.out);
    close_fixture(&f);
}

Test(session, prompts_in_pieces)
{
    static const char *const names[] = {"llama-grouped", "llama-dynamic-beyond", "llama-yarn",
                                        "mistral-window", "mamba-biases"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) check_pieces(names[i], true);
    check_pieces("llama-dynamic-beyond", false);
}

/* ---- cache types -----------------------------------------------------------------------------------------
 */

Test(session, cache_types_err_by_their_digits)
{
    static const struct {
        const char *cache;
        double least, most; /* relative error of the logits, in standard deviations */
    } cases[] = {{"f16", 1e-6, 3e-3}, {"bf16", 1e-5, 3e-2}, {"e4m3", 1e-3, 0.4}};
    static const char *const names[] = {"llama-grouped", "qwen3-norms", "mistral-window", "gemma2-caps",
                                        "neox-parallel"};
    for (size_t n = 0; n < sizeof names / sizeof names[0]; n++) {
        for (size_t i = 0; i < 3; i++) {
            fixture f = open_fixture(
                names[n], (as_session_options){.threads = 1, .cache = cases[i].cache, .cache_tokens = 512});
            store out = open_store(&f);
            cr_assert_eq(feed(&f, add(f.session), f.g.tokens, f.g.count, &out), AS_OK);
            double sum = 0, squares = 0, off = 0, count = (double)(f.g.count * f.g.vocab);
            for (int64_t k = 0; k < f.g.count * f.g.vocab; k++) {
                double x = (double)f.g.logits[k], d = (double)out.out[k] - x;
                sum += x;
                squares += x * x;
                off += d * d;
            }
            double relative = sqrt(off / count) / sqrt(squares / count - sum / count * sum / count);
            cr_assert(relative >= cases[i].least && relative <= cases[i].most,
                      "%s, cache of %s: %g, expected %g to %g", names[n], cases[i].cache, relative,
                      cases[i].least, cases[i].most);
            as_free(out.out);
            close_fixture(&f);
        }
    }
}

/* ---- work space ------------------------------------------------------------------------------------------
 */

/* The promise: weights, cache and 200 MB. Shapes of the largest models in the catalogue, a layer of each. */
Test(session, work_space_of_the_largest_models)
{
    static const struct {
        const char *name, *config;
    } cases[] = {
        {"Llama 70B",
         "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 8192, \"num_hidden_layers\": 1, "
         "\"num_attention_heads\": 64, \"num_key_value_heads\": 8, \"intermediate_size\": 28672, "
         "\"vocab_size\": 128256, \"max_position_embeddings\": 131072}"},
        {"Llama 405B",
         "{\"architectures\": [\"LlamaForCausalLM\"], \"hidden_size\": 16384, \"num_hidden_layers\": 1, "
         "\"num_attention_heads\": 128, \"num_key_value_heads\": 8, \"intermediate_size\": 53248, "
         "\"vocab_size\": 128256, \"max_position_embeddings\": 131072}"},
        {"Mixtral 8x22B",
         "{\"architectures\": [\"MixtralForCausalLM\"], \"hidden_size\": 6144, \"num_hidden_layers\": 1, "
         "\"num_attention_heads\": 48, \"num_key_value_heads\": 8, \"intermediate_size\": 16384, "
         "\"vocab_size\": 32768, \"num_local_experts\": 8, \"num_experts_per_tok\": 2}"},
        {"Gemma 2 27B",
         "{\"architectures\": [\"Gemma2ForCausalLM\"], \"hidden_size\": 4608, \"num_hidden_layers\": 1, "
         "\"num_attention_heads\": 32, \"num_key_value_heads\": 16, \"head_dim\": 128, "
         "\"intermediate_size\": 36864, \"vocab_size\": 256000}"},
        {"Qwen2 72B",
         "{\"architectures\": [\"Qwen2ForCausalLM\"], \"hidden_size\": 8192, \"num_hidden_layers\": 1, "
         "\"num_attention_heads\": 64, \"num_key_value_heads\": 8, \"intermediate_size\": 29568, "
         "\"vocab_size\": 152064}"},
        {"Mamba 7B",
         "{\"architectures\": [\"MambaForCausalLM\"], \"hidden_size\": 4096, \"num_hidden_layers\": 1, "
         "\"vocab_size\": 65024}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *config = NULL;
        as_error err;
        as_model model = {.repository = NULL}; /* a session looks at the shapes alone until it computes */
        as_session *session;
        cr_assert_eq(
            as_json_parse(cases[i].config, strlen(cases[i].config), AS_JSON_LENIENT, "", &config, &err),
            AS_OK);
        cr_assert_eq(as_spec_from_config(config, &model.spec, &err), AS_OK, "%s", err.text);
        cr_assert_eq(as_precision_parse("fp8", &model.precision, &err), AS_OK);
        static const int64_t sequences[] = {1, 64};
        for (size_t s = 0; s < 2; s++) {
            as_session_options options = {.threads = 2, .cache_tokens = 64, .max_sequences = sequences[s]};
            cr_assert_eq(as_session_open(&model, &options, &session, &err), AS_OK, "%s", err.text);
            as_session_limits limits = as_session_get_limits(session);
            as_block_needs needs =
                model.spec.layers[0].steps[0].block->needs(&model.spec, &model.spec.layers[0].steps[0]);
            int64_t pages = sequences[s],
                    cache = pages * AS_PAGE_TOKENS * as_block_cache_width(&needs) * 2 +
                            sequences[s] * (needs.state[0] + needs.state[1]) * (int64_t)sizeof(float);
            int64_t work = as_session_bytes(session) - cache;
            cr_assert_leq(work, 200000000, "%s: %lld bytes of work space", cases[i].name, (long long)work);
            cr_assert_geq(limits.chunk, 128, "%s: chunk %lld", cases[i].name, (long long)limits.chunk);
            as_session_close(session);
        }
        as_model_spec_free(&model.spec);
        json_decref(config);
    }
}
