/* Context settings and plan; see options.h. */
#include "suites/context/options.h"

#include <stdio.h>
#include <string.h>

static const char SECTION[] = "context";

static const as_context_options DEFAULTS = {
    .served = "class",
    .lengths = {4096, 8192, 16384, 32768},
    .length_count = 4,
    .completion = 16,
    .chunk = 96,
    .recall_depths = 10,
    .recall_prompts = 4,
    .recall_prompts_beyond = 1,
    .recall_reach = 0,
    .timeout_s = 600,
    .recall =
        {0.75,
         "a model that finds three facts of four, wherever they stand, reads all of its context; the bound "
         "of the interval is what counts, so nearly all of 40 must be right"},
    .perplexity_rise =
        {2, "text does not become twice as hard because more of it came before: a rise of that size is a "
            "position encoding that gives way"},
    .chunk_difference =
        {0, "the reference computes the same sums in the same order whatever the chunks: any difference "
            "is a fault"},
    .step_difference =
        {2e-5, "log-probabilities are handed over as float32, which resolves 1e-6 of them; more is a "
               "different computation"},
};

as_code as_context_options_read(const json_t *profile, as_context_options *out, as_error *err)
{
    as_context_options o = DEFAULTS;
    AS_TRY(as_setting_string(profile, SECTION, "served", &o.served, err));
    AS_TRY(as_setting_ints(profile, SECTION, "lengths", o.lengths, AS_CONTEXT_LENGTHS, &o.length_count, err));
    for (int64_t i = 0; i < o.length_count; i++) {
        if (o.lengths[i] < 64 || (i > 0 && o.lengths[i] <= o.lengths[i - 1])) {
            return as_fail(err, AS_E_INPUT,
                           "profile: context: lengths[%lld] is %lld; lengths are at least 64 and ascend",
                           (long long)i, (long long)o.lengths[i]);
        }
    }
    const struct {
        const char *key;
        int64_t *value;
        int64_t least, most;
    } counts[] = {
        {"completion", &o.completion, 2, 32},
        {"chunk", &o.chunk, 1, 1 << 20},
        {"recall_depths", &o.recall_depths, 2, AS_RECALL_DEPTHS},
        {"recall_prompts", &o.recall_prompts, 1, 1000},
        {"recall_prompts_beyond", &o.recall_prompts_beyond, 0, 1000},
        {"recall_reach", &o.recall_reach, 0, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        AS_TRY(as_setting_int(profile, SECTION, counts[i].key, counts[i].value, err));
        if (*counts[i].value < counts[i].least || *counts[i].value > counts[i].most) {
            return as_fail(err, AS_E_INPUT, "profile: context: %s is %lld, expected %lld to %lld",
                           counts[i].key, (long long)*counts[i].value, (long long)counts[i].least,
                           (long long)counts[i].most);
        }
    }
    AS_TRY(as_setting_number(profile, SECTION, "timeout_s", &o.timeout_s, err));
    AS_TRY(as_setting_gate(profile, SECTION, "recall", &o.recall, err));
    AS_TRY(as_setting_gate(profile, SECTION, "perplexity_rise", &o.perplexity_rise, err));
    AS_TRY(as_setting_gate(profile, SECTION, "chunk_difference", &o.chunk_difference, err));
    AS_TRY(as_setting_gate(profile, SECTION, "step_difference", &o.step_difference, err));
    *out = o;
    return AS_OK;
}

static int64_t native_context(const as_suite_context *context)
{
    const as_model_info *info = context->target->facts.info;
    return info ? info->context : 0;
}

static void find_promise(const as_suite_context *context, const as_context_options *options,
                         as_context_plan *plan)
{
    const json_t *class = context->model_class;
    int64_t served = json_integer_value(json_object_get(class, "served_context"));
    if (strcmp(options->served, "class") == 0 && served > 0) {
        const char *name = json_string_value(json_object_get(class, "class"));
        snprintf(plan->class_name, sizeof plan->class_name, "the class %.80s", name ? name : "");
        plan->whose = plan->class_name;
        plan->promised = served;
        return;
    }
    plan->whose = "the model itself";
    plan->promised = native_context(context) ? native_context(context) : context->target->facts.context;
    /* Without a bound of its own (a recurrent model) the longest length on the list stands in. */
    if (plan->promised == 0 && options->length_count > 0 && context->target->facts.info) {
        plan->promised = options->lengths[options->length_count - 1];
    }
}

static void add_length(const as_suite_context *context, as_context_plan *plan, int64_t length)
{
    int64_t native = native_context(context), limit = context->context_limit;
    char why[192] = "";
    if (native > 0 && length > native) {
        snprintf(why, sizeof why, "the model's own context is %lld tokens", (long long)native);
    } else if (limit > 0 && length > limit) {
        snprintf(why, sizeof why, "cut by --context %lld", (long long)limit);
    }
    if (why[0]) {
        plan->cut[plan->cut_count].length = length;
        memcpy(plan->cut[plan->cut_count++].why, why, sizeof why);
    } else {
        plan->lengths[plan->count++] = length;
    }
}

void as_context_plan_make(const as_suite_context *context, const as_context_options *options,
                          as_context_plan *out)
{
    as_context_plan plan = {0};
    find_promise(context, options, &plan);
    plan.enforced = context->target->facts.context ? context->target->facts.context : plan.promised;
    for (int64_t i = 0; i < options->length_count; i++) {
        if (options->lengths[i] <= plan.promised) add_length(context, &plan, options->lengths[i]);
    }
    /* A model with a shorter context than any length on the list is examined at its own. */
    if (plan.count == 0 && plan.promised > 0) {
        int64_t length = plan.promised, limit = context->context_limit;
        if (limit > 0 && length > limit) length = limit;
        if (native_context(context) > 0 && length > native_context(context)) length = native_context(context);
        if (length >= 64) plan.lengths[plan.count++] = length;
    }
    *out = plan;
    /* The copy moved the text that `whose` may point to. */
    if (plan.whose == plan.class_name) out->whose = out->class_name;
}
