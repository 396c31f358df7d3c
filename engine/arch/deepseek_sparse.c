/* DeepSeek-V3.2 (DeepSeek-AI 2025) and GLM-5, whose attention sees only the keys that a lightning indexer
 * picks: transformers models/deepseek_v32, glm_moe_dsa. The index turns its vectors in halves in the first
 * and in pairs in the second, whose layers may share the choice of an earlier one (arXiv 2603.12201). The
 * indexer's rotation by a Hadamard matrix and its 8-bit products, which change no score but by rounding, are
 * left out, as there. */
#include <string.h>

#include "engine/arch/deepseek.h"

void as_deepseek_index(as_config *c, as_model_spec *spec, as_mla_spec *m, double theta,
                       const as_index_defaults *d)
{
    if (d->from_input) {
        m->q_rank = 0;
    } else if (m->q_rank == 0) {
        as_config_fail(c, AS_E_INPUT, "\"q_lora_rank\" is null, which the index cannot do without");
    }
    m->index = AS_INDEX_OWN;
    m->index_heads = as_config_size_or(c, "index_n_heads", d->heads, AS_MOST_INDEX_HEADS);
    m->index_width = as_config_size_or(c, "index_head_dim", d->width, AS_MOST_INDEX_WIDTH);
    m->index_top = as_config_size_or(c, "index_topk", d->top, AS_MOST_INDEX_KEYS);
    m->index_norm = as_spec_layer_norm(AS_SLOT_INDEX_K_NORM, 1e-6);
    if (m->index_width < m->rope) {
        as_config_fail(c, AS_E_INPUT, "\"index_head_dim\" is %lld, less than \"qk_rope_head_dim\" %lld",
                       (long long)m->index_width, (long long)m->rope);
    }
    as_rope_defaults rope = {.kind = d->kind, .head_dim = m->rope, .theta = theta};
    m->index_rope = as_config_rope(c, &rope, spec);
    m->index_at = spec->carried;
    m->index_offset = d->at_end ? m->index_width - m->rope : 0;
    spec->carried += m->index_top;
}

static void describe_v32(as_config *c, as_model_spec *spec)
{
    as_deepseek_defaults d = as_deepseek_v3;
    d.attention.kind_by_config = false;
    d.context = 163840;
    d.listed = true;
    static const as_index_defaults index = {.heads = 64, .width = 128, .top = 2048, .kind = AS_ROPE_HALF};
    as_spec_base(c, spec, d.context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &d.attention);
    as_deepseek_index(c, spec, &attention, d.attention.theta, &index);
    as_moe_spec moe = as_deepseek_experts(c, &d);
    as_deepseek_layers(c, spec, &d, &attention, &moe, NULL);
}

/* Whether layer i takes the choice of an earlier one: by indexer_types, by index_topk_pattern (a text of F
 * and S or a list of words), or every index_topk_freq layers behind the first index_skip_topk_offset. */
bool as_deepseek_shares_index(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *key = as_config_has(c, "indexer_types") ? "indexer_types" : "index_topk_pattern";
    const json_t *list = json_object_get(c->root, key);
    if (!as_config_has(c, key)) {
        int64_t every = as_config_int(c, "index_topk_freq", 1),
                behind = layer - as_config_int(c, "index_skip_topk_offset", 2) + 1;
        return behind > 0 && every > 1 && behind % every != 0;
    }
    const char *text = json_string_value(list), *word = text;
    int64_t count = text ? (int64_t)strlen(text) : (int64_t)json_array_size(list);
    if (!text) word = json_string_value(json_array_get(list, (size_t)layer));
    bool shared = false, known = count == spec->layer_count && word;
    if (known && text) {
        shared = text[layer] == 'S';
        known = shared || text[layer] == 'F';
    } else if (known) {
        shared = strcmp(word, "shared") == 0;
        known = shared || strcmp(word, "full") == 0;
    }
    if (!known) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" must say \"full\" or \"shared\" for each of the %lld layers",
                       key, (long long)spec->layer_count);
    } else if (shared && layer == 0) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" lets the first layer share the choice of an earlier one", key);
    }
    return shared;
}

static void describe_glm(as_config *c, as_model_spec *spec)
{
    static const as_deepseek_defaults d = {.attention = {.q_rank = 2048,
                                                         .kv_rank = 512,
                                                         .nope = 192,
                                                         .rope = 64,
                                                         .v_width = 256,
                                                         .theta = 10000,
                                                         .kind = AS_ROPE_INTERLEAVED},
                                           .context = 202752,
                                           .eps = 1e-5,
                                           .experts = 256,
                                           .top_k = 8,
                                           .shared = 1,
                                           .width = 2048,
                                           .scale = 2.5,
                                           .groups = 1,
                                           .group_top = 1,
                                           .first_dense = 3,
                                           .listed = true,
                                           .normalise = true,
                                           .route = AS_ROUTE_SIGMOID};
    static const as_index_defaults index = {
        .heads = 32, .width = 128, .top = 2048, .kind = AS_ROPE_INTERLEAVED};
    as_spec_base(c, spec, d.context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &d.attention);
    as_deepseek_index(c, spec, &attention, d.attention.theta, &index);
    as_moe_spec moe = as_deepseek_experts(c, &d);
    bool *shared = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!shared) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
        return;
    }
    for (int64_t i = 0; i < spec->layer_count; i++) shared[i] = as_deepseek_shares_index(c, spec, i);
    as_deepseek_layers(c, spec, &d, &attention, &moe, shared);
}

const as_family as_family_deepseek_v32 = {.architectures = {"DeepseekV32ForCausalLM"},
                                          .describe = describe_v32};
const as_family as_family_glm_moe_dsa = {.architectures = {"GlmMoeDsaForCausalLM"}, .describe = describe_glm};
