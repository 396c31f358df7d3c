/* Copies of matrices in another type or order; see internal.h. */
#include <math.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/bind/internal.h"

enum {
    CONVERT_ROWS = 16,
    RECENT_PAGES = 4, /* one matrix takes at most so many before its source is given up */
};

void *as_model_memory_take(as_model_memory *memory, int64_t count, size_t size)
{
    size_t bytes;
    if (count < 0 || !as_mul_size((size_t)count, size, &bytes)) return NULL;
    as_pages *pages = AS_ARENA_NEW(&memory->arena, as_pages);
    void *at = pages ? as_alloc_pages(bytes) : NULL;
    if (!at) return NULL;
    *pages = (as_pages){.at = at, .size = bytes, .next = memory->pages};
    memory->pages = pages;
    return at;
}

void as_model_memory_free(as_model_memory *memory)
{
    while (memory->pages) {
        as_pages *pages = memory->pages;
        memory->pages = pages->next;
        as_free_pages(pages->at, pages->size);
    }
    as_arena_free(&memory->arena);
}

void *as_binder_take(as_binder *b, int64_t bytes)
{
    return as_model_memory_take(b->memory, bytes, 1);
}

/* The matrix was replaced by a copy of another type: its memory is not held twice. What a file maps stays
 * readable; the system reads it again if it is asked for. */
static void give_up(as_binder *b, const as_matrix *m)
{
    as_pages **at = &b->memory->pages;
    for (int i = 0; *at && i < RECENT_PAGES; i++, at = &(*at)->next) {
        as_pages *pages = *at;
        if (pages->at != m->data) continue;
        *at = pages->next;
        as_free_pages(pages->at, pages->size);
        return;
    }
    as_map_release(m->data, (uint64_t)(as_dtype_span(m->dtype, m->rows * m->stride)));
}

typedef struct convert_job {
    const as_matrix *from;
    as_matrix *to;
} convert_job;

/* Multiplies columns first..first+count-1 of a row by the matrix's scales. */
static void apply_scales(const as_matrix *m, int64_t row, int64_t first, int64_t count, float *values)
{
    int64_t blocks = m->scale == AS_SCALE_BLOCK ? (m->cols + m->block_cols - 1) / m->block_cols : 0;
    for (int64_t i = 0; i < count; i++) {
        switch (m->scale) {
        case AS_SCALE_NONE: return;
        case AS_SCALE_TENSOR: values[i] *= m->scales[0]; break;
        case AS_SCALE_ROW: values[i] *= m->scales[row]; break;
        case AS_SCALE_POWERS:
            values[i] *= as_f32_from_e8m0(m->powers[row * m->power_stride + (first + i) / AS_E2M1_BLOCK]);
            break;
        case AS_SCALE_BLOCK:
            values[i] *= m->scales[row / m->block_rows * blocks + (first + i) / m->block_cols];
            break;
        }
    }
}

static void convert_rows(void *context, int64_t i, int worker)
{
    (void)worker;
    const convert_job *job = context;
    const as_matrix *from = job->from;
    float chunk[512];
    int64_t last = (i + 1) * CONVERT_ROWS < from->rows ? (i + 1) * CONVERT_ROWS : from->rows;
    for (int64_t r = i * CONVERT_ROWS; r < last; r++) {
        const unsigned char *in =
            (const unsigned char *)from->data + as_dtype_span(from->dtype, r * from->stride);
        unsigned char *out = (unsigned char *)job->to->data + r * from->cols * as_dtype_bytes(job->to->dtype);
        for (int64_t c = 0; c < from->cols; c += 512) {
            int64_t n = from->cols - c < 512 ? from->cols - c : 512;
            as_convert_to_f32(from->dtype, in + as_dtype_span(from->dtype, c), chunk, n);
            apply_scales(from, r, c, n, chunk);
            as_convert_from_f32(job->to->dtype, chunk, out + c * as_dtype_bytes(job->to->dtype), n);
        }
    }
}

as_code as_convert_matrix(as_binder *b, as_matrix *m, as_dtype type, as_error *err)
{
    as_matrix to = {.dtype = type, .rows = m->rows, .cols = m->cols, .stride = m->cols};
    if (b->source.counted) {
        *m = to;
        return AS_OK;
    }
    to.data = as_binder_take(b, m->rows * m->cols * as_dtype_bytes(type));
    if (!to.data) return as_fail_memory(err, "the weights");
    convert_job job = {.from = m, .to = &to};
    as_pool_for(b->pool, (m->rows + CONVERT_ROWS - 1) / CONVERT_ROWS, convert_rows, &job);
    give_up(b, m);
    *m = to;
    return AS_OK;
}

as_code as_bind_joined(as_binder *b, as_slot first, as_slot second, int64_t rows, int64_t cols,
                       as_matrix *out, as_error *err)
{
    as_matrix parts[2];
    int64_t head = as_binder_elements(b, first, ".weight") / cols;
    if (head >= rows) {
        return as_fail(err, AS_E_INPUT, "the %s has %lld rows of %lld, and further ones beside it",
                       as_slot_name(first), (long long)head, (long long)rows);
    }
    AS_TRY(as_bind_matrix(b, first, head, cols, &parts[0], err));
    AS_TRY(as_bind_matrix(b, second, rows - head, cols, &parts[1], err));
    bool same = parts[0].dtype == parts[1].dtype && (parts[0].dtype == AS_F16 || parts[0].dtype == AS_BF16);
    as_matrix whole = {.dtype = same ? parts[0].dtype : AS_F32, .rows = rows, .cols = cols, .stride = cols};
    if (!b->source.counted) {
        unsigned char *to = as_binder_take(b, as_dtype_span(whole.dtype, rows * cols));
        if (!to) return as_fail_memory(err, "the weights");
        whole.data = to;
        for (int i = 0; i < 2; i++) {
            as_matrix part = {.dtype = whole.dtype, .data = to};
            convert_job job = {.from = &parts[i], .to = &part};
            as_pool_for(b->pool, (parts[i].rows + CONVERT_ROWS - 1) / CONVERT_ROWS, convert_rows, &job);
            to += as_dtype_span(whole.dtype, parts[i].rows * cols);
        }
    }
    *out = whole;
    return AS_OK;
}

typedef struct unpack_job {
    const as_matrix *from;
    unsigned char *elements, *powers;
} unpack_job;

static void unpack_rows(void *context, int64_t i, int worker)
{
    (void)worker;
    enum { HALF = AS_E2M1_BLOCK / 2 };
    const unpack_job *job = context;
    const as_matrix *from = job->from;
    int64_t last = (i + 1) * CONVERT_ROWS < from->rows ? (i + 1) * CONVERT_ROWS : from->rows;
    int64_t blocks = from->cols / AS_E2M1_BLOCK;
    for (int64_t r = i * CONVERT_ROWS; r < last; r++) {
        const unsigned char *block =
            (const unsigned char *)from->data + as_dtype_span(AS_MXFP4, r * from->stride);
        for (int64_t c = 0; c < blocks; c++, block += AS_MXFP4_BYTES) {
            unsigned char *to = job->elements + (r * blocks + c) * HALF;
            const unsigned char *pairs = block + 1;
            job->powers[r * blocks + c] = block[0];
            for (int k = 0; k < HALF / 2; k++) {
                to[k] = (unsigned char)((pairs[2 * k] & 15) | (pairs[2 * k + 1] & 15) << 4);
                to[k + HALF / 2] = (unsigned char)(pairs[2 * k] >> 4 | (pairs[2 * k + 1] & 0xF0));
            }
        }
    }
}

as_code as_unpack_mxfp4(as_binder *b, as_matrix *m, as_error *err)
{
    int64_t blocks = m->cols / AS_E2M1_BLOCK;
    if (m->cols % AS_E2M1_BLOCK) return as_convert_matrix(b, m, AS_F32, err);
    unpack_job job = {.from = m,
                      .elements = as_binder_take(b, as_dtype_span(AS_E2M1, m->rows * m->cols)),
                      .powers = as_binder_take(b, m->rows * blocks)};
    if (!job.elements || !job.powers) return as_fail_memory(err, "the weights");
    as_pool_for(b->pool, (m->rows + CONVERT_ROWS - 1) / CONVERT_ROWS, unpack_rows, &job);
    give_up(b, m);
    b->totals.weight_bytes += m->rows * blocks;
    *m = (as_matrix){.dtype = AS_E2M1,
                     .scale = AS_SCALE_POWERS,
                     .rows = m->rows,
                     .cols = m->cols,
                     .stride = m->cols,
                     .data = job.elements,
                     .powers = job.powers,
                     .power_stride = blocks};
    return AS_OK;
}

/* Columns of a matrix as rows of another, or rows as rows. */
static void put_rows(const as_matrix *from, bool turned, as_dtype type, unsigned char *to, float *row)
{
    for (int64_t r = 0; r < from->rows; r++) {
        const unsigned char *in =
            (const unsigned char *)from->data + as_dtype_span(from->dtype, r * from->stride);
        as_convert_to_f32(from->dtype, in, row, from->cols);
        apply_scales(from, r, 0, from->cols, row);
        if (!turned) as_convert_from_f32(type, row, to + as_dtype_span(type, r * from->cols), from->cols);
        for (int64_t c = 0; turned && c < from->cols; c++) {
            as_convert_from_f32(type, row + c, to + as_dtype_span(type, c * from->rows + r), 1);
        }
    }
}

as_code as_join_latent(as_binder *b, const as_matrix *keys, const as_matrix *values, int64_t heads,
                       as_matrix *out, as_error *err)
{
    int64_t k = keys[0].cols, v = values[0].rows, rank = values[0].cols;
    as_dtype type = keys[0].dtype;
    if ((type != AS_F16 && type != AS_BF16) || values[0].dtype != type) type = AS_F32;
    as_matrix all = {.dtype = type, .rows = heads * (k + v), .cols = rank, .stride = rank};
    if (!b->source.needs) {
        float *row;
        unsigned char *to = as_binder_take(b, as_dtype_span(type, all.rows * rank));
        if (!to) return as_fail_memory(err, "the weights");
        AS_TRY(as_bind_floats(b, rank > k ? rank : k, &row, err));
        all.data = to;
        for (int64_t h = 0; h < heads; h++, to += as_dtype_span(type, (k + v) * rank)) {
            put_rows(&keys[h], true, type, to, row);
            put_rows(&values[h], false, type, to + as_dtype_span(type, k * rank), row);
            give_up(b, &keys[h]);
            give_up(b, &values[h]);
        }
    }
    *out = all;
    return AS_OK;
}

typedef struct transpose_job {
    const as_matrix *from;
    unsigned char *to;
    int64_t rows, first, step;
} transpose_job;

static void transpose_rows(void *context, int64_t i, int worker)
{
    (void)worker;
    const transpose_job *job = context;
    int64_t size = as_dtype_bytes(job->from->dtype), stride = job->from->stride * size;
    int64_t last = (i + 1) * CONVERT_ROWS < job->rows ? (i + 1) * CONVERT_ROWS : job->rows;
    for (int64_t c = 0; c < job->from->rows; c++) {
        const unsigned char *in = (const unsigned char *)job->from->data + c * stride;
        for (int64_t r = i * CONVERT_ROWS; r < last; r++) {
            memcpy(job->to + (r * job->from->rows + c) * size, in + (job->first + r * job->step) * size,
                   (size_t)size);
        }
    }
}

as_code as_transpose_matrix(as_binder *b, as_matrix *m, int64_t rows, int64_t first, int64_t step,
                            as_error *err)
{
    as_matrix to = {.dtype = m->dtype, .rows = rows, .cols = m->rows, .stride = m->rows};
    unsigned char *data = as_binder_take(b, rows * m->rows * as_dtype_bytes(m->dtype));
    if (!data) return as_fail_memory(err, "the weights");
    transpose_job job = {.from = m, .to = data, .rows = rows, .first = first, .step = step};
    as_pool_for(b->pool, (rows + CONVERT_ROWS - 1) / CONVERT_ROWS, transpose_rows, &job);
    to.data = data;
    give_up(b, m);
    *m = to;
    return AS_OK;
}

typedef struct unit_job {
    const as_matrix *m;
    float *scales;
} unit_job;

static void unit_row(void *context, int64_t row, int worker)
{
    enum { RUN = 256 };
    const unit_job *job = context;
    const as_matrix *m = job->m;
    const unsigned char *at = (const unsigned char *)m->data + row * m->stride * as_dtype_bytes(m->dtype);
    double squares = 0;
    (void)worker;
    for (int64_t first = 0; first < m->cols; first += RUN) {
        float values[RUN];
        int64_t count = m->cols - first < RUN ? m->cols - first : RUN;
        as_convert_to_f32(m->dtype, at + first * as_dtype_bytes(m->dtype), values, count);
        for (int64_t k = 0; k < count; k++) squares += (double)values[k] * values[k];
    }
    job->scales[row] = (float)(1 / fmax(sqrt(squares), 1e-12)); /* as torch's normalize */
}

as_code as_bind_unit_rows(as_binder *b, as_matrix *m, as_error *err)
{
    if (b->source.counted) return AS_OK;
    if (m->scale == AS_SCALE_BLOCK) AS_TRY(as_convert_matrix(b, m, AS_F32, err));
    unit_job job = {.m = m};
    AS_TRY(as_bind_floats(b, m->rows, &job.scales, err));
    as_pool_for(b->pool, m->rows, unit_row, &job);
    m->scale = AS_SCALE_ROW; /* a scale that it had drops out */
    m->scales = job.scales;
    return AS_OK;
}

as_code as_quantize_matrix(as_binder *b, as_matrix *m, as_error *err)
{
    const as_precision *p = b->precision;
    if (m->scale != AS_SCALE_NONE) AS_TRY(as_convert_matrix(b, m, AS_F32, err));
    as_matrix to = {.dtype = AS_E4M3,
                    .scale = p->scale,
                    .rows = m->rows,
                    .cols = m->cols,
                    .stride = m->cols,
                    .block_rows = p->block_rows,
                    .block_cols = p->block_cols};
    int64_t scales = as_precision_scale_count(p, m->rows, m->cols);
    if (b->source.counted) {
        b->totals.weight_bytes += scales * (int64_t)sizeof(float);
        *m = to;
        return AS_OK;
    }
    uint8_t *data = as_binder_take(b, m->rows * m->cols);
    float *scale = as_binder_take(b, scales * (int64_t)sizeof *scale);
    if (!data || !scale) return as_fail_memory(err, "the weights");
    as_precision_quantize(p, m, data, scale, b->pool);
    to.data = data;
    to.scales = scale;
    b->totals.weight_bytes += scales * (int64_t)sizeof *scale;
    give_up(b, m);
    *m = to;
    return AS_OK;
}
