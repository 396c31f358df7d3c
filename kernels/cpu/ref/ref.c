/* The table of the reference level. */
#include "kernels/cpu/ref/ref.h"

void as_cpu_overlay_ref(as_backend *table)
{
#define AS_OP(op) table->op = op##_ref;
#include "kernels/ops.def"
#undef AS_OP
}
