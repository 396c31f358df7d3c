/* Llama 3.2 with vision: Meta 2024; transformers models/mllama. Llama, some of whose layers attend to an
 * image alone: without one they are passed over. The embedding has rows for what stands for images. */
#include "engine/arch/experts.h"

static const int64_t usual_cross_layers[] = {3, 8, 13, 18, 23, 28, 33, 38};

static bool sees_images(as_config *c, int64_t layer)
{
    if (as_config_has(c, "cross_attention_layers")) {
        return as_config_lists(c, "cross_attention_layers", layer);
    }
    for (size_t i = 0; i < sizeof usual_cross_layers / sizeof usual_cross_layers[0]; i++) {
        if (layer == usual_cross_layers[i]) return true;
    }
    return false;
}

static void describe(as_config *c, as_model_spec *spec)
{
    enum { IMAGE_ROWS = 8 };
    as_spec_base(c, spec, 131072);
    as_spec_even_heads(c, spec, as_spec_kv_default(c, 8));
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 500000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    as_spec_finish(c, spec, norm, false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (sees_images(c, i)) {
            as_spec_ignore_numbered(c, spec, "*layers.%lld.*", i, 1);
        } else {
            as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
        }
    }
    spec->embed_rows = spec->vocab + IMAGE_ROWS;
}

const as_family as_family_mllama = {.describe = describe};
