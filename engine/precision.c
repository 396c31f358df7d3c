/* What --dtype means; see precision.h. */
#include "engine/precision.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define FP8(canonical, how, rows_, cols_, ...)                                                               \
    {                                                                                                        \
        .name = canonical, .base = AS_F16, .keep_base = true, .quantized = true, .scale = how,               \
        .block_rows = rows_, .block_cols = cols_, .rounding = {                                              \
            __VA_ARGS__                                                                                      \
        }                                                                                                    \
    }

static const as_precision precisions[] = {
    {.name = "native", .as_stored = true},
    {.name = "f32", .as_stored = true},
    {.name = "f16", .base = AS_F16},
    {.name = "bf16", .base = AS_BF16},
    FP8("fp8-tensor", AS_SCALE_TENSOR, 0, 0, .on = true, .kind = AS_QUANT_TENSOR),
    FP8("fp8-channel", AS_SCALE_ROW, 0, 0, .on = true, .kind = AS_QUANT_TOKEN),
    FP8("fp8-block", AS_SCALE_BLOCK, 128, 128, .on = true, .kind = AS_QUANT_BLOCK, .block = 128),
    FP8("fp8-weight", AS_SCALE_ROW, 0, 0, .on = false),
};

static const struct {
    const char *alias, *name;
} aliases[] = {
    {"fp8", "fp8-channel"}, {"fp16", "f16"},    {"float16", "f16"},
    {"bfloat16", "bf16"},   {"float32", "f32"}, {"fp32", "f32"},
};

as_code as_precision_parse(const char *name, as_precision *out, as_error *err)
{
    if (!name || !*name) name = "native";
    char plain[32];
    const char *plus = strchr(name, '+');
    size_t size = plus ? (size_t)(plus - name) : strlen(name);
    bool known_suffix = !plus || strcmp(plus, "+kv8") == 0;
    if (size < sizeof plain && known_suffix) {
        memcpy(plain, name, size);
        plain[size] = 0;
        const char *wanted = plain;
        for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
            if (strcmp(plain, aliases[i].alias) == 0) wanted = aliases[i].name;
        }
        for (size_t i = 0; i < sizeof precisions / sizeof precisions[0]; i++) {
            if (strcmp(wanted, precisions[i].name) != 0) continue;
            *out = precisions[i];
            out->kv8 = plus != NULL;
            return AS_OK;
        }
    }
    return as_fail(
        err, AS_E_USAGE,
        "--dtype %s is not known; known are f32, f16, bf16, fp8 (= fp8-channel), fp8-tensor, fp8-block, "
        "fp8-weight, native, each with +kv8 for a cache in e4m3",
        name);
}

int64_t as_precision_scale_count(const as_precision *p, int64_t rows, int64_t cols)
{
    switch (p->scale) {
    case AS_SCALE_NONE:
    case AS_SCALE_POWERS: return 0; /* never made here */
    case AS_SCALE_TENSOR: return 1;
    case AS_SCALE_ROW: return rows;
    case AS_SCALE_BLOCK:
        return ((rows + p->block_rows - 1) / p->block_rows) * ((cols + p->block_cols - 1) / p->block_cols);
    }
    return 0;
}

typedef struct quantize_job {
    const as_precision *precision;
    const as_matrix *source;
    uint8_t *data;
    float *scales;
    int64_t band; /* rows that share scales, or rows of one task */
    bool measure; /* first pass over a tensor: find the maxima only */
} quantize_job;

enum { CHUNK = 512 };

#define SMALLEST_SCALE 1e-12f /* as for activations: the quotient stays finite */

/* Calls of this visit a row in chunks of CHUNK floats. */
static void load_chunk(const as_matrix *m, int64_t row, int64_t col, int64_t n, float *out)
{
    as_convert_to_f32(
        m->dtype, (const unsigned char *)m->data + as_dtype_span(m->dtype, row * m->stride + col), out, n);
}

static float largest(const as_matrix *m, int64_t row, int64_t from, int64_t to)
{
    float chunk[CHUNK], most = 0;
    for (int64_t c = from; c < to; c += CHUNK) {
        int64_t n = to - c < CHUNK ? to - c : CHUNK;
        load_chunk(m, row, c, n, chunk);
        for (int64_t i = 0; i < n; i++) {
            float size = fabsf(chunk[i]);
            if (size > most || isnan(size)) most = size;
        }
    }
    return most;
}

static void round_range(const quantize_job *job, int64_t row, int64_t from, int64_t to, float scale)
{
    float chunk[CHUNK];
    uint8_t *out = job->data + row * job->source->cols;
    for (int64_t c = from; c < to; c += CHUNK) {
        int64_t n = to - c < CHUNK ? to - c : CHUNK;
        load_chunk(job->source, row, c, n, chunk);
        for (int64_t i = 0; i < n; i++) chunk[i] /= scale;
        as_convert_from_f32(AS_E4M3, chunk, out + c, n);
    }
}

static float scale_of(float most)
{
    if (most == 0) return 1;
    float scale = most / 448.0f;
    return scale < SMALLEST_SCALE ? SMALLEST_SCALE : scale;
}

/* One band of rows: its blocks' maxima, then its numbers. A tensor's scale is found in a pass of its own. */
static void quantize_band(void *context, int64_t i, int worker)
{
    (void)worker;
    const quantize_job *job = context;
    const as_matrix *m = job->source;
    int64_t first = i * job->band, last = first + job->band < m->rows ? first + job->band : m->rows;
    if (job->precision->scale == AS_SCALE_TENSOR) {
        for (int64_t r = first; r < last; r++) {
            if (job->measure) {
                job->scales[r] = largest(m, r, 0, m->cols);
            } else {
                round_range(job, r, 0, m->cols, job->scales[0]);
            }
        }
        return;
    }
    int64_t width = job->precision->scale == AS_SCALE_BLOCK ? job->precision->block_cols : m->cols;
    int64_t blocks = (m->cols + width - 1) / width;
    for (int64_t b = 0; b < blocks; b++) {
        int64_t from = b * width, to = from + width < m->cols ? from + width : m->cols;
        float most = 0;
        for (int64_t r = first; r < last; r++) {
            float here = largest(m, r, from, to);
            if (here > most || isnan(here)) most = here;
        }
        float scale = job->scales[i * blocks + b] = scale_of(most);
        for (int64_t r = first; r < last; r++) round_range(job, r, from, to, scale);
    }
}

void as_precision_quantize(const as_precision *precision, const as_matrix *source, uint8_t *data,
                           float *scales, as_pool *pool)
{
    quantize_job job = {.precision = precision, .source = source, .data = data, .scales = scales, .band = 1};
    if (precision->scale == AS_SCALE_BLOCK) job.band = precision->block_rows;
    int64_t bands = (source->rows + job.band - 1) / job.band;
    if (precision->scale == AS_SCALE_TENSOR) {
        float *maxima = as_alloc((size_t)source->rows * sizeof *maxima);
        float most = 0;
        if (maxima) {
            job.measure = true;
            job.scales = maxima;
            as_pool_for(pool, bands, quantize_band, &job);
        }
        for (int64_t r = 0; r < source->rows; r++) {
            float here = maxima ? maxima[r] : largest(source, r, 0, source->cols);
            if (here > most || isnan(here)) most = here;
        }
        as_free(maxima);
        scales[0] = scale_of(most);
        job.measure = false;
        job.scales = scales;
    }
    as_pool_for(pool, bands, quantize_band, &job);
}
