/* KL divergence of two rows of logits; see divergence.h. Built with -O3: the loops over a block have a
 * constant length and no branch, so that the compiler turns them into vector code. */
#include "suites/drift/divergence.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 256, LANES = 8 };

/* exp(x) for -708 <= x <= 0 to about one unit in the last place: x = n ln 2 + r, a Taylor polynomial of
 * degree 13 for exp(r) with |r| <= ln(2)/2, and n put into the exponent. */
static inline double exp_nonpositive(double x)
{
    const double shift = 0x1.8p52, log2e = 1.4426950408889634074;
    const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
    double shifted = x * log2e + shift;
    double n = shifted - shift;
    double r = (x - n * ln2_high) - n * ln2_low;
    double p = 1.0 / 6227020800;
    p = p * r + 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1;
    p = p * r + 1;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return p * scale;
}

/* A row's largest value; false when a value is NaN or infinite. */
static bool row_max(const float *row, int64_t count, double *max)
{
    float best[LANES], poison[LANES];
    for (int l = 0; l < LANES; l++) best[l] = row[0], poison[l] = 0;
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        for (int l = 0; l < LANES; l++) {
            float x = row[i + l];
            best[l] = x > best[l] ? x : best[l];
            poison[l] += x - x; /* 0, or NaN for what is not finite */
        }
    }
    for (; i < count; i++) {
        best[0] = row[i] > best[0] ? row[i] : best[0];
        poison[0] += row[i] - row[i];
    }
    float m = best[0], bad = poison[0];
    for (int l = 1; l < LANES; l++) m = best[l] > m ? best[l] : m, bad += poison[l];
    *max = m;
    return bad == 0;
}

typedef struct sums {
    double reference, candidate; /* of the exponentials */
    double forward, backward;    /* exponentials times the difference of the logits */
} sums;

static double block_sum(const double *values)
{
    double s[LANES] = {0};
    for (int i = 0; i < BLOCK; i += LANES) {
        for (int l = 0; l < LANES; l++) s[l] += values[i + l];
    }
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

/* Adds count <= BLOCK entries; the tail of a short block is filled with entries that weigh nothing. */
static void add_block(const float *reference, const float *candidate, int64_t count, double reference_max,
                      double candidate_max, sums *total)
{
    double a[BLOCK], b[BLOCK], ea[BLOCK], eb[BLOCK];
    for (int64_t i = 0; i < count; i++) {
        a[i] = (double)reference[i] - reference_max;
        b[i] = (double)candidate[i] - candidate_max;
    }
    for (int64_t i = count; i < BLOCK; i++) a[i] = b[i] = -1e9;
    /* Below -708 the exponential stays at 3e-308, beside a largest one of 1. A loop of its own: together with
     * the polynomial the compiler would make a branch of it. */
    for (int i = 0; i < BLOCK; i++) ea[i] = a[i] > -708 ? a[i] : -708;
    for (int i = 0; i < BLOCK; i++) eb[i] = b[i] > -708 ? b[i] : -708;
    for (int i = 0; i < BLOCK; i++) ea[i] = exp_nonpositive(ea[i]);
    for (int i = 0; i < BLOCK; i++) eb[i] = exp_nonpositive(eb[i]);
    total->reference += block_sum(ea);
    total->candidate += block_sum(eb);
    for (int i = 0; i < BLOCK; i++) {
        double difference = a[i] - b[i];
        ea[i] *= difference;
        eb[i] *= -difference;
    }
    total->forward += block_sum(ea);
    total->backward += block_sum(eb);
}

/* The largest `room` values of a row, best first; of equals the lower id first. */
typedef struct top {
    int64_t count;
    int32_t ids[AS_TOP_COUNT];
    float values[AS_TOP_COUNT];
} top;

static void top_insert(top *t, float value, int64_t id)
{
    int64_t at = t->count < AS_TOP_COUNT ? t->count++ : AS_TOP_COUNT - 1;
    for (; at > 0 && t->values[at - 1] < value; at--) {
        t->values[at] = t->values[at - 1];
        t->ids[at] = t->ids[at - 1];
    }
    t->values[at] = value;
    t->ids[at] = (int32_t)id;
}

/* Few blocks hold a value above the tenth best so far, so most are passed over by their maximum. */
static void row_top(const float *row, int64_t vocab, top *t)
{
    t->count = 0;
    for (int64_t at = 0; at < vocab; at += BLOCK) {
        int64_t count = vocab - at < BLOCK ? vocab - at : BLOCK;
        double max;
        row_max(row + at, count, &max);
        if (t->count == AS_TOP_COUNT && max <= t->values[AS_TOP_COUNT - 1]) continue;
        for (int64_t i = at; i < at + count; i++) {
            if (t->count < AS_TOP_COUNT || row[i] > t->values[AS_TOP_COUNT - 1]) top_insert(t, row[i], i);
        }
    }
}

static int64_t shared_ids(const top *a, const top *b)
{
    int64_t shared = 0;
    for (int64_t i = 0; i < a->count; i++) {
        for (int64_t j = 0; j < b->count; j++) shared += a->ids[i] == b->ids[j];
    }
    return shared;
}

void as_divergence_compute(const float *reference, const float *candidate, int64_t vocab, int32_t next,
                           as_divergence *out)
{
    *out = (as_divergence){0};
    double reference_max, candidate_max;
    bool finite = row_max(reference, vocab, &reference_max);
    finite = row_max(candidate, vocab, &candidate_max) && finite;
    if (!finite) return;
    out->finite = true;

    sums total = {0};
    for (int64_t at = 0; at < vocab; at += BLOCK) {
        int64_t count = vocab - at < BLOCK ? vocab - at : BLOCK;
        add_block(reference + at, candidate + at, count, reference_max, candidate_max, &total);
    }
    double log_reference = log(total.reference), log_candidate = log(total.candidate);
    out->kl = total.forward / total.reference - log_reference + log_candidate;
    out->reversed = total.backward / total.candidate - log_candidate + log_reference;

    top a = {0}, b = {0};
    row_top(reference, vocab, &a);
    row_top(candidate, vocab, &b);
    out->reference_top = a.ids[0];
    out->candidate_top = b.ids[0];
    out->margin = a.count > 1 ? (double)a.values[0] - (double)a.values[1] : INFINITY;
    out->shared = shared_ids(&a, &b);
    if (next >= 0 && next < vocab) {
        out->log_reference = (double)reference[next] - reference_max - log_reference;
        out->log_candidate = (double)candidate[next] - candidate_max - log_candidate;
    }
}
