/* ERNIE 4.5 with experts (Baidu 2025); transformers models/ernie4_5_moe. Interleaved rotary positions;
 * softmax routing whose choice alone takes a correction; shared experts; experts in every
 * moe_layer_interval-th layer between two ends. */
#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.moe_statics.e_score_correction_bias|"
                                  "layers.%d.mlp.gate.moe_statics.e_score_correction_bias",
};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "*mtp*", NULL};

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "moe_num_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 64,
                                                           .top_k = "moe_k",
                                                           .top_k_default = 6,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 1536});
    moe.correction = moe.normalise = true;
    moe.norm_least = (float)as_config_number_in(c, "moe_norm_min", 1e-12, 0, 1e6);
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "moe_num_shared_experts", 2));
    moe.shared.up_bias = moe.shared.down_bias = as_config_bool(c, "use_bias", false);
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 0);
    bool bias = as_config_bool(c, "use_bias", false);
    as_rope_defaults rotary = {.kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 500000};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, bias);
    int64_t start = as_config_int(c, "moe_layer_start_index", 1),
            end = as_config_int(c, "moe_layer_end_index", -1),
            interval = as_config_size_or(c, "moe_layer_interval", 1, AS_MOST_LAYERS);
    if (end == -1) end = spec->layer_count - 1;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sparse = (i + 1) % interval == 0 && i >= start && i <= end;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->head_bias = bias;
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_ernie4_5_moe = {.architectures = {"Ernie4_5_MoeForCausalLM"}, .describe = describe};
