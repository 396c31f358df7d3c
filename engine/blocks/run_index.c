/* An index over runs of keys; see run_index.h. */
#include "engine/blocks/run_index.h"

#include <string.h>

int64_t as_run_index_lists(const as_run_index_spec *r, int64_t kv_heads)
{
    int64_t lists = kv_heads;
    while (lists % r->heads) lists += kv_heads;
    return lists;
}

as_code as_bind_run_index(as_binder *binder, const as_model_spec *spec, const as_run_index_spec *r,
                          as_run_index_weights *w, as_error *err)
{
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_Q, r->heads * r->width, spec->hidden, false, &w->q, err));
    AS_TRY(as_bind_linear(binder, AS_SLOT_INDEX_K, r->width, spec->hidden, false, &w->k, err));
    AS_TRY(as_bind_norm(binder, &r->q_norm, r->width, &w->q_norm, err));
    return as_bind_norm(binder, &r->k_norm, r->width, &w->k_norm, err);
}

void as_run_index_needs(const as_model_spec *spec, const as_run_index_spec *r, int64_t lists,
                        as_block_needs *needs)
{
    needs->index_width = r->width;
    needs->row +=
        lists * as_run_index_keys(r) + (r->heads + 1) * r->width + as_pass_linear_needs(spec->hidden);
}

/* The list of each head of the index, [N, heads] in the places of its first one, to its others. */
static void spread(const as_pass *pass, const as_run_index_spec *r, int64_t lists, int32_t *keys)
{
    int64_t width = as_run_index_keys(r), times = lists / r->heads;
    for (int64_t i = 0; i < pass->rows * lists; i++) {
        int64_t own = i % times;
        if (own) memcpy(keys + i * width, keys + (i - own) * width, (size_t)width * sizeof *keys);
    }
}

const int32_t *as_pass_run_index(as_pass *pass, const as_run_index_spec *r, const as_run_index_weights *w,
                                 int64_t lists, const float *x)
{
    int64_t all = r->heads * r->width, hidden = pass->spec->hidden, width = as_run_index_keys(r);
    int32_t *keys = (int32_t *)(void *)as_pass_floats(pass, pass->rows * lists * width);
    int64_t mark = pass->work_used;
    float *q = as_pass_floats(pass, pass->rows * all), *k = as_pass_floats(pass, pass->rows * r->width);
    as_pass_linear(pass, &w->q, x, hidden, q, all);
    as_pass_linear(pass, &w->k, x, hidden, k, r->width);
    as_pass_norm(pass, &r->q_norm, &w->q_norm, q, all, q, all, r->heads, r->width);
    as_pass_norm(pass, &r->k_norm, &w->k_norm, k, r->width, k, r->width, 1, r->width);
    as_pass_rope_at(pass, r->rope, q, r->heads, r->width, 0);
    as_pass_rope_at(pass, r->rope, k, 1, r->width, 0);
    as_pass_store_keys(pass, pass->index, k, r->width, pass->spans);
    pass->ops->index_runs(&pass->exec, &(as_index_runs_args){.cache = pass->index,
                                                             .q = q,
                                                             .q_stride = all,
                                                             .heads = r->heads,
                                                             .top = r->top,
                                                             .every = r->every,
                                                             .local = r->local,
                                                             .keys = keys,
                                                             .key_stride = lists * width,
                                                             .key_head_stride = lists / r->heads * width,
                                                             .spans = pass->spans,
                                                             .span_count = pass->span_count});
    spread(pass, r, lists, keys);
    pass->work_used = mark;
    return keys;
}
