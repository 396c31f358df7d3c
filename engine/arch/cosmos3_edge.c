/* Cosmos 3 Edge, what reasons in it: NVIDIA 2026; transformers models/cosmos3_edge. Llama with a plain block
 * of squared ReLU, under names of Diffusers; what generates images beside it, in every layer too, is left
 * out. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj|layers.%d.self_attn.to_q",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj|layers.%d.self_attn.to_k",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj|layers.%d.self_attn.to_v",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj|layers.%d.self_attn.to_out",
    [AS_SLOT_UP] = "layers.%d.mlp.fc1|layers.%d.mlp.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.mlp.fc2|layers.%d.mlp.down_proj",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, 8, 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 1e8}, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "relu2"),
                                        as_config_bool(c, "mlp_bias", false));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_cosmos3_edge = {.describe = describe};
