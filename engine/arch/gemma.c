/* Gemma 1, 2 and 3 (text): Mesnard et al. 2024, Riviere et al. 2024, Kamath et al. 2025; transformers
 * models/gemma, gemma2, gemma3. Norms of (1 + w), embeddings times sqrt(hidden), heads of their own width. 2
 * adds norms behind both blocks, soft caps, a window in every other layer and a query scale of its own; 3
 * adds norms on queries and keys, and rotary bases of their own for layers with and without a window. */
#include <math.h>
#include <string.h>

#include "engine/arch/gemma.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
};

static void refuse_bidirectional(as_config *c)
{
    const char *whole = json_string_value(json_object_get(c->outer, "model_type"));
    /* PaliGemma sees an image and its prompt in both directions, text by itself in one. */
    if (whole && strcmp(whole, "paligemma") == 0) return;
    if (!as_config_bool(c, "use_bidirectional_attention", false)) return;
    as_config_fail(c, AS_E_UNSUPPORTED,
                   "\"use_bidirectional_attention\" is true: a model that embeds text does not generate it");
}

static float query_scale(as_config *c)
{
    return (float)(1 / sqrt(as_config_number_in(c, "query_pre_attn_scalar", 256, 1e-6, 1e12)));
}

/* A layer with norms before and behind both blocks. */
static void sandwich_layer(as_config *c, as_model_spec *spec, int64_t layer,
                           const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_norm_spec behind = norm;
    behind.slot = AS_SLOT_NORM_1_POST;
    as_spec_add_mixer(c, spec, layer, &as_block_attention, attention, norm)->out_norm = behind;
    behind.slot = AS_SLOT_NORM_2_POST;
    as_spec_add_ffn(c, spec, layer, &as_block_mlp, mlp, norm)->out_norm = behind;
}

static void describe_gemma(as_config *c, as_model_spec *spec)
{
    refuse_bidirectional(c);
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 16, 256);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 1);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "gelu_pytorch_tanh"), false);
    /* The official configurations say gelu and mean its approximation. */
    if (mlp.act == AS_ACT_GELU && as_config_says(c, "hidden_act", "gelu")) mlp.act = AS_ACT_GELU_TANH;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    as_spec_finish(c, spec, norm, true);
}

static void describe_gemma2(as_config *c, as_model_spec *spec)
{
    refuse_bidirectional(c);
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 4, 256);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 1);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale = query_scale(c);
    attention.softcap = as_spec_cap(c, "attn_logit_softcapping", 50);
    as_mlp_spec mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"), false);
    int64_t window = as_spec_window(c, 4096);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i % 2 == 0, window);
        sandwich_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 30);
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

void as_gemma_ropes(as_config *c, as_model_spec *spec, int *full_rope, int *sliding_rope)
{
    as_rope_defaults full = {
        .head_dim = spec->head_dim, .theta = 1e6, .layer_type = "full_attention", .by_type = true};
    as_rope_defaults sliding = {.head_dim = spec->head_dim,
                                .theta = 10000,
                                .layer_type = "sliding_attention",
                                .by_type = true,
                                .theta_key = "rope_local_base_freq",
                                .own_scaling = true};
    *full_rope = as_config_rope(c, &full, spec);
    *sliding_rope = as_config_rope(c, &sliding, spec);
}

static void describe_gemma3(as_config *c, as_model_spec *spec)
{
    refuse_bidirectional(c);
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 4, 256);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 1);
    bool bias = as_config_bool(c, "attention_bias", false);
    int full_rope, sliding_rope;
    as_gemma_ropes(c, spec, &full_rope, &sliding_rope);
    as_attention_spec attention = as_spec_attention(spec, full_rope, bias, bias);
    attention.scale = query_scale(c);
    /* attn_logit_softcapping is left from Gemma 2: no model of this family has a cap, and none is applied. */
    attention.q_norm = attention.k_norm = norm;
    attention.q_norm.slot = AS_SLOT_Q_NORM;
    attention.k_norm.slot = AS_SLOT_K_NORM;
    as_mlp_spec mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"), false);
    int64_t window = as_spec_window(c, 4096);
    int64_t pattern = as_config_size_or(c, "sliding_window_pattern", 6, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool slides = as_spec_layer_slides(c, spec, i, (i + 1) % pattern != 0);
        attention.window = slides ? window : 0;
        attention.rope = slides ? sliding_rope : full_rope;
        sandwich_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 0);
    spec->names = names;
    if (c->outer != c->root) {
        spec->prefixes = as_gemma_prefixes;
        spec->ignored = as_gemma_ignored;
    }
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_gemma = {.architectures = {"GemmaForCausalLM"}, .describe = describe_gemma};
const as_family as_family_gemma2 = {.architectures = {"Gemma2ForCausalLM"}, .describe = describe_gemma2};
const as_family as_family_gemma3 = {
    .architectures = {"Gemma3ForCausalLM"},
    .nested = "text_config",
    .describe = describe_gemma3,
};
