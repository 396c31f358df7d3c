/* expert_combine: the experts' rows added in ascending order of the expert. */
#include "kernels/cpu/vec/ops.h"
#include "kernels/cpu/vec/rows.h"

/* The ranks of row i in ascending order of their experts. */
static void sort_ranks(const int32_t *ids, int64_t count, int64_t *ranks)
{
    for (int64_t k = 0; k < count; k++) {
        int64_t at = k;
        for (; at > 0 && ids[ranks[at - 1]] > ids[k]; at--) ranks[at] = ranks[at - 1];
        ranks[at] = k;
    }
}

static void combine_row(const void *args, int64_t i, int64_t from, int64_t until)
{
    const as_expert_combine_args *e = args;
    int64_t ranks[AS_MOST_RANKS];
    sort_ranks(e->ids + i * e->top_k, e->top_k, ranks);
    float *out = e->out + i * e->out_stride;
    for (int64_t c = from; c < until; c += LANES) {
        int count = (int)as_min_i64(LANES, until - c);
        vf sum = vf_load_part(out + c, count);
        for (int64_t k = 0; k < e->top_k; k++) {
            int64_t pair = i * e->top_k + ranks[k];
            sum = vf_fma(vf_set(e->weights[pair]), vf_load_part(e->x + pair * e->x_stride + c, count), sum);
        }
        vf_store_part(out + c, sum, count);
    }
}

void AS_VARIANT(expert_combine)(const as_exec *exec, const as_expert_combine_args *args)
{
    AS_BUG(args->top_k > AS_MOST_RANKS);
    for_rows(exec, args->n, args->width, args->top_k, false, combine_row, args);
}
