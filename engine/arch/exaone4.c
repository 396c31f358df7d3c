/* EXAONE 4: LG AI Research 2025; transformers models/exaone4. Norms behind the blocks and on each query and
 * key head; where there is a window, three layers of four slide and those alone rotate. */
#include "engine/arch/arch.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 32, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = as_spec_window(c, 4096), pattern = 4;
    if (window && !as_config_has(c, "layer_types")) { /* beside layer_types it may be a word */
        pattern = as_config_size_or(c, "sliding_window_pattern", 4, AS_MOST_LAYERS);
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = as_spec_layer_slides(c, spec, i, window && (i + 1) % pattern != 0);
        attention.window = sliding ? window : 0;
        attention.rope = sliding || !window ? rope : -1;
        as_spec_post_norm_layer(c, spec, i, &attention, &mlp, as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0));
    }
    spec->names = names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

const as_family as_family_exaone4 = {.architectures = {"Exaone4ForCausalLM"}, .describe = describe};
