/* The table of the level: every operation but those that gain nothing from vectors. */
#include "kernels/cpu/vec/ops.h"

void AS_VARIANT(as_cpu_overlay)(as_backend *table)
{
    table->embed = AS_VARIANT(embed);
    table->norm = AS_VARIANT(norm);
    table->matmul = AS_VARIANT(matmul);
    table->rope = AS_VARIANT(rope);
    table->kv_store = AS_VARIANT(kv_store);
    table->attention = AS_VARIANT(attention);
    table->index_keys = AS_VARIANT(index_keys);
    table->index_runs = AS_VARIANT(index_runs);
    table->head_matmul = AS_VARIANT(head_matmul);
    table->gate = AS_VARIANT(gate);
    table->add = AS_VARIANT(add);
    table->cap = AS_VARIANT(cap);
    table->expert_matmul = AS_VARIANT(expert_matmul);
    table->expert_combine = AS_VARIANT(expert_combine);
    table->conv1d = AS_VARIANT(conv1d);
    table->selective_scan = AS_VARIANT(selective_scan);
    table->ssd_scan = AS_VARIANT(ssd_scan);
    table->rglru_scan = AS_VARIANT(rglru_scan);
    table->mix = AS_VARIANT(mix);
    table->decay = AS_VARIANT(decay);
    table->wkv4 = AS_VARIANT(wkv4);
    table->state_scan = AS_VARIANT(state_scan);
    table->quantize_rows = AS_VARIANT(quantize_rows);
}
