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

enum { AS_MAX_STEPS = 10, AS_MAX_ROPES = 8, AS_MAX_STATES = 4, AS_MAX_PLACEHOLDERS = 4 };

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
    bool weight_first;   /* RMS: the weights multiply what is normed, not the norm */
    as_slot slot;
} as_norm_spec;

typedef enum {
    AS_ROPE_PLAIN,
    AS_ROPE_LINEAR,
    AS_ROPE_DYNAMIC,       /* NTK: the base grows with the length of the sequence */
    AS_ROPE_DYNAMIC_STEPS, /* Qwen's: it grows when the length passes a power of two times the original */
    AS_ROPE_YARN,
    AS_ROPE_LLAMA3,
    AS_ROPE_LONGROPE,     /* one of two factor lists, by the length of the sequence */
    AS_ROPE_PROPORTIONAL, /* frequencies of the whole head, of which the first `angles` turn */
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
    bool backward;                            /* turns by the negative angle */
    int64_t first;                            /* the position of a sequence's first token */
    int64_t every;                            /* turns by the position rounded down to a multiple; 0: of 1 */
    double attention_factor;                  /* on cos and sin; computed when the spec is made */
    double mscale_all_dim;                    /* latent attention: in its softmax scale; 0: none */
    double long_attention_factor; /* the same beyond original_context, where it differs; 0: it does not */
    const double *short_factor, *long_factor; /* LONGROPE [rotary/2] */
    bool paired_heads; /* projections give the halves of a head interleaved; they are put in order first */
    int64_t angles;    /* PROPORTIONAL */
    bool stored;       /* PLAIN: slot ROPE_TABLE, where the checkpoint has it, holds its sines and cosines */
    bool stretched;    /* frequencies times e to slot ROPE_STRETCH */
    bool anew;         /* LONGROPE: a sequence that grows beyond original_context is computed anew */
} as_rope_spec;

struct as_block; /* blocks/block.h */

/* A low-rank gate that a vector puts on itself: x sigmoid(up(silu(down(x)))). */
typedef struct as_self_gate_spec {
    int64_t rank; /* 0: none */
    as_slot down, up;
} as_self_gate_spec;

/* What the factors of an affine are made of. */
typedef enum {
    AS_FACTORS_STORED,
    AS_FACTORS_NEW, /* b = sigmoid(w / temperature), w what is stored */
    AS_FACTORS_OLD, /* sqrt(max((1 - b) (1 + b), least)): beside b parts that are independent keep their size
                     */
} as_factors_kind;

/* (x + shift + shift_2) * scale, channel by channel; a slot AS_SLOT_NONE: without it. */
typedef struct as_affine_spec {
    as_slot shift, shift_2, scale;
    as_factors_kind factors;
    float temperature, least;
} as_affine_spec;

/* A layer before the head: norm(act(W x + bias)). Slots BEFORE_HEAD and, behind it, HEAD_NORM. */
typedef struct as_head_layer_spec {
    int64_t width; /* of what it gives; 0: there is none */
    as_activation act;
    as_norm_spec norm;
} as_head_layer_spec;

/* What becomes of a block's output. */
typedef enum {
    AS_STEP_ADDS,     /* it is added to the stream */
    AS_STEP_REPLACES, /* it is the stream from here on, and what the layer was given */
    AS_STEP_KEEPS,    /* nothing: the block writes to what is carried between layers alone */
} as_step_effect;

/* One block with its norms and its place in the residual stream:
 *   x: the stream, or what the layer was given where `parallel`
 *   y = out_affine(out_norm(z + out_conv(z))), z = block(in_scale * in_norm(x))
 *   stream = stream_norm(f * (stream_scale * residual_affine(r) + residual_scale * y)), r: the stream, or
 * in_norm(x) where `residual_normed`, or what the layer was given where `residual_entry`; f: slot
 * LAYER_SCALE, a number that is 1 where the checkpoint has none, where `scaled`. */
typedef struct as_step {
    const struct as_block *block;
    const void *form; /* the block's own description, block->form_size bytes */
    as_norm_spec in_norm, out_norm, stream_norm;
    as_self_gate_spec in_gate; /* on what in_norm gives */
    int64_t out_taps;          /* of a convolution over tokens, added to the block's output; 0: none */
    float out_conv_scale;      /* on their sum; 0 means 1 */
    int64_t from_carried;      /* 1 + where in what is carried x lies, instead of the stream; 0: the stream */
    as_affine_spec out_affine; /* on y */
    as_affine_spec residual_affine; /* on r */
    as_step_effect effect;
    bool parallel;
    bool same_input; /* with parallel: reads what the step before read, its norm included; no in_norm */
    bool residual_normed, residual_entry;
    bool scaled;   /* by f, see above */
    bool deferred; /* its output is added after the layer's last step; one step of a layer at most */
    float in_scale, residual_scale, stream_scale; /* 0 means 1 */
    int part;                                     /* %p in the names of its tensors */
    const char *stem;                             /* %s there; NULL: nothing */
    int64_t cache_layer; /* 1 + the layer whose key/value cache the step reads; 0: its own */
    int cache_shift;     /* from this step's place in its layer to that of the cache's */
    /* The name of its stage: "mixer", "ffn"; "attention" where it stands beside a mixer; NULL: it has none.
     */
    const char *trace;
} as_step;

/* Positions added to the embedding: rows of a table (slot POSITIONS), or computed. */
typedef struct as_position_spec {
    bool present;
    int64_t rows;   /* of the table, offset included; 0 where they are computed */
    int64_t offset; /* added to a position before it is looked up or computed */
    int64_t blank;  /* computed: this one is zero; 0: none is */
    void (*fill)(int64_t position, int64_t width,
                 float *out); /* NULL: the table; with rows, where there is none */
    /* The token `skipped` is not counted, and stands at offset - 1 itself. */
    bool skips;
    int32_t skipped;
} as_position_spec;

/* Tokens that stand for what is no text: each is read as if it were another. */
typedef struct as_placeholders {
    int count;
    int32_t tokens[AS_MAX_PLACEHOLDERS], read_as;
} as_placeholders;

typedef struct as_layer_spec {
    int step_count;
    as_step steps[AS_MAX_STEPS];
} as_layer_spec;

typedef struct as_model_spec {
    const char *architecture, *model_type;
    int64_t layer_count, hidden, vocab, context;
    /* The widths that a reader expects to see; the layers hold the truth. */
    int64_t heads, kv_heads, head_dim, intermediate;

    as_placeholders placeholders;
    /* The embedding of this token is zero, whatever the checkpoint holds; so is its logit where the head is
     * tied and the checkpoint has none. */
    bool has_blank;
    int32_t blank;
    float embed_scale;   /* 0 means 1 */
    int64_t embed_rows;  /* of the embedding; 0: vocab */
    int64_t head_rows;   /* of the head, of which the first `vocab` count; 0: vocab */
    int64_t embed_width; /* of the embedding and the head where projections stand between; 0: hidden */
    bool embed_narrow; /* what is added to the embedding and its norm are so wide too; its projection, behind
                        * them, has a bias; there is none before the head */
    as_head_layer_spec head_layer; /* behind the final norm */
    as_affine_spec embed_affine;
    as_position_spec positions;
    as_norm_spec embed_norm; /* after positions are added, or before */
    bool norm_before_positions;
    bool whole_feeds;    /* rows read later ones of their feed, which is computed in one pass */
    bool keep_embedding; /* blocks read what the first layer was given (as_pass.embedding) */
    as_norm_spec final_norm;
    bool tied_head, head_bias;
    bool unit_head;    /* each row of the head is scaled to length one */
    float logit_scale; /* 0 means 1 */
    float logit_cap;   /* 0: none */
    /* Tokens that are never continued with: their logits are the least float32. */
    const int32_t *barred;
    int64_t barred_count;

    int64_t carried; /* float32 of each row that blocks of one layer hand to those of later ones */
    bool streams;    /* there are several residual streams, carried; the one is of each layer's inside */

    int rope_count;
    as_rope_spec ropes[AS_MAX_ROPES];
    as_layer_spec *layers; /* [layer_count] */

    /* Patterns of tensor names, one a slot (as_slot_pattern). NULL, or NULL for a slot: as Llama names it. */
    const char *const *names; /* [AS_SLOT_COUNT] */
    /* Prefixes that a hub may put before every name ("model.", ""), the usual one first; NULL-terminated. */
    const char *const *prefixes;
    /* Tensors that a checkpoint may hold besides: patterns with '*', matched on whole names; NULL-terminated.
     */
    const char *const *ignored;

    as_arena arena; /* owns the layers and lists */
} as_model_spec;

/* The length beyond which a growing sequence is computed anew; 0: none. */
int64_t as_model_anew_beyond(const as_model_spec *spec);

void as_model_spec_free(as_model_spec *spec);

/* Whether a checkpoint may hold a tensor of that name which nothing asks for. */
bool as_spec_ignores(const as_model_spec *spec, const char *name);

/* The pattern of the names that a slot's tensor may have, without ".weight" and ".bias":
 *   %d the layer, %b the one before, %e the expert (of a vector: its part, as a head's), %p the step's part,
 * %s its stem; '|' between the names that different hubs give ^name    no prefix goes before it ~name stored
 * transposed, [in, out]
 *   ~~name   the same unless it has the shape of one that is not
 *   name!    a whole name: no ".weight"; its bias is name_bias
 *   name+    of a stack: it may hold more matrices than are asked for, the last ones are not read
 *   name#i/n part i of n equal parts of its rows; name#i%n rows i, i + n, i + 2n, ...
 * A pattern of experts without %e is one tensor of all, stacked. */
const char *as_slot_pattern(const as_model_spec *spec, as_slot slot);

#endif
