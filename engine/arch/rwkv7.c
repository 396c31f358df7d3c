/* RWKV 7: Peng et al. 2025; the published modeling_rwkv7 (fla-hub/rwkv7-*), and the names of the reference
 * implementation (blocks.0.att.w1). The mixes stand one by one (x_r) or stacked (x_x: r w k v a g). No
 * positions; the context has no end. */
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/rwkv7.h"
#include "engine/blocks/rwkv_ffn.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embeddings|emb",
    [AS_SLOT_EMBED_NORM] = "layers.0.pre_norm|blocks.0.ln0",
    [AS_SLOT_FINAL_NORM] = "norm|ln_out",
    [AS_SLOT_HEAD] = "^lm_head|^head",
    [AS_SLOT_NORM_1] = "layers.%d.attn_norm|blocks.%d.ln1",
    [AS_SLOT_NORM_2] = "layers.%d.ffn_norm|blocks.%d.ln2",
    [AS_SLOT_LINEAR_Q] = "layers.%d.attn.r_proj|blocks.%d.att.receptance",
    [AS_SLOT_LINEAR_K] = "layers.%d.attn.k_proj|blocks.%d.att.key",
    [AS_SLOT_LINEAR_V] = "layers.%d.attn.v_proj|blocks.%d.att.value",
    [AS_SLOT_LINEAR_OUT] = "layers.%d.attn.o_proj|blocks.%d.att.output",
    [AS_SLOT_LINEAR_NORM] = "layers.%d.attn.g_norm|blocks.%d.att.ln_x",
    [AS_SLOT_MIX_R] = "layers.%d.attn.x_r|layers.%d.attn.x_x#0/6|blocks.%d.att.x_r",
    [AS_SLOT_MIX_W] = "layers.%d.attn.x_w|layers.%d.attn.x_x#1/6|blocks.%d.att.x_w",
    [AS_SLOT_MIX_K] = "layers.%d.attn.x_k|layers.%d.attn.x_x#2/6|blocks.%d.att.x_k",
    [AS_SLOT_MIX_V] = "layers.%d.attn.x_v|layers.%d.attn.x_x#3/6|blocks.%d.att.x_v",
    [AS_SLOT_MIX_A] = "layers.%d.attn.x_a|layers.%d.attn.x_x#4/6|blocks.%d.att.x_a",
    [AS_SLOT_MIX_G] = "layers.%d.attn.x_g|layers.%d.attn.x_x#5/6|blocks.%d.att.x_g",
    [AS_SLOT_DECAY] = "layers.%d.attn.w_lora.lora.2.bias|blocks.%d.att.w0",
    [AS_SLOT_DECAY_DOWN] = "layers.%d.attn.w_lora.lora.0|~blocks.%d.att.w1!",
    [AS_SLOT_DECAY_UP] = "layers.%d.attn.w_lora.lora.2|~blocks.%d.att.w2!",
    [AS_SLOT_RATE] = "layers.%d.attn.a_lora.lora.2.bias|blocks.%d.att.a0",
    [AS_SLOT_RATE_DOWN] = "layers.%d.attn.a_lora.lora.0|~blocks.%d.att.a1!",
    [AS_SLOT_RATE_UP] = "layers.%d.attn.a_lora.lora.2|~blocks.%d.att.a2!",
    [AS_SLOT_VALUE] = "layers.%d.attn.v_lora.lora.2.bias|blocks.%d.att.v0",
    [AS_SLOT_VALUE_DOWN] = "layers.%d.attn.v_lora.lora.0|~blocks.%d.att.v1!",
    [AS_SLOT_VALUE_UP] = "layers.%d.attn.v_lora.lora.2|~blocks.%d.att.v2!",
    [AS_SLOT_LINEAR_GATE_DOWN] = "layers.%d.attn.g_lora.lora.0|~blocks.%d.att.g1!",
    [AS_SLOT_LINEAR_GATE] = "layers.%d.attn.g_lora.lora.2|~blocks.%d.att.g2!",
    [AS_SLOT_KEY_ERASE] = "layers.%d.attn.k_k|blocks.%d.att.k_k",
    [AS_SLOT_KEY_RATE] = "layers.%d.attn.k_a|blocks.%d.att.k_a",
    [AS_SLOT_BONUS] = "layers.%d.attn.r_k|blocks.%d.att.r_k",
    [AS_SLOT_FFN_MIX_K] = "layers.%d.ffn.x_k|blocks.%d.ffn.x_k",
    [AS_SLOT_UP] = "layers.%d.ffn.key|blocks.%d.ffn.key",
    [AS_SLOT_DOWN] = "layers.%d.ffn.value|blocks.%d.ffn.value",
};

static const char *const prefixes[] = {"model.", "rwkv.", "", NULL};
/* The first layer draws its values towards nothing. */
static const char *const ignored[] = {"*layers.0.attn.v_lora.*", "*blocks.0.att.v0", "*blocks.0.att.v1",
                                      "*blocks.0.att.v2", NULL};

/* A number that says more than the others: a list of one for each layer, all the same. */
static int64_t value_width(as_config *c, const as_model_spec *spec)
{
    const json_t *list = json_object_get(c->root, "value_dim");
    if (!json_is_array(list)) return as_config_size_or(c, "value_dim", spec->hidden, AS_MOST_WIDTH);
    int64_t first = json_integer_value(json_array_get(list, 0));
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (json_integer_value(json_array_get(list, i)) != first || first < 1) {
            as_config_fail(c, AS_E_UNSUPPORTED, "\"value_dim\" differs from layer to layer");
            return spec->hidden;
        }
    }
    return first;
}

static void describe_heads(as_config *c, as_model_spec *spec, as_rwkv7_spec *m, double eps)
{
    const char *key = as_config_has(c, "head_size") ? "head_size" : "head_dim";
    int64_t values = value_width(c, spec);
    m->head_dim = as_config_size_or(c, key, 64, 1 << 14);
    if (spec->hidden % m->head_dim) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %lld, which does not divide \"hidden_size\" %lld", key,
                       (long long)m->head_dim, (long long)spec->hidden);
        return;
    }
    /* num_heads is a default that nothing uses. */
    spec->heads = spec->kv_heads = m->heads = spec->hidden / m->head_dim;
    spec->head_dim = m->head_dim;
    m->value_dim = values / m->heads;
    if (values % m->heads) {
        as_config_fail(c, AS_E_INPUT, "\"value_dim\" is %lld, which %lld heads do not divide",
                       (long long)values, (long long)m->heads);
    }
    m->eps = (float)as_config_number(c, "group_norm_epsilon", (double)m->head_dim * eps);
    m->decay_rank = as_config_size_or(c, "decay_low_rank_dim", 64, AS_MOST_WIDTH);
    m->rate_rank = as_config_size_or(c, "a_low_rank_dim", 64, AS_MOST_WIDTH);
    m->value_rank = as_config_size_or(c, "v_low_rank_dim", 16, AS_MOST_WIDTH);
    m->gate_rank = as_config_size_or(c, "gate_low_rank_dim", 128, AS_MOST_WIDTH);
    spec->carried = values;
}

static void check(as_config *c)
{
    const char *act = as_config_string(c, "hidden_act", "sqrelu");
    if (strcmp(act, "sqrelu") != 0 && strcmp(act, "relu2") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"hidden_act\" is \"%s\", expected sqrelu", act);
    }
    if (as_config_has(c, "attn")) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"attn\" (layers of attention) is not supported");
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 1);
    spec->context = 0;
    check(c);
    const char *key = as_config_has(c, "layer_norm_epsilon") ? "layer_norm_epsilon" : "norm_eps";
    double eps = as_config_eps(c, key, 1e-5);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    norm.has_bias = as_config_bool(c, "norm_bias", true);
    as_rwkv7_spec mixer = {.heads = 1};
    describe_heads(c, spec, &mixer, eps);
    if (as_config_bool(c, "norm_first", true)) {
        spec->embed_norm = norm;
        spec->embed_norm.slot = AS_SLOT_EMBED_NORM;
    }
    double ratio = as_config_number_in(c, "hidden_ratio", 4, 1e-3, 1024);
    int64_t wide = ((int64_t)((double)spec->hidden * ratio) + 31) / 32 * 32;
    spec->intermediate = as_config_size_or(c, "intermediate_size", wide, AS_MOST_WIDTH);
    as_rwkv_ffn_spec ffn = {.width = spec->intermediate, .share = AS_SHARE_OF_BEFORE};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        mixer.first = i == 0;
        as_spec_add_mixer(c, spec, i, &as_block_rwkv7, &mixer, norm);
        as_spec_add_ffn(c, spec, i, &as_block_rwkv_ffn, &ffn, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_rwkv7 = {.architectures = {"RWKV7ForCausalLM", "Rwkv7ForCausalLM"},
                                   .describe = describe};
