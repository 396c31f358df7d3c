/* DBRX: Databricks 2024; transformers models/dbrx. Layer norms without bias, queries, keys and values in one
 * clipped projection, experts stacked in two dimensions, weights divided by a p-norm. The base of the
 * rotation is the config's own rope_theta or 10000: transformers 5.23 takes no notice of attn_config's, and
 * is followed in that. */
#include <math.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "wte",
    [AS_SLOT_FINAL_NORM] = "norm_f",
    [AS_SLOT_NORM_1] = "blocks.%d.norm_attn_norm.norm_1",
    [AS_SLOT_NORM_2] = "blocks.%d.norm_attn_norm.norm_2",
    [AS_SLOT_QKV] = "blocks.%d.norm_attn_norm.attn.Wqkv",
    [AS_SLOT_O] = "blocks.%d.norm_attn_norm.attn.out_proj",
    [AS_SLOT_ROUTER] = "blocks.%d.ffn.router.layer",
    [AS_SLOT_EXPERT_GATE] = "blocks.%d.ffn.experts.mlp.w1!",
    [AS_SLOT_EXPERT_UP] = "blocks.%d.ffn.experts.mlp.v1!",
    [AS_SLOT_EXPERT_DOWN] = "~blocks.%d.ffn.experts.mlp.w2!",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

/* The family's name of a field, unless only the general one is there. */
static const char *own_or(const as_config *c, const char *own, const char *general)
{
    return !as_config_has(c, own) && as_config_has(c, general) ? general : own;
}

static as_config inner(const as_config *c, const char *key)
{
    as_config fields;
    as_config_init(&fields, json_object_get(c->root, key));
    return fields;
}

static void adopt(as_config *c, const as_config *fields)
{
    if (c->rc != AS_OK || fields->rc == AS_OK) return;
    c->rc = fields->rc;
    c->err = fields->err;
}

static as_attention_spec attention_of(as_config *c, as_model_spec *spec)
{
    as_config fields = inner(c, "attn_config");
    spec->heads = as_config_size(c, own_or(c, "n_heads", "num_attention_heads"), AS_MOST_HEADS);
    spec->kv_heads = as_config_size_or(&fields, "kv_n_heads", 1, AS_MOST_HEADS);
    if (spec->hidden % spec->heads || spec->heads % spec->kv_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"d_model\" %lld, \"n_heads\" %lld and \"kv_n_heads\" %lld do not divide each other",
                       (long long)spec->hidden, (long long)spec->heads, (long long)spec->kv_heads);
    }
    spec->head_dim = spec->hidden / spec->heads;
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.layout = AS_QKV_ROWS;
    attention.qkv_clip = (float)as_config_number_in(&fields, "clip_qkv", 0, 0, 1e30);
    adopt(c, &fields);
    return attention;
}

static as_moe_spec experts_of(as_config *c, as_model_spec *spec)
{
    as_config fields = inner(c, "ffn_config");
    as_moe_spec moe = as_spec_experts(&fields, &(as_expert_keys){.count = "moe_num_experts",
                                                                 .count_default = 4,
                                                                 .top_k = "moe_top_k",
                                                                 .top_k_default = 1,
                                                                 .width = "ffn_hidden_size",
                                                                 .width_default = 3584});
    as_config act = inner(&fields, "ffn_act_fn");
    moe.act = as_config_activation(&act, "name", "silu");
    moe.normalise = json_object_get(fields.root, "moe_normalize_expert_weights") == NULL ||
                    as_config_has(&fields, "moe_normalize_expert_weights");
    moe.norm_power = (float)as_config_number_in(&fields, "moe_normalize_expert_weights", 1, 1e-3, 1e3);
    adopt(&fields, &act);
    adopt(c, &fields);
    spec->intermediate = moe.width;
    return moe;
}

static void describe(as_config *c, as_model_spec *spec)
{
    spec->hidden = as_config_size(c, own_or(c, "d_model", "hidden_size"), AS_MOST_WIDTH);
    spec->layer_count = as_config_size(c, own_or(c, "n_layers", "num_hidden_layers"), AS_MOST_LAYERS);
    spec->vocab = as_config_size(c, "vocab_size", AS_MOST_WIDTH * 4);
    spec->context = as_config_size_or(c, own_or(c, "max_seq_len", "max_position_embeddings"), 2048, 1 << 30);
    spec->layers = AS_ARENA_NEW_ARRAY(&spec->arena, as_layer_spec, spec->layer_count);
    if (!spec->layers) as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, 1e-5);
    norm.has_bias = false;
    as_attention_spec attention = attention_of(c, spec);
    as_moe_spec moe = experts_of(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm);
    }
    spec->names = names;
    spec->prefixes = prefixes;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_dbrx = {.architectures = {"DbrxForCausalLM"}, .describe = describe};
