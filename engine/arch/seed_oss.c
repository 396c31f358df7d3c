/* Seed-OSS: ByteDance 2025; transformers models/seed_oss. Llama with biases on q, k and v, and one of its own
 * for the output projection. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 524288);
    as_spec_heads(c, spec, 8, 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, as_config_bool(c, "attention_bias", true),
                                                    as_config_bool(c, "attention_out_bias", false));
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_seed_oss = {.architectures = {"SeedOssForCausalLM"}, .describe = describe};
