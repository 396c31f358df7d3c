/* Series of the drift suite: by position, by percentile, by layer; one line a format. */
#include <math.h>
#include <string.h>

#include "suites/common/note.h"
#include "suites/drift/report.h"

typedef double bucket_value(const as_drift_bucket *bucket);

static double bucket_kl(const as_drift_bucket *b)
{
    return b->rows ? as_sum_value(&b->kl) / (double)b->rows : NAN;
}

static double bucket_agree(const as_drift_bucket *b)
{
    return b->rows ? (double)b->agree / (double)b->rows : NAN;
}

static double bucket_reference(const as_drift_bucket *b)
{
    return b->scored ? exp(as_sum_value(&b->loss_reference) / (double)b->scored) : NAN;
}

static double bucket_candidate(const as_drift_bucket *b)
{
    return b->scored ? exp(as_sum_value(&b->loss_candidate) / (double)b->scored) : NAN;
}

/* A bucket stands at the middle of its positions. */
static json_t *by_position(const as_drift_stats *stats, bucket_value *value)
{
    json_t *points = json_array();
    for (int64_t i = 0; i < AS_DRIFT_BUCKETS; i++) {
        double y = value(&stats->buckets[i]);
        if (isnan(y)) continue;
        double from = (double)as_drift_bucket_start(i), to = (double)as_drift_bucket_start(i + 1);
        json_array_append_new(points, as_point((from + to - 1) / 2 + 1, y));
    }
    return points;
}

static as_code add_positions(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    as_series kl = {.name = "kl-by-position",
                    .title = "KL divergence by position in the context",
                    .x_label = "position",
                    .x_unit = "tokens",
                    .y_label = "mean KL",
                    .y_unit = "nats",
                    .x_log = true,
                    .y_log = true,
                    .gate = r->options->kl_mean.value,
                    .gate_label = "gate"};
    as_series agree = {.name = "agreement-by-position",
                       .title = "Same top token by position in the context",
                       .x_label = "position",
                       .x_unit = "tokens",
                       .y_label = "agreement",
                       .y_unit = "",
                       .x_log = true,
                       .gate = NAN};
    as_series perplexity = {.name = "perplexity-by-position",
                            .title = "Perplexity by position in the context",
                            .x_label = "position",
                            .x_unit = "tokens",
                            .y_label = "perplexity",
                            .y_unit = "",
                            .x_log = true,
                            .y_log = true,
                            .gate = NAN};
    bool floor = strcmp(r->format, "floor") == 0;
    as_suite_context *c = r->context;
    AS_TRY(as_note_line(c, &kl, r->format, by_position(stats, bucket_kl), err));
    AS_TRY(as_note_line(c, &agree, r->format, by_position(stats, bucket_agree), err));
    /* The reference's own line is the first, and becomes that of the comparison over the most text. */
    if (floor || strcmp(r->format, r->options->formats[0]) == 0) {
        AS_TRY(
            as_note_line(c, &perplexity, r->options->reference, by_position(stats, bucket_reference), err));
    }
    return floor ? AS_OK : as_note_line(c, &perplexity, r->format, by_position(stats, bucket_candidate), err);
}

static as_code add_percentiles(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    static const double qs[] = {0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999};
    json_t *points = json_array();
    for (size_t i = 0; i < sizeof qs / sizeof *qs; i++) {
        if (stats->kl.moments.n < as_stats_min_count(qs[i], 0.99)) continue;
        as_interval value = as_sketch_quantile(&stats->kl, qs[i], 0.95);
        json_array_append_new(points, as_point_interval(1 / (1 - qs[i]), &value));
    }
    as_series series = {.name = "kl-percentiles",
                        .title = "KL divergence that one token in N exceeds",
                        .x_label = "one token in",
                        .x_unit = "tokens",
                        .y_label = "KL divergence",
                        .y_unit = "nats",
                        .x_log = true,
                        .y_log = true,
                        .gate = NAN};
    return as_note_line(r->context, &series, r->format, points, err);
}

static as_code add_layers(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    if (!stats->layers_compared) return AS_OK;
    json_t *points = json_array();
    for (int64_t l = 0; l < stats->layer_count; l++) {
        const as_drift_layer *layer = &stats->layers[l];
        double error = layer->size > 0 ? sqrt(layer->error / layer->size) : NAN;
        json_array_append_new(points, as_point((double)l, error));
    }
    as_series series = {.name = "layer-error",
                        .title = "Relative error of the hidden state after each layer",
                        .x_label = "layer",
                        .x_unit = "",
                        .y_label = "relative error",
                        .y_unit = "",
                        .gate = NAN};
    return as_note_line(r->context, &series, r->format, points, err);
}

as_code as_drift_report_series(const as_drift_report *r, const as_drift_stats *stats, as_error *err)
{
    AS_TRY(add_positions(r, stats, err));
    AS_TRY(add_percentiles(r, stats, err));
    return add_layers(r, stats, err);
}
