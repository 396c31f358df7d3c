/* Falcon-H1: Zuo et al. 2025; transformers models/falcon_h1. In every layer Mamba-2 and attention read the
 * same norm, each with a factor before and behind it; more factors stand on the parts of Mamba's projection,
 * the keys, the gate and the output of the feed-forward part, the embedding and the logits. */
#include "engine/arch/hybrid.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_ff_layernorm",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.gate_proj",
    [AS_SLOT_UP] = "layers.%d.feed_forward.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.down_proj",
    AS_MAMBA2_NAMES("layers.%d.mamba"),
};

static as_mamba2_spec read_mamba(as_config *c, const as_model_spec *spec, double eps)
{
    int64_t inner = json_is_null(json_object_get(c->root, "mamba_d_ssm"))
                        ? as_spec_expanded(c, spec, "mamba_expand")
                        : as_config_size_or(c, "mamba_d_ssm", 1024, AS_MOST_WIDTH);
    as_mamba2_spec mamba = as_spec_mamba2(c, inner, eps);
    mamba.out_bias = as_config_bool(c, "projectors_bias", false);
    mamba.norm.present = as_config_bool(c, "mamba_rms_norm", false);
    mamba.norm_before_gate = as_config_bool(c, "mamba_norm_before_gate", true);
    float parts[5];
    as_spec_factors(c, "ssm_multipliers", 5, parts);
    mamba.factors = (as_mamba2_factors){parts[0], parts[1], parts[2], parts[3], parts[4]};
    return mamba;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.scale *= as_config_factor(c, "key_multiplier", 1);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    float feed_forward[2];
    as_spec_factors(c, "mlp_multipliers", 2, feed_forward);
    mlp.gate_scale = feed_forward[0];
    as_mamba2_spec mamba = read_mamba(c, spec, eps);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *recurrent = as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
        recurrent->in_scale = as_config_factor(c, "ssm_in_multiplier", 1);
        recurrent->residual_scale = as_config_factor(c, "ssm_out_multiplier", 1);
        as_step *attending = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        attending->parallel = true;
        attending->trace = "attention";
        attending->in_scale = as_config_factor(c, "attention_in_multiplier", 1);
        attending->residual_scale = as_config_factor(c, "attention_out_multiplier", 1);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        ffn->residual_scale = feed_forward[1];
    }
    spec->embed_scale = as_config_factor(c, "embedding_multiplier", 1);
    spec->logit_scale = as_config_factor(c, "lm_head_multiplier", 1);
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_falcon_h1 = {.architectures = {"FalconH1ForCausalLM"}, .describe = describe};
