/* The rules suite: what a repository must hold to be accepted, decided by its headers. Nothing of it is
 * executed, no weight is loaded. Which rules apply, and their limits, stand in the profile. */
#include <stdio.h>
#include <string.h>

#include "suites/rules/rules.h"

/* The checks that a profile's rules can name. */
static const struct {
    const char *name;
    as_rule_function *function;
} checks[] = {
    {"config", as_rule_config},
    {"base-architecture", as_rule_base_architecture},
    {"supported-list", as_rule_supported_list},
    {"depth-upscale", as_rule_depth_upscale},
    {"text-generation", as_rule_text_generation},
    {"model-card", as_rule_model_card},
    {"links-inside", as_rule_links_inside},
    {"remote-code", as_rule_remote_code},
    {"full-weights", as_rule_full_weights},
    {"no-qlora", as_rule_no_quantization},
    {"weights-safetensors", as_rule_weights_safetensors},
    {"no-gguf-only", as_rule_no_gguf_only},
    {"no-pickle-only", as_rule_no_pickle_only},
    {"index-consistent", as_rule_index_consistent},
    {"fp16-precision", as_rule_16_bit},
    {"shape-unchanged", as_rule_shape_unchanged},
    {"shapes-implied", as_rule_shapes_implied},
    {"embedding-unchanged", as_rule_embedding_unchanged},
    {"embedding-rows", as_rule_embedding_rows},
    {"tokenizer-present", as_rule_tokenizer_present},
    {"tokenizer-within-embedding", as_rule_tokenizer_within_embedding},
    {"context-within-native", as_rule_context_within_native},
    {"context-allowed-values", as_rule_context_allowed_values},
    {"context-example-qwen2-72b", as_rule_context_example},
    {"context-example-solar", as_rule_context_example},
    {"serve-fp8", as_rule_serve_fp8},
    {"serve-fp16-under-5b", as_rule_serve_16_bit},
    {"precision-threshold", as_rule_precision_threshold},
    {"unknown", as_rule_unknown},
};

static as_rule_function *find_check(const char *name)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        if (strcmp(checks[i].name, name) == 0) return checks[i].function;
    }
    return NULL;
}

static const char *text_of(const json_t *object, const char *key, const char *absent)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : absent;
}

static void answer(as_rule_call *call, const char *name)
{
    as_rule_function *function = find_check(name);
    if (!function) {
        as_rule_say(call, AS_ERROR, "the rules suite has no check \"%.60s\": correct the profile", name);
    } else if (!call->facts->repo && function != as_rule_unknown) {
        as_rule_say(call, AS_SKIP, "the repository itself is needed, and only an endpoint was given");
    } else {
        function(call);
    }
}

static as_code run_rule(as_suite_context *context, const as_rule_facts *facts, const json_t *rule,
                        as_error *err)
{
    char id[160];
    const char *name = text_of(rule, "id", "");
    snprintf(id, sizeof id, "%s/%s", text_of(context->profile, "id", "profile"), name);
    if (as_suite_done(context, id)) return AS_OK;
    as_buf why;
    as_buf_init(&why, 0);
    as_check check = {.id = id, .title = text_of(rule, "title", name), .verdict = AS_ERROR, .unit = ""};
    as_rule_call call = {
        .facts = facts, .parameters = json_object_get(rule, "parameters"), .check = &check, .why = &why};
    answer(&call, text_of(rule, "check", name));
    check.why = as_buf_text(&why);
    as_code rc = as_buf_check(&why, "a rule's reason", err);
    if (rc == AS_OK) {
        rc = context->record(context, &check, err);
    } else {
        json_decref(check.measured);
        json_decref(check.expected);
        json_decref(check.evidence);
    }
    as_buf_free(&why);
    return rc;
}

static as_code run_rules(as_suite_context *context, const as_rule_facts *facts, as_error *err)
{
    const json_t *rules = json_object_get(context->profile, "rules");
    size_t i;
    json_t *rule;
    json_array_foreach(rules, i, rule)
    {
        if (strcmp(text_of(rule, "suite", ""), "rules") != 0) continue;
        if (context->cancelled(context)) return as_fail(err, AS_E_CANCELLED, "interrupted");
        context->progress(context, (int64_t)i, (int64_t)json_array_size(rules), text_of(rule, "id", ""));
        AS_TRY(run_rule(context, facts, rule, err));
    }
    return AS_OK;
}

static as_code run(as_suite_context *context, as_error *err)
{
    as_rule_facts facts = {.profile = context->profile, .target = context->target, .parameters = -1};
    if (context->repository) AS_TRY(as_rule_facts_open(context, &facts, err));
    as_code rc = run_rules(context, &facts, err);
    as_rule_facts_close(&facts);
    return rc;
}

static double estimate(as_suite_context *context)
{
    (void)context;
    return 0.2; /* headers only */
}

extern const as_suite as_rules_suite;
const as_suite as_rules_suite = {
    .name = "rules",
    .title = "The repository",
    .needs_target = false,
    .estimate = estimate,
    .run = run,
};
