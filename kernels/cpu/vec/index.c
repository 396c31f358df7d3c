/* index_keys, index_runs: keys lie across the lanes, as in attention; a score of the first sums over the
 * heads in ascending order. */
#include <math.h>

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

/* Takes one score after another. */
typedef struct score_sink {
    as_ranked *list; /* NULL: the choice */
    as_choice choice;
} score_sink;

static void score_keys(const index_job *job, int64_t row, int64_t low, int64_t high, float *room,
                       score_sink *to)
{
    const as_index_keys_args *a = job->args;
    as_attention_args keys = {.cache = a->cache};
    query_tile t = {.args = &keys, .span = job->span, .keys = room};
    float scores[PAGE];
    t.scores = t.keys + a->cache->k_width * PAGE;
    t.values = t.scores;
    for (int64_t page = low / PAGE; page * PAGE < high; page++) {
        int64_t end = as_min_i64(PAGE, high - page * PAGE);
        load_page(&t, page, (page + 1) * PAGE < high ? page + 1 : -1, 0, end);
        score_page(a, &t, row, end, scores);
        for (int64_t slot = as_max_i64(0, low - page * PAGE); slot < end; slot++) {
            int64_t key = page * PAGE + slot;
            if (to->list) {
                to->list[key].score = scores[slot];
            } else {
                as_choice_add(&to->choice, scores[slot], (int32_t)key);
            }
        }
    }
}

static int64_t ranked_bytes(int64_t count)
{
    return (as_ranked_bytes(count) + 63) / 64 * 64;
}

static int64_t choice_bytes(int64_t top)
{
    return (as_choice_bytes(top) + 63) / 64 * 64;
}

static void index_row(void *context, int64_t i, int worker)
{
    const index_job *job = context;
    const as_index_keys_args *a = job->args;
    int64_t row = job->span->first + i, high = as_last_visible(job->span->position + i, a->every) + 1;
    int64_t low = as_first_visible(high - 1, a->window, 0);
    int64_t count = as_ranked_count(job->span, a->every, high);
    int32_t *out = a->keys + row * a->key_stride;
    unsigned char *room = as_exec_scratch(job->exec, worker);
    bool ranked = high - low <= a->top || count <= AS_MOST_RANKED;
    score_sink to = {.list = ranked ? (as_ranked *)(void *)room : NULL};
    if (!ranked) to.choice = as_choice_begin(a->top, room);
    int64_t used = ranked ? ranked_bytes(as_min_i64(count, AS_MOST_RANKED)) : choice_bytes(a->top);
    if (high - low > a->top) score_keys(job, row, low, high, (float *)(void *)(room + used), &to);
    if (ranked) {
        as_choose_ranked(to.list, low, high, count, a->top, out);
    } else {
        as_choice_end(&to.choice, out);
    }
}

void AS_VARIANT(index_keys)(const as_exec *exec, const as_index_keys_args *args)
{
    int64_t floats = (args->cache->k_width + args->heads) * PAGE;
    AS_BUG(args->cache->kv_heads != 1 || args->top > AS_MOST_INDEX_KEYS);
    int64_t lists = as_max_i64(choice_bytes(args->top), ranked_bytes(AS_MOST_RANKED));
    AS_BUG(lists + floats * (int64_t)sizeof(float) > AS_SCRATCH_BYTES);
    for (int64_t s = 0; s < args->span_count; s++) {
        index_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count, index_row, &job);
    }
}

/* ---- runs ------------------------------------------------------------------------------------------------
 */

typedef struct run_job {
    const as_exec *exec;
    const as_index_runs_args *args;
    const as_span *span;
} run_job;

/* Gives the best score of each run that the row sees. */
static void score_runs(const run_job *job, const float *q, float *room, as_run_choice *to)
{
    const as_kv_layer *cache = job->args->cache;
    as_attention_args keys = {.cache = cache};
    query_tile t = {.args = &keys, .span = job->span, .keys = room};
    t.scores = t.keys + cache->k_width * PAGE;
    t.values = t.scores;
    int64_t high = to->position + 1, every = job->args->every, left = every, run = 0;
    float best = -INFINITY;
    for (int64_t page = 0; page * PAGE < high; page++) {
        int64_t end = as_min_i64(PAGE, high - page * PAGE);
        load_page(&t, page, (page + 1) * PAGE < high ? page + 1 : -1, 0, end);
        update products = {.a = q,
                           .b = t.keys,
                           .c = t.scores,
                           .a_stride = cache->k_width,
                           .b_stride = PAGE,
                           .c_stride = PAGE,
                           .depth = cache->k_width,
                           .soon = &t.keys_soon};
        update_all(1, as_ceil_div(end, LANES), &products);
        for (int64_t slot = 0; slot < end; slot++) {
            best = fmaxf(best, t.scores[slot]);
            if (--left) continue;
            as_run_choice_add(to, run++, best);
            best = -INFINITY;
            left = every;
        }
    }
    if (left < every) as_run_choice_add(to, run, best);
}

static void run_row(void *context, int64_t i, int worker)
{
    const run_job *job = context;
    const as_index_runs_args *a = job->args;
    int64_t row = i / a->heads, head = i % a->heads, at = job->span->first + row;
    unsigned char *room = as_exec_scratch(job->exec, worker);
    as_run_choice choice = as_run_choice_begin(a, job->span, row, room);
    if (as_run_choice_is_needed(&choice)) {
        int64_t used = (as_run_choice_bytes(a->top) + 63) / 64 * 64;
        score_runs(job, a->q + at * a->q_stride + head * a->cache->k_width, (float *)(void *)(room + used),
                   &choice);
    }
    as_run_choice_end(&choice, a->keys + at * a->key_stride + head * a->key_head_stride);
}

void AS_VARIANT(index_runs)(const as_exec *exec, const as_index_runs_args *args)
{
    int64_t floats = (args->cache->k_width + 1) * PAGE;
    AS_BUG(args->cache->kv_heads != 1 || args->top * args->every > AS_MOST_INDEX_KEYS);
    AS_BUG(as_run_choice_bytes(args->top) + 64 + floats * (int64_t)sizeof(float) > AS_SCRATCH_BYTES);
    for (int64_t s = 0; s < args->span_count; s++) {
        run_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count * args->heads, run_row, &job);
    }
}
