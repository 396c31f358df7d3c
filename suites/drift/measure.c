/* Accumulation of a comparison; see measure.h. */
#include "suites/drift/measure.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suites/drift/divergence.h"
#include "suites/drift/lockstep.h"

enum {
    LAYER_ROWS = 16,    /* all layers of so many rows are held at a time */
    LEAST_DOCUMENTS = 5 /* below, no interval over documents is worth its name */
};

void as_drift_stats_free(as_drift_stats *stats)
{
    if (!stats) return;
    as_free(stats->documents);
    as_free(stats->layers);
    as_free(stats);
}

int64_t as_drift_bucket_start(int64_t bucket)
{
    return bucket == 0 ? 0 : (int64_t)1 << (bucket - 1);
}

static int64_t bucket_of(int64_t position)
{
    int64_t bucket = 0;
    while (bucket + 1 < AS_DRIFT_BUCKETS && as_drift_bucket_start(bucket + 1) <= position) bucket++;
    return bucket;
}

typedef struct state {
    const as_drift_pass *pass;
    as_drift_stats *stats;
    const int32_t *tokens;
    int64_t count, vocab;
    int64_t done, planned; /* tokens */
    as_drift_document document;
} state;

static void add_scored(state *s, as_drift_bucket *bucket, const as_divergence *d)
{
    as_drift_document *doc = &s->document;
    double chosen = exp(d->log_candidate) - exp(d->log_reference);
    doc->scored++;
    doc->loss_reference -= d->log_reference;
    doc->loss_candidate -= d->log_candidate;
    doc->chosen += chosen;
    doc->chosen_square += chosen * chosen;
    as_sketch_add(&s->stats->chosen, chosen);
    s->stats->log_difference = fmax(s->stats->log_difference, fabs(d->log_candidate - d->log_reference));
    bucket->scored++;
    as_sum_add(&bucket->loss_reference, -d->log_reference);
    as_sum_add(&bucket->loss_candidate, -d->log_candidate);
}

static void add_row(state *s, int64_t index, const as_divergence *d)
{
    as_drift_document *doc = &s->document;
    as_drift_bucket *bucket = &s->stats->buckets[bucket_of(index)];
    bool agree = d->reference_top == d->candidate_top;
    as_sketch_add(&s->stats->kl, d->kl);
    as_moments_add(&s->stats->reversed, d->reversed);
    doc->rows++;
    doc->kl += d->kl;
    doc->agree += agree;
    doc->near_ties += !agree && d->margin < s->pass->near_tie;
    doc->shared += d->shared;
    bucket->rows++;
    bucket->agree += agree;
    as_sum_add(&bucket->kl, d->kl);
    if (index + 1 < s->count) add_scored(s, bucket, d);
}

static as_code on_row(void *context, int64_t index, const float *reference, const float *candidate,
                      as_error *err)
{
    state *s = context;
    as_suite_context *suite = s->pass->context;
    if (suite->cancelled(suite)) return as_fail(err, AS_E_CANCELLED, "interrupted");
    as_divergence d;
    as_divergence_compute(reference, candidate, s->vocab, index + 1 < s->count ? s->tokens[index + 1] : -1,
                          &d);
    if (d.finite)
        add_row(s, index, &d);
    else
        s->stats->not_finite++;
    if ((++s->done & 15) == 0) suite->progress(suite, s->done, s->planned, s->pass->phrase);
    return AS_OK;
}

static void on_layer(void *context, int64_t layer, int64_t rows, int64_t width, const float *reference,
                     const float *candidate)
{
    as_drift_stats *stats = ((state *)context)->stats;
    if (layer >= stats->layer_count) {
        as_drift_layer *layers = as_realloc(stats->layers, (size_t)(layer + 1) * sizeof *layers);
        if (!layers) return;
        memset(layers + stats->layer_count, 0, (size_t)(layer + 1 - stats->layer_count) * sizeof *layers);
        stats->layers = layers;
        stats->layer_count = layer + 1;
    }
    double error = 0, size = 0;
    for (int64_t i = 0; i < rows * width; i++) {
        double a = reference[i], d = (double)candidate[i] - a;
        error += d * d;
        size += a * a;
    }
    stats->layers[layer].error += error;
    stats->layers[layer].size += size;
    stats->layers_compared = true;
}

static as_code keep_document(state *s, as_error *err)
{
    as_drift_stats *stats = s->stats;
    if (stats->document_count == stats->document_room) {
        int64_t room = stats->document_room ? 2 * stats->document_room : 64;
        as_drift_document *documents = as_realloc(stats->documents, (size_t)room * sizeof *documents);
        if (!documents) return as_fail_memory(err, "documents of the bootstrap");
        stats->documents = documents;
        stats->document_room = room;
    }
    const as_drift_document *d = &s->document;
    stats->documents[stats->document_count++] = *d;
    as_drift_document *t = &stats->total;
    t->rows += d->rows;
    t->scored += d->scored;
    t->agree += d->agree;
    t->near_ties += d->near_ties;
    t->shared += d->shared;
    t->kl += d->kl;
    t->loss_reference += d->loss_reference;
    t->loss_candidate += d->loss_candidate;
    t->chosen += d->chosen;
    t->chosen_square += d->chosen_square;
    return AS_OK;
}

/* FNV-1a over the ids. */
static uint64_t digest_of(const int32_t *tokens, int64_t count)
{
    uint64_t digest = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < count; i++) digest = (digest ^ (uint32_t)tokens[i]) * 0x100000001b3u;
    return digest;
}

static bool wants_layers(const state *s)
{
    unsigned needs = AS_CAN_LAYERS | AS_CAN_CHUNKS;
    const as_drift_pass *p = s->pass;
    return s->done < p->options->layer_tokens && p->candidate_chunk == 0 &&
           (p->reference->facts.can & p->candidate->facts.can & needs) == needs;
}

static as_code measure_document(state *s, const as_document *document, as_error *err)
{
    const as_drift_pass *p = s->pass;
    int32_t *tokens;
    int64_t most = p->options->document_tokens, context = p->reference->facts.context;
    if (context > 0 && most > context) most = context;
    if (most > p->tokens - s->done) most = p->tokens - s->done;
    AS_TRY(as_document_tokens(document, p->reference, most, &tokens, &s->count, err));
    s->tokens = tokens;
    s->document = (as_drift_document){.domain = document->domain, .digest = digest_of(tokens, s->count)};
    bool layers = wants_layers(s);
    int64_t rows = layers && p->options->rows > LAYER_ROWS ? LAYER_ROWS : p->options->rows;
    as_lockstep pair = {.reference = p->reference,
                        .candidate = p->candidate,
                        .tokens = tokens,
                        .count = s->count,
                        .rows = rows,
                        .reference_chunk = rows,
                        .candidate_chunk = p->candidate_chunk ? p->candidate_chunk : rows,
                        .row = on_row,
                        .layer = layers ? on_layer : NULL,
                        .context = s};
    as_code rc = s->count > 1 ? as_lockstep_run(&pair, err) : AS_OK;
    as_free(tokens);
    if (rc != AS_OK) return as_wrap(err, "a document of %s", document->domain);
    return s->count > 1 ? keep_document(s, err) : AS_OK;
}

as_code as_drift_measure(const as_drift_pass *pass, as_drift_stats **out, as_error *err)
{
    as_drift_stats *stats = AS_NEW(as_drift_stats);
    if (!stats) return as_fail_memory(err, "the comparison's sums");
    state s = {.pass = pass, .stats = stats, .vocab = pass->reference->facts.vocab, .planned = pass->tokens};
    stats->top_count = s.vocab < AS_TOP_COUNT ? s.vocab : AS_TOP_COUNT;
    as_code rc = AS_OK;
    for (int64_t i = 0; i < pass->documents->count && s.done + 1 < pass->tokens && rc == AS_OK; i++) {
        if (pass->until_s > 0 && as_clock_seconds() > pass->until_s &&
            stats->document_count >= LEAST_DOCUMENTS) {
            stats->cut = true;
            break;
        }
        rc = measure_document(&s, &pass->documents->items[i], err);
    }
    if (rc == AS_OK && stats->document_count == 0) {
        rc = as_fail(err, AS_E_INPUT, "no document has two tokens or more");
    }
    if (rc != AS_OK) {
        as_drift_stats_free(stats);
        return rc;
    }
    *out = stats;
    return AS_OK;
}
