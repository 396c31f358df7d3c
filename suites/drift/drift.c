/* The drift suite; see drift.h. One format after another against the same reference, so that at most three
 * models are open at a time: the target's own, the reference, and one format. */
#include "suites/drift/drift.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "suites/common/ask.h"
#include "suites/common/note.h"
#include "suites/drift/report.h"
#include "suites/drift/rules.h"
#include "suites/drift/summary.h"

enum { ID_SIZE = 128 };

typedef struct drift {
    as_suite_context *context;
    as_drift_options options;
    as_documents documents;
    as_target *reference; /* the target itself where it runs at that precision */
    as_drift_facts facts;
    double near_tie;
    char lenience[256];
    const char *lenient;
} drift;

/* ---- what can be done ------------------------------------------------------------------------------------
 */

/* NULL, or what the target lacks. */
static const char *missing(const as_target *target)
{
    if (!(target->facts.can & AS_CAN_TOKENIZE)) return "a tokenizer (the model brings none)";
    if (!(target->facts.can & AS_CAN_LOGITS))
        return "full distributions (an endpoint sends only the likeliest tokens)";
    if (!(target->facts.can & AS_CAN_PRECISION)) return "the same model at a second precision";
    return NULL;
}

static as_code skip_all(as_suite_context *context, const as_drift_options *options, const char *lack,
                        as_error *err)
{
    static const char *const ids[][2] = {
        {"drift/floor", "Noise floor of the 16-bit model"},
        {"drift/kl-mean", "KL divergence from the 16-bit model, mean over tokens"},
        {"drift/top1-agreement", "The likeliest token stays the same"},
        {"drift/perplexity-ratio", "Perplexity against that of the 16-bit model"},
        {"drift/greedy", "Where greedy continuations part"},
    };
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        AS_TRY(as_note_skip(context, ids[i][0], ids[i][1], err, "this needs %s", lack));
    }
    as_drift_facts facts = {.options = options, .kl_mean = NAN, .top1 = NAN, .perplexity_ratio = NAN};
    return as_drift_note_rules(context, &facts, err);
}

/* ---- opening precisions ----------------------------------------------------------------------------------
 */

static as_code open_reference(drift *d, as_error *err)
{
    as_target *target = d->context->target;
    if (strcmp(target->facts.precision, d->options.reference) == 0) {
        d->reference = target;
        return AS_OK;
    }
    if (target->ops->variant(target, d->options.reference, &d->reference, err) != AS_OK) {
        return as_wrap(err, "the reference at %s", d->options.reference);
    }
    return AS_OK;
}

static as_drift_pass pass_of(const drift *d, as_target *candidate, int64_t tokens, double share,
                             const char *phrase)
{
    as_drift_pass pass = {.context = d->context,
                          .options = &d->options,
                          .documents = &d->documents,
                          .reference = d->reference,
                          .candidate = candidate,
                          .tokens = tokens,
                          .near_tie = d->near_tie,
                          .phrase = phrase};
    if (d->context->budget_s > 0) {
        double now = as_clock_seconds(), left = d->context->started_s + d->context->budget_s - now;
        pass.until_s = now + share * fmax(left, 0);
    }
    return pass;
}

static as_drift_report report_of(const drift *d, const as_target *candidate, const char *format)
{
    int64_t bytes = candidate->facts.info ? candidate->facts.info->weight_bytes : 0;
    return (as_drift_report){d->context, &d->options, d->documents.source, format, d->lenient, bytes};
}

/* ---- the floor -------------------------------------------------------------------------------------------
 */

static as_code compare_with_itself(drift *d, as_target *again, as_error *err)
{
    as_drift_pass pass = pass_of(d, again, d->options.other_tokens, 0.1, "16 bits against itself");
    pass.candidate_chunk = d->options.rows + d->options.rows / 2 + 1;
    as_drift_stats *stats;
    AS_TRY(as_drift_measure(&pass, &stats, err));
    d->near_tie = fmax(d->near_tie, stats->log_difference);
    as_drift_report report = report_of(d, again, "floor");
    as_code rc = as_drift_report_series(&report, stats, err);
    if (rc == AS_OK) rc = as_drift_report_floor(&report, stats, d->near_tie, err);
    as_drift_stats_free(stats);
    return rc;
}

static as_code measure_floor(drift *d, as_error *err)
{
    static const char id[] = "drift/floor", title[] = "Noise floor of the 16-bit model";
    if (as_suite_done(d->context, id)) return AS_OK;
    if (as_suite_over_budget(d->context, 0)) {
        return as_note_cut(d->context, id, title, err, "cut: the suite's budget was spent");
    }
    as_target *again;
    as_error problem = {.text = ""};
    as_code opened = d->reference->ops->variant(d->reference, d->options.reference, &again, &problem);
    if (opened == AS_E_CANCELLED) {
        if (err) *err = problem;
        return opened;
    }
    if (opened != AS_OK) {
        return as_note_skip(d->context, id, title, err, "a second run at %s could not be opened: %s",
                            d->options.reference, problem.text);
    }
    as_code rc = compare_with_itself(d, again, err);
    again->ops->close(again);
    return rc;
}

/* ---- one format ------------------------------------------------------------------------------------------
 */

static bool judged_done(const as_suite_context *context)
{
    static const char *const ids[] = {"drift/kl-mean", "drift/kl-p99", "drift/top1-agreement",
                                      "drift/layers",  "drift/finite", "drift/perplexity-ratio"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (!as_suite_done(context, ids[i])) return false;
    }
    return true;
}

static as_code keep_facts(drift *d, const as_target *candidate, const as_drift_stats *stats, as_error *err)
{
    as_drift_summary s;
    AS_TRY(as_drift_summarize(stats, d->context->seed, &s, err));
    d->facts.measured = true;
    d->facts.weight_bytes = candidate->facts.info ? candidate->facts.info->weight_bytes : 0;
    d->facts.rows = stats->total.rows;
    d->facts.not_finite = stats->not_finite;
    d->facts.kl_mean = s.kl_mean.value;
    d->facts.top1 = s.top1.value;
    d->facts.perplexity_ratio = s.perplexity_ratio.value;
    return AS_OK;
}

static double recorded_value(const json_t *measured, const char *name)
{
    double value = NAN;
    as_json_number(json_object_get(json_object_get(measured, name), "value"), &value);
    return value;
}

/* What an earlier, interrupted run has recorded of the first format. */
static void restore_facts(drift *d, const char *id)
{
    size_t at;
    json_t *check;
    json_array_foreach(json_object_get(d->context->suite, "checks"), at, check)
    {
        const char *found = json_string_value(json_object_get(check, "id"));
        if (!found || strcmp(found, id) != 0) continue;
        const json_t *measured = json_object_get(check, "measured"),
                     *evidence = json_object_get(check, "evidence");
        as_drift_facts *f = &d->facts;
        f->measured = json_is_object(measured);
        f->weight_bytes = json_integer_value(json_object_get(evidence, "weight_bytes"));
        f->rows = json_integer_value(json_object_get(evidence, "tokens"));
        f->not_finite = json_integer_value(json_object_get(evidence, "rows_not_finite"));
        f->kl_mean = recorded_value(measured, "kl_mean");
        f->top1 = recorded_value(measured, "top1_agreement");
        f->perplexity_ratio = recorded_value(measured, "perplexity_ratio");
    }
}

static as_code measure_greedy(drift *d, as_target *candidate, const char *format, as_error *err)
{
    if (as_suite_done(d->context, "drift/greedy")) return AS_OK;
    as_drift_pass pass = pass_of(d, candidate, 0, 0.3, "greedy continuations");
    as_greedy greedy;
    AS_TRY(as_drift_greedy(&pass, &greedy, err));
    as_drift_report report = report_of(d, candidate, format);
    return as_drift_report_greedy(&report, &greedy, err);
}

static as_code measure_format(drift *d, as_target *candidate, int64_t number, as_error *err)
{
    const char *format = d->options.formats[number];
    bool judged = number == 0;
    double share = judged ? 0.5 : 1.0 / (double)(d->options.format_count - number);
    char phrase[64];
    snprintf(phrase, sizeof phrase, "%.40s against %.12s", format, d->options.reference);
    as_drift_pass pass =
        pass_of(d, candidate, judged ? d->options.tokens : d->options.other_tokens, share, phrase);
    as_drift_stats *stats;
    AS_TRY(as_drift_measure(&pass, &stats, err));
    as_drift_report report = report_of(d, candidate, format);
    as_code rc = as_drift_report_series(&report, stats, err);
    if (rc == AS_OK && judged) rc = keep_facts(d, candidate, stats, err);
    if (rc == AS_OK && judged) rc = as_drift_report_gates(&report, stats, err);
    if (rc == AS_OK && judged) rc = as_drift_report_layers(&report, stats, err);
    if (rc == AS_OK) rc = as_drift_report_summary(&report, stats, err);
    as_drift_stats_free(stats);
    if (rc == AS_OK && judged) rc = measure_greedy(d, candidate, format, err);
    return rc;
}

/* Why a format could not be measured. */
typedef struct unmeasured {
    as_verdict verdict;
    const char *why;
    bool cut; /* by the budget */
} unmeasured;

static as_code note_unmeasured(drift *d, int64_t number, const char *id, const unmeasured *u, as_error *err)
{
    char title[ID_SIZE];
    const char *format = d->options.formats[number];
    snprintf(title, sizeof title, "%s against %s, all metrics", format, d->options.reference);
    as_check check = {
        .id = id, .title = title, .verdict = u->verdict, .evidence = u->cut ? as_cut_evidence() : NULL};
    AS_TRY(as_note(d->context, &check, err, "%s", u->why));
    if (number > 0) return AS_OK;
    static const char *const gates[][2] = {
        {"drift/kl-mean", "KL divergence from the 16-bit model, mean over tokens"},
        {"drift/kl-p99", "KL divergence from the 16-bit model, worst token in a hundred"},
        {"drift/top1-agreement", "The likeliest token stays the same"},
        {"drift/perplexity-ratio", "Perplexity against that of the 16-bit model"},
        {"drift/finite", "Every logit at the served precision is a number"},
        {"drift/layers", "Relative error of the hidden state, layer by layer"},
        {"drift/greedy", "Where greedy continuations part"},
    };
    for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
        as_check gate = {.id = gates[i][0],
                         .title = gates[i][1],
                         .verdict = u->verdict,
                         .evidence = u->cut ? as_cut_evidence() : NULL};
        AS_TRY(as_note(d->context, &gate, err, "%s: %s", format, u->why));
    }
    return AS_OK;
}

static as_code run_format(drift *d, int64_t number, as_error *err)
{
    as_suite_context *c = d->context;
    const char *format = d->options.formats[number];
    char id[ID_SIZE];
    snprintf(id, sizeof id, "drift/%.80s/summary", format);
    if (as_suite_done(c, id) && (number > 0 || (judged_done(c) && as_suite_done(c, "drift/greedy")))) {
        if (number == 0) restore_facts(d, id);
        return AS_OK;
    }
    if (as_suite_over_budget(c, 0)) {
        return note_unmeasured(d, number, id,
                               &(unmeasured){AS_SKIP, "cut: the suite's budget was spent", true}, err);
    }
    as_target *candidate;
    as_error problem = {.text = ""};
    as_code rc = c->target->ops->variant(c->target, format, &candidate, &problem);
    if (rc == AS_E_UNSUPPORTED)
        return note_unmeasured(d, number, id, &(unmeasured){AS_SKIP, problem.text, false}, err);
    if (rc != AS_OK && rc != AS_E_CANCELLED)
        return note_unmeasured(d, number, id, &(unmeasured){AS_ERROR, problem.text, false}, err);
    if (rc != AS_OK) {
        if (err) *err = problem;
        return rc;
    }
    rc = measure_format(d, candidate, number, &problem);
    candidate->ops->close(candidate);
    if (rc == AS_OK) return AS_OK;
    if (rc == AS_E_CANCELLED || rc == AS_E_MEMORY) {
        if (err) *err = problem;
        return rc;
    }
    return note_unmeasured(d, number, id, &(unmeasured){AS_ERROR, problem.text, false}, err);
}

/* ---- the suite -------------------------------------------------------------------------------------------
 */

static as_code run_all(drift *d, as_error *err)
{
    AS_TRY(open_reference(d, err));
    as_code rc = measure_floor(d, err);
    for (int64_t i = 0; i < d->options.format_count && rc == AS_OK; i++) rc = run_format(d, i, err);
    if (rc == AS_OK) rc = as_drift_note_rules(d->context, &d->facts, err);
    if (d->reference != d->context->target) d->reference->ops->close(d->reference);
    return rc;
}

static as_code run(as_suite_context *context, as_error *err)
{
    drift d = {.context = context};
    AS_TRY(as_drift_options_read(context->profile, &d.options, err));
    d.near_tie = d.options.near_tie;
    d.lenient = as_drift_lenience(&d.options, context->target, d.lenience);
    d.facts = (as_drift_facts){.options = &d.options, .kl_mean = NAN, .top1 = NAN, .perplexity_ratio = NAN};
    const char *lack = missing(context->target);
    if (lack) return skip_all(context, &d.options, lack, err);
    AS_TRY(as_documents_load(context->text_path, context->seed, &d.documents, err));
    as_code rc = run_all(&d, err);
    as_documents_free(&d.documents);
    return rc;
}

static double estimate(as_suite_context *context)
{
    as_drift_options o;
    as_speeds speeds;
    if (missing(context->target)) return 0;
    if (as_drift_options_read(context->profile, &o, NULL) != AS_OK) return -1;
    if (as_ask_speeds(context, context->target, 60, &speeds, NULL) != AS_OK || speeds.prefill <= 0) return -1;
    /* Small passes cost about twice as much a token as the long prefill that was measured. */
    double tokens = (double)(o.tokens + o.format_count * o.other_tokens);
    double seconds = 2 * 2 * tokens / speeds.prefill;
    if (speeds.decode > 0) seconds += 2 * (double)(o.greedy_prompts * o.greedy_tokens) / speeds.decode;
    return seconds;
}

const as_suite as_drift_suite = {
    .name = "drift",
    .title = "Drift: what the served precision changes",
    .needs_target = true,
    .estimate = estimate,
    .run = run,
};
