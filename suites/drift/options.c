/* Drift settings; see options.h. */
#include "suites/drift/options.h"

#include <math.h>

static const char SECTION[] = "drift";

static const as_drift_options DEFAULTS = {
    .reference = "f16",
    .formats = {"fp8-channel", "fp8-tensor", "fp8-block", "fp8-weight"},
    .format_count = 4,
    .document_tokens = 1024,
    .tokens = 24576,
    .other_tokens = 8192,
    .layer_tokens = 2048,
    .rows = 64,
    .greedy_prompts = 16,
    .greedy_prompt_tokens = 64,
    .greedy_tokens = 48,
    .near_tie = 0.01,
    .fp8_from_parameters = 0,
    .kl_mean = {0.02,
                "by Pinsker's inequality a mean divergence of 0.02 nats keeps the two distributions within "
                "0.1 of each other in total variation, on average over the text"},
    .kl_p99 = {NAN, NULL},
    .top1 =
        {0.93,
         "the likeliest token is the same at 93 of 100 positions: below that, greedy answers part within a "
         "dozen tokens"},
    .perplexity_ratio =
        {1.02, "2 % of perplexity is less than lies between neighbouring sizes of one family, and more "
               "than a sound 8-bit conversion costs"},
    .memory_ratio =
        {0.6, "one byte for two, with the scales: more than 60 % means that layers were left at 16 bits"},
};

as_code as_drift_options_read(const json_t *profile, as_drift_options *out, as_error *err)
{
    as_drift_options o = DEFAULTS;
    AS_TRY(as_setting_string(profile, SECTION, "reference", &o.reference, err));
    AS_TRY(
        as_setting_strings(profile, SECTION, "formats", o.formats, AS_DRIFT_FORMATS, &o.format_count, err));
    const struct {
        const char *key;
        int64_t *value;
        int64_t least;
    } counts[] = {
        {"document_tokens", &o.document_tokens, 2},
        {"tokens", &o.tokens, 2},
        {"other_tokens", &o.other_tokens, 2},
        {"layer_tokens", &o.layer_tokens, 0},
        {"rows", &o.rows, 1},
        {"greedy_prompts", &o.greedy_prompts, 0},
        {"greedy_prompt_tokens", &o.greedy_prompt_tokens, 1},
        {"greedy_tokens", &o.greedy_tokens, 1},
        {"fp8_from_parameters", &o.fp8_from_parameters, 0},
    };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        AS_TRY(as_setting_int(profile, SECTION, counts[i].key, counts[i].value, err));
        if (*counts[i].value < counts[i].least) {
            return as_fail(err, AS_E_INPUT, "profile: drift: %s is %lld, expected at least %lld",
                           counts[i].key, (long long)*counts[i].value, (long long)counts[i].least);
        }
    }
    AS_TRY(as_setting_number(profile, SECTION, "near_tie", &o.near_tie, err));
    AS_TRY(as_setting_gate(profile, SECTION, "kl_mean", &o.kl_mean, err));
    AS_TRY(as_setting_gate(profile, SECTION, "kl_p99", &o.kl_p99, err));
    AS_TRY(as_setting_gate(profile, SECTION, "top1", &o.top1, err));
    AS_TRY(as_setting_gate(profile, SECTION, "perplexity_ratio", &o.perplexity_ratio, err));
    AS_TRY(as_setting_gate(profile, SECTION, "memory_ratio", &o.memory_ratio, err));
    *out = o;
    return AS_OK;
}
