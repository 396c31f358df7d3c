/* Laguna (Poolside 2026); transformers models/laguna. A softplus gate on what each head (or element) reads,
 * layers with a number of heads and rotary parameters of their own, sigmoid routing of capped logits with a
 * correction of the choice. */
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.g_proj",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.experts.e_score_correction_bias|"
                                  "layers.%d.mlp.gate.e_score_correction_bias",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_expert.gate_proj|layers.%d.mlp.shared_experts.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_expert.up_proj|layers.%d.mlp.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_expert.down_proj|layers.%d.mlp.shared_experts.down_proj",
};

static int rope_of(as_config *c, as_model_spec *spec, bool sliding)
{
    bool stated = as_config_has(c, "rope_parameters");
    as_rope_defaults rotary = {.head_dim = spec->head_dim,
                               .theta = sliding ? 10000 : 500000,
                               .partial = stated || sliding ? 1 : 0.5,
                               .layer_type = sliding ? "sliding_attention" : "full_attention"};
    return as_config_rope(c, &rotary, spec);
}

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .count_default = 256,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 512});
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    moe.scale = as_config_factor(c, "moe_routed_scaling_factor", 1);
    moe.router_cap = (float)as_config_number_in(c, "moe_router_logit_softcapping", 0, 0, 1e6);
    moe.weigh_input = as_config_bool(c, "moe_apply_router_weight_on_input", false);
    as_spec_share(c, &moe, as_config_size_or(c, "shared_expert_intermediate_size", 512, AS_MOST_WIDTH));
    return moe;
}

/* gating: true or "per-head" is a gate for each head, anything else one for each element. */
static as_attention_gate gate_of(const as_config *c)
{
    json_t *gating = json_object_get(c->root, "gating");
    const char *text = json_string_value(gating);
    bool heads = !gating || json_is_true(gating) || (text && strcmp(text, "per-head") == 0);
    return heads ? AS_ATTENTION_GATE_HEADS : AS_ATTENTION_GATE_ELEMENTS;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    bool bias = as_config_bool(c, "attention_bias", false);
    int full_rope = rope_of(c, spec, false), sliding_rope = rope_of(c, spec, true);
    as_attention_spec attention = as_spec_attention(spec, full_rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    attention.gate = gate_of(c);
    attention.gate_act = AS_ACT_SOFTPLUS;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t window = as_spec_window(c, 512);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.heads = as_config_layer_size(c, "num_attention_heads_per_layer", i, spec->layer_count,
                                               spec->heads, AS_MOST_HEADS);
        if (attention.heads % attention.kv_heads) {
            as_config_fail(c, AS_E_INPUT,
                           "\"num_attention_heads_per_layer\"[%lld] is %lld, not a multiple of "
                           "\"num_key_value_heads\" %lld",
                           (long long)i, (long long)attention.heads, (long long)attention.kv_heads);
        }
        bool sliding = as_spec_layer_window(c, spec, i, false, 1) != 0,
             sparse = as_spec_is_sparse(c, spec, i, 1);
        attention.window = sliding ? window : 0;
        attention.rope = sliding ? sliding_rope : full_rope;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_laguna = {.architectures = {"LagunaForCausalLM"}, .describe = describe};
