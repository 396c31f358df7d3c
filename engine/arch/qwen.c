/* Qwen2 (also 1.5 and 2.5) and Qwen3, dense: Yang et al. 2024 and 2025; transformers models/qwen2,
 * models/qwen3. Llama with biases on q, k and v (2), or norms on each query and key head (3), and a window in
 * the later layers where the config switches it on. The text parts of Qwen2-VL, 2.5-VL and 3-VL
 * (models/qwen2_vl, qwen2_5_vl, qwen3_vl) are the same: the three positions of a token of text are equal, so
 * that their rotation by sections is the plain one. */
#include "engine/arch/arch.h"

static void describe(as_config *c, as_model_spec *spec, const as_attention_spec *attention, double eps,
                     int64_t first_sliding)
{
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    int64_t window = 0, first = as_config_int(c, "max_window_layers", first_sliding);
    if (as_config_bool(c, "use_sliding_window", false)) window = as_spec_window(c, 4096);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_attention_spec here = *attention;
        here.window = as_spec_layer_window(c, spec, i, i >= first, window);
        as_spec_pre_norm_layer(c, spec, i, &here, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

/* What the classes differ in. */
typedef struct defaults {
    int64_t kv_heads, first_sliding;
    double theta, eps;
} defaults;

static void describe_biased(as_config *c, as_model_spec *spec, const defaults *d)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, d->kv_heads, 0);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = d->theta}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, true, false);
    describe(c, spec, &attention, as_config_eps(c, "rms_norm_eps", d->eps), d->first_sliding);
}

static void describe_normed(as_config *c, as_model_spec *spec, const defaults *d)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, d->kv_heads, 128);
    double eps = as_config_eps(c, "rms_norm_eps", d->eps);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = d->theta}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 0);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0);
    describe(c, spec, &attention, eps, d->first_sliding);
}

static void describe_qwen2(as_config *c, as_model_spec *spec)
{
    describe_biased(c, spec, &(defaults){.kv_heads = 32, .first_sliding = 28, .theta = 10000, .eps = 1e-6});
}

static void describe_qwen3(as_config *c, as_model_spec *spec)
{
    describe_normed(c, spec, &(defaults){.kv_heads = 32, .first_sliding = 28, .theta = 10000, .eps = 1e-6});
}

static void describe_qwen2_vl(as_config *c, as_model_spec *spec)
{
    describe_biased(c, spec, &(defaults){.kv_heads = 8, .first_sliding = 80, .theta = 1e6, .eps = 1e-5});
}

static void describe_qwen3_vl(as_config *c, as_model_spec *spec)
{
    describe_normed(c, spec, &(defaults){.kv_heads = 32, .first_sliding = 28, .theta = 500000, .eps = 1e-6});
}

/* Cosmos 3 Omni (NVIDIA 2026), which reasons with Qwen3-VL's, under names of Diffusers; what generates
 * images beside it, in every layer too, is left out. */
static void describe_cosmos3_omni(as_config *c, as_model_spec *spec)
{
    static const char *const names[AS_SLOT_COUNT] = {
        [AS_SLOT_Q] = "layers.%d.self_attn.q_proj|layers.%d.self_attn.to_q",
        [AS_SLOT_K] = "layers.%d.self_attn.k_proj|layers.%d.self_attn.to_k",
        [AS_SLOT_V] = "layers.%d.self_attn.v_proj|layers.%d.self_attn.to_v",
        [AS_SLOT_O] = "layers.%d.self_attn.o_proj|layers.%d.self_attn.to_out",
        [AS_SLOT_Q_NORM] = "layers.%d.self_attn.q_norm|layers.%d.self_attn.norm_q",
        [AS_SLOT_K_NORM] = "layers.%d.self_attn.k_norm|layers.%d.self_attn.norm_k",
    };
    describe_qwen3_vl(c, spec);
    spec->names = names;
}

/* MiMo (Xiaomi 2025): Qwen2 with layers behind that guess further tokens. */
static void describe_mimo(as_config *c, as_model_spec *spec)
{
    static const char *const ignored[] = {"*rotary_emb.inv_freq", "*mtp_layers.*", NULL};
    describe_qwen2(c, spec);
    spec->ignored = ignored;
}

const as_family as_family_qwen2 = {.architectures = {"Qwen2ForCausalLM"}, .describe = describe_qwen2};
const as_family as_family_qwen3 = {.architectures = {"Qwen3ForCausalLM"}, .describe = describe_qwen3};
const as_family as_family_qwen2_vl = {.describe = describe_qwen2_vl};
const as_family as_family_qwen3_vl = {.describe = describe_qwen3_vl};
const as_family as_family_cosmos3_omni = {.describe = describe_cosmos3_omni};
const as_family as_family_mimo = {.architectures = {"MiMoForCausalLM"}, .describe = describe_mimo};
