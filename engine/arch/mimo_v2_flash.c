/* MiMo-V2-Flash (Xiaomi 2025); transformers models/mimo_v2_flash. Most layers see a window, with sinks, twice
 * the key/value heads and a rotary base of their own; values are narrower than keys and scaled. Experts
 * routed as in DeepSeek-V3, none shared; the first layer dense. The published config states layers and bases
 * in its own fields (hybrid_layer_pattern, swa_rope_theta, moe_layer_freq), the newer one as transformers
 * does. */
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_SINKS] = "layers.%d.self_attn.attention_sink_bias|layers.%d.self_attn.sinks",
};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "model.mtp.*", NULL};

static int rope_of(as_config *c, as_model_spec *spec, bool sliding)
{
    as_rope_defaults rotary = {.head_dim = spec->head_dim,
                               .theta = sliding ? 10000 : 5e6,
                               .partial = 0.334,
                               .layer_type = sliding ? "sliding_attention" : "full_attention"};
    if (as_config_has(c, "rope_parameters")) {
        rotary.partial = 1;
        return as_config_rope(c, &rotary, spec);
    }
    as_config plain; /* without the fields that are of the other kind of layer */
    as_config_init(&plain, NULL);
    rotary.theta =
        as_config_number_in(c, sliding ? "swa_rope_theta" : "rope_theta", rotary.theta, 1e-6, 1e30);
    rotary.partial = as_config_number_in(c, "partial_rotary_factor", rotary.partial, 0, 1);
    return as_config_rope(&plain, &rotary, spec);
}

/* Entry of a list of 0 and 1, one for each layer, or -1 where there is none. */
static int flag_of(as_config *c, const as_model_spec *spec, const char *key, int64_t layer)
{
    json_t *list = json_object_get(c->root, key);
    if (!json_is_array(list)) return -1;
    if ((int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" has %zu entries for %lld layers", key, json_array_size(list),
                       (long long)spec->layer_count);
    }
    return json_integer_value(json_array_get(list, (size_t)layer)) != 0;
}

static bool is_sliding(as_config *c, const as_model_spec *spec, int64_t layer)
{
    int flag = flag_of(c, spec, "hybrid_layer_pattern", layer);
    bool by_rule = flag >= 0 ? flag : layer != 0 && (layer + 1) % 6 != 0;
    return as_spec_layer_window(c, spec, layer, by_rule, 1) != 0;
}

static bool is_sparse(as_config *c, const as_model_spec *spec, int64_t layer)
{
    int flag = flag_of(c, spec, "moe_layer_freq", layer);
    if (flag >= 0 && !as_config_has(c, "mlp_layer_types")) return flag;
    return as_spec_is_sparse(c, spec, layer, 1);
}

static as_attention_spec full_attention(as_config *c, as_model_spec *spec, int rope)
{
    as_attention_spec a = as_spec_attention(spec, rope, as_config_bool(c, "attention_bias", false), false);
    a.v_width = as_config_size_or(c, "v_head_dim", 128, 1 << 14);
    a.v_scale = json_is_null(json_object_get(c->root, "attention_value_scale"))
                    ? 1
                    : as_config_factor(c, "attention_value_scale", 0.707);
    return a;
}

static as_attention_spec sliding_attention(as_config *c, as_model_spec *spec, const as_attention_spec *full)
{
    as_attention_spec a = *full;
    a.kv_heads = as_config_size_or(c, "swa_num_key_value_heads", 2 * full->kv_heads, AS_MOST_HEADS);
    if (a.heads % a.kv_heads) {
        as_config_fail(
            c, AS_E_INPUT,
            "the %lld key/value heads of sliding layers do not divide \"num_attention_heads\" %lld",
            (long long)a.kv_heads, (long long)a.heads);
    }
    a.rope = rope_of(c, spec, true);
    a.sinks = true;
    a.window = as_spec_window(c, 129);
    /* sliding_window_size counts the keys before the query. */
    int64_t before = as_config_int(c, "sliding_window_size", 0);
    if (before > 0) a.window = before + 1;
    return a;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 192);
    double eps =
        as_config_eps(c, as_config_has(c, "rms_norm_eps") ? "rms_norm_eps" : "layernorm_epsilon", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec full = full_attention(c, spec, rope_of(c, spec, false)),
                      sliding = sliding_attention(c, spec, &full);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "n_routed_experts",
                                                           .other_count = "num_local_experts",
                                                           .count_default = 256,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 2048});
    as_spec_route_by_sigmoid(c, &moe, &(as_route_defaults){.normalise = true, .scale = 1});
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, is_sliding(c, spec, i) ? &sliding : &full, norm);
        as_spec_add_either(c, spec, i, is_sparse(c, spec, i) ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_mimo_v2_flash = {.architectures = {"MiMoV2FlashForCausalLM"}, .describe = describe};
