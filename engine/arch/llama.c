/* Llama: Touvron et al. 2023; transformers models/llama. Serves every fine-tune and kin that publishes itself
 * as LlamaForCausalLM (Llama 1 to 3.3, TinyLlama, SOLAR, Yi, DeepSeek-LLM, SmolLM), and InternLM3 and
 * IQuestCoder, which differ in their classes' defaults alone (models/internlm3, models/iquestcoder). */
#include "engine/arch/arch.h"

/* What the classes differ in. */
typedef struct defaults {
    int64_t context, kv_heads, head_dim;
    double eps;
    const char *attention_bias, *mlp_bias; /* further names of these fields, which go before; NULL: none */
} defaults;

static bool bias_of(as_config *c, const char *key, const char *other)
{
    return as_config_bool(c, other ? as_config_key(c, other, key) : key, false);
}

static void describe_as(as_config *c, as_model_spec *spec, const defaults *d)
{
    as_spec_base(c, spec, d->context);
    as_spec_heads(c, spec, d->kv_heads, d->head_dim);
    if (spec->hidden % spec->heads && !as_config_has(c, "head_dim")) { /* the class's own check */
        as_config_fail(c, AS_E_INPUT,
                       "\"hidden_size\" is %lld, not a multiple of \"num_attention_heads\" %lld, and "
                       "there is no \"head_dim\"",
                       (long long)spec->hidden, (long long)spec->heads);
    }
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", d->eps), 0);
    bool bias = bias_of(c, "attention_bias", d->attention_bias),
         mlp_bias = bias_of(c, "mlp_bias", d->mlp_bias);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, d->mlp_bias ? mlp_bias : bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), mlp_bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static void describe_llama(as_config *c, as_model_spec *spec)
{
    describe_as(c, spec, &(defaults){.context = 2048, .eps = 1e-6});
}

static void describe_internlm3(as_config *c, as_model_spec *spec)
{
    describe_as(c, spec,
                &(defaults){.context = 32768,
                            .kv_heads = 2,
                            .head_dim = 128,
                            .eps = 1e-5,
                            .attention_bias = "qkv_bias",
                            .mlp_bias = "bias"});
}

static void describe_iquestcoder(as_config *c, as_model_spec *spec)
{
    if (as_config_has(c, "clip_qkv")) as_config_fail(c, AS_E_UNSUPPORTED, "\"clip_qkv\" is set");
    if (as_config_bool(c, "use_sliding_window", false))
        as_config_fail(c, AS_E_UNSUPPORTED, "\"use_sliding_window\" is true");
    describe_as(c, spec, &(defaults){.context = 131072, .kv_heads = 8, .head_dim = 128, .eps = 1e-5});
}

const as_family as_family_llama = {.architectures = {"LlamaForCausalLM"}, .describe = describe_llama};
const as_family as_family_internlm3 = {.architectures = {"InternLM3ForCausalLM"},
                                       .describe = describe_internlm3};
const as_family as_family_iquestcoder = {.architectures = {"IQuestCoderForCausalLM"},
                                         .describe = describe_iquestcoder};
