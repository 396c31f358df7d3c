/* Qwen2-MoE (Qwen1.5-MoE, Qwen2-57B-A14B) and Qwen3-MoE: Yang et al. 2024 and 2025; transformers
 * models/qwen2_moe, models/qwen3_moe. Softmax over all experts, the best few, renormalised only where
 * norm_topk_prob says so; some layers may stay dense. Version 2 has biases on q, k and v, a shared expert
 * behind a sigmoid, and windows on even layers where they are switched on; version 3 norms each query and key
 * head and takes the window on every layer. */
#include "engine/arch/experts.h"

static const char *const names_qwen2[AS_SLOT_COUNT] = {
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_expert.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_expert.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_expert.down_proj",
    [AS_SLOT_SHARED_SIGMOID] = "layers.%d.mlp.shared_expert_gate",
};

/* Which layers have experts, and their windows. */
typedef struct layer_rule {
    as_moe_spec moe;
    int64_t step; /* decoder_sparse_step */
    int64_t window, windows_until;
    bool even_windows;
} layer_rule;

static void add_layers(as_config *c, as_model_spec *spec, as_attention_spec attention, const layer_rule *rule)
{
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, rule->moe.act, false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = rule->window;
        if (rule->even_windows) {
            attention.window =
                as_spec_layer_window(c, spec, i, i % 2 == 0 && i < rule->windows_until, rule->window);
        }
        bool dense = (i + 1) % rule->step != 0 || as_config_lists(c, "mlp_only_layers", i);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, dense ? NULL : &rule->moe, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static void describe_qwen2(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, as_spec_kv_default(c, 16), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    bool bias = as_config_bool(c, "qkv_bias", true), windows = as_config_bool(c, "use_sliding_window", false);
    layer_rule rule = {.moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                                   .count_default = 60,
                                                                   .top_k = "num_experts_per_tok",
                                                                   .top_k_default = 4,
                                                                   .width = "moe_intermediate_size",
                                                                   .width_default = 1408}),
                       .step = as_config_size_or(c, "decoder_sparse_step", 1, AS_MOST_LAYERS),
                       .window = windows ? as_spec_window(c, 4096) : 0,
                       .windows_until = as_config_int(c, "max_window_layers", 28),
                       .even_windows = true};
    rule.moe.normalise = as_config_bool(c, "norm_topk_prob", false);
    as_spec_share(c, &rule.moe, as_config_size_or(c, "shared_expert_intermediate_size", 5632, AS_MOST_WIDTH));
    rule.moe.shared_gate = true;
    for (int64_t i = 0; !windows && c->rc == AS_OK && i < spec->layer_count; i++) {
        if (!as_spec_layer_slides(c, spec, i, false)) continue;
        as_config_fail(c, AS_E_INPUT,
                       "\"layer_types\"[%lld] is \"sliding_attention\" while \"use_sliding_window\" is not "
                       "true: its window is of no tokens",
                       (long long)i);
    }
    spec->names = names_qwen2;
    add_layers(c, spec, as_spec_attention(spec, rope, bias, false), &rule);
}

static void describe_qwen3(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    bool bias = as_config_bool(c, "attention_bias", false),
         windows = as_config_bool(c, "use_sliding_window", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, as_config_eps(c, "rms_norm_eps", 1e-6));
    layer_rule rule = {.moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                                   .other_count = "num_local_experts",
                                                                   .count_default = 128,
                                                                   .top_k = "num_experts_per_tok",
                                                                   .top_k_default = 8,
                                                                   .width = "moe_intermediate_size",
                                                                   .width_default = 768}),
                       .step = as_config_size_or(c, "decoder_sparse_step", 1, AS_MOST_LAYERS),
                       .window = windows ? as_spec_window(c, 4096) : 0};
    rule.moe.normalise = as_config_bool(c, "norm_topk_prob", false);
    add_layers(c, spec, attention, &rule);
}

/* The text part of Qwen3-VL's: its experts are published stacked and transposed. */
static void describe_qwen3_vl(as_config *c, as_model_spec *spec)
{
    static const char *const names[AS_SLOT_COUNT] = {
        [AS_SLOT_EXPERT_GATE] = "~~layers.%d.mlp.experts.gate_up_proj!#0/2",
        [AS_SLOT_EXPERT_UP] = "~~layers.%d.mlp.experts.gate_up_proj!#1/2",
        [AS_SLOT_EXPERT_DOWN] = "~~layers.%d.mlp.experts.down_proj!",
    };
    describe_qwen3(c, spec);
    spec->names = names;
}

const as_family as_family_qwen2_moe = {.architectures = {"Qwen2MoeForCausalLM"}, .describe = describe_qwen2};
const as_family as_family_qwen3_moe = {.architectures = {"Qwen3MoeForCausalLM"}, .describe = describe_qwen3};
const as_family as_family_qwen3_vl_moe = {.describe = describe_qwen3_vl};
