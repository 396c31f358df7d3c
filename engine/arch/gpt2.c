/* GPT-2, GPT-BigCode (SantaCoder, StarCoder) and the first GPT: Radford et al. 2018 and 2019, Li et al. 2023;
 * transformers models/gpt2, models/gpt_bigcode, models/openai. Learned positions, layer norms, one projection
 * for query, key and value. GPT-2 and GPT store their matrices transposed (Conv1D). BigCode has one key and
 * value for all heads, or, without multi_query, the three of each head together. GPT has its norms behind the
 * sums and none at the end, and its "gelu" is the approximation by tanh. */
#include <math.h>
#include <string.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {"n_embd", "n_layer", "n_head", "n_positions"};

static const char *const gpt2_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",           [AS_SLOT_POSITIONS] = "wpe",     [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",    [AS_SLOT_NORM_2] = "h.%d.ln_2",  [AS_SLOT_QKV] = "~h.%d.attn.c_attn",
    [AS_SLOT_O] = "~h.%d.attn.c_proj", [AS_SLOT_UP] = "~h.%d.mlp.c_fc", [AS_SLOT_DOWN] = "~h.%d.mlp.c_proj",
};

static const char *const bigcode_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",          [AS_SLOT_POSITIONS] = "wpe",    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",   [AS_SLOT_NORM_2] = "h.%d.ln_2", [AS_SLOT_QKV] = "h.%d.attn.c_attn",
    [AS_SLOT_O] = "h.%d.attn.c_proj", [AS_SLOT_UP] = "h.%d.mlp.c_fc", [AS_SLOT_DOWN] = "h.%d.mlp.c_proj",
};

static const char *const gpt_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "tokens_embed",    [AS_SLOT_POSITIONS] = "positions_embed",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",      [AS_SLOT_NORM_2] = "h.%d.ln_2",
    [AS_SLOT_QKV] = "~h.%d.attn.c_attn", [AS_SLOT_O] = "~h.%d.attn.c_proj",
    [AS_SLOT_UP] = "~h.%d.mlp.c_fc",     [AS_SLOT_DOWN] = "~h.%d.mlp.c_proj",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

/* Causal masks and counters that older releases saved. */
static const char *const ignored[] = {"*.attn.bias", "*.attn.masked_bias", "h.*.attn.bias", "*position_ids",
                                      NULL};

static void describe_pre_norm(as_config *c, as_model_spec *spec, as_attention_spec *attention,
                              const char *activation)
{
    spec->intermediate = as_config_size_or(c, "n_inner", 4 * spec->hidden, AS_MOST_WIDTH);
    as_spec_refuse(c, "add_cross_attention");
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    as_mlp_spec mlp =
        as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", activation), true);
    bool by_layer = spec->names == gpt2_names && as_config_bool(c, "scale_attn_by_inverse_layer_idx", false);
    if (!as_config_bool(c, "scale_attn_weights", true)) attention->scale = 1;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec here = *attention;
        if (by_layer) here.scale /= (float)(i + 1);
        as_spec_pre_norm_layer(c, spec, i, &here, &mlp, norm);
    }
    as_spec_learned_positions(spec, 0);
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

static void describe_gpt2(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 1024);
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    attention.layout = AS_QKV_ROWS;
    spec->names = gpt2_names;
    describe_pre_norm(c, spec, &attention, "gelu_new");
}

static void describe_bigcode(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 1024);
    bool one = as_config_bool(c, "multi_query", true);
    if (one) spec->kv_heads = 1;
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    attention.layout = one ? AS_QKV_ROWS : AS_QKV_PER_KV_HEAD;
    spec->names = bigcode_names;
    describe_pre_norm(c, spec, &attention, "gelu_pytorch_tanh");
}

static void describe_gpt(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 512);
    spec->intermediate = 4 * spec->hidden;
    as_activation act = as_config_activation(c, "afn", "gelu");
    if (act == AS_ACT_GELU) act = AS_ACT_GELU_TANH;
    as_attention_spec attention = as_spec_attention(spec, -1, true, true);
    attention.layout = AS_QKV_ROWS;
    as_mlp_spec mlp = as_spec_sized_mlp(spec, act, true);
    double eps = as_config_eps(c, "layer_norm_epsilon", 1e-5);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_step(c, spec, i, &as_block_attention, "mixer", &attention)->stream_norm =
            as_spec_layer_norm(AS_SLOT_NORM_1, eps);
        as_spec_add_step(c, spec, i, &as_block_mlp, "ffn", &mlp)->stream_norm =
            as_spec_layer_norm(AS_SLOT_NORM_2, eps);
    }
    as_spec_learned_positions(spec, 0);
    spec->names = gpt_names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, (as_norm_spec){.present = false}, true);
}

const as_family as_family_gpt2 = {.architectures = {"GPT2LMHeadModel"}, .describe = describe_gpt2};
const as_family as_family_gpt_bigcode = {.architectures = {"GPTBigCodeForCausalLM"},
                                         .describe = describe_bigcode};
const as_family as_family_openai_gpt = {.architectures = {"OpenAIGPTLMHeadModel"}, .describe = describe_gpt};
