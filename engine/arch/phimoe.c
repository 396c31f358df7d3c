/* Phi-3.5-MoE: Abdin et al. 2024; transformers models/phimoe. Layer norms, biases, and routing by SparseMixer
 * (Liu et al. 2023): two experts, each weighed among those whose scores are near its own. Its rotary scaling
 * comes with a factor on cos and sin of its own for short and for long sequences. As in transformers 5.23
 * that factor alone follows the length: the frequencies are always those of a short sequence. */
#include "engine/arch/experts.h"

#define AT  "layers.%d.block_sparse_moe."
#define NEW "layers.%d.mlp."
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = AT "gate|" NEW "router",
    [AS_SLOT_EXPERT_GATE] = AT "experts.%e.w1|" NEW "experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = AT "experts.%e.w3|" NEW "experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = AT "experts.%e.w2|" NEW "experts.down_proj!",
};
#undef AT
#undef NEW

/* short_mscale and long_mscale of the rotary parameters, which replace the scaling's own factor. */
static void read_factors(as_config *c, as_rope_spec *rope)
{
    const json_t *from = as_config_rope_object(c);
    if (rope->scaling == AS_ROPE_PLAIN || !from) return;
    as_config fields;
    as_config_init(&fields, from);
    rope->attention_factor = as_config_number_in(&fields, "short_mscale", rope->attention_factor, 0, 1e6);
    rope->long_factor = rope->short_factor;
    if (rope->scaling == AS_ROPE_DYNAMIC) rope->scaling = AS_ROPE_PLAIN;
    rope->long_attention_factor = as_config_number_in(&fields, "long_mscale", rope->attention_factor, 0, 1e6);
    if (c->rc == AS_OK && fields.rc != AS_OK) {
        c->rc = fields.rc;
        c->err = fields.err;
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 0);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5));
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 1e6}, spec);
    read_factors(c, &spec->ropes[rope]);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.window = as_spec_window(c, 0);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 16,
                                                           .top_k = "", /* whatever the config says */
                                                           .top_k_default = 2,
                                                           .width = "intermediate_size"});
    moe.route = AS_ROUTE_SPARSEMIXER;
    moe.jitter = (float)as_config_number_in(c, "router_jitter_noise", 0.01, 0, 1e6);
    spec->intermediate = moe.width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->head_bias = as_config_bool(c, "lm_head_bias", false);
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_phimoe = {.architectures = {"PhimoeForCausalLM", "PhiMoEForCausalLM"},
                                    .describe = describe};
