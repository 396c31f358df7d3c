/* Gemma 2: Riviere et al. 2024; transformers models/gemma2. Norms of (1 + w) before and after both blocks,
 * soft caps on scores and logits, a window in every other layer, embeddings times sqrt(hidden), a query scale
 * of its own. */
#include <math.h>

#include "engine/arch/arch.h"
#include "engine/blocks/block.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens",
    [AS_SLOT_FINAL_NORM] = "norm",
    [AS_SLOT_HEAD] = "^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj",
};

/* A cap of null is none; an absent one has the family's value. */
static float cap(as_config *c, const char *key, double otherwise)
{
    return json_is_null(json_object_get(c->root, key))
               ? 0
               : (float)as_config_number_in(c, key, otherwise, 0, 1e30);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 4, 256);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale = (float)(1 / sqrt(as_config_number_in(c, "query_pre_attn_scalar", 256, 1e-6, 1e12)));
    attention.softcap = cap(c, "attn_logit_softcapping", 50);
    as_mlp_spec mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"), false);
    bool no_window = json_is_null(json_object_get(c->root, "sliding_window"));
    int64_t window = no_window ? 0 : as_config_size_or(c, "sliding_window", 4096, 1 << 30);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *mixer = as_spec_add_step(&spec->layers[i], &as_block_attention, "mixer");
        mixer->in_norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
        mixer->out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 1);
        mixer->u.attention = attention;
        mixer->u.attention.window = as_spec_layer_window(c, spec, i, i % 2 == 0, window);
        as_step *ffn = as_spec_add_step(&spec->layers[i], &as_block_mlp, "ffn");
        ffn->in_norm = as_spec_rms(AS_SLOT_NORM_2, eps, 1);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 1);
        ffn->u.mlp = mlp;
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 1);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", true);
    spec->logit_cap = cap(c, "final_logit_softcapping", 30);
    spec->names = names;
    spec->prefixes = as_llama_prefixes;
    spec->ignored = as_llama_ignored;
}

const as_family as_family_gemma2 = {.architectures = {"Gemma2ForCausalLM"}, .describe = describe};
