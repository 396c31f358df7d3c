/* ZAYA1: Zyphra 2025; transformers models/zaya. Compressed convolutional attention, then experts of which one
 * is chosen, or none, by a small network whose state goes on from layer to layer. Outputs and the stream are
 * shifted and scaled channel by channel before they are added, the embedding too. */
#include <string.h>

#include "engine/arch/experts.h"
#include "engine/blocks/conv_attention.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED_SCALE] = "input_hidden_states_scale!",
    [AS_SLOT_EMBED_SHIFT] = "input_hidden_states_bias!",
    [AS_SLOT_Q] = "layers.%d.self_attn.qkv_proj.q_proj",
    [AS_SLOT_K] = "layers.%d.self_attn.qkv_proj.k_proj",
    [AS_SLOT_V] = "layers.%d.self_attn.qkv_proj.v_proj_current",
    [AS_SLOT_V_BEFORE] = "layers.%d.self_attn.qkv_proj.v_proj_delayed",
    [AS_SLOT_CHANNEL_CONV] = "layers.%d.self_attn.qkv_proj.conv_qk_depthwise",
    [AS_SLOT_HEAD_CONV] = "layers.%d.self_attn.qkv_proj.conv_qk_grouped",
    [AS_SLOT_KEY_SCALE] = "layers.%d.self_attn.qk_norm.temp!",
    [AS_SLOT_OUTPUT_SCALE] = "layers.%d.%s_residual_scale.hidden_states_scale!",
    [AS_SLOT_OUTPUT_SHIFT] = "layers.%d.%s_residual_scale.hidden_states_bias!",
    [AS_SLOT_RESIDUAL_SCALE] = "layers.%d.%s_residual_scale.residual_scale!",
    [AS_SLOT_RESIDUAL_SHIFT] = "layers.%d.%s_residual_scale.residual_bias!",
    [AS_SLOT_ROUTER_IN] = "layers.%d.mlp.gate.down_proj",
    [AS_SLOT_ROUTER_STATE_SCALE] = "layers.%d.mlp.gate.router_states_scale!",
    [AS_SLOT_ROUTER_NORM] = "layers.%d.mlp.gate.router_mlp.norm",
    [AS_SLOT_ROUTER_1] = "layers.%d.mlp.gate.router_mlp.fc1",
    [AS_SLOT_ROUTER_2] = "layers.%d.mlp.gate.router_mlp.fc2",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate.router_mlp.out_proj",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.balancing_biases",
};

static void scale_around(as_step *step, const char *stem)
{
    if (!step) return;
    step->stem = stem;
    step->out_affine = (as_affine_spec){.shift = AS_SLOT_OUTPUT_SHIFT, .scale = AS_SLOT_OUTPUT_SCALE};
    step->residual_affine =
        (as_affine_spec){.shift = AS_SLOT_RESIDUAL_SHIFT, .scale = AS_SLOT_RESIDUAL_SCALE};
}

static bool slides(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type || strcmp(type, "hybrid") == 0) return false;
    if (strcmp(type, "hybrid_sliding") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected hybrid or hybrid_sliding", (long long)layer,
                       type);
    }
    return true;
}

/* The rotary encoding of a kind of layers. */
static int rope_of(as_config *c, as_model_spec *spec, const char *type, double theta)
{
    return as_config_rope(
        c,
        &(as_rope_defaults){.head_dim = spec->head_dim, .theta = theta, .partial = 0.5, .layer_type = type},
        spec);
}

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = {.experts = as_config_size_or(c, "num_experts", 16, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 1, 1),
                       .width = as_config_size_or(c, "moe_intermediate_size", 2048, AS_MOST_WIDTH),
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .identity = 1,
                       .identity_is_zero = true,
                       .identity_correction = -1, /* transformers sets it behind whatever it has read */
                       .correction = true};
    moe.router_width = as_config_size_or(c, "router_hidden_size", 256, AS_MOST_WIDTH);
    moe.router_norm = as_spec_rms(AS_SLOT_ROUTER_NORM, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    return moe;
}

static void check_widths(as_config *c, const as_conv_attention_spec *a)
{
    long long width = (long long)a->width, values = (long long)(a->kv_heads * a->width);
    if (values % 2) as_config_fail(c, AS_E_INPUT, "%lld values cannot be of two tokens", values);
    if (a->width * a->head_taps > AS_MOST_WIDTH || (a->heads + a->kv_heads) * a->width > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "%lld and %lld heads of %lld with \"cca_time1\" %lld are too wide",
                       (long long)a->heads, (long long)a->kv_heads, width, (long long)a->head_taps);
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, 2, 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_conv_attention_spec attention = {.heads = spec->heads,
                                        .kv_heads = spec->kv_heads,
                                        .width = spec->head_dim,
                                        .channel_taps = as_config_size_or(c, "cca_time0", 2, AS_MOST_TAPS),
                                        .head_taps = as_config_size_or(c, "cca_time1", 2, AS_MOST_TAPS),
                                        .bias = as_config_bool(c, "attention_bias", false)};
    as_moe_spec moe = experts_of(c);
    check_widths(c, &attention);
    spec->intermediate = moe.width;
    spec->carried = moe.router_width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = slides(c, spec, i);
        attention.rope =
            sliding ? rope_of(c, spec, "hybrid_sliding", 10000) : rope_of(c, spec, "hybrid", 5e6);
        attention.window = sliding ? as_spec_window(c, 0) : 0;
        moe.router_first = i == 0;
        scale_around(as_spec_add_mixer(c, spec, i, &as_block_conv_attention, &attention, norm),
                     "post_attention");
        scale_around(as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm), "post_mlp");
    }
    spec->embed_affine = (as_affine_spec){.shift = AS_SLOT_EMBED_SHIFT, .scale = AS_SLOT_EMBED_SCALE};
    spec->head_bias = as_config_bool(c, "lm_head_bias", false);
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_zaya = {.architectures = {"ZayaForCausalLM"}, .describe = describe};
