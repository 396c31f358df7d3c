/* Mistral: Jiang et al. 2023; transformers models/mistral. Llama with a sliding window in every layer; a
 * config without the field has a window of 4096, null switches it off. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    if (as_config_has(c, "sliding_window")) {
        attention.window = as_config_size(c, "sliding_window", 1 << 30);
    } else if (!json_object_get(c->root, "sliding_window")) {
        attention.window = 4096;
    }
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(&spec->layers[i], &attention, &mlp, eps);
    }
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", false);
    spec->names = as_llama_names;
    spec->prefixes = as_llama_prefixes;
    spec->ignored = as_llama_ignored;
}

const as_family as_family_mistral = {.architectures = {"MistralForCausalLM"}, .describe = describe};
