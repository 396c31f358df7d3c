/* Sampling; see sample.h. */
#include "engine/sample.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/rng.h"

static int32_t greedy(const float *logits, int64_t vocab)
{
    int64_t best = 0;
    for (int64_t i = 1; i < vocab; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return (int32_t)best;
}

static as_code check_finite(const float *logits, int64_t vocab, as_error *err)
{
    float most = -INFINITY;
    for (int64_t i = 0; i < vocab; i++) {
        if (isnan(logits[i]))
            return as_fail(err, AS_E_INTERNAL, "the logit of token %lld is not a number", (long long)i);
        if (logits[i] > most) most = logits[i];
    }
    if (isfinite(most)) return AS_OK;
    return as_fail(err, AS_E_INTERNAL, "no token has a finite logit (largest %g)", (double)most);
}

static void penalise(const as_sampling *s, const as_token_counts *counts, int64_t vocab, float *scores)
{
    double repetition = s->repetition_penalty > 0 ? s->repetition_penalty : 1;
    if (!counts || !counts->in_completion) return;
    for (int64_t i = 0; i < vocab; i++) {
        int32_t n = counts->in_completion[i];
        if (!n && !(counts->in_prompt && counts->in_prompt[i])) continue;
        if (isinf(scores[i])) continue; /* ruled out, and stays so */
        double score = scores[i];
        score = score > 0 ? score / repetition : score * repetition;
        if (n) score -= s->presence_penalty + s->frequency_penalty * n;
        scores[i] = (float)(score > FLT_MAX ? FLT_MAX : score < -FLT_MAX ? -FLT_MAX : score);
    }
}

/* Divides by the temperature, the largest score moved to 0 first: the smallest temperature overflows nothing.
 */
static void soften(float *scores, int64_t vocab, double temperature)
{
    double top = scores[greedy(scores, vocab)];
    for (int64_t i = 0; i < vocab; i++) scores[i] = (float)((scores[i] - top) / temperature);
}

/* ---- a heap of candidates, the best on top ----------------------------------------------------------------
 */

static bool before(const as_sample_room *r, int64_t a, int64_t b)
{
    if (r->scores[a] != r->scores[b]) return r->scores[a] > r->scores[b];
    return r->ids[a] < r->ids[b];
}

static void swap(as_sample_room *r, int64_t a, int64_t b)
{
    float score = r->scores[a];
    int32_t id = r->ids[a];
    r->scores[a] = r->scores[b];
    r->ids[a] = r->ids[b];
    r->scores[b] = score;
    r->ids[b] = id;
}

static void sift_down(as_sample_room *r, int64_t at, int64_t size)
{
    for (;;) {
        int64_t best = at, left = 2 * at + 1;
        if (left < size && before(r, left, best)) best = left;
        if (left + 1 < size && before(r, left + 1, best)) best = left + 1;
        if (best == at) return;
        swap(r, at, best);
        at = best;
    }
}

/* Moves the best of heap [0, size) to its end. */
static void pop(as_sample_room *r, int64_t size)
{
    swap(r, 0, size - 1);
    sift_down(r, 0, size - 1);
}

/* Keeps the candidates that top-k, top-p and min-p leave, at the end of the arrays in ascending order;
 * returns how many. */
static int64_t truncate(const as_sampling *s, as_sample_room *r, int64_t vocab)
{
    for (int64_t i = vocab / 2 - 1; i >= 0; i--) sift_down(r, i, vocab);
    double sum = 0, before_it = 0; /* the best score is 0 */
    int64_t kept = 0, limit = s->top_k > 0 && s->top_k < vocab ? s->top_k : vocab;
    if (limit == vocab) {
        for (int64_t i = 0; i < vocab; i++) sum += exp(r->scores[i]);
    } else {
        for (; kept < limit; kept++) {
            pop(r, vocab - kept);
            sum += exp(r->scores[vocab - 1 - kept]);
        }
    }
    int64_t popped = kept;
    for (kept = 0; kept < limit; kept++) {
        if (kept >= popped) pop(r, vocab - kept);
        double share = exp(r->scores[vocab - 1 - kept]); /* of the best one's probability */
        bool out_of_top_p = s->top_p > 0 && s->top_p < 1 && before_it >= s->top_p * sum;
        if (kept && (out_of_top_p || share < s->min_p)) break;
        before_it += share;
    }
    return kept;
}

as_code as_sample(const as_sampling *s, const float *logits, int64_t vocab, const as_token_counts *counts,
                  int64_t index, as_sample_room *room, int32_t *out, as_error *err)
{
    AS_TRY(check_finite(logits, vocab, err));
    bool penalties = counts && counts->in_completion;
    if (s->temperature <= 0 && !penalties) {
        *out = greedy(logits, vocab);
        return AS_OK;
    }
    memcpy(room->scores, logits, (size_t)vocab * sizeof *logits);
    for (int64_t i = 0; i < vocab; i++) room->ids[i] = (int32_t)i;
    penalise(s, counts, vocab, room->scores);
    if (s->temperature <= 0) {
        *out = greedy(room->scores, vocab);
        return AS_OK;
    }
    soften(room->scores, vocab, s->temperature);
    bool cut = s->top_k > 0 || (s->top_p > 0 && s->top_p < 1) || s->min_p > 0;
    int64_t kept = cut ? truncate(s, room, vocab) : vocab;
    const float *scores = room->scores + vocab - kept;
    const int32_t *ids = room->ids + vocab - kept;
    double sum = 0; /* the best score is 0 */
    for (int64_t i = 0; i < kept; i++) sum += exp(scores[i]);
    as_rng rng;
    as_rng_init(&rng, s->seed, (uint64_t)index);
    double left = as_rng_unit(&rng) * sum;
    int64_t chosen = -1;
    for (int64_t i = 0; i < kept && left >= 0; i++) {
        double weight = exp(scores[i]);
        if (weight > 0) chosen = i; /* the last of them, should rounding leave a rest */
        left -= weight;
    }
    *out = ids[chosen];
    return AS_OK;
}

double as_log_sum_exp(const float *logits, int64_t vocab)
{
    double top = logits[0];
    for (int64_t i = 1; i < vocab; i++) {
        if (logits[i] > top) top = logits[i];
    }
    double sum = exp(logits[0] - top);
    for (int64_t i = 1; i < vocab; i++) sum += exp(logits[i] - top);
    return top + log(sum);
}

void as_top_logprobs(const float *logits, int64_t vocab, double log_sum, int64_t count, as_logprob *out)
{
    int64_t used = 0;
    if (count < 1) return;
    for (int64_t i = 0; i < vocab; i++) {
        if (used == count && !(logits[i] > out[used - 1].logprob)) continue;
        int64_t at = used < count ? used++ : count - 1;
        for (; at > 0 && logits[i] > out[at - 1].logprob; at--) out[at] = out[at - 1];
        out[at] = (as_logprob){.token = (int32_t)i, .logprob = logits[i]};
    }
    for (int64_t i = 0; i < used; i++) out[i].logprob = (float)((double)out[i].logprob - log_sum);
}
