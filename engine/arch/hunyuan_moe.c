/* Hunyuan-A13B (Tencent 2025); transformers models/hunyuan_v1_moe. Norms on each query and key head behind
 * the rotation, softmax over all experts, a shared one as wide as they are; numbers that may differ by layer.
 */
#include <math.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.query_layernorm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.key_layernorm",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate.wg",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_mlp.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_mlp.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_mlp.down_proj",
};

/* A layer's experts. In the published configs some numbers are lists with an entry for each layer. */
static as_moe_spec layer_experts(as_config *c, const as_model_spec *spec, int64_t layer)
{
    int64_t layers = spec->layer_count;
    const char *count = as_config_key(c, "num_local_experts", "num_experts");
    const char *top_k = as_config_key(c, "num_experts_per_tok", "moe_topk");
    as_moe_spec moe = {.experts = as_config_layer_size(c, count, layer, layers, 1, AS_MOST_EXPERTS),
                       .top_k = as_config_layer_size(c, top_k, layer, layers, 1, AS_MOST_EXPERTS),
                       .width = as_config_layer_size(c, "moe_intermediate_size", layer, layers,
                                                     spec->intermediate, AS_MOST_WIDTH),
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .normalise = true,
                       .scale = 1,
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld of %lld experts", top_k, (long long)moe.top_k,
                       (long long)moe.experts);
    }
    int64_t shared = as_config_layer_size(c, "num_shared_expert", layer, layers, 1, AS_MOST_EXPERTS);
    as_spec_share(c, &moe, spec->intermediate * shared);
    return moe;
}

/* "dynamic" with an alpha is the base stretched once, for all lengths. */
static void stretch(as_config *c, as_rope_spec *rope)
{
    const json_t *from = as_config_rope_object(c);
    if (rope->scaling != AS_ROPE_DYNAMIC || !from) return;
    as_config fields;
    as_config_init(&fields, from);
    double alpha = as_config_number_in(&fields, "alpha", 0, 0, 1e30), dim = (double)rope->dim;
    if (c->rc == AS_OK && fields.rc != AS_OK) {
        c->rc = fields.rc;
        c->err = fields.err;
    }
    if (alpha == 0 || dim <= 2) return;
    rope->theta *= pow(alpha, dim / (dim - 2));
    rope->scaling = AS_ROPE_PLAIN;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_rope_defaults rotary = {.head_dim = spec->head_dim, .theta = 10000};
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &rotary, spec);
    stretch(c, &spec->ropes[rope]);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    if (as_config_bool(c, "use_qk_norm", true)) as_spec_norm_heads(&attention, eps);
    attention.norm_after_rope = true;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH);
    if (as_config_bool(c, "use_cla", false)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"use_cla\": keys and values shared across layers");
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_moe_spec moe = layer_experts(c, spec, i);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_hunyuan_moe = {.architectures = {"HunYuanMoEV1ForCausalLM"}, .describe = describe};
