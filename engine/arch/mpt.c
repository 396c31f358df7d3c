/* MPT: MosaicML 2023; llm-foundry's modeling_mpt.py (MPTForCausalLM), of which transformers models/mpt is a
 * part (MptForCausalLM): that one ignores alibi, alibi_bias_max, qk_ln, logit_scale, expansion_ratio,
 * no_bias, norm_type, attn_type and learned positions, which are taken as llm-foundry defines them only where
 * the configuration names its class. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {"d_model", "n_layers", "n_heads", "max_seq_len"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_POSITIONS] = "wpe",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_NORM_1] = "blocks.%d.norm_1",
    [AS_SLOT_NORM_2] = "blocks.%d.norm_2",
    [AS_SLOT_QKV] = "blocks.%d.attn.Wqkv",
    [AS_SLOT_Q_NORM] = "blocks.%d.attn.q_ln",
    [AS_SLOT_K_NORM] = "blocks.%d.attn.k_ln",
    [AS_SLOT_O] = "blocks.%d.attn.out_proj",
    [AS_SLOT_UP] = "blocks.%d.ffn.up_proj",
    [AS_SLOT_DOWN] = "blocks.%d.ffn.down_proj",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static as_norm_spec read_norm(as_config *c, bool bias)
{
    const char *type = as_config_string(c, "norm_type", "low_precision_layernorm");
    double eps = as_config_eps(c, as_config_key(c, "layer_norm_epsilon", "norm_eps"), 1e-5);
    if (strcmp(type, "low_precision_rmsnorm") == 0 || strcmp(type, "rmsnorm") == 0) {
        return as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    }
    if (strcmp(type, "low_precision_layernorm") != 0 && strcmp(type, "layernorm") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"norm_type\" is \"%s\", expected layernorm, rmsnorm or one of low precision", type);
    }
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    norm.has_bias = bias;
    return norm;
}

/* Key and value heads by attn_type. */
static void read_heads(as_config *a, as_model_spec *spec)
{
    const char *type = as_config_string(a, "attn_type", "multihead_attention");
    if (strcmp(type, "multiquery_attention") == 0) {
        spec->kv_heads = 1;
    } else if (strcmp(type, "grouped_query_attention") == 0) {
        spec->kv_heads = as_config_size(a, "kv_n_heads", AS_MOST_HEADS);
    } else if (strcmp(type, "multihead_attention") != 0) {
        as_config_fail(a, AS_E_UNSUPPORTED,
                       "\"attn_type\" is \"%s\", expected multihead_attention, multiquery_attention or "
                       "grouped_query_attention",
                       type);
    }
    if (spec->heads % spec->kv_heads) {
        as_config_fail(a, AS_E_INPUT, "\"kv_n_heads\" is %lld, which does not divide \"n_heads\" %lld",
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
}

static as_attention_spec plain_attention(as_config *a, const as_model_spec *spec, bool bias)
{
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    attention.layout = AS_QKV_ROWS;
    attention.scale = (float)as_config_number_in(a, "softmax_scale", attention.scale, 1e-9, 1e9);
    attention.qkv_clip = (float)as_config_number_in(a, "clip_qkv", 0, 0, 1e30);
    return attention;
}

static as_attention_spec read_attention(as_config *c, as_model_spec *spec, bool bias, as_norm_spec norm)
{
    as_config a = as_config_nested(c, "attn_config");
    as_spec_refuse(&a, "prefix_lm");
    as_spec_refuse(&a, "rope");
    read_heads(&a, spec);
    as_attention_spec attention = plain_attention(&a, spec, bias);
    int64_t window = as_config_int(&a, "sliding_window_size", -1);
    attention.window = window > 0 ? window : 0;
    if (as_config_bool(&a, "qk_ln", false)) {
        attention.q_norm = attention.k_norm = norm;
        attention.q_norm.slot = AS_SLOT_Q_NORM;
        attention.k_norm.slot = AS_SLOT_K_NORM;
        attention.head_norm = AS_HEAD_NORM_ROW;
    }
    if (as_config_bool(&a, "alibi", true)) {
        attention.alibi_max = as_config_number_in(&a, "alibi_bias_max", 8, 1e-3, 1e3);
    } else if (as_config_bool(c, "learned_pos_emb", true)) {
        as_spec_learned_positions(spec, 0);
    }
    as_config_return(c, &a);
    return attention;
}

/* A number, or "inv_sqrt_d_model". */
static float read_logit_scale(as_config *c, const as_model_spec *spec)
{
    const char *word = json_string_value(json_object_get(c->root, "logit_scale"));
    if (word && strcmp(word, "inv_sqrt_d_model") == 0) return 1 / sqrtf((float)spec->hidden);
    return (float)as_config_number_in(c, "logit_scale", 0, -1e9, 1e9);
}

static void describe_as(as_config *c, as_model_spec *spec, as_norm_spec norm,
                        const as_attention_spec *attention, bool bias)
{
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_GELU, bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, attention, &mlp, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    as_spec_finish(c, spec, norm, true);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 2048);
    double wide = (double)spec->hidden * as_config_number_in(c, "expansion_ratio", 4, 1e-3, 1e4);
    spec->intermediate = (int64_t)wide;
    bool bias = !as_config_bool(c, "no_bias", true);
    as_norm_spec norm = read_norm(c, bias);
    as_attention_spec attention = read_attention(c, spec, bias, norm);
    spec->logit_scale = read_logit_scale(c, spec);
    describe_as(c, spec, norm, &attention, bias);
}

static void describe_transformers(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 2048);
    spec->intermediate = 4 * spec->hidden;
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    norm.has_bias = false;
    as_config a = as_config_nested(c, "attn_config");
    as_attention_spec attention = plain_attention(&a, spec, false);
    attention.alibi_max = 8;
    as_config_return(c, &a);
    describe_as(c, spec, norm, &attention, false);
}

const as_family as_family_mpt = {.architectures = {"MPTForCausalLM"}, .describe = describe};
const as_family as_family_mpt_transformers = {.architectures = {"MptForCausalLM"},
                                              .describe = describe_transformers};
