/* The end of a matrix product: scales, bias, what was there. */
#ifndef AS_KERNELS_CPU_VEC_FINISH_H
#define AS_KERNELS_CPU_VEC_FINISH_H

#include "kernels/cpu/product.h"
#include "kernels/cpu/vec/vec.h"

/* Writes count <= LANES rows of column i of the product, from row `first` on, from their sums. */
AS_INLINE void finish_vector(const as_product *p, int64_t i, int64_t first, int count, vf sums)
{
    const as_matrix *w = p->w;
    int64_t row = as_product_row(p, i);
    float *out = p->out + row * p->out_stride + first;
    vf value = sums;
    if (w->scale == AS_SCALE_TENSOR) value = vf_mul(value, vf_set(w->scales[0]));
    if (w->scale == AS_SCALE_ROW) value = vf_mul(value, vf_load_part(w->scales + first, count));
    if (p->x_scale && p->x_block == 0) value = vf_mul(value, vf_set(p->x_scale[row / p->rows_per_x]));
    if (p->bias) value = vf_add(value, vf_load_part(p->bias + first, count));
    if (p->accumulate) value = vf_add(vf_load_part(out, count), value);
    vf_store_part(out, value, count);
}

#endif
