/* Rules about what kind of model it is, by config.json and the catalogue. */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "suites/rules/rules.h"

static int64_t whole(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static const char *architecture_of(const as_rule_facts *facts)
{
    const char *name = json_string_value(json_array_get(json_object_get(facts->config, "architectures"), 0));
    return name ? name : "";
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool has_ending(const as_rule_call *call, const char *key, const char *name)
{
    size_t i;
    json_t *ending;
    json_array_foreach(json_object_get(call->parameters, key), i, ending)
    {
        if (json_is_string(ending) && ends_with(name, json_string_value(ending))) return true;
    }
    return false;
}

/* Whether the model generates text, by the text-generation rule of the profile: an encoder is reported there
 * and nowhere else. */
static bool generates(const as_rule_call *call)
{
    const char *name = architecture_of(call->facts);
    return has_ending(call, "endings", name) ||
           (has_ending(call, "endings_if_known", name) &&
            (call->facts->dims || call->facts->own_error.code != AS_E_UNSUPPORTED));
}

/* Whether another rule of the profile tells that config.json is absent, cannot be read or names no
 * architecture. Where none does, a model of which nothing is known would hold. */
static bool is_told_elsewhere(const as_rule_facts *facts)
{
    return facts->is_unread_gguf || as_rule_in_profile(facts, "config") ||
           (facts->repo->config.has_problem && as_rule_in_profile(facts, "base-architecture"));
}

void as_rule_text_generation(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    bool told = is_told_elsewhere(facts);
    if (told && as_rule_skip_without_config(call)) return;
    const char *name = architecture_of(facts);
    call->check->measured = as_result_text(name);
    call->check->expected = json_incref(json_object_get(call->parameters, "endings"));
    if (as_json_has(facts->config, "auto_map")) as_rule_show(call, "needs_own_code", json_true());
    if (!facts->config) {
        as_rule_say(call, AS_FAIL, "%.900s",
                    facts->repo->config.has_problem
                        ? facts->repo->config.problem.text
                        : "there is no config.json, so nobody can tell what the weights are");
    } else if (!*name) {
        as_rule_say(call, told ? AS_SKIP : AS_FAIL, "config.json does not name the architecture");
    } else if (generates(call)) {
        as_rule_say(call, AS_PASS, "%.100s generates text", name);
    } else {
        as_rule_say(call, AS_FAIL, "%.100s is not a text-generation model", name);
    }
}

static bool skip_unless_generating(as_rule_call *call)
{
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(call->facts->profile, "rules"), i, rule)
    {
        const char *id = json_string_value(json_object_get(rule, "id"));
        if (!id || strcmp(id, "text-generation") != 0) continue;
        as_rule_call other = *call;
        other.parameters = json_object_get(rule, "parameters");
        if (generates(&other)) return false;
        as_rule_say(call, AS_SKIP, "it is not a text-generation model: text-generation tells of it");
        return true;
    }
    return false;
}

/* A class whose own base is not known might be what this model is a fine-tune of. */
static const char *unknown_base(const as_rule_facts *facts)
{
    size_t i;
    json_t *entry;
    if (facts->parameters < 0) return NULL;
    json_array_foreach(json_object_get(facts->catalog, "classes"), i, entry)
    {
        if (!json_object_get(entry, "base_shape")) continue;
        const char *id = json_string_value(json_array_get(json_object_get(entry, "base_models"), 0));
        const json_t *stand_in = as_catalog_model(facts->catalog, id ? id : "");
        const char *name = json_string_value(json_object_get(stand_in, "architecture"));
        double ratio = (double)facts->parameters / (double)whole(entry, "params");
        if (name && strcmp(name, architecture_of(facts)) == 0 && ratio > 0.85 && ratio < 1.15) {
            return json_string_value(json_object_get(entry, "class"));
        }
    }
    return NULL;
}

static void show_dims(as_rule_call *call)
{
    static const char *const words[] = {"layers",       "hidden", "heads",   "kv_heads",        "head_dim",
                                        "intermediate", "vocab",  "experts", "moe_intermediate"};
    json_t *measured = json_object();
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        int64_t value = whole(call->facts->dims, words[i]);
        if (value) (void)json_object_set_new(measured, words[i], json_integer(value));
    }
    call->check->measured = measured;
}

static void say_class(as_rule_call *call)
{
    const as_class_match *match = &call->facts->match;
    const char *base = json_string_value(json_object_get(match->base, "id"));
    json_t *alike = json_array();
    for (int i = 0; i < match->alike_count; i++) {
        (void)json_array_append_new(alike, json_string(match->alike[i]));
    }
    call->check->expected = json_string(as_rule_class_name(call->facts));
    as_rule_show(call, "base", json_string(base));
    as_rule_show(call, "classes_with_equal_dimensions", alike);
    if (match->stand_in) {
        as_rule_say(call, AS_SKIP,
                    "the dimensions are those of %s, which only stands for the base of %s: the real one is "
                    "not known",
                    base, as_rule_class_name(call->facts));
    } else {
        as_rule_say(call, AS_PASS, "the dimensions are those of %s (class %s)%s", base,
                    as_rule_class_name(call->facts),
                    match->vocab_differs   ? ", but for the vocabulary: embedding-unchanged judges it"
                    : match->layers_differ ? ", but for the number of layers: depth-upscale judges it"
                                           : "");
    }
}

void as_rule_base_architecture(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    const as_json_file *config = &facts->repo->config;
    if (config->has_problem) {
        as_rule_say(call, AS_FAIL, "%.900s", config->problem.text);
        return;
    }
    if (as_rule_skip_without_config(call) || skip_unless_generating(call)) return;
    if (!facts->dims) {
        as_rule_say(call, AS_FAIL, "%.900s", facts->dims_error.text);
        return;
    }
    show_dims(call);
    if (facts->match.model_class) {
        say_class(call);
        return;
    }
    const char *unknown = unknown_base(facts);
    if (unknown) {
        as_rule_say(call, AS_SKIP,
                    "no known base has these dimensions, but the base of %s is itself not known", unknown);
    } else {
        as_rule_say(call, AS_FAIL,
                    "no base model of the catalogue is a %.80s with %" PRId64 " layers, width %" PRId64
                    ", %" PRId64 " heads, %" PRId64 " key/value heads and feed-forward width %" PRId64,
                    architecture_of(facts), whole(facts->dims, "layers"), whole(facts->dims, "hidden"),
                    whole(facts->dims, "heads"), whole(facts->dims, "kv_heads"),
                    whole(facts->dims, "intermediate"));
    }
}

void as_rule_supported_list(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_class(call)) return;
    const char *name = as_rule_class_name(facts);
    call->check->measured = json_string(name);
    if (facts->match.layers_differ) {
        as_rule_say(call, AS_SKIP, "the number of layers is not that of a base: depth-upscale judges it");
        return;
    }
    bool listed = as_rule_parameter_has(call, "classes", name);
    const json_t *served = json_object_get(facts->match.model_class, "served_context");
    if (listed) {
        as_rule_say(call, AS_PASS, "%s is one of the served base models", name);
    } else {
        as_rule_say(call, AS_FAIL, "%s is a known base model, but not on the list of those served%s", name,
                    json_is_integer(served) ? ", only in the wider table of classes"
                                            : ", and in no table of classes");
    }
}

/* An up-scale of which only the size is stated. Its entry in the rule's parameters, or NULL. */
static const json_t *unstated_upscale(const as_rule_call *call)
{
    size_t i;
    json_t *entry;
    const as_rule_facts *facts = call->facts;
    json_array_foreach(json_object_get(call->parameters, "unstated"), i, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "class"));
        const json_t *other = as_catalog_class(facts->catalog, name ? name : "");
        const char *id = json_string_value(json_array_get(json_object_get(other, "base_models"), 0));
        const json_t *base = as_catalog_model(facts->catalog, id ? id : "");
        bool same_width = whole(base, "hidden") == whole(facts->dims, "hidden") &&
                          whole(base, "intermediate") == whole(facts->dims, "intermediate") &&
                          whole(base, "vocab") == whole(facts->dims, "vocab");
        if (same_width && facts->parameters >= whole(entry, "parameters_from") &&
            facts->parameters <= whole(entry, "parameters_to")) {
            return entry;
        }
    }
    return NULL;
}

void as_rule_depth_upscale(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (as_rule_skip_without_class(call)) return;
    int64_t layers = whole(facts->dims, "layers"), expected = whole(facts->match.base, "layers");
    call->check->measured = json_integer(layers);
    call->check->expected = json_integer(expected);
    call->check->unit = "layers";
    if (!facts->match.layers_differ) {
        bool raised = as_json_has(facts->match.base, "upscaled_from");
        as_rule_say(call, AS_PASS,
                    raised ? "%" PRId64 " layers: %s is a supported up-scale"
                           : "%" PRId64 " layers, as the base of %s has",
                    layers, as_rule_class_name(facts));
        return;
    }
    const json_t *unstated = unstated_upscale(call);
    if (unstated) {
        const char *why = json_string_value(json_object_get(unstated, "why"));
        as_rule_say(call, AS_SKIP, "%" PRId64 " layers: %.300s", layers, why ? why : "not stated");
    } else {
        as_rule_say(call, AS_FAIL,
                    "%" PRId64 " layers, the nearest base (%s) has %" PRId64
                    ", and this is not one of the supported up-scales",
                    layers, as_rule_class_name(facts), expected);
    }
}
