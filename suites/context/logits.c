/* Rows of logits; see logits.h. */
#include "suites/context/logits.h"

#include <math.h>

double as_row_log_probability(const float *logits, int64_t vocab, int32_t token)
{
    double max = logits[0], sum = 0;
    for (int64_t i = 1; i < vocab; i++) max = logits[i] > max ? logits[i] : max;
    /* exp(-40) of 4e-18 is below half a unit in the last place of a sum that is at least 1; so many of them
     * as a vocabulary holds still are below 1e-12. */
    for (int64_t i = 0; i < vocab; i++) {
        double x = (double)logits[i] - max;
        if (!(x < -40)) sum += exp(x);
    }
    if (!(sum > 0)) return NAN;
    double value = (double)logits[token] - max - log(sum);
    return isfinite(value) ? value : NAN;
}

int32_t as_row_best(const float *logits, int64_t vocab)
{
    int64_t best = 0;
    for (int64_t i = 1; i < vocab; i++) {
        if (logits[i] > logits[best]) best = i;
    }
    return (int32_t)best;
}

double as_row_difference(const float *a, const float *b, int64_t vocab)
{
    double largest = 0;
    for (int64_t i = 0; i < vocab; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= largest)) largest = d; /* NaN too */
    }
    return largest;
}

double as_row_deviation(const float *a, int64_t vocab)
{
    double mean = 0, square = 0;
    for (int64_t i = 0; i < vocab; i++) mean += a[i];
    mean /= (double)vocab;
    for (int64_t i = 0; i < vocab; i++) square += (a[i] - mean) * (a[i] - mean);
    return sqrt(square / (double)vocab);
}
