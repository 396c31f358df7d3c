/* Command R and R+ (Cohere) and R7B and A (Cohere 2): transformers models/cohere, models/cohere2. Attention
 * and feed-forward side by side behind one layer norm without bias, pairs of neighbours rotated, logits
 * scaled. Cohere may normalise each query and key head with weights of its own; Cohere 2 slides in three
 * layers of four, and rotates in those alone. */
#include "engine/arch/arch.h"

static as_norm_spec norm_without_bias(as_slot slot, double eps)
{
    as_norm_spec norm = as_spec_layer_norm(slot, eps);
    norm.has_bias = false;
    return norm;
}

static void finish(as_config *c, as_model_spec *spec, as_norm_spec norm)
{
    spec->logit_scale = (float)as_config_number_in(c, "logit_scale", 0.0625, 1e-9, 1e9);
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
    finish(c, spec, norm);
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
    finish(c, spec, norm);
}

const as_family as_family_cohere = {.architectures = {"CohereForCausalLM"}, .describe = describe_cohere};
const as_family as_family_cohere2 = {.architectures = {"Cohere2ForCausalLM"}, .describe = describe_cohere2};
