/* Mistral and what is built on it: Jiang et al. 2023; transformers models/mistral, ministral, ministral3.
 * Llama with a sliding window in every layer: a config without the field has a window of 4096, null switches
 * it off. Ministral has it in the layers that layer_types names; Ministral 3 has no window unless it says so,
 * and queries that grow with their position. */
#include "engine/arch/arch.h"

/* by_type: only the layers that layer_types names have the window. */
static void finish(as_config *c, as_model_spec *spec, as_attention_spec attention, as_norm_spec norm,
                   bool by_type)
{
    int64_t window = attention.window;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (by_type) attention.window = as_spec_layer_window(c, spec, i, true, window);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static int64_t default_kv(const as_config *c)
{
    return json_object_get(c->root, "num_key_value_heads") ? 0 : 8;
}

static void describe_windowed(as_config *c, as_model_spec *spec, bool by_type)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, default_kv(c), 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.window = as_spec_window(c, 4096);
    finish(c, spec, attention, norm, by_type);
}

static void describe_mistral(as_config *c, as_model_spec *spec)
{
    describe_windowed(c, spec, false);
}

static void describe_ministral(as_config *c, as_model_spec *spec)
{
    describe_windowed(c, spec, true);
}

static void describe_ministral3(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 262144);
    as_spec_heads(c, spec, default_kv(c), 128);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_rope_defaults rotary = {
        .head_dim = spec->head_dim,
        .theta = 1e6,
        .parameters = "{\"rope_type\": \"yarn\", \"rope_theta\": 1e6, \"factor\": 16, \"beta_fast\": 32, "
                      "\"beta_slow\": 1, \"mscale\": 1, \"mscale_all_dim\": 1, "
                      "\"original_max_position_embeddings\": 16384}"};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), false, false);
    attention.window = as_spec_window(c, 0);
    attention.growth = as_spec_growth(c, spec, attention.rope, 0.1);
    finish(c, spec, attention, norm, false);
}

const as_family as_family_mistral = {.architectures = {"MistralForCausalLM"}, .describe = describe_mistral};
const as_family as_family_ministral = {.architectures = {"MinistralForCausalLM"},
                                       .describe = describe_ministral};
const as_family as_family_ministral3 = {.architectures = {"Ministral3ForCausalLM"},
                                        .describe = describe_ministral3};
