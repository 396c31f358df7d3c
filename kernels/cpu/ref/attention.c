/* The key/value cache and attention over it: the specification in plain C. Scores are computed twice (for
 * the maximum, then for the sum), so that no buffer grows with the context. */
#include <math.h>

#include "kernels/cpu/choice.h"
#include "kernels/cpu/ref/ref.h"

static int64_t cache_row(const as_span *span, const as_kv_layer *cache, int64_t position, int64_t head)
{
    int64_t page = span->pages[position / AS_PAGE_TOKENS];
    return (page * cache->kv_heads + head) * AS_PAGE_TOKENS + position % AS_PAGE_TOKENS;
}

static void kv_store_span(void *context, int64_t s, int worker)
{
    (void)worker;
    const as_kv_store_args *a = context;
    const as_kv_layer *cache = a->cache;
    const as_span *span = &a->spans[s];
    int64_t size = as_dtype_bytes(cache->dtype);
    for (int64_t i = 0; i < span->count; i++) {
        for (int64_t g = 0; g < cache->kv_heads; g++) {
            int64_t row = cache_row(span, cache, span->position + i, g);
            const float *k = a->k + (span->first + i) * a->k_stride + g * cache->k_width;
            as_convert_from_f32(cache->dtype, k, cache->k + row * cache->k_width * size, cache->k_width);
            if (cache->v == cache->k) continue;
            const float *v = a->v + (span->first + i) * a->v_stride + g * cache->v_width;
            as_convert_from_f32(cache->dtype, v, cache->v + row * cache->v_width * size, cache->v_width);
        }
    }
}

void kv_store_ref(const as_exec *exec, const as_kv_store_args *args)
{
    as_pool_for(exec->pool, args->span_count, kv_store_span, (void *)args);
}

/* One query row of one head against its visible keys. */
typedef struct query {
    const as_attention_args *args;
    const as_span *span;
    const float *q;
    const int32_t *keys;        /* [key_count] or NULL */
    const float *distance_bias; /* [distances] or NULL */
    int64_t head, position;
    float sink; /* minus infinity: none */
} query;

static float rounded(float x)
{
    return as_f32_from_bf16(as_bf16_from_f32(x));
}

static double score(const query *u, int64_t j)
{
    const as_attention_args *a = u->args;
    const as_kv_layer *cache = a->cache;
    int64_t row = cache_row(u->span, cache, j, u->head / (a->heads / cache->kv_heads));
    double sum = 0;
    for (int64_t c = 0; c < cache->k_width; c++) {
        sum += (double)u->q[c] * as_ref_element(cache->dtype, cache->k, row * cache->k_width + c);
    }
    sum *= a->scale;
    if (a->softcap > 0) sum = a->softcap * tanh(sum / a->softcap);
    if (a->alibi && a->alibi_rounded != 0) {
        float slope = a->alibi[u->head];
        sum += a->alibi_rounded * ((double)rounded(slope * (float)j) - rounded(slope * (float)u->position));
    } else if (a->alibi) {
        sum += a->alibi[u->head] * (double)(j - u->position);
    }
    if (a->key_bias) {
        int64_t at = cache_row(u->span, a->key_bias, j, 0) * a->key_bias->k_width;
        sum +=
            as_ref_element(a->key_bias->dtype, a->key_bias->k, at + u->head / (a->heads / cache->kv_heads));
    }
    if (a->distance_bias && u->position - j < a->distances) sum += u->distance_bias[u->position - j];
    return sum;
}

/* Whether the row's list has the key, or there is no list; a key of the prompt where that is kept. */
static bool listed(const query *u, int64_t key)
{
    const as_attention_args *a = u->args;
    if (a->keeps_prompt) return key < u->span->prompt || key >= as_first_visible(u->position, a->window, 0);
    if (!u->keys) return true;
    for (int64_t i = 0; i < u->args->key_count && u->keys[i] <= key; i++) {
        if (u->keys[i] == key) return true;
    }
    return false;
}

static void attend(const query *u, double *sums, float *out, float *lse)
{
    const as_attention_args *a = u->args;
    const as_kv_layer *cache = a->cache;
    int64_t first = a->keeps_prompt ? 0 : as_first_visible(u->position, a->window, a->chunk);
    int64_t stride = as_kv_v_stride(cache);
    int64_t last = as_last_visible(u->position, a->every);
    double largest = u->sink;
    for (int64_t j = first; j <= last; j++) {
        if (!listed(u, j)) continue;
        double s = score(u, j);
        if (s > largest) largest = s;
    }
    double denominator = a->sinks ? exp(u->sink - largest) : 0;
    for (int64_t c = 0; c < cache->v_width; c++) sums[c] = 0;
    for (int64_t j = first; j <= last; j++) {
        if (!listed(u, j)) continue;
        double p = exp(score(u, j) - largest);
        int64_t row = cache_row(u->span, cache, j, u->head / (a->heads / cache->kv_heads));
        denominator += p;
        for (int64_t c = 0; c < cache->v_width; c++) {
            sums[c] += p * as_ref_element(cache->dtype, cache->v, row * stride + c);
        }
    }
    bool none = lse && denominator == 0;
    for (int64_t c = 0; c < cache->v_width; c++) out[c] = none ? 0 : (float)(sums[c] / denominator);
    if (lse) *lse = none ? -INFINITY : (float)(largest + log(denominator));
}

typedef struct attention_job {
    const as_exec *exec;
    const as_attention_args *args;
    const as_span *span;
} attention_job;

static void attention_row(void *context, int64_t i, int worker)
{
    const attention_job *job = context;
    const as_attention_args *a = job->args;
    int64_t row = job->span->first + i / a->heads, head = i % a->heads;
    query u = {
        .args = a,
        .span = job->span,
        .q = a->q + row * a->q_stride + head * a->cache->k_width,
        .keys = a->keys ? a->keys + row * a->key_stride +
                              head / (a->heads / a->cache->kv_heads) * a->key_head_stride
                        : NULL,
        .distance_bias =
            a->distance_bias ? a->distance_bias + row * a->distance_stride + head * a->distances : NULL,
        .head = head,
        .position = job->span->position + i / a->heads,
        .sink = a->sinks ? a->sinks[row * a->sink_stride + head] : -INFINITY,
    };
    double *sums = (double *)as_exec_scratch(job->exec, worker);
    attend(&u, sums, a->out + row * a->out_stride + head * a->cache->v_width,
           a->lse ? a->lse + row * a->heads + head : NULL);
}

void attention_ref(const as_exec *exec, const as_attention_args *args)
{
    for (int64_t s = 0; s < args->span_count; s++) {
        attention_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count * args->heads, attention_row, &job);
    }
}

typedef struct index_job {
    const as_exec *exec;
    const as_index_keys_args *args;
    const as_span *span;
} index_job;

static float index_score(const index_job *job, int64_t row, int64_t key)
{
    const as_index_keys_args *a = job->args;
    const as_kv_layer *cache = a->cache;
    int64_t at = cache_row(job->span, cache, key, 0) * cache->k_width;
    double score = 0;
    for (int64_t h = 0; h < a->heads; h++) {
        const float *q = a->q + row * a->q_stride + h * cache->k_width;
        double sum = 0;
        for (int64_t c = 0; c < cache->k_width; c++) {
            sum += (double)q[c] * as_ref_element(cache->dtype, cache->k, at + c);
        }
        if (!(sum <= 0)) score += sum * a->weights[row * a->weight_stride + h];
    }
    return (float)score;
}

static void index_row(void *context, int64_t i, int worker)
{
    const index_job *job = context;
    const as_index_keys_args *a = job->args;
    int64_t row = job->span->first + i, last = as_last_visible(job->span->position + i, a->every);
    int64_t first = as_first_visible(last, a->window, 0);
    int64_t count = as_ranked_count(job->span, a->every, last + 1);
    int32_t *out = a->keys + row * a->key_stride;
    void *room = as_exec_scratch(job->exec, worker);
    if (count <= AS_MOST_RANKED || last - first < a->top) {
        as_ranked *list = room;
        for (int64_t j = first; j <= last && last - first >= a->top; j++)
            list[j].score = index_score(job, row, j);
        as_choose_ranked(list, first, last + 1, count, a->top, out);
        return;
    }
    as_choice choice = as_choice_begin(a->top, room);
    for (int64_t j = first; j <= last; j++) as_choice_add(&choice, index_score(job, row, j), (int32_t)j);
    as_choice_end(&choice, out);
}

void index_keys_ref(const as_exec *exec, const as_index_keys_args *args)
{
    for (int64_t s = 0; s < args->span_count; s++) {
        index_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count, index_row, &job);
    }
}

typedef struct run_job {
    const as_exec *exec;
    const as_index_runs_args *args;
    const as_span *span;
} run_job;

static double key_product(const run_job *job, const float *q, int64_t key)
{
    const as_kv_layer *cache = job->args->cache;
    int64_t at = cache_row(job->span, cache, key, 0) * cache->k_width;
    double sum = 0;
    for (int64_t c = 0; c < cache->k_width; c++) {
        sum += (double)q[c] * as_ref_element(cache->dtype, cache->k, at + c);
    }
    return sum;
}

static void run_row(void *context, int64_t i, int worker)
{
    const run_job *job = context;
    const as_index_runs_args *a = job->args;
    int64_t row = i / a->heads, head = i % a->heads, at = job->span->first + row;
    const float *q = a->q + at * a->q_stride + head * a->cache->k_width;
    as_run_choice choice = as_run_choice_begin(a, job->span, row, as_exec_scratch(job->exec, worker));
    for (int64_t run = 0; run < choice.runs && as_run_choice_is_needed(&choice); run++) {
        float best = -INFINITY;
        for (int64_t j = run * a->every; j < (run + 1) * a->every && j <= choice.position; j++) {
            best = fmaxf(best, (float)key_product(job, q, j));
        }
        as_run_choice_add(&choice, run, best);
    }
    as_run_choice_end(&choice, a->keys + at * a->key_stride + head * a->key_head_stride);
}

void index_runs_ref(const as_exec *exec, const as_index_runs_args *args)
{
    for (int64_t s = 0; s < args->span_count; s++) {
        run_job job = {.exec = exec, .args = args, .span = &args->spans[s]};
        as_pool_for(exec->pool, job.span->count * args->heads, run_row, &job);
    }
}
