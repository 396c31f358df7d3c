/* SmolLM3: Bakouch et al. 2025; transformers models/smollm3. Llama in which every fourth layer, or those that
 * no_rope_layers marks with 0, rotates nothing (NoPE, Yang et al. 2025); a window by layer_types, or in the
 * layers without rotation where use_sliding_window is on. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, 4, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 2000000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    int64_t window = as_spec_window(c, 0);
    bool slides = as_config_bool(c, "use_sliding_window", false) && window;
    const bool *rotates = as_spec_rotating_layers(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.rope = rotates[i] ? rope : -1;
        attention.window = as_spec_layer_window(c, spec, i, slides && !rotates[i], window);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_smollm3 = {.architectures = {"SmolLM3ForCausalLM"}, .describe = describe};
