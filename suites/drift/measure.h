/* Two precisions over a set of documents: everything that is accumulated, in memory that does not grow with
 * the text (a hundred bytes a document for the bootstrap, nothing a token). */
#ifndef AS_SUITES_DRIFT_MEASURE_H
#define AS_SUITES_DRIFT_MEASURE_H

#include "suites/common/documents.h"
#include "suites/drift/options.h"
#include "suites/stats_stream.h"

enum { AS_DRIFT_BUCKETS = 24 }; /* positions [0,1), [1,2), [2,4), [4,8) ... */

/* Sums over one document: a cluster of the bootstrap. */
typedef struct as_drift_document {
    const char *domain; /* borrowed from the documents */
    uint64_t digest;    /* of the tokens compared: which text this was */
    int64_t rows;       /* distributions compared */
    int64_t scored;     /* of them with a known next token */
    int64_t agree, near_ties, shared;
    double kl, loss_reference, loss_candidate, chosen, chosen_square;
} as_drift_document;

typedef struct as_drift_bucket {
    int64_t rows, scored, agree;
    as_sum kl, loss_reference, loss_candidate;
} as_drift_bucket;

/* Squared norms over all rows of one layer. */
typedef struct as_drift_layer {
    double error, size;
} as_drift_layer;

typedef struct as_drift_stats {
    as_sketch kl;          /* nats, by row */
    as_sketch chosen;      /* p(next) minus p_reference(next) */
    as_moments reversed;   /* divergence the other way */
    double log_difference; /* largest |ln p(next) - ln p_reference(next)| seen */
    int64_t not_finite;    /* rows that could not be compared */
    int64_t top_count;     /* entries of a top list: ten, or the vocabulary where that is smaller */
    as_drift_document total;
    as_drift_bucket buckets[AS_DRIFT_BUCKETS];
    int64_t document_count, document_room;
    as_drift_document *documents;
    int64_t layer_count;
    as_drift_layer *layers;
    bool cut; /* the time allowed ended before the text */
    bool layers_compared;
} as_drift_stats;

typedef struct as_drift_pass {
    as_suite_context *context;
    const as_drift_options *options;
    const as_documents *documents;
    as_target *reference, *candidate;
    int64_t tokens;          /* at most, over all documents */
    int64_t candidate_chunk; /* 0: as the reference's */
    double near_tie;
    double until_s;     /* as_clock_seconds at which to stop, 0: never; some documents are always done */
    const char *phrase; /* for progress */
} as_drift_pass;

AS_MUST_USE as_code as_drift_measure(const as_drift_pass *pass, as_drift_stats **out, as_error *err);
void as_drift_stats_free(as_drift_stats *stats);

int64_t as_drift_bucket_start(int64_t bucket); /* its first position */

#endif
