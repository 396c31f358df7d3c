/* Division of matrix products over the workers; see product.h. */
#include <unistd.h>

#include "kernels/cpu/product.h"

/* Few rows of x: the weights stream from memory once, in portions of about this size. Each portion begins
 * with a wait for memory, so that small ones cost bandwidth. */
enum { STREAM_BYTES = 384 << 10, STREAM_MAX_N = 16 };

int64_t as_panel_rows(void)
{
    enum { LEAST = 48, ROW_BYTES = 1024 * 4, TYPICAL_CACHE = 1 << 20, MULTIPLE = 16 };
    static _Atomic int64_t known;
    int64_t rows = known;
    if (rows == 0) {
        long cache = sysconf(_SC_LEVEL2_CACHE_SIZE);
        rows = (cache > 0 ? cache : TYPICAL_CACHE) / 2 / ROW_BYTES / MULTIPLE * MULTIPLE;
        rows = as_max_i64(LEAST, as_min_i64(AS_MOST_PANEL_ROWS, rows));
        known = rows;
    }
    return rows;
}

/* Rows of one portion: small enough that every worker gets several, a multiple of 16 (matrix tiles). */
static int64_t panel_rows(const as_exec *exec, const as_matrix *w, int64_t n, int64_t most)
{
    int64_t rows = most;
    if (n <= STREAM_MAX_N) {
        most = AS_STREAM_ROWS;
        rows = STREAM_BYTES / as_max_i64(1, as_dtype_span(w->dtype, w->cols));
    }
    int64_t share = as_ceil_div(w->rows, 4 * (int64_t)as_pool_threads(exec->pool));
    rows = as_min_i64(rows, share);
    return as_max_i64(16, as_min_i64(most, rows / 16 * 16));
}

typedef struct matmul_job {
    const as_exec *exec;
    as_product product;
    as_product_rows *rows;
    int64_t panel;
} matmul_job;

static void matmul_panel(void *context, int64_t i, int worker)
{
    const matmul_job *job = context;
    int64_t first = i * job->panel, end = as_min_i64(first + job->panel, job->product.w->rows);
    job->rows(&job->product, first, end, as_exec_scratch(job->exec, worker));
}

void as_product_matmul(const as_exec *exec, const as_matmul_args *args, as_product_rows *rows)
{
    if (args->n <= 0) return;
    matmul_job job = {
        .exec = exec,
        .product = as_product_of(args),
        .rows = rows,
        .panel = panel_rows(exec, args->w, args->n, as_panel_rows()),
    };
    as_pool_for(exec->pool, as_ceil_div(args->w->rows, job.panel), matmul_panel, &job);
}

typedef struct expert_job {
    const as_exec *exec;
    const as_expert_matmul_args *args;
    as_product_rows *rows;
    int64_t panel, panels;
    bool by_pair; /* an iteration for each pair and panel; otherwise for each expert and panel */
} expert_job;

/* The pairs that took the expert, from `from` on. */
static int64_t pairs_of(const as_expert_matmul_args *a, int32_t expert, int64_t from, int32_t *pairs)
{
    int64_t count = 0;
    for (int64_t r = from; r < a->n; r++) {
        if (a->ids[r] == expert) pairs[count++] = (int32_t)r;
    }
    return count;
}

static bool seen_before(const as_expert_matmul_args *a, int64_t pair)
{
    for (int64_t r = 0; r < pair; r++) {
        if (a->ids[r] == a->ids[pair]) return true;
    }
    return false;
}

static void expert_panel(void *context, int64_t i, int worker)
{
    const expert_job *job = context;
    const as_expert_matmul_args *a = job->args;
    int64_t at = i / job->panels, first = i % job->panels * job->panel;
    int32_t expert = job->by_pair ? a->ids[at] : (int32_t)at;
    if (expert >= a->experts || (job->by_pair && seen_before(a, at))) return;
    unsigned char *scratch = as_exec_scratch(job->exec, worker);
    int32_t *pairs = (int32_t *)(void *)(scratch + AS_PRODUCT_SCRATCH);
    int64_t n = pairs_of(a, expert, job->by_pair ? at : 0, pairs);
    if (n == 0) return;
    const as_matrix *w = &a->w[expert];
    as_product product = {.w = w,
                          .x = a->x,
                          .n = n,
                          .x_stride = a->x_stride,
                          .x_scale = a->x_scale,
                          .x_block = a->x_block,
                          .bias = a->bias ? a->bias + expert * w->rows : NULL,
                          .out = a->out,
                          .out_stride = a->out_stride,
                          .pairs = pairs,
                          .rows_per_x = a->rows_per_x};
    job->rows(&product, first, as_min_i64(first + job->panel, w->rows), scratch);
}

void as_product_experts(const as_exec *exec, const as_expert_matmul_args *args, as_product_rows *rows,
                        int64_t most)
{
    AS_BUG(args->n > AS_PAIRS_BYTES / (int64_t)sizeof(int32_t));
    if (args->n <= 0) return;
    expert_job job = {.exec = exec, .args = args, .rows = rows};
    job.by_pair = args->n <= args->experts;
    job.panel = panel_rows(exec, &args->w[0], as_ceil_div(args->n, args->experts), most);
    job.panels = as_ceil_div(args->w[0].rows, job.panel);
    as_pool_for(exec->pool, (job.by_pair ? args->n : args->experts) * job.panels, expert_panel, &job);
}
