/* The families: each one file that turns config.json into a spec and names its tensors. */
#ifndef AS_ENGINE_ARCH_ARCH_H
#define AS_ENGINE_ARCH_ARCH_H

#include "engine/blocks/attention.h"
#include "engine/blocks/mla.h"
#include "engine/blocks/mlp.h"
#include "engine/config.h"

typedef struct as_family {
    const char *architectures[8]; /* as in config.json; NULL-terminated */
    /* The object that holds the text model's fields where it is not config.json itself ("text_config"); NULL
     * otherwise. A config without it is read as it is. */
    const char *nested;
    /* Fills the spec, whose arena is open. Failures are kept in config. */
    void (*describe)(as_config *config, as_model_spec *spec);
} as_family;

/* One line for each family in registry.c. */
extern const as_family *const as_families[];

/* The spec of a config.json. AS_E_UNSUPPORTED names the nearest known architecture for an unknown one. */
AS_MUST_USE as_code as_spec_from_config(const json_t *config, as_model_spec *out, as_error *err);

/* ---- what families share ---------------------------------------------------------------------------------
 */

enum {
    AS_MOST_LAYERS = 4096,
    AS_MOST_WIDTH = 1 << 22,
    AS_MOST_HEADS = 1 << 16,
    AS_MOST_HEAD_WIDTH = 1 << 14,
    AS_MOST_EXPERTS = 1 << 14,
    AS_MOST_TAPS = 64,
    AS_MOST_INDEX_HEADS = 2048,
    AS_MOST_INDEX_WIDTH = 2048
};

/* hidden_size, num_hidden_layers, vocab_size, max_position_embeddings into the spec, and its layers' memory.
 */
void as_spec_base(as_config *config, as_model_spec *spec, int64_t default_context);
/* The same with a number of layers that the family has read elsewhere. */
void as_spec_base_of(as_config *config, as_model_spec *spec, int64_t layers, int64_t default_context);

/* num_attention_heads, num_key_value_heads (absent: default_kv; null, or default_kv 0: as many as heads) and
 * head_dim (absent: default_head; null, or default_head 0: hidden / heads, rounded down), checked against
 * each other, into the spec. */
void as_spec_heads(as_config *config, as_model_spec *spec, int64_t default_kv, int64_t default_head);

/* The same for families whose heads are always hidden / heads wide. */
void as_spec_even_heads(as_config *config, as_model_spec *spec, int64_t default_kv);

/* The same for families that take the whole part of it, whatever head_dim says. */
void as_spec_split_heads(as_config *config, as_model_spec *spec, int64_t default_kv);

/* The names that older families give the sizes; NULL: the usual one, which may always stand in its place. */
typedef struct as_size_keys {
    const char *hidden, *layers, *heads, *context;
} as_size_keys;
/* as_spec_base under those names. */
void as_spec_sizes_named(as_config *config, as_model_spec *spec, const as_size_keys *keys,
                         int64_t default_context);
/* The same, and heads that each have a key and a value of their own. */
void as_spec_base_named(as_config *config, as_model_spec *spec, const as_size_keys *keys,
                        int64_t default_context);
/* A field that says the model has what no block here does: it must be false, null or absent. */
void as_spec_refuse(as_config *config, const char *key);
/* A word that must be one of two, the first where it is absent: others are what no block here does. */
void as_spec_expect(as_config *config, const char *key, const char *known, const char *other);

/* A rotary encoding without scaling of the first `rotary` elements of a head; its index. */
int as_spec_plain_rope(as_config *config, as_model_spec *spec, as_rope_kind kind, int64_t rotary,
                       double theta);
/* A rotation that changes with the length of the sequence has no place beside keys that were turned before it
 * grew, which `what` names. */
void as_spec_refuse_varying_rope(as_config *config, const as_model_spec *spec, int rope, const char *what);
/* A table of `context` learned positions, the first `offset` of its rows unused. */
void as_spec_learned_positions(as_model_spec *spec, int64_t offset);

/* Grouped attention of the spec's heads with scale 1/sqrt(head_dim), one bias switch for q, k and v. */
as_attention_spec as_spec_attention(const as_model_spec *spec, int rope, bool qkv_bias, bool o_bias);
/* Growth of queries by llama_4_scaling_beta of the rotary parameters (of a config without any: `unstated`),
 * in steps of the rotary encoding's original context. */
as_query_growth as_spec_growth(as_config *config, const as_model_spec *spec, int rope, double unstated);
/* down(act(gate x) * up x) in the usual slots. */
as_mlp_spec as_spec_gated_mlp(as_config *config, as_model_spec *spec, as_activation act, bool bias);

/* down(act(up x)) in the usual slots. */
as_mlp_spec as_spec_plain_mlp(as_config *config, as_model_spec *spec, as_activation act, bool bias);

/* down(act(up x)), of spec->intermediate, in the usual slots. */
as_mlp_spec as_spec_sized_mlp(const as_model_spec *spec, as_activation act, bool bias);

as_norm_spec as_spec_rms(as_slot slot, double eps, float weight_offset);
as_norm_spec as_spec_layer_norm(as_slot slot, double eps);

/* Appends a step to a layer. form, of block->form_size bytes, is copied. */
as_step *as_spec_add_step(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                          const char *trace, const void *form);
/* The same with a norm before it, in the slot NORM_1 or NORM_2 whatever the norm says. */
as_step *as_spec_add_mixer(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                           const void *form, as_norm_spec norm);
as_step *as_spec_add_ffn(as_config *config, as_model_spec *spec, int64_t layer, const as_block *block,
                         const void *form, as_norm_spec norm);
/* The serial layer of most families: norm, attention, add, norm, feed-forward, add. */
void as_spec_pre_norm_layer(as_config *config, as_model_spec *spec, int64_t layer,
                            const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm);
/* Norms behind the blocks, in the slots NORM_1_POST and NORM_2_POST, and none before them. */
void as_spec_post_norm_layer(as_config *config, as_model_spec *spec, int64_t layer,
                             const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm);
/* The first Transformer's: norms of the sums, in the slots NORM_1 and NORM_2. */
void as_spec_normed_sums_layer(as_config *config, as_model_spec *spec, int64_t layer,
                               const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm);
/* Both blocks side by side behind one norm: x + attention(norm(x)) + mlp(norm(x)). */
void as_spec_parallel_layer(as_config *config, as_model_spec *spec, int64_t layer,
                            const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm);
/* The final norm, tie_word_embeddings (default: tied), and Llama's prefixes and ignorable tensors where the
 * family has set none. */
void as_spec_finish(as_config *config, as_model_spec *spec, as_norm_spec final_norm, bool tied);

/* ---- latent attention (mla.c) ---- */

typedef struct as_mla_defaults {
    int64_t q_rank, kv_rank, nope, rope, v_width; /* q_rank 0: none; v_width 0: hidden / heads */
    double theta;                                 /* 0: no rotation */
    as_rope_kind kind;
    bool undivided;          /* heads have no rotated part: qk_rope_head_dim is 0 */
    bool kind_by_config;     /* rope_interleave false makes it AS_ROPE_HALF */
    const char *rope_key;    /* another name of qk_rope_head_dim, which goes before it; NULL: none */
    int64_t unnamed_context; /* as_rope_defaults */
    const char *parameters;  /* as_rope_defaults */
} as_mla_defaults;

/* Latent attention from the usual fields (kv_lora_rank, q_lora_rank, qk_nope_head_dim, ...), with its softmax
 * scale, and the head widths into the spec. */
as_mla_spec as_spec_mla(as_config *config, as_model_spec *spec, const as_mla_defaults *defaults);

/* Adds to the tensors that a checkpoint may hold besides: format, with one %lld, for first..first+count-1. */
void as_spec_ignore_numbered(as_config *config, as_model_spec *spec, const char *format, int64_t first,
                             int64_t count);
/* Layers behind the last that predict further tokens (num_nextn_predict_layers, num_mtp_layers) are
 * recognised and left out. */
void as_spec_ignore_next_token_layers(as_config *config, as_model_spec *spec);

/* Prefixes and ignorable tensors of Llama's checkpoints, which many families share. */
extern const char *const as_llama_prefixes[];
extern const char *const as_llama_ignored[];

/* Where the config is that of a GGUF file ("gguf" names its family): the spec follows it. */
void as_spec_follow_gguf(as_config *config, const json_t *root, as_model_spec *spec);

/* A soft cap: null is 0 (none), an absent one is `otherwise`. */
float as_spec_cap(as_config *config, const char *key, double otherwise);

/* sliding_window: null is 0 (none), an absent one is `otherwise`. */
int64_t as_spec_window(as_config *config, int64_t otherwise);
/* Whether a layer has the window: layer_types says, or the family's rule. */
bool as_spec_layer_slides(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule);
/* Whether each layer rotates: not those that no_rope_layers marks with 0, or every no_rope_layer_interval-th.
 * In memory of the spec's arena. */
const bool *as_spec_rotating_layers(as_config *config, as_model_spec *spec);
/* Whether a layer has attention that an index directs, else linear attention: layer_types says, or the
 * family's rule. */
bool as_spec_layer_is_indexed(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule);
/* A layer's window: from layer_types where the config has it, else what the family's rule says. */
int64_t as_spec_layer_window(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule,
                             int64_t window);

#endif
