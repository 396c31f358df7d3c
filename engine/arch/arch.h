/* The families: each one file that turns config.json into a spec and names its tensors. */
#ifndef AS_ENGINE_ARCH_ARCH_H
#define AS_ENGINE_ARCH_ARCH_H

#include "engine/config.h"

typedef struct as_family {
    const char *architectures[4]; /* as in config.json; NULL-terminated */
    /* Fills the spec, whose arena is open. Failures are kept in config. */
    void (*describe)(as_config *config, as_model_spec *spec);
} as_family;

/* One line for each family in registry.c. */
extern const as_family *const as_families[];

/* The spec of a config.json. AS_E_UNSUPPORTED names the nearest known architecture for an unknown one. */
AS_MUST_USE as_code as_spec_from_config(const json_t *config, as_model_spec *out, as_error *err);

/* ---- what families share ---------------------------------------------------------------------------------
 */

enum { AS_MOST_LAYERS = 4096, AS_MOST_WIDTH = 1 << 22, AS_MOST_HEADS = 1 << 16, AS_MOST_EXPERTS = 1 << 14 };

/* hidden_size, num_hidden_layers, vocab_size, max_position_embeddings into the spec, and its layers' memory.
 */
void as_spec_base(as_config *config, as_model_spec *spec, int64_t default_context);

/* num_attention_heads, num_key_value_heads (default_kv 0: as many as heads) and head_dim (default_head 0:
 * hidden / heads), checked against each other, into the spec. */
void as_spec_heads(as_config *config, as_model_spec *spec, int64_t default_kv, int64_t default_head);

/* Grouped attention of the spec's heads with scale 1/sqrt(head_dim), one bias switch for q, k and v. */
as_attention_spec as_spec_attention(const as_model_spec *spec, int rope, bool qkv_bias, bool o_bias);
/* down(act(gate x) * up x) in the usual slots. */
as_mlp_spec as_spec_gated_mlp(as_config *config, as_model_spec *spec, as_activation act, bool bias);

as_norm_spec as_spec_rms(as_slot slot, double eps, float weight_offset);
as_norm_spec as_spec_layer_norm(as_slot slot, double eps);

/* Appends a step to a layer. */
as_step *as_spec_add_step(as_layer_spec *layer, const struct as_block *block, const char *trace);
/* The serial layer of most families: norm, mixer, add, norm, feed-forward, add. Returns nothing to fill in.
 */
void as_spec_pre_norm_layer(as_layer_spec *layer, const as_attention_spec *attention, const as_mlp_spec *mlp,
                            double eps);

/* Names of Llama's tensors, which many families share. */
extern const char *const as_llama_names[AS_SLOT_COUNT];
extern const char *const as_llama_prefixes[];
extern const char *const as_llama_ignored[];

/* A layer's window: from layer_types where the config has it, else what the family's rule says. */
int64_t as_spec_layer_window(as_config *config, const as_model_spec *spec, int64_t layer, bool by_rule,
                             int64_t window);

#endif
