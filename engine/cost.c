/* What computing costs: operations and bytes from the spec. */
#include <math.h>

#include "engine/model.h"

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

/* Multiply-adds of one row in a step's matrices. */
static double step_products(const as_model_spec *spec, const as_step *step)
{
    double hidden = (double)spec->hidden;
    if (step->block == &as_block_attention) {
        const as_attention_spec *a = &step->u.attention;
        double q = (double)(a->heads * a->k_width), k = (double)(a->kv_heads * a->k_width);
        double v = (double)(a->kv_heads * a->v_width), out = (double)(a->heads * a->v_width);
        return hidden * (q + k + v + out);
    }
    if (step->block == &as_block_mlp) return hidden * (double)step->u.mlp.width * (step->u.mlp.gated ? 3 : 2);
    if (step->block == &as_block_moe) {
        const as_moe_spec *m = &step->u.moe;
        return hidden * ((double)m->experts + 3.0 * (double)(m->top_k * m->width));
    }
    const as_mamba_spec *m = &step->u.mamba;
    double width = (double)m->width, states = (double)m->states;
    return hidden * 3 * width + width * (2 * (double)m->dt_rank + 2 * states + (double)m->taps + 3 * states);
}

double as_model_operations(const as_model *m, int64_t first, int64_t count)
{
    const as_model_spec *spec = &m->spec;
    double products = (double)spec->hidden * (double)spec->vocab;
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            products += (double)count * step_products(spec, step);
            if (step->block != &as_block_attention) continue;
            const as_attention_spec *a = &step->u.attention;
            products += keys_seen(first, count, a->window) * (double)(a->heads * (a->k_width + a->v_width));
        }
    }
    return 2 * products;
}

double as_model_step_bytes(const as_model *m, int64_t position, int64_t batch)
{
    const as_model_spec *spec = &m->spec;
    double embed = (double)(spec->vocab * spec->hidden * as_dtype_bytes(m->embed.dtype));
    double bytes = (double)m->info.weight_bytes - (spec->tied_head ? 0 : embed);
    double experts = m->info.parameters > 0 ? (double)m->info.weight_bytes / (double)m->info.parameters : 0;
    if (batch == 1) bytes -= experts * (double)(m->info.parameters - m->info.active_parameters);
    for (int64_t i = 0; i < spec->layer_count; i++) {
        for (int s = 0; s < spec->layers[i].step_count; s++) {
            const as_step *step = &spec->layers[i].steps[s];
            as_block_needs needs = step->block->needs(spec, step);
            int64_t window = step->block == &as_block_attention ? step->u.attention.window : 0;
            double keys = (double)(window && position + 1 > window ? window : position + 1);
            bytes += (double)batch * 2 * keys * (double)(needs.kv_heads * (needs.k_width + needs.v_width));
            for (int p = 0; p < AS_MAX_STATES; p++) bytes += (double)batch * 8 * (double)needs.state[p];
        }
    }
    return bytes;
}
