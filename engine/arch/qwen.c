/* Qwen2 (also 1.5 and 2.5) and Qwen3, dense: Yang et al. 2024 and 2025; transformers models/qwen2,
 * models/qwen3. Llama with biases on q, k and v (2), or norms on each query and key head (3), and a window in
 * the later layers where the config switches it on. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec, const as_attention_spec *attention, double eps)
{
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = 0, first = as_config_int(c, "max_window_layers", 28);
    bool off = json_is_null(json_object_get(c->root, "sliding_window"));
    if (as_config_bool(c, "use_sliding_window", false) && !off) {
        window = as_config_size_or(c, "sliding_window", 4096, 1 << 30);
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec here = *attention;
        here.window = as_spec_layer_window(c, spec, i, i >= first, window);
        as_spec_pre_norm_layer(&spec->layers[i], &here, &mlp, eps);
    }
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", false);
    spec->names = as_llama_names;
    spec->prefixes = as_llama_prefixes;
    spec->ignored = as_llama_ignored;
}

static void describe_qwen2(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 32, 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, true, false);
    describe(c, spec, &attention, as_config_eps(c, "rms_norm_eps", 1e-6));
}

static void describe_qwen3(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 32, 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    describe(c, spec, &attention, eps);
}

const as_family as_family_qwen2 = {.architectures = {"Qwen2ForCausalLM"}, .describe = describe_qwen2};
const as_family as_family_qwen3 = {.architectures = {"Qwen3ForCausalLM"}, .describe = describe_qwen3};
