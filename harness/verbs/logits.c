/* assay logits: the numbers themselves. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/npy.h"
#include "harness/common.h"
#include "harness/verb.h"

static struct {
    const char *tokens, *out, *against, *cache;
    int64_t chunk;
} given;

static const as_option own_options[] = {
    {"--tokens", AS_OPTION_TEXT, &given.tokens, "1,2,3", "the token ids to compute"},
    {"--out", AS_OPTION_PATH, &given.out, "F.npy", "write float32 [tokens, vocab] in NumPy's format"},
    {"--against", AS_OPTION_PATH, &given.against, "F.npy",
     "compare with these logits and print how far they are apart"},
    {"--chunk", AS_OPTION_INT, &given.chunk, "N", "tokens computed in one pass (default 512)", 1, 1 << 20},
    {"--cache", AS_OPTION_TEXT, &given.cache, "TYPE", "key/value cache: f32, f16, bf16, e4m3"},
    {NULL, AS_OPTION_FLAG, NULL, NULL, NULL},
};

static const as_option *const tables[] = {own_options, as_model_options_table, as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

/* Where logits go as they come. */
typedef struct receiver {
    as_npy_writer *writer;   /* or NULL */
    const as_npy *reference; /* or NULL */
    int64_t vocab;
    double worst; /* largest difference */
    int64_t worst_row, worst_col;
    double sum, squares, count; /* of the reference */
    int64_t same_top;
} receiver;

static void compare_row(receiver *r, int64_t row, const float *logits)
{
    int64_t top = 0, reference_top = 0;
    for (int64_t c = 0; c < r->vocab; c++) {
        double expected = as_npy_at(r->reference, row, c), difference = fabs(expected - logits[c]);
        if (!(difference <= r->worst)) { /* also when it is not a number */
            r->worst = difference;
            r->worst_row = row;
            r->worst_col = c;
        }
        r->sum += expected;
        r->squares += expected * expected;
        if (logits[c] > logits[top]) top = c;
        if (expected > as_npy_at(r->reference, row, reference_top)) reference_top = c;
    }
    r->count += (double)r->vocab;
    r->same_top += top == reference_top;
}

static as_code receive(void *context, int64_t feed, int64_t first, int64_t rows, const float *logits,
                       as_error *err)
{
    (void)feed;
    receiver *r = context;
    for (int64_t i = 0; r->reference && i < rows; i++) compare_row(r, first + i, logits + i * r->vocab);
    return r->writer ? as_npy_write(r->writer, logits, rows, err) : AS_OK;
}

static as_code print_comparison(const receiver *r, int64_t rows, as_error *err)
{
    double mean = r->sum / r->count, deviation = sqrt(r->squares / r->count - mean * mean);
    as_buf text;
    as_buf_init(&text, 0);
    if (as_common.json) {
        as_buf_printf(&text,
                      "{\"max_difference\":%.9g,\"std\":%.9g,\"relative\":%.9g,\"row\":%lld,\"token\":%lld,"
                      "\"rows\":%lld,\"same_top\":%lld}\n",
                      r->worst, deviation, r->worst / deviation, (long long)r->worst_row,
                      (long long)r->worst_col, (long long)rows, (long long)r->same_top);
    } else {
        as_buf_printf(
            &text,
            "largest difference %.3g at row %lld, token %lld: %.3g of the logits' standard deviation "
            "%.3g; same top token in %lld of %lld rows\n",
            r->worst, (long long)r->worst_row, (long long)r->worst_col, r->worst / deviation, deviation,
            (long long)r->same_top, (long long)rows);
    }
    as_code rc = as_print(&text, err);
    as_buf_free(&text);
    return rc;
}

static as_code compute(as_session *session, const int32_t *tokens, int64_t count, receiver *r, as_error *err)
{
    int64_t sequence;
    AS_TRY(as_session_add(session, &sequence, err));
    as_feed feed = {.sequence = sequence, .tokens = tokens, .count = count, .want = AS_LOGITS_ALL};
    return as_session_forward(session, &feed, 1, receive, r, err);
}

static as_code run_on(const as_model *model, const int32_t *tokens, int64_t count, as_error *err)
{
    as_session_options session_options = {
        .threads = (int)as_common.threads, .cache = given.cache, .cache_tokens = count, .chunk = given.chunk};
    receiver r = {.vocab = as_model_facts(model)->vocab};
    as_npy reference = {.data = NULL};
    as_session *session = NULL;
    as_code rc = AS_OK;
    if (given.against) AS_TRY_OUT(rc, as_npy_open(given.against, &reference, err));
    if (given.against && (reference.rows != count || reference.cols != r.vocab)) {
        rc = as_fail(err, AS_E_INPUT, "%s: [%lld,%lld], expected [%lld,%lld]", given.against,
                     (long long)reference.rows, (long long)reference.cols, (long long)count,
                     (long long)r.vocab);
        goto out;
    }
    r.reference = given.against ? &reference : NULL;
    AS_TRY_OUT(rc, as_session_open(model, &session_options, &session, err));
    as_interrupt_session(session);
    if (given.out) AS_TRY_OUT(rc, as_npy_create(given.out, count, r.vocab, &r.writer, err));
    AS_TRY_OUT(rc, compute(session, tokens, count, &r, err));
    if (r.writer) {
        rc = as_npy_finish(r.writer, err);
        r.writer = NULL;
    }
    if (rc == AS_OK && given.against) rc = print_comparison(&r, count, err);
out:
    as_npy_abandon(r.writer);
    as_interrupt_session(NULL);
    as_session_close(session);
    as_npy_close(&reference);
    return rc;
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 1, .most = 1};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    if (!given.tokens || (!given.out && !given.against)) {
        return as_fail(err, AS_E_USAGE, "--tokens and one of --out and --against are needed\nusage: %s",
                       verb->usage);
    }
    int32_t *tokens = NULL;
    int64_t count = 0;
    as_model *model = NULL;
    AS_TRY(as_parse_tokens(given.tokens, &tokens, &count, err));
    as_code rc = as_harness_open_model(words.items[0], &model, err);
    if (rc == AS_OK) rc = run_on(model, tokens, count, err);
    as_model_close(model);
    as_free(tokens);
    return rc;
}

const as_verb as_verb_logits = {
    .name = "logits",
    .summary = "the numbers themselves: logits of given tokens as a NumPy file",
    .usage = "assay logits MODEL --tokens 1,2,3 [--dtype T] --out F.npy",
    .details =
        "Computes the model on the given token ids in one sequence and writes the logits of every position,\n"
        "float32 [tokens, vocab]. --dtype f32 computes with the checkpoint's own numbers in float32.",
    .example = "assay logits fixtures/models/llama-grouped --tokens 1,2,3 --dtype f32 --out out/logits.npy",
    .run = run,
    .options = options,
};
