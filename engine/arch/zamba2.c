/* Zamba2: Glorioso et al. 2024; transformers models/zamba2. Mamba-2 in every layer; the layers called hybrid
 * first give their Mamba-2 what a shared transformer layer makes of the stream and the embedding, by turns
 * one of num_mem_blocks, with adapters of each use's own. What is shared stands under the first layer that
 * uses it; transformers 5.23 shares nothing where tie_word_embeddings is false, and then each layer has its
 * own. The step sizes' limit is as in nemotron_h.c. */
#include <math.h>
#include <string.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/shared_layer.h"

enum { MOST_SHARED = 64 };

/* Mamba-2 has another path in hybrid layers. */
#define EITHER(part)    "layers.%d.mamba." part "|layers.%d.mamba_decoder.mamba." part
#define SHARED          "layers.%d.shared_transformer."
#define ADAPTER(of, at) SHARED "self_attn.linear_" of "_adapter_list.%p." at
#define MLP_ADAPTER(at) SHARED "feed_forward.gate_up_proj_adapter_list.%p." at

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.mamba_decoder.input_layernorm",
    [AS_SLOT_SSM_IN] = EITHER("in_proj"),
    [AS_SLOT_SSM_CONV] = EITHER("conv1d"),
    [AS_SLOT_SSM_A_LOG] = EITHER("A_log"),
    [AS_SLOT_SSM_D] = EITHER("D"),
    [AS_SLOT_SSM_OUT] = EITHER("out_proj"),
    [AS_SLOT_SSM_DT_BIAS] = EITHER("dt_bias"),
    [AS_SLOT_SSM_NORM] = EITHER("norm"),
    [AS_SLOT_SHARED_LINEAR] = "layers.%d.linear",
    [AS_SLOT_SHARED_IN_NORM] = SHARED "input_layernorm",
    [AS_SLOT_SHARED_FFN_NORM] = SHARED "pre_ff_layernorm",
    [AS_SLOT_Q] = SHARED "self_attn.q_proj",
    [AS_SLOT_K] = SHARED "self_attn.k_proj",
    [AS_SLOT_V] = SHARED "self_attn.v_proj",
    [AS_SLOT_O] = SHARED "self_attn.o_proj",
    [AS_SLOT_GATE] = SHARED "feed_forward.gate_up_proj#0/2",
    [AS_SLOT_UP] = SHARED "feed_forward.gate_up_proj#1/2",
    [AS_SLOT_DOWN] = SHARED "feed_forward.down_proj",
    [AS_SLOT_Q_ADAPTER_IN] = ADAPTER("q", "0"),
    [AS_SLOT_Q_ADAPTER_OUT] = ADAPTER("q", "1"),
    [AS_SLOT_K_ADAPTER_IN] = ADAPTER("k", "0"),
    [AS_SLOT_K_ADAPTER_OUT] = ADAPTER("k", "1"),
    [AS_SLOT_V_ADAPTER_IN] = ADAPTER("v", "0"),
    [AS_SLOT_V_ADAPTER_OUT] = ADAPTER("v", "1"),
    [AS_SLOT_GATE_ADAPTER_IN] = MLP_ADAPTER("0"),
    [AS_SLOT_GATE_ADAPTER_OUT] = MLP_ADAPTER("1#0/2"),
    [AS_SLOT_UP_ADAPTER_OUT] = MLP_ADAPTER("1#1/2"),
};

/* Adapters of other uses, which checkpoints of untied models repeat under each layer. */
static const char *const ignored[] = {"*.shared_transformer.*_adapter_list.*", NULL};

static as_mamba2_spec read_mamba(as_config *c, const as_model_spec *spec)
{
    int64_t inner = as_spec_expanded(c, spec, "mamba_expand");
    as_mamba2_spec m = {.heads = as_config_size_or(c, "n_mamba_heads", 8, AS_MOST_HEADS),
                        .states = as_config_size_or(c, "mamba_d_state", 64, 1 << 16),
                        .groups = as_config_size_or(c, "mamba_ngroups", 1, AS_MOST_HEADS),
                        .taps = as_config_size_or(c, "mamba_d_conv", 4, 64),
                        .act = AS_ACT_SILU,
                        .in_bias = as_config_bool(c, "add_bias_linear", false),
                        .conv_bias = true, /* whatever "use_conv_bias" says */
                        .dt_least = (float)as_config_number_in(c, "time_step_min", 0.001, 0, 1e9),
                        .dt_most = INFINITY,
                        .norm = as_spec_rms(AS_SLOT_SSM_NORM, 1e-5, 0)};
    m.out_bias = m.in_bias;
    m.head_dim = inner / m.heads > 0 ? inner / m.heads : 1;
    as_spec_check_mamba2(c, &m, inner, "n_mamba_heads", "mamba_ngroups");
    return m;
}

static as_shared_layer_spec read_shared(as_config *c, as_model_spec *spec, double eps)
{
    as_spec_heads(c, spec, 0, 2 * spec->hidden / spec->heads > 0 ? 2 * spec->hidden / spec->heads : 1);
    as_shared_layer_spec s = {.heads = spec->heads,
                              .kv_heads = spec->kv_heads,
                              .head_dim = spec->head_dim,
                              .rope = -1,
                              .scale = (float)(1 / sqrt((double)spec->head_dim / 2)),
                              .eps = eps,
                              .rank = as_config_size_or(c, "adapter_rank", 128, AS_MOST_WIDTH),
                              .adapt_qkv = as_config_bool(c, "use_shared_attention_adapter", false),
                              .adapt_mlp = true,
                              .width = spec->intermediate,
                              .act = as_config_activation(c, "hidden_act", "gelu"),
                              .mlp_bias = as_config_bool(c, "add_bias_linear", false)};
    if (as_config_bool(c, "use_mem_rope", false)) {
        s.rope = as_config_rope(c, &(as_rope_defaults){.head_dim = s.head_dim, .theta = 10000}, spec);
    }
    return s;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    if (as_config_bool(c, "use_long_context", false)) spec->context = 16384;
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    spec->heads = as_config_size(c, "num_attention_heads", AS_MOST_HEADS);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 4 * spec->hidden, AS_MOST_WIDTH);
    as_shared_layer_spec shared = read_shared(c, spec, eps);
    as_mamba2_spec mamba = read_mamba(c, spec);
    int64_t blocks = as_config_size_or(c, "num_mem_blocks", 1, MOST_SHARED), sources[MOST_SHARED], uses = 0;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool hybrid = as_spec_is_hybrid(c, spec, i, i % 6 == 0 && i > 0 && i != 48); /* of 54 layers */
        if (hybrid) {
            if (uses < blocks) sources[uses] = i;
            shared.layer = i;
            shared.source = sources[uses % blocks];
            shared.use = uses++;
            as_spec_add_step(c, spec, i, &as_block_shared_layer, "attention", &shared);
        }
        as_step *step = as_spec_add_mixer(c, spec, i, &as_block_mamba2, &mamba, norm);
        step->residual_entry = hybrid; /* the shared layer's part is Mamba's input only */
    }
    spec->keep_embedding = true;
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_zamba2 = {.architectures = {"Zamba2ForCausalLM"}, .describe = describe};
