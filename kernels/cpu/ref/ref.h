/* What the files of the reference level share. */
#ifndef AS_KERNELS_CPU_REF_REF_H
#define AS_KERNELS_CPU_REF_REF_H

#include "kernels/cpu/cpu.h"

#define AS_OP(op) void op##_ref(const as_exec *exec, const as_##op##_args *args);
#include "kernels/ops.def"
#undef AS_OP

/* act(x), NaN for NaN. */
double as_ref_activate(as_activation act, double x);

/* Element i of an array of a float type. */
float as_ref_element(as_dtype type, const void *data, int64_t i);

/* The value at [row, col] with its scale. */
double as_ref_weight(const as_matrix *w, int64_t row, int64_t col);

#endif
