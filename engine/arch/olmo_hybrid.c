/* OLMo Hybrid: Ai2 2025; transformers models/olmo_hybrid. The gated delta rule, with updates of up to 2,
 * behind a norm as in Llama; in every fourth layer OLMo 3's attention, with norms behind the blocks and over
 * all queries and keys. A null rope_theta means no rotation: so it is in the released models. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/delta.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.attention_layer_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.feedforward_layer_norm",
    /* save_pretrained's reversal renames it in these layers too */
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm|layers.%d.feedforward_layer_norm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_LINEAR_Q] = "layers.%d.linear_attn.q_proj",
    [AS_SLOT_LINEAR_K] = "layers.%d.linear_attn.k_proj",
    [AS_SLOT_LINEAR_V] = "layers.%d.linear_attn.v_proj",
    [AS_SLOT_LINEAR_A] = "layers.%d.linear_attn.a_proj",
    [AS_SLOT_LINEAR_B] = "layers.%d.linear_attn.b_proj",
    [AS_SLOT_LINEAR_GATE] = "layers.%d.linear_attn.g_proj",
    [AS_SLOT_LINEAR_CONV] = "layers.%d.linear_attn.conv1d",
    [AS_SLOT_LINEAR_CONV_Q] = "layers.%d.linear_attn.q_conv1d",
    [AS_SLOT_LINEAR_CONV_K] = "layers.%d.linear_attn.k_conv1d",
    [AS_SLOT_LINEAR_CONV_V] = "layers.%d.linear_attn.v_conv1d",
    [AS_SLOT_LINEAR_A_LOG] = "layers.%d.linear_attn.A_log",
    [AS_SLOT_LINEAR_DT_BIAS] = "layers.%d.linear_attn.dt_bias",
    [AS_SLOT_LINEAR_NORM] = "layers.%d.linear_attn.o_norm",
    [AS_SLOT_LINEAR_OUT] = "layers.%d.linear_attn.o_proj",
};

static as_delta_spec describe_delta(as_config *c, const as_model_spec *spec)
{
    as_delta_spec delta = {
        .layout = AS_DELTA_SEPARATE,
        .key_heads = as_config_size_or(c, "linear_num_key_heads", spec->heads, AS_MOST_HEADS),
        .value_heads = as_config_size_or(c, "linear_num_value_heads", spec->heads, AS_MOST_HEADS),
        .taps = as_config_size_or(c, "linear_conv_kernel_dim", 4, 64),
        .conv_act = as_config_activation(c, "hidden_act", "silu"),
        .beta_scale = as_config_bool(c, "linear_allow_neg_eigval", true) ? 2 : 1,
        .decay = AS_DECAY_SOFTPLUS,
        .gate_act = AS_ACT_SILU,
        .eps = 1e-5f}; /* whatever rms_norm_eps says */
    int64_t width = (int64_t)(0.75 * (double)spec->hidden / (double)delta.key_heads);
    delta.key_width = as_config_size_or(c, "linear_key_head_dim", width > 0 ? width : 1, 1 << 14);
    delta.value_width = as_config_size_or(c, "linear_value_head_dim", 2 * delta.key_width, 1 << 14);
    if (delta.value_heads % delta.key_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"linear_num_value_heads\" is %lld, not a multiple of \"linear_num_key_heads\" %lld",
                       (long long)delta.value_heads, (long long)delta.key_heads);
    }
    return delta;
}

/* rope_theta stated as null, in rope_parameters or, without them, beside. */
static bool is_rotated(const as_config *c)
{
    const json_t *parameters = json_object_get(c->root, "rope_parameters");
    const json_t *from = json_is_object(parameters) ? parameters : c->root;
    return !json_is_null(json_object_get(from, "rope_theta"));
}

static as_attention_spec describe_attention(as_config *c, as_model_spec *spec, double eps)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = -1;
    if (is_rotated(c)) {
        rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    }
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    attention.head_norm = AS_HEAD_NORM_ROW;
    return attention;
}

static bool is_attention(as_config *c, int64_t layer, int64_t layers)
{
    const char *type = as_config_layer_type(c, layer, layers);
    if (!type) return layer % 4 == 3 || (layers < 4 && layer == layers - 1);
    if (strcmp(type, "full_attention") != 0 && strcmp(type, "linear_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or linear_attention",
                       (long long)layer, type);
    }
    return strcmp(type, "full_attention") == 0;
}

static void add_post_norm_layer(as_config *c, as_model_spec *spec, int64_t layer,
                                const as_attention_spec *attention, const as_mlp_spec *mlp, as_norm_spec norm)
{
    as_step *mixer = as_spec_add_step(c, spec, layer, &as_block_attention, "mixer", attention);
    as_step *ffn = as_spec_add_step(c, spec, layer, &as_block_mlp, "ffn", mlp);
    mixer->out_norm = norm;
    mixer->out_norm.slot = AS_SLOT_NORM_1_POST;
    ffn->out_norm = norm;
    ffn->out_norm.slot = AS_SLOT_NORM_2_POST;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 65536);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec attention = describe_attention(c, spec, eps);
    as_delta_spec delta = describe_delta(c, spec);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, i, spec->layer_count)) {
            add_post_norm_layer(c, spec, i, &attention, &mlp, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_delta, &delta, norm);
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        }
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_olmo_hybrid = {.architectures = {"OlmoHybridForCausalLM"}, .describe = describe};
