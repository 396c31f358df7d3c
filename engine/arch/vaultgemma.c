/* VaultGemma: Google 2025; transformers models/vaultgemma. Gemma 2 without the norms behind the blocks. */
#include <math.h>

#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {[AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm"};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 4, 256);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 1);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale = (float)(1 / sqrt(as_config_number_in(c, "query_pre_attn_scalar", 256, 1e-6, 1e12)));
    attention.softcap = as_spec_cap(c, "attn_logit_softcapping", 50);
    as_mlp_spec mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"), false);
    int64_t window = as_spec_window(c, 4096);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i % 2 == 0, window);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 30);
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_vaultgemma = {.architectures = {"VaultGemmaForCausalLM"}, .describe = describe};
