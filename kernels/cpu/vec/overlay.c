/* The table of the level: every operation but `route`, whose few scores per row gain nothing from vectors. */
#include "kernels/cpu/vec/ops.h"

void AS_VARIANT(as_cpu_overlay)(as_backend *table)
{
    table->embed = AS_VARIANT(embed);
    table->norm = AS_VARIANT(norm);
    table->matmul = AS_VARIANT(matmul);
    table->rope = AS_VARIANT(rope);
    table->kv_store = AS_VARIANT(kv_store);
    table->attention = AS_VARIANT(attention);
    table->gate = AS_VARIANT(gate);
    table->add = AS_VARIANT(add);
    table->cap = AS_VARIANT(cap);
    table->expert_matmul = AS_VARIANT(expert_matmul);
    table->expert_combine = AS_VARIANT(expert_combine);
    table->conv1d = AS_VARIANT(conv1d);
    table->selective_scan = AS_VARIANT(selective_scan);
    table->quantize_rows = AS_VARIANT(quantize_rows);
}
