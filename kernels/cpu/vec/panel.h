/* Products with many rows of x. */
#ifndef AS_KERNELS_CPU_VEC_PANEL_H
#define AS_KERNELS_CPU_VEC_PANEL_H

#include "kernels/cpu/product.h"

/* Rows first..end-1 of w, at most AS_MOST_PANEL_ROWS, of any type and scales, against all rows of x. */
as_product_rows as_packed_panel_avx2, as_packed_panel_avx512;

#endif
