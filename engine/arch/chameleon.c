/* Chameleon: Chameleon team 2024; transformers models/chameleon. Llama with a layer norm on each query and
 * key head, weights of its own for each; the larger one normalises behind the blocks. Tokens that stand for
 * pieces of images are never continued with. */
#include <string.h>

#include "engine/arch/arch.h"

static const char *const behind[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_attention_layernorm",
};

/* The vocabulary's names of pieces of images. */
static void bar_images(as_config *c, as_model_spec *spec)
{
    static const char mark[] = "IMGIMG";
    json_t *map = json_object_get(c->root, "vocabulary_map"), *id;
    const char *name;
    int32_t *barred = AS_ARENA_NEW_ARRAY(&spec->arena, int32_t, json_object_size(map) + 1);
    if (!barred) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the vocabulary");
        return;
    }
    spec->barred = barred;
    json_object_foreach(map, name, id)
    {
        if (strncmp(name, mark, sizeof mark - 1) != 0) continue;
        json_int_t value = json_is_integer(id) ? json_integer_value(id) : -1;
        if (value < 0 || value >= spec->vocab) {
            as_config_fail(c, AS_E_INPUT, "\"vocabulary_map\"[\"%s\"] is no token of the vocabulary", name);
            return;
        }
        barred[spec->barred_count++] = (int32_t)value;
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    as_spec_even_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 32);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_layer_norm(AS_SLOT_Q_NORM, 1e-5);
    attention.k_norm = as_spec_layer_norm(AS_SLOT_K_NORM, 1e-5);
    attention.head_norm = AS_HEAD_NORM_OWN;
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    bool swin = as_config_bool(c, "swin_norm", false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        (swin ? as_spec_post_norm_layer : as_spec_pre_norm_layer)(c, spec, i, &attention, &mlp, norm);
    }
    if (swin) spec->names = behind;
    bar_images(c, spec);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_chameleon = {.describe = describe};
