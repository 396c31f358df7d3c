/* Phi-3, 3.5 and 4: Abdin et al. 2024; transformers models/phi3. Llama with one projection for query, key and
 * value and one for gate and up, and one of two lists of rotary factors by the length of the sequence, which
 * is computed anew when it outgrows the first (Phi3ForCausalLM.prepare_inputs_for_generation). */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_QKV] = "layers.%d.self_attn.qkv_proj",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_up_proj#0/2",
    [AS_SLOT_UP] = "layers.%d.mlp.gate_up_proj#1/2",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_rope_defaults rotary = {.head_dim = spec->head_dim,
                               .theta = 10000,
                               .partial = 1,
                               .always_longrope = true,
                               .anew = true,
                               .original = 4096};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), false, false);
    attention.layout = AS_QKV_ROWS;
    attention.window = as_spec_window(c, 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_phi3 = {.architectures = {"Phi3ForCausalLM"}, .describe = describe};
