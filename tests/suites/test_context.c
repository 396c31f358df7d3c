/* suites/context: a sound target passes; each fault gets the right verdict and the right words. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "suites/context/context.h"
#include "suites/context/haystack.h"
#include "tests/suites/fake_target.h"

#define RECALL "'recall_depths': 4, 'recall_prompts': 5, 'recall_prompts_beyond': 1, 'timeout_s': 0.05"
#define PROFILE                                                                                              \
    "{'name': 'p', 'context': {'served': 'native', 'lengths': [1024, 2048, 4096], 'recall_reach': "          \
    "2048, " RECALL "},"                                                                                     \
    "'rules': [{'id': 'context-sum', 'suite': 'context'}, {'id': 'context-counts-template', 'suite': "       \
    "'context'}, {'id': 'context-class-value', 'suite': 'context'}]}"

static void run_with(fake_run *run, fake_target *f, const char *profile)
{
    as_error err = {.text = ""};
    fake_run_open(run, "context", f, profile);
    cr_assert_eq(as_context_suite.run(&run->context, &err), AS_OK, "%s", err.text);
}

static fake_target *target_with(unsigned faults)
{
    fake_target *f = fake_target_new(2048);
    f->faults = faults;
    return f;
}

static void done(fake_run *run, fake_target *f)
{
    fake_run_close(run);
    fake_target_free(f);
}

Test(context, a_sound_target_passes)
{
    fake_target *f = target_with(0);
    fake_run run;
    run_with(&run, f, PROFILE);
    static const char *const ids[] = {
        "context/promised",        "context/exact-length-1024",     "context/exact-length-2048",
        "context/counted-1024",    "context/head-read-2048",        "context/chunks-2048",
        "context/steps-2048",      "context/one-more-refused-2048", "context/stops-at-2048",
        "context/first-fact-1024", "context/recall-2048",           "context/perplexity",
        "p/context-sum",           "p/context-counts-template"};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) fake_expect(&run, ids[i], "pass", NULL);
    fake_expect(&run, "p/context-class-value", "skip", "no class");
    fake_expect(&run, "context/chunks-2048", "pass", "bit for bit");
    fake_expect(&run, "context/one-more-refused-2048", "pass", "2048");
    const json_t *grid = json_object_get(fake_series(&run, "recall-grid"), "points");
    cr_assert_eq(json_array_size(grid), 8);
    cr_assert_geq(json_array_size(json_object_get(fake_series(&run, "perplexity-by-position"), "points")), 4);
    done(&run, f);
}

Test(context, a_silent_cut_is_seen)
{
    fake_target *f = target_with(FAKE_TRUNCATES);
    f->window = 1500;
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-2048", "pass", NULL);
    fake_expect(&run, "context/head-read-1024", "pass", NULL);
    fake_expect(&run, "context/head-read-2048", "fail", "did not reach the model");
    fake_expect(&run, "context/first-fact-1024", "pass", NULL);
    fake_expect(&run, "context/first-fact-2048", "fail", "cut off");
    done(&run, f);
}

Test(context, wrong_counts_are_seen)
{
    fake_target *f = target_with(FAKE_MISCOUNTS);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-2048", "pass", NULL);
    fake_expect(&run, "context/counted-2048", "fail", "2029 prompt tokens where 2032 were sent");
    fake_expect(&run, "p/context-counts-template", "fail", NULL);
    done(&run, f);

    f = target_with(FAKE_DUPLICATES);
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-2048", "fail", "32 tokens came where 16 were asked for");
    fake_expect(&run, "context/counted-2048", "fail", "32 received");
    done(&run, f);
}

Test(context, ignoring_the_maximum_is_seen)
{
    fake_target *f = target_with(FAKE_IGNORES_MAX);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-1024", "fail", "did not stop at max_tokens");
    fake_expect(&run, "context/stops-at-2048", "fail", "32 tokens came where 16");
    fake_expect(&run, "p/context-sum", "fail", "more was served");
    done(&run, f);
}

Test(context, refusals_must_happen_and_name_the_length)
{
    fake_target *f = target_with(FAKE_NO_LIMIT);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/one-more-refused-2048", "fail", "exceed 2048");
    fake_expect(&run, "p/context-sum", "fail", NULL);
    done(&run, f);

    f = target_with(FAKE_REFUSES_VAGUELY);
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/one-more-refused-2048", "fail", "does not name the length 2048");
    fake_expect(&run, "p/context-sum", "pass", NULL);
    done(&run, f);

    f = target_with(FAKE_BOUNDS);
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/one-more-refused-2048", "warn", "completion cut from 16 to 15");
    fake_expect(&run, "p/context-sum", "pass", NULL);
    done(&run, f);

    f = target_with(FAKE_REFUSES_LATE);
    f->base.facts.context = 4096;
    f->info.context = 4096;
    run_with(&run, f, "{'name': 'p', 'context': {'served': 'native', 'lengths': [4096], " RECALL "}}");
    fake_expect(&run, "context/one-more-refused-4096", "pass", "400:");
    done(&run, f);

    f = target_with(FAKE_STOPS_EARLY);
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-2048", "fail", "was refused");
    fake_expect(&run, "context/exact-length-1024", "pass", NULL);
    done(&run, f);
}

Test(context, broken_and_silent_answers)
{
    fake_target *f = target_with(FAKE_BREAKS);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-1024", "fail", "connection reset by peer");
    fake_expect(&run, "context/counted-1024", "skip", NULL);
    fake_expect(&run, "context/chunks-1024", "skip", NULL);
    done(&run, f);

    f = target_with(FAKE_SILENT);
    f->base.facts.can &= ~(unsigned)AS_CAN_LOGITS;
    f->base.facts.kind = "http";
    run_with(&run, f, "{'name': 'p', 'context': {'served': 'native', 'lengths': [1024], " RECALL "}}");
    fake_expect(&run, "context/exact-length-1024", "fail", "no event for");
    fake_expect(&run, "context/recall-1024", "error", "silent");
    done(&run, f);
}

Test(context, an_endpoint_is_asked_question_by_question)
{
    fake_target *f = target_with(0);
    f->base.facts.can &= ~(unsigned)(AS_CAN_LOGITS | AS_CAN_LOGPROBS | AS_CAN_TEMPLATE);
    f->base.facts.kind = "http";
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/recall-2048", "pass", NULL);
    fake_expect(&run, "context/first-fact-2048", "pass", NULL);
    fake_expect(&run, "context/chunks-2048", "skip", "full distributions");
    fake_expect(&run, "context/head-read-2048", "skip", NULL);
    fake_expect(&run, "context/perplexity", "skip", NULL);
    done(&run, f);
}

Test(context, chunks_that_matter_fail)
{
    fake_target *f = target_with(FAKE_CHUNKS_MATTER);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/chunks-2048", "fail", "chunks of 96");
    done(&run, f);
}

Test(context, forgetting_fails_within_reach_and_is_reported_beyond)
{
    fake_target *f = target_with(FAKE_FORGETS);
    fake_run run;
    run_with(&run, f,
             "{'context': {'served': 'native', 'lengths': [1024, 2048], 'recall_reach': 1024, " RECALL "}}");
    fake_expect(&run, "context/recall-1024", "fail", NULL);
    fake_expect(&run, "context/first-fact-1024", "fail", NULL);
    fake_expect(&run, "context/recall-2048", "skip", "known to recall over 1024");
    fake_expect(&run, "context/first-fact-2048", "skip", NULL);
    done(&run, f);
}

static void rising(const fake_target *f, const int32_t *tokens, int64_t index, float *out)
{
    for (int64_t t = 0; t < f->base.facts.vocab; t++) out[t] = 0;
    if (index + 1 < f->visible) out[tokens[index + 1]] += index < 1024 ? 5 : 2 + (float)(index % 3) / 10;
}

Test(context, a_rise_of_perplexity_fails)
{
    fake_target *f = target_with(0);
    f->logits = rising;
    fake_run run;
    fake_run_open(&run, "context", f, PROFILE);
    as_error err = {.text = ""};
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "context/perplexity", "fail", "breaks it");
    done(&run, f);
}

Test(context, lengths_follow_the_promise_the_model_and_the_option)
{
    fake_target *f = fake_target_new(4096);
    fake_run run;
    fake_run_open(&run, "context", f,
                  "{'context': {'served': 'class', 'lengths': [1024, 2048, 4096, 8192], " RECALL "}}");
    json_t *class = json_pack("{s:s, s:i}", "class", "tiny", "served_context", 8192);
    run.context.model_class = class;
    run.context.context_limit = 2048;
    as_error err = {.text = ""};
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "context/exact-length-4096", "skip", "--context 2048");
    fake_expect(&run, "context/exact-length-8192", "skip", "own context is 4096");
    fake_expect(&run, "context/promised", "fail", "takes 4096; 2 lengths are");
    fake_expect(&run, "context/exact-length-2048", "pass", NULL);
    json_decref(class);
    done(&run, f);

    /* What --context alone holds back is not known, which is no pass. */
    f = fake_target_new(1024);
    fake_run_open(&run, "context", f,
                  "{'context': {'served': 'class', 'lengths': [1024, 8192], " RECALL "}}");
    class = json_pack("{s:s, s:i}", "class", "tiny", "served_context", 8192);
    run.context.model_class = class;
    run.context.context_limit = 1024;
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "context/promised", "skip", "by --context");
    json_decref(class);
    done(&run, f);

    /* A model shorter than every length is examined at its own. */
    f = fake_target_new(1000);
    run_with(&run, f, "{'context': {'served': 'native', " RECALL "}}");
    fake_expect(&run, "context/exact-length-1000", "pass", NULL);
    fake_expect(&run, "context/one-more-refused-1000", "pass", "1000");
    done(&run, f);
}

Test(context, class_value_rule)
{
    fake_target *f = fake_target_new(2048);
    f->base.facts.kind = "http";
    fake_run run;
    fake_run_open(&run, "context", f,
                  "{'name': 'p', 'context': {'lengths': [1024], " RECALL "}, 'rules': "
                  "[{'id': 'context-class-value', 'suite': 'context'}]}");
    json_t *class = json_pack("{s:s, s:i}", "class", "tiny", "served_context", 1024);
    run.context.model_class = class;
    as_error err = {.text = ""};
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "p/context-class-value", "fail",
                "2048 tokens are enforced, the class is served at 1024");
    json_decref(class);
    done(&run, f);
}

Test(context, a_spent_budget_is_a_skip)
{
    fake_target *f = target_with(0);
    fake_run run;
    fake_run_open(&run, "context", f, PROFILE);
    run.context.budget_s = 1e-9;
    as_error err = {.text = ""};
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "context/exact-length-2048", "skip", "budget");
    fake_expect(&run, "context/counted-2048", "skip", "budget");
    fake_expect(&run, "context/head-read-2048", "skip", "budget");
    fake_expect(&run, "context/chunks-2048", "skip", "budget");
    fake_expect(&run, "context/steps-2048", "skip", "budget");
    fake_expect(&run, "context/recall-2048", "skip", "budget");
    fake_expect(&run, "context/perplexity", "skip", "budget");
    fake_expect(&run, "p/context-sum", "skip", "no request");
    done(&run, f);
}

Test(context, an_interrupted_run_goes_on)
{
    fake_target *f = target_with(0);
    fake_run run;
    as_error err = {.text = ""};
    fake_run_open(&run, "context", f, PROFILE);
    run.cancel_after = 7;
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_E_CANCELLED);
    size_t kept = json_array_size(json_object_get(run.context.suite, "checks"));
    cr_assert_geq(kept, 7);
    run.cancel_after = 0;
    run.context.resume = true;
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    fake_expect(&run, "context/recall-2048", "pass", NULL);
    fake_expect(&run, "p/context-sum", "pass", NULL);
    int64_t before = f->submitted;
    /* Everything is there: only the speed is measured again. */
    cr_assert_eq(as_context_suite.run(&run.context, &err), AS_OK, "%s", err.text);
    cr_assert_leq(f->submitted - before, 2);
    done(&run, f);
}

Test(context, without_a_tokenizer_lengths_are_still_proved)
{
    fake_target *f = target_with(0);
    f->base.facts.can &= ~(unsigned)(AS_CAN_TOKENIZE | AS_CAN_TEMPLATE);
    fake_run run;
    run_with(&run, f, PROFILE);
    fake_expect(&run, "context/exact-length-2048", "pass", NULL);
    fake_expect(&run, "context/recall", "skip", "tokenizer");
    done(&run, f);
}

Test(context, facts_of_the_repository_are_used)
{
    char dir[] = "/tmp/assay-facts-XXXXXX", path[64];
    cr_assert_not_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/facts.json", dir);
    FILE *file = fopen(path, "w");
    fputs("{\"statement\": \"{name} has {value}.\", \"value\": \"{number} {word}\", \"number\": {\"from\": "
          "2, \"to\": 9},"
          "\"question\": {\"plain\": \" Who? {name} has\", \"chat\": \"?\"}, \"answer\": \" {value}\", "
          "\"fact_every\": 30,"
          "\"probe\": {\"names\": [\"Ann\", \"Bob\", \"Cid\"], \"words\": [\"figs\"]},"
          "\"filler\": {\"names\": [\"Dan\"], \"words\": [\"nuts\"], \"sentences\": [\"It rains.\"]},"
          "\"short_sentences\": [\"So.\"]}",
          file);
    fclose(file);
    fake_target *f = target_with(0);
    fake_run run;
    fake_run_open(&run, "context", f, PROFILE);
    run.context.text_path = dir;
    as_facts facts;
    as_error err;
    cr_assert_eq(as_facts_load(&run.context, &facts, &err), AS_OK, "%s", err.text);
    cr_assert(facts.own);
    as_haystack_plan plan = {.target = &f->base, .facts = &facts, .length = 600, .depths = 3, .seed = 1};
    as_haystack h;
    cr_assert_eq(as_haystack_build(&plan, &h, &err), AS_OK, "%s", err.text);
    as_buf text;
    as_buf_init(&text, 0);
    cr_assert_eq(f->base.ops->detokenize(&f->base, h.tokens, h.count, &text, NULL), AS_OK);
    cr_assert_leq(h.count, 600);
    cr_assert_geq(h.count, 500);
    for (int i = 0; i < 3; i++) {
        char fact[128], question[128];
        const as_question *q = &h.questions[i];
        snprintf(fact, sizeof fact, "%s has %s.", q->name, q->value);
        snprintf(question, sizeof question, " Who? %s has %s.", q->name, q->value);
        const char *at = strstr(as_buf_text(&text), fact), *asked = strstr(as_buf_text(&text), question);
        cr_assert(at && asked && at < asked, "%s in %s", fact, as_buf_text(&text));
        double where = (double)(at - as_buf_text(&text)) / (double)h.text_tokens;
        cr_assert(where >= q->depth * 0.6 && where < q->depth + 0.1, "depth %g, found at %g", q->depth,
                  where);
        cr_assert_eq(h.tokens[h.questions[i].from], ' ');
    }
    as_buf_free(&text);
    as_haystack_free(&h);
    as_facts_free(&facts);
    done(&run, f);
    unlink(path);
    rmdir(dir);
}
