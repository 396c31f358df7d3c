/* Loops over the rows of a batch: over the workers where there is enough to do, in the caller where the
 * hand-over would cost more than it saves. Long rows are cut at multiples of CUT columns. */
#ifndef AS_KERNELS_CPU_VEC_ROWS_H
#define AS_KERNELS_CPU_VEC_ROWS_H

#include "kernels/cpu/cpu.h"

/* Columns from..until-1 of a row. */
typedef void row_function(const void *args, int64_t row, int64_t from, int64_t until);

typedef struct rows_job {
    const void *args;
    row_function *run;
    int64_t n, width, cut, rows; /* rows per iteration */
} rows_job;

static inline void rows_body(void *context, int64_t i, int worker)
{
    (void)worker;
    const rows_job *job = context;
    int64_t cuts = as_ceil_div(job->width, job->cut);
    int64_t first = i / cuts * job->rows, from = i % cuts * job->cut;
    int64_t end = as_min_i64(job->n, first + job->rows), until = as_min_i64(job->width, from + job->cut);
    for (int64_t row = first; row < end; row++) job->run(job->args, row, from, until);
}

enum { ROWS_CUT = 8192, ROWS_SERIAL = 16384 };

/* n rows of width elements, each of which costs about `cost` simple vector operations. whole: rows must not
 * be cut. */
static inline void for_rows(const as_exec *exec, int64_t n, int64_t width, int64_t cost, bool whole,
                            row_function *run, const void *args)
{
    if (n <= 0 || width <= 0) return;
    rows_job job = {.args = args, .run = run, .n = n, .width = width, .rows = 1};
    job.cut = whole ? width : ROWS_CUT;
    if (width <= job.cut) job.rows = as_max_i64(1, ROWS_CUT / (width * cost));
    int64_t count = as_ceil_div(n, job.rows) * as_ceil_div(width, job.cut);
    as_pool_for(n * width * cost <= ROWS_SERIAL ? NULL : exec->pool, count, rows_body, &job);
}

#endif
