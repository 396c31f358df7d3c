/* Molmo 2 (Allen AI 2025): transformers models/molmo2. Llama's layers with norms before the blocks or behind
 * them, queries and keys normalised by the head or over all heads, and a scaled rotation in some layers
 * alone. The embedding has rows for what stands for images. */
#include <string.h>

#include "engine/arch/experts.h"

/* Names of the repositories' own code stand second. */
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|wte.embedding!",
    [AS_SLOT_EMBED_MORE] = "wte.new_embedding!",
    [AS_SLOT_FINAL_NORM] = "norm|ln_f",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|blocks.%d.attn_norm",
    [AS_SLOT_NORM_1_POST] = "layers.%d.input_layernorm|blocks.%d.attn_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|blocks.%d.ff_norm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_attention_layernorm|blocks.%d.ff_norm",
    [AS_SLOT_QKV] = "blocks.%d.self_attn.att_proj",
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_norm|blocks.%d.self_attn.q_norm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_norm|blocks.%d.self_attn.k_norm",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj|blocks.%d.self_attn.attn_out",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj|blocks.%d.mlp.ff_proj#0/2",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj|blocks.%d.mlp.ff_proj#1/2",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj|blocks.%d.mlp.ff_out",
};

static as_attention_spec describe_attention(as_config *c, const as_model_spec *spec, double eps)
{
    bool bias = as_config_bool(c, as_config_key(c, "attention_bias", "qkv_bias"), false);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, false);
    attention.layout = AS_QKV_EITHER;
    as_spec_norm_heads(&attention, eps);
    const char *kind = as_config_string(c, "qk_norm_type", "qwen3");
    if (strcmp(kind, "olmo") == 0) {
        attention.head_norm = AS_HEAD_NORM_ROW;
    } else if (strcmp(kind, "qwen3") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"qk_norm_type\" is \"%s\", expected qwen3 or olmo", kind);
    }
    return attention;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 36864);
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    double eps = as_config_eps(c, as_config_key(c, "rms_norm_eps", "layer_norm_eps"), 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = describe_attention(c, spec, eps);
    int scaled = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    int plain = as_spec_plain_rope(c, spec, AS_ROPE_HALF, spec->head_dim, spec->ropes[scaled].theta);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    bool all = !as_config_has(c, "rope_scaling_layers"), after = as_config_bool(c, "norm_after", false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.rope = all || as_config_lists(c, "rope_scaling_layers", i) ? scaled : plain;
        if (after) {
            as_spec_post_norm_layer(c, spec, i, &attention, &mlp, norm);
        } else {
            as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
        }
    }
    int64_t more = as_config_int(c, "additional_vocab_size", 128);
    if (more < 0 || more > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_INPUT, "\"additional_vocab_size\" is %lld", (long long)more);
        return;
    }
    spec->embed_rows = spec->vocab + more;
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_molmo2 = {.describe = describe};
