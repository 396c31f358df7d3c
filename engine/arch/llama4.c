/* Llama 4: Meta 2025; the text part; transformers models/llama4. Interleaved rotary positions, then queries
 * and keys normed without weight, in layers that see their own chunk of the context; every fourth layer sees
 * everything without positions, its queries growing with theirs. Experts weighed by a sigmoid at their input,
 * beside a shared one; other layers are dense and of another width. */
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.gate_proj",
    [AS_SLOT_UP] = "layers.%d.feed_forward.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.down_proj",
    [AS_SLOT_ROUTER] = "layers.%d.feed_forward.router",
    [AS_SLOT_EXPERT_GATE] = "~layers.%d.feed_forward.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "~layers.%d.feed_forward.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "~layers.%d.feed_forward.experts.down_proj!",
    [AS_SLOT_SHARED_GATE] = "layers.%d.feed_forward.shared_expert.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.feed_forward.shared_expert.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.feed_forward.shared_expert.down_proj",
};

static const char *const prefixes[] = {"model.", "language_model.model.", "model.language_model.", "", NULL};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "*vision_model.*", "*multi_modal_projector.*",
                                      NULL};

/* A switch that published configs also write as a number. */
static bool is_on(as_config *c, const char *key, bool otherwise)
{
    json_t *value = json_object_get(c->root, key);
    if (json_is_integer(value)) return json_integer_value(value) != 0;
    return as_config_bool(c, key, otherwise);
}

/* no_rope_layers holds 1 for the layers that do rotate; empty or absent: all but every fourth. */
static bool rotates(as_config *c, const as_model_spec *spec, int64_t layer)
{
    json_t *list = json_object_get(c->root, "no_rope_layers");
    if (json_array_size(list) == 0) {
        return (layer + 1) % as_config_size_or(c, "no_rope_layer_interval", 4, AS_MOST_LAYERS) != 0;
    }
    if ((int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"no_rope_layers\" has %zu entries for %lld layers",
                       json_array_size(list), (long long)spec->layer_count);
    }
    json_t *entry = json_array_get(list, (size_t)layer);
    return json_is_true(entry) || json_integer_value(entry) != 0;
}

static bool is_chunked(as_config *c, const as_model_spec *spec, int64_t layer, bool otherwise)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type) return otherwise;
    if (strcmp(type, "chunked_attention") == 0) return true;
    if (strcmp(type, "full_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected chunked_attention or full_attention",
                       (long long)layer, type);
    }
    return false;
}

static as_attention_spec layer_attention(as_config *c, const as_model_spec *spec, int64_t layer, int rope)
{
    bool bias = as_config_bool(c, "attention_bias", false), rotated = rotates(c, spec, layer);
    as_attention_spec a = as_spec_attention(spec, rotated ? rope : -1, bias, bias);
    if (rotated && as_config_bool(c, "use_qk_norm", true)) {
        a.q_norm = as_spec_rms(AS_SLOT_NONE, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
        a.q_norm.weightless = true;
        a.k_norm = a.q_norm;
        a.norm_after_rope = true;
    }
    if (!rotated && is_on(c, "attn_temperature_tuning", true)) {
        a.growth = (as_query_growth){.beta = as_config_number_in(c, "attn_scale", 0.1, 0, 1e6),
                                     .length = as_config_number_in(c, "floor_scale", 8192, 1, 1e12),
                                     .offset = 1};
    }
    bool whole = json_is_null(json_object_get(c->root, "attention_chunk_size"));
    if (is_chunked(c, spec, layer, rotated) && !whole) {
        a.chunk = as_config_size_or(c, "attention_chunk_size", 8192, 1 << 30);
    }
    return a;
}

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .count_default = 16,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 1,
                                                           .width = "intermediate_size"});
    moe.route = AS_ROUTE_TOPK_SIGMOID;
    moe.weigh_input = true;
    as_spec_share(c, &moe, moe.width);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_rope_defaults rotary = {.kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 500000};
    int rope = as_config_rope(c, &rotary, spec);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    mlp.width = as_config_size_or(c, "intermediate_size_mlp", 16384, AS_MOST_WIDTH);
    int64_t step = as_config_size_or(c, "interleave_moe_layer_step", 1, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec attention = layer_attention(c, spec, i, rope);
        bool sparse =
            as_config_has(c, "moe_layers") ? as_config_lists(c, "moe_layers", i) : (i + 1) % step == 0;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_llama4 = {
    .architectures = {"Llama4ForCausalLM"},
    .nested = "text_config",
    .describe = describe,
};
