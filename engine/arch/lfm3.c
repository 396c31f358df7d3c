/* LFM3 (Liquid AI 2026; transformers models/lfm3): gated short convolutions with full and sliding attention
 * between, each with rotary parameters of its own, gates on the heads, norms on each query and key head and
 * on both sides of the blocks. */
#include <string.h>

#include "engine/arch/experts.h"
#include "engine/blocks/short_conv.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "embedding_norm",
    [AS_SLOT_NORM_1] = "layers.%d.operator_norm",
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_operator_norm",
    [AS_SLOT_NORM_2] = "layers.%d.ffn_norm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_ffn_norm",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj|layers.%d.self_attn.g_proj",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.w1",
    [AS_SLOT_UP] = "layers.%d.feed_forward.w3",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.w2",
    [AS_SLOT_SSM_IN] = "layers.%d.conv.in_proj",
    [AS_SLOT_SSM_CONV] = "layers.%d.conv.conv",
    [AS_SLOT_SSM_OUT] = "layers.%d.conv.out_proj",
};

typedef enum { CONV, FULL, SLIDING } layer_kind;

static layer_kind kind_of(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type) return layer % 4 == 2 ? FULL : layer % 4 == 0 && layer > 0 ? SLIDING : CONV;
    if (strcmp(type, "conv") == 0) return CONV;
    return as_spec_layer_slides(c, spec, layer, false) ? SLIDING : FULL;
}

static int rope_of(as_config *c, as_model_spec *spec, bool sliding)
{
    static const char full_parameters[] =
        "{\"rope_type\": \"proportional\", \"rope_theta\": 1000000.0, \"partial_rotary_factor\": 0.5}";
    return as_config_rope(
        c,
        &(as_rope_defaults){.head_dim = spec->head_dim,
                            .theta = 1e6,
                            .layer_type = sliding ? "sliding_attention" : "full_attention",
                            .parameters = sliding ? "{\"rope_theta\": 10000.0}" : full_parameters},
        spec);
}

/* The norm behind a block, if the model has them. */
static as_norm_spec behind(as_norm_spec norm, as_slot slot, bool sandwich)
{
    norm.present = sandwich;
    norm.slot = slot;
    return norm;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 128000);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 128);
    double eps = as_config_eps(c, as_config_key(c, "rms_norm_eps", "norm_eps"), 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool bias = as_config_bool(c, "attention_bias", false),
         sandwich = as_config_bool(c, "use_sandwich_norm", true);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    as_spec_norm_heads(&attention, eps);
    if (as_config_bool(c, "use_attention_gate", true)) {
        attention.gate = AS_ATTENTION_GATE_HEADS;
        attention.gate_act = AS_ACT_SIGMOID;
    }
    as_short_conv_spec conv = {.taps = as_config_size_or(c, "conv_L_cache", 7, 64),
                               .bias = as_config_bool(c, "conv_bias", false)};
    spec->intermediate = as_config_size_or(c, "intermediate_size", 7680, AS_MOST_WIDTH);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, false);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    int64_t window = as_spec_window(c, 256);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        layer_kind kind = kind_of(c, spec, i);
        as_step *mixer;
        if (kind == CONV) {
            mixer = as_spec_add_mixer(c, spec, i, &as_block_short_conv, &conv, norm);
        } else {
            attention.window = kind == SLIDING ? window : 0;
            attention.rope = rope_of(c, spec, kind == SLIDING);
            mixer = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        }
        mixer->out_norm = behind(norm, AS_SLOT_NORM_1_POST, sandwich);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        ffn->out_norm = behind(norm, AS_SLOT_NORM_2_POST, sandwich);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_lfm3 = {.architectures = {"Lfm3ForCausalLM"}, .describe = describe};
