/* Nemotron-4 and Minitron: Parmar et al. 2024; transformers models/nemotron. Layer norms of (1 + w), rotary
 * on half of a head, a plain feed-forward block of squared ReLU. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "norm_eps", 1e-5));
    norm.weight_offset = 1;
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .partial = 0.5};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "relu2"),
                                        as_config_bool(c, "mlp_bias", false));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_nemotron = {.architectures = {"NemotronForCausalLM"}, .describe = describe};
