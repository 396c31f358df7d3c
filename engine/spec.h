/* What a model is, as data: the one form into which every family's file turns config.json, and all that the
 * forward pass, the loader, the planner and the catalog know of an architecture.
 *
 * A model is an embedding, layers, a final norm and a head. A layer is a list of steps; a step normalises its
 * input, runs one block (a kind of mathematics: attention, experts, a scan), normalises and scales the
 * block's output and adds it to the residual stream. Serial and parallel residuals, norms before, after and
 * on both sides, and layers with one mixer only are all lists of steps. */
#ifndef AS_ENGINE_SPEC_H
#define AS_ENGINE_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "kernels/ops.h"

enum { AS_MAX_STEPS = 4, AS_MAX_ROPES = 4, AS_MAX_STATES = 4 };

typedef enum {
    AS_SLOT_NONE, /* no tensor */
#define AS_SLOT(id, name) AS_SLOT_##id,
#include "engine/slots.def"
#undef AS_SLOT
    AS_SLOT_COUNT
} as_slot;

const char *as_slot_name(as_slot slot);

/* A norm and the tensor that scales it. absent: slot AS_SLOT_NONE and !weightless. */
typedef struct as_norm_spec {
    bool present;
    as_norm_kind kind;
    bool weightless; /* normalise without weight and bias */
    bool has_bias;   /* LAYER only */
    float eps;
    float weight_offset; /* 1 where the checkpoint stores w of (1 + w) */
    as_slot slot;
} as_norm_spec;

typedef enum {
    AS_ROPE_PLAIN,
    AS_ROPE_LINEAR,
    AS_ROPE_DYNAMIC, /* NTK: the base grows with the length of the sequence */
    AS_ROPE_YARN,
    AS_ROPE_LLAMA3,
    AS_ROPE_LONGROPE, /* one of two factor lists, by the length of the sequence */
} as_rope_scaling;

/* A rotary position encoding, with the parameters transformers' modeling_rope_utils.py gives it. */
typedef struct as_rope_spec {
    as_rope_kind kind;
    int64_t head_dim;
    int64_t rotary; /* rotated elements of each head, even */
    int64_t dim;    /* the same before rounding up: what the frequencies are taken over */
    int64_t offset; /* where in the head they begin */
    double theta;
    as_rope_scaling scaling;
    double factor;
    int64_t max_context, original_context;
    double low_freq_factor, high_freq_factor; /* LLAMA3 */
    double beta_fast, beta_slow;              /* YARN */
    bool no_truncate;                         /* YARN: correction range not rounded */
    double attention_factor;                  /* on cos and sin; computed when the spec is made */
    const double *short_factor, *long_factor; /* LONGROPE [rotary/2] */
} as_rope_spec;

/* How query, key and value projections are stored. */
typedef enum {
    AS_QKV_SEPARATE,   /* three matrices */
    AS_QKV_ROWS,       /* one: all queries, all keys, all values */
    AS_QKV_PER_KV_HEAD /* one: for each key/value head its queries, its key, its value */
} as_qkv_layout;

typedef struct as_attention_spec {
    int64_t heads, kv_heads, k_width, v_width;
    as_qkv_layout layout;
    bool q_bias, k_bias, v_bias, o_bias;
    as_norm_spec q_norm, k_norm;
    bool norm_full_width; /* q/k norms over all heads together rather than each */
    int rope;             /* index into as_model_spec.ropes, -1: none */
    float scale, softcap;
    int64_t window, chunk; /* 0: none */
} as_attention_spec;

typedef struct as_mlp_spec {
    int64_t width;
    as_activation act;
    bool gated;
    bool up_bias, down_bias; /* up_bias covers the gate */
    as_slot gate, up, down;
} as_mlp_spec;

typedef struct as_moe_spec {
    int64_t experts, top_k, width;
    as_activation act;
    as_route_kind route;
    bool normalise;
    float scale;
    int64_t groups, group_top;
} as_moe_spec;

typedef struct as_mamba_spec {
    int64_t width, states, taps, dt_rank;
    as_activation act;
    bool conv_bias, bias;
} as_mamba_spec;

struct as_block; /* blocks/block.h */

typedef struct as_step {
    const struct as_block *block;
    union {
        as_attention_spec attention;
        as_mlp_spec mlp;
        as_moe_spec moe;
        as_mamba_spec mamba;
    } u;
    as_norm_spec in_norm, out_norm;
    bool parallel;        /* reads what the layer was given, not what the steps before it left */
    float residual_scale; /* on the block's output; 0 means 1 */
    const char *trace;    /* "mixer" or "ffn": the name of its stage */
} as_step;

typedef struct as_layer_spec {
    int step_count;
    as_step steps[AS_MAX_STEPS];
} as_layer_spec;

typedef struct as_model_spec {
    const char *architecture, *model_type;
    int64_t layer_count, hidden, vocab, context;
    /* The widths that a reader expects to see; the layers hold the truth. */
    int64_t heads, kv_heads, head_dim, intermediate;

    float embed_scale; /* 0 means 1 */
    as_norm_spec final_norm;
    bool tied_head, head_bias;
    float logit_scale; /* 0 means 1 */
    float logit_cap;   /* 0: none */

    int rope_count;
    as_rope_spec ropes[AS_MAX_ROPES];
    as_layer_spec *layers; /* [layer_count] */

    /* Patterns of tensor names, one a slot, without ".weight" and ".bias": %d the layer, %e the expert; '^'
     * in front where no prefix goes before it; '|' between the names that different hubs give. */
    const char *const *names; /* [AS_SLOT_COUNT] */
    /* Prefixes that a hub may put before every name ("model.", ""), the usual one first; NULL-terminated. */
    const char *const *prefixes;
    /* Tensors that a checkpoint may hold besides: patterns with '*', matched on whole names; NULL-terminated.
     */
    const char *const *ignored;

    as_arena arena; /* owns the layers and lists */
} as_model_spec;

void as_model_spec_free(as_model_spec *spec);

#endif
