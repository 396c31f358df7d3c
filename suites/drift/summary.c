/* Intervals over documents; see summary.h. */
#include "suites/drift/summary.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#include "base/mem.h"
#include "suites/common/note.h"

static const double LEVEL = 0.95, QUOTE_CONFIDENCE = 0.99;

/* One stream for all metrics: every resample takes the same documents, so the metrics stay paired. */
enum { STREAM = 0xD51F };

typedef double quantity(const as_drift_document *document);

static double kl_of(const as_drift_document *d)
{
    return d->kl;
}
static double agree_of(const as_drift_document *d)
{
    return (double)d->agree;
}
static double shared_of(const as_drift_document *d)
{
    return (double)d->shared;
}
static double chosen_of(const as_drift_document *d)
{
    return d->chosen;
}
static double reference_of(const as_drift_document *d)
{
    return d->loss_reference;
}
static double candidate_of(const as_drift_document *d)
{
    return d->loss_candidate;
}
static double difference_of(const as_drift_document *d)
{
    return d->loss_candidate - d->loss_reference;
}

/* Too few documents make an interval that looks sure and is not; then the ends are not known. */
enum { LEAST_CLUSTERS = 5 };

static as_code ratio(const as_drift_stats *stats, quantity *value, bool scored, uint64_t seed,
                     as_cluster *room, as_interval *out, as_error *err)
{
    for (int64_t i = 0; i < stats->document_count; i++) {
        const as_drift_document *d = &stats->documents[i];
        room[i] = (as_cluster){value(d), (double)(scored ? d->scored : d->rows)};
    }
    as_bootstrap options = {.level = LEVEL, .seed = seed, .stream = STREAM};
    AS_TRY(as_stats_ratio(room, stats->document_count, &options, out, err));
    if (stats->document_count < LEAST_CLUSTERS) out->low = out->high = NAN;
    return AS_OK;
}

as_code as_drift_summarize(const as_drift_stats *stats, uint64_t seed, as_drift_summary *out, as_error *err)
{
    as_drift_summary s = {.kl_max = stats->kl.moments.n ? stats->kl.moments.max : NAN,
                          .chosen_rms = as_moments_rms(&stats->chosen.moments),
                          .reversed_mean = as_moments_mean(&stats->reversed)};
    const struct {
        quantity *value;
        bool scored;
        as_interval *out;
    } means[] = {
        {kl_of, false, &s.kl_mean},
        {agree_of, false, &s.top1},
        {shared_of, false, &s.overlap},
        {chosen_of, true, &s.chosen_mean},
        {reference_of, true, &s.perplexity_reference},
        {candidate_of, true, &s.perplexity_candidate},
        {difference_of, true, &s.perplexity_ratio},
    };
    as_cluster *room = AS_NEW_ARRAY(as_cluster, stats->document_count);
    if (!room) return as_fail_memory(err, "clusters of documents");
    as_code rc = AS_OK;
    for (size_t i = 0; i < sizeof means / sizeof *means && rc == AS_OK; i++) {
        rc = ratio(stats, means[i].value, means[i].scored, seed, room, means[i].out, err);
    }
    as_free(room);
    if (rc != AS_OK) return rc;
    double top = (double)stats->top_count;
    s.overlap = (as_interval){s.overlap.value / top, s.overlap.low / top, s.overlap.high / top, s.overlap.n,
                              s.overlap.level};
    s.perplexity_reference = as_stats_map(s.perplexity_reference, exp);
    s.perplexity_candidate = as_stats_map(s.perplexity_candidate, exp);
    s.perplexity_ratio = as_stats_map(s.perplexity_ratio, exp);
    *out = s;
    return AS_OK;
}

void as_drift_add_samples(const as_drift_stats *stats, as_drift_mean mean, json_t *evidence)
{
    static const struct {
        quantity *value;
        bool scored;
    } means[] = {{kl_of, false}, {agree_of, false}, {difference_of, true}};
    json_t *samples = json_array(), *weights = json_array(), *ids = json_array();
    for (int64_t i = 0; i < stats->document_count; i++) {
        const as_drift_document *d = &stats->documents[i];
        int64_t tokens = means[mean].scored ? d->scored : d->rows;
        if (tokens == 0) continue;
        char id[24];
        snprintf(id, sizeof id, "%016llx", (unsigned long long)d->digest);
        json_array_append_new(samples, as_number_json(means[mean].value(d) / (double)tokens));
        json_array_append_new(weights, json_integer(tokens));
        json_array_append_new(ids, json_string(id));
    }
    json_object_set_new(evidence, "samples", samples);
    json_object_set_new(evidence, "sample_weights", weights);
    json_object_set_new(evidence, "sample_ids", ids);
    if (mean == AS_DRIFT_PERPLEXITY_RATIO)
        json_object_set_new(evidence, "sample_transform", json_string("exp"));
}

json_t *as_drift_percentile(const as_sketch *sketch, double q)
{
    int64_t least = as_stats_min_count(q, QUOTE_CONFIDENCE);
    if (sketch->moments.n >= least) {
        as_interval interval = as_sketch_quantile(sketch, q, LEVEL);
        return as_interval_json(&interval);
    }
    char reason[96];
    snprintf(reason, sizeof reason, "%lld values; %lld are needed", (long long)sketch->moments.n,
             (long long)least);
    return json_pack("{s:n, s:I, s:s}", "value", "n", (json_int_t)sketch->moments.n, "reason", reason);
}
