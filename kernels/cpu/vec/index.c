/* index_keys: keys lie across the lanes, as in attention; a score sums over the heads in ascending order. */
#include "kernels/cpu/choice.h"
#include "kernels/cpu/vec/attention_page.h"
#include "kernels/cpu/vec/ops.h"

typedef struct index_job {
    const as_exec *exec;
    const as_index_keys_args *args;
    const as_span *span;
} index_job;

/* Scores of the page's slots below `end`. */
static void score_page(const as_index_keys_args *a, query_tile *t, int64_t row, int64_t end, float *out)
{
    int64_t width = a->cache->k_width;
    const float *weights = a->weights + row * a->weight_stride;
    update products = {.a = a->q + row * a->q_stride,
                       .b = t->keys,
                       .c = t->scores,
                       .a_stride = width,
                       .b_stride = PAGE,
                       .c_stride = PAGE,
                       .depth = width,
                       .soon = &t->keys_soon};
    update_all(a->heads, as_ceil_div(end, LANES), &products);
    for (int64_t slot = 0; slot < end; slot += LANES) {
        vf sum = vf_zero();
        for (int64_t h = 0; h < a->heads; h++) {
            vf product = vf_max(vf_zero(), vf_load(t->scores + h * PAGE + slot)); /* keeps NaN */
            sum = vf_fma(vf_set(weights[h]), product, sum);
        }
        vf_store(out + slot, sum);
    }
}

static void index_row(void *context, int64_t i, int worker)
{
    const index_job *job = context;
    const as_index_keys_args *a = job->args;
    int64_t row = job->span->first + i, count = as_last_visible(job->span->position + i, a->every) + 1;
    int64_t low = as_first_visible(count - 1, a->window, 0), seen = count - low;
    unsigned char *room = as_exec_scratch(job->exec, worker);
    as_choice choice = as_choice_begin(a->top, room);
    as_attention_args keys = {.cache = a->cache};
    query_tile t = {.args = &keys, .span = job->span};
    float scores[PAGE];
    t.keys = (float *)(void *)(room + (as_choice_bytes(a->top) + 63) / 64 * 64);
    t.scores = t.keys + a->cache->k_width * PAGE;
    t.values = t.scores;
    for (int64_t page = low / PAGE; page * PAGE < count && seen > a->top; page++) {
        int64_t end = as_min_i64(PAGE, count - page * PAGE);
        load_page(&t, page, (page + 1) * PAGE < count ? page + 1 : -1, 0, end);
        score_page(a, &t, row, end, scores);
        for (int64_t slot = as_max_i64(0, low - page * PAGE); slot < end; slot++) {
            as_choice_add(&choice, scores[slot], (int32_t)(page * PAGE + slot));
        }
    }
    for (int64_t j = low; j < count && seen <= a->top; j++) as_choice_add(&choice, 0, (int32_t)j);
    as_choice_end(&choice, a->keys + row * a->key_stride);
}

void AS_VARIANT(index_keys)(const as_exec *exec, const as_index_keys_args *args)
{
    int64_t floats = (args->cache->k_width + args->heads) * PAGE;
    AS_BUG(args->cache->kv_heads != 1 || args->top > AS_MOST_INDEX_KEYS);
    AS_BUG(as_choice_bytes(args->top) + 64 + floats * (int64_t)sizeof(float) > AS_SCRATCH_BYTES);
    for (int64_t s = 0; s < args->span_count; s++) {
        index_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count, index_row, &job);
    }
}
