/* Mamba-2's scan. The states of a channel lie across the lanes, as they lie in memory; four channels of a
 * head go together, so that what a token brings (b, c) is loaded once for them. A head of one span is one
 * piece of work. */
#include "kernels/cpu/vec/math.h"
#include "kernels/cpu/vec/ops.h"

enum { TOKENS = 64, CHANNELS = 4 };

/* Step sizes and decays of up to TOKENS tokens for one head. */
typedef struct head_steps {
    float dt[TOKENS], decay[TOKENS];
} head_steps;

static void make_steps(const as_ssd_scan_args *s, int64_t head, int64_t first, int count, head_steps *out)
{
    float raw[TOKENS] = {0};
    for (int i = 0; i < count; i++) raw[i] = s->dt[(first + i) * s->dt_stride + head];
    vf bias = vf_set(s->dt_bias[head]), a = vf_set(s->a[head]);
    for (int i = 0; i < count; i += LANES) {
        vf dt = vf_softplus(vf_add(vf_load(raw + i), bias));
        dt = vf_min(vf_set(s->dt_most), vf_max(vf_set(s->dt_least), dt));
        vf_store(out->dt + i, dt);
        vf_store(out->decay + i, vf_exp(vf_mul(dt, a)));
    }
}

/* One token of `count` channels whose states lie one behind the other; sums[i] = state . c. */
AS_INLINE void step_channels(int count, int64_t states, float *state, const float *b, const float *c,
                             float decay, const float *dt_x, float *sums)
{
    vf sum[CHANNELS], by[CHANNELS], keep = vf_set(decay);
    for (int i = 0; i < CHANNELS; i++) {
        sum[i] = vf_zero();
        by[i] = i < count ? vf_set(dt_x[i]) : vf_zero();
    }
    int64_t k = 0;
    for (; k + LANES <= states; k += LANES) {
        vf bk = vf_load(b + k), ck = vf_load(c + k);
        for (int i = 0; i < count; i++) {
            float *at = state + i * states + k;
            vf next = vf_fma(keep, vf_load(at), vf_mul(by[i], bk));
            vf_store(at, next);
            sum[i] = vf_fma(next, ck, sum[i]);
        }
    }
    if (k < states) {
        int rest = (int)(states - k);
        vf bk = vf_load_part(b + k, rest), ck = vf_load_part(c + k, rest);
        for (int i = 0; i < count; i++) {
            float *at = state + i * states + k;
            vf next = vf_fma(keep, vf_load_part(at, rest), vf_mul(by[i], bk));
            vf_store_part(at, next, rest);
            sum[i] = vf_fma(next, ck, sum[i]);
        }
    }
    vf_sum4(sum, sums);
}

AS_INLINE void scan_channels(const as_ssd_scan_args *s, int64_t head, int64_t channel, int channels,
                             float *state, int64_t first, int tokens, const head_steps *steps)
{
    int64_t group = head / (s->heads / s->groups) * s->states;
    for (int t = 0; t < tokens; t++) {
        int64_t row = first + t;
        const float *x = s->x + row * s->x_stride + channel;
        float *out = s->out + row * s->out_stride + channel;
        float dt_x[CHANNELS], sums[CHANNELS];
        for (int i = 0; i < channels; i++) dt_x[i] = steps->dt[t] * x[i];
        step_channels(channels, s->states, state, s->b + row * s->b_stride + group,
                      s->c + row * s->c_stride + group, steps->decay[t], dt_x, sums);
        for (int i = 0; i < channels; i++) out[i] = fmaf(s->d[head], x[i], sums[i]);
    }
}

static void scan_head(void *context, int64_t at, int worker)
{
    (void)worker;
    const as_ssd_scan_args *s = context;
    const as_span *span = &s->spans[at / s->heads];
    int64_t head = at % s->heads;
    float *state = s->state + (span->state * s->heads + head) * s->width * s->states;
    for (int64_t done = 0; done < span->count; done += TOKENS) {
        head_steps steps;
        int64_t first = span->first + done;
        int tokens = (int)as_min_i64(TOKENS, span->count - done);
        make_steps(s, head, first, tokens, &steps);
        int64_t p = 0;
        for (; p + CHANNELS <= s->width; p += CHANNELS) {
            scan_channels(s, head, head * s->width + p, CHANNELS, state + p * s->states, first, tokens,
                          &steps);
        }
        for (; p < s->width; p++) {
            scan_channels(s, head, head * s->width + p, 1, state + p * s->states, first, tokens, &steps);
        }
    }
}

void AS_VARIANT(ssd_scan)(const as_exec *exec, const as_ssd_scan_args *args)
{
    as_pool_for(exec->pool, args->span_count * args->heads, scan_head, (void *)args);
}
