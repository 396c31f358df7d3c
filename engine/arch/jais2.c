/* Jais 2: Inception and MBZUAI 2025; transformers models/jais2. Llama with layer norms, a plain feed-forward
 * block of squared ReLU, biases everywhere. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    bool bias = as_config_bool(c, "attention_bias", true);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "relu2"),
                                        as_config_bool(c, "mlp_bias", true));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_jais2 = {.architectures = {"Jais2ForCausalLM"}, .describe = describe};
