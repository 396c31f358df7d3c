/* One request; see ask.h. */
#include "suites/common/ask.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/common/filler.h"

enum { POLL_NS = 20 * 1000 * 1000, TEXT_MAX = 1 << 20, PROBE_PROMPT = 192, PROBE_TOKENS = 9 };
static const double DRAIN_S = 2;

const char *as_answer_state_name(as_answer_state state)
{
    static const char *const names[] = {"answered", "refused", "broke off", "silent"};
    return names[state];
}

void as_answer_free(as_answer *answer)
{
    as_free(answer->tokens);
    as_buf_free(&answer->text);
}

typedef struct asking {
    as_answer *answer;
    int64_t request, heard_ns;
    bool ended;
    as_code failed;
} asking;

static as_answer_token token_of(const as_event *event)
{
    as_answer_token token = {event->token, event->time_ns, NAN, NAN};
    if (event->top_count > 0 || event->chosen.token == event->token) token.logprob = event->chosen.logprob;
    if (event->top_count > 1) token.margin = event->top[0].logprob - event->top[1].logprob;
    return token;
}

static void keep_token(asking *a, const as_event *event)
{
    as_answer *answer = a->answer;
    if (answer->count == answer->room) {
        int64_t room = answer->room ? 2 * answer->room : 64;
        as_answer_token *tokens = as_realloc(answer->tokens, (size_t)room * sizeof *tokens);
        if (!tokens) {
            a->failed = AS_E_MEMORY;
            return;
        }
        answer->tokens = tokens;
        answer->room = room;
    }
    answer->tokens[answer->count++] = token_of(event);
}

static void on_event(void *context, const as_event *event)
{
    asking *a = context;
    if (event->request != a->request || a->ended) return;
    as_answer *answer = a->answer;
    a->heard_ns = as_clock_ns();
    if (event->token >= 0 && a->failed == AS_OK) keep_token(a, event);
    if (event->text && event->finish != AS_FINISH_ERROR) {
        as_buf_add(&answer->text, event->text, event->text_size);
    }
    answer->prompt_tokens = event->prompt_tokens;
    answer->completion_tokens = event->completion_tokens;
    if (event->finish == AS_FINISH_NONE) return;
    a->ended = true;
    answer->finish = event->finish;
    if (event->finish == AS_FINISH_LENGTH || event->finish == AS_FINISH_STOP) {
        answer->state = AS_ANSWERED;
        return;
    }
    answer->state = answer->count ? AS_ANSWER_BROKEN : AS_ANSWER_REFUSED;
    snprintf(answer->message, sizeof answer->message, "%s",
             event->text && *event->text            ? event->text
             : event->finish == AS_FINISH_CANCELLED ? "it was cancelled"
                                                    : "no reason was given");
}

/* Lets a cancelled request end, so that its last events do not reach the next one. */
static void drain(as_target *target, asking *a)
{
    double until = as_clock_seconds() + DRAIN_S;
    bool busy = true;
    a->failed = AS_E_CANCELLED; /* nothing more is kept */
    target->ops->cancel(target, a->request);
    while (busy && !a->ended && as_clock_seconds() < until) {
        if (target->ops->poll(target, POLL_NS, on_event, a, &busy, NULL) != AS_OK) return;
    }
}

static void silence_message(as_answer *answer, bool busy, double silence_s, int64_t count)
{
    if (busy) {
        snprintf(answer->message, sizeof answer->message, "no event for %.3g s after %lld tokens", silence_s,
                 (long long)count);
    } else {
        snprintf(answer->message, sizeof answer->message,
                 "the target dropped the request without an end after %lld tokens", (long long)count);
    }
}

static as_code wait_for_end(as_suite_context *context, as_target *target, asking *a, double silence_s,
                            as_error *err)
{
    while (!a->ended) {
        bool busy = false;
        AS_TRY(target->ops->poll(target, POLL_NS, on_event, a, &busy, err));
        if (a->failed != AS_OK) return as_fail_memory(err, "an answer's tokens");
        if (a->ended) break;
        if (context->cancelled(context)) {
            drain(target, a);
            return as_fail(err, AS_E_CANCELLED, "interrupted");
        }
        if (!busy || (double)(as_clock_ns() - a->heard_ns) * 1e-9 > silence_s) {
            int64_t count = a->answer->count;
            drain(target, a);
            a->answer->state = AS_ANSWER_SILENT;
            silence_message(a->answer, busy, silence_s, count);
            break;
        }
    }
    return AS_OK;
}

as_code as_ask(as_suite_context *context, as_target *target, const as_request *request, double silence_s,
               as_answer *answer, as_error *err)
{
    *answer = (as_answer){.prompt_tokens = -1, .completion_tokens = -1, .sent_ns = as_clock_ns()};
    as_buf_init(&answer->text, TEXT_MAX);
    asking a = {.answer = answer, .heard_ns = answer->sent_ns};
    as_error refusal = {.text = ""};
    as_code rc = target->ops->submit(target, request, &a.request, &refusal);
    if (rc == AS_E_CANCELLED || rc == AS_E_MEMORY || rc == AS_E_INTERNAL) {
        if (err) *err = refusal;
        return rc;
    }
    if (rc != AS_OK) {
        answer->state = AS_ANSWER_REFUSED;
        answer->finish = AS_FINISH_ERROR;
        snprintf(answer->message, sizeof answer->message, "%.500s", refusal.text);
        return AS_OK;
    }
    return wait_for_end(context, target, &a, silence_s, err);
}

as_code as_ask_speeds(as_suite_context *context, as_target *target, double silence_s, as_speeds *out,
                      as_error *err)
{
    *out = (as_speeds){0};
    int32_t prompt[PROBE_PROMPT];
    AS_TRY(as_filler_tokens(target, context->seed, 0, prompt, PROBE_PROMPT, err));
    /* The first run only warms caches up. */
    for (int round = 0; round < 2; round++) {
        as_request request = {.tokens = prompt,
                              .count = round ? PROBE_PROMPT : 16,
                              .max_tokens = PROBE_TOKENS,
                              .ignore_eos = true,
                              .logprobs = -1};
        as_answer answer;
        as_code rc = as_ask(context, target, &request, silence_s, &answer, err);
        int64_t n = answer.count;
        if (rc == AS_OK && n > 1) {
            double first = (double)(answer.tokens[0].time_ns - answer.sent_ns) * 1e-9;
            double rest = (double)(answer.tokens[n - 1].time_ns - answer.tokens[0].time_ns) * 1e-9;
            if (first > 0) out->prefill = (double)request.count / first;
            if (rest > 0) out->decode = (double)(n - 1) / rest;
        }
        bool answered = answer.state == AS_ANSWERED;
        as_answer_free(&answer);
        AS_TRY(rc);
        if (!answered) break;
    }
    return AS_OK;
}

double as_prefill_seconds(const as_target *target, const as_speeds *speeds, int64_t tokens)
{
    if (speeds->prefill <= 0) return -1;
    /* A token costs 2 * parameters operations in the matrices and, on average, 2 * length * hidden a layer in
     * attention. */
    double growth = 1;
    const as_model_info *info = target->facts.info;
    if (info && info->active_parameters > 0) {
        growth +=
            (double)tokens * (double)info->hidden * (double)info->layers / (double)info->active_parameters;
    }
    return (double)tokens / speeds->prefill * growth;
}
