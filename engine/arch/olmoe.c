/* OLMoE (Muennighoff et al. 2024) and FlexOlmo (Shi et al. 2025); transformers models/olmoe,
 * models/flex_olmo. Norms over all queries and all keys at once, softmax over all experts. OLMoE may clip
 * queries, keys (behind their norm) and values; FlexOlmo norms behind the blocks instead of before them. */
#include "engine/arch/experts.h"

static const char *const names_flex[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
};

static as_attention_spec attention_of(as_config *c, as_model_spec *spec, double theta, double eps)
{
    as_spec_heads(c, spec, 0, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = theta}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    attention.head_norm = AS_HEAD_NORM_ROW;
    return attention;
}

static as_moe_spec experts_of(as_config *c, as_model_spec *spec, int64_t count, int64_t top_k)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .other_count = "num_local_experts",
                                                           .count_default = count,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = top_k,
                                                           .width = "intermediate_size"});
    moe.normalise = as_config_bool(c, "norm_topk_prob", false);
    spec->intermediate = moe.width;
    return moe;
}

static void describe_olmoe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = attention_of(c, spec, 10000, eps);
    attention.qkv_clip = (float)as_config_number_in(c, "clip_qkv", 0, 0, 1e30);
    attention.clip_after_norm = true;
    as_moe_spec moe = experts_of(c, spec, 64, 8);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static void describe_flex(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_attention_spec attention = attention_of(c, spec, 500000, eps);
    as_moe_spec moe = experts_of(c, spec, 7, 5);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *mixer = as_spec_add_step(c, spec, i, &as_block_attention, "mixer", &attention);
        mixer->out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        as_step *ffn = as_spec_add_step(c, spec, i, &as_block_moe, "ffn", &moe);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    spec->names = names_flex;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

const as_family as_family_olmoe = {.architectures = {"OlmoeForCausalLM"}, .describe = describe_olmoe};
const as_family as_family_flex_olmo = {.architectures = {"FlexOlmoForCausalLM"}, .describe = describe_flex};
