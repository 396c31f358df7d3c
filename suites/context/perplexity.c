/* Perplexity by position, to see where a stretched position encoding gives way. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "suites/common/documents.h"
#include "suites/common/filler.h"
#include "suites/context/checks.h"
#include "suites/context/logits.h"
#include "suites/stats_stream.h"

enum { BLOCK = 128, BUCKETS = 24, FIRST_BUCKET = 128 };

static const char ID[] = "context/perplexity",
                  TITLE[] = "Perplexity does not rise towards the end of the context";

typedef struct losses {
    as_context_run *run;
    const int32_t *tokens;
    int64_t count, vocab, done, not_finite;
    as_moments *blocks; /* mean losses of BLOCK tokens each */
} losses;

static as_code on_row(void *context, int64_t index, const float *logits, as_error *err)
{
    losses *l = context;
    as_suite_context *c = l->run->context;
    if (c->cancelled(c)) return as_fail(err, AS_E_CANCELLED, "interrupted");
    if ((++l->done & 63) == 0) c->progress(c, l->done, l->count, "perplexity by position");
    if (index + 1 >= l->count) return AS_OK;
    double loss = -as_row_log_probability(logits, l->vocab, l->tokens[index + 1]);
    if (isnan(loss))
        l->not_finite++;
    else
        as_moments_add(&l->blocks[index / BLOCK], loss);
    return AS_OK;
}

/* ---- the text --------------------------------------------------------------------------------------------
 */

/* Held-out documents one after another; filler where they do not reach. */
static as_code fill(as_context_run *run, int32_t *tokens, int64_t count, const char **source, as_error *err)
{
    as_suite_context *c = run->context;
    *source = "generated sentences";
    as_documents documents;
    if (!c->text_path || !(c->target->facts.can & AS_CAN_TOKENIZE)) {
        memcpy(tokens, run->filler, (size_t)count * sizeof *tokens);
        return AS_OK;
    }
    AS_TRY(as_documents_load(c->text_path, c->seed, &documents, err));
    int64_t have = 0;
    as_code rc = AS_OK;
    for (int64_t i = 0; i < documents.count && have < count && rc == AS_OK; i++) {
        int32_t *part = NULL;
        int64_t size = 0;
        rc = as_document_tokens(&documents.items[i], c->target, count - have, &part, &size, err);
        if (rc == AS_OK) memcpy(tokens + have, part, (size_t)size * sizeof *tokens);
        if (rc == AS_OK) as_free(part);
        have += size;
    }
    as_documents_free(&documents);
    /* One kind of text from end to end: a change of kind would look like a change by position. */
    if (rc == AS_OK && have < count)
        memcpy(tokens, run->filler, (size_t)count * sizeof *tokens);
    else if (rc == AS_OK)
        *source = "held-out documents";
    return rc;
}

/* ---- the verdict -----------------------------------------------------------------------------------------
 */

/* Mean loss of the positions [from, to) with the standard error over its blocks. */
static as_interval mean_of(const losses *l, int64_t from, int64_t to)
{
    as_moments whole = {0};
    for (int64_t b = from / BLOCK; b < (to + BLOCK - 1) / BLOCK; b++) {
        if (l->blocks[b].n) as_moments_add(&whole, as_moments_mean(&l->blocks[b]));
    }
    double mean = as_moments_mean(&whole), n = (double)whole.n;
    double variance = as_sum_value(&whole.squares) / n - mean * mean;
    double error = n > 1 ? sqrt(fmax(variance, 0) / (n - 1)) : NAN;
    double z = as_stats_normal_quantile(0.975);
    return (as_interval){mean, mean - z * error, mean + z * error, whole.n, 0.95};
}

static json_t *points_of(const losses *l)
{
    json_t *points = json_array();
    for (int64_t from = 0, to = FIRST_BUCKET; from < l->count - 1; from = to, to *= 2) {
        int64_t end = to < l->count - 1 ? to : l->count - 1;
        as_interval loss = mean_of(l, from, end);
        as_interval perplexity = as_stats_map(loss, exp);
        if (isfinite(perplexity.value)) {
            json_array_append_new(points, as_point_interval((double)(from + end) / 2, &perplexity));
        }
    }
    return points;
}

/* The last half of the context against the positions before it, from an eighth on. */
static as_interval rise_of(const losses *l)
{
    int64_t n = l->count - 1;
    as_interval last = mean_of(l, n / 2, n), middle = mean_of(l, n / 8, n / 2);
    double z = as_stats_normal_quantile(0.975);
    double difference = last.value - middle.value;
    double error = hypot((last.high - last.value) / z, (middle.high - middle.value) / z);
    as_interval rise = {difference, difference - z * error, difference + z * error, last.n + middle.n, 0.95};
    return as_stats_map(rise, exp);
}

static as_code report(as_context_run *run, const losses *l, const char *source, as_error *err)
{
    as_series series = {.name = "perplexity-by-position",
                        .title = "Perplexity by position in the context",
                        .kind = AS_SERIES_LINE,
                        .x_label = "position",
                        .x_unit = "tokens",
                        .y_label = "perplexity",
                        .y_unit = "",
                        .x_log = true,
                        .gate = NAN,
                        .points = points_of(l)};
    AS_TRY(as_result_add_series(run->context->suite, &series, err));
    as_interval whole = as_stats_map(mean_of(l, 0, l->count - 1), exp);
    json_t *evidence =
        json_pack("{s:s, s:I, s:o, s:I}", "text", source, "tokens", (json_int_t)l->count, "perplexity",
                  as_interval_json(&whole), "rows_not_finite", (json_int_t)l->not_finite);
    if (l->not_finite) {
        as_check check = {.id = ID, .title = TITLE, .verdict = AS_FAIL, .evidence = evidence};
        return as_note(run->context, &check, err, "%lld of %lld rows hold NaN or infinity",
                       (long long)l->not_finite, (long long)l->count);
    }
    as_gated gated = {.id = ID,
                      .title = TITLE,
                      .unit = "",
                      .name = "perplexity of the last half over that of the three eighths before",
                      .measured = rise_of(l),
                      .sense = AS_GATE_AT_MOST,
                      .gate = run->options.perplexity_rise,
                      .evidence = evidence};
    return as_note_gated(run->context, &gated, err);
}

static as_code measure(as_context_run *run, int64_t length, int32_t *tokens, as_error *err)
{
    as_suite_context *c = run->context;
    const char *source;
    AS_TRY(fill(run, tokens, length, &source, err));
    losses l = {.run = run, .tokens = tokens, .count = length, .vocab = c->target->facts.vocab};
    l.blocks = AS_NEW_ARRAY(as_moments, length / BLOCK + 1);
    if (!l.blocks) return as_fail_memory(err, "losses by position");
    as_score score = {.tokens = tokens, .count = length, .sink = on_row, .context = &l};
    as_error problem = {.text = ""};
    as_code rc = c->target->ops->score(c->target, &score, &problem);
    if (rc == AS_OK) {
        rc = report(run, &l, source, err);
    } else if (rc == AS_E_CANCELLED || rc == AS_E_MEMORY) {
        if (err) *err = problem;
    } else {
        as_check check = {.id = ID, .title = TITLE, .verdict = AS_ERROR};
        rc = as_note(c, &check, err, "%s", problem.text);
    }
    as_free(l.blocks);
    return rc;
}

as_code as_context_check_perplexity(as_context_run *run, as_error *err)
{
    as_suite_context *c = run->context;
    if (as_suite_done(c, ID)) return AS_OK;
    if (!(c->target->facts.can & AS_CAN_LOGITS) || c->target->facts.vocab < 1) {
        return as_note_skip(c, ID, TITLE, err,
                            "this needs full distributions, which an endpoint does not send");
    }
    /* The longest length that the budget still has room for. */
    int64_t length = 0;
    for (int64_t i = 0; i < run->plan.count; i++) {
        /* All rows are asked for, so the head costs more than in a prompt. */
        double seconds = 1.5 * fmax(as_context_prefill_s(run, run->plan.lengths[i]), 0);
        if (!as_suite_over_budget(c, seconds)) length = run->plan.lengths[i];
    }
    if (length < 8 * BLOCK) {
        bool cut = run->plan.count && run->plan.lengths[run->plan.count - 1] >= 8 * BLOCK;
        return cut ? as_note_cut(c, ID, TITLE, err, "cut by the budget")
                   : as_note_skip(c, ID, TITLE, err, "the context is too short to be divided by position");
    }
    int32_t *tokens = AS_NEW_ARRAY(int32_t, length);
    if (!tokens) return as_fail_memory(err, "a text");
    as_code rc = measure(run, length, tokens, err);
    as_free(tokens);
    return rc;
}
