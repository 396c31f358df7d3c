/* ChatGLM2, ChatGLM3 and GLM-4-9B in the form of their own repositories: Zeng et al. 2022, GLM team 2024;
 * modeling_chatglm.py there (transformers models/glm is the same mathematics under other names). Groups of
 * queries, the first half of each head rotated in neighbouring pairs, gate and up in one projection.
 * rope_ratio multiplies the base, except in the repository of ChatGLM2-6B-32k, which divides positions by it.
 */
#include <string.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {.layers = "num_layers", .context = "seq_length"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embedding.word_embeddings",
    [AS_SLOT_FINAL_NORM] = "encoder.final_layernorm",
    [AS_SLOT_HEAD] = "output_layer",
    [AS_SLOT_NORM_1] = "encoder.layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "encoder.layers.%d.post_attention_layernorm",
    [AS_SLOT_QKV] = "encoder.layers.%d.self_attention.query_key_value",
    [AS_SLOT_O] = "encoder.layers.%d.self_attention.dense",
    [AS_SLOT_GATE] = "encoder.layers.%d.mlp.dense_h_to_4h#0/2",
    [AS_SLOT_UP] = "encoder.layers.%d.mlp.dense_h_to_4h#1/2",
    [AS_SLOT_DOWN] = "encoder.layers.%d.mlp.dense_4h_to_h",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*rotary_pos_emb.inv_freq", NULL};

/* Sizes and heads; the first ChatGLM has the class's name too, and nothing else. */
static void read_sizes(as_config *c, as_model_spec *spec)
{
    if (as_config_has(c, "position_encoding_2d") || as_config_has(c, "inner_hidden_size")) {
        as_config_fail(
            c, AS_E_UNSUPPORTED,
            "\"position_encoding_2d\" marks the first ChatGLM, which is not supported; ChatGLM2 and "
            "later are");
    }
    as_spec_base_named(c, spec, &keys, 2048);
    spec->vocab = as_config_size(c, as_config_key(c, "padded_vocab_size", "vocab_size"), AS_MOST_WIDTH * 4);
    spec->head_dim = as_config_size_or(c, "kv_channels", spec->head_dim, 1 << 14);
    spec->intermediate =
        as_config_size(c, as_config_key(c, "ffn_hidden_size", "intermediate_size"), AS_MOST_WIDTH);
    if (as_config_bool(c, "multi_query_attention", false)) {
        spec->kv_heads = as_config_size_or(c, "multi_query_group_num", 1, AS_MOST_HEADS);
        if (spec->heads % spec->kv_heads) {
            as_config_fail(
                c, AS_E_INPUT,
                "\"multi_query_group_num\" is %lld, which does not divide \"num_attention_heads\" %lld",
                (long long)spec->kv_heads, (long long)spec->heads);
        }
    }
    if (as_config_int(c, "pre_seq_len", 0) > 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"pre_seq_len\" asks for a learned prefix, which is not supported");
    }
    if (as_config_int(c, "quantization_bit", 0) > 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"quantization_bit\" asks for packed weights, which are not supported");
    }
}

static int read_rope(as_config *c, as_model_spec *spec)
{
    double ratio = as_config_number_in(c, "rope_ratio", 1, 1e-6, 1e6);
    const char *origin = as_config_string(c, "_name_or_path", "");
    bool divides = strstr(origin, "chatglm2") != NULL;
    int rope =
        as_spec_plain_rope(c, spec, AS_ROPE_INTERLEAVED, spec->head_dim / 2, divides ? 10000 : 10000 * ratio);
    if (divides && ratio != 1) {
        spec->ropes[rope].scaling = AS_ROPE_LINEAR;
        spec->ropes[rope].factor = ratio;
    }
    return rope;
}

static void describe(as_config *c, as_model_spec *spec)
{
    read_sizes(c, spec);
    bool biases = as_config_bool(c, "add_bias_linear", false),
         qkv_bias = biases || as_config_bool(c, "add_qkv_bias", false);
    as_attention_spec attention = as_spec_attention(spec, read_rope(c, spec), qkv_bias, biases);
    attention.layout = spec->kv_heads < spec->heads || as_config_bool(c, "multi_query_attention", false)
                           ? AS_QKV_ROWS
                           : AS_QKV_PER_KV_HEAD;
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, biases);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    double eps = as_config_eps(c, "layernorm_epsilon", 1e-5);
    as_norm_spec norm = as_config_bool(c, "rmsnorm", true) ? as_spec_rms(AS_SLOT_NORM_1, eps, 0)
                                                           : as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    bool normed = as_config_bool(c, "apply_residual_connection_post_layernorm", false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm)->residual_normed = normed;
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm)->residual_normed = normed;
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    norm.present = as_config_bool(c, "post_layer_norm", true);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_chatglm = {.architectures = {"ChatGLMModel", "ChatGLMForConditionalGeneration"},
                                     .describe = describe};
