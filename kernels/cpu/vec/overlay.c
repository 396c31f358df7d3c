/* The table of the level: every operation but `route`, whose few scores per row gain nothing from vectors. */
#include "kernels/cpu/vec/ops.h"

void AS_VARIANT(as_cpu_overlay)(as_backend *table)
{
    table->matmul = AS_VARIANT(matmul);
    table->expert_matmul = AS_VARIANT(expert_matmul);
}
