/* Checks of the drift suite; see report.h. The series are in series.c. */
#include "suites/drift/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "suites/common/note.h"
#include "suites/drift/summary.h"

enum { ID_SIZE = 128 };

static void set_interval(json_t *object, const char *name, const as_interval *interval)
{
    json_object_set_new(object, name, as_interval_json(interval));
}

static json_t *percentiles(const as_sketch *sketch, const double *qs, size_t count)
{
    json_t *out = json_object();
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%g", 100 * qs[i]);
        json_object_set_new(out, name, as_drift_percentile(sketch, qs[i]));
    }
    return out;
}

static json_t *by_domain(const as_drift_stats *stats)
{
    json_t *out = json_object();
    for (int64_t i = 0; i < stats->document_count; i++) {
        const as_drift_document *d = &stats->documents[i];
        json_t *entry = json_object_get(out, d->domain);
        if (!entry) {
            entry =
                json_pack("{s:f, s:I, s:I}", "kl", 0.0, "rows", (json_int_t)0, "documents", (json_int_t)0);
            json_object_set_new(out, d->domain, entry);
        }
        double kl = json_real_value(json_object_get(entry, "kl"));
        json_int_t rows = json_integer_value(json_object_get(entry, "rows")) + d->rows;
        json_int_t documents = json_integer_value(json_object_get(entry, "documents")) + 1;
        json_object_set_new(entry, "kl", json_real(kl + d->kl));
        json_object_set_new(entry, "rows", json_integer(rows));
        json_object_set_new(entry, "documents", json_integer(documents));
    }
    const char *name;
    json_t *entry;
    json_object_foreach(out, name, entry)
    {
        double kl = json_real_value(json_object_get(entry, "kl"));
        double rows = (double)json_integer_value(json_object_get(entry, "rows"));
        json_object_set_new(entry, "kl", as_number_json(kl / rows));
    }
    return out;
}

static json_t *measured_of(const as_drift_stats *stats, const as_drift_summary *s)
{
    static const double kl_qs[] = {0.5, 0.9, 0.99, 0.999};
    static const double chosen_qs[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999};
    json_t *out = json_object();
    set_interval(out, "kl_mean", &s->kl_mean);
    json_object_set_new(out, "kl_percentiles", percentiles(&stats->kl, kl_qs, 4));
    json_object_set_new(out, "kl_max", as_number_json(s->kl_max));
    json_object_set_new(out, "kl_reversed_mean", as_number_json(s->reversed_mean));
    set_interval(out, "top1_agreement", &s->top1);
    set_interval(out, "top10_overlap", &s->overlap);
    set_interval(out, "chosen_probability_mean", &s->chosen_mean);
    json_object_set_new(out, "chosen_probability_rms", as_number_json(s->chosen_rms));
    json_object_set_new(out, "chosen_probability_percentiles", percentiles(&stats->chosen, chosen_qs, 7));
    set_interval(out, "perplexity_reference", &s->perplexity_reference);
    set_interval(out, "perplexity", &s->perplexity_candidate);
    set_interval(out, "perplexity_ratio", &s->perplexity_ratio);
    return out;
}

static json_t *evidence_of(const as_drift_report *r, const as_drift_stats *stats)
{
    const as_drift_document *t = &stats->total;
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:b}", "format", r->format, "reference",
                  r->options->reference, "text", r->source, "documents", (json_int_t)stats->document_count,
                  "tokens", (json_int_t)t->rows, "near_ties", (json_int_t)t->near_ties, "rows_not_finite",
                  (json_int_t)stats->not_finite, "cut_by_budget", stats->cut);
    int64_t clear = t->rows - t->near_ties;
    json_object_set_new(out, "agreement_without_near_ties",
                        as_number_json(clear ? (double)t->agree / (double)clear : NAN));
    return out;
}

as_code as_drift_report_summary(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    as_drift_summary s;
    AS_TRY(as_drift_summarize(stats, r->context->seed, &s, err));
    char id[ID_SIZE], title[ID_SIZE];
    snprintf(id, sizeof id, "drift/%s/summary", r->format);
    snprintf(title, sizeof title, "%s against %s, all metrics", r->format, r->options->reference);
    json_t *evidence = evidence_of(r, stats);
    json_object_set_new(evidence, "by_domain", by_domain(stats));
    json_object_set_new(evidence, "weight_bytes", json_integer(r->weight_bytes));
    as_check check = {.id = id,
                      .title = title,
                      .verdict = stats->not_finite ? AS_FAIL : AS_PASS,
                      .measured = measured_of(stats, &s),
                      .evidence = evidence};
    if (stats->not_finite) {
        if (r->lenient) check.verdict = AS_WARN;
        return as_note(
            r->context, &check, err,
            "%lld of %lld distributions hold NaN or infinity at %s: look for a layer whose scale is zero "
            "or whose activations overflow",
            (long long)stats->not_finite, (long long)(stats->not_finite + stats->total.rows), r->format);
    }
    return as_note(
        r->context, &check, err,
        "over %lld tokens of %lld documents (%s): mean KL %.3g nats, top token the same at %.2f %%, "
        "perplexity %.4g against %.4g; reported, the gates are on %s",
        (long long)stats->total.rows, (long long)stats->document_count, r->source, s.kl_mean.value,
        100 * s.top1.value, s.perplexity_candidate.value, s.perplexity_reference.value,
        r->options->formats[0]);
}

static as_code report_finite(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    as_check check = {.id = "drift/finite",
                      .title = "Every logit at the served precision is a number",
                      .unit = "rows",
                      .verdict = stats->not_finite ? AS_FAIL : AS_PASS,
                      .measured = json_integer(stats->not_finite),
                      .expected = json_integer(0),
                      .evidence = json_pack("{s:s, s:s}", "better", "lower", "format", r->format)};
    if (!stats->not_finite) return as_note(r->context, &check, err, "no NaN and no infinity in any row");
    return as_note(
        r->context, &check, err,
        "%lld rows hold NaN or infinity at %s: look for a layer whose scale is zero or whose activations "
        "overflow",
        (long long)stats->not_finite, r->format);
}

as_code as_drift_report_gates(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    as_drift_summary s;
    AS_TRY(as_drift_summarize(stats, r->context->seed, &s, err));
    as_interval p99 = as_sketch_quantile(&stats->kl, 0.99, 0.95);
    const as_drift_options *o = r->options;
    int64_t needed = as_stats_min_count(0.99, 0.99);
    char too_few[128];
    if (p99.n < needed) p99.value = p99.low = p99.high = NAN;
    snprintf(too_few, sizeof too_few,
             "%lld tokens were compared, it takes %lld: more text or a longer --budget", (long long)p99.n,
             (long long)needed);
    const as_gated checks[] = {
        {"drift/kl-mean", "KL divergence from the 16-bit model, mean over tokens", "nats",
         "mean KL divergence", s.kl_mean, AS_GATE_AT_MOST, o->kl_mean, NULL, NULL, NULL},
        {"drift/kl-p99", "KL divergence from the 16-bit model, worst token in a hundred", "nats",
         "99th percentile of KL divergence", p99, AS_GATE_AT_MOST, o->kl_p99, NULL, NULL,
         p99.n < needed ? too_few : NULL},
        {"drift/top1-agreement", "The likeliest token stays the same", "",
         "share of positions with the same top token", s.top1, AS_GATE_AT_LEAST, o->top1, NULL, NULL, NULL},
        {"drift/perplexity-ratio", "Perplexity against that of the 16-bit model", "", "ratio of perplexities",
         s.perplexity_ratio, AS_GATE_AT_MOST, o->perplexity_ratio, NULL, NULL, NULL},
    };
    static const int means[] = {AS_DRIFT_KL, -1, AS_DRIFT_TOP1, AS_DRIFT_PERPLEXITY_RATIO}; /* -1: no mean */
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
        as_gated gated = checks[i];
        gated.lenient = r->lenient;
        gated.evidence = evidence_of(r, stats);
        if (means[i] >= 0) as_drift_add_samples(stats, (as_drift_mean)means[i], gated.evidence);
        AS_TRY(as_note_gated(r->context, &gated, err));
    }
    return report_finite(r, stats, err);
}

/* The layer after which the error has grown most, in absolute terms. */
static int64_t worst_layer(const as_drift_stats *stats, const double *errors)
{
    int64_t worst = 0;
    double jump = -INFINITY;
    for (int64_t l = 0; l < stats->layer_count; l++) {
        double grown = errors[l] - (l ? errors[l - 1] : 0);
        if (grown > jump) jump = grown, worst = l;
    }
    return worst;
}

as_code as_drift_report_layers(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    static const char id[] = "drift/layers", title[] = "Relative error of the hidden state, layer by layer";
    enum { LAYERS_MAX = 4096 };
    double errors[LAYERS_MAX];
    if (!stats->layers_compared || stats->layer_count > LAYERS_MAX) {
        return as_note_skip(
            r->context, id, title, err,
            "this target does not hand over hidden states of both precisions in equal chunks");
    }
    json_t *list = json_array();
    for (int64_t l = 0; l < stats->layer_count; l++) {
        errors[l] = stats->layers[l].size > 0 ? sqrt(stats->layers[l].error / stats->layers[l].size) : NAN;
        json_array_append_new(list, as_number_json(errors[l]));
    }
    int64_t worst = worst_layer(stats, errors);
    double last = errors[stats->layer_count - 1];
    as_check check = {.id = id,
                      .title = title,
                      .verdict = AS_PASS,
                      .measured = as_number_json(last),
                      .evidence = json_pack(
                          "{s:s, s:s, s:f, s:o, s:I}", "better", "lower", "format", r->format,
                          /* over other text, as another budget allows, it moves by some percent */
                          "margin", 0.15, "by_layer", list, "largest_growth_after_layer", (json_int_t)worst)};
    return as_note(
        r->context, &check, err,
        "%.3g after the last layer, relative to the hidden state's size; it grows most in layer %lld "
        "(from %.3g to %.3g): keep that layer at 16 bits first",
        last, (long long)worst, worst ? errors[worst - 1] : 0.0, errors[worst]);
}

static int compare_counts(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static as_code add_greedy_series(const as_drift_report *r, const as_greedy *greedy, as_error *err)
{
    int64_t at[AS_GREEDY_PROMPTS], tokens = r->options->greedy_tokens;
    for (int64_t i = 0; i < greedy->count; i++) {
        at[i] = greedy->pairs[i].parted < 0 ? tokens : greedy->pairs[i].parted;
    }
    qsort(at, (size_t)greedy->count, sizeof *at, compare_counts);
    json_t *points = json_array();
    for (int64_t t = 0, gone = 0; t <= tokens; t++) {
        while (gone < greedy->count && at[gone] < t) gone++;
        json_array_append_new(points, as_point((double)t, 1 - (double)gone / (double)greedy->count));
    }
    as_series series = {.name = "greedy-same",
                        .title = "Greedy continuations that are still the same",
                        .kind = AS_SERIES_LINE,
                        .x_label = "generated tokens",
                        .x_unit = "tokens",
                        .y_label = "share of prompts",
                        .y_unit = "",
                        .gate = NAN};
    return as_note_line(r->context, &series, r->format, points, err);
}

as_code as_drift_report_greedy(const as_drift_report *r, const as_greedy *greedy, as_error *err)
{
    static const char id[] = "drift/greedy", title[] = "Where greedy continuations part";
    if (greedy->count == 0) {
        return as_note_skip(r->context, id, title, err, "no prompt was continued%s%s",
                            greedy->problem[0] ? ": "
                            : greedy->cut      ? ": the budget was spent"
                                               : "",
                            greedy->problem);
    }
    AS_TRY(add_greedy_series(r, greedy, err));
    double first[AS_GREEDY_PROMPTS];
    int64_t same = 0, near = 0;
    json_t *list = json_array();
    for (int64_t i = 0; i < greedy->count; i++) {
        const as_greedy_pair *p = &greedy->pairs[i];
        first[i] = (double)(p->parted < 0 ? p->tokens : p->parted);
        same += p->parted < 0;
        near += p->parted >= 0 && p->near_tie;
        json_array_append_new(list, json_integer(p->parted));
    }
    as_stats_sort(first, greedy->count);
    as_interval median = as_stats_quantile(first, greedy->count, 0.5, 0.95);
    json_t *measured =
        json_pack("{s:I, s:I, s:I, s:I, s:o}", "prompts", (json_int_t)greedy->count, "same", (json_int_t)same,
                  "parted_at_near_tie", (json_int_t)near, "parted", (json_int_t)(greedy->count - same - near),
                  "first_difference_median", as_interval_json(&median));
    as_check check = {.id = id,
                      .title = title,
                      .unit = "tokens",
                      .verdict = AS_PASS,
                      .measured = measured,
                      .evidence = json_pack("{s:s, s:o, s:I, s:s}", "format", r->format, "first_difference",
                                            list, "tokens_generated", (json_int_t)r->options->greedy_tokens,
                                            "problem", greedy->problem)};
    return as_note(
        r->context, &check, err,
        "of %lld prompts %lld go on the same for %lld tokens, %lld part where the reference's best two are "
        "nearly tied, %lld elsewhere; median of the first difference %.0f tokens; reported, no gate is set",
        (long long)greedy->count, (long long)same, (long long)r->options->greedy_tokens, (long long)near,
        (long long)(greedy->count - same - near), median.value);
}

as_code as_drift_report_floor(const as_drift_report *r, const as_drift_stats *stats, double near_tie,
                              as_error *err)
{
    as_drift_summary s;
    AS_TRY(as_drift_summarize(stats, r->context->seed, &s, err));
    json_t *evidence = evidence_of(r, stats);
    json_object_set_new(evidence, "better", json_string("lower"));
    json_object_set_new(evidence, "top1_agreement", as_interval_json(&s.top1));
    json_object_set_new(evidence, "kl_max", as_number_json(s.kl_max));
    json_object_set_new(evidence, "noise", json_real(near_tie));
    as_check check = {.id = "drift/floor",
                      .title = "Noise floor: the 16-bit model against itself, computed in other chunks",
                      .unit = "nats",
                      .verdict = AS_PASS,
                      .measured = as_interval_json(&s.kl_mean),
                      .evidence = evidence};
    if (stats->not_finite) {
        check.verdict = AS_FAIL;
        return as_note(
            r->context, &check, err,
            "%lld rows of the 16-bit model itself hold NaN or infinity: the checkpoint overflows at %s",
            (long long)stats->not_finite, r->options->reference);
    }
    return as_note(
        r->context, &check, err,
        "mean KL %.3g, largest %.3g over %lld tokens: differences of this size say nothing about a "
        "precision; best two within %.3g nats count as a near tie",
        s.kl_mean.value, s.kl_max, (long long)stats->total.rows, near_tie);
}
