/* head_matmul: a product for each head. Forward it is a matrix product on the head's rows, with the same
 * order of sums. Transposed, the head's rows are widened to float32 in strips of columns, and an output sums
 * over the rows in ascending order by fused multiply-adds. */
#include "kernels/cpu/product.h"
#include "kernels/cpu/vec/attention_page.h"
#include "kernels/cpu/vec/ops.h"

enum {
    STRIP = 128,      /* columns of a transposed product at a time */
    ROWS_ASIDE = 256, /* rows of x whose outputs are kept aside where whole vectors would write too far */
    HEAD_ROWS = 48,   /* weight rows of a head in one piece of work */
};

typedef struct head_job {
    const as_exec *exec;
    const as_head_matmul_args *args;
    int64_t pieces; /* of each head's work */
} head_job;

AS_INLINE void widen_span(as_dtype type, const unsigned char *from, int64_t count, float scale, float *to)
{
    int64_t size = as_dtype_bytes(type);
    vf by = vf_set(scale);
    for (int64_t c = 0; c < count; c += LANES) {
        int part = (int)as_min_i64(LANES, count - c);
        vf value =
            part == LANES ? vf_load_as(type, from + c * size) : vf_load_part_as(type, from + c * size, part);
        vf_store_part(to + c, vf_mul(value, by), part);
    }
}

static void widen_scaled(as_dtype type, const unsigned char *from, int64_t count, float scale, float *to)
{
    switch (type) {
    case AS_F16: widen_span(AS_F16, from, count, scale, to); return;
    case AS_BF16: widen_span(AS_BF16, from, count, scale, to); return;
    case AS_E4M3: widen_span(AS_E4M3, from, count, scale, to); return;
    default: widen_span(AS_F32, from, count, scale, to); return;
    }
}

/* Columns from..until-1 of one row as float32, with their scales. */
static void widen_part(const as_matrix *w, int64_t row, int64_t from, int64_t until, float *to)
{
    if (as_dtype_is_blocks(w->dtype)) { /* strips begin with a block */
        as_convert_to_f32(w->dtype, as_matrix_row(w, row) + as_dtype_span(w->dtype, from), to, until - from);
        return;
    }
    int64_t size = as_dtype_bytes(w->dtype), block = w->scale == AS_SCALE_BLOCK ? w->block_cols : w->cols;
    const float *scales = w->scales;
    if (w->scale == AS_SCALE_ROW) scales += row;
    if (w->scale == AS_SCALE_BLOCK) scales += row / w->block_rows * as_ceil_div(w->cols, block);
    for (int64_t at = from; at < until;) {
        int64_t stop = as_min_i64(until, (at / block + 1) * block);
        float scale = w->scale == AS_SCALE_NONE ? 1 : scales[at / block];
        widen_scaled(w->dtype, as_matrix_row(w, row) + at * size, stop - at, scale, to + at - from);
        at = stop;
    }
}

static int64_t first_row(const as_head_matmul_args *a, int64_t head)
{
    return head * (a->w->rows / a->heads) + a->first;
}

/* Rows first..first+count-1 as a matrix of their own; widened into room where they begin within a block. */
static as_matrix rows_of(const as_matrix *w, int64_t first, int64_t count, float *room)
{
    as_matrix part = *w;
    part.rows = count;
    if (w->scale == AS_SCALE_BLOCK && first % w->block_rows) {
        for (int64_t r = 0; r < count; r++) widen_part(w, first + r, 0, w->cols, room + r * w->cols);
        return (as_matrix){.dtype = AS_F32, .rows = count, .cols = w->cols, .stride = w->cols, .data = room};
    }
    part.data = as_matrix_row(w, first);
    if (w->scale == AS_SCALE_ROW) part.scales += first;
    if (w->scale == AS_SCALE_BLOCK) {
        part.scales += first / w->block_rows * as_ceil_div(w->cols, w->block_cols);
    }
    return part;
}

static void forward_piece(void *context, int64_t i, int worker)
{
    const head_job *job = context;
    const as_head_matmul_args *a = job->args;
    int64_t head = i / job->pieces, at = i % job->pieces * HEAD_ROWS;
    int64_t count = as_min_i64(HEAD_ROWS, a->rows - at);
    unsigned char *scratch = as_exec_scratch(job->exec, worker);
    as_matrix w =
        rows_of(a->w, first_row(a, head) + at, count, (float *)(void *)(scratch + AS_PRODUCT_SCRATCH));
    as_product product = {.w = &w,
                          .x = a->x + head * a->x_head_stride,
                          .n = a->n,
                          .x_stride = a->x_stride,
                          .out = a->out + head * a->out_head_stride + at,
                          .out_stride = a->out_stride,
                          .rows_per_x = 1};
    AS_VARIANT(as_panel)(&product, 0, count, scratch);
}

static void transposed_piece(void *context, int64_t i, int worker)
{
    const head_job *job = context;
    const as_head_matmul_args *a = job->args;
    int64_t head = i / job->pieces, from = i % job->pieces * STRIP;
    int64_t until = as_min_i64(a->w->cols, from + STRIP), vectors = as_ceil_div(until - from, LANES);
    float *panel = (float *)(void *)as_exec_scratch(job->exec, worker), *aside = panel + a->rows * STRIP;
    float *out = a->out + head * a->out_head_stride + from;
    bool whole = (until - from) % LANES == 0;
    soon nothing = {NULL, NULL};
    for (int64_t r = 0; r < a->rows; r++) {
        widen_part(a->w, first_row(a, head) + r, from, until, panel + r * STRIP);
    }
    for (int64_t row = 0; row < a->n; row += ROWS_ASIDE) {
        int64_t count = as_min_i64(ROWS_ASIDE, a->n - row);
        update u = {.a = a->x + row * a->x_stride + head * a->x_head_stride,
                    .b = panel,
                    .c = whole ? out + row * a->out_stride : aside,
                    .a_stride = a->x_stride,
                    .b_stride = STRIP,
                    .c_stride = whole ? a->out_stride : STRIP,
                    .depth = a->rows,
                    .soon = &nothing};
        update_all(count, vectors, &u);
        for (int64_t r = 0; r < count && !whole; r++) {
            memcpy(out + (row + r) * a->out_stride, aside + r * STRIP, (size_t)(until - from) * sizeof *out);
        }
    }
}

void AS_VARIANT(head_matmul)(const as_exec *exec, const as_head_matmul_args *args)
{
    AS_BUG(args->rows > AS_MOST_HEAD_ROWS || args->w->cols > AS_MOST_HEAD_COLS);
    if (args->n <= 0) return;
    head_job job = {.exec = exec, .args = args};
    if (args->transposed) {
        job.pieces = as_ceil_div(args->w->cols, STRIP);
        as_pool_for(exec->pool, args->heads * job.pieces, transposed_piece, &job);
    } else {
        job.pieces = as_ceil_div(args->rows, HEAD_ROWS);
        as_pool_for(exec->pool, args->heads * job.pieces, forward_piece, &job);
    }
}

_Static_assert((AS_MOST_HEAD_ROWS + ROWS_ASIDE) * STRIP * 4 <= AS_SCRATCH_BYTES &&
                   HEAD_ROWS * AS_MOST_HEAD_COLS * 4 <= AS_PAIRS_BYTES,
               "the strips fit");
