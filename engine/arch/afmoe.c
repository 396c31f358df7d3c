/* AFMoE (Arcee Trinity 2025); transformers models/afmoe. Windows and rotary positions on most layers, every
 * few one that sees everything without positions; a sigmoid gate on each element that the heads read; norms
 * before and behind both blocks; sigmoid routing with a correction of the choice. */
#include <math.h>
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_mlp_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_mlp_layernorm",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.expert_bias",
};

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .count_default = 64,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 6,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 1408});
    const char *score = as_config_string(c, "score_func", "sigmoid");
    if (strcmp(score, "sigmoid") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"score_func\" is \"%s\", expected sigmoid", score);
    }
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = true;
    moe.normalise = true; /* whatever route_norm says, which the class leaves unread */
    moe.scale = as_config_factor(c, "route_scale", 1);
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "num_shared_experts", 2));
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 16384);
    as_spec_heads(c, spec, 0, 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    attention.gate = AS_ATTENTION_GATE_ELEMENTS;
    attention.gate_act = AS_ACT_SIGMOID;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t window = as_spec_window(c, 1024), dense = as_config_int(c, "num_dense_layers", 1),
            every = as_config_size_or(c, "global_attn_every_n_layers", 4, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, (i + 1) % every != 0, window);
        attention.rope = attention.window ? rope : -1;
        as_step *mixer = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        mixer->out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        as_step *ffn = as_spec_add_either(c, spec, i, i < dense ? NULL : &moe, &mlp, norm);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    if (as_config_bool(c, "mup_enabled", false)) spec->embed_scale = sqrtf((float)spec->hidden);
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_afmoe = {.architectures = {"AfmoeForCausalLM"}, .describe = describe};
