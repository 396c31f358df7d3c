/* DeciLM and Nemotron-NAS: Deci 2023, Bercovich et al. 2024 ("Puzzle"); modeling_decilm.py of the
 * repositories. Llama with key/value heads by layer (num_key_value_heads_per_layer), or with blocks chosen
 * layer by layer (block_configs): an attention of some group size or a feed-forward part of some width, one
 * matrix in its place, or nothing. */
#include <math.h>

#include "base/json.h"
#include "engine/arch/arch.h"
#include "engine/blocks/linear.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_MIXER_LINEAR] = "layers.%d.self_attn.linear_attn",
    [AS_SLOT_FFN_LINEAR] = "layers.%d.mlp.linear_mlp",
};

enum { FFN_MULTIPLE = 256 };

/* A block of one layer. kind NONE: nothing, not even its norm. */
typedef struct choice {
    enum { CHOICE_BLOCK, CHOICE_LINEAR, CHOICE_NONE } kind;
    int64_t size; /* key/value heads, or width */
} choice;

static int64_t read_kv_heads(as_config *b, const as_model_spec *spec)
{
    int64_t group = as_config_size_or(b, "n_heads_in_group", 1, AS_MOST_HEADS);
    int64_t heads = as_config_size_or(b, "num_key_value_heads",
                                      spec->heads / group > 0 ? spec->heads / group : 1, AS_MOST_HEADS);
    if (as_config_int(b, "window_length", 0) > 0) {
        as_config_fail(b, AS_E_UNSUPPORTED, "\"window_length\" in \"block_configs\" is not supported");
    }
    return heads;
}

static int64_t read_width(as_config *b, const as_model_spec *spec)
{
    if (as_config_has(b, "intermediate_size")) return as_config_size(b, "intermediate_size", AS_MOST_WIDTH);
    double share = round(as_config_number_in(b, "ffn_mult", 0, 1e-6, 1e3) * 1e6) / 1e6;
    int64_t width = (int64_t)(2 * share * (double)spec->hidden / 3);
    return (width + FFN_MULTIPLE - 1) / FFN_MULTIPLE * FFN_MULTIPLE;
}

static choice read_choice(as_config *c, const as_model_spec *spec, const json_t *block, const char *part,
                          int64_t (*size)(as_config *, const as_model_spec *))
{
    as_config whole = {.root = block, .outer = c->outer, .rc = c->rc, .err = c->err};
    as_config b = as_config_nested(&whole, part);
    choice result = {.kind = CHOICE_BLOCK};
    if (as_config_bool(&b, "no_op", false)) {
        result.kind = CHOICE_NONE;
    } else if (as_config_bool(&b, "replace_with_linear", false)) {
        result.kind = CHOICE_LINEAR;
    } else {
        result.size = size(&b, spec);
    }
    as_config_return(c, &b);
    return result;
}

/* The two blocks of a layer. */
static void read_layer(as_config *c, const as_model_spec *spec, int64_t layer, choice *mixer, choice *ffn)
{
    const json_t *blocks = json_object_get(c->root, "block_configs"),
                 *heads = json_object_get(c->root, "num_key_value_heads_per_layer");
    const json_t *list = json_is_array(blocks) ? blocks : heads;
    *mixer = (choice){.size = spec->kv_heads};
    *ffn = (choice){.size = spec->intermediate};
    if (!json_is_array(list)) return;
    const char *key = list == blocks ? "block_configs" : "num_key_value_heads_per_layer";
    if ((int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" has %zu entries, expected one for each of %lld layers", key,
                       json_array_size(list), (long long)spec->layer_count);
        return;
    }
    const json_t *entry = json_array_get(list, (size_t)layer);
    if (list == blocks) {
        *mixer = read_choice(c, spec, entry, "attention", read_kv_heads);
        *ffn = read_choice(c, spec, entry, "ffn", read_width);
    } else {
        mixer->size = json_integer_value(entry);
    }
    if (mixer->kind == CHOICE_BLOCK && (mixer->size < 1 || spec->heads % mixer->size)) {
        as_config_fail(c, AS_E_INPUT,
                       "\"%s\": layer %lld has %lld key/value heads, which do not divide its %lld heads", key,
                       (long long)layer, (long long)mixer->size, (long long)spec->heads);
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 4 * spec->hidden, AS_MOST_WIDTH);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    as_linear_spec in_mixer = {.slot = AS_SLOT_MIXER_LINEAR}, in_ffn = {.slot = AS_SLOT_FFN_LINEAR};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        choice first, second;
        read_layer(c, spec, i, &first, &second);
        attention.kv_heads = first.size;
        mlp.width = second.size;
        bool one = first.kind == CHOICE_BLOCK, other = second.kind == CHOICE_BLOCK;
        if (first.kind != CHOICE_NONE) {
            as_spec_add_mixer(c, spec, i, one ? &as_block_attention : &as_block_linear,
                              one ? (const void *)&attention : &in_mixer, norm);
        }
        if (second.kind != CHOICE_NONE) {
            as_spec_add_ffn(c, spec, i, other ? &as_block_mlp : &as_block_linear,
                            other ? (const void *)&mlp : &in_ffn, norm);
        }
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_deci = {.architectures = {"DeciLMForCausalLM"}, .describe = describe};
