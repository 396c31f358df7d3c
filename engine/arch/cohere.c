/* Command R and R+ (Cohere), R7B and A (Cohere 2), North (Cohere Compass): transformers models/cohere,
 * cohere2, cohere_compass. Attention and feed-forward side by side behind one layer norm without bias, pairs
 * of neighbours rotated, logits scaled. Cohere may normalise each query and key head with weights of its own;
 * Cohere 2 slides in three layers of four, and rotates in those alone; Compass rotates halves, and gives each
 * kind of layer a rotation of its own or none. */
#include "engine/arch/arch.h"

static as_norm_spec norm_without_bias(as_slot slot, double eps)
{
    as_norm_spec norm = as_spec_layer_norm(slot, eps);
    norm.has_bias = false;
    return norm;
}

static void finish(as_config *c, as_model_spec *spec, as_norm_spec norm, double logit_scale)
{
    spec->logit_scale = (float)as_config_number_in(c, "logit_scale", logit_scale, 1e-9, 1e9);
    as_spec_finish(c, spec, norm, true);
}

static as_attention_spec describe_attention(as_config *c, as_model_spec *spec, double theta)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    as_rope_defaults rotary = {.kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = theta};
    return as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
}

static void describe_cohere(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "layer_norm_eps", 1e-5);
    as_norm_spec norm = norm_without_bias(AS_SLOT_NORM_1, eps);
    as_attention_spec attention = describe_attention(c, spec, 500000);
    if (as_config_bool(c, "use_qk_norm", false)) {
        attention.q_norm = norm_without_bias(AS_SLOT_Q_NORM, eps);
        attention.k_norm = norm_without_bias(AS_SLOT_K_NORM, eps);
        attention.head_norm = AS_HEAD_NORM_OWN;
    }
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_parallel_layer(c, spec, i, &attention, &mlp, norm);
    }
    finish(c, spec, norm, 0.0625);
}

static void describe_cohere2(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = norm_without_bias(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    as_attention_spec attention = describe_attention(c, spec, 10000);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = as_spec_window(c, 4096);
    int64_t pattern = as_config_size_or(c, "sliding_window_pattern", 4, AS_MOST_LAYERS);
    int rope = attention.rope;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = as_spec_layer_slides(c, spec, i, (i + 1) % pattern != 0);
        attention.window = sliding ? window : 0;
        attention.rope = sliding && window ? rope : -1;
        as_spec_parallel_layer(c, spec, i, &attention, &mlp, norm);
    }
    finish(c, spec, norm, 0.0625);
}

static int compass_rope(as_config *c, as_model_spec *spec, const char *layer_type)
{
    return as_config_rope(
        c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000, .layer_type = layer_type}, spec);
}

static void describe_compass(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 8192);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = norm_without_bias(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_eps", 1e-5));
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = as_spec_window(c, 4096);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = as_spec_layer_slides(c, spec, i, false);
        attention.window = sliding ? window : 0;
        attention.rope = compass_rope(c, spec, sliding ? "sliding_attention" : "full_attention");
        as_spec_parallel_layer(c, spec, i, &attention, &mlp, norm);
    }
    finish(c, spec, norm, 1);
}

const as_family as_family_cohere = {.architectures = {"CohereForCausalLM"}, .describe = describe_cohere};
const as_family as_family_cohere2 = {.architectures = {"Cohere2ForCausalLM"}, .describe = describe_cohere2};
const as_family as_family_cohere_compass = {.architectures = {"CohereCompassForCausalLM"},
                                            .describe = describe_compass};
