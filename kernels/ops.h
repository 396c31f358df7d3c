/* The operations that a model is made of, and the backend that carries them out.
 *
 * Letters: N rows (tokens of the batch), D model width, H query heads, G key/value heads, K keys. Activations
 * are float32, row-major, with a stride in elements where it can differ from the width. Weights are
 * as_matrix, read in their own type inside the product; accumulation is float32 throughout. Pointers are the
 * backend's memory.
 *
 * Two rules hold for every operation of every backend:
 *   - Row independence: what is written for one row (or one sequence) has the same bits whatever the other
 *     rows, their number, the number of threads and the split into calls. Sums run in an order that depends
 * on the widths and on absolute key positions alone. (AS_QUANT_TENSOR in quantize_rows is the one exception:
 *     its scale is defined over all rows.)
 *   - cpu/ref is the specification: another variant may order sums otherwise (its own fixed order) and agrees
 *     within the tolerance given.
 *
 * Operations cannot fail: shapes are checked when a model is loaded. They do not allocate: each worker has
 * AS_SCRATCH_BYTES of scratch in as_exec. */
#ifndef AS_KERNELS_OPS_H
#define AS_KERNELS_OPS_H

#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/dtype.h"

enum {
    AS_SCRATCH_BYTES = 4 << 20, /* per worker, 64-byte aligned */
    AS_PAGE_TOKENS = 64,        /* tokens in one page of the key/value cache */
};

/* What an operation runs on. */
typedef struct as_exec {
    as_pool *pool;          /* NULL: the caller alone */
    unsigned char *scratch; /* AS_SCRATCH_BYTES for each worker of the pool */
} as_exec;

/* How a matrix's stored numbers become its values. */
typedef enum {
    AS_SCALE_NONE,
    AS_SCALE_TENSOR, /* scales[0] */
    AS_SCALE_ROW,    /* scales[row] */
    AS_SCALE_BLOCK,  /* scales[row / block_rows][col / block_cols], row-major, ceil(cols/block_cols) wide */
    AS_SCALE_POWERS, /* 2^(powers[row * power_stride + col / 32] - 127): e8m0 */
} as_scale_kind;

/* A weight matrix [rows, cols]: output features by input features, as checkpoints store a linear layer. */
typedef struct as_matrix {
    as_dtype dtype; /* F32, F16, BF16, E4M3, Q8_0 or E2M1 (stride a multiple of the block) */
    as_scale_kind scale;
    int64_t rows, cols;
    int64_t stride;                 /* elements from one row to the next, at least cols */
    const void *data;               /* no alignment beyond the element's is promised */
    const float *scales;            /* NULL for AS_SCALE_NONE */
    int64_t block_rows, block_cols; /* for AS_SCALE_BLOCK */
    const uint8_t *powers;          /* for AS_SCALE_POWERS */
    int64_t power_stride;
} as_matrix;

typedef enum {
    AS_ACT_NONE, /* identity */
    AS_ACT_SILU,
    AS_ACT_GELU,       /* exact, by erf */
    AS_ACT_GELU_TANH,  /* 0.5x(1+tanh(sqrt(2/pi)(x+0.044715x^3))) */
    AS_ACT_GELU_QUICK, /* x sigmoid(1.702x) */
    AS_ACT_RELU,
    AS_ACT_RELU2, /* relu(x)^2 */
    AS_ACT_SIGMOID,
    AS_ACT_TANH,
    AS_ACT_SOFTPLUS,
    AS_ACT_GELU_CLIPPED,  /* gelu, kept within -10 to 10 */
    AS_ACT_HARDSWISH,     /* x min(max(x + 3, 0), 6) / 6 */
    AS_ACT_LAPLACE,       /* 0.5 (1 + erf((x - 0.707107) / (0.282095 sqrt 2))) */
    AS_ACT_LEAKY_RELU,    /* x, or 0.01 x below 0 */
    AS_ACT_MISH,          /* x tanh(softplus(x)) */
    AS_ACT_RELU6,         /* min(max(x, 0), 6) */
    AS_ACT_SQRT_SOFTPLUS, /* sqrt(ln(1 + e^x)) */
    AS_ACT_COUNT
} as_activation;

/* out[i,:] = scale * matrix[tokens[i],:]. Exact up to one rounding. tokens are within rows. */
typedef struct as_embed_args {
    const as_matrix *matrix; /* [vocab, D] */
    const int32_t *tokens;   /* [N] */
    int64_t n;
    float scale;
    float *out; /* [N, D] */
    int64_t out_stride;
} as_embed_args;

typedef enum { AS_NORM_RMS, AS_NORM_LAYER, AS_NORM_L2 } as_norm_kind;

/* Each row holds `groups` vectors of `width`, one behind the other, each normalised alone:
 *   RMS:   x / sqrt(mean(x^2) + eps) * (weight + weight_offset)
 *   LAYER: (x - mean) / sqrt(var + eps) * (weight + weight_offset) + bias
 *   L2:    x / sqrt(sum(x^2) + eps) * (weight + weight_offset)
 * weight [width], or [groups, width] when weight_per_group; NULL: one. bias likewise; NULL: none.
 * in == out is allowed. Tolerance 1e-6 of the larger of the terms subtracted or added. */
typedef struct as_norm_args {
    as_norm_kind kind;
    const float *in;
    float *out;
    int64_t n, groups, width;
    int64_t in_stride, out_stride;
    const float *weight, *bias;
    float weight_offset, eps;
    bool weight_per_group;
} as_norm_args;

/* out[n, rows] = x[n, cols] * w^T (+ bias) (+ out where accumulate).
 * x_scale: NULL, or the scales of quantize_rows: the product is of the rounded numbers, then times the row's
 * scale (x_scale[n], x_block 0) or, block by block of x_block columns, x_scale[n * ceil(cols/x_block) + b].
 * Tolerance: 2e-6 * sum |x||w|. */
typedef struct as_matmul_args {
    const as_matrix *w;
    const float *x;
    int64_t n, x_stride;
    const float *bias; /* [rows] or NULL */
    float *out;
    int64_t out_stride;
    bool accumulate;
    const float *x_scale;
    int64_t x_block;
} as_matmul_args;

typedef enum {
    AS_ROPE_HALF,       /* pairs (i, i + rotary/2): Llama, NeoX */
    AS_ROPE_INTERLEAVED /* pairs (2i, 2i + 1): GPT-J, GLM */
} as_rope_kind;

/* Rotates the `rotary` elements of each head that begin at `offset`, in place: (a, b) becomes
 * (a cos - b sin, b cos + a sin), with cos and sin [N, rotary/2] already computed for each row's position
 * (attention factors folded in). */
typedef struct as_rope_args {
    as_rope_kind kind;
    float *x; /* [N, heads, width] */
    int64_t n, heads, width, stride, offset, rotary;
    const float *cos, *sin;
} as_rope_args;

/* One layer's key/value cache: pages of AS_PAGE_TOKENS tokens, each [G, AS_PAGE_TOKENS, width], so that a
 * head's keys lie one behind the other. A sequence's page table is shared by all layers. dtype F32, F16, BF16
 * or E4M3 (scale 1, saturating, as servers store it). v may be k: then the values are the first v_width
 * elements of the keys, and kv_store writes the keys alone (v_width 0: there are no values). */
typedef struct as_kv_layer {
    as_dtype dtype;
    int64_t kv_heads, k_width, v_width;
    unsigned char *k, *v; /* [pages, G, AS_PAGE_TOKENS, k_width or v_width] */
} as_kv_layer;

/* Elements from one value to the next. */
static inline int64_t as_kv_v_stride(const as_kv_layer *cache)
{
    return cache->v == cache->k ? cache->k_width : cache->v_width;
}

/* Rows first..first+count-1 of the batch are one sequence's tokens at positions position.. on. */
typedef struct as_span {
    int64_t first, count;
    int64_t position;     /* of the first row; the cache holds all earlier ones */
    const int32_t *pages; /* page table, entry p covers positions p*AS_PAGE_TOKENS on; -1 where dropped */
    int64_t state;        /* slot of the sequence's recurrent states */
    int64_t total;        /* rows of the sequence when all that is being fed is in it; 0: not known */
    int64_t prompt;       /* rows of what the sequence began with */
} as_span;

/* Writes k [N, G, k_width] and v [N, G, v_width] into the cache at each row's position. */
typedef struct as_kv_store_args {
    const as_kv_layer *cache;
    const float *k, *v;
    int64_t k_stride, v_stride;
    const as_span *spans;
    int64_t span_count;
} as_kv_store_args;

/* out[i,h,:] = sum_j softmax_j(score(i,j)) v[j], score = cap(scale * q.k) + bias over the visible keys j of
 * the row's own sequence, kv_store done before. visible: j <= p; with window W > 0 also j > p - W; with chunk
 * C > 0 also j / C == p / C; with keeps_prompt also all j <= p of the span's prompt. cap(s): softcap * tanh(s
 * / softcap) where softcap > 0. bias: alibi[h] * (j - p) where alibi; with alibi_rounded: alibi_rounded *
 * (bf16(alibi[h] * j) - bf16(alibi[h] * p)). With key_bias, key j has a bias of its own for each key/value
 * head, which stand in that cache as its one head of G numbers; with distance_bias, distance_bias[i,h,p - j]
 * is added where p - j < distances; one of the two at most. sinks: one more term exp(sinks[h]) in the
 * denominator (with a sink_stride, exp(sinks[i,h])). Heads h share key/value head h / (H/G). With keys, row i
 * sees of these only the positions keys[i, :], which ascend (as index_keys writes them); with a
 * key_head_stride, the queries of each key/value head have a list of their own. With every E > 0 key j is of
 * E tokens, and a row sees j < (p + 1) / E; without window and chunk. lse[i,h]: the logarithm of the
 * denominator; a row that sees no key then has zeros for out and minus infinity for lse. Tolerance 2e-6 of
 * the largest |v|, 2e-6 max(1, |lse|). Keys are taken in blocks aligned to absolute positions, so that any
 * split of the rows into calls gives the same bits. */
typedef struct as_attention_args {
    const as_kv_layer *cache;
    const float *q; /* [N, H, k_width] */
    float *out;     /* [N, H, v_width] */
    int64_t q_stride, out_stride;
    int64_t heads;
    float scale, softcap;
    int64_t window, chunk;
    bool keeps_prompt;          /* without chunk and keys */
    const float *alibi, *sinks; /* [H] or NULL */
    float alibi_rounded;
    int64_t sink_stride;
    const as_kv_layer *key_bias;
    const float *distance_bias; /* [N, H, distances] or NULL */
    int64_t distances, distance_stride;
    const int32_t *keys; /* [N, key_count] or NULL */
    int64_t key_count, key_stride, key_head_stride;
    int64_t every;
    float *lse; /* [N, H] or NULL */
    const as_span *spans;
    int64_t span_count;
} as_attention_args;

/* Picks the keys that each row may attend to (the lightning indexer of DeepSeek-V3.2): the score of key j is
 *   sum over h of weights[i,h] * max(0, q[i,h,:] . k[j,:])
 * over the H heads of the row and the cache's one head of keys (no values). keys[i, :] are the positions of
 * the `top` highest scores among j <= p (with every E > 0, j < (p + 1) / E; with window W > 0, j > p - W),
 * in ascending order; behind them stands AS_NO_KEY. Scores of few heads are often equal, all of their
 * products being negative: then those are chosen that torch.topk chooses of the whole row, with the keys up
 * to the span's total that it does not see; of rows longer than AS_MOST_RANKED the earlier ones. The choice
 * is exact in the float32 scores; their tolerance is 2e-6 * sum |w||q||k|. */
typedef struct as_index_keys_args {
    const as_kv_layer *cache;
    const float *q, *weights; /* [N, H, k_width], [N, H] */
    int64_t q_stride, weight_stride, heads;
    int64_t top, every, window; /* every and window: one at most */
    int32_t *keys;              /* [N, top] */
    int64_t key_stride;
    const as_span *spans;
    int64_t span_count;
} as_index_keys_args;

enum { AS_NO_KEY = INT32_MAX, AS_MOST_INDEX_KEYS = 1 << 16 };

/* Picks runs of `every` keys that each row may attend to, head by head (the indexer of MiniMax M3): a run
 * counts by the highest q[i,h,:] . k[j,:] of its keys j <= p; the run of p and the local - 1 before it go
 * before all others. keys[i, h, :] are the positions of the keys j <= p of the `top` best runs, in ascending
 * order; behind them stands AS_NO_KEY. Equal ones are settled as in index_keys, the list being that of the
 * runs. */
typedef struct as_index_runs_args {
    const as_kv_layer *cache; /* one head of keys without values */
    const float *q;           /* [N, H, k_width] */
    int64_t q_stride, heads;
    int64_t top, every, local;
    int32_t *keys; /* [N, H, top * every] */
    int64_t key_stride, key_head_stride;
    const as_span *spans;
    int64_t span_count;
} as_index_runs_args;

/* A matrix for each head: w holds H groups of w->rows / H rows, of which rows first..first+rows-1 are the
 * head's.
 *   out[i,h,:] = W_h x[i,h,:]     x [N, H, cols], out [N, H, rows]
 *   out[i,h,:] = W_h^T x[i,h,:]   where transposed: x [N, H, rows], out [N, H, cols]
 * Tolerance 2e-6 * sum |x||w|. */
typedef struct as_head_matmul_args {
    const as_matrix *w;
    int64_t heads, first, rows;
    bool transposed;
    const float *x;
    float *out;
    int64_t n;
    int64_t x_stride, x_head_stride, out_stride, out_head_stride;
} as_head_matmul_args;

enum { AS_MOST_HEAD_ROWS = 4096, AS_MOST_HEAD_COLS = 8192 };

/* out = act(a) * (b + b_offset), or act(a) where b is NULL; [N, width] with strides; out may be a. With a
 * limit > 0, a (with limit_act: act(a) instead) is kept at most limit and b within -limit to limit. With a
 * slope > 0, a sigmoid(slope a) stands in the place of act(a). Tolerance 5e-7 of max(1, |a|) |b + b_offset|.
 */
typedef struct as_gate_args {
    as_activation act;
    float limit, b_offset, slope;
    bool limit_act;
    const float *a, *b;
    float *out;
    int64_t n, width;
    int64_t a_stride, b_stride, out_stride;
} as_gate_args;

/* out = out_scale * out + scale * x, elementwise [N, width]. */
typedef struct as_add_args {
    const float *x;
    float *out;
    int64_t n, width, x_stride, out_stride;
    float scale, out_scale;
} as_add_args;

/* x = cap * tanh(scale * x / cap), or scale * x where cap is 0; in place. */
typedef struct as_cap_args {
    float *x;
    int64_t n, width, stride;
    float cap, scale;
} as_cap_args;

/* x = min(max(x, least), most), elementwise in place [N, width]; NaN stays. Exact. */
typedef struct as_clamp_args {
    float *x;
    int64_t n, width, stride;
    float least, most;
} as_clamp_args;

/* Each row holds `groups` vectors of `width`, one behind the other, in place; each is multiplied by
 * min(1, most / (its length + 1e-6)). Tolerance 1e-6 of the product. */
typedef struct as_shorten_args {
    float *x;
    int64_t n, groups, width, stride;
    float most;
} as_shorten_args;

/* Each row holds `groups` vectors of `width`, one behind the other; vector g of row i is multiplied by
 * act(factors[i, g]), in place. Tolerance 5e-7 of the product. */
typedef struct as_scale_groups_args {
    as_activation act;
    const float *factors; /* [N, groups] */
    int64_t factor_stride;
    float *x;
    int64_t n, groups, width, stride;
} as_scale_groups_args;

enum { AS_MOST_STREAMS = 64, AS_MOST_HYPER_STREAMS = 32 };

/* Each row of x holds `streams` vectors of `width`, of from `from_count` (at most AS_MOST_STREAMS):
 *   x_s += sum_k factors[i, s, k] from_k      (where `replace`: x_s = ...)
 * from may be x: all its vectors are read before they change. Tolerance 1e-6 of the sum of the terms' sizes.
 */
typedef struct as_mix_streams_args {
    const float *factors, *from; /* [N, streams, from_count], [N, from_count, width] */
    float *x;                    /* [N, streams, width] */
    int64_t n, streams, from_count, width;
    int64_t factor_stride, from_stride, x_stride;
    bool replace;
} as_mix_streams_args;

/* The weights of hyper-connections (Xie et al. 2026, "mHC") for S streams. x [N, S + S + S S] is, for in, out
 * and mix, scaled and shifted: z = scale[part] x + base; then
 *   in = sigmoid(z) + eps;  out = magnitude sigmoid(z) + out_eps;
 *   mix = softmax of each row of the S x S numbers, + eps, its columns and rows brought to sums of one in
 * turn (Sinkhorn and Knopp), columns first and last: `iterations` of columns, one fewer of rows, each divided
 * by its sum + eps. mix is written transposed: factor [s, k] is that of stream k in the new stream s. mix may
 * be NULL: then x is [N, S + S], and out too: then it is [N, S]. Tolerance 2e-6. */
typedef struct as_hyper_weights_args {
    const float *x, *base, *scale;
    float *in;        /* [N, S] */
    float *out, *mix; /* [N, S], [N, S, S] of one stride */
    int64_t n, streams, iterations;
    int64_t x_stride, in_stride, stride;
    float eps, magnitude, out_eps;
} as_hyper_weights_args;

/* x = x * sqrt(mean(like^2) / max(mean(x^2), least)), each row [width] in place. Tolerance 1e-6. */
typedef struct as_match_size_args {
    const float *like;
    float *x;
    int64_t n, width, like_stride, x_stride;
    float least;
} as_match_size_args;

/* x = max(0, x - (mean + deviations * standard deviation)) of each row [width], in place: of normally
 * distributed numbers a known share stays. Tolerance 1e-6 of |x| + |mean| + |deviations| * deviation. */
typedef struct as_sparsify_args {
    float *x;
    int64_t n, width, stride;
    float deviations;
} as_sparsify_args;
/* xIELU (Huang and Schlag 2024), elementwise in place [N, width]:
 *   x > 0: alpha_p x^2 + beta x;  otherwise: alpha_n (exp(min(x, eps)) - 1 - x) + beta x
 * Tolerance 1e-6 of the larger of the terms. */
typedef struct as_xielu_args {
    float *x;
    int64_t n, width, stride;
    float alpha_p, alpha_n, beta, eps;
} as_xielu_args;

typedef enum {
    AS_ROUTE_SOFTMAX,       /* softmax over all, then the top k */
    AS_ROUTE_SOFTMAX_TOPK,  /* the top k, then softmax over them */
    AS_ROUTE_SIGMOID,       /* sigmoid, then the top k */
    AS_ROUTE_TOPK_SIGMOID,  /* the top k of the logits, then sigmoid */
    AS_ROUTE_SPARSEMIXER,   /* see jitter */
    AS_ROUTE_SQRT_SOFTPLUS, /* sqrt(ln(1 + e^x)), then the top k */
} as_route_kind;

enum { AS_MOST_RANKS = 256 }; /* top_k at most */

/* Picks top_k of `experts` for each row: the largest score (+ bias where given, for the choice only), equal
 * ones as torch.topk settles them on a CPU (kernels/cpu/choice.h); with groups > 1 only among the group_top
 * groups whose two best scores sum highest (or, with group_by_max, whose best is highest); where
 * groups_as_zero, the experts of other groups count as zero instead. ids[N, k] ascend by rank; weights[N, k]
 * are the scores, divided by their sum where normalise (plus norm_added or at least 1e-20; at least
 * norm_least; with norm_power p other than 0 the sum of their p-th powers to the 1/p), times scale. With cap
 * > 0 a logit s counts as cap tanh(s / cap). SPARSEMIXER (Liu et al. 2023; Phi-3.5-MoE): rank by rank the
 * largest score m of those left; its weight is its share of a softmax over those left whose s has (m - s) /
 * max(|s|, m) at most 2 jitter. Where `given`, ids come filled and only their weights are computed. */
typedef struct as_route_args {
    as_route_kind kind;
    const float *scores; /* [N, experts], raw logits */
    const float *bias;   /* [experts] or NULL */
    int64_t n, experts, top_k, groups, group_top;
    bool group_by_max, groups_as_zero, normalise, given;
    float norm_added, norm_least, norm_power, scale, cap, jitter;
    int32_t *ids;   /* [N, k] */
    float *weights; /* [N, k] */
} as_route_args;

/* out[r, :] = w[ids[r]] * x[r / rows_per_x] (+ bias) for every r in 0..N*k-1: each (row, rank) pair takes its
 * own expert; one whose id is not below `experts` keeps what stands in out. Same order of sums as matmul.
 * x_scale as in matmul, one per row of x. */
typedef struct as_expert_matmul_args {
    const as_matrix *w; /* [experts], all of one shape and type */
    const float *bias;  /* [experts, rows] or NULL */
    int64_t experts;
    const int32_t *ids;
    int64_t n;          /* number of pairs */
    int64_t rows_per_x; /* k for the first product, 1 for the second */
    const float *x;
    int64_t x_stride;
    float *out;
    int64_t out_stride;
    const float *x_scale;
    int64_t x_block;
} as_expert_matmul_args;

/* out[i,:] += sum over ranks r, in ascending expert index, of weights[i,r] * x[i*k + r, :]. */
typedef struct as_expert_combine_args {
    const float *x; /* [N*k, D] */
    const float *weights;
    const int32_t *ids;
    int64_t n, top_k, width, x_stride, out_stride;
    float *out;
} as_expert_combine_args;

/* Causal depthwise convolution over each span, with the last taps-1 inputs kept as state:
 * out[i,c] = act(bias[c] + sum_t weight[c,t] * in[i - taps + 1 + t, c]). in may be out. */
typedef struct as_conv1d_args {
    const float *in;
    float *out;
    int64_t width, taps, in_stride, out_stride;
    const float *weight; /* [width, taps] */
    const float *bias;   /* [width] or NULL */
    as_activation act;
    float *state; /* [slots, width, taps-1], zero at a sequence's start, oldest first */
    const as_span *spans;
    int64_t span_count;
} as_conv1d_args;

/* The same with weights that each row has besides, head by head:
 *   out[i,c] = scale * (in[i,c] + sum_t (weight[t,c] + own[i,h,t]) * in[i - t,c]), h the head of channel c.
 * Tolerance 1e-6 of the sum of the terms' sizes. */
typedef struct as_conv_heads_args {
    const float *in;
    float *out;
    int64_t width, heads, taps, in_stride, out_stride, own_stride;
    const float *weight; /* [taps, width] */
    const float *own;    /* [N, heads, taps] */
    float scale;
    float *state; /* as conv1d's */
    const as_span *spans;
    int64_t span_count;
} as_conv_heads_args;

/* One key of several (DeepSeek-AI 2026, "DeepSeek-V4", section 2.3). Every `every` tokens of a sequence are a
 * window; the last row of each gets, channel by channel,
 *   out[c] = sum over t of softmax over t of (gate[t,c] + bias[t mod every, c]) times x[t,c]
 * over the tokens t of the window; other rows get zeros. With overlap, x, gate and bias are 2 width wide: the
 * window before gives its first half to the same sum, the window itself the second. The sums run token by
 * token. Tolerance 1e-5 of the largest |x|. */
typedef struct as_pool_keys_args {
    const float *x, *gate; /* [N, width or 2 width] */
    const float *bias;     /* [every, the same] */
    float *out;            /* [N, width] */
    int64_t width, every, x_stride, gate_stride, out_stride;
    bool overlap;
    float *state; /* [slots, 1 or 2, 3, width], zero at a sequence's start: maximum, sum, weighted sum */
    const as_span *spans;
    int64_t span_count;
} as_pool_keys_args;

/* Mamba's scan (Gu and Dao 2023, algorithm 2), for each channel c and state s:
 *   h[c,s] = exp(dt[i,c] a[c,s]) h[c,s] + dt[i,c] b[i,s] x[i,c];  out[i,c] = sum_s h[c,s] c_[i,s] + d[c]
 * x[i,c] dt is after softplus. The channels of each of `heads` equal parts have a b and a c of their own,
 * bc_head floats behind the part's before. */
typedef struct as_selective_scan_args {
    const float *x, *dt, *b, *c;
    float *out;
    int64_t width, states;
    int64_t heads; /* 0 means 1 */
    int64_t x_stride, dt_stride, b_stride, c_stride, bc_head, out_stride;
    const float *a; /* [width, states], negative */
    const float *d; /* [width] */
    float *state;   /* [slots, width, states] */
    const as_span *spans;
    int64_t span_count;
} as_selective_scan_args;

/* Mamba-2's scan (Dao and Gu 2024, section 6, in its recurrent form, so that no chunk size enters), for each
 * head h of group g = h / (heads / groups), channel p of the head and state s:
 *   dt = min(max(softplus(dt[i,h] + dt_bias[h]), dt_least), dt_most)
 *   H[h,p,s] = exp(dt a[h]) H[h,p,s] + dt b[i,g,s] x[i,h,p];  out[i,h,p] = sum_s H[h,p,s] c[i,g,s] + d[h]
 * x[i,h,p] Tolerance as selective_scan. */
typedef struct as_ssd_scan_args {
    const float *x;     /* [N, heads, width] */
    const float *dt;    /* [N, heads], before bias and softplus */
    const float *b, *c; /* [N, groups, states] */
    float *out;         /* [N, heads, width] */
    int64_t heads, width, states, groups;
    int64_t x_stride, dt_stride, b_stride, c_stride, out_stride;
    const float *a, *d, *dt_bias; /* [heads], a negative */
    float dt_least, dt_most;
    float *state; /* [slots, heads, width, states] */
    const as_span *spans;
    int64_t span_count;
} as_ssd_scan_args;

/* The scan of the real-gated linear recurrent unit (De et al. 2024, section 2.4), for each channel c:
 *   l = -decay[c] sigmoid(gate[i,c]);  h[c] = exp(l) h[c] + sqrt(1 - exp(2 l)) sigmoid(in_gate[i,c]) x[i,c]
 *   out[i,c] = h[c]
 * At position 0 the root is 1. out may be x. Tolerance 3e-6 of the larger term. */
typedef struct as_rglru_scan_args {
    const float *x, *in_gate, *gate; /* [N, width] of one stride */
    float *out;
    int64_t width, stride, out_stride;
    const float *decay; /* [width], positive */
    float *state;       /* [slots, width] */
    const as_span *spans;
    int64_t span_count;
} as_rglru_scan_args;

/* out[i] = x[i - 1] of the same sequence; at a span's start the row kept from before it. Exact. x is not out.
 */
typedef struct as_token_shift_args {
    const float *x;
    float *out;
    int64_t width, x_stride, out_stride;
    float *state; /* [slots, width], zero at a sequence's start: the last row */
    const as_span *spans;
    int64_t span_count;
} as_token_shift_args;

/* A step from x towards y: out = x + (y - x) * act(weight + amount), [N, width]; out may be x or y. Tolerance
 * 5e-7 of |x| + |y - x|. */
typedef struct as_mix_args {
    const float *x, *y;
    float *out;
    const float *weight; /* [width] or NULL: 0 */
    const float *amount; /* [N, width] or NULL: 0 */
    as_activation act;
    int64_t n, width;
    int64_t x_stride, y_stride, out_stride, amount_stride;
} as_mix_args;

typedef enum {
    AS_DECAY_EXP,      /* e^z */
    AS_DECAY_SOFTPLUS, /* ln(1 + e^z) */
    AS_DECAY_SIGMOID,  /* 1 / (1 + e^-z) */
} as_decay_kind;

/* How much of a state is left after a token: out = exp(-min(scale rate f(slope (x + bias)), most)), [N,
 * width]; scale 0: 1; most 0: no limit. bias, rate and slope are [width], or NULL: 0, 1 and 1. out may be x.
 * Tolerance 1e-6. */
typedef struct as_decay_args {
    as_decay_kind kind;
    const float *x;
    float *out;
    const float *bias, *rate, *slope;
    float scale, most;
    int64_t n, width, x_stride, out_stride;
} as_decay_args;

/* What a token adds to its own output: out[i,h,:] += (sum_k weight[h,k] r[i,h,k] key[i,h,k]) * v[i,h,:].
 * Tolerance 2e-6 of the sum of the terms' sizes. */
typedef struct as_key_bonus_args {
    const float *r, *key; /* [N, heads, width] */
    const float *v;       /* [N, heads, value_width] */
    const float *weight;  /* [heads, width] */
    float *out;           /* [N, heads, value_width] */
    int64_t n, heads, width, value_width;
    int64_t r_stride, key_stride, v_stride, out_stride;
} as_key_bonus_args;

/* RWKV 4's average of values (Peng et al. 2023, equations 15 to 18), for each channel:
 *   out = (sum_j<i e^(k_j - (i - 1 - j) decay) v_j + e^(bonus + k_i) v_i) / (the same without v)
 * Kept as numerator, denominator and the largest exponent, so that nothing overflows. Tolerance 2e-6 of the
 * largest |v|. */
typedef struct as_wkv4_args {
    const float *k, *v;
    float *out;
    int64_t width, k_stride, v_stride, out_stride;
    const float *decay; /* [width], positive */
    const float *bonus; /* [width] */
    float *state;       /* [slots, 3, width], zero at a sequence's start */
    const as_span *spans;
    int64_t span_count;
} as_wkv4_args;

/* Exponential gates of a state, stabilised by the largest exponent m so far (Beck et al. 2024, xLSTM,
 * equations 15 to 17), for each head, token by token; f = ln(sigmoid(forget)): m' = max(f + m, in);  decay =
 * e^(f + m - m');  gain = e^(in - m');  least = e^-m' Tolerance 1e-6. */
typedef struct as_exp_gates_args {
    const float *in, *forget;    /* [N, heads] */
    float *decay, *gain, *least; /* [N, heads] */
    int64_t heads, in_stride, forget_stride, out_stride;
    float *state; /* m: [slots, heads], zero at a sequence's start */
    const as_span *spans;
    int64_t span_count;
} as_exp_gates_args;

/* x[i,g,:] /= max(|by[i,g]|, least[i,g]) + eps, in place. x [N, groups, width]. Tolerance 1e-6. */
typedef struct as_divide_groups_args {
    float *x;
    const float *by, *least; /* [N, groups] */
    int64_t n, groups, width, stride, by_stride;
    float eps;
} as_divide_groups_args;

/* Linear attention: each head keeps a matrix S [key, value] and, token by token in their order,
 *   e[c] = sum_j erase[j] S[j,c]                          (with erase_decayed: of w[j] S[j,c])
 *   S[j,c] = w[j] S[j,c] + k[j] v[c] - write[j] e[c]      (without write: ... + gain k[j] (v[c] - e[c]))
 *   out[c] = scale * sum_j r[j] S[j,c]                    (with read_before: of S as it was before the token)
 * This is RWKV 5 and 6 (no erase, read_before), RWKV 7 (erase, write), gated linear attention and lightning
 * attention (no erase), and the gated delta rule (erase_decayed, erase = k, gain = beta).
 * r, k, erase and write have `groups` heads of which each serves heads / groups of v. w[i, h, j] stands
 * at w + i * w_stride + h * w_head + j * w_step: per channel, or step 0, per head, or stride 0, constant.
 * Tolerance 1e-5 of the sums of the terms' sizes. */
typedef struct as_state_scan_args {
    const float *r, *k;         /* [N, groups, key_width] */
    const float *v;             /* [N, heads, value_width] */
    const float *w;             /* 0..1 */
    const float *erase, *write; /* [N, groups, key_width] or NULL */
    const float *gain;          /* [N, heads] or NULL: 1 */
    float *out;                 /* [N, heads, value_width]; may be v */
    int64_t heads, groups, key_width, value_width;
    int64_t r_stride, k_stride, v_stride, erase_stride, write_stride, gain_stride, out_stride;
    int64_t w_stride, w_head, w_step;
    float scale;
    bool read_before, erase_decayed;
    float *state; /* [slots, heads, key_width, value_width], zero at a sequence's start */
    const as_span *spans;
    int64_t span_count;
} as_state_scan_args;

/* Linear attention without erasing, whose decay is given by tables for blocks of `block` tokens rather than
 * by one rate. Of a token at place i of its block (its position modulo block), with S the state at the
 * block's beginning and m the places up to i: out[c] = from_start[h,i] sum_j q[j] S[j,c] + sum_m
 * within[h,i-m] (q . k_m) v_m[c] and behind the last token of a block S[j,c] = over[h] S[j,c] + sum_m
 * to_end[h,m] k_m[j] v_m[c]. Tolerance 1e-5 of the sums of the terms' sizes. */
typedef struct as_block_scan_args {
    const float *q, *k;                        /* [N, heads, key_width] */
    const float *v;                            /* [N, heads, value_width] */
    const float *from_start, *to_end, *within; /* [heads, block] */
    const float *over;                         /* [heads] */
    float *out;                                /* [N, heads, value_width] */
    int64_t heads, key_width, value_width, block;
    int64_t q_stride, k_stride, v_stride, out_stride;
    float *state; /* [slots, heads, key_width, value_width], zero at a sequence's start */
    float *rows;  /* the block so far: [slots, heads, block, key_width + value_width + 1] */
    const as_span *spans;
    int64_t span_count;
} as_block_scan_args;

typedef enum {
    AS_QUANT_TENSOR, /* one scale over all rows, written to every scale[n] */
    AS_QUANT_TOKEN,  /* a scale per row */
    AS_QUANT_BLOCK,  /* a scale per row and `block` columns */
    AS_QUANT_INT8,   /* a scale per row, to whole numbers */
} as_quant_kind;

/* Rounds activations to e4m3 as a server does before an 8-bit product: scale = max|x| / 448 (at least
 * 1e-12... a row of zeros gets scale 1), out = e4m3(x / scale) as float32, unscaled. AS_QUANT_INT8: with
 * f = 127 / max(max|x|, 1e-5) and scale = 1 / f, out is x f to the nearest whole number, -128 to 127. out may
 * be x. */
typedef struct as_quantize_rows_args {
    as_quant_kind kind;
    const float *x;
    float *out;
    int64_t n, width, x_stride, out_stride, block;
    float *scale; /* [N], or [N, ceil(width/block)] */
} as_quantize_rows_args;

/* A backend: a table of operations and its memory. */
typedef struct as_backend {
    const char *name;  /* "cpu" */
    const char *level; /* "ref", "avx2", "avx512", "amx" */
#define AS_OP(op) void (*op)(const as_exec *exec, const as_##op##_args *args);
#include "kernels/ops.def"
#undef AS_OP
} as_backend;

/* The CPU's best level, or the one named ("ref", "avx2", "avx512", "amx"; NULL or "" for the best; the
 * environment variable AS_CPU where name is NULL). AS_E_UNSUPPORTED when this machine lacks it. The table is
 * constant and shared. */
AS_MUST_USE as_code as_backend_cpu(const char *level, const as_backend **out, as_error *err);

#endif
