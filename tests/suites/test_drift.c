/* suites/drift: known answers from scripted logits, verdicts, budgets, interruption. */
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "suites/drift/drift.h"
#include "suites/drift/measure.h"
#include "suites/drift/summary.h"
#include "tests/suites/fake_target.h"

#define SMALL                                                                                                \
    "'document_tokens': 120, 'tokens': 2400, 'other_tokens': 800, 'greedy_prompts': 4, 'greedy_tokens': 8"
#define FEW                                                                                                  \
    "'document_tokens': 120, 'tokens': 300, 'other_tokens': 300, 'greedy_prompts': 4, 'greedy_tokens': 8"
#define GATES                                                                                                \
    "'gates': {'kl_mean': {'value': 0.02, 'reason': 'test'}, 'top1': {'value': 0.4, 'reason': 'test'}, "     \
    "'perplexity_ratio': {'value': 1.1, 'reason': 'test'}}"
#define PROFILE "{'id': 'test', 'drift': {" SMALL ", " GATES "}}"

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    cr_assert(json_is_number(value), "%s is not a number", key);
    return json_number_value(value);
}

/* Two rows whose divergence is known: p_ref = (3/4, 1/4) against p = (1/2, 1/2), and the other way on odd
 * rows. */
static void two_tokens(const fake_target *f, const int32_t *tokens, int64_t index, float *out)
{
    (void)tokens;
    out[0] = index % 2 == 0 || strcmp(f->base.facts.precision, "f16") ? 0 : 0;
    out[1] = strcmp(f->base.facts.precision, "f16") == 0 ? -(float)log(3) : 0;
}

static as_documents some_documents(void)
{
    as_documents documents;
    as_error err;
    cr_assert_eq(as_documents_load(NULL, 3, &documents, &err), AS_OK);
    return documents;
}

Test(drift, builtin_text_is_there)
{
    as_documents documents = some_documents();
    cr_assert_geq(documents.count, 30);
    size_t bytes = 0;
    for (int64_t i = 0; i < documents.count; i++) bytes += documents.items[i].size;
    cr_assert_geq(bytes, 15000);
    as_documents_free(&documents);
}

Test(drift, known_divergence_comes_out)
{
    fake_target *f = fake_target_new(4096);
    f->base.facts.vocab = 2;
    f->logits = two_tokens;
    fake_run run;
    fake_run_open(&run, "drift", f, PROFILE);
    as_target *other;
    cr_assert_eq(f->base.ops->variant(&f->base, "fp8-channel", &other, NULL), AS_OK);
    ((fake_target *)other)->noise = 0;
    as_documents documents = some_documents();
    as_drift_options options;
    cr_assert_eq(as_drift_options_read(run.profile, &options, NULL), AS_OK);
    as_drift_pass pass = {.context = &run.context,
                          .options = &options,
                          .documents = &documents,
                          .reference = &f->base,
                          .candidate = other,
                          .tokens = 1000,
                          .near_tie = 2,
                          .phrase = "test"};
    as_drift_stats *stats;
    as_error err;
    cr_assert_eq(as_drift_measure(&pass, &stats, &err), AS_OK, "%s", err.text);
    as_drift_summary s;
    cr_assert_eq(as_drift_summarize(stats, 1, &s, NULL), AS_OK);
    double kl = 0.75 * log(0.75 / 0.5) + 0.25 * log(0.25 / 0.5),
           reversed = 0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25);
    cr_assert_float_eq(s.kl_mean.value, kl, 1e-7);
    cr_assert_float_eq(s.kl_mean.low, kl, 1e-7);
    cr_assert_float_eq(s.reversed_mean, reversed, 1e-7);
    cr_assert_eq(s.top1.value, 1);
    cr_assert_eq(s.overlap.value, 1);
    cr_assert_eq(stats->total.near_ties, 0);
    cr_assert_eq(stats->total.rows, 1000);
    as_drift_stats_free(stats);
    as_documents_free(&documents);
    other->ops->close(other);
    fake_run_close(&run);
    fake_target_free(f);
}

/* The samples of a check give back what was measured, and each says which document it is of. */
static void expect_samples(fake_run *run, const char *id)
{
    const json_t *check = as_result_find_check(run->result, id),
                 *evidence = json_object_get(check, "evidence");
    const json_t *samples = json_object_get(evidence, "samples");
    const json_t *weights = json_object_get(evidence, "sample_weights");
    double sum = 0, weight = 0;
    size_t count = json_array_size(samples);
    cr_assert(count >= 5 && json_array_size(weights) == count, "%s: %zu samples", id, count);
    cr_assert_eq(json_array_size(json_object_get(evidence, "sample_ids")), count);
    for (size_t i = 0; i < count; i++) {
        double w = json_number_value(json_array_get(weights, i));
        sum += w * json_number_value(json_array_get(samples, i));
        weight += w;
    }
    double found = sum / weight, measured = number(json_object_get(check, "measured"), "value");
    if (json_object_get(evidence, "sample_transform")) found = exp(found);
    cr_assert_float_eq(found, measured, 1e-9, "%s: %.12g, the samples give %.12g", id, measured, found);
}

Test(drift, a_sound_format_passes_with_everything_recorded)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    fake_run_open(&run, "drift", f, PROFILE);
    as_error err = {.text = ""};
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/floor", "pass", "mean KL 0");
    cr_assert_eq(number(fake_measured(&run, "drift/floor"), "value"), 0);
    fake_expect(&run, "drift/kl-mean", "pass", "Why this gate: test");
    fake_expect(&run, "drift/top1-agreement", "pass", NULL);
    fake_expect(&run, "drift/perplexity-ratio", "pass", NULL);
    fake_expect(&run, "drift/finite", "pass", NULL);
    fake_expect(&run, "drift/layers", "pass", "layer 2");
    fake_expect(&run, "drift/greedy", "pass", "of 4 prompts");
    fake_expect(&run, "drift/memory", "pass", NULL);
    fake_expect(&run, "drift/served-precision", "pass", "the gates judge");
    expect_samples(&run, "drift/kl-mean");
    expect_samples(&run, "drift/top1-agreement");
    expect_samples(&run, "drift/perplexity-ratio");
    const json_t *kl = fake_measured(&run, "drift/kl-mean");
    cr_assert(number(kl, "low") < number(kl, "value") && number(kl, "value") < number(kl, "high"));
    static const char *const formats[] = {"fp8-channel", "fp8-tensor", "fp8-block", "fp8-weight"};
    for (int i = 0; i < 4; i++) {
        char id[64];
        snprintf(id, sizeof id, "drift/%s/summary", formats[i]);
        fake_expect(&run, id, "pass", NULL);
        cr_assert_not_null(
            json_object_get(json_object_get(fake_series(&run, "kl-by-position"), "lines"), formats[i]));
    }
    /* The reference has one line of perplexity, the first, under its own name. */
    json_t *perplexity = json_object_get(fake_series(&run, "perplexity-by-position"), "lines");
    cr_assert_eq(json_object_size(perplexity), 5);
    cr_assert_str_eq(json_object_iter_key(json_object_iter(perplexity)), "f16");
    /* Uniform noise of width 0.05 on both ends: variance 0.05^2 / 3, so KL is close to half of it. */
    double found = number(kl, "value");
    cr_assert(found > 0.3e-3 && found < 0.5e-3, "kl %g", found);
    /* p99.9 of 2400 tokens is not quoted. */
    const json_t *p = json_object_get(
        json_object_get(fake_measured(&run, "drift/fp8-channel/summary"), "kl_percentiles"), "p99.9");
    cr_assert(json_is_null(json_object_get(p, "value")));
    cr_assert_not_null(strstr(json_string_value(json_object_get(p, "reason")), "6636"));
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, gates_fail_and_small_models_only_warn)
{
    static const char *const profiles[] = {
        "{'id': 'p', 'drift': {" SMALL
        ", 'formats': ['fp8-channel'], 'gates': {'kl_mean': {'value': 1e-6}}}}",
        "{'id': 'p', 'drift': {" SMALL ", 'formats': ['fp8-channel'], 'fp8_from_parameters': 5000000000, "
        "'gates': {'kl_mean': {'value': 1e-6}}},"
        "'rules': [{'id': 'quantize-before-load', 'suite': 'drift'}, {'id': 'p/fp8-quality', 'suite': "
        "'drift'},"
        " {'id': 'fp8-memory', 'suite': 'drift'},"
        "{'id': 'invented', 'suite': 'drift'}, {'id': 'ttft-low', 'suite': 'speed'}]}"};
    for (int i = 0; i < 2; i++) {
        fake_target *f = fake_target_new(4096);
        fake_run run;
        as_error err = {.text = ""};
        fake_run_open(&run, "drift", f, profiles[i]);
        cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
        fake_expect(&run, "drift/kl-mean", i ? "warn" : "fail", i ? "served at 16 bits" : "breaks it");
        if (i) {
            fake_expect(&run, "drift/served-precision", "pass", "served at 16 bits");
            fake_expect(&run, "p/quantize-before-load", "pass", NULL);
            fake_expect(&run, "p/fp8-quality", "pass", NULL);
            fake_expect(&run, "p/fp8-memory", "pass", NULL);
            fake_expect(&run, "p/invented", "skip", "no check for the rule");
        }
        fake_run_close(&run);
        fake_target_free(f);
    }
}

Test(drift, not_a_number_fails)
{
    fake_target *f = fake_target_new(4096);
    f->faults = FAKE_NOT_A_NUMBER;
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, PROFILE);
    as_target *clean;
    /* The reference comes from `variant` and is sound; only the format's own rows are spoiled. */
    f->base.facts.precision = "bf16";
    cr_assert_eq(f->base.ops->variant(&f->base, "f16", &clean, NULL), AS_OK);
    clean->ops->close(clean);
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/finite", "fail", "NaN");
    fake_expect(&run, "drift/fp8-tensor/summary", "fail", "NaN");
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, what_a_target_lacks_is_a_skip)
{
    fake_target *f = fake_target_new(4096);
    f->base.facts.can &= ~(unsigned)AS_CAN_LOGITS;
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, PROFILE);
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/kl-mean", "skip", "full distributions");
    fake_run_close(&run);

    f->base.facts.can |= AS_CAN_LOGITS;
    f->refuse_variant = 1;
    fake_run_open(&run, "drift", f, PROFILE);
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/kl-mean", "skip", "not supported here");
    fake_expect(&run, "drift/floor", "skip", "could not be opened");
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, a_target_that_breaks_is_an_error_of_that_format)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, "{'id': 'p', 'drift': {" SMALL ", 'formats': ['fp8-channel']}}");
    f->fail_score_after = 50;
    f->base.facts.precision = "bf16";
    as_code rc = as_drift_suite.run(&run.context, &err);
    cr_assert_eq(rc, AS_E_IO, "the floor itself cannot be measured: %s", err.text);
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, a_spent_budget_is_a_skip)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, PROFILE);
    run.context.budget_s = 1e-9;
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/kl-mean", "skip", "budget");
    fake_expect(&run, "drift/fp8-block/summary", "skip", "budget");
    fake_expect(&run, "drift/floor", "skip", "budget");
    static const char *const cut[] = {"drift/kl-mean", "drift/fp8-block/summary", "drift/floor"};
    for (size_t i = 0; i < sizeof cut / sizeof cut[0]; i++) {
        const json_t *evidence = json_object_get(fake_check(&run, cut[i]), "evidence");
        cr_assert(json_is_true(json_object_get(evidence, "cut_by_budget")), "%s is not marked as cut",
                  cut[i]);
    }
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, a_percentile_of_too_few_tokens_is_a_skip_and_leaves_its_gate_undecided)
{
    static const struct {
        const char *profile, *verdict;
    } cases[] = {
        {"{'id': 'p', 'drift': {" FEW "}}", "skip"},
        {"{'id': 'p', 'drift': {" FEW ", 'gates': {'kl_p99': {'value': 5, 'reason': 'test'}}}}",
         "inconclusive"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fake_target *f = fake_target_new(4096);
        fake_run run;
        as_error err = {.text = ""};
        fake_run_open(&run, "drift", f, cases[i].profile);
        cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
        fake_expect(&run, "drift/kl-p99", cases[i].verdict, "300 tokens were compared, it takes 662");
        fake_run_close(&run);
        fake_target_free(f);
    }
}

Test(drift, an_interrupted_run_goes_on)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, PROFILE);
    run.cancel_after = 9; /* in the middle of the formats */
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_E_CANCELLED);
    size_t kept = json_array_size(json_object_get(run.context.suite, "checks"));
    cr_assert(kept >= 9, "%zu checks kept", kept);
    int64_t before = f->scored;
    double kl = number(fake_measured(&run, "drift/kl-mean"), "value");

    run.cancel_after = 0;
    run.context.resume = true;
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    cr_assert_eq(number(fake_measured(&run, "drift/kl-mean"), "value"), kl);
    fake_expect(&run, "drift/fp8-weight/summary", "pass", NULL);
    fake_expect(&run, "drift/memory", "pass", NULL);
    const json_t *lines = json_object_get(fake_series(&run, "kl-by-position"), "lines");
    cr_assert_not_null(json_object_get(lines, "fp8-channel"));
    cr_assert_not_null(json_object_get(lines, "fp8-weight"));
    (void)before;
    fake_run_close(&run);
    fake_target_free(f);
}

/* The second model of the floor takes a while to load: interrupted there, nothing is told of it. */
Test(drift, an_interrupt_while_loading_leaves_no_mark)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, PROFILE);
    f->refuse_variant = 2;
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_E_CANCELLED);
    cr_assert_eq(json_array_size(json_object_get(run.context.suite, "checks")), 0);
    f->refuse_variant = 0;
    run.context.resume = true;
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "drift/floor", "pass", NULL);
    fake_run_close(&run);
    fake_target_free(f);
}

Test(drift, a_profile_of_the_wrong_type_is_told)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "drift", f, "{'drift': {'gates': {'kl_mean': {'value': 'low'}}}}");
    cr_assert_eq(as_drift_suite.run(&run.context, &err), AS_E_INPUT);
    cr_assert(strstr(err.text, "profile: drift: gates: kl_mean"), "%s", err.text);
    fake_run_close(&run);
    fake_target_free(f);
}
