/* MiniCPM3: Hu et al. 2024, "MiniCPM"; transformers models/minicpm3. DeepSeek-V2's latent attention, turned
 * in halves, dense layers, and the multipliers of MiniCPM: on the embedding, on each block's output and on
 * the logits. */
#include <math.h>

#include "engine/arch/arch.h"

/* A multiplier whose null means none. */
static double number_or_null(as_config *c, const char *key, double otherwise, double null)
{
    if (json_is_null(json_object_get(c->root, key))) return null;
    return as_config_number_in(c, key, otherwise, 1e-6, 1e9);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    if (c->rc != AS_OK) return;
    as_mla_defaults defaults = {
        .q_rank = 768, .kv_rank = 256, .nope = 64, .rope = 32, .theta = 10000, .kind = AS_ROPE_HALF};
    as_mla_spec attention = as_spec_mla(c, spec, &defaults);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    double layers = sqrt((double)spec->layer_count), hidden = (double)spec->hidden;
    float scale = (float)(number_or_null(c, "scale_depth", 1.4, layers) / layers);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm)->residual_scale = scale;
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm)->residual_scale = scale;
    }
    spec->embed_scale = (float)as_config_number_in(c, "scale_emb", 12, 1e-6, 1e9);
    spec->logit_scale = (float)(number_or_null(c, "dim_model_base", 256, hidden) / hidden);
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_minicpm3 = {.architectures = {"MiniCPM3ForCausalLM"}, .describe = describe};
