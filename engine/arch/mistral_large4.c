/* Mistral Large 4 (Mistral AI 2026), the text part; transformers models/mistral_large4. GLM-5's latent
 * attention to the keys of an index, with neither latent for queries: the index reads the layer's input
 * behind a norm of its own. Queries of each head grow with the logarithm of their position at a learned rate,
 * rotary frequencies have learned factors, layers by turns do not rotate, and layers may attend to the
 * latents of an earlier one. Softmax routing among groups, capped logits. */
#include "engine/arch/deepseek.h"
#include "engine/arch/experts.h"

/* As transformers names them, and as published. */
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|tok_embeddings",
    [AS_SLOT_HEAD] = "^lm_head|output",
    [AS_SLOT_ROPE_STRETCH] = "rotary_emb.alpha!|lerope.alpha!",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.attention_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.ffn_norm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj|layers.%d.attention.wq",
    [AS_SLOT_KV_DOWN] = "layers.%d.self_attn.kv_a_proj_with_mqa|layers.%d.attention.wkv_a_with_mqa",
    [AS_SLOT_KV_DOWN_NORM] = "layers.%d.self_attn.kv_a_layernorm|layers.%d.attention.kv_a_norm",
    [AS_SLOT_KV_UP] = "layers.%d.self_attn.kv_b_proj|layers.%d.attention.wkv_b",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj|layers.%d.attention.wo",
    [AS_SLOT_HEAD_GROWTH] = "layers.%d.self_attn.softmax_scaling.scale!|layers.%d.attention.ssmax_scaling.s!",
    [AS_SLOT_HEAD_GROWTH_BASE] =
        "layers.%d.self_attn.softmax_scaling.bias!|layers.%d.attention.ssmax_scaling.b!",
    [AS_SLOT_INDEX_GROWTH] = "layers.%d.self_attn.indexer.softmax_scaling.scale!|"
                             "layers.%d.attention.indexer.ssmax_scaling.s!",
    [AS_SLOT_INDEX_GROWTH_BASE] = "layers.%d.self_attn.indexer.softmax_scaling.bias!|"
                                  "layers.%d.attention.indexer.ssmax_scaling.b!",
    [AS_SLOT_INDEX_Q_NORM] =
        "layers.%d.self_attn.indexer.q_input_norm|layers.%d.attention.indexer.q_input_norm",
    [AS_SLOT_INDEX_Q] = "layers.%d.self_attn.indexer.wq_b|layers.%d.attention.indexer.wq_b",
    [AS_SLOT_INDEX_K] = "layers.%d.self_attn.indexer.wk|layers.%d.attention.indexer.wk",
    [AS_SLOT_INDEX_K_NORM] = "layers.%d.self_attn.indexer.k_norm|layers.%d.attention.indexer.k_norm",
    [AS_SLOT_INDEX_WEIGHTS] =
        "layers.%d.self_attn.indexer.weights_proj|layers.%d.attention.indexer.weights_proj",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj|layers.%d.feed_forward.w1",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj|layers.%d.feed_forward.w3",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj|layers.%d.feed_forward.w2",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate|layers.%d.gate",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.gate_up_proj!#0/2|layers.%d.experts.%e.w1",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.gate_up_proj!#1/2|layers.%d.experts.%e.w3",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.down_proj!|layers.%d.experts.%e.w2",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_experts.gate_proj|layers.%d.shared_experts.w1",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_experts.up_proj|layers.%d.shared_experts.w3",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_experts.down_proj|layers.%d.shared_experts.w2",
};
static const char *const ignored[] = {
    "mtp_dspark.*",   "*rotary_emb.inv_freq",      "pre_mm_projector_norm.*",
    "patch_merger.*", "vision_language_adapter.*", NULL};

static const as_deepseek_defaults defaults = {
    .attention = {.kv_rank = 512,
                  .nope = 64,
                  .rope = 64,
                  .v_width = 128,
                  .theta = 10000,
                  .kind = AS_ROPE_INTERLEAVED,
                  .parameters = "{\"rope_type\": \"yarn\", \"rope_theta\": 10000, \"factor\": 2048, "
                                "\"original_max_position_embeddings\": 512, \"beta_fast\": 32, "
                                "\"beta_slow\": 1, \"attention_factor\": 1}"},
    .context = 1048576,
    .eps = 1e-5,
    .experts = 128,
    .top_k = 4,
    .shared = 1,
    .width = 6144,
    .scale = 1,
    .groups = 1,
    .group_top = 1,
    .groups_as_zero = true,
    .first_dense = 1,
    .listed = true,
    .normalise = true,
    .route = AS_ROUTE_SOFTMAX};

/* ---- whose latents a layer reads -------------------------------------------------------------------------
 */

/* The layer whose latents layer i has by the configuration. */
static int64_t source_of(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const json_t *list = json_object_get(c->root, "kv_source_layers");
    if (!list || json_is_null(list)) return layer;
    const json_t *entry = json_array_get(list, (size_t)layer);
    int64_t source = json_integer_value(entry);
    const json_t *its = json_array_get(list, (size_t)(source < 0 ? 0 : source));
    if ((int64_t)json_array_size(list) != spec->layer_count || !json_is_integer(entry) || source < 0 ||
        source > layer || json_integer_value(its) != source) {
        as_config_fail(
            c, AS_E_INPUT,
            "\"kv_source_layers\" must name, for each of the %lld layers, it or an earlier one that "
            "names itself",
            (long long)spec->layer_count);
    }
    return source;
}

static bool is_source(as_config *c, const as_model_spec *spec, int64_t layer)
{
    for (int64_t i = layer + 1; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (source_of(c, spec, i) == layer) return true;
    }
    return false;
}

/* The layer whose latents a layer reads: its own, or those of the last source before it that rotates as it
 * does, whichever it names: transformers keeps one of each kind. */
static int64_t latents_of(as_config *c, const as_model_spec *spec, const bool *rotates, int64_t layer)
{
    if (source_of(c, spec, layer) == layer) return layer;
    for (int64_t i = layer - 1; i >= 0 && c->rc == AS_OK; i--) {
        if (rotates[i] == rotates[layer] && source_of(c, spec, i) == i && is_source(c, spec, i)) return i;
    }
    as_config_fail(c, AS_E_INPUT,
                   "\"kv_source_layers\" lets layer %lld read the latents of another, but none before it %s",
                   (long long)layer, rotates[layer] ? "rotates" : "does not rotate");
    return layer;
}

/* ---- layers ----------------------------------------------------------------------------------------------
 */

static as_mla_spec attention_of(as_config *c, as_model_spec *spec)
{
    static const as_index_defaults index = {
        .heads = 32, .width = 128, .top = 2048, .kind = AS_ROPE_INTERLEAVED, .from_input = true};
    as_mla_spec m = as_spec_mla(c, spec, &defaults.attention);
    m.kv_norm.eps = (float)as_config_eps(c, "rms_norm_eps", defaults.eps);
    as_deepseek_index(c, spec, &m, defaults.attention.theta, &index);
    m.index_q_norm = as_spec_layer_norm(AS_SLOT_INDEX_Q_NORM, 1e-6);
    m.head_growth = true;
    for (int i = 0; i < spec->rope_count; i++) spec->ropes[i].stretched = true;
    return m;
}

/* Attention of a layer that does not rotate: all of a head is of one kind. */
static as_mla_spec without_rotation(as_mla_spec m)
{
    m.nope += m.rope;
    m.rope = 0;
    m.rope_table = m.index_rope = -1;
    return m;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, defaults.context);
    if (c->rc != AS_OK) return;
    as_mla_spec turning = attention_of(c, spec), plain = without_rotation(turning);
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = as_deepseek_experts(&experts, &defaults);
    moe.normalise = true;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", defaults.eps), 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    const bool *rotates = as_spec_rotating_layers(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_mla_spec attention = rotates[i] ? turning : plain;
        int64_t from = latents_of(c, spec, rotates, i);
        attention.shared_cache = from != i;
        if (as_deepseek_shares_index(c, spec, i)) attention.index = AS_INDEX_SHARED;
        as_step *step = as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm);
        if (step && from != i) step->cache_layer = from + 1;
        bool dense = as_deepseek_layer_is_dense(c, spec, i, &defaults);
        if (!dense) as_config_return(c, &experts);
        as_spec_add_either(c, spec, i, dense ? NULL : &moe, &mlp, norm);
    }
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 30);
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_mistral_large4 = {.describe = describe};
