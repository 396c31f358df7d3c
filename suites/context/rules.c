/* The rules of a profile about context. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "suites/context/checks.h"

static as_code rule_sum(const as_rule_context *rule, void *state, as_error *err)
{
    const as_context_run *run = state;
    as_check check = {.id = rule->id,
                      .title = rule->title,
                      .unit = "tokens",
                      .verdict = AS_FAIL,
                      .measured = json_integer(run->plan.enforced),
                      .expected = json_integer(run->plan.promised)};
    if (run->over_served) {
        return as_note(rule->suite, &check, err, "more was served than the length allows: %s",
                       run->over_message);
    }
    if (run->served_exactly == 0) {
        json_decref(check.measured);
        json_decref(check.expected);
        return as_note_skip(rule->suite, rule->id, rule->title, err,
                            "no request at a promised length was served, so there is no sum to look at");
    }
    check.verdict = AS_PASS;
    return as_note(rule->suite, &check, err, "%lld requests filled a length exactly and none exceeded it%s",
                   (long long)run->served_exactly, run->refused_beyond ? "; one token more was refused" : "");
}

/* Counts a rendered conversation and asks for one token. */
static as_code count_template(const as_rule_context *rule, as_context_run *run, const as_buf *text,
                              as_error *err)
{
    as_target *target = rule->suite->target;
    int32_t *tokens;
    int64_t count;
    /* The template writes the special tokens itself. */
    AS_TRY(target->ops->tokenize(target, as_buf_text(text), text->size, false, &tokens, &count, err));
    as_request request = {
        .tokens = tokens, .count = count, .max_tokens = 1, .ignore_eos = true, .logprobs = -1};
    as_answer answer;
    as_code rc = as_ask(rule->suite, target, &request, run->options.timeout_s, &answer, err);
    as_free(tokens);
    if (rc != AS_OK || answer.state != AS_ANSWERED || answer.prompt_tokens < 0) {
        if (rc == AS_OK) {
            rc = as_note_skip(rule->suite, rule->id, rule->title, err, "the target reported no count: %s %s",
                              as_answer_state_name(answer.state), answer.message);
        }
        as_answer_free(&answer);
        return rc;
    }
    bool equal = answer.prompt_tokens == count;
    as_check check = {.id = rule->id,
                      .title = rule->title,
                      .unit = "tokens",
                      .verdict = equal ? AS_PASS : AS_FAIL,
                      .measured = json_integer(answer.prompt_tokens),
                      .expected = json_integer(count)};
    rc = as_note(rule->suite, &check, err,
                 "two turns with the template are %lld tokens, the target counts %lld", (long long)count,
                 (long long)answer.prompt_tokens);
    as_answer_free(&answer);
    return rc;
}

static as_code rule_counts_template(const as_rule_context *rule, void *state, as_error *err)
{
    as_target *target = rule->suite->target;
    unsigned needs = AS_CAN_TEMPLATE | AS_CAN_TOKENIZE;
    if ((target->facts.can & needs) != needs) {
        return as_note_skip(rule->suite, rule->id, rule->title, err,
                            "the model brings no chat template or no tokenizer");
    }
    json_t *messages =
        json_pack("[{s:s, s:s}]", "role", "user", "content", "Count these words, please: one, two, three.");
    as_buf text;
    as_buf_init(&text, 1 << 20);
    as_error problem = {.text = ""};
    as_code rc = target->ops->render(target, messages, true, &text, &problem);
    if (rc == AS_OK)
        rc = count_template(rule, state, &text, err);
    else
        rc = as_note_skip(rule->suite, rule->id, rule->title, err, "the template does not render: %s",
                          problem.text);
    as_buf_free(&text);
    json_decref(messages);
    return rc;
}

static as_code rule_class_value(const as_rule_context *rule, void *state, as_error *err)
{
    const as_context_run *run = state;
    const as_target_facts *facts = &rule->suite->target->facts;
    int64_t served = json_integer_value(json_object_get(rule->suite->model_class, "served_context"));
    if (served <= 0) {
        return as_note_skip(rule->suite, rule->id, rule->title, err,
                            "the model belongs to no class with a served context");
    }
    if (facts->context <= 0) {
        return as_note_skip(rule->suite, rule->id, rule->title, err,
                            "the target does not tell what context it enforces; %s promises %lld",
                            run->plan.whose, (long long)served);
    }
    bool equal = facts->context == served;
    if (!equal && strcmp(facts->kind, "engine") == 0 && facts->context > served) {
        return as_note_skip(
            rule->suite, rule->id, rule->title, err,
            "nothing is being served here: this run takes up to %lld tokens, the class is served at "
            "%lld; run with --context %lld to try exactly that",
            (long long)facts->context, (long long)served, (long long)served);
    }
    as_check check = {.id = rule->id,
                      .title = rule->title,
                      .unit = "tokens",
                      .verdict = equal ? AS_PASS : AS_FAIL,
                      .measured = json_integer(facts->context),
                      .expected = json_integer(served)};
    return as_note(rule->suite, &check, err, "%lld tokens are enforced, the class is served at %lld",
                   (long long)facts->context, (long long)served);
}

as_code as_context_check_rules(as_context_run *run, as_error *err)
{
    static const as_rule_entry entries[] = {
        {"context-sum", "Prompt and completion together never exceed the served context", rule_sum},
        {"context-counts-template", "The prompt is counted with its template", rule_counts_template},
        {"context-class-value", "The context is that of the model's class", rule_class_value},
    };
    return as_note_rules(run->context, "context", entries, sizeof entries / sizeof *entries, run, err);
}
