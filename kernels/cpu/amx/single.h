/* Products of one row of x with the bits of the tiles. */
#ifndef AS_KERNELS_CPU_AMX_SINGLE_H
#define AS_KERNELS_CPU_AMX_SINGLE_H

#include "kernels/cpu/product.h"

/* Bytes that as_single_split writes. */
int64_t as_single_bytes(const as_product *p);

/* Splits row i of x into bf16 pieces, as float32. */
void as_single_split(const as_product *p, int64_t i, float *pieces);

/* Weight rows first..end-1 against row i of x, split. */
void as_single_rows(const as_product *p, int64_t i, const float *pieces, int64_t first, int64_t end);

#endif
