/* nanochat: Karpathy 2025; transformers models/nanochat. Norms without weights, one behind the embedding too
 * and one on each query and key head after the rotation, which turns backward; a plain block of squared ReLU;
 * a soft cap on the logits. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_UP] = "layers.%d.mlp.fc1",
    [AS_SLOT_DOWN] = "layers.%d.mlp.fc2",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    norm.weightless = true;
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000, .backward = true};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    attention.q_norm = attention.k_norm = norm;
    attention.norm_after_rope = true;
    as_mlp_spec mlp = as_spec_plain_mlp(c, spec, as_config_activation(c, "hidden_act", "relu2"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_norm = norm;
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 15);
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_nanochat = {.architectures = {"NanoChatForCausalLM"}, .describe = describe};
