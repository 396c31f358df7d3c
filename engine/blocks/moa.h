/* Mixture of attention heads (Zhang et al. 2022; JetMoE, Shen et al. 2024): a router picks top_k experts for
 * each token; each has projections of its own for queries and for the output, all share keys and values. */
#ifndef AS_ENGINE_BLOCKS_MOA_H
#define AS_ENGINE_BLOCKS_MOA_H

#include "engine/blocks/moe.h"

typedef struct as_moa_spec {
    as_moe_spec experts; /* experts, top_k and routing; its width is that of one expert's queries */
    int64_t kv_heads,
        width; /* of keys, values and queries; an expert has as many queries as there are keys */
    int rope;  /* index into as_model_spec.ropes */
    float scale;
} as_moa_spec;

extern const as_block as_block_moa;

#endif
