/* Greedy continuations; see greedy.h. */
#include "suites/drift/greedy.h"

#include <math.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/common/ask.h"

static const double SILENCE_S = 600;

static as_greedy_pair compare(const as_answer *reference, const as_answer *candidate, double near_tie)
{
    as_greedy_pair pair = {.parted = -1, .margin = NAN};
    pair.tokens = reference->count < candidate->count ? reference->count : candidate->count;
    for (int64_t i = 0; i < pair.tokens; i++) {
        if (reference->tokens[i].token == candidate->tokens[i].token) continue;
        pair.parted = i;
        pair.margin = (double)reference->tokens[i].margin;
        pair.near_tie = pair.margin < near_tie;
        break;
    }
    return pair;
}

static as_code ask_both(const as_drift_pass *p, const as_request *request, as_greedy *out, as_error *err)
{
    as_answer reference, candidate = {0};
    as_code rc = as_ask(p->context, p->reference, request, SILENCE_S, &reference, err);
    if (rc == AS_OK) rc = as_ask(p->context, p->candidate, request, SILENCE_S, &candidate, err);
    if (rc == AS_OK && (reference.state != AS_ANSWERED || candidate.state != AS_ANSWERED)) {
        const as_answer *bad = reference.state != AS_ANSWERED ? &reference : &candidate;
        snprintf(out->problem, sizeof out->problem, "%s %s: %.400s",
                 bad == &reference ? "the reference" : "the candidate", as_answer_state_name(bad->state),
                 bad->message);
    } else if (rc == AS_OK) {
        out->pairs[out->count++] = compare(&reference, &candidate, p->near_tie);
    }
    as_answer_free(&reference);
    as_answer_free(&candidate);
    return rc;
}

as_code as_drift_greedy(const as_drift_pass *p, as_greedy *out, as_error *err)
{
    *out = (as_greedy){0};
    const as_drift_options *o = p->options;
    int64_t wanted = o->greedy_prompts < AS_GREEDY_PROMPTS ? o->greedy_prompts : AS_GREEDY_PROMPTS;
    for (int64_t i = 0; i < p->documents->count && out->count < wanted && !out->problem[0]; i++) {
        if (p->until_s > 0 && as_clock_seconds() > p->until_s) {
            out->cut = true;
            break;
        }
        int32_t *tokens;
        int64_t count;
        AS_TRY(as_document_tokens(&p->documents->items[i], p->reference, o->greedy_prompt_tokens, &tokens,
                                  &count, err));
        as_request request = {.tokens = tokens,
                              .count = count,
                              .max_tokens = o->greedy_tokens,
                              .ignore_eos = true,
                              .logprobs = p->reference->facts.can & AS_CAN_LOGPROBS ? 2 : -1};
        p->context->progress(p->context, out->count, wanted, p->phrase);
        as_code rc = count > 0 ? ask_both(p, &request, out, err) : AS_OK;
        as_free(tokens);
        AS_TRY(rc);
    }
    return AS_OK;
}
