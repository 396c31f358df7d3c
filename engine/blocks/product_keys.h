/* Experts of one row each, chosen by pairs of keys, beside a feed-forward block that every token takes (Shi
 * et al. 2024, "Wonderful Matrices", cross-domain experts; Doge). Each token scores `keys` keys twice; expert
 * a * keys + b has the sum of one score of either kind. */
#ifndef AS_ENGINE_BLOCKS_PRODUCT_KEYS_H
#define AS_ENGINE_BLOCKS_PRODUCT_KEYS_H

#include "engine/blocks/mlp.h"

typedef struct as_product_keys_spec {
    int64_t experts, keys, top_k; /* experts: rows of the tables, at least keys * keys */
    as_activation act;
    bool normalise;
    as_mlp_spec shared;
} as_product_keys_spec;

extern const as_block as_block_product_keys;

#endif
