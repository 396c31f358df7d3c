/* GPT-NeoX and Pythia: Black et al. 2022; transformers models/gpt_neox. Layer norms, one projection with
 * query, key and value of each head together, rotary on the first quarter of a head, attention and
 * feed-forward side by side. GPT-NeoX Japanese (models/gpt_neox_japanese): one after the other, whole heads
 * rotated, no biases but one. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_in",
    [AS_SLOT_FINAL_NORM] = "final_layer_norm",
    [AS_SLOT_HEAD] = "^embed_out|^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_QKV] = "layers.%d.attention.query_key_value",
    [AS_SLOT_O] = "layers.%d.attention.dense",
    [AS_SLOT_UP] = "layers.%d.mlp.dense_h_to_4h",
    [AS_SLOT_DOWN] = "layers.%d.mlp.dense_4h_to_h",
};

/* Only the last layer's attention has a bias behind it, which stands beside the projection. */
static const char *const japanese_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_in",
    [AS_SLOT_FINAL_NORM] = "final_layer_norm",
    [AS_SLOT_HEAD] = "^embed_out",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_QKV] = "layers.%d.attention.query_key_value",
    [AS_SLOT_O] = "layers.%d.attention.dense|layers.%d.attention.dense!",
    [AS_SLOT_UP] = "layers.%d.mlp.dense_h_to_4h",
    [AS_SLOT_DOWN] = "layers.%d.mlp.dense_4h_to_h",
};

static const char *const japanese_prefixes[] = {"gpt_neox_japanese.", "", NULL};

static const char *const prefixes[] = {"gpt_neox.", "", NULL};

static const char *const ignored[] = {"*attention.bias", "*attention.masked_bias", "*rotary_emb.inv_freq",
                                      NULL};

static as_rope_defaults rotary_of(const as_model_spec *spec, double partial)
{
    return (as_rope_defaults){.head_dim = spec->head_dim,
                              .theta = 10000,
                              .theta_key = "rotary_emb_base",
                              .partial = partial,
                              .share_key = "rotary_pct"};
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    spec->heads = spec->kv_heads = as_config_size(c, "num_attention_heads", AS_MOST_HEADS);
    if (spec->hidden % spec->heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"hidden_size\" is %lld, not a multiple of \"num_attention_heads\" %lld",
                       (long long)spec->hidden, (long long)spec->heads);
    }
    spec->head_dim = spec->hidden / spec->heads;
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    bool bias = as_config_bool(c, "attention_bias", true),
         parallel = as_config_bool(c, "use_parallel_residual", true);
    as_rope_defaults rotary = rotary_of(spec, 0.25);
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    attention.layout = AS_QKV_PER_KV_HEAD;
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH);
    as_mlp_spec mlp = {.width = spec->intermediate,
                       .act = as_config_activation(c, "hidden_act", "gelu"),
                       .up_bias = true,
                       .down_bias = true,
                       .up = AS_SLOT_UP,
                       .down = AS_SLOT_DOWN};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm)->parallel = parallel;
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

static void describe_japanese(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &(as_size_keys){0}, 2048);
    double wide = (double)spec->hidden * as_config_number_in(c, "intermediate_multiple_size", 4, 1e-3, 1e4);
    spec->intermediate = (int64_t)wide;
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    as_rope_defaults rotary = rotary_of(spec, 1);
    rotary.even_share = true;
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), false, false);
    attention.layout = AS_QKV_PER_KV_HEAD;
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "hidden_act", "gelu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.o_bias = i == spec->layer_count - 1;
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    spec->names = japanese_names;
    spec->prefixes = japanese_prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_gpt_neox_japanese = {.architectures = {"GPTNeoXJapaneseForCausalLM"},
                                               .describe = describe_japanese};
const as_family as_family_gpt_neox = {.architectures = {"GPTNeoXForCausalLM"}, .describe = describe};
