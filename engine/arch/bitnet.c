/* BitNet b1.58: Ma et al. 2025; transformers models/bitnet. Llama with norms before the output and down
 * projections and squared ReLU. Checkpoints whose linear layers hold, or are to be rounded to, three values
 * state that in quantization_config, which the binder follows (bind/ternary.c). */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_O_NORM] = "layers.%d.self_attn.attn_sub_norm",
    [AS_SLOT_DOWN_NORM] = "layers.%d.mlp.ffn_sub_norm",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 5, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 500000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.o_norm = as_spec_rms(AS_SLOT_O_NORM, eps, 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "relu2"), false);
    mlp.sub_norm = as_spec_rms(AS_SLOT_DOWN_NORM, eps, 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_bitnet = {.architectures = {"BitNetForCausalLM"}, .describe = describe};
