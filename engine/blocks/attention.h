/* Softmax attention over a key/value cache: grouped heads, rotary or linear-bias positions, windows, sinks,
 * caps, norms and gates. */
#ifndef AS_ENGINE_BLOCKS_ATTENTION_H
#define AS_ENGINE_BLOCKS_ATTENTION_H

#include "engine/blocks/pool_index.h"
#include "engine/blocks/run_index.h"
#include "engine/blocks/score_bias.h"

/* How query, key and value projections are stored. */
typedef enum {
    AS_QKV_SEPARATE,    /* three matrices */
    AS_QKV_ROWS,        /* one: all queries, all keys, all values */
    AS_QKV_PER_KV_HEAD, /* one: for each key/value head its queries, its key, its value */
    AS_QKV_EITHER,      /* one as in ROWS where the checkpoint has it, else three */
    AS_QKV_PARTS_QVK,   /* one: for each of qkv_parts runs of heads its queries, values, keys */
} as_qkv_layout;

/* Which vectors a norm of queries or keys takes. */
typedef enum {
    AS_HEAD_NORM_SHARED, /* each head, one weight for all */
    AS_HEAD_NORM_OWN,    /* each head, weights of its own: [heads, width] */
    AS_HEAD_NORM_ROW,    /* all heads as one vector */
} as_head_norm;

/* A factor on what the heads read before the output projection. */
typedef enum {
    AS_ATTENTION_GATE_NONE,
    AS_ATTENTION_GATE_IN_Q, /* for each head its query, then its gate (v_width), in the query projection */
    AS_ATTENTION_GATE_ELEMENTS, /* slot ATTENTION_GATE: [heads * v_width] */
    AS_ATTENTION_GATE_HEADS,    /* slot ATTENTION_GATE: [heads] */
} as_attention_gate;

/* Queries times 1 + beta ln(1 + floor((position + offset) / length)); beta 0: none. With logn it is the
 * logarithm of position + 1 to the base logn, or 1 before that (Su 2021; Qwen). */
typedef struct as_query_growth {
    double beta, length;
    int64_t offset;
    double logn; /* 0: none */
    bool beyond; /* 1 + beta ln(max(1, (position + 1) / length)) instead of the first */
} as_query_growth;

typedef struct as_attention_spec {
    int64_t heads, kv_heads, k_width, v_width;
    as_qkv_layout layout;
    int64_t qkv_parts; /* AS_QKV_PARTS_QVK: divides kv_heads */
    bool q_bias, k_bias, v_bias, o_bias;
    bool keys_are_values; /* no value projection: values are the keys before norm and rotation */
    bool shared_cache;    /* keys and values of another layer (as_step.cache_layer): no k and v here */
    float qkv_clip;       /* 0: none */
    bool clip_after_norm; /* of queries and keys */
    /* 1 + where in what is carried lies what keys and values are projected from, and its norms; 0: what
     * queries are. */
    int64_t k_from, v_from;
    as_norm_spec k_in_norm, v_in_norm;
    int64_t kv_taps;     /* of a convolution over tokens, added to keys and values before all else; 0: none */
    float kv_conv_scale; /* on the sum of the convolution and what it convolves; 0 means 1 */
    bool kv_conv_own; /* to its weights (slots K_CONV_SHARED and V_CONV_SHARED, [taps, width]) each row adds
                       * some of each head (slots K_CONV_OWN and V_CONV_OWN) */
    float v_scale;    /* on the values; 0 means 1 */
    as_norm_spec q_norm, k_norm, v_norm;
    float most_length; /* queries, scaled (slot Q_SCALE), and keys are shortened to it; 0: not */
    as_head_norm head_norm;
    bool norm_after_rope;
    int rope; /* index into as_model_spec.ropes, -1: none */
    bool rotated_values;
    as_query_growth growth;
    float scale, softcap;
    int64_t window, chunk; /* 0: none */
    bool keeps_prompt;     /* the window leaves out no key of the prompt */
    double alibi_max;      /* ALiBi with slopes 2^(-alibi_max i / heads); 0: none */
    float alibi_scale;     /* on the slopes; 0 means 1 */
    bool alibi_rounded;    /* slopes, and slopes times key positions, rounded to bf16 before that scale */
    bool paired_norms;     /* norms of heads have weights in the order of a rotation with paired_heads */
    bool sinks;            /* slot SINKS */
    bool sinks_read;       /* slot SINKS projects them from what queries are projected from */
    as_score_bias_spec score_bias;
    as_pool_index_spec pools; /* which keys a row sees, where it has an index */
    as_run_index_spec runs;   /* the same; not both */
    as_attention_gate gate;
    as_activation gate_act;
    bool gate_bias;
    as_norm_spec o_norm;    /* before the output projection, over all heads */
    as_norm_spec read_norm; /* of what each head reads, before the gate; without weights */
} as_attention_spec;

extern const as_block as_block_attention;

/* Queries [N, width] times the factor of their position. */
void as_attention_grow(as_pass *pass, const as_query_growth *growth, float *q, int64_t width);

#endif
