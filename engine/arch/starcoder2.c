/* StarCoder2: Lozhkov et al. 2024; transformers models/starcoder2. Layer norms, biases, a plain feed-forward
 * block, a window in every layer where the config sets one. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_UP] = "layers.%d.mlp.c_fc",
    [AS_SLOT_DOWN] = "layers.%d.mlp.c_proj",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_heads(c, spec, 2, 0);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "norm_epsilon", 1e-5));
    bool bias = as_config_bool(c, "use_bias", true);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.window = as_spec_window(c, 0);
    as_mlp_spec mlp =
        as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "gelu_pytorch_tanh"), bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_starcoder2 = {.architectures = {"Starcoder2ForCausalLM"}, .describe = describe};
