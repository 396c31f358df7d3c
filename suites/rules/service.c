/* Rules about how the model is served, as far as its files or the target can tell. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "suites/rules/rules.h"

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

void as_rule_unknown(as_rule_call *call)
{
    const char *needs = json_string_value(json_object_get(call->parameters, "needs"));
    as_rule_say(call, AS_SKIP, "cannot be known here; needed: %.800s",
                needs ? needs : "what the profile does not say");
}

/* The length at which the model's class is served; skips, and returns 0, where there is none. */
static int64_t served_context(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_class(call)) return 0;
    if (facts->match.layers_differ) {
        as_rule_say(call, AS_SKIP, "the number of layers is not that of a base, so the class is not certain");
        return 0;
    }
    int64_t served = whole(facts->match.model_class, "served_context");
    if (served <= 0) {
        as_rule_say(call, AS_SKIP, "no length is stated at which %s would be served",
                    as_rule_class_name(facts));
    }
    return served;
}

void as_rule_context_within_native(as_rule_call *call)
{
    int64_t served = served_context(call);
    if (served <= 0) return;
    int64_t native = whole(call->facts->dims, "native_context");
    call->check->measured = json_integer(native);
    call->check->expected = json_integer(served);
    call->check->unit = "tokens";
    if (as_catalog_is_recurrent(call->facts->catalog, call->facts->dims)) {
        as_rule_say(call, AS_PASS, "a recurrent model has no longest input; it is served at %" PRId64,
                    served);
    } else if (native <= 0) {
        as_rule_say(call, AS_SKIP, "config.json does not state max_position_embeddings");
    } else if (native < served) {
        as_rule_say(call, AS_FAIL,
                    "it was made for %" PRId64 " tokens and its class (%s) is served at %" PRId64, native,
                    as_rule_class_name(call->facts), served);
    } else {
        as_rule_say(call, AS_PASS, "it was made for %" PRId64 " tokens, its class is served at %" PRId64,
                    native, served);
    }
}

static bool list_has(const json_t *list, int64_t value)
{
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_is_integer(item) && json_integer_value(item) == value) return true;
    }
    return false;
}

void as_rule_context_allowed_values(as_rule_call *call)
{
    int64_t served = served_context(call);
    if (served <= 0) return;
    const json_t *values = json_object_get(call->parameters, "values");
    call->check->measured = json_integer(served);
    call->check->expected = json_incref((json_t *)values);
    call->check->unit = "tokens";
    if (list_has(values, served)) {
        as_rule_say(call, AS_PASS, "%" PRId64 " is one of the lengths on offer", served);
    } else if (list_has(json_object_get(call->parameters, "remarked"), served)) {
        as_rule_say(call, AS_WARN, "%" PRId64 " stands only in an older copy of the table", served);
    } else {
        as_rule_say(call, AS_FAIL, "%" PRId64 " is not one of the lengths on offer", served);
    }
}

void as_rule_context_example(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    const char *wanted = json_string_value(json_object_get(call->parameters, "class"));
    int64_t expected = whole(call->parameters, "context"), served = served_context(call);
    if (served <= 0) return;
    bool applies = wanted && strcmp(wanted, as_rule_class_name(facts)) == 0;
    if (!applies) {
        as_rule_say(call, AS_SKIP, "this model is a %s, the example is about a %s", as_rule_class_name(facts),
                    wanted ? wanted : "?");
        return;
    }
    call->check->measured = json_integer(served);
    call->check->expected = json_integer(expected);
    call->check->unit = "tokens";
    as_rule_say(call, served == expected ? AS_PASS : AS_FAIL,
                "%s is served at %" PRId64 " tokens, the page says %" PRId64, wanted, served, expected);
}

/* Precision. */

static bool skip_without_parameters(as_rule_call *call)
{
    if (call->facts->parameters >= 0 && !call->facts->is_quantized) return false;
    as_rule_say(call, AS_SKIP,
                "the number of parameters is needed, which complete, unpacked safetensors tell");
    return true;
}

/* Weights as they are stored are of the type that they are stored in. */
static const char *stored_precision(const as_model_info *info)
{
    static const struct {
        as_dtype type;
        const char *precision;
    } names[] = {{AS_F16, "f16"}, {AS_BF16, "bf16"}, {AS_F32, "f32"}};
    as_dtype type;
    if (!as_dtype_parse(info->dtype, &type)) return NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].type == type) return names[i].precision;
    }
    return NULL;
}

/* What the target runs at; skips, and returns NULL, where there is none. */
static const char *target_precision(as_rule_call *call)
{
    const as_target *target = call->facts->target;
    const char *precision = target ? target->facts.precision : NULL;
    if (precision && strcmp(precision, "native") == 0 && target->facts.info) {
        const char *stored = stored_precision(target->facts.info);
        if (stored) precision = stored;
    }
    if (!precision || !*precision) {
        as_rule_say(call, AS_SKIP, "no server is given, or it does not tell the precision it runs at");
        return NULL;
    }
    call->check->measured = as_result_text(precision);
    return precision;
}

static bool is_16_bit(const char *precision)
{
    return strcmp(precision, "f16") == 0 || strcmp(precision, "bf16") == 0;
}

void as_rule_serve_fp8(as_rule_call *call)
{
    if (skip_without_parameters(call)) return;
    int64_t from = whole(call->parameters, "parameters_from");
    if (call->facts->parameters < from) {
        as_rule_say(call, AS_SKIP, "%" PRId64 " parameters: the rule is for %" PRId64 " and more",
                    call->facts->parameters, from);
        return;
    }
    const char *precision = target_precision(call);
    if (!precision) return;
    if (strncmp(precision, "fp8", 3) == 0) {
        as_rule_say(call, AS_PASS, "it runs at %.40s", precision);
    } else {
        as_rule_say(call, AS_SKIP,
                    "it runs at %.40s here; what the provider serves cannot be seen, and the drift suite "
                    "measures what FP8 would cost",
                    precision);
    }
}

void as_rule_serve_16_bit(as_rule_call *call)
{
    if (skip_without_parameters(call)) return;
    int64_t below = whole(call->parameters, "parameters_below");
    if (call->facts->parameters >= below) {
        as_rule_say(call, AS_SKIP, "%" PRId64 " parameters: the rule is for less than %" PRId64,
                    call->facts->parameters, below);
        return;
    }
    const char *precision = target_precision(call);
    if (!precision) return;
    if (is_16_bit(precision)) {
        as_rule_say(call, AS_PASS, "it runs at %s, not quantized", precision);
    } else if (strcmp(precision, "f32") == 0) {
        as_rule_say(call, AS_SKIP, "it runs at f32 here, which is neither 16 bits nor quantized");
    } else {
        as_rule_say(call, AS_FAIL,
                    "it runs at %.40s, and models of less than %" PRId64 " parameters are to run at 16 bits",
                    precision, below);
    }
}

void as_rule_precision_threshold(as_rule_call *call)
{
    if (skip_without_parameters(call)) return;
    const as_rule_facts *facts = call->facts;
    int64_t threshold = whole(call->parameters, "parameters");
    const char *policy = facts->parameters < threshold ? "fp16" : "fp8";
    const char *stated = json_string_value(json_object_get(facts->match.model_class, "served_precision"));
    call->check->measured = json_integer(facts->parameters);
    call->check->expected = json_integer(threshold);
    call->check->unit = "parameters";
    as_rule_show(call, "precision", json_string(policy));
    if (!stated) {
        as_rule_say(call, AS_SKIP,
                    "%" PRId64 " parameters would mean %s; the model has no class whose precision is stated",
                    facts->parameters, policy);
    } else {
        as_rule_say(call, strcmp(stated, policy) == 0 ? AS_PASS : AS_FAIL,
                    "%" PRId64 " parameters mean %s; the table has %s for %s", facts->parameters, policy,
                    stated, as_rule_class_name(facts));
    }
}
