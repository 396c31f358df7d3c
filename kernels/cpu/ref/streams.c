/* Operations of models with several residual streams: mix_streams, match_size, sparsify. See elementwise.c.
 */
#include <math.h>

#include "kernels/cpu/ref/ref.h"

static void mix_streams_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_mix_streams_args *m = context;
    const float *factors = m->factors + i * m->factor_stride;
    double old[AS_MOST_STREAMS];
    for (int64_t c = 0; c < m->width; c++) {
        const float *from = m->from + i * m->from_stride + c;
        float *x = m->x + i * m->x_stride + c;
        for (int64_t k = 0; k < m->from_count; k++) old[k] = from[k * m->width];
        for (int64_t s = 0; s < m->streams; s++) {
            double sum = m->replace ? 0 : x[s * m->width];
            for (int64_t k = 0; k < m->from_count; k++) sum += factors[s * m->from_count + k] * old[k];
            x[s * m->width] = (float)sum;
        }
    }
}

void mix_streams_ref(const as_exec *exec, const as_mix_streams_args *args)
{
    as_pool_for(exec->pool, args->n, mix_streams_row, (void *)args);
}

static double mean_square(const float *x, int64_t width)
{
    double sum = 0;
    for (int64_t c = 0; c < width; c++) sum += (double)x[c] * x[c];
    return sum / (double)width;
}

static void match_size_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_match_size_args *m = context;
    float *x = m->x + i * m->x_stride;
    double own = mean_square(x, m->width);
    if (own < m->least) own = m->least;
    double factor = sqrt(mean_square(m->like + i * m->like_stride, m->width) / own);
    for (int64_t c = 0; c < m->width; c++) x[c] = (float)(x[c] * factor);
}

void match_size_ref(const as_exec *exec, const as_match_size_args *args)
{
    as_pool_for(exec->pool, args->n, match_size_row, (void *)args);
}

static void sparsify_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_sparsify_args *s = context;
    float *x = s->x + i * s->stride;
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < s->width; c++) mean += x[c];
    mean /= (double)s->width;
    for (int64_t c = 0; c < s->width; c++) variance += (x[c] - mean) * (x[c] - mean);
    double least = mean + s->deviations * sqrt(variance / (double)s->width);
    for (int64_t c = 0; c < s->width; c++) x[c] = x[c] < least ? 0 : (float)(x[c] - least); /* NaN stays */
}

void sparsify_ref(const as_exec *exec, const as_sparsify_args *args)
{
    as_pool_for(exec->pool, args->n, sparsify_row, (void *)args);
}

/* Divides each column, or each row, of a square matrix by its sum + eps. */
static void balance(double *m, int64_t size, bool columns, double eps)
{
    int64_t along = columns ? size : 1, across = columns ? 1 : size;
    for (int64_t i = 0; i < size; i++) {
        double sum = eps;
        for (int64_t k = 0; k < size; k++) sum += m[i * across + k * along];
        for (int64_t k = 0; k < size; k++) m[i * across + k * along] /= sum;
    }
}

/* The doubly stochastic matrix of [size, size] numbers, transposed. */
static void mix_weights(const as_hyper_weights_args *h, const float *x, const float *base, float *out)
{
    int64_t size = h->streams;
    double m[AS_MOST_HYPER_STREAMS * AS_MOST_HYPER_STREAMS];
    for (int64_t r = 0; r < size; r++) {
        double *row = m + r * size, largest = -INFINITY, sum = 0;
        for (int64_t c = 0; c < size; c++) {
            row[c] = (double)x[r * size + c] * h->scale[2] + base[r * size + c];
            if (row[c] > largest) largest = row[c];
        }
        for (int64_t c = 0; c < size; c++) sum += row[c] = exp(row[c] - largest);
        for (int64_t c = 0; c < size; c++) row[c] = row[c] / sum + h->eps;
    }
    for (int64_t i = 0; i < 2 * h->iterations - 1; i++) balance(m, size, i % 2 == 0, h->eps);
    for (int64_t r = 0; r < size; r++) {
        for (int64_t c = 0; c < size; c++) out[c * size + r] = (float)m[r * size + c];
    }
}

static void hyper_weights_row(void *context, int64_t i, int worker)
{
    (void)worker;
    const as_hyper_weights_args *h = context;
    int64_t size = h->streams;
    const float *x = h->x + i * h->x_stride;
    for (int64_t s = 0; s < size; s++) {
        double z = (double)x[s] * h->scale[0] + h->base[s];
        h->in[i * h->in_stride + s] = (float)(as_ref_activate(AS_ACT_SIGMOID, z) + h->eps);
        if (!h->out) continue;
        z = (double)x[size + s] * h->scale[1] + h->base[size + s];
        h->out[i * h->stride + s] = (float)(h->magnitude * as_ref_activate(AS_ACT_SIGMOID, z) + h->out_eps);
    }
    if (h->mix) mix_weights(h, x + 2 * size, h->base + 2 * size, h->mix + i * h->stride);
}

void hyper_weights_ref(const as_exec *exec, const as_hyper_weights_args *args)
{
    AS_BUG(args->streams > AS_MOST_HYPER_STREAMS);
    as_pool_for(exec->pool, args->n, hyper_weights_row, (void *)args);
}
