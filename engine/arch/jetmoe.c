/* JetMoE: Shen et al. 2024; transformers models/jetmoe. Experts in the feed-forward part and in attention,
 * where each brings its own queries and output and all share keys and values; the best ones, then a softmax
 * over them; a bias behind each mixture. transformers gives the norms inside the layers its own epsilon of
 * 1e-6 and only the final one rms_norm_eps. */
#include <math.h>

#include "engine/arch/experts.h"
#include "engine/blocks/moa.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ATTENTION_ROUTER] = "layers.%d.self_attention.experts.router.layer",
    [AS_SLOT_ATTENTION_BIAS] = "layers.%d.self_attention.experts.bias",
    [AS_SLOT_Q] = "layers.%d.self_attention.experts.input_linear",
    [AS_SLOT_O] = "layers.%d.self_attention.experts.output_linear",
    [AS_SLOT_KV] = "layers.%d.self_attention.kv_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router.layer",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.input_linear#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.input_linear#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.output_linear",
    [AS_SLOT_EXPERT_BIAS] = "layers.%d.mlp.bias",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    spec->kv_heads = as_config_size_or(c, "num_key_value_heads", 16, AS_MOST_HEADS);
    spec->head_dim = as_config_size_or(c, as_config_key(c, "head_dim", "kv_channels"), 128, 1 << 14);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                           .count_default = 8,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 2,
                                                           .width = "intermediate_size",
                                                           .width_default = 5632});
    moe.act = as_config_activation(c, "activation_function", "silu");
    moe.route = AS_ROUTE_SOFTMAX_TOPK;
    moe.out_bias = true;
    spec->heads = spec->kv_heads * moe.top_k;
    spec->intermediate = moe.width;
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_moa_spec attention = {.experts = moe,
                             .kv_heads = spec->kv_heads,
                             .width = spec->head_dim,
                             .rope = rope,
                             .scale = (float)(1 / sqrt((double)spec->head_dim))};
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, 1e-6, 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_moa, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, as_config_eps(c, "rms_norm_eps", 1e-6), 0), true);
}

const as_family as_family_jetmoe = {.architectures = {"JetMoeForCausalLM"}, .describe = describe};
