/* The context suite; see context.h. */
#include "suites/context/context.h"

#include <math.h>
#include <stdio.h>

#include "base/mem.h"
#include "suites/common/filler.h"
#include "suites/context/checks.h"

enum { FILLER_MOST = 1 << 18 };

double as_context_prefill_s(const as_context_run *run, int64_t length)
{
    return as_prefill_seconds(run->context->target, &run->speeds, length);
}

as_code as_context_passed_over(as_context_run *run, const char *id, const char *title, double seconds,
                               bool *passed_over, as_error *err)
{
    *passed_over = true;
    if (as_suite_done(run->context, id)) return AS_OK;
    *passed_over = as_suite_over_budget(run->context, fmax(seconds, 0));
    if (!*passed_over) return AS_OK;
    return as_note_cut(run->context, id, title, err, "cut by the budget: this takes about %.0f s",
                       fmax(seconds, 0));
}

static as_code note_cut_lengths(as_context_run *run, as_error *err)
{
    for (int64_t i = 0; i < run->plan.cut_count; i++) {
        char id[AS_CONTEXT_ID];
        snprintf(id, sizeof id, "context/exact-length-%lld", (long long)run->plan.cut[i].length);
        if (as_suite_done(run->context, id)) continue;
        AS_TRY(as_note_skip(run->context, id, "Prompt and completion of exactly the length are served", err,
                            "%s", run->plan.cut[i].why));
    }
    return AS_OK;
}

static as_code note_promise(as_context_run *run, as_error *err)
{
    static const char id[] = "context/promised", title[] = "The length that is promised";
    if (as_suite_done(run->context, id)) return AS_OK;
    const as_context_plan *plan = &run->plan;
    json_t *lengths = json_array();
    for (int64_t i = 0; i < plan->count; i++) json_array_append_new(lengths, json_integer(plan->lengths[i]));
    int64_t enforced = run->context->target->facts.context;
    int64_t limit = run->context->context_limit; /* by --context: then what lies above was not asked for */
    bool unknown = enforced == 0 || (enforced < plan->promised && enforced == limit);
    as_check check = {.id = id,
                      .title = title,
                      .unit = "tokens",
                      .verdict = unknown                      ? AS_SKIP
                                 : enforced >= plan->promised ? AS_PASS
                                                              : AS_FAIL,
                      .measured = enforced ? json_integer(enforced) : json_null(),
                      .expected = json_integer(plan->promised),
                      .evidence =
                          json_pack("{s:s, s:o}", "promised_by", plan->whose, "lengths_examined", lengths)};
    const char *many = plan->count == 1 ? "length is" : "lengths are";
    if (enforced == 0) {
        return as_note(
            run->context, &check, err,
            "%s promises %lld tokens, the target does not say what it takes; %lld %s to be examined",
            plan->whose, (long long)plan->promised, (long long)plan->count, many);
    }
    return as_note(run->context, &check, err,
                   "%s promises %lld tokens, the target takes %lld%s; %lld %s to be examined", plan->whose,
                   (long long)plan->promised, (long long)enforced,
                   unknown ? " by --context: whether it keeps the promise is not known" : "",
                   (long long)plan->count, many);
}

/* Tokens for the longest prompt, and for one beyond what is enforced. */
static as_code fill(as_context_run *run, as_error *err)
{
    const as_context_plan *plan = &run->plan;
    run->filler_count = plan->lengths[plan->count - 1] + 1;
    if (plan->enforced + 1 > run->filler_count && plan->enforced < FILLER_MOST)
        run->filler_count = plan->enforced + 1;
    run->filler = AS_NEW_ARRAY(int32_t, run->filler_count);
    if (!run->filler) return as_fail_memory(err, "prompts");
    return as_filler_tokens(run->context->target, run->context->seed, 0, run->filler, run->filler_count, err);
}

static as_code check_all(as_context_run *run, as_error *err)
{
    AS_TRY(fill(run, err));
    AS_TRY(as_ask_speeds(run->context, run->context->target, run->options.timeout_s, &run->speeds, err));
    AS_TRY(note_promise(run, err));
    AS_TRY(note_cut_lengths(run, err));
    AS_TRY(as_context_check_limit(run, err));
    for (int64_t i = 0; i < run->plan.count; i++) {
        char phrase[64];
        snprintf(phrase, sizeof phrase, "%lld tokens", (long long)run->plan.lengths[i]);
        run->context->progress(run->context, i, run->plan.count, phrase);
        AS_TRY(as_context_check_length(run, run->plan.lengths[i], err));
    }
    AS_TRY(as_context_check_recall(run, err));
    return as_context_check_perplexity(run, err);
}

static as_code run_suite(as_suite_context *context, as_error *err)
{
    as_context_run run = {.context = context};
    AS_TRY(as_context_options_read(context->profile, &run.options, err));
    as_context_plan_make(context, &run.options, &run.plan);
    if (run.plan.whose == NULL) run.plan.whose = "nobody";
    as_code rc = AS_OK;
    if (run.plan.count == 0) {
        rc = as_note_skip(context, "context/promised", "The length that is promised", err,
                          "neither the profile's class nor the target tells a length to examine");
    } else {
        rc = check_all(&run, err);
    }
    if (rc == AS_OK) rc = as_context_check_rules(&run, err);
    as_free(run.filler);
    return rc;
}

static double estimate(as_suite_context *context)
{
    as_context_options options;
    as_context_plan plan;
    as_speeds speeds;
    if (as_context_options_read(context->profile, &options, NULL) != AS_OK) return -1;
    as_context_plan_make(context, &options, &plan);
    if (as_ask_speeds(context, context->target, options.timeout_s, &speeds, NULL) != AS_OK ||
        speeds.prefill <= 0)
        return -1;
    /* At each length: the request, the changed head, one pass, chunks; recall; at the end stop and
     * perplexity. */
    double seconds = 0;
    for (int64_t i = 0; i < plan.count; i++) {
        double each = as_prefill_seconds(context->target, &speeds, plan.lengths[i]);
        bool last = i + 1 == plan.count;
        seconds += each * (4 + (double)options.recall_prompts + (last ? 2.5 : 0));
    }
    return seconds;
}

const as_suite as_context_suite = {
    .name = "context",
    .title = "Context: the promised length, proved",
    .needs_target = true,
    .estimate = estimate,
    .run = run_suite,
};
