/* Jamba: Lieber et al. 2024; transformers models/jamba. Mamba with norms of dt, B and C; attention without
 * positions every attn_layer_period layers, experts every expert_layer_period. */
#include "engine/arch/hybrid.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_ff_layernorm",
    [AS_SLOT_GATE] = "layers.%d.feed_forward.gate_proj",
    [AS_SLOT_UP] = "layers.%d.feed_forward.up_proj",
    [AS_SLOT_DOWN] = "layers.%d.feed_forward.down_proj",
    [AS_SLOT_ROUTER] = "layers.%d.feed_forward.router",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.feed_forward.experts.%e.gate_proj|"
                            "layers.%d.feed_forward.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.feed_forward.experts.%e.up_proj|"
                          "layers.%d.feed_forward.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] =
        "layers.%d.feed_forward.experts.%e.down_proj|layers.%d.feed_forward.experts.down_proj!",
    AS_MAMBA1_NAMES("layers.%d.mamba"),
    [AS_SLOT_SSM_DT_NORM] = "layers.%d.mamba.dt_layernorm",
    [AS_SLOT_SSM_B_NORM] = "layers.%d.mamba.b_layernorm",
    [AS_SLOT_SSM_C_NORM] = "layers.%d.mamba.c_layernorm",
};

static as_mamba_spec read_mamba(as_config *c, const as_model_spec *spec, double eps)
{
    return (as_mamba_spec){.width = as_spec_expanded(c, spec, "mamba_expand"),
                           .states = as_config_size_or(c, "mamba_d_state", 16, 4096),
                           .taps = as_config_size_or(c, "mamba_d_conv", 4, 64),
                           .dt_rank =
                               as_spec_auto_size(c, "mamba_dt_rank", (spec->hidden + 15) / 16, AS_MOST_WIDTH),
                           .act = as_config_activation(c, "hidden_act", "silu"),
                           .conv_bias = as_config_bool(c, "mamba_conv_bias", true),
                           .bias = as_config_bool(c, "mamba_proj_bias", false),
                           .dt_norm = as_spec_rms(AS_SLOT_SSM_DT_NORM, eps, 0),
                           .b_norm = as_spec_rms(AS_SLOT_SSM_B_NORM, eps, 0),
                           .c_norm = as_spec_rms(AS_SLOT_SSM_C_NORM, eps, 0)};
}

/* One layer in every `period`, the one at `offset`. */
typedef struct schedule {
    int64_t period, offset;
} schedule;

static schedule read_schedule(as_config *c, const char *period_key, int64_t period, const char *offset_key,
                              int64_t offset)
{
    schedule s = {as_config_size_or(c, period_key, period, AS_MOST_LAYERS),
                  as_config_int(c, offset_key, offset)};
    if (s.offset < 0 || s.offset >= s.period) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, expected below \"%s\" %lld", offset_key,
                       (long long)s.offset, period_key, (long long)s.period);
    }
    return s;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 262144);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = as_spec_attention(spec, -1, false, false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    as_mamba_spec mamba = read_mamba(c, spec, eps);
    const char *count = as_config_has(c, "num_experts") ? "num_experts" : "num_local_experts";
    as_moe_spec moe = {.experts = as_config_size_or(c, count, 16, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS),
                       .width = spec->intermediate,
                       .act = mlp.act,
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .groups = 1};
    if (moe.experts > 1 && moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    schedule attending = read_schedule(c, "attn_layer_period", 8, "attn_layer_offset", 4);
    schedule routing = read_schedule(c, "expert_layer_period", 2, "expert_layer_offset", 1);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (i % attending.period == attending.offset) {
            as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_mamba, &mamba, norm);
        }
        if (moe.experts > 1 && i % routing.period == routing.offset) {
            as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
        } else {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        }
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_jamba = {.architectures = {"JambaForCausalLM"}, .describe = describe};
