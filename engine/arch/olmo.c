/* OLMo: Groeneveld et al. 2024; OLMo 2: OLMo team 2024; OLMo 3: 2025; transformers models/olmo, olmo2, olmo3.
 * The first has layer norms without parameters and may clip queries, keys and values. The second normalises
 * behind each block, and queries and keys over all heads. The third slides in three layers of four, where
 * its position scaling does not reach.
 *
 * A rope_theta beside rope_scaling is OLMo 3's full layers' alone, the others' base is then 500000: so
 * convert_rope_params_to_dict has it. */
#include "engine/arch/arch.h"

static const char *const post_norm_names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
};

static void describe_olmo(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    as_norm_spec norm = {.present = true, .kind = AS_NORM_LAYER, .weightless = true, .eps = 1e-5F};
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    if (as_config_has(c, "clip_qkv")) {
        attention.qkv_clip = (float)as_config_number_in(c, "clip_qkv", 0, 1e-9, 1e30);
    }
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_pre_norm_layer(c, spec, i, &attention, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

static as_attention_spec normed_attention(as_config *c, const as_model_spec *spec, int rope, double eps)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    attention.head_norm = AS_HEAD_NORM_ROW;
    return attention;
}

static void describe_olmo2(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = normed_attention(c, spec, rope, eps);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_post_norm_layer(c, spec, i, &attention, &mlp, as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0));
    }
    spec->names = post_norm_names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

static void describe_olmo3(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_rope_defaults full = {
        .head_dim = spec->head_dim, .theta = 500000, .layer_type = "full_attention", .by_type = true};
    as_rope_defaults sliding = full;
    sliding.layer_type = "sliding_attention";
    sliding.own_scaling = true; /* rope_scaling is the full layers' */
    sliding.theta_key = "";
    int full_rope = as_config_rope(c, &full, spec), sliding_rope = as_config_rope(c, &sliding, spec);
    as_attention_spec attention = normed_attention(c, spec, full_rope, eps);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = as_spec_window(c, 4096);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool slides = as_spec_layer_slides(c, spec, i, (i + 1) % 4 != 0);
        attention.window = slides ? window : 0;
        attention.rope = slides ? sliding_rope : full_rope;
        as_spec_post_norm_layer(c, spec, i, &attention, &mlp, as_spec_rms(AS_SLOT_NORM_1_POST, eps, 0));
    }
    spec->names = post_norm_names;
    as_spec_finish(c, spec, as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0), false);
}

const as_family as_family_olmo = {.architectures = {"OlmoForCausalLM"}, .describe = describe_olmo};
const as_family as_family_olmo2 = {.architectures = {"Olmo2ForCausalLM"}, .describe = describe_olmo2};
const as_family as_family_olmo3 = {.architectures = {"Olmo3ForCausalLM"}, .describe = describe_olmo3};
