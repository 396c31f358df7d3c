/* Requests at a length and one token beyond; see checks.h. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/context/checks.h"

enum { HEAD = 8 }; /* tokens replaced to see whether the head of a prompt is read */

#define EXACT_TITLE   "Prompt and completion of exactly the length are served"
#define COUNTED_TITLE "The target counts the tokens that were sent and received"
#define HEAD_TITLE    "The first tokens of a full prompt reach the model"

static as_request request_of(const as_context_run *run, const int32_t *tokens, int64_t count,
                             int64_t max_tokens)
{
    bool logprobs = run->context->target->facts.can & AS_CAN_LOGPROBS;
    return (as_request){.tokens = tokens,
                        .count = count,
                        .max_tokens = max_tokens,
                        .ignore_eos = true,
                        .logprobs = logprobs ? 2 : -1};
}

static as_code ask(as_context_run *run, const int32_t *tokens, int64_t count, int64_t max_tokens,
                   as_answer *answer, as_error *err)
{
    as_request request = request_of(run, tokens, count, max_tokens);
    return as_ask(run->context, run->context->target, &request, run->options.timeout_s, answer, err);
}

static json_t *evidence_of(const as_answer *a, int64_t prompt, int64_t max_tokens)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:s}", "outcome", as_answer_state_name(a->state),
                     "prompt_sent", (json_int_t)prompt, "max_tokens", (json_int_t)max_tokens,
                     "tokens_received", (json_int_t)a->count, "prompt_tokens_reported",
                     (json_int_t)a->prompt_tokens, "completion_tokens_reported",
                     (json_int_t)a->completion_tokens, "message", a->message);
}

/* ---- served at exactly the length ------------------------------------------------------------------------
 */

/* What is wrong with an answer that should fill the length exactly; "" when nothing is. */
static void judge_exact(as_context_run *run, const as_answer *a, int64_t length, int64_t prompt,
                        char why[static 640])
{
    long long wanted = length - prompt, got = a->count;
    why[0] = 0;
    if (a->state == AS_ANSWER_REFUSED) {
        snprintf(why, 640,
                 "a request of %lld prompt tokens and %lld to generate, together exactly %lld, was refused: "
                 "%.400s",
                 (long long)prompt, wanted, (long long)length, a->message);
    } else if (a->state != AS_ANSWERED) {
        snprintf(why, 640, "the request %s after %lld of %lld tokens: %.400s", as_answer_state_name(a->state),
                 got, wanted, a->message);
    } else if (got > wanted) {
        snprintf(why, 640,
                 "%lld tokens came where %lld were asked for: generation did not stop at max_tokens", got,
                 wanted);
        run->over_served = true;
        snprintf(run->over_message, sizeof run->over_message, "%lld + %lld tokens at a length of %lld",
                 (long long)prompt, got, (long long)length);
    } else if (got < wanted) {
        snprintf(why, 640,
                 "only %lld of %lld tokens came (finish \"%s\"): the last %lld of the %lld are not to be had",
                 got, wanted, a->finish == AS_FINISH_STOP ? "stop" : "length", wanted - got,
                 (long long)length);
    } else if (a->finish != AS_FINISH_LENGTH) {
        snprintf(why, 640, "all %lld tokens came, but the finish reason is \"stop\" instead of \"length\"",
                 wanted);
    }
}

static as_code note_exact(as_context_run *run, const as_answer *a, int64_t length, int64_t prompt,
                          const char *id, const char *title, as_error *err)
{
    char why[640];
    judge_exact(run, a, length, prompt, why);
    as_check check = {.id = id,
                      .title = title,
                      .unit = "tokens",
                      .verdict = why[0] ? AS_FAIL : AS_PASS,
                      .measured = json_integer(a->state == AS_ANSWERED ? prompt + a->count : a->count),
                      .expected = json_integer(length),
                      .evidence = evidence_of(a, prompt, length - prompt)};
    if (!why[0]) run->served_exactly++;
    return as_note(run->context, &check, err, "%s",
                   why[0] ? why : "prompt and completion fill the length exactly, finish reason \"length\"");
}

/* ---- counted as the tokenizer counts ---------------------------------------------------------------------
 */

static as_code note_counts(as_context_run *run, const as_answer *a, int64_t length, int64_t prompt,
                           as_error *err)
{
    char id[AS_CONTEXT_ID];
    snprintf(id, sizeof id, "context/counted-%lld", (long long)length);
    static const char title[] = COUNTED_TITLE;
    if (as_suite_done(run->context, id)) return AS_OK;
    if (a->state != AS_ANSWERED || a->prompt_tokens < 0) {
        return as_note_skip(run->context, id, title, err, "%s",
                            a->state != AS_ANSWERED ? "there was no complete answer to count"
                                                    : "the target reports no counts");
    }
    bool prompt_equal = a->prompt_tokens == prompt, completion_equal = a->completion_tokens == a->count;
    as_check check = {.id = id,
                      .title = title,
                      .unit = "tokens",
                      .verdict = prompt_equal && completion_equal ? AS_PASS : AS_FAIL,
                      .measured =
                          json_pack("[I, I]", (json_int_t)a->prompt_tokens, (json_int_t)a->completion_tokens),
                      .expected = json_pack("[I, I]", (json_int_t)prompt, (json_int_t)a->count),
                      .evidence = evidence_of(a, prompt, length - prompt)};
    if (!prompt_equal) {
        return as_note(
            run->context, &check, err,
            "the target reports %lld prompt tokens where %lld were sent: it cut the prompt or counts "
            "differently from the tokenizer",
            (long long)a->prompt_tokens, (long long)prompt);
    }
    return as_note(run->context, &check, err,
                   "%lld prompt and %lld completion tokens reported, %lld received",
                   (long long)a->prompt_tokens, (long long)a->completion_tokens, (long long)a->count);
}

/* ---- the first tokens are read ---------------------------------------------------------------------------
 */

static bool may_forget(const as_context_run *run)
{
    const as_suite_context *c = run->context;
    const json_t *config = c->repository ? c->repository->config.value : NULL;
    const json_t *text = json_object_get(config, "text_config");
    const json_t *window = json_object_get(text ? text : config, "sliding_window");
    return json_integer_value(window) > 0 || (c->target->facts.info && c->target->facts.info->context == 0);
}

static as_code compare_heads(as_context_run *run, const as_answer *plain, const as_answer *changed,
                             const char *id, const char *title, as_error *err)
{
    if (changed->state != AS_ANSWERED || changed->count < 1) {
        as_check check = {.id = id, .title = title, .verdict = AS_ERROR};
        return as_note(run->context, &check, err, "the second request %s: %s",
                       as_answer_state_name(changed->state), changed->message);
    }
    const as_answer_token *a = &plain->tokens[0], *b = &changed->tokens[0];
    double difference = fabs((double)a->logprob - (double)b->logprob);
    bool moved = a->token != b->token || difference > 0 || a->margin != b->margin;
    if (!moved && may_forget(run)) {
        return as_note_skip(
            run->context, id, title, err,
            "other first tokens change nothing at the end, which a model with a window or a fading "
            "state may do");
    }
    as_check check = {
        .id = id,
        .title = title,
        .unit = "nats",
        .verdict = moved ? AS_PASS : AS_FAIL,
        .measured = as_number_json(difference),
        .evidence = json_pack("{s:i, s:b}", "tokens_replaced", HEAD, "other_token", a->token != b->token)};
    if (moved) return as_note(run->context, &check, err, "other first tokens change what follows the prompt");
    return as_note(
        run->context, &check, err,
        "the first %d tokens were replaced and the answer's first token kept its log-probability to the last "
        "bit: the head of the prompt did not reach the model",
        HEAD);
}

static as_code check_head(as_context_run *run, int64_t length, int64_t prompt, const as_answer *plain,
                          as_error *err)
{
    char id[AS_CONTEXT_ID];
    snprintf(id, sizeof id, "context/head-read-%lld", (long long)length);
    static const char title[] = HEAD_TITLE;
    bool passed_over;
    const as_target_facts *facts = &run->context->target->facts;
    if (!(facts->can & AS_CAN_LOGPROBS) || strcmp(facts->kind, "engine") != 0) {
        if (as_suite_done(run->context, id)) return AS_OK;
        return as_note_skip(
            run->context, id, title, err,
            "this needs log-probabilities that repeat exactly, as the engine's do; recall of the first "
            "fact answers instead");
    }
    if (plain->state != AS_ANSWERED || plain->count < 1) {
        if (as_suite_done(run->context, id)) return AS_OK;
        return as_note_skip(run->context, id, title, err,
                            "the request at this length had no answer to compare with");
    }
    double seconds = as_context_prefill_s(run, length);
    AS_TRY(as_context_passed_over(run, id, title, seconds, &passed_over, err));
    if (passed_over) return AS_OK;
    int32_t *tokens = AS_NEW_ARRAY(int32_t, prompt);
    if (!tokens) return as_fail_memory(err, "a prompt");
    memcpy(tokens, run->filler, (size_t)prompt * sizeof *tokens);
    /* Tokens of the same text, a little further on: plain ones, and different in kind from a repeated token.
     */
    for (int64_t i = 0; i < HEAD && i < prompt; i++) {
        tokens[i] = run->filler[(i + prompt / 2) % run->filler_count];
        if (tokens[i] == run->filler[i]) tokens[i] = run->filler[(i + prompt / 2 + 1) % run->filler_count];
    }
    as_answer changed;
    as_code rc = ask(run, tokens, prompt, 1, &changed, err);
    as_free(tokens);
    if (rc == AS_OK) rc = compare_heads(run, plain, &changed, id, title, err);
    as_answer_free(&changed);
    return rc;
}

/* ---- one length ------------------------------------------------------------------------------------------
 */

/* What is checked at each length, all of it on the answer to one request. */
static const struct {
    const char *name, *title;
} at_length[] = {{"exact-length", EXACT_TITLE},
                 {"counted", COUNTED_TITLE},
                 {"head-read", HEAD_TITLE},
                 {"chunks", AS_CONTEXT_CHUNKS_TITLE},
                 {"steps", AS_CONTEXT_STEPS_TITLE}};
enum { AT_LENGTH = sizeof at_length / sizeof at_length[0] };

/* Records as cut what is not decided at this length: told as such, no comparison takes it for lost. */
static as_code cut_length(as_context_run *run, int64_t length, double seconds, as_error *err)
{
    for (int i = 0; i < AT_LENGTH; i++) {
        char id[AS_CONTEXT_ID];
        snprintf(id, sizeof id, "context/%s-%lld", at_length[i].name, (long long)length);
        if (as_suite_done(run->context, id)) continue;
        AS_TRY(as_note_cut(run->context, id, at_length[i].title, err,
                           "cut by the budget: a prompt of %lld tokens takes about %.0f s", (long long)length,
                           seconds));
    }
    return AS_OK;
}

as_code as_context_check_length(as_context_run *run, int64_t length, as_error *err)
{
    char id[AS_CONTEXT_ID];
    bool all_done = true;
    for (int i = 0; i < AT_LENGTH; i++) {
        snprintf(id, sizeof id, "context/%s-%lld", at_length[i].name, (long long)length);
        all_done = all_done && as_suite_done(run->context, id);
    }
    if (all_done) return AS_OK;
    double seconds = fmax(as_context_prefill_s(run, length), 0);
    if (as_suite_over_budget(run->context, seconds)) return cut_length(run, length, seconds, err);
    snprintf(id, sizeof id, "context/%s-%lld", at_length[0].name, (long long)length);
    int64_t prompt = length - run->options.completion;
    as_answer answer;
    as_code rc = ask(run, run->filler, prompt, run->options.completion, &answer, err);
    if (rc == AS_OK && !as_suite_done(run->context, id)) {
        rc = note_exact(run, &answer, length, prompt, id, EXACT_TITLE, err);
    }
    if (rc == AS_OK) rc = note_counts(run, &answer, length, prompt, err);
    if (rc == AS_OK) rc = check_head(run, length, prompt, &answer, err);
    if (rc == AS_OK) rc = as_context_check_numbers(run, length, prompt, &answer, err);
    as_answer_free(&answer);
    return rc;
}

/* ---- at the limit ----------------------------------------------------------------------------------------
 */

/* True when the digits of `number` stand in the text, with or without separators between thousands. */
static bool names_number(const char *text, int64_t number)
{
    char wanted[32], plain[512];
    snprintf(wanted, sizeof wanted, "%lld", (long long)number);
    size_t size = 0;
    for (const char *c = text; *c && size + 1 < sizeof plain; c++) {
        bool separator = (*c == ',' || *c == '_' || *c == '\'') && c > text &&
                         isdigit((unsigned char)c[-1]) && isdigit((unsigned char)c[1]);
        if (!separator) plain[size++] = *c;
    }
    plain[size] = 0;
    for (const char *at = strstr(plain, wanted); at; at = strstr(at + 1, wanted)) {
        bool starts = at == plain || !isdigit((unsigned char)at[-1]);
        if (starts && !isdigit((unsigned char)at[strlen(wanted)])) return true;
    }
    return false;
}

static as_code note_refusal(as_context_run *run, const as_answer *a, int64_t prompt, const char *id,
                            const char *title, as_error *err)
{
    int64_t limit = run->plan.enforced;
    as_check check = {.id = id,
                      .title = title,
                      .verdict = AS_FAIL,
                      .measured = json_string(as_answer_state_name(a->state)),
                      .expected = json_string("refused"),
                      .evidence = evidence_of(a, prompt, limit + 1 - prompt)};
    if (a->state == AS_ANSWER_REFUSED && names_number(a->message, limit)) {
        check.verdict = AS_PASS;
        run->refused_beyond++;
        return as_note(run->context, &check, err, "refused with \"%.300s\"", a->message);
    }
    if (a->state == AS_ANSWER_REFUSED) {
        run->refused_beyond++;
        return as_note(
            run->context, &check, err,
            "it was refused, but \"%.300s\" does not name the length %lld: whoever reads it cannot tell what "
            "to send instead",
            a->message, (long long)limit);
    }
    if (a->state != AS_ANSWERED) {
        return as_note(run->context, &check, err, "the request %s instead of being refused: %.300s",
                       as_answer_state_name(a->state), a->message);
    }
    if (a->prompt_tokens >= 0 && a->prompt_tokens < prompt) {
        return as_note(run->context, &check, err,
                       "it was served, with %lld of %lld prompt tokens: the prompt was cut without a word",
                       (long long)a->prompt_tokens, (long long)prompt);
    }
    if (prompt + a->count > limit) {
        run->over_served = true;
        snprintf(run->over_message, sizeof run->over_message, "%lld + %lld tokens beyond the limit of %lld",
                 (long long)prompt, (long long)a->count, (long long)limit);
        return as_note(run->context, &check, err,
                       "it was served: %lld prompt and %lld generated tokens exceed %lld", (long long)prompt,
                       (long long)a->count, (long long)limit);
    }
    check.verdict = AS_WARN;
    return as_note(
        run->context, &check, err,
        "it was not refused but its completion cut from %lld to %lld tokens, so that the sum stays at %lld",
        (long long)(limit + 1 - prompt), (long long)a->count, (long long)limit);
}

static as_code check_refusal(as_context_run *run, as_error *err)
{
    int64_t limit = run->plan.enforced, prompt = limit + 1 - run->options.completion;
    char id[AS_CONTEXT_ID];
    snprintf(id, sizeof id, "context/one-more-refused-%lld", (long long)limit);
    static const char title[] = "One token more than the length is refused, and the refusal names the length";
    bool passed_over;
    AS_TRY(as_context_passed_over(run, id, title, 0, &passed_over, err));
    if (passed_over) return AS_OK;
    as_answer answer;
    as_code rc = ask(run, run->filler, prompt, run->options.completion, &answer, err);
    if (rc == AS_OK) rc = note_refusal(run, &answer, prompt, id, title, err);
    as_answer_free(&answer);
    return rc;
}

static as_code check_stop(as_context_run *run, as_error *err)
{
    int64_t limit = run->plan.enforced, prompt = limit - run->options.completion;
    char id[AS_CONTEXT_ID];
    snprintf(id, sizeof id, "context/stops-at-%lld", (long long)limit);
    static const char title[] = "Without max_tokens, generation stops at the length";
    bool passed_over;
    AS_TRY(as_context_passed_over(run, id, title, as_context_prefill_s(run, limit), &passed_over, err));
    if (passed_over) return AS_OK;
    as_answer answer;
    as_code rc = ask(run, run->filler, prompt, 0, &answer, err);
    if (rc == AS_OK) rc = note_exact(run, &answer, limit, prompt, id, title, err);
    as_answer_free(&answer);
    return rc;
}

as_code as_context_check_limit(as_context_run *run, as_error *err)
{
    int64_t limit = run->plan.enforced;
    char id[AS_CONTEXT_ID];
    snprintf(id, sizeof id, "context/one-more-refused-%lld", (long long)limit);
    if (limit < 64 || limit + 1 > run->filler_count) {
        if (as_suite_done(run->context, id)) return AS_OK;
        return as_note_skip(run->context, id, "One token more than the length is refused", err,
                            "the target enforces no length that could be tried (%lld)", (long long)limit);
    }
    AS_TRY(check_refusal(run, err));
    /* A full prompt is worth its time only at a length that is examined anyway. */
    bool examined = run->plan.count > 0 && limit <= run->plan.lengths[run->plan.count - 1];
    return examined ? check_stop(run, err) : AS_OK;
}
