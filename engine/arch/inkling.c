/* Inkling: Thinking Machines 2026; transformers models/inkling. No rotation: each head mixes learned biases
 * of the distance; queries and keys are normalised, so that scores are divided by the head's width. A short
 * convolution over tokens is added to keys, values and the output of every block. Layers slide, with heads of
 * their own, but for every sixth; queries of those grow with the logarithm of the position. The shared
 * experts are scored with the routed ones and weighed with the chosen. */
#include <string.h>

#include "engine/arch/inkling.h"

/* As transformers names them, and as published. */
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|embed",
    [AS_SLOT_EMBED_NORM] = "embed_tokens.embed_norm|embed_norm",
    [AS_SLOT_HEAD] = "^lm_head|unembed",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.attn_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.mlp_norm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj|layers.%d.attn.wq_du",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj|layers.%d.attn.wk_dv",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj|layers.%d.attn.wv_dv",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj|layers.%d.attn.wo_ud",
    [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_norm|layers.%d.attn.q_norm",
    [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_norm|layers.%d.attn.k_norm",
    [AS_SLOT_K_CONV] = "layers.%d.self_attn.k_sconv.conv1d|layers.%d.attn.k_sconv",
    [AS_SLOT_V_CONV] = "layers.%d.self_attn.v_sconv.conv1d|layers.%d.attn.v_sconv",
    [AS_SLOT_SCORE_BIAS] = "layers.%d.self_attn.r_proj|layers.%d.attn.wr_du",
    [AS_SLOT_SCORE_BIAS_PROFILES] =
        "~layers.%d.self_attn.rel_logits_proj.proj!|~layers.%d.attn.rel_logits_proj.proj!",
    [AS_SLOT_OUTPUT_CONV] = "layers.%d.%s_sconv.conv1d|layers.%d.%s_sconv",
    [AS_SLOT_GATE] = "layers.%d.mlp.gate_proj|layers.%d.mlp.w13_dn#0%2",
    [AS_SLOT_UP] = "layers.%d.mlp.up_proj|layers.%d.mlp.w13_dn#1%2",
    [AS_SLOT_DOWN] = "layers.%d.mlp.down_proj|layers.%d.mlp.w2_md",
    [AS_SLOT_DOWN_SCALE] = "layers.%d.mlp.global_scale!",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.e_score_correction_bias|layers.%d.mlp.gate.bias",
    [AS_SLOT_ROUTER_SCALE] = "layers.%d.mlp.gate.global_scale!",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.gate_up_proj!#0/2|layers.%d.mlp.experts.w13_weight!#0%2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.gate_up_proj!#1/2|layers.%d.mlp.experts.w13_weight!#1%2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.down_proj!|layers.%d.mlp.experts.w2_weight!",
    [AS_SLOT_SHARED_GATE] =
        "layers.%d.mlp.shared_experts.gate_proj!|layers.%d.mlp.shared_experts.shared_w13_weight!#0%2",
    [AS_SLOT_SHARED_UP] =
        "layers.%d.mlp.shared_experts.up_proj!|layers.%d.mlp.shared_experts.shared_w13_weight!#1%2",
    [AS_SLOT_SHARED_DOWN] =
        "layers.%d.mlp.shared_experts.down_proj!|layers.%d.mlp.shared_experts.shared_w2_weight!",
};
static const char *const prefixes[] = {"model.", "", "model.language_model.", "model.llm.", NULL};
static const char *const ignored[] = {"*mtp.*", NULL};

static const as_size_keys sizes = {.context = "model_max_length"};

int64_t as_inkling_size(as_config *c, const char *own, const char *other, int64_t otherwise, int64_t most)
{
    return as_config_size_or(c, as_config_key(c, own, other), otherwise, most);
}

bool as_inkling_slides(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type && as_config_has(c, "local_layer_ids")) return as_config_lists(c, "local_layer_ids", layer);
    if (!type) return (layer + 1) % 6 != 0;
    if (strcmp(type, "hybrid_sliding") == 0) return true;
    if (strcmp(type, "hybrid") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected hybrid or hybrid_sliding", (long long)layer,
                       type);
    }
    return false;
}

static void check_heads(as_config *c, const as_attention_spec *a, const char *heads, const char *kv_heads)
{
    if (a->heads % a->kv_heads == 0) return;
    as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, which does not divide \"%s\" %lld", kv_heads,
                   (long long)a->kv_heads, heads, (long long)a->heads);
}

as_attention_spec as_inkling_attention(as_config *c, const as_model_spec *spec, const as_inkling_defaults *d,
                                       bool sliding)
{
    int64_t width = sliding ? as_config_size_or(c, "swa_head_dim", 128, AS_MOST_HEAD_WIDTH) : spec->head_dim;
    as_attention_spec a = {
        .heads =
            sliding ? as_config_size_or(c, "swa_num_attention_heads", d->heads, AS_MOST_HEADS) : spec->heads,
        .kv_heads = sliding ? as_config_size_or(c, "swa_num_key_value_heads", d->kv_heads, AS_MOST_HEADS)
                            : spec->kv_heads,
        .k_width = width,
        .v_width = width,
        .rope = -1,
        .kv_taps = as_inkling_size(c, "conv_kernel_size", "sconv_kernel_size", 4, AS_MOST_TAPS)};
    a.score_bias = (as_score_bias_spec){.kind = AS_SCORE_BIAS_DISTANCE,
                                        .profiles = as_config_size_or(c, "d_rel", 16, AS_MOST_WIDTH),
                                        .distances = as_config_size_or(c, "rel_extent", 1024, AS_MOST_WIDTH)};
    if (sliding) {
        a.window = a.score_bias.distances =
            as_inkling_size(c, "sliding_window_size", "sliding_window", d->window, AS_MOST_WIDTH);
    } else if (d->floor || as_config_has(c, "log_scaling_n_floor")) {
        a.growth = (as_query_growth){
            .beta = as_config_number(c, "log_scaling_alpha", 0.1),
            .length = (double)as_config_size_or(c, "log_scaling_n_floor", d->floor ? d->floor : 1, INT32_MAX),
            .beyond = true};
    }
    check_heads(c, &a, sliding ? "swa_num_attention_heads" : "num_attention_heads",
                sliding ? "swa_num_key_value_heads" : "num_key_value_heads");
    return a;
}

static as_attention_spec attention_of(as_config *c, const as_model_spec *spec, bool sliding)
{
    static const as_inkling_defaults defaults = {.heads = 64, .kv_heads = 16, .window = 512};
    as_attention_spec a = as_inkling_attention(c, spec, &defaults, sliding);
    a.scale = 1 / (float)a.k_width;
    as_spec_norm_heads(&a, as_config_eps(c, "rms_norm_eps", 1e-6));
    return a;
}

static as_moe_spec experts_of(as_config *c, int64_t width)
{
    as_moe_spec moe = {.experts =
                           as_inkling_size(c, "n_routed_experts", "num_local_experts", 256, AS_MOST_EXPERTS),
                       .joined = as_config_size_or(c, "n_shared_experts", 2, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 6, AS_MOST_RANKS),
                       .width = width,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SIGMOID,
                       .correction = true,
                       .normalise = true,
                       .router_scale = true,
                       .scale = (float)as_config_number(c, "route_scale", 8)};
    if (moe.top_k > moe.experts || moe.top_k + moe.joined > AS_MOST_RANKS) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld, expected at most %lld",
                       (long long)moe.top_k, (long long)moe.experts);
    }
    moe.top_k += moe.joined;
    return moe;
}

static void convolve_output(as_step *step, const char *stem, int64_t taps)
{
    if (!step) return;
    step->stem = stem;
    step->out_taps = taps;
}

void as_inkling_cut_vocabulary(as_config *c, as_model_spec *spec, int64_t otherwise)
{
    int64_t kept = as_config_size_or(c, "unpadded_vocab_size", otherwise, INT32_MAX);
    if (kept >= spec->vocab) return;
    spec->embed_rows = spec->head_rows = spec->vocab;
    spec->vocab = kept;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_sizes_named(c, spec, &sizes, 131072);
    spec->heads = as_config_size_or(c, "num_attention_heads", 64, AS_MOST_HEADS);
    spec->kv_heads = as_config_size_or(c, "num_key_value_heads", 8, AS_MOST_HEADS);
    spec->head_dim = as_config_size_or(c, "head_dim", 128, AS_MOST_HEAD_WIDTH);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool older = as_config_has(c, "dense_intermediate_size");
    const char *dense = older ? "dense_intermediate_size" : "intermediate_size";
    int64_t width = older ? as_config_size_or(c, "intermediate_size", 24576, AS_MOST_WIDTH)
                          : as_config_size_or(c, "moe_intermediate_size", 3072, AS_MOST_WIDTH);
    spec->intermediate = as_config_size_or(c, dense, 24576, AS_MOST_WIDTH);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "hidden_act", "silu"), false);
    mlp.gated = mlp.scaled = true;
    mlp.gate = AS_SLOT_GATE;
    as_attention_spec full = attention_of(c, spec, false), sliding = attention_of(c, spec, true);
    as_moe_spec moe = experts_of(c, width);
    int64_t first_sparse = as_config_int(c, "dense_mlp_idx", 0);
    spec->embed_norm = as_spec_rms(AS_SLOT_EMBED_NORM, eps, 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        const as_attention_spec *attention = as_inkling_slides(c, spec, i) ? &sliding : &full;
        bool sparse = as_spec_is_sparse(c, spec, i, first_sparse);
        convolve_output(as_spec_add_mixer(c, spec, i, &as_block_attention, attention, norm), "attn",
                        full.kv_taps);
        convolve_output(as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm), "mlp",
                        full.kv_taps);
    }
    double divisor =
        as_config_number(c, as_config_key(c, "logits_mup_width_multiplier", "embedding_multiplier"), 24);
    spec->logit_scale = (float)(1 / divisor);
    as_inkling_cut_vocabulary(c, spec, spec->vocab);
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
    spec->tied_head = false; /* never, whatever the configuration says */
}

const as_family as_family_inkling = {.architectures = {"InklingForCausalLM"}, .describe = describe};
