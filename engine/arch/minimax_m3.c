/* MiniMax-M3 (MiniMax 2026), the text part; transformers models/minimax_m3_vl. Grouped attention with normed
 * heads, rotary on part of them; sparse layers see the runs of keys that an index chooses, for each group of
 * queries its own. Dense and expert layers by name, sigmoid routing with a correction of the choice,
 * gpt-oss's clamped units. The index follows the rotary dimensions of the heads; `rotary_dim` says nothing
 * there. */
#include <string.h>

#include "engine/arch/experts.h"

/* As transformers names them, and as published. */
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_INDEX_Q] = "layers.%d.self_attn.indexer.q_proj|layers.%d.self_attn.index_q_proj",
    [AS_SLOT_INDEX_K] = "layers.%d.self_attn.indexer.k_proj|layers.%d.self_attn.index_k_proj",
    [AS_SLOT_INDEX_Q_NORM] = "layers.%d.self_attn.indexer.q_norm|layers.%d.self_attn.index_q_norm",
    [AS_SLOT_INDEX_K_NORM] = "layers.%d.self_attn.indexer.k_norm|layers.%d.self_attn.index_k_norm",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj|layers.%d.mlp.gate_up_proj#0/2",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj|layers.%d.mlp.gate_up_proj#1/2",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate|layers.%d.block_sparse_moe.gate",
    [AS_SLOT_ROUTER_CORRECTION] =
        "layers.%d.mlp.gate.e_score_correction_bias|layers.%d.block_sparse_moe.e_score_correction_bias",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.mlp.experts.gate_up_proj!#0/2|layers.%d.block_sparse_moe.experts.%e.w1",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.gate_up_proj!#1/2|layers.%d.block_sparse_moe.experts.%e.w3",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.down_proj!|layers.%d.block_sparse_moe.experts.%e.w2",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_experts.gate_up_proj#0/2|"
                            "layers.%d.mlp.shared_experts.gate_proj|"
                            "layers.%d.block_sparse_moe.shared_experts.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_experts.gate_up_proj#1/2|"
                          "layers.%d.mlp.shared_experts.up_proj|"
                          "layers.%d.block_sparse_moe.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_experts.down_proj|"
                            "layers.%d.block_sparse_moe.shared_experts.down_proj",
};
static const char *const ignored[] = {"mtp.*", "*.mtp.*", "*rotary_emb.inv_freq", NULL};

/* ---- fields ----------------------------------------------------------------------------------------------
 */

static const char old_sparse[] = "sparse_attention_config";

/* A size of the index: the older form, an object of its own, goes before the newer. */
static int64_t index_size(as_config *c, const char *key, const char *older, int64_t otherwise, int64_t most)
{
    as_config old = as_config_nested(c, old_sparse);
    bool has = json_object_get(old.root, older) != NULL;
    int64_t size = has ? as_config_size(&old, older, most) : as_config_size_or(c, key, otherwise, most);
    as_config_return(c, &old);
    return size;
}

/* The layer's entry in a list of numbers or truths that the older form has; `otherwise` without one. */
static bool listed(as_config *c, const json_t *list, const char *key, const as_model_spec *spec,
                   int64_t layer, bool otherwise)
{
    if (!list || json_is_null(list)) return otherwise;
    if ((int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" must have an entry for each of the %lld layers", key,
                       (long long)spec->layer_count);
        return otherwise;
    }
    const json_t *entry = json_array_get(list, (size_t)layer);
    return json_is_true(entry) || json_number_value(entry) != 0;
}

/* Whether the index chooses what the layer sees. */
static bool is_indexed(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type) {
        const json_t *old = json_object_get(c->root, old_sparse);
        return listed(c, json_object_get(old, "sparse_attention_freq"), "sparse_attention_freq", spec, layer,
                      false);
    }
    if (strcmp(type, "minimax_m3_sparse") == 0) return true;
    if (strcmp(type, "full_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or minimax_m3_sparse",
                       (long long)layer, type);
    }
    return false;
}

static bool is_sparse(as_config *c, const as_model_spec *spec, int64_t layer)
{
    if (as_config_has(c, "mlp_layer_types")) return as_spec_is_sparse(c, spec, layer, 0);
    return listed(c, json_object_get(c->root, "moe_layer_freq"), "moe_layer_freq", spec, layer, true);
}

/* ---- parts -----------------------------------------------------------------------------------------------
 */

static as_run_index_spec index_of(as_config *c, const as_model_spec *spec, int rope, double eps)
{
    as_run_index_spec index = {
        .top = index_size(c, "index_topk_blocks", "sparse_topk_blocks", 16, AS_MOST_INDEX_KEYS),
        .every = index_size(c, "index_block_size", "sparse_block_size", 128, AS_MOST_INDEX_KEYS),
        .heads = index_size(c, "index_n_heads", "sparse_num_index_heads", 4, AS_MOST_INDEX_HEADS),
        .width = index_size(c, "index_head_dim", "sparse_index_dim", 128, AS_MOST_INDEX_WIDTH),
        .rope = rope,
        .q_norm = as_spec_rms(AS_SLOT_INDEX_Q_NORM, eps, 1),
        .k_norm = as_spec_rms(AS_SLOT_INDEX_K_NORM, eps, 1)};
    as_config old = as_config_nested(c, old_sparse);
    bool has = as_config_has(&old, "sparse_local_block");
    index.local = as_config_int(has ? &old : c, has ? "sparse_local_block" : "index_local_blocks", 1);
    as_config_return(c, &old);
    if (c->rc != AS_OK) return index;
    if (spec->heads % index.heads) {
        as_config_fail(c, AS_E_INPUT, "\"index_n_heads\" is %lld, which does not divide the %lld heads",
                       (long long)index.heads, (long long)spec->heads);
    } else if (index.top * index.every > AS_MOST_INDEX_KEYS) {
        as_config_fail(c, AS_E_UNSUPPORTED, "the index chooses %lld keys, at most %d are supported",
                       (long long)(index.top * index.every), (int)AS_MOST_INDEX_KEYS);
    } else if (index.width < spec->ropes[rope].rotary) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"index_head_dim\" is %lld, less than the %lld elements of a head that are rotated",
                       (long long)index.width, (long long)spec->ropes[rope].rotary);
    }
    return index;
}

static as_moe_spec experts_of(as_config *c, float alpha, float limit)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 128,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 4,
                                                           .width = "intermediate_size",
                                                           .width_default = 3072,
                                                           .silu = true});
    as_spec_share(c, &moe, as_config_size_or(c, "shared_intermediate_size", 3072, AS_MOST_WIDTH));
    moe.slope = moe.shared.slope = alpha;
    moe.limit = moe.shared.limit = limit;
    moe.up_offset = moe.shared.up_offset = 1;
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    moe.scale = as_config_factor(c, "routed_scaling_factor", 2);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 524288);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 5e6, .partial = 1};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec full = as_spec_attention(spec, rope, false, false);
    full.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 1);
    full.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 1);
    float alpha = (float)as_config_number_in(c, "swiglu_alpha", 1.702, 1e-6, 1e6);
    float limit = (float)as_config_number_in(c, "swiglu_limit", 7, 1e-6, 1e30);
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = experts_of(&experts, alpha, limit);
    spec->intermediate = as_config_size_or(c, "dense_intermediate_size", 12288, AS_MOST_WIDTH);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, false);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    mlp.slope = alpha;
    mlp.limit = limit;
    mlp.up_offset = 1;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec attention = full;
        if (is_indexed(c, spec, i)) attention.runs = index_of(c, spec, rope, eps);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        bool sparse = is_sparse(c, spec, i);
        if (sparse) as_config_return(c, &experts);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_minimax_m3 = {.architectures = {"MiniMaxM3VLForCausalLM"}, .describe = describe};
