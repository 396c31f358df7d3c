/* The operations of this level that are written over vec.h. */
#ifndef AS_KERNELS_CPU_VEC_OPS_H
#define AS_KERNELS_CPU_VEC_OPS_H

#include "kernels/cpu/vec/vec.h"

#define AS_OP(op) void AS_VARIANT(op)(const as_exec *exec, const as_##op##_args *args);
#include "kernels/ops.def"
#undef AS_OP

#endif
