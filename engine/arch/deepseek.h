/* What the families built like DeepSeek-V3 share. */
#ifndef AS_ENGINE_ARCH_DEEPSEEK_H
#define AS_ENGINE_ARCH_DEEPSEEK_H

#include "engine/arch/arch.h"
#include "engine/blocks/moe.h"

/* A family's defaults for fields that its config leaves out. */
typedef struct as_deepseek_defaults {
    as_mla_defaults attention;
    int64_t context;
    double eps;
    int64_t experts, top_k, shared, width; /* top_k 0: the config must state it */
    double scale;
    int64_t groups, group_top, first_dense;
    /* Which fields choose the dense layers: mlp_layer_types, first_k_dense_replace unless `first_fixed`,
     * moe_layer_freq. */
    bool listed, first_fixed, by_frequency;
    bool normalise;
    as_route_kind route;
    bool group_by_max;
    bool groups_as_zero; /* as_moe_spec: experts of groups not taken may yet be chosen */
    bool ungrouped;      /* n_group and topk_group mean nothing */
    bool norm_after_experts;
    bool correction_may_lack;
    bool tied;
} as_deepseek_defaults;

extern const as_deepseek_defaults as_deepseek_v3;

typedef struct as_index_defaults {
    int64_t heads, width, top;
    as_rope_kind kind;
    bool from_input; /* its queries are of the layer's input, whatever q_lora_rank says */
    bool at_end;     /* the last elements of its vectors turn, not the first */
} as_index_defaults;

/* An index of the layer's own for the attention, from index_n_heads, index_head_dim and index_topk; its
 * choice takes room in what is carried. */
void as_deepseek_index(as_config *config, as_model_spec *spec, as_mla_spec *attention, double theta,
                       const as_index_defaults *defaults);

/* Whether the layer takes the choice of an earlier one: by indexer_types, index_topk_pattern or a rule. */
bool as_deepseek_shares_index(as_config *config, const as_model_spec *spec, int64_t layer);

/* Whether the layer is dense: by mlp_layer_types, else by first_k_dense_replace and moe_layer_freq, where the
 * family has those. */
bool as_deepseek_layer_is_dense(as_config *config, const as_model_spec *spec, int64_t layer,
                                const as_deepseek_defaults *defaults);

as_moe_spec as_deepseek_experts(as_config *config, const as_deepseek_defaults *defaults);

/* All layers, dense ones first, and the names. shared_index[i]: layer i attends to the keys that an earlier
 * one chose; NULL: none does. */
void as_deepseek_layers(as_config *config, as_model_spec *spec, const as_deepseek_defaults *defaults,
                        const as_mla_spec *attention, const as_moe_spec *moe, const bool *shared_index);

extern const char *const as_deepseek_names[]; /* [AS_SLOT_COUNT] */

#endif
