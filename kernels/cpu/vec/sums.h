/* What the ways through a matrix product share, so that they give the same bits. See matmul.c. */
#ifndef AS_KERNELS_CPU_VEC_SUMS_H
#define AS_KERNELS_CPU_VEC_SUMS_H

#include <string.h>

#include "kernels/cpu/vec/finish.h"
#include "kernels/cpu/vec/ops.h"

enum {
    BLOCK_COLS = 1024, /* columns whose products each lane sums in one go */
};

AS_INLINE int size_of(as_dtype type)
{
    return type == AS_F32 ? 4 : type == AS_E4M3 ? 1 : 2;
}

/* `part` columns of weights, or a vector where it is 0; e4m3 as 1/256 of its value. */
AS_INLINE vf load_weights(as_dtype type, const unsigned char *at, int part)
{
    if (type == AS_E4M3) return vf_load_e4m3_256th_part(at, part ? part : LANES);
    return part ? vf_load_part_as(type, at, part) : vf_load_as(type, at);
}

/* Adds the lanes of each sum to sums[nr][TILE_ROWS]. */
AS_INLINE void close_sums(int nr, const vf acc[TILE_COLS * TILE_ROWS], float *sums)
{
    int c = 0;
#if defined(AS_LEVEL_AVX512)
    for (; c + 4 <= nr; c += 4) {
        float closed[16];
        vf_sum16((const vf(*)[4])(acc + c * TILE_ROWS), closed);
        vf_store(sums + c * 4, vf_add(vf_load(sums + c * 4), vf_load(closed)));
    }
#endif
#pragma GCC unroll 8
    for (; c < nr; c++) {
        float closed[4];
        vf_sum4(acc + c * TILE_ROWS, closed);
        _mm_storeu_ps(sums + c * 4, _mm_add_ps(_mm_loadu_ps(sums + c * 4), _mm_loadu_ps(closed)));
    }
}

/* Row i of x from column `at`, with its block scales multiplied in (into room) where it has them. */
static inline const float *x_part(const as_product *p, int64_t i, int64_t at, int64_t count, float *room)
{
    const float *x = as_product_x(p, i) + at;
    if (!p->x_scale || p->x_block == 0) return x;
    int64_t row = as_product_row(p, i) / p->rows_per_x;
    const float *scales = p->x_scale + row * as_ceil_div(p->w->cols, p->x_block);
    for (int64_t k = 0; k < count; k++) room[k] = x[k] * scales[(at + k) / p->x_block];
    return room;
}

/* Rows of sums [rows / TILE_ROWS][n][TILE_ROWS] become rows first.. of the product's columns from.. */
static inline void finish_sums(const as_product *p, int64_t first, int64_t rows, const float *sums, int64_t n,
                               int64_t from)
{
    vf unit = vf_set(p->w->dtype == AS_E4M3 ? 256 : 1);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t row = 0; row < rows; row += LANES) {
            int count = (int)as_min_i64(LANES, rows - row);
            const float *at = sums + row * n + i * TILE_ROWS;
            vf whole = vf_of_quads(at, n * TILE_ROWS, (int)as_ceil_div(count, TILE_ROWS));
            finish_vector(p, from + i, first + row, count, vf_mul(whole, unit));
        }
    }
}

#endif
