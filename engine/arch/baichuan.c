/* Baichuan and Baichuan 2: Yang et al. 2023; modeling_baichuan.py of the repositories. Llama with one
 * projection for query, key and value. The 7B models rotate, the 13B ones have ALiBi: their class knows no
 * max_position_embeddings, only model_max_length. Baichuan 2, whose class knows z_loss_weight, scales each
 * row of the head to length one. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_QKV] = "layers.%d.self_attn.W_pack",
};

static void describe(as_config *c, as_model_spec *spec)
{
    bool rotates = as_config_has(c, "max_position_embeddings");
    as_size_keys keys = {.context = rotates ? NULL : "model_max_length"};
    as_spec_base_named(c, spec, &keys, 4096);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    int rope = -1;
    if (rotates)
        rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.layout = AS_QKV_ROWS;
    if (!rotates) attention.alibi_max = 8;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->unit_head = as_config_has(c, "z_loss_weight");
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_baichuan = {.architectures = {"BaichuanForCausalLM", "BaiChuanForCausalLM"},
                                      .describe = describe};
