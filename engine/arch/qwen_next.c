/* Qwen3-Next and Qwen3.5, dense and with experts: Yang et al. 2025; transformers models/qwen3_next, qwen3_5,
 * qwen3_5_moe. Three layers of the gated delta rule for each one of attention, whose query projection also
 * holds a gate; a quarter of each head is rotated; norms of 1 + w but for the delta rule's own. Qwen3-Next
 * fuses the delta rule's projections head by head, Qwen3.5 holds them apart and nests the text model. Experts
 * are routed by a softmax, with a shared one behind a sigmoid. The several position axes of Qwen3.5 (mrope)
 * are one for text. */
#include <string.h>

#include "engine/arch/qwen_next.h"

static const char *const names[AS_SLOT_COUNT] = {AS_QWEN_NEXT_NAMES};

const char *const as_qwen_next_prefixes[] = {
    "model.", "model.language_model.", "language_model.model.", "language_model.", "", NULL};
const char *const as_qwen_next_ignored[] = {"*rotary_emb.inv_freq", "mtp.*",    "model.mtp.*",
                                            "model.visual.*",       "visual.*", NULL};

/* What differs between the families beside the layout. */
typedef struct defaults {
    as_delta_layout layout;
    int64_t intermediate, kv_heads;
    int64_t experts, top_k; /* 0: dense */
} defaults;

as_delta_spec as_spec_gated_delta(as_config *c, as_delta_layout layout, double eps)
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
    if (delta.value_heads % delta.key_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"linear_num_value_heads\" is %lld, not a multiple of \"linear_num_key_heads\" %lld",
                       (long long)delta.value_heads, (long long)delta.key_heads);
    }
    return delta;
}

as_attention_spec as_spec_gated_attention(as_config *c, as_model_spec *spec, double eps, double partial)
{
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(
        c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000, .partial = partial}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 1);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 1);
    attention.gate = AS_ATTENTION_GATE_IN_Q;
    attention.gate_act = AS_ACT_SIGMOID;
    return attention;
}

as_moe_spec as_spec_gated_experts(as_config *c, int64_t experts, int64_t top_k)
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
    as_attention_spec attention = as_spec_gated_attention(c, spec, eps, 0.25);
    as_delta_spec delta = as_spec_gated_delta(c, family->layout, eps);
    int64_t experts = family->experts ? as_config_int(c, "num_experts", family->experts) : 0;
    int64_t every = family->experts ? as_config_size_or(c, "decoder_sparse_step", 1, AS_MOST_LAYERS) : 1;
    int64_t interval = as_config_size_or(c, "full_attention_interval", 4, AS_MOST_LAYERS);
    if (experts < 0 || experts > AS_MOST_EXPERTS) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts\" is %lld, expected 0 to %d", (long long)experts,
                       AS_MOST_EXPERTS);
    }
    as_moe_spec moe = {0};
    if (experts > 0) moe = as_spec_gated_experts(c, experts, family->top_k);
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
            as_spec_add_mixer(c, spec, i, &as_block_delta, &delta, norm);
        }
        if (experts > 0 && (i + 1) % every == 0 && !is_listed(c, "mlp_only_layers", i)) {
            as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
        } else {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
        }
    }
    spec->names = names;
    spec->prefixes = as_qwen_next_prefixes;
    spec->ignored = as_qwen_next_ignored;
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
