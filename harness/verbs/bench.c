/* assay bench: the model against the machine's limits, both measured in the same run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "harness/common.h"
#include "harness/machine.h"
#include "harness/verb.h"
#include "kernels/probe.h"

enum { MOST_POINTS = 16, MOST_REPEATS = 64, PROBE_BYTES = 1 << 30 };

static struct {
    const char *prefill, *decode, *batch, *cache;
    int64_t repeats, steps;
} given;

static const as_option own_options[] = {
    {"--prefill", AS_OPTION_TEXT, &given.prefill, "N,N", "prompt lengths to measure (default 512)"},
    {"--decode", AS_OPTION_TEXT, &given.decode, "N,N", "contexts at which to measure decoding (default 128)"},
    {"--batch", AS_OPTION_TEXT, &given.batch, "N,N", "sequences decoded together (default 1)"},
    {"--repeats", AS_OPTION_INT, &given.repeats, "N",
     "measurements of each point; their median counts (default 5)"},
    {"--steps", AS_OPTION_INT, &given.steps, "N", "decoding steps in one measurement (default 8)"},
    {"--cache", AS_OPTION_TEXT, &given.cache, "TYPE", "key/value cache: f32, f16 (default), bf16, e4m3"},
    {"--seed", AS_OPTION_INT, &as_common.seed, "N", "of the prompt's random tokens"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};
static const as_option *const tables[] = {own_options, as_model_options_table, as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

typedef struct bench {
    const as_model *model;
    as_pool *pool;
    void *buffer; /* for the probe */
    as_probe probe;
    json_t *prefill, *decode;
} bench;

/* Repeats of one point: speed and fraction of the limit that was measured beside each. */
typedef struct samples {
    double rate[MOST_REPEATS], fraction[MOST_REPEATS];
    int64_t count;
} samples;

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int64_t count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static as_code parse_list(const char *text, int64_t *out, int *count, const char *name, as_error *err)
{
    *count = 0;
    while (*text) {
        char *end;
        long long n = strtoll(text, &end, 10);
        if (end == text || n < 1 || n > 1 << 24 || (*end && *end != ',') || *count == MOST_POINTS) {
            return as_fail(err, AS_E_USAGE, "%s: expected up to %d whole numbers with commas between", name,
                           MOST_POINTS);
        }
        out[(*count)++] = n;
        text = *end ? end + 1 : end;
    }
    return AS_OK;
}

static as_code ignore_logits(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                             as_error *err)
{
    (void)context, (void)feed, (void)first, (void)rows, (void)logits, (void)err;
    return AS_OK;
}

static int32_t *random_tokens(const bench *b, int64_t count)
{
    as_rng rng;
    int32_t *tokens = AS_NEW_ARRAY(int32_t, count);
    as_rng_init(&rng, (uint64_t)as_common.seed, 0);
    for (int64_t i = 0; tokens && i < count; i++) {
        tokens[i] = (int32_t)as_rng_below(&rng, (uint64_t)as_model_facts(b->model)->vocab);
    }
    return tokens;
}

/* The machine's limits right now: another process may have slowed both it and the model. The best of a few,
 * since each is shorter than the turns in which processes share a processor. */
static void probe_now(bench *b)
{
    enum { PROBES = 4 };
    double read = 0, fma = 0;
    for (int i = 0; i < PROBES; i++) {
        as_probe_again(b->pool, b->buffer, PROBE_BYTES, &b->probe);
        read = fmax(read, b->probe.read_gbps);
        fma = fmax(fma, b->probe.fma_gflops);
    }
    b->probe.read_gbps = read;
    b->probe.fma_gflops = fma;
}

static as_code time_prefill(bench *b, as_session *session, const int32_t *tokens, int64_t count,
                            double *seconds, as_error *err)
{
    int64_t sequence;
    AS_TRY(as_session_add(session, &sequence, err));
    as_feed feed = {.sequence = sequence, .tokens = tokens, .count = count, .want = AS_LOGITS_LAST};
    double start = as_clock_seconds();
    as_code rc = as_session_forward(session, &feed, 1, ignore_logits, b, err);
    *seconds = as_clock_seconds() - start;
    as_session_drop(session, sequence);
    return rc;
}

static as_code bench_prefill(bench *b, int64_t count, as_error *err)
{
    as_session_options options = {
        .threads = (int)as_common.threads, .cache = given.cache, .cache_tokens = count};
    as_session *session = NULL;
    int32_t *tokens = random_tokens(b, count);
    samples s = {.count = 0};
    as_code rc =
        tokens ? as_session_open(b->model, &options, &session, err) : as_fail_memory(err, "a prompt");
    for (int64_t i = -1; rc == AS_OK && i < given.repeats; i++) { /* the first warms up */
        double seconds = 0;
        probe_now(b);
        double before = b->probe.fma_gflops;
        rc = time_prefill(b, session, tokens, count, &seconds, err);
        probe_now(b);
        if (i < 0 || rc != AS_OK) continue;
        double limit = fmax(before, b->probe.fma_gflops);
        s.rate[s.count] = (double)count / seconds;
        s.fraction[s.count++] = as_model_operations(b->model, 0, count) / seconds * 1e-9 / limit;
        as_say("prefill of %lld: %.1f tokens/s, %.2f of the multiply-add peak (%.0f Gflop/s)",
               (long long)count, (double)count / seconds, s.fraction[s.count - 1], limit);
    }
    if (rc == AS_OK) {
        json_array_append_new(b->prefill, json_pack("{s:I, s:f, s:f}", "tokens", (json_int_t)count,
                                                    "tokens_per_s", median(s.rate, s.count), "fma_fraction",
                                                    median(s.fraction, s.count)));
    }
    as_session_close(session);
    as_free(tokens);
    return rc;
}

/* `batch` sequences filled up to the context, then steps of one token each. */
static as_code fill(as_session *session, const int32_t *tokens, int64_t context, int64_t batch,
                    as_feed *feeds, as_error *err)
{
    for (int64_t i = 0; i < batch; i++) {
        AS_TRY(as_session_add(session, &feeds[i].sequence, err));
        feeds[i].tokens = tokens;
        feeds[i].count = context;
        feeds[i].want = AS_LOGITS_NONE;
        AS_TRY(as_session_forward(session, &feeds[i], 1, ignore_logits, NULL, err));
        feeds[i].count = 1;
        feeds[i].want = AS_LOGITS_LAST;
    }
    return AS_OK;
}

static as_code decode_points(bench *b, as_session *session, as_feed *feeds, int64_t context, int64_t batch,
                             as_error *err)
{
    samples s = {.count = 0};
    for (int64_t i = -1; i < given.repeats; i++) {
        probe_now(b);
        double before = b->probe.read_gbps, bytes = 0;
        double start = as_clock_seconds();
        for (int64_t step = 0; step < given.steps; step++) {
            bytes += as_model_step_bytes(b->model, as_session_length(session, feeds[0].sequence), batch);
            AS_TRY(as_session_forward(session, feeds, batch, ignore_logits, b, err));
        }
        double seconds = as_clock_seconds() - start;
        probe_now(b);
        if (i < 0) continue;
        double limit = fmax(before, b->probe.read_gbps);
        s.rate[s.count] = (double)(given.steps * batch) / seconds;
        s.fraction[s.count++] = bytes / seconds * 1e-9 / limit;
        as_say("decode of %lld at %lld: %.2f tokens/s, %.2f of the read bandwidth (%.1f GB/s)",
               (long long)batch, (long long)context, s.rate[s.count - 1], s.fraction[s.count - 1], limit);
    }
    json_array_append_new(b->decode,
                          json_pack("{s:I, s:I, s:f, s:f}", "context", (json_int_t)context, "batch",
                                    (json_int_t)batch, "tokens_per_s", median(s.rate, s.count),
                                    "read_fraction", median(s.fraction, s.count)));
    return AS_OK;
}

static as_code bench_decode(bench *b, int64_t context, int64_t batch, as_error *err)
{
    int64_t room = context + given.steps * (given.repeats + 1);
    as_session_options options = {.threads = (int)as_common.threads,
                                  .cache = given.cache,
                                  .cache_tokens = room * batch,
                                  .max_sequences = batch};
    as_session *session = NULL;
    int32_t *tokens = random_tokens(b, context);
    as_feed *feeds = AS_NEW_ARRAY(as_feed, batch);
    as_code rc = tokens && feeds ? as_session_open(b->model, &options, &session, err)
                                 : as_fail_memory(err, "a prompt");
    if (rc == AS_OK) rc = fill(session, tokens, context, batch, feeds, err);
    if (rc == AS_OK) rc = decode_points(b, session, feeds, context, batch, err);
    as_session_close(session);
    as_free(feeds);
    as_free(tokens);
    return rc;
}

static as_code run_points(bench *b, as_error *err)
{
    int64_t lengths[MOST_POINTS], contexts[MOST_POINTS], batches[MOST_POINTS];
    int length_count, context_count, batch_count;
    AS_TRY(parse_list(given.prefill, lengths, &length_count, "--prefill", err));
    AS_TRY(parse_list(given.decode, contexts, &context_count, "--decode", err));
    AS_TRY(parse_list(given.batch, batches, &batch_count, "--batch", err));
    for (int i = 0; i < length_count; i++) AS_TRY(bench_prefill(b, lengths[i], err));
    for (int i = 0; i < context_count; i++) {
        for (int k = 0; k < batch_count; k++) AS_TRY(bench_decode(b, contexts[i], batches[k], err));
    }
    return AS_OK;
}

static json_t *machine_part(const bench *b)
{
    json_t *machine = as_machine_facts();
    const as_probe *p = &b->probe;
    json_t *limits =
        json_pack("{s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "threads", p->threads, "read_gbps", p->read_gbps,
                  "fma_gflops", p->fma_gflops, "avx2_gflops", p->avx2_gflops, "avx512_gflops",
                  p->avx512_gflops, "bf16_gflops", p->bf16_gflops, "amx_gflops", p->amx_gflops);
    json_object_update(machine, limits);
    json_decref(limits);
    return machine;
}

/* The resident memory is the model's and its sessions': without the buffer that bandwidth is measured on,
 * which is there all the time. */
static json_t *model_part(const bench *b)
{
    const as_model_info *info = as_model_facts(b->model);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "id", info->id, "dtype", info->dtype, "precision",
                     info->precision, "level", info->level, "parameters", (json_int_t)info->parameters,
                     "weight_bytes", (json_int_t)info->weight_bytes, "peak_resident_bytes",
                     (json_int_t)usage.ru_maxrss * 1024 - PROBE_BYTES);
}

static as_code print_points(const bench *b, as_error *err)
{
    as_buf text;
    size_t i;
    json_t *point;
    as_buf_init(&text, 0);
    if (as_common.json) {
        json_t *all = json_pack("{s:o, s:o, s:O, s:O}", "machine", machine_part(b), "model", model_part(b),
                                "prefill", b->prefill, "decode", b->decode);
        as_json_write(all, 2, &text);
        as_buf_char(&text, '\n');
        json_decref(all);
    } else {
        as_buf_printf(
            &text, "machine: reads %.1f GB/s, %.0f Gflop/s of multiply-adds, %d threads, kernels %s\n",
            b->probe.read_gbps, b->probe.fma_gflops, b->probe.threads, as_model_facts(b->model)->level);
        json_array_foreach(b->prefill, i, point)
        {
            as_buf_printf(&text,
                          "prefill %6lld tokens          %10.1f tokens/s   %.2f of the multiply-add peak\n",
                          (long long)json_integer_value(json_object_get(point, "tokens")),
                          json_real_value(json_object_get(point, "tokens_per_s")),
                          json_real_value(json_object_get(point, "fma_fraction")));
        }
        json_array_foreach(b->decode, i, point)
        {
            as_buf_printf(&text,
                          "decode  %6lld context x %-3lld     %10.2f tokens/s   %.2f of the read bandwidth\n",
                          (long long)json_integer_value(json_object_get(point, "context")),
                          (long long)json_integer_value(json_object_get(point, "batch")),
                          json_real_value(json_object_get(point, "tokens_per_s")),
                          json_real_value(json_object_get(point, "read_fraction")));
        }
    }
    as_code rc = as_print(&text, err);
    as_buf_free(&text);
    return rc;
}

static as_code measure(const as_model *model, as_error *err)
{
    bench b = {.model = model, .prefill = json_array(), .decode = json_array()};
    as_code rc = as_pool_open((int)as_common.threads, &b.pool, err);
    if (rc == AS_OK) {
        b.buffer = as_alloc_pages(PROBE_BYTES);
        if (!b.buffer) rc = as_fail_memory(err, "the bandwidth measurement");
    }
    if (rc == AS_OK) {
        memset(b.buffer, 1, PROBE_BYTES);
        as_say("measuring the machine's limits");
        as_probe_read(b.pool, b.buffer, PROBE_BYTES, &b.probe);
        as_probe_peaks(b.pool, &b.probe);
        rc = run_points(&b, err);
    }
    if (rc == AS_OK) rc = print_points(&b, err);
    as_free_pages(b.buffer, PROBE_BYTES);
    as_pool_close(b.pool);
    json_decref(b.prefill);
    json_decref(b.decode);
    return rc;
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    given.repeats = 5;
    given.steps = 8;
    given.prefill = "512";
    given.decode = "128";
    given.batch = "1";
    given.cache = "f16";
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (given.repeats < 1 || given.repeats > MOST_REPEATS || given.steps < 1) {
        return as_fail(err, AS_E_USAGE, "--repeats is 1 to %d and --steps at least 1", MOST_REPEATS);
    }
    as_model *model;
    AS_TRY(as_harness_open_model(words.items[0], &model, err));
    as_code rc = measure(model, err);
    as_model_close(model);
    return rc;
}

const as_verb as_verb_bench = {
    .name = "bench",
    .summary = "kernels and model against the machine's limits",
    .usage =
        "assay bench MODEL [--prefill 512,4096] [--decode 128,8192] [--batch 1,8] [--threads 2] [--json]",
    .details = "Measures the machine's read bandwidth and multiply-add peak next to each speed, and gives "
               "the speed as a\n"
               "fraction of them: medians of several repeats.",
    .example = "assay bench synth:TinyLlama/TinyLlama-1.1B-Chat-v1.0,layers=1 --threads 2 --repeats 2 --json",
    .run = run,
    .options = options,
};
