/* gpt-oss: OpenAI 2025; transformers models/gpt_oss. Windows on every other layer, a sink in every head,
 * biases everywhere; the best experts, then a softmax over them; gate and up interleaved, clamped, with x
 * sigmoid(1.702 x), or another slope, and up + 1. Published experts are MXFP4 (OCP Microscaling 1.0): packed
 * e2m1 with an e8m0 scale for 32. */
#include "engine/arch/experts.h"

#define AT "layers.%d.mlp.experts."
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_SINKS] = "layers.%d.self_attn.sinks",      [AS_SLOT_ROUTER] = "layers.%d.mlp.router",
    [AS_SLOT_EXPERT_GATE] = "~" AT "gate_up_proj!#0%2", [AS_SLOT_EXPERT_UP] = "~" AT "gate_up_proj!#1%2",
    [AS_SLOT_EXPERT_DOWN] = "~" AT "down_proj!",
};
#undef AT

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 128,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 4,
                                                           .width = "intermediate_size",
                                                           .width_default = 2880});
    double alpha = as_config_number_in(c, "swiglu_alpha", 1.702, 1e-6, 1e6);
    moe.act = AS_ACT_GELU_QUICK;
    if (alpha != 1.702) moe.slope = (float)alpha;
    moe.limit = (float)as_config_number_in(c, "swiglu_limit", 7, 1e-6, 1e30);
    moe.up_offset = 1;
    moe.bias = moe.router_bias = true;
    moe.route = AS_ROUTE_SOFTMAX_TOPK;
    return moe;
}

/* The rotation of a config that states none is the published models' own. */
static const char rotation[] =
    "{\"rope_type\": \"yarn\", \"factor\": 32.0, \"beta_fast\": 32.0, \"beta_slow\": "
    "1.0, \"truncate\": false, \"original_max_position_embeddings\": 4096}";

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 64);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    bool bias = as_config_bool(c, "attention_bias", true);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 150000, .parameters = rotation};
    int rope = as_config_rope(c, &rotary, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.sinks = true;
    as_moe_spec moe = experts_of(c);
    spec->intermediate = moe.width;
    int64_t window = as_spec_window(c, 128);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, i % 2 == 0, window);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_gpt_oss = {.architectures = {"GptOssForCausalLM"}, .describe = describe};
