/* Experts routed as in DeepSeek-V3 (sigmoid, groups, a correction of the choice, a shared expert) behind
 * plain grouped attention: GLM-4.5 and 4.6 (GLM team 2025; partial rotary, biases on q, k and v, norms on
 * heads where use_qk_norm), dots.llm1 (Huo et al. 2025; norms on heads, windows), Solar Open (Upstage 2025;
 * experts in every layer). transformers models/glm4_moe, models/dots1, models/solar_open. */
#include "engine/arch/experts.h"

static as_moe_spec experts_of(as_config *c, int64_t count, int64_t top_k, int64_t width, bool normalise,
                              int64_t shared)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "n_routed_experts",
                                                           .other_count = "num_local_experts",
                                                           .count_default = count,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = top_k,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = width});
    as_spec_route_by_sigmoid(c, &moe, &(as_route_defaults){.normalise = normalise, .scale = 1});
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "n_shared_experts", shared));
    return moe;
}

static void describe_glm(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .partial = 0.5};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec),
                                                    as_config_bool(c, "attention_bias", false), false);
    if (as_config_bool(c, "use_qk_norm", false)) as_spec_norm_heads(&attention, eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = experts_of(c, 128, 8, 1408, true, 1);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t first = as_config_int(c, "first_k_dense_replace", 1);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, i < first ? NULL : &moe, &mlp, norm);
    }
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

static void describe_dots(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, as_spec_kv_default(c, 32), 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = experts_of(c, 128, 6, 1408, false, 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t window = as_spec_window(c, 4096), from = as_config_int(c, "max_window_layers", 62),
            first = as_config_int(c, "first_k_dense_replace", 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i >= from, window);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, i < first ? NULL : &moe, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static void describe_solar(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 1e6, .partial = 1};
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, false);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_moe_spec moe = experts_of(c, 128, 8, 1280, true, 1);
    spec->intermediate = moe.width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_glm4_moe = {.architectures = {"Glm4MoeForCausalLM"}, .describe = describe_glm};
const as_family as_family_dots1 = {.architectures = {"Dots1ForCausalLM"}, .describe = describe_dots};
const as_family as_family_solar_open = {.architectures = {"SolarOpenForCausalLM"},
                                        .describe = describe_solar};
