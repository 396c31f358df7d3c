/* Zamba: Glorioso et al. 2024; transformers models/zamba. Mamba in every layer, its channels in heads with a
 * dt, b and c of their own; the layers called hybrid first give their Mamba what a transformer layer shared
 * by all of them makes of the stream and the embedding. What is shared stands under the first layer that uses
 * it; transformers 5.23 shares nothing where tie_word_embeddings is false, and then each layer has its own.
 */
#include <math.h>

#include "engine/arch/hybrid.h"
#include "engine/blocks/shared_layer.h"

/* Mamba has another path in hybrid layers. */
#define EITHER(part, way) "layers.%d.mamba." part way "|layers.%d.mamba_decoder.mamba." part way
#define SHARED            "layers.%d.shared_transf."

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_FINAL_NORM] = "final_layernorm",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.mamba_decoder.input_layernorm",
    [AS_SLOT_SSM_IN] = EITHER("in_proj", "#0%2"),
    [AS_SLOT_SSM_GATE] = EITHER("in_proj", "#1%2"),
    [AS_SLOT_SSM_CONV] = EITHER("conv1d", ""),
    [AS_SLOT_SSM_X] = EITHER("x_proj_weight", "!"),
    [AS_SLOT_SSM_DT] = EITHER("dt_proj_weight", "!"),
    [AS_SLOT_SSM_DT_BIAS] = EITHER("dt_proj_bias", ""),
    [AS_SLOT_SSM_A_LOG] = EITHER("A_log", ""),
    [AS_SLOT_SSM_D] = EITHER("D", ""),
    [AS_SLOT_SSM_OUT] = EITHER("out_proj", ""),
    [AS_SLOT_SHARED_LINEAR] = "layers.%d.linear",
    [AS_SLOT_SHARED_IN_NORM] = SHARED "input_layernorm",
    [AS_SLOT_SHARED_FFN_NORM] = SHARED "pre_ff_layernorm",
    [AS_SLOT_Q] = SHARED "self_attn.q_proj",
    [AS_SLOT_K] = SHARED "self_attn.k_proj",
    [AS_SLOT_V] = SHARED "self_attn.v_proj",
    [AS_SLOT_O] = SHARED "self_attn.o_proj",
    [AS_SLOT_GATE] = SHARED "feed_forward.gate_proj",
    [AS_SLOT_UP] = SHARED "feed_forward.up_proj",
    [AS_SLOT_DOWN] = SHARED "feed_forward.down_proj",
};

static as_mamba_spec read_mamba(as_config *c, const as_model_spec *spec)
{
    as_mamba_spec m = {.width = as_spec_expanded(c, spec, "mamba_expand"),
                       .states = as_config_size_or(c, "mamba_d_state", 16, 4096),
                       .taps = as_config_size_or(c, "mamba_d_conv", 4, 64),
                       .dt_rank =
                           as_spec_auto_size(c, "mamba_dt_rank", (spec->hidden + 15) / 16, AS_MOST_WIDTH),
                       .heads = as_config_size_or(c, "n_mamba_heads", 2, AS_MOST_HEADS),
                       .split_in = true,
                       .act = as_config_activation(c, "hidden_mamba_act", "silu"),
                       .conv_bias = as_config_bool(c, "mamba_conv_bias", true),
                       .bias = as_config_bool(c, "mamba_proj_bias", false)};
    if (m.width % m.heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"n_mamba_heads\" is %lld, which does not divide Mamba's inner width %lld",
                       (long long)m.heads, (long long)m.width);
    }
    return m;
}

/* A size that is none where it is 0 too. */
static int64_t size_or_none(as_config *c, const char *key, int64_t otherwise)
{
    return as_config_int(c, key, 0) ? as_config_size(c, key, AS_MOST_WIDTH) : otherwise;
}

static as_shared_layer_spec read_shared(as_config *c, as_model_spec *spec, double eps)
{
    spec->heads = as_config_size_or(c, "num_attention_heads", 16, AS_MOST_HEADS);
    spec->kv_heads = as_config_size_or(c, "num_key_value_heads", 16, AS_MOST_HEADS);
    if (spec->heads % spec->kv_heads) {
        as_config_fail(c, AS_E_INPUT, "\"num_key_value_heads\" is %lld, which does not divide the %lld heads",
                       (long long)spec->kv_heads, (long long)spec->heads);
    }
    int64_t plain = 2 * spec->hidden / spec->heads,
            wide = size_or_none(c, "attention_hidden_size", 2 * spec->hidden);
    spec->head_dim =
        size_or_none(c, as_config_key(c, "head_dim", "attention_head_dim"), plain > 0 ? plain : 1);
    if (wide != 2 * spec->hidden) {
        as_config_fail(c, AS_E_INPUT,
                       "\"attention_hidden_size\" is %lld, expected twice \"hidden_size\" %lld",
                       (long long)wide, (long long)spec->hidden);
    }
    return (as_shared_layer_spec){.heads = spec->heads,
                                  .kv_heads = spec->kv_heads,
                                  .head_dim = spec->head_dim,
                                  .rope = -1,
                                  .scale = (float)(1 / sqrt((double)spec->head_dim / 2)),
                                  .eps = eps,
                                  .width = spec->intermediate,
                                  .act = as_config_activation(c, "hidden_act", "gelu")};
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    spec->intermediate = as_config_size_or(c, "intermediate_size", 14848, AS_MOST_WIDTH);
    as_shared_layer_spec shared = read_shared(c, spec, eps);
    as_mamba_spec mamba = read_mamba(c, spec);
    int64_t period = as_config_size_or(c, "attn_layer_period", 6, AS_MOST_LAYERS),
            offset = as_config_int(c, "attn_layer_offset", 4);
    shared.source = -1;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool hybrid = as_spec_is_hybrid(c, spec, i, i == 2 || (i > 2 && (i - 3) % period == offset));
        if (hybrid) {
            if (shared.source < 0) shared.source = i;
            shared.layer = i;
            shared.use++;
            as_spec_add_step(c, spec, i, &as_block_shared_layer, "attention", &shared);
        }
        as_step *step = as_spec_add_mixer(c, spec, i, &as_block_mamba, &mamba, norm);
        step->residual_entry = hybrid; /* the shared layer's part is Mamba's input only */
    }
    spec->keep_embedding = true;
    spec->names = names;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_zamba = {.architectures = {"ZambaForCausalLM"}, .describe = describe};
