/* SmolLM3: Bakouch et al. 2025; transformers models/smollm3. Llama in which every fourth layer, or those that
 * no_rope_layers marks with 0, rotates nothing (NoPE, Yang et al. 2025); a window by layer_types, or in the
 * layers without rotation where use_sliding_window is on. */
#include "engine/arch/arch.h"

/* Whether each layer rotates, in memory of the spec's arena. */
static const bool *rotating_layers(as_config *c, as_model_spec *spec)
{
    const json_t *list = json_object_get(c->root, "no_rope_layers");
    int64_t interval = as_config_size_or(c, "no_rope_layer_interval", 4, AS_MOST_LAYERS);
    bool *rotates = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!rotates) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for \"no_rope_layers\"");
        return NULL;
    }
    bool given = list && !json_is_null(list);
    if (given && (int64_t)json_array_size(list) < spec->layer_count) {
        as_config_fail(c, AS_E_INPUT,
                       "\"no_rope_layers\" must be a list of one number for each of %lld layers",
                       (long long)spec->layer_count);
    }
    for (int64_t i = 0; i < spec->layer_count; i++) {
        const json_t *item = json_array_get(list, (size_t)i);
        rotates[i] = given ? json_is_true(item) || json_integer_value(item) != 0 : (i + 1) % interval != 0;
    }
    return rotates;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, 4, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 2000000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    int64_t window = as_spec_window(c, 0);
    bool slides = as_config_bool(c, "use_sliding_window", false) && window;
    const bool *rotates = rotating_layers(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.rope = rotates[i] ? rope : -1;
        attention.window = as_spec_layer_window(c, spec, i, slides && !rotates[i], window);
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_smollm3 = {.architectures = {"SmolLM3ForCausalLM"}, .describe = describe};
