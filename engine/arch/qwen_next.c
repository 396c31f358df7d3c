/* Qwen3-Next and Qwen3.5, dense and with experts: Yang et al. 2025; transformers models/qwen3_next, qwen3_5,
 * qwen3_5_moe. Three layers of the gated delta rule for each one of attention, whose query projection also
 * holds a gate; a quarter of each head is rotated; norms of 1 + w but for the delta rule's own. Qwen3-Next
 * fuses the delta rule's projections head by head, Qwen3.5 holds them apart and nests the text model. Experts
 * are routed by a softmax, with a shared one behind a sigmoid. The several position axes of Qwen3.5 (mrope)
 * are one for text. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/delta.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_LINEAR_QKVZ] = "layers.%d.linear_attn.in_proj_qkvz",
    [AS_SLOT_LINEAR_BA] = "layers.%d.linear_attn.in_proj_ba",
    [AS_SLOT_LINEAR_QKV] = "layers.%d.linear_attn.in_proj_qkv",
    [AS_SLOT_LINEAR_GATE] = "layers.%d.linear_attn.in_proj_z",
    [AS_SLOT_LINEAR_B] = "layers.%d.linear_attn.in_proj_b",
    [AS_SLOT_LINEAR_A] = "layers.%d.linear_attn.in_proj_a",
    [AS_SLOT_LINEAR_CONV] = "layers.%d.linear_attn.conv1d",
    [AS_SLOT_LINEAR_A_LOG] = "layers.%d.linear_attn.A_log",
    [AS_SLOT_LINEAR_DT_BIAS] = "layers.%d.linear_attn.dt_bias",
    [AS_SLOT_LINEAR_NORM] = "layers.%d.linear_attn.norm",
    [AS_SLOT_LINEAR_OUT] = "layers.%d.linear_attn.out_proj",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.gate",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.%e.gate_proj|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.%e.up_proj|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.%e.down_proj|layers.%d.mlp.experts.down_proj!",
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_expert.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_expert.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_expert.down_proj",
    [AS_SLOT_SHARED_SIGMOID] = "layers.%d.mlp.shared_expert_gate",
};

static const char *const prefixes[] = {
    "model.", "model.language_model.", "language_model.model.", "language_model.", "", NULL};
/* The multi-token-prediction layer and the vision tower. */
static const char *const ignored[] = {"*rotary_emb.inv_freq", "mtp.*",    "model.mtp.*",
                                      "model.visual.*",       "visual.*", NULL};

/* What differs between the families beside the layout. */
typedef struct defaults {
    as_delta_layout layout;
    int64_t intermediate, kv_heads;
    int64_t experts, top_k; /* 0: dense */
} defaults;

static as_delta_spec describe_delta(as_config *c, as_delta_layout layout, double eps)
{
    as_delta_spec delta = {.layout = layout,
                           .key_heads = as_config_size_or(c, "linear_num_key_heads", 16, AS_MOST_HEADS),
                           .value_heads = as_config_size_or(c, "linear_num_value_heads", 32, AS_MOST_HEADS),
                           .key_width = as_config_size_or(c, "linear_key_head_dim", 128, 1 << 14),
                           .value_width = as_config_size_or(c, "linear_value_head_dim", 128, 1 << 14),
                           .taps = as_config_size_or(c, "linear_conv_kernel_dim", 4, 64),
                           .conv_act = as_config_activation(c, "hidden_act", "silu"),
                           .beta_scale = 1,
                           .decay = AS_DECAY_SOFTPLUS,
                           .gate_act = AS_ACT_SILU, /* whatever hidden_act says */
                           .eps = (float)eps};
    return delta;
}

static void add_delta(as_config *c, as_model_spec *spec, int64_t layer, const as_delta_spec *delta,
                      as_norm_spec norm)
{
    if (delta->value_heads % delta->key_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"linear_num_value_heads\" is %lld, not a multiple of \"linear_num_key_heads\" %lld",
                       (long long)delta->value_heads, (long long)delta->key_heads);
    }
    as_spec_add_mixer(c, spec, layer, &as_block_delta, delta, norm);
}

static as_attention_spec describe_attention(as_config *c, as_model_spec *spec, double eps)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(
        c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000, .partial = 0.25}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 1);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 1);
    attention.gate = AS_ATTENTION_GATE_IN_Q;
    attention.gate_act = AS_ACT_SIGMOID;
    return attention;
}

static as_moe_spec describe_experts(as_config *c, int64_t experts, int64_t top_k)
{
    as_activation act = as_config_activation(c, "hidden_act", "silu");
    as_moe_spec moe = {.experts = experts,
                       .top_k = as_config_size_or(c, "num_experts_per_tok", top_k, AS_MOST_EXPERTS),
                       .width = as_config_size_or(c, "moe_intermediate_size", 512, AS_MOST_WIDTH),
                       .act = act,
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .normalise = as_config_bool(c, "norm_topk_prob", true),
                       .groups = 1,
                       .shared_gate = true};
    moe.shared =
        (as_mlp_spec){.width = as_config_size_or(c, "shared_expert_intermediate_size", 512, AS_MOST_WIDTH),
                      .act = act,
                      .gated = true,
                      .gate = AS_SLOT_SHARED_GATE,
                      .up = AS_SLOT_SHARED_UP,
                      .down = AS_SLOT_SHARED_DOWN};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    return moe;
}

/* Whether a layer is one of attention: by layer_types, or every so many. */
static bool is_attention(as_config *c, int64_t layer, int64_t layers, int64_t interval)
{
    const char *type = as_config_layer_type(c, layer, layers);
    if (!type) return (layer + 1) % interval == 0;
    if (strcmp(type, "full_attention") != 0 && strcmp(type, "linear_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or linear_attention",
                       (long long)layer, type);
    }
    return strcmp(type, "full_attention") == 0;
}

static bool is_listed(const as_config *c, const char *key, int64_t layer)
{
    const json_t *list = json_object_get(c->root, key);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_integer(item) && json_integer_value(item) == layer) return true;
    }
    return false;
}

static void describe(as_config *c, as_model_spec *spec, const defaults *family)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : family->kv_heads, 256);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    as_attention_spec attention = describe_attention(c, spec, eps);
    as_delta_spec delta = describe_delta(c, family->layout, eps);
    int64_t experts = family->experts ? as_config_int(c, "num_experts", family->experts) : 0;
    int64_t every = family->experts ? as_config_size_or(c, "decoder_sparse_step", 1, AS_MOST_LAYERS) : 1;
    int64_t interval = as_config_size_or(c, "full_attention_interval", 4, AS_MOST_LAYERS);
    if (experts < 0 || experts > AS_MOST_EXPERTS) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts\" is %lld, expected 0 to %d", (long long)experts,
                       AS_MOST_EXPERTS);
    }
    as_moe_spec moe = {0};
    if (experts > 0) moe = describe_experts(c, experts, family->top_k);
    as_mlp_spec mlp = {.width =
                           as_config_size_or(c, "intermediate_size", family->intermediate, AS_MOST_WIDTH),
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .gate = AS_SLOT_GATE,
                       .up = AS_SLOT_UP,
                       .down = AS_SLOT_DOWN};
    spec->intermediate = mlp.width;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, i, spec->layer_count, interval)) {
            as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        } else {
            add_delta(c, spec, i, &delta, norm);
        }
        if (experts > 0 && (i + 1) % every == 0 && !is_listed(c, "mlp_only_layers", i)) {
            as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
        } else {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        }
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

static void describe_next(as_config *c, as_model_spec *spec)
{
    describe(c, spec,
             &(defaults){.layout = AS_DELTA_PER_KEY_HEAD,
                         .intermediate = 5632,
                         .kv_heads = 2,
                         .experts = 512,
                         .top_k = 10});
}

static void describe_dense(as_config *c, as_model_spec *spec)
{
    describe(c, spec, &(defaults){.layout = AS_DELTA_QKV, .intermediate = 12288, .kv_heads = 4});
}

/* Every layer has experts, renormalised whatever the config says. */
static void describe_moe(as_config *c, as_model_spec *spec)
{
    describe(
        c, spec,
        &(defaults){.layout = AS_DELTA_QKV, .intermediate = 512, .kv_heads = 2, .experts = 256, .top_k = 8});
}

const as_family as_family_qwen3_next = {.architectures = {"Qwen3NextForCausalLM"}, .describe = describe_next};
const as_family as_family_qwen3_5 = {
    .architectures = {"Qwen3_5ForCausalLM"}, .nested = "text_config", .describe = describe_dense};
const as_family as_family_qwen3_5_moe = {
    .architectures = {"Qwen3_5MoeForCausalLM"}, .nested = "text_config", .describe = describe_moe};
