/* Llama: Touvron et al. 2023; transformers models/llama. Serves every fine-tune and kin that publishes itself
 * as LlamaForCausalLM (Llama 1 to 3.3, TinyLlama, SOLAR, Yi, DeepSeek-LLM, SmolLM). */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(&spec->layers[i], &attention, &mlp, eps);
    }
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", false);
    spec->names = as_llama_names;
    spec->prefixes = as_llama_prefixes;
    spec->ignored = as_llama_ignored;
}

const as_family as_family_llama = {.architectures = {"LlamaForCausalLM"}, .describe = describe};
