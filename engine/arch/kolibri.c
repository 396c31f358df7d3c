/* Kolibri (2026) and Flint (2026); transformers models/kolibri1, models/flint. Windows with rotary positions
 * on most layers, none of either on the others; norms on each query and key head; sigmoid weights. Kolibri
 * chooses by logits with a correction and has norms behind its blocks as well; Flint has sinks and dense
 * layers. */
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names_kolibri[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attn_norm|layers.%d.post_self_attn_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_ffn_norm|layers.%d.post_mlp_layernorm",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.moe.router.expert_bias|"
                                  "layers.%d.mlp.gate.e_score_correction_bias",
};

static const char *const names_flint[AS_SLOT_COUNT] = {
    [AS_SLOT_SINKS] = "layers.%d.self_attn.softmax_offset|layers.%d.self_attn.sinks",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_expert.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_expert.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_expert.down_proj",
};

static as_moe_spec experts_of(as_config *c, int64_t count, int64_t shared, bool normalise)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .other_count = "num_local_experts",
                                                           .count_default = count,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 6,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 512});
    moe.normalise = as_config_bool(c, "norm_topk_prob", normalise);
    as_spec_share_by(c, &moe, "shared_expert_intermediate_size", shared);
    return moe;
}

static as_attention_spec attention_of(as_config *c, as_model_spec *spec, double eps)
{
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    as_spec_norm_heads(&attention, eps);
    return attention;
}

static void describe_kolibri(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 262144);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = attention_of(c, spec, eps);
    as_moe_spec moe = experts_of(c, 384, 512, false);
    moe.route = AS_ROUTE_TOPK_SIGMOID;
    moe.correction = true;
    spec->intermediate = moe.width;
    int64_t window = as_spec_window(c, 513);
    int rope = attention.rope;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, (i + 1) % 5 != 0, window);
        attention.rope = window == 0 || attention.window ? rope : -1;
        as_step *mixer = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        mixer->out_norm = as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0);
        as_step *ffn = as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
        ffn->out_norm = as_spec_rms(AS_SLOT_NORM_2_POST, eps, 0);
    }
    spec->names = names_kolibri;
    as_spec_finish(c, spec, norm, false);
}

static void describe_flint(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 262144);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = attention_of(c, spec, eps);
    attention.q_bias = attention.k_bias = attention.v_bias = attention.o_bias =
        as_config_bool(c, "attention_bias", false);
    attention.sinks = true;
    as_moe_spec moe = experts_of(c, 256, 1024, true);
    moe.route = AS_ROUTE_SIGMOID;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    bool listed = as_config_has(c, "mlp_only_layers");
    int64_t window = as_spec_window(c, 513), last = spec->layer_count - 1,
            step = as_config_size_or(c, "decoder_sparse_step", 1, AS_MOST_LAYERS);
    int rope = attention.rope;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool full = i < 2 || i % 4 == 1 || i == last;
        bool dense = (i + 1) % step != 0 || (listed ? as_config_lists(c, "mlp_only_layers", i) : i < 2);
        attention.window = as_spec_layer_window(c, spec, i, !full, window);
        attention.rope = attention.window ? rope : -1;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, dense ? NULL : &moe, &mlp, norm);
    }
    spec->names = names_flint;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_kolibri = {.architectures = {"Kolibri1ForCausalLM"}, .describe = describe_kolibri};
const as_family as_family_flint = {.architectures = {"FlintForCausalLM"}, .describe = describe_flint};
