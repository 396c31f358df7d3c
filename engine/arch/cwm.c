/* CWM: Meta FAIR 2025; transformers models/cwm. Llama with a window in three layers of four. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, 8, 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_rope_defaults rotary = {.head_dim = spec->head_dim,
                               .theta = 1000000,
                               .parameters =
                                   "{\"rope_type\": \"llama3\", \"rope_theta\": 1000000, \"factor\": 16, "
                                   "\"original_max_position_embeddings\": 8192, \"low_freq_factor\": 1, "
                                   "\"high_freq_factor\": 4}"};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), false, false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    int64_t window = as_spec_window(c, 8192);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i % 4 != 0, window);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_cwm = {.architectures = {"CwmForCausalLM"}, .describe = describe};
