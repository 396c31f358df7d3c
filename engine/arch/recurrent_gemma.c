/* RecurrentGemma: Botev et al. 2024, after Griffin (De et al. 2024); transformers models/recurrent_gemma.
 * Recurrent blocks and attention with a window in the order of block_types, over and over; Gemma's norms of
 * (1 + w), embeddings times sqrt(hidden) rounded to bfloat16, a soft cap on the logits. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/rglru.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_norm",
    [AS_SLOT_NORM_1] = "layers.%d.temporal_pre_norm",
    [AS_SLOT_NORM_2] = "layers.%d.channel_pre_norm",
    [AS_SLOT_Q] = "layers.%d.temporal_block.q_proj",
    [AS_SLOT_K] = "layers.%d.temporal_block.k_proj",
    [AS_SLOT_V] = "layers.%d.temporal_block.v_proj",
    [AS_SLOT_O] = "layers.%d.temporal_block.o_proj",
    [AS_SLOT_SSM_IN] = "layers.%d.temporal_block.linear_x",
    [AS_SLOT_SSM_GATE] = "layers.%d.temporal_block.linear_y",
    [AS_SLOT_SSM_OUT] = "layers.%d.temporal_block.linear_out",
    [AS_SLOT_SSM_CONV] = "layers.%d.temporal_block.conv_1d",
    [AS_SLOT_LRU_DECAY] = "layers.%d.temporal_block.rg_lru.recurrent_param",
    [AS_SLOT_LRU_GATE] = "~layers.%d.temporal_block.rg_lru.recurrent_gate_weight!",
    [AS_SLOT_LRU_GATE_BIAS] = "layers.%d.temporal_block.rg_lru.recurrent_gate_bias",
    [AS_SLOT_LRU_IN_GATE] = "~layers.%d.temporal_block.rg_lru.input_gate_weight!",
    [AS_SLOT_LRU_IN_GATE_BIAS] = "layers.%d.temporal_block.rg_lru.input_gate_bias",
    [AS_SLOT_GATE] = "layers.%d.mlp_block.gate_proj",
    [AS_SLOT_UP] = "layers.%d.mlp_block.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlp_block.down_proj",
};

static bool is_attention(as_config *c, int64_t layer)
{
    const char *key = as_config_has(c, "block_types") ? "block_types" : "_block_types";
    const json_t *list = json_object_get(c->root, key);
    size_t count = json_array_size(list);
    if (!as_config_has(c, key)) return layer % 3 == 2;
    const char *name = count ? json_string_value(json_array_get(list, (size_t)layer % count)) : NULL;
    if (name && strcmp(name, "recurrent") == 0) return false;
    if (name && strcmp(name, "attention") == 0) return true;
    as_config_fail(c, AS_E_UNSUPPORTED, "\"%s\" must be a list of \"recurrent\" and \"attention\"", key);
    return false;
}

static as_attention_spec read_attention(as_config *c, as_model_spec *spec)
{
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .partial = 0.5};
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, true);
    const char *window =
        as_config_has(c, "attention_window_size") ? "attention_window_size" : "sliding_window";
    attention.window = as_config_size_or(c, window, 2048, 1 << 30);
    return attention;
}

static as_rglru_spec read_recurrence(as_config *c, const as_model_spec *spec, as_activation act)
{
    as_rglru_spec r = {.width = as_config_size_or(c, "lru_width", spec->hidden, AS_MOST_WIDTH),
                       .blocks = spec->heads,
                       .taps = as_config_size_or(c, "conv1d_width", 4, 64),
                       .act = act};
    if (r.width % r.blocks) {
        as_config_fail(c, AS_E_INPUT, "\"lru_width\" is %lld, not a multiple of \"num_attention_heads\" %lld",
                       (long long)r.width, (long long)r.blocks);
    }
    return r;
}

/* sqrt(hidden) as bfloat16 holds it. */
static float embedding_scale(int64_t hidden)
{
    float value = sqrtf((float)hidden);
    uint16_t rounded;
    as_convert_from_f32(AS_BF16, &value, &rounded, 1);
    as_convert_to_f32(AS_BF16, &rounded, &value, 1);
    return value;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    as_activation act = as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh");
    as_attention_spec attention = read_attention(c, spec);
    as_rglru_spec recurrence = read_recurrence(c, spec, act);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, act, true);
    mlp.width = spec->intermediate /= 2; /* both halves of the gated form count */
    if (mlp.width == 0) as_config_fail(c, AS_E_INPUT, "\"intermediate_size\" is 1, of which half is used");
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, i)) {
            as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_rglru, &recurrence, norm);
        }
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    spec->embed_scale = embedding_scale(spec->hidden);
    spec->logit_cap = (float)as_config_number_in(c, "logits_soft_cap", 30, 1e-6, 1e30);
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_recurrent_gemma = {.architectures = {"RecurrentGemmaForCausalLM"},
                                             .describe = describe};
