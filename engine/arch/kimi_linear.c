/* Kimi Linear and Ling 3.0 (Kimi team 2025, Kimi Linear; inclusionAI 2026; transformers models/kimi_linear,
 * bailing_hybrid): the delta rule with a decay for each channel, latent attention between, the first layers
 * dense, then experts as in DeepSeek-V3. Kimi's attention knows no positions, and its decays and gates come
 * through a low rank; Ling's attention is rotated and gated head by head, its decays may be bounded. Fields
 * have the names of Moonshot AI's configurations (num_expert_group) or the usual ones (n_group). */
#include <string.h>

#include "engine/arch/experts.h"
#include "engine/arch/kda.h"

#define EXPERT(own, hub)                                                                                     \
    "layers.%d.mlp.experts.%e." own "|layers.%d.block_sparse_moe.experts.%e." hub                            \
    "|layers.%d.mlp.experts.%e." hub
#define MOE(part)   "layers.%d.mlp." part "|layers.%d.block_sparse_moe." part
#define STACK(part) "|layers.%d.mlp.experts." part "|layers.%d.block_sparse_moe.experts." part

static const char *const names_kimi[AS_SLOT_COUNT] = {
    AS_KDA_NAMES,
    [AS_SLOT_GATE] = MOE("gate_proj"), /* transformers also saves dense layers under the experts' name */
    [AS_SLOT_UP] = MOE("up_proj"),
    [AS_SLOT_DOWN] = MOE("down_proj"),
    [AS_SLOT_ROUTER] = MOE("gate"),
    [AS_SLOT_ROUTER_CORRECTION] = MOE("gate.e_score_correction_bias"),
    [AS_SLOT_EXPERT_GATE] = EXPERT("gate_proj", "w1") STACK("gate_up_proj!#0/2"),
    [AS_SLOT_EXPERT_UP] = EXPERT("up_proj", "w3") STACK("gate_up_proj!#1/2"),
    [AS_SLOT_EXPERT_DOWN] = EXPERT("down_proj", "w2") STACK("down_proj!"),
    [AS_SLOT_SHARED_GATE] = MOE("shared_experts.gate_proj"),
    [AS_SLOT_SHARED_UP] = MOE("shared_experts.up_proj"),
    [AS_SLOT_SHARED_DOWN] = MOE("shared_experts.down_proj"),
};

#define AT(part)   "layers.%d.attention." part "|layers.%d.self_attn." part
#define GATE(part) AT(part) "|layers.%d.self_attn.forget_gate." part
#define OUT        "layers.%d.attention.dense|layers.%d.self_attn.dense|" AT("o_proj")

static const char *const names_bailing[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|word_embeddings",
    [AS_SLOT_Q] = AT("q_proj"),
    [AS_SLOT_KV_DOWN] = AT("kv_a_proj_with_mqa"),
    [AS_SLOT_KV_DOWN_NORM] = AT("kv_a_layernorm"),
    [AS_SLOT_KV_UP] = AT("kv_b_proj"),
    [AS_SLOT_ATTENTION_GATE] = AT("g_proj"),
    [AS_SLOT_O] = OUT,
    [AS_SLOT_LINEAR_Q] = AT("q_proj"),
    [AS_SLOT_LINEAR_K] = AT("k_proj"),
    [AS_SLOT_LINEAR_V] = AT("v_proj"),
    [AS_SLOT_LINEAR_A] = GATE("f_proj"),
    [AS_SLOT_LINEAR_A_LOG] = GATE("A_log"),
    [AS_SLOT_LINEAR_DT_BIAS] = GATE("dt_bias"),
    [AS_SLOT_LINEAR_B] = AT("b_proj"),
    [AS_SLOT_LINEAR_GATE] = AT("g_proj"),
    [AS_SLOT_LINEAR_CONV] = AT("conv1d"),
    [AS_SLOT_LINEAR_CONV_Q] = AT("q_conv1d"),
    [AS_SLOT_LINEAR_CONV_K] = AT("k_conv1d"),
    [AS_SLOT_LINEAR_CONV_V] = AT("v_conv1d"),
    [AS_SLOT_LINEAR_NORM] = AT("o_norm"),
    [AS_SLOT_LINEAR_OUT] = OUT,
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.e_score_correction_bias|layers.%d.mlp.gate.expert_bias",
};

/* ---- what both share -------------------------------------------------------------------------------------
 */

static as_moe_spec read_experts(as_config *c, int64_t experts, int64_t width, const as_route_defaults *route)
{
    const char *top_k = as_config_key(c, "num_experts_per_token", "num_experts_per_tok");
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .other_count = "num_local_experts",
                                                           .top_k = top_k,
                                                           .width = "moe_intermediate_size",
                                                           .count_default = experts,
                                                           .top_k_default = 8,
                                                           .width_default = width});
    as_spec_route_by_sigmoid(c, &moe, route);
    const char *shared = as_config_key(c, "num_shared_experts", "n_shared_experts");
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, shared, 1));
    return moe;
}

as_delta_spec as_spec_kda(as_config *c, int64_t heads, int64_t width, int64_t taps, double eps)
{
    return (as_delta_spec){.layout = AS_DELTA_SEPARATE,
                           .key_heads = heads,
                           .value_heads = heads,
                           .key_width = width,
                           .value_width = width,
                           .taps = taps,
                           .conv_act = as_config_activation(c, "hidden_act", "silu"),
                           .beta_scale = 1,
                           .decay = AS_DECAY_SOFTPLUS,
                           .channel_decay = true,
                           .gate_act = AS_ACT_SIGMOID,
                           .eps = (float)eps};
}

/* Whether a layer has latent attention: by layer_types, or the family's rule. */
static bool is_attention(as_config *c, const as_model_spec *spec, int64_t layer, bool by_rule)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type) return by_rule;
    if (strcmp(type, "full_attention") != 0 && strcmp(type, "linear_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or linear_attention",
                       (long long)layer, type);
    }
    return strcmp(type, "full_attention") == 0;
}

static const as_size_keys size_keys = {.context = "model_max_length"};

/* ---- Kimi Linear -----------------------------------------------------------------------------------------
 */

/* In Moonshot AI's form linear_attn_config counts the layers of either kind from 1. */
static bool is_attention_kimi(as_config *c, as_config *linear, const as_model_spec *spec, int64_t layer)
{
    bool listed = as_config_has(linear, "full_attn_layers") && as_config_has(linear, "kda_layers");
    if (as_config_has(c, "layer_types") || !listed) {
        return is_attention(c, spec, layer, layer > 0 && layer % 4 == 0);
    }
    bool kda = as_config_lists(linear, "kda_layers", layer + 1);
    if (!kda && !as_config_lists(linear, "full_attn_layers", layer + 1)) {
        as_config_fail(c, AS_E_INPUT,
                       "\"linear_attn_config\" has layer %lld neither in \"full_attn_layers\" nor in "
                       "\"kda_layers\"",
                       (long long)layer + 1);
    }
    return !kda;
}

/* What the models' own code knows beside and transformers takes no notice of. */
static void refuse_others(as_config *c)
{
    const char *act = as_config_string(c, "moe_router_activation_func", "sigmoid");
    if (strcmp(act, "sigmoid") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"moe_router_activation_func\" is \"%s\", expected sigmoid",
                       act);
    }
    if (!as_config_bool(c, "mla_use_nope", true)) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"mla_use_nope\" is false: its attention is rotated, which is not "
                       "supported");
    }
}

static void describe_kimi(as_config *c, as_model_spec *spec)
{
    as_spec_sizes_named(c, spec, &size_keys, 1048576);
    refuse_others(c);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_mla_spec attention = as_spec_mla(
        c, spec, &(as_mla_defaults){.kv_rank = 512, .nope = 128, .rope = 64, .v_width = 128, .theta = 0});
    as_moe_spec moe = read_experts(c, 256, 1024, &(as_route_defaults){.normalise = true, .scale = 2.446});
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    as_config linear = as_config_nested(c, "linear_attn_config");
    int64_t width = as_config_size_or(c, "linear_head_dim", 128, 1 << 14),
            heads = as_config_size_or(c, "linear_num_heads", 32, AS_MOST_HEADS),
            taps = as_config_size_or(c, "linear_conv_kernel_dim", 4, 64);
    width = as_config_size_or(&linear, "head_dim", width, 1 << 14);
    heads = as_config_size_or(&linear, "num_heads", heads, AS_MOST_HEADS);
    taps = as_config_size_or(&linear, "short_conv_kernel_size", taps, 64);
    as_delta_spec kda = as_spec_kda(c, heads, width, taps, eps);
    kda.decay_rank = kda.gate_rank = width;
    int64_t dense = as_config_int(c, "first_k_dense_replace", 1);
    for (int64_t i = 0; c->rc == AS_OK && linear.rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention_kimi(c, &linear, spec, i)) {
            as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_delta, &kda, norm);
        }
        as_spec_add_either(c, spec, i, as_spec_is_sparse(c, spec, i, dense) ? &moe : NULL, &mlp, norm);
    }
    as_config_return(c, &linear);
    spec->names = names_kimi;
    as_spec_finish(c, spec, norm, false);
}

/* ---- Ling 3.0 --------------------------------------------------------------------------------------------
 */

/* transformers writes its own sizes of the delta rule beside a head_dim that is another's then. */
static as_delta_spec read_bailing_kda(as_config *c, const as_model_spec *spec, double eps)
{
    int64_t width = as_config_size_or(c, "head_dim", 128, 1 << 14),
            taps = as_config_size_or(c, "short_conv_kernel_size", 4, 64);
    as_delta_spec kda = as_spec_kda(c, as_config_size_or(c, "linear_num_heads", spec->heads, AS_MOST_HEADS),
                                    as_config_size_or(c, "linear_head_dim", width, 1 << 14),
                                    as_config_size_or(c, "linear_conv_kernel_dim", taps, 64), eps);
    if (as_config_bool(c, "kda_safe_gate", true)) {
        kda.decay = AS_DECAY_SIGMOID;
        kda.most = (float)-as_config_number_in(c, "kda_lower_bound", -5, -1e6, -1e-6);
    }
    return kda;
}

static void describe_bailing(as_config *c, as_model_spec *spec)
{
    const int64_t context = 262144;
    as_spec_sizes_named(c, spec, &size_keys, context);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_mla_spec attention = as_spec_mla(c, spec,
                                        &(as_mla_defaults){.kv_rank = 512,
                                                           .nope = 128,
                                                           .rope = 64,
                                                           .v_width = 128,
                                                           .theta = 6e6,
                                                           .kind = AS_ROPE_INTERLEAVED,
                                                           .unnamed_context = context});
    attention.out_gate = AS_ATTENTION_GATE_HEADS;
    attention.q_rank = 0; /* whatever "q_lora_rank" says */
    as_moe_spec moe = read_experts(
        c, 512, 768, &(as_route_defaults){.normalise = true, .scale = 2.5, .groups = 8, .group_top = 4});
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    as_delta_spec kda = read_bailing_kda(c, spec, eps);
    int64_t dense = as_config_int(c, "first_k_dense_replace", 2),
            group = as_config_size_or(c, "layer_group_size", 6, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_attention(c, spec, i, (i + 1) % group == 0)) {
            as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm);
        } else {
            as_spec_add_mixer(c, spec, i, &as_block_delta, &kda, norm);
        }
        as_spec_add_either(c, spec, i, as_spec_is_sparse(c, spec, i, dense) ? &moe : NULL, &mlp, norm);
    }
    spec->names = names_bailing;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_kimi_linear = {.architectures = {"KimiLinearForCausalLM"},
                                         .describe = describe_kimi};
const as_family as_family_bailing_hybrid = {.architectures = {"BailingHybridForCausalLM"},
                                            .describe = describe_bailing};
