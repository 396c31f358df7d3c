/* The part of the matrix products that all fast levels share: how the work is divided. A level gives a
 * function for a panel of weight rows; matmul and expert_matmul are then loops over panels. */
#ifndef AS_KERNELS_CPU_PRODUCT_H
#define AS_KERNELS_CPU_PRODUCT_H

#include "kernels/cpu/cpu.h"

/* One matrix against rows of x. Row i of the product is row pairs[i] of out, or i where pairs is NULL, and
 * takes the row of x with that number / rows_per_x. */
typedef struct as_product {
    const as_matrix *w;
    const float *x;
    int64_t n, x_stride;
    const float *x_scale;
    int64_t x_block;
    const float *bias;
    float *out;
    int64_t out_stride;
    bool accumulate;
    const int32_t *pairs;
    int64_t rows_per_x;
} as_product;

enum {
    AS_MOST_PANEL_ROWS = 144,    /* weight rows in a panel that is widened for many rows of x */
    AS_STREAM_ROWS = 4096,       /* at most, in one call with few */
    AS_PAIRS_BYTES = 1536 << 10, /* of a worker's scratch, at its end: the pairs of one expert */
    AS_PRODUCT_SCRATCH = AS_SCRATCH_BYTES - AS_PAIRS_BYTES,
};

/* Rows first..end-1 of w against all rows of the product; scratch of AS_PRODUCT_SCRATCH bytes. */
typedef void as_product_rows(const as_product *p, int64_t first, int64_t end, unsigned char *scratch);

/* Weight rows that suit one call with many rows of x: as many as keep half of the second-level cache, at most
 * AS_MOST_PANEL_ROWS. The bits do not depend on it. */
int64_t as_panel_rows(void);

void as_product_matmul(const as_exec *exec, const as_matmul_args *args, as_product_rows *rows);
/* most: rows in a panel where experts have several rows of x each. */
void as_product_experts(const as_exec *exec, const as_expert_matmul_args *args, as_product_rows *rows,
                        int64_t most);

/* The levels' panels. */
as_product_rows as_panel_avx2, as_panel_avx512;

/* The product that a matmul is. */
static inline as_product as_product_of(const as_matmul_args *args)
{
    return (as_product){.w = args->w,
                        .x = args->x,
                        .n = args->n,
                        .x_stride = args->x_stride,
                        .x_scale = args->x_scale,
                        .x_block = args->x_block,
                        .bias = args->bias,
                        .out = args->out,
                        .out_stride = args->out_stride,
                        .accumulate = args->accumulate,
                        .rows_per_x = 1};
}

static inline int64_t as_product_row(const as_product *p, int64_t i)
{
    return p->pairs ? p->pairs[i] : i;
}

static inline const float *as_product_x(const as_product *p, int64_t i)
{
    return p->x + as_product_row(p, i) / p->rows_per_x * p->x_stride;
}

#endif
