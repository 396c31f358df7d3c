/* DiffLlama: Llama with differential attention (Ye et al. 2024); transformers models/diffllama. */
#include <math.h>

#include "engine/arch/arch.h"
#include "engine/blocks/diff_attention.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_LAMBDA_Q1] = "layers.%d.self_attn.lambda_q1!",
    [AS_SLOT_LAMBDA_K1] = "layers.%d.self_attn.lambda_k1!",
    [AS_SLOT_LAMBDA_Q2] = "layers.%d.self_attn.lambda_q2!",
    [AS_SLOT_LAMBDA_K2] = "layers.%d.self_attn.lambda_k2!",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    if (spec->kv_heads % 2) {
        as_config_fail(c, AS_E_INPUT, "\"num_key_value_heads\" is %lld, expected an even number",
                       (long long)spec->kv_heads);
    }
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_diff_attention_spec attention = {.heads = spec->heads,
                                        .kv_heads = spec->kv_heads,
                                        .width = spec->head_dim,
                                        .bias = as_config_bool(c, "attention_bias", false),
                                        .rope = rope,
                                        .eps = (float)eps};
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.initial = 0.8 - 0.6 * exp(-0.3 * (double)i);
        as_spec_add_mixer(c, spec, i, &as_block_diff_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_diffllama = {.architectures = {"DiffLlamaForCausalLM"}, .describe = describe};
