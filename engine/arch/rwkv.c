/* RWKV 4, 5 and 6: Peng et al. 2023 and 2024; transformers models/rwkv, and the published modeling_rwkv5 and
 * modeling_rwkv6 (RWKV/rwkv-5-world-*, RWKV/v6-Finch-*-HF). Also under the names of the reference
 * implementation (blocks.0.att.key). No positions; the context has no end.
 *
 * The group norm's epsilon is that of training, 1e-5 times head_size_divisor squared; the first public code
 * of version 5 had 1e-5. transformers halves the stream of version 4 after every rescale_every layers, so
 * that float16 does not overflow, and divides the matrices that write to it; the norms, whose epsilon is not
 * divided, see that. */
#include <math.h>

#include "engine/arch/arch.h"
#include "engine/blocks/rwkv4.h"
#include "engine/blocks/rwkv6.h"
#include "engine/blocks/rwkv_ffn.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings|emb",
    [AS_SLOT_EMBED_NORM] = "blocks.0.pre_ln|blocks.0.ln0",
    [AS_SLOT_FINAL_NORM] = "ln_out",
    [AS_SLOT_HEAD] = "^head",
    [AS_SLOT_NORM_1] = "blocks.%d.ln1",
    [AS_SLOT_NORM_2] = "blocks.%d.ln2",
    [AS_SLOT_LINEAR_Q] = "blocks.%d.attention.receptance|blocks.%d.att.receptance",
    [AS_SLOT_LINEAR_K] = "blocks.%d.attention.key|blocks.%d.att.key",
    [AS_SLOT_LINEAR_V] = "blocks.%d.attention.value|blocks.%d.att.value",
    [AS_SLOT_LINEAR_GATE] = "blocks.%d.attention.gate|blocks.%d.att.gate",
    [AS_SLOT_LINEAR_OUT] = "blocks.%d.attention.output|blocks.%d.att.output",
    [AS_SLOT_LINEAR_NORM] = "blocks.%d.attention.ln_x|blocks.%d.att.ln_x",
    [AS_SLOT_DECAY] = "blocks.%d.attention.time_decay|blocks.%d.att.time_decay",
    [AS_SLOT_BONUS] = "blocks.%d.attention.time_first|blocks.%d.att.time_first|"
                      "blocks.%d.attention.time_faaaa|blocks.%d.att.time_faaaa",
    [AS_SLOT_MIX_R] = "blocks.%d.attention.time_mix_receptance|blocks.%d.att.time_mix_r",
    [AS_SLOT_MIX_K] = "blocks.%d.attention.time_mix_key|blocks.%d.att.time_mix_k",
    [AS_SLOT_MIX_V] = "blocks.%d.attention.time_mix_value|blocks.%d.att.time_mix_v",
    [AS_SLOT_MIX_G] = "blocks.%d.attention.time_mix_gate|blocks.%d.att.time_mix_g",
    [AS_SLOT_FFN_MIX_K] = "blocks.%d.feed_forward.time_mix_key|blocks.%d.ffn.time_mix_k",
    [AS_SLOT_FFN_MIX_R] = "blocks.%d.feed_forward.time_mix_receptance|blocks.%d.ffn.time_mix_r",
    [AS_SLOT_UP] = "blocks.%d.feed_forward.key|blocks.%d.ffn.key",
    [AS_SLOT_GATE] = "blocks.%d.feed_forward.receptance|blocks.%d.ffn.receptance",
    [AS_SLOT_DOWN] = "blocks.%d.feed_forward.value|blocks.%d.ffn.value",
};

/* Version 6 where it differs. */
static const char *const names_6[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings|emb",
    [AS_SLOT_EMBED_NORM] = "blocks.0.pre_ln|blocks.0.ln0",
    [AS_SLOT_FINAL_NORM] = "ln_out",
    [AS_SLOT_HEAD] = "^head",
    [AS_SLOT_NORM_1] = "blocks.%d.ln1",
    [AS_SLOT_NORM_2] = "blocks.%d.ln2",
    [AS_SLOT_LINEAR_Q] = "blocks.%d.attention.receptance|blocks.%d.att.receptance",
    [AS_SLOT_LINEAR_K] = "blocks.%d.attention.key|blocks.%d.att.key",
    [AS_SLOT_LINEAR_V] = "blocks.%d.attention.value|blocks.%d.att.value",
    [AS_SLOT_LINEAR_GATE] = "blocks.%d.attention.gate|blocks.%d.att.gate",
    [AS_SLOT_LINEAR_OUT] = "blocks.%d.attention.output|blocks.%d.att.output",
    [AS_SLOT_LINEAR_NORM] = "blocks.%d.attention.ln_x|blocks.%d.att.ln_x",
    [AS_SLOT_DECAY] = "blocks.%d.attention.time_decay|blocks.%d.att.time_decay",
    [AS_SLOT_BONUS] = "blocks.%d.attention.time_faaaa|blocks.%d.att.time_faaaa|blocks.%d.att.time_first",
    [AS_SLOT_MIX_X] = "blocks.%d.attention.time_maa_x|blocks.%d.att.time_maa_x",
    [AS_SLOT_MIX_W] = "blocks.%d.attention.time_maa_w|blocks.%d.att.time_maa_w",
    [AS_SLOT_MIX_R] = "blocks.%d.attention.time_maa_r|blocks.%d.att.time_maa_r",
    [AS_SLOT_MIX_K] = "blocks.%d.attention.time_maa_k|blocks.%d.att.time_maa_k",
    [AS_SLOT_MIX_V] = "blocks.%d.attention.time_maa_v|blocks.%d.att.time_maa_v",
    [AS_SLOT_MIX_G] = "blocks.%d.attention.time_maa_g|blocks.%d.att.time_maa_g",
    [AS_SLOT_MIX_DOWN] = "~blocks.%d.attention.time_maa_w1!|~blocks.%d.att.time_maa_w1!",
    [AS_SLOT_MIX_UP] = "~blocks.%d.attention.time_maa_w2!|~blocks.%d.att.time_maa_w2!",
    [AS_SLOT_DECAY_DOWN] = "~blocks.%d.attention.time_decay_w1!|~blocks.%d.att.time_decay_w1!",
    [AS_SLOT_DECAY_UP] = "~blocks.%d.attention.time_decay_w2!|~blocks.%d.att.time_decay_w2!",
    [AS_SLOT_FFN_MIX_K] = "blocks.%d.feed_forward.time_maa_k|blocks.%d.ffn.time_maa_k",
    [AS_SLOT_FFN_MIX_R] = "blocks.%d.feed_forward.time_maa_r|blocks.%d.ffn.time_maa_r",
    [AS_SLOT_UP] = "blocks.%d.feed_forward.key|blocks.%d.ffn.key",
    [AS_SLOT_GATE] = "blocks.%d.feed_forward.receptance|blocks.%d.ffn.receptance",
    [AS_SLOT_DOWN] = "blocks.%d.feed_forward.value|blocks.%d.ffn.value",
};

static const char *const prefixes[] = {"rwkv.", "", NULL};
static const char *const ignored[] = {NULL};

/* Sizes, the norm of the embedding, names. Returns the layers' norm. */
static as_norm_spec describe_base(as_config *c, as_model_spec *spec, const char *const *slot_names)
{
    as_spec_base(c, spec, 1);
    spec->context = 0;
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, as_config_eps(c, "layer_norm_epsilon", 1e-5));
    spec->embed_norm = norm;
    spec->embed_norm.slot = AS_SLOT_EMBED_NORM;
    spec->names = slot_names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    /* Its epsilon is not the config's. */
    as_spec_finish(c, spec, as_spec_layer_norm(AS_SLOT_FINAL_NORM, 1e-5), false);
    return norm;
}

static int64_t attention_width(as_config *c, const as_model_spec *spec)
{
    return as_config_size_or(c, "attention_hidden_size", spec->hidden, AS_MOST_WIDTH);
}

/* ---- version 4 -------------------------------------------------------------------------------------------
 */

/* The stream halved before this layer, and written to in halves ever since. A norm of x / 2^n is one of x
 * with an epsilon of 4^n. */
static void rescale(as_layer_spec *layer, int64_t index, int64_t every)
{
    if (every <= 0) return;
    float scale = (float)ldexp(1, (int)-(index / every));
    as_step *mixer = &layer->steps[0];
    mixer->residual_scale = scale;
    layer->steps[1].residual_scale = scale;
    if (index == 0 || index % every) return;
    mixer->stream_scale = 0.5f;
    mixer->in_norm.eps *= 4;
}

static void describe_4(as_config *c, as_model_spec *spec)
{
    as_norm_spec norm = describe_base(c, spec, names);
    as_rwkv4_spec mixer = {.width = attention_width(c, spec)};
    spec->intermediate = as_config_size_or(c, "intermediate_size", 4 * spec->hidden, AS_MOST_WIDTH);
    as_rwkv_ffn_spec ffn = {.width = spec->intermediate, .share = AS_SHARE_OF_SELF, .gated = true};
    int64_t every = as_config_int(c, "rescale_every", 6);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_rwkv4, &mixer, norm);
        as_spec_add_ffn(c, spec, i, &as_block_rwkv_ffn, &ffn, norm);
        rescale(&spec->layers[i], i, every);
    }
    if (every > 0 && spec->layer_count % every == 0) spec->final_norm.eps *= 4;
}

/* ---- versions 5 and 6 ------------------------------------------------------------------------------------
 */

static void describe_heads(as_config *c, as_model_spec *spec, as_rwkv6_spec *mixer)
{
    int64_t width = attention_width(c, spec);
    mixer->head_dim = as_config_size_or(c, "head_size", 64, 1 << 14);
    if (width % mixer->head_dim) {
        as_config_fail(c, AS_E_INPUT,
                       "\"head_size\" is %lld, which does not divide the attention's width %lld",
                       (long long)mixer->head_dim, (long long)width);
        return;
    }
    /* num_attention_heads is a default that nothing uses. */
    spec->heads = spec->kv_heads = mixer->heads = mixer->kv_heads = width / mixer->head_dim;
    spec->head_dim = mixer->head_dim;
    double divisor = as_config_number_in(c, "head_size_divisor", 8, 1e-3, 1e6);
    mixer->eps = (float)(1e-5 * divisor * divisor);
}

static void describe_5_or_6(as_config *c, as_model_spec *spec, bool dynamic)
{
    as_norm_spec norm = describe_base(c, spec, dynamic ? names_6 : names);
    bool large = spec->hidden == 4096;
    as_rwkv6_spec mixer = {.dynamic = dynamic,
                           .order = {AS_MIX_W, AS_MIX_K, AS_MIX_V, AS_MIX_R, AS_MIX_G},
                           .mix_rank = large ? 64 : 32,
                           .decay_rank = large ? 128 : 64,
                           .bonus = true,
                           .norm = true,
                           .gate_act = AS_ACT_SILU,
                           .scale = 1};
    describe_heads(c, spec, &mixer);
    spec->intermediate = as_config_size_or(c, "intermediate_size",
                                           (int64_t)((double)spec->hidden * 3.5) / 32 * 32, AS_MOST_WIDTH);
    as_rwkv_ffn_spec ffn = {
        .width = spec->intermediate, .share = dynamic ? AS_SHARE_OF_BEFORE : AS_SHARE_OF_SELF, .gated = true};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_rwkv6, &mixer, norm);
        as_spec_add_ffn(c, spec, i, &as_block_rwkv_ffn, &ffn, norm);
    }
}

static void describe_5(as_config *c, as_model_spec *spec)
{
    describe_5_or_6(c, spec, false);
}

static void describe_6(as_config *c, as_model_spec *spec)
{
    describe_5_or_6(c, spec, true);
}

const as_family as_family_rwkv4 = {.architectures = {"RwkvForCausalLM"}, .describe = describe_4};
const as_family as_family_rwkv5 = {.architectures = {"Rwkv5ForCausalLM"}, .describe = describe_5};
const as_family as_family_rwkv6 = {.architectures = {"Rwkv6ForCausalLM"}, .describe = describe_6};
