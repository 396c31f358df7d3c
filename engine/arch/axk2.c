/* A.X K2 (SK Telecom 2026): transformers models/axk2. DeepSeek-V3.2 whose norms before attention and experts
 * put a low-rank gate on themselves, whose queries come from their latent before and behind its norm, with an
 * element-wise gate of the output among them, and whose experts need no groups. */
#include "engine/arch/deepseek.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm.norm",
    [AS_SLOT_NORM_1_GATE_DOWN] = "layers.%d.input_layernorm.mlp.fc1|layers.%d.input_layernorm.W_down",
    [AS_SLOT_NORM_1_GATE_UP] = "layers.%d.input_layernorm.mlp.fc2|layers.%d.input_layernorm.W_up",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.post_attention_layernorm.norm",
    [AS_SLOT_NORM_2_GATE_DOWN] =
        "layers.%d.post_attention_layernorm.mlp.fc1|layers.%d.post_attention_layernorm.W_down",
    [AS_SLOT_NORM_2_GATE_UP] =
        "layers.%d.post_attention_layernorm.mlp.fc2|layers.%d.post_attention_layernorm.W_up",
    [AS_SLOT_Q_UP] = "layers.%d.self_attn.q_gate_proj|layers.%d.self_attn.q_b_proj",
};

static const as_deepseek_defaults defaults = {.attention = {.q_rank = 384,
                                                            .kv_rank = 128,
                                                            .nope = 64,
                                                            .rope = 32,
                                                            .v_width = 64,
                                                            .theta = 10000,
                                                            .kind = AS_ROPE_INTERLEAVED},
                                              .context = 131072,
                                              .eps = 1e-6,
                                              .experts = 128,
                                              .top_k = 8,
                                              .shared = 1,
                                              .width = 512,
                                              .scale = 2.5,
                                              .groups = 1,
                                              .group_top = 1,
                                              .groups_as_zero = true,
                                              .first_dense = 1,
                                              .listed = true,
                                              .by_frequency = true,
                                              .normalise = true,
                                              .route = AS_ROUTE_SIGMOID};

/* moe: NULL where the layer is dense. */
static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, const as_mla_spec *attention,
                      const as_moe_spec *moe, const as_mlp_spec *mlp, as_norm_spec norm)
{
    int64_t rank = as_config_size_or(c, "gated_norm_rank", 16, AS_MOST_WIDTH);
    as_step *step = as_spec_add_mixer(c, spec, layer, &as_block_mla, attention, norm);
    step->in_gate = (as_self_gate_spec){rank, AS_SLOT_NORM_1_GATE_DOWN, AS_SLOT_NORM_1_GATE_UP};
    if (!moe) {
        as_spec_add_ffn(c, spec, layer, &as_block_mlp, mlp, norm);
        return;
    }
    step = as_spec_add_ffn(c, spec, layer, &as_block_moe, moe, norm);
    step->in_gate = (as_self_gate_spec){rank, AS_SLOT_NORM_2_GATE_DOWN, AS_SLOT_NORM_2_GATE_UP};
}

static as_moe_spec read_experts(as_config *c)
{
    if (as_config_has(c, "n_group") != as_config_has(c, "topk_group")) {
        as_config_fail(c, AS_E_INPUT, "\"n_group\" and \"topk_group\" must stand together");
    }
    return as_deepseek_experts(c, &defaults);
}

static void describe(as_config *c, as_model_spec *spec)
{
    static const as_index_defaults index = {.heads = 16, .width = 128, .top = 2048, .kind = AS_ROPE_HALF};
    as_spec_base(c, spec, defaults.context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &defaults.attention);
    as_deepseek_index(c, spec, &attention, defaults.attention.theta, &index);
    attention.q_with_raw = true;
    attention.out_gate = AS_ATTENTION_GATE_IN_Q;
    as_config experts = *c; /* what is wrong with them matters where a layer has some */
    as_moe_spec moe = read_experts(&experts);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", defaults.eps), 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool dense = as_deepseek_layer_is_dense(c, spec, i, &defaults);
        if (!dense) as_config_return(c, &experts);
        add_layer(c, spec, i, &attention, dense ? NULL : &moe, &mlp, norm);
    }
    spec->names = names;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_axk2 = {.architectures = {"AXK2ForCausalLM"}, .describe = describe};
