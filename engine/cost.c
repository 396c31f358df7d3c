/* What computing costs: operations and bytes from the spec. */
#include "engine/kv.h"

/* Sum over rows first..first+count-1 of the keys that each sees. */
static double keys_seen(int64_t first, int64_t count, int64_t window)
{
    double keys = 0;
    int64_t full =
        window && first + count > window ? window - first : count; /* rows that see all before them */
    if (full < 0) full = 0;
    if (full > count) full = count;
    keys += (double)full * ((double)first + ((double)full + 1) / 2);
    return keys + (double)(count - full) * (double)window;
}

double as_model_operations(const as_model *m, int64_t first, int64_t count)
{
    const as_model_spec *spec = &m->spec;
    double products = (double)spec->hidden * (double)spec->vocab;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_cost cost = step->block->cost(spec, step);
            products += (double)count * (cost.products + 2 * (double)(step->in_gate.rank * spec->hidden));
            if (cost.key_products > 0) products += keys_seen(first, count, cost.window) * cost.key_products;
        }
    }
    return 2 * products;
}

double as_model_cache_bytes(const as_model *m, int64_t tokens, int64_t sequences, int element)
{
    const as_model_spec *spec = &m->spec;
    double numbers = 0;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            as_block_needs needs = as_step_needs(spec, &spec->layers[i].steps[s]);
            int64_t width = as_block_cache_width(&needs), entries = as_block_entry_width(&needs);
            if (width == 0) continue;
            int64_t window = as_kv_window(spec, i, s);
            int64_t rows = as_session_default_chunk(spec, sequences);
            int64_t held = as_kv_held_tokens(window, tokens, sequences, rows);
            numbers += (double)held * (double)(width - entries);
            numbers += (double)(tokens * sequences) * (double)entries; /* no window limits those */
        }
    }
    return numbers * element;
}

double as_model_step_bytes(const as_model *m, int64_t position, int64_t batch)
{
    const as_model_spec *spec = &m->spec;
    double embed = (double)(as_dtype_span(m->embed.dtype, spec->vocab * spec->hidden));
    double bytes = (double)m->info.weight_bytes - (spec->tied_head ? 0 : embed);
    double share = m->info.parameters > 0 ? (double)m->info.weight_bytes / (double)m->info.parameters : 0;
    if (batch == 1) bytes -= share * (double)(m->info.parameters - m->info.active_parameters);
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_needs needs = as_step_needs(spec, step);
            as_block_cost cost = step->block->cost(spec, step);
            int64_t window = cost.window;
            bytes -= cost.table * share;
            double keys = (double)(window && position + 1 > window ? window : position + 1);
            bytes += (double)batch * 2 * keys * (double)as_block_cache_width(&needs);
            for (int p = 0; p < AS_MAX_STATES; p++) bytes += (double)batch * 8 * (double)needs.state[p];
        }
    }
    return bytes;
}
