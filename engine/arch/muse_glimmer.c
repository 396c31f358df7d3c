/* Muse Glimmer (Meta 2026): transformers models/muse_glimmer. Windows and rotary positions on most layers,
 * every few one that sees everything without positions; queries and keys normalised without weights, queries
 * scaled; a sigmoid gate on each element that the heads read; norms before and behind both blocks, those
 * behind with an epsilon of their own; the embedding normalised, logits scaled and capped. */
#include "engine/arch/muse.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj",
};

bool as_muse_rotates(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const json_t *list = json_object_get(c->root, "layer_rope_theta");
    if (!list || json_is_null(list)) return (spec->layer_count - 1 - layer) % 4 != 0;
    const json_t *base = json_array_get(list, (size_t)layer);
    if (!json_is_number(base)) {
        as_config_fail(c, AS_E_INPUT,
                       "\"layer_rope_theta\" must be a list with a number for each of the %lld layers",
                       (long long)spec->layer_count);
    }
    return json_number_value(base) != 0;
}

as_attention_spec as_muse_attention(as_config *c, const as_model_spec *spec, double eps, double scale)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    as_spec_norm_heads(&attention, eps);
    attention.q_norm.weightless = attention.k_norm.weightless = true;
    attention.scale *= (float)as_config_number_in(c, "qk_scale_factor", scale, -1e6, 1e6);
    attention.gate = AS_ATTENTION_GATE_ELEMENTS;
    attention.gate_act = AS_ACT_SIGMOID;
    return attention;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 2), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5), behind = as_config_eps(c, "post_norm_eps", 1e-8);
    as_attention_spec attention = as_muse_attention(c, spec, eps, 3.87);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "silu"), false);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    int64_t window = as_spec_window(c, 2048);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, (spec->layer_count - 1 - i) % 4 != 0, window);
        attention.rope = as_muse_rotates(c, spec, i) ? rope : -1;
        as_step *mixer = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        mixer->out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, behind, 1);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, behind, 1);
    }
    spec->embed_norm = as_spec_rms(AS_SLOT_EMBED_NORM, eps, 0);
    spec->embed_norm.weightless = true;
    spec->logit_scale = (float)as_config_number_in(c, "output_multiplier", 0.19611613513818404, -1e9, 1e9);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 20);
    spec->names = names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

const as_family as_family_muse_glimmer = {.describe = describe};
