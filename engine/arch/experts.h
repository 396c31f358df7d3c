/* What families with experts share. */
#ifndef AS_ENGINE_ARCH_EXPERTS_H
#define AS_ENGINE_ARCH_EXPERTS_H

#include "engine/arch/arch.h"
#include "engine/blocks/moe.h"

/* Where a family's config says how many experts there are; a default of 0: the field must be there. top_k may
 * always stand as num_experts_per_tok. */
typedef struct as_expert_keys {
    const char *count, *other_count; /* other_count: what newer configs call it, or NULL */
    const char *top_k, *width;
    int64_t count_default, top_k_default, width_default;
    bool silu; /* whatever hidden_act says */
} as_expert_keys;

/* Gated experts, softmax over all of them, weights as they are. Their act is `hidden_act`. */
as_moe_spec as_spec_experts(as_config *config, const as_expert_keys *keys);
/* A shared expert beside them in the usual slots; width 0: none. */
void as_spec_share(as_config *config, as_moe_spec *moe, int64_t width);
/* The same of the width that the config gives under the key. */
void as_spec_share_by(as_config *config, as_moe_spec *moe, const char *key, int64_t otherwise);
/* A family's defaults of the fields that as_spec_route_by_sigmoid reads. */
typedef struct as_route_defaults {
    bool normalise;
    double scale;
    int64_t groups, group_top; /* 0 means 1 */
} as_route_defaults;
/* Routing by sigmoid with a correction bias among groups, as DeepSeek-V3 has it: n_group (num_expert_group),
 * topk_group, norm_topk_prob (moe_renormalize), routed_scaling_factor. */
void as_spec_route_by_sigmoid(as_config *config, as_moe_spec *moe, const as_route_defaults *defaults);

/* Number of shared experts: `otherwise` where the field is absent, 0 where it is null. */
int64_t as_spec_shared_count(as_config *config, const char *key, int64_t otherwise);
/* Key/value heads for as_spec_heads where an absent field is `absent` and null means as many as heads. */
int64_t as_spec_kv_default(const as_config *config, int64_t absent);
/* Whether a layer has experts: by mlp_layer_types (dense, sparse), or else from layer `first` on. */
bool as_spec_is_sparse(as_config *config, const as_model_spec *spec, int64_t layer, int64_t first);
/* Adds the feed-forward part: the experts, or where they are NULL the dense one. */
as_step *as_spec_add_either(as_config *config, as_model_spec *spec, int64_t layer, const as_moe_spec *moe,
                            const as_mlp_spec *mlp, as_norm_spec norm);
/* Norms on each query and key head in the usual slots. */
void as_spec_norm_heads(as_attention_spec *attention, double eps);

#endif
