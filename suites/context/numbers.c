/* The logits at the end of a long prompt: of one pass, of other chunks, of token-by-token decoding. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "suites/context/checks.h"
#include "suites/context/logits.h"

/* The last rows of one run. */
typedef struct tail {
    as_context_run *run;
    int64_t first, rows, vocab, got;
    float *logits; /* [rows, vocab] */
} tail;

static as_code keep_row(void *context, int64_t index, const float *logits, as_error *err)
{
    tail *t = context;
    if (t->run->context->cancelled(t->run->context)) return as_fail(err, AS_E_CANCELLED, "interrupted");
    if (index < t->first || index >= t->first + t->rows) return AS_OK;
    memcpy(t->logits + (index - t->first) * t->vocab, logits, (size_t)t->vocab * sizeof *logits);
    t->got++;
    return AS_OK;
}

static as_code score_tail(tail *t, const int32_t *tokens, int64_t count, int64_t chunk, as_error *err)
{
    as_target *target = t->run->context->target;
    t->got = 0;
    as_score score = {
        .tokens = tokens, .count = count, .from = t->first, .chunk = chunk, .sink = keep_row, .context = t};
    AS_TRY(target->ops->score(target, &score, err));
    if (t->got != t->rows) {
        return as_fail(err, AS_E_INPUT, "%lld rows of logits came of %lld", (long long)t->got,
                       (long long)t->rows);
    }
    return AS_OK;
}

static as_code note_chunks(as_context_run *run, const tail *one, const tail *other, const char *id,
                           const char *title, as_error *err)
{
    double largest = 0, relative = 0;
    int64_t where = -1;
    for (int64_t r = 0; r < one->rows; r++) {
        const float *a = one->logits + r * one->vocab;
        double d = as_row_difference(a, other->logits + r * one->vocab, one->vocab);
        if (d > largest || isnan(d)) {
            largest = d;
            relative = d / as_row_deviation(a, one->vocab);
            where = one->first + r;
        }
    }
    double gate = run->options.chunk_difference.value;
    as_check check = {.id = id,
                      .title = title,
                      .unit = "standard deviations",
                      .verdict = isnan(gate) || relative <= gate ? AS_PASS : AS_FAIL,
                      .measured = as_number_json(relative),
                      .expected = as_number_json(gate),
                      .evidence = json_pack("{s:s, s:I, s:I, s:o, s:I}", "better", "lower", "rows",
                                            (json_int_t)one->rows, "chunk", (json_int_t)run->options.chunk,
                                            "largest_difference", as_number_json(largest), "position",
                                            (json_int_t)where)};
    if (largest == 0) {
        return as_note(run->context, &check, err, "the last %lld rows are equal bit for bit",
                       (long long)one->rows);
    }
    return as_note(
        run->context, &check, err,
        "at position %lld the logits differ by %.3g, %.3g of their standard deviation, when the prompt is "
        "computed in chunks of %lld",
        (long long)where, largest, relative, (long long)run->options.chunk);
}

static as_code note_steps(as_context_run *run, const tail *one, const as_answer *answer, const char *id,
                          const char *title, as_error *err)
{
    double largest = 0;
    int64_t other_tokens = 0, where = -1;
    for (int64_t i = 0; i < answer->count && i < one->rows; i++) {
        const float *row = one->logits + i * one->vocab;
        int32_t token = answer->tokens[i].token;
        other_tokens += as_row_best(row, one->vocab) != token;
        double d = fabs(as_row_log_probability(row, one->vocab, token) - (double)answer->tokens[i].logprob);
        if (d > largest || isnan(d)) largest = d, where = one->first + i;
    }
    double gate = run->options.step_difference.value;
    bool close = isnan(gate) || largest <= gate;
    as_check check = {.id = id,
                      .title = title,
                      .unit = "nats",
                      .verdict = close && other_tokens == 0 ? AS_PASS : AS_FAIL,
                      .measured = as_number_json(largest),
                      .expected = as_number_json(gate),
                      .evidence = json_pack("{s:s, s:I, s:I, s:I}", "better", "lower", "steps",
                                            (json_int_t)answer->count, "other_tokens",
                                            (json_int_t)other_tokens, "position", (json_int_t)where)};
    if (check.verdict == AS_PASS) {
        return as_note(
            run->context, &check, err,
            "%lld tokens decoded one by one are those of one pass, log-probabilities within %.2g nats",
            (long long)answer->count, largest);
    }
    return as_note(run->context, &check, err,
                   "decoding one by one departs from one pass over the same tokens: %lld other tokens, "
                   "log-probabilities "
                   "up to %.3g nats apart, worst at position %lld",
                   (long long)other_tokens, largest, (long long)where);
}

typedef struct ids {
    char chunks[AS_CONTEXT_ID], steps[AS_CONTEXT_ID];
} ids;

typedef as_code note_function(as_suite_context *, const char *, const char *, as_error *, const char *, ...);

/* By as_note_skip or as_note_cut. */
static as_code skip_both(as_context_run *run, const ids *id, note_function *note, const char *why,
                         as_error *err)
{
    if (!as_suite_done(run->context, id->chunks)) {
        AS_TRY(note(run->context, id->chunks, AS_CONTEXT_CHUNKS_TITLE, err, "%s", why));
    }
    if (as_suite_done(run->context, id->steps)) return AS_OK;
    return note(run->context, id->steps, AS_CONTEXT_STEPS_TITLE, err, "%s", why);
}

/* An error of the target while scoring is an error of these checks, not of the suite. */
static as_code broke(as_context_run *run, const ids *id, const as_error *problem, as_error *err)
{
    as_check check = {.id = id->chunks, .title = AS_CONTEXT_CHUNKS_TITLE, .verdict = AS_ERROR};
    AS_TRY(as_note(run->context, &check, err, "%s", problem->text));
    check.id = id->steps;
    check.title = AS_CONTEXT_STEPS_TITLE;
    return as_note(run->context, &check, err, "%s", problem->text);
}

static as_code compare(as_context_run *run, const ids *id, tail *one, tail *other, const int32_t *tokens,
                       int64_t count, const as_answer *answer, as_error *err)
{
    as_suite_context *c = run->context;
    as_error problem = {.text = ""};
    as_code rc = score_tail(one, tokens, count, 0, &problem);
    bool chunks = c->target->facts.can & AS_CAN_CHUNKS;
    if (rc == AS_OK && chunks && !as_suite_done(c, id->chunks)) {
        rc = score_tail(other, tokens, count, run->options.chunk, &problem);
    }
    if (rc == AS_E_CANCELLED || rc == AS_E_MEMORY) {
        if (err) *err = problem;
        return rc;
    }
    if (rc != AS_OK) return broke(run, id, &problem, err);
    if (!as_suite_done(c, id->chunks)) {
        if (chunks)
            AS_TRY(note_chunks(run, one, other, id->chunks, AS_CONTEXT_CHUNKS_TITLE, err));
        else
            AS_TRY(as_note_skip(c, id->chunks, AS_CONTEXT_CHUNKS_TITLE, err,
                                "the target chooses its chunks itself"));
    }
    if (as_suite_done(c, id->steps)) return AS_OK;
    if (!(c->target->facts.can & AS_CAN_LOGPROBS)) {
        return as_note_skip(c, id->steps, AS_CONTEXT_STEPS_TITLE, err,
                            "the target gives no log-probabilities");
    }
    return note_steps(run, one, answer, id->steps, AS_CONTEXT_STEPS_TITLE, err);
}

as_code as_context_check_numbers(as_context_run *run, int64_t length, int64_t prompt, const as_answer *answer,
                                 as_error *err)
{
    ids id;
    snprintf(id.chunks, sizeof id.chunks, "context/chunks-%lld", (long long)length);
    snprintf(id.steps, sizeof id.steps, "context/steps-%lld", (long long)length);
    if (as_suite_done(run->context, id.chunks) && as_suite_done(run->context, id.steps)) return AS_OK;
    const as_target_facts *facts = &run->context->target->facts;
    if (!(facts->can & AS_CAN_LOGITS) || facts->vocab < 1) {
        return skip_both(run, &id, as_note_skip,
                         "this needs full distributions, which an endpoint does not send", err);
    }
    if (answer->state != AS_ANSWERED || answer->count < 1) {
        return skip_both(run, &id, as_note_skip,
                         "the request at this length had no complete answer to compare with", err);
    }
    if (as_suite_over_budget(run->context, 2 * fmax(as_context_prefill_s(run, length), 0))) {
        return skip_both(run, &id, as_note_cut, "cut by the budget", err);
    }
    int64_t count = prompt + answer->count - 1, vocab = facts->vocab;
    int32_t *tokens = AS_NEW_ARRAY(int32_t, count);
    tail one = {run, prompt - 1, answer->count, vocab, 0, AS_NEW_ARRAY(float, answer->count *vocab)};
    tail other = one;
    other.logits = AS_NEW_ARRAY(float, answer->count *vocab);
    as_code rc = AS_OK;
    if (!tokens || !one.logits || !other.logits) {
        rc = as_fail_memory(err, "rows of logits");
    } else {
        memcpy(tokens, run->filler, (size_t)prompt * sizeof *tokens);
        for (int64_t i = 0; i + 1 < answer->count; i++) tokens[prompt + i] = answer->tokens[i].token;
        char phrase[64];
        snprintf(phrase, sizeof phrase, "chunks and steps at %lld tokens", (long long)length);
        run->context->progress(run->context, 0, 0, phrase);
        rc = compare(run, &id, &one, &other, tokens, count, answer, err);
    }
    as_free(tokens);
    as_free(one.logits);
    as_free(other.logits);
    return rc;
}
