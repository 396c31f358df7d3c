/* ModernBERT as a decoder (Ettin): Weller et al. 2025; transformers models/modernbert_decoder. Layer norms,
 * none before the first attention; a window of half of local_attention in two of three layers, each kind with
 * a rotary base of its own; between the final norm and the head a dense layer, an activation and a norm. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/linear.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings.tok_embeddings",
    [AS_SLOT_EMBED_NORM] = "embeddings.norm",
    [AS_SLOT_NORM_1] = "layers.%d.attn_norm",
    [AS_SLOT_NORM_2] = "layers.%d.mlp_norm",
    [AS_SLOT_Q] = "layers.%d.attn.q_proj",
    [AS_SLOT_K] = "layers.%d.attn.k_proj",
    [AS_SLOT_V] = "layers.%d.attn.v_proj",
    [AS_SLOT_O] = "layers.%d.attn.Wo",
    [AS_SLOT_GATE] = "layers.%d.mlp.Wi#0/2",
    [AS_SLOT_UP] = "layers.%d.mlp.Wi#1/2",
    [AS_SLOT_DOWN] = "layers.%d.mlp.Wo",
    [AS_SLOT_BEFORE_HEAD_NORM] = "final_norm",
    [AS_SLOT_BEFORE_HEAD] = "^lm_head.dense",
    [AS_SLOT_FINAL_NORM] = "^lm_head.norm",
    [AS_SLOT_HEAD] = "^decoder",
};

/* A kind of layer: whether it slides, and its rotation. */
static bool slides(as_config *c, const as_model_spec *spec, int64_t layer)
{
    int64_t every = as_config_size_or(c, "global_attn_every_n_layers", 3, AS_MOST_LAYERS);
    return as_spec_layer_slides(c, spec, layer, layer % every != 0);
}

static int rope_of(as_config *c, as_model_spec *spec, bool sliding)
{
    as_rope_defaults defaults = {.head_dim = spec->head_dim,
                                 .theta = sliding ? 10000 : 160000,
                                 .layer_type = sliding ? "sliding_attention" : "full_attention",
                                 .by_type = true,
                                 .theta_key = sliding ? "local_rope_theta" : "global_rope_theta"};
    return as_config_rope(c, &defaults, spec);
}

/* Half of local_attention, unless the config says sliding_window itself. */
static int64_t window_of(as_config *c)
{
    if (as_config_has(c, "sliding_window")) return as_config_size(c, "sliding_window", 1 << 30);
    int64_t window = as_config_int(c, "local_attention", 128) / 2;
    if (window < 1) {
        as_config_fail(c, AS_E_INPUT, "\"local_attention\" is %lld, expected at least 2",
                       (long long)as_config_int(c, "local_attention", 128));
    }
    return window;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_even_heads(c, spec, 0);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "norm_eps", 1e-5));
    norm.has_bias = as_config_bool(c, "norm_bias", false);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu"),
                                        as_config_bool(c, "mlp_bias", false));
    spec->embed_norm = norm;
    spec->embed_norm.slot = AS_SLOT_EMBED_NORM;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = slides(c, spec, i);
        as_attention_spec attention = as_spec_attention(spec, rope_of(c, spec, sliding), bias, bias);
        if (sliding) attention.window = window_of(c);
        as_step *step = as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        if (step && i == 0) step->in_norm.present = false;
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    as_linear_spec dense = {.slot = AS_SLOT_BEFORE_HEAD,
                            .bias = as_config_bool(c, "classifier_bias", false),
                            .act = as_config_activation(c, "classifier_activation", "gelu")};
    as_step *last = NULL;
    if (c->rc == AS_OK)
        last = as_spec_add_step(c, spec, spec->layer_count - 1, &as_block_linear, NULL, &dense);
    if (last) {
        last->in_norm = norm;
        last->in_norm.slot = AS_SLOT_BEFORE_HEAD_NORM;
        last->effect = AS_STEP_REPLACES;
    }
    spec->head_bias = as_config_bool(c, "decoder_bias", true);
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_modernbert_decoder = {.architectures = {"ModernBertDecoderForCausalLM"},
                                                .describe = describe};
