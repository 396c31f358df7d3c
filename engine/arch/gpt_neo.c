/* GPT-Neo: Black et al. 2021; transformers models/gpt_neo. Learned positions, layer norms, scores without a
 * scale, a window in the layers that attention_layers or attention_types call local. */
#include <string.h>

#include "engine/arch/arch.h"

static const as_size_keys keys = {.layers = "num_layers", .heads = "num_heads"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_POSITIONS] = "wpe",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.ln_1",
    [AS_SLOT_NORM_2] = "h.%d.ln_2",
    [AS_SLOT_Q] = "h.%d.attn.attention.q_proj",
    [AS_SLOT_K] = "h.%d.attn.attention.k_proj",
    [AS_SLOT_V] = "h.%d.attn.attention.v_proj",
    [AS_SLOT_O] = "h.%d.attn.attention.out_proj",
    [AS_SLOT_UP] = "h.%d.mlp.c_fc",
    [AS_SLOT_DOWN] = "h.%d.mlp.c_proj",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*.attention.bias", "*.attention.masked_bias", NULL};

static bool is_local(as_config *c, const char *key, const char *kind)
{
    bool local = kind && strcmp(kind, "local") == 0;
    if (!local && (!kind || strcmp(kind, "global") != 0)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"%s\" has \"%s\", expected global or local", key,
                       kind ? kind : "?");
    }
    return local;
}

/* Marks which layers have a window, from attention_types. The list holds pairs: kinds, and how often they are
 * repeated in turn. */
static void read_kinds(as_config *c, const as_model_spec *spec, bool *local)
{
    const json_t *list = json_object_get(c->root, "attention_types");
    int64_t layers = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *pair = json_array_get(list, i), *kinds = json_array_get(pair, 0);
        int64_t times = json_integer_value(json_array_get(pair, 1));
        for (int64_t n = 0; n < times && layers <= spec->layer_count && json_array_size(kinds); n++) {
            for (size_t k = 0; k < json_array_size(kinds); k++) {
                bool window = is_local(c, "attention_types", json_string_value(json_array_get(kinds, k)));
                if (layers < spec->layer_count) local[layers] = window;
                layers++;
            }
        }
    }
    if (layers != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"attention_types\" gives kinds for %lld%s layers, expected %lld",
                       (long long)layers, layers > spec->layer_count ? " or more" : "",
                       (long long)spec->layer_count);
    }
}

/* attention_layers, a kind for each layer, goes before attention_types. */
static void read_layers(as_config *c, const as_model_spec *spec, bool *local)
{
    static const char key[] = "attention_layers";
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        local[i] = is_local(c, key, as_config_layer_name(c, key, i, spec->layer_count));
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base_named(c, spec, &keys, 2048);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 4 * spec->hidden, AS_MOST_WIDTH);
    int64_t window = as_config_size_or(c, "window_size", 256, 1 << 30);
    bool *local = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!local) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
        return;
    }
    for (int64_t i = 0; i < spec->layer_count; i++) local[i] = i % 2 == 1;
    if (as_config_has(c, "attention_layers")) {
        read_layers(c, spec, local);
    } else if (as_config_has(c, "attention_types")) {
        read_kinds(c, spec, local);
    }
    as_attention_spec attention = as_spec_attention(spec, -1, false, true);
    attention.scale = 1;
    as_mlp_spec mlp =
        as_spec_sized_mlp(spec, as_config_activation(c, "activation_function", "gelu_new"), true);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = local[i] ? window : 0;
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_learned_positions(spec, 0);
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_gpt_neo = {.architectures = {"GPTNeoForCausalLM"}, .describe = describe};
