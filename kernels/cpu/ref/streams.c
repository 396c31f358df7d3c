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
            double sum = x[s * m->width];
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
