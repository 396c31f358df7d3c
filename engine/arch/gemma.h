/* What Gemma's generations share. */
#ifndef AS_ENGINE_ARCH_GEMMA_H
#define AS_ENGINE_ARCH_GEMMA_H

#include "engine/arch/arch.h"

/* Of the text part of a model with other towers. */
extern const char *const as_gemma_prefixes[], *const as_gemma_ignored[];

/* The same norm in another slot. */
as_norm_spec as_gemma_norm_at(as_norm_spec norm, as_slot slot);
/* Norms on the heads of queries and keys and, without a weight, of values; scores as they are. */
void as_gemma_norm_heads(as_attention_spec *attention, as_norm_spec norm);
/* The rotary tables of the layers with full attention and with a window, each with a base of its own. */
void as_gemma_ropes(as_config *config, as_model_spec *spec, int *full_rope, int *sliding_rope);

/* Layers from which on keys and values are those of an earlier one (num_kv_shared_layers, from the end);
 * layer_count: none. What the later layers' checkpoints still hold of their own is ignored. */
int64_t as_gemma_first_shared(as_config *config, as_model_spec *spec, int64_t default_shared);
/* The layer before first_shared whose cache a later one reads: the last of the same kind. */
int64_t as_gemma_cache_layer(as_config *config, const bool *slides, int64_t first_shared, int64_t layer);

#endif
