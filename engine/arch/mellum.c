/* Mellum 2 (JetBrains 2026; transformers models/mellum): Qwen3-MoE's layers with windows by layer and rotary
 * parameters by type of layer, all of it experts unless mlp_layer_types says dense. */
#include "engine/arch/experts.h"

/* The layer that predicts further tokens. */
static const char *const ignored[] = {"*rotary_emb.inv_freq", "mtp.*", "model.mtp.*", NULL};

/* Only the parameters of its type count: no older form, and no rope_theta beside. */
static int rope_of(as_config *c, as_model_spec *spec, bool sliding)
{
    return as_config_rope(c,
                          &(as_rope_defaults){.head_dim = spec->head_dim,
                                              .theta = sliding ? 10000 : 500000,
                                              .layer_type = sliding ? "sliding_attention" : "full_attention",
                                              .by_type = true,
                                              .own_scaling = true,
                                              .parameters = sliding ? "{\"rope_theta\": 10000.0}"
                                                                    : "{\"rope_theta\": 500000.0}"},
                          spec);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    as_spec_norm_heads(&attention, eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 64,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 896});
    moe.normalise = as_config_bool(c, "norm_topk_prob", true);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t window = as_spec_window(c, 1024);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = as_spec_layer_slides(c, spec, i, false);
        attention.window = sliding ? window : 0;
        attention.rope = rope_of(c, spec, sliding);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, as_spec_is_sparse(c, spec, i, 0) ? &moe : NULL, &mlp, norm);
    }
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_mellum = {.architectures = {"MellumForCausalLM"}, .describe = describe};
