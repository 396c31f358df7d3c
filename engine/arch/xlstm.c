/* xLSTM (Beck et al. 2025, xLSTM 7B; transformers models/xlstm): a matrix memory and a gated feed-forward
 * part in each block, soft caps on gates and logits, no positions and no end of the context. Norms may have a
 * bias; what modes, kernels and chunk sizes the config names gives the same numbers. */
#include <string.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/mlstm.h"

#define LAYER(part) "blocks.%d.mlstm_layer." part
#define FFN(part)   "blocks.%d.ffn." part

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings",
    [AS_SLOT_FINAL_NORM] = "out_norm",
    [AS_SLOT_NORM_1] = "blocks.%d.norm_mlstm",
    [AS_SLOT_NORM_2] = "blocks.%d.norm_ffn",
    [AS_SLOT_LINEAR_Q] = LAYER("q"),
    [AS_SLOT_LINEAR_K] = LAYER("k"),
    [AS_SLOT_LINEAR_V] = LAYER("v"),
    [AS_SLOT_LINEAR_GATE] = LAYER("ogate_preact"),
    [AS_SLOT_LINEAR_B] = LAYER("igate_preact"),
    [AS_SLOT_LINEAR_A] = LAYER("fgate_preact"),
    [AS_SLOT_LINEAR_QKVZ] = LAYER("qkv_opreact"),
    [AS_SLOT_LINEAR_BA] = LAYER("ifgate_preact"),
    [AS_SLOT_LINEAR_NORM] = LAYER("multihead_norm"),
    [AS_SLOT_LINEAR_OUT] = LAYER("out_proj"),
    [AS_SLOT_GATE] = FFN("proj_up_gate") "|" FFN("proj_up_gate_z#0/2"),
    [AS_SLOT_UP] = FFN("proj_up") "|" FFN("proj_up_gate_z#1/2"),
    [AS_SLOT_DOWN] = FFN("proj_down"),
};

static const char *const prefixes[] = {"backbone.", "", NULL};
static const char *const ignored[] = {NULL};

/* A word of two. */
static bool is_word(as_config *c, const char *key, const char *usual, const char *other)
{
    const char *word = as_config_string(c, key, usual);
    bool is_other = other && strcmp(word, other) == 0;
    if (!is_other && strcmp(word, usual) != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"%s\" is \"%s\", expected %s%s%s", key, word, usual,
                       other ? " or " : "", other ? other : "");
    }
    return is_other;
}

/* The width that all heads have together, of the hidden size's share. */
static int64_t head_width(as_config *c, const as_model_spec *spec, const char *key, double share)
{
    double factor = as_config_number_in(c, key, share, 1e-6, 1024);
    int64_t all = (int64_t)((double)spec->hidden * factor);
    if (all < spec->heads || all % spec->heads) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" gives a width of %lld, not a multiple of \"num_heads\" %lld",
                       key, (long long)all, (long long)spec->heads);
        return 1;
    }
    return all / spec->heads;
}

static int64_t ffn_width(as_config *c, const as_model_spec *spec)
{
    double width = (double)spec->hidden * as_config_number_in(c, "ffn_proj_factor", 2.667, 1e-6, 1024);
    int64_t multiple = as_config_size_or(c, "ffn_round_up_to_multiple_of", 64, AS_MOST_WIDTH);
    int64_t rounded = (int64_t)((width + (double)(multiple - 1)) / (double)multiple) * multiple;
    if (rounded > 0) return rounded;
    as_config_fail(c, AS_E_INPUT, "\"ffn_proj_factor\" gives no width");
    return 1;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_sizes_named(c, spec, &(as_size_keys){.hidden = "embedding_dim", .layers = "num_blocks"}, 1);
    spec->context = 0;
    spec->heads = spec->kv_heads = as_config_size_or(c, "num_heads", 8, AS_MOST_HEADS);
    is_word(c, "inference_state_dtype", "float32", NULL);
    double eps = as_config_eps(c, "norm_eps", 1e-6);
    bool bias = as_config_bool(c, "use_bias", false);
    as_norm_spec final_norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0), norm = final_norm;
    norm.has_bias = bias;
    as_mlstm_spec memory = {.heads = spec->heads,
                            .key_width = head_width(c, spec, "qk_dim_factor", 0.5),
                            .value_width = head_width(c, spec, "v_dim_factor", 1),
                            .fused = is_word(c, "weight_mode", "single", "fused"),
                            .bias = bias,
                            .gate_cap = (float)as_config_number_in(c, "gate_soft_cap", 15, 1e-6, 1e6),
                            .eps = (float)as_config_eps(c, "eps", 1e-6),
                            .norm = as_spec_layer_norm(AS_SLOT_LINEAR_NORM, eps)};
    memory.norm.has_bias = bias;
    spec->head_dim = memory.value_width;
    spec->intermediate = ffn_width(c, spec);
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_SILU, bias);
    mlp.gated = true;
    mlp.gate = AS_SLOT_GATE;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_mlstm, &memory, norm);
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    spec->logit_cap = (float)as_config_number_in(c, "output_logit_soft_cap", 30, 1e-6, 1e6);
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, final_norm, false);
}

const as_family as_family_xlstm = {.architectures = {"xLSTMForCausalLM"}, .describe = describe};
