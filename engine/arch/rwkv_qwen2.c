/* QRWKV 6: Goldstein et al. 2025 (RADLADS); the published modeling_rwkv6qwen2 (recursal/QRWKV6-*). Qwen2
 * whose attention is replaced by RWKV 6's time mix: grouped keys and values, shares of the token before in
 * the order r k v w g, keys times 1 - decay, the current token counted fully, a sigmoid gate, no norm of
 * heads. No positions. */
#include <math.h>

#include "engine/arch/arch.h"
#include "engine/blocks/rwkv6.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_LINEAR_Q] = "layers.%d.self_attn.q_proj",
    [AS_SLOT_LINEAR_K] = "layers.%d.self_attn.k_proj",
    [AS_SLOT_LINEAR_V] = "layers.%d.self_attn.v_proj",
    [AS_SLOT_LINEAR_GATE] = "layers.%d.self_attn.gate",
    [AS_SLOT_LINEAR_OUT] = "layers.%d.self_attn.o_proj",
    [AS_SLOT_LINEAR_NORM] = "layers.%d.self_attn.ln_x",
    [AS_SLOT_DECAY] = "layers.%d.self_attn.time_decay",
    [AS_SLOT_MIX_X] = "layers.%d.self_attn.time_maa_x",
    [AS_SLOT_MIX_W] = "layers.%d.self_attn.time_maa_w",
    [AS_SLOT_MIX_R] = "layers.%d.self_attn.time_maa_r",
    [AS_SLOT_MIX_K] = "layers.%d.self_attn.time_maa_k",
    [AS_SLOT_MIX_V] = "layers.%d.self_attn.time_maa_v",
    [AS_SLOT_MIX_G] = "layers.%d.self_attn.time_maa_g",
    [AS_SLOT_MIX_DOWN] = "~layers.%d.self_attn.time_maa_w1!",
    [AS_SLOT_MIX_UP] = "~layers.%d.self_attn.time_maa_w2!",
    [AS_SLOT_DECAY_DOWN] = "~layers.%d.self_attn.time_decay_w1!",
    [AS_SLOT_DECAY_UP] = "~layers.%d.self_attn.time_decay_w2!",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 32, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    as_rwkv6_spec mixer = {
        .heads = spec->heads,
        .kv_heads = spec->kv_heads,
        .head_dim = spec->head_dim,
        .dynamic = true,
        .order = {AS_MIX_R, AS_MIX_K, AS_MIX_V, AS_MIX_W, AS_MIX_G},
        .mix_rank =
            as_config_size_or(c, "lora_rank_tokenshift", spec->hidden >= 4096 ? 64 : 32, AS_MOST_WIDTH),
        .decay_rank = as_config_size_or(c, "lora_rank_decay", spec->hidden >= 4096 ? 128 : 64, AS_MOST_WIDTH),
        .norm = as_config_bool(c, "groupnorm_att", false),
        .balanced = as_config_bool(c, "balance_state", true),
        .qkv_bias = as_config_bool(c, "attention_bias", true),
        .out_bias = as_config_bool(c, "attention_output_bias", false),
        .gate_act = AS_ACT_SIGMOID,
        .scale = (float)(1 / sqrt((double)spec->head_dim)),
        .eps = (float)(1e-5 * (double)spec->head_dim)};
    if (as_config_bool(c, "use_rope", false)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"use_rope\" true is not supported");
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_rwkv6, &mixer, norm);
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_rwkv_qwen2 = {.architectures = {"RWKV6Qwen2ForCausalLM"}, .describe = describe};
