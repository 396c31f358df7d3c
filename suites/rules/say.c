/* How a rule answers; see rules.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "suites/rules/rules.h"

void as_rule_say(as_rule_call *call, as_verdict verdict, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    call->check->verdict = verdict;
    as_buf_clear(call->why);
    as_buf_str(call->why, text);
}

void as_rule_show(as_rule_call *call, const char *key, json_t *value)
{
    if (!call->check->evidence) call->check->evidence = json_object();
    (void)json_object_set_new(call->check->evidence, key, value);
}

void as_rule_list_add(as_rule_list *list, json_t *row)
{
    if (!list->rows) list->rows = json_array();
    if (list->count++ < AS_RULE_ROWS) {
        (void)json_array_append_new(list->rows, row);
    } else {
        json_decref(row);
    }
}

void as_rule_show_list(as_rule_call *call, const char *key, as_rule_list *list)
{
    char count_key[64];
    if (list->count > AS_RULE_ROWS) {
        snprintf(count_key, sizeof count_key, "%s_in_all", key);
        as_rule_show(call, count_key, json_integer(list->count));
    }
    if (list->rows) as_rule_show(call, key, list->rows);
    list->rows = NULL;
}

json_t *as_rule_shape(const int64_t *shape, int dims)
{
    json_t *array = json_array();
    for (int i = 0; i < dims; i++) (void)json_array_append_new(array, json_integer(shape[i]));
    return array;
}

json_t *as_rule_files(const as_file_list *list)
{
    json_t *array = json_array();
    for (int64_t i = 0; i < list->count && i < AS_RULE_ROWS; i++) {
        (void)json_array_append_new(array, as_result_text(list->names[i]));
    }
    return array;
}

bool as_rule_in_profile(const as_rule_facts *facts, const char *check)
{
    size_t i;
    json_t *rule;
    json_array_foreach(json_object_get(facts->profile, "rules"), i, rule)
    {
        const char *name = json_string_value(json_object_get(rule, "check"));
        if (!name) name = json_string_value(json_object_get(rule, "id"));
        if (name && strcmp(name, check) == 0) return true;
    }
    return false;
}

bool as_rule_skip_without_config(as_rule_call *call)
{
    const as_json_file *config = &call->facts->repo->config;
    if (call->facts->config) return false;
    as_rule_say(call, AS_SKIP, "config.json is needed: %s",
                config->has_problem ? config->problem.text : "there is none");
    return true;
}

bool as_rule_skip_without_weights(as_rule_call *call)
{
    const as_rule_facts *facts = call->facts;
    if (facts->used_count == 0) {
        as_rule_say(call, AS_SKIP, "the weights are needed as safetensors, and there are none");
    } else if (facts->broken_count) {
        as_rule_say(call, AS_SKIP, "a weight file cannot be read: weights-safetensors says which");
    } else if (facts->is_quantized) {
        as_rule_say(call, AS_SKIP,
                    "the weights are quantized, so their shapes and types are not the model's");
    } else {
        return false;
    }
    return true;
}

bool as_rule_skip_without_class(as_rule_call *call)
{
    if (as_rule_skip_without_config(call)) return true;
    if (call->facts->match.model_class) return false;
    as_rule_say(call, AS_SKIP, "no base model has these dimensions, so there is none to compare with");
    return true;
}

const char *as_rule_class_name(const as_rule_facts *facts)
{
    const char *name = json_string_value(json_object_get(facts->match.model_class, "class"));
    return name ? name : "";
}

bool as_rule_parameter_has(const as_rule_call *call, const char *key, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(call->parameters, key), i, item)
    {
        const char *found = json_string_value(item);
        if (found && strcmp(found, text) == 0) return true;
    }
    return false;
}
