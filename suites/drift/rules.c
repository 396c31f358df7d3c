/* Rules about the served precision; see rules.h. */
#include "suites/drift/rules.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suites/common/note.h"

bool as_drift_serves_fp8(const as_drift_options *options, int64_t parameters)
{
    return parameters <= 0 || parameters >= options->fp8_from_parameters;
}

const char *as_drift_lenience(const as_drift_options *options, const as_target *target, char room[static 256])
{
    int64_t parameters = target->facts.info ? target->facts.info->parameters : 0;
    if (as_drift_serves_fp8(options, parameters)) return NULL;
    snprintf(room, 256,
             "because this model of %.3g million parameters is below %.3g billion and is served at 16 bits",
             (double)parameters * 1e-6, (double)options->fp8_from_parameters * 1e-9);
    return room;
}

static bool is_16_bit(const char *name)
{
    static const char *const names[] = {"f16", "bf16", "float16", "bfloat16"};
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) == 0) return true;
    }
    return false;
}

static bool is_local(const as_target *target)
{
    return target->facts.info != NULL;
}

static as_code skip_remote(const as_rule_context *rule, as_error *err)
{
    return as_note_skip(
        rule->suite, rule->id, rule->title, err,
        "what a remote service computes with cannot be seen from outside: run the suite on the model's "
        "files");
}

static as_code rule_quantize_before_load(const as_rule_context *rule, void *state, as_error *err)
{
    const as_drift_facts *f = state;
    const as_target *target = rule->suite->target;
    if (!is_local(target)) return skip_remote(rule, err);
    const char *dtype = target->facts.info->dtype;
    as_check check = {.id = rule->id,
                      .title = rule->title,
                      .measured = json_string(dtype ? dtype : "unknown"),
                      .expected = json_string("16 bits")};
    if (!is_16_bit(dtype)) {
        check.verdict = AS_FAIL;
        return as_note(
            rule->suite, &check, err,
            "the files hold %s, not 16-bit weights: publish float16 or bfloat16, the service converts",
            dtype ? dtype : "an unknown type");
    }
    if (!f->measured) {
        json_decref(check.measured);
        json_decref(check.expected);
        return as_note_cut(rule->suite, rule->id, rule->title, err,
                           "the conversion to %s was not made; give the run more budget",
                           f->options->formats[0]);
    }
    check.verdict = AS_PASS;
    return as_note(rule->suite, &check, err, "16-bit files (%s) were converted to %s while loading", dtype,
                   f->options->formats[0]);
}

static as_code rule_quality(const as_rule_context *rule, void *state, as_error *err)
{
    const as_drift_facts *f = state;
    if (!f->measured) {
        return as_note_skip(rule->suite, rule->id, rule->title, err, "the comparison at %s was not made",
                            f->options->formats[0]);
    }
    as_check check = {.id = rule->id,
                      .title = rule->title,
                      .verdict = f->not_finite ? AS_FAIL : AS_PASS,
                      .measured = json_pack("{s:o, s:o, s:o}", "perplexity_ratio",
                                            as_number_json(f->perplexity_ratio), "top1_agreement",
                                            as_number_json(f->top1), "kl_mean", as_number_json(f->kl_mean))};
    if (f->not_finite) {
        return as_note(rule->suite, &check, err, "%lld rows at %s hold NaN or infinity",
                       (long long)f->not_finite, f->options->formats[0]);
    }
    return as_note(
        rule->suite, &check, err,
        "perplexity times %.4g, top token the same at %.2f %%; the source names no threshold, assay's own "
        "gates are the drift checks",
        f->perplexity_ratio, 100 * f->top1);
}

/* Judged on what the format converts: embedding and head stay at 16 bits, and in a small model they outweigh
 * the rest. */
static as_code note_memory(as_suite_context *context, const as_drift_facts *f, const char *id,
                           const char *title, as_error *err)
{
    const as_model_info *info = context->target->facts.info;
    if (!info || !f->weight_bytes || !info->parameters) {
        return as_note_skip(context, id, title, err, "the target does not tell the size of its weights at %s",
                            f->options->formats[0]);
    }
    int64_t wide = 2 * info->parameters, kept = 2 * info->table_elements;
    if (kept >= wide || kept >= f->weight_bytes) kept = 0;
    double ratio = (double)(f->weight_bytes - kept) / (double)(wide - kept),
           gate = f->options->memory_ratio.value;
    as_check check = {.id = id,
                      .title = title,
                      .unit = "",
                      .verdict = isnan(gate) || ratio <= gate ? AS_PASS : AS_FAIL,
                      .measured = json_real(ratio),
                      .expected = as_number_json(gate),
                      .evidence = json_pack("{s:s, s:I, s:I, s:I, s:f}", "better", "lower", "bytes",
                                            (json_int_t)f->weight_bytes, "bytes_16_bit", (json_int_t)wide,
                                            "bytes_kept_at_16_bit", (json_int_t)kept, "ratio_of_all",
                                            (double)f->weight_bytes / (double)wide)};
    return as_note(
        context, &check, err,
        "%.4g MB at %s against %.4g MB at 16 bits; without the %.4g MB of embedding and head, which stay at "
        "16 bits, the ratio is %.3f",
        (double)f->weight_bytes * 1e-6, f->options->formats[0], (double)wide * 1e-6, (double)kept * 1e-6,
        ratio);
}

static as_code rule_memory(const as_rule_context *rule, void *state, as_error *err)
{
    return note_memory(rule->suite, state, rule->id, rule->title, err);
}

static as_code note_served(as_suite_context *context, const as_drift_facts *f, as_error *err)
{
    static const char id[] = "drift/served-precision",
                      title[] = "The precision at which this profile serves the model";
    const as_model_info *info = context->target->facts.info;
    if (!info) {
        return as_note_skip(context, id, title, err,
                            "the number of parameters behind an endpoint is not known");
    }
    bool fp8 = as_drift_serves_fp8(f->options, info->parameters);
    as_check check = {.id = id,
                      .title = title,
                      .verdict = AS_PASS,
                      .measured = json_string(fp8 ? f->options->formats[0] : f->options->reference),
                      .evidence = json_pack("{s:I, s:I}", "parameters", (json_int_t)info->parameters,
                                            "threshold", (json_int_t)f->options->fp8_from_parameters)};
    if (fp8)
        return as_note(context, &check, err, "%.4g million parameters: served at fp8, so the gates judge",
                       (double)info->parameters * 1e-6);
    return as_note(
        context, &check, err,
        "%.4g million parameters are below %.4g billion: served at 16 bits; the drift of %s is measured all "
        "the same, and its gates only warn",
        (double)info->parameters * 1e-6, (double)f->options->fp8_from_parameters * 1e-9,
        f->options->formats[0]);
}

as_code as_drift_note_rules(as_suite_context *context, const as_drift_facts *facts, as_error *err)
{
    static const as_rule_entry entries[] = {
        {"quantize-before-load", "16-bit files are converted while loading", rule_quantize_before_load},
        {"fp8-quality", "fp8 keeps the model's quality", rule_quality},
        {"fp8-memory", "fp8 halves the weights", rule_memory},
    };
    if (!as_suite_done(context, "drift/served-precision")) AS_TRY(note_served(context, facts, err));
    if (!as_suite_done(context, "drift/memory")) {
        AS_TRY(
            note_memory(context, facts, "drift/memory", "Bytes of the weights at the served precision", err));
    }
    as_drift_facts copy = *facts;
    return as_note_rules(context, "drift", entries, sizeof entries / sizeof *entries, &copy, err);
}
