/* Bamba (IBM, Princeton, CMU, UIUC 2024; transformers models/bamba): Mamba-2 layers with attention at
 * attn_layer_indices, half of each head rotated, and a gated feed-forward part in all. */
#include "engine/arch/hybrid.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_ff_layernorm",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.gate_proj",
    [AS_SLOT_UP] = "layers.%d.feed_forward.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.down_proj",
    AS_MAMBA2_NAMES("layers.%d.mamba"),
};

static bool is_attention(as_config *c, int64_t layer)
{
    const json_t *list = json_object_get(c->root, "attn_layer_indices");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_integer_value(json_array_get(list, i)) == layer) return true;
    }
    return false;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 262144);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .partial = 0.5, .share_key = ""};
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    as_mamba2_spec mamba = as_spec_mamba2(c, as_spec_expanded(c, spec, "mamba_expand"), eps);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, i)) {
            as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
        }
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_bamba = {.architectures = {"BambaForCausalLM"}, .describe = describe};
