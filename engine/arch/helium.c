/* Helium: Kyutai 2025; transformers models/helium. Llama with pairs of neighbours rotated. The
 * output projection is square, so that heads can only be hidden / heads wide. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_even_heads(c, spec, 20);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-8), 0);
    as_rope_defaults rotary = {.kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 100000};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec attention =
        as_spec_attention(spec, rope, as_config_bool(c, "attention_bias", false), false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_helium = {.architectures = {"HeliumForCausalLM"}, .describe = describe};
