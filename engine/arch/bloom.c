/* BLOOM: BigScience 2022; transformers models/bloom. ALiBi, a norm of the embedding, one projection with
 * query, key and value of each head together. */
#include "engine/arch/arch.h"

static const as_size_keys keys = {.layers = "n_layer", .heads = "n_head", .context = "seq_length"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "word_embeddings",
    [AS_SLOT_EMBED_NORM] = "word_embeddings_layernorm",
    [AS_SLOT_FINAL_NORM] = "ln_f",
    [AS_SLOT_NORM_1] = "h.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "h.%d.post_attention_layernorm",
    [AS_SLOT_QKV] = "h.%d.self_attention.query_key_value",
    [AS_SLOT_O] = "h.%d.self_attention.dense",
    [AS_SLOT_UP] = "h.%d.mlp.dense_h_to_4h",
    [AS_SLOT_DOWN] = "h.%d.mlp.dense_4h_to_h",
};

static const char *const prefixes[] = {"transformer.", "", NULL};
static const char *const ignored_in_parts[] = {"*.self_attention.dense.bias", "*.mlp.dense_4h_to_h.bias",
                                               NULL};

/* Output projections summed in the parts of Megatron's tensor parallelism, which leaves out their biases. */
static bool sums_parts(as_config *c)
{
    return as_config_bool(c, "slow_but_exact", false) && as_config_int(c, "pretraining_tp", 1) > 1;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_size_keys named = keys;
    named.hidden = as_config_has(c, "n_embed") ? "n_embed" : NULL;
    as_spec_base_named(c, spec, &named, 2048);
    spec->intermediate = 4 * spec->hidden;
    bool parts = sums_parts(c);
    as_attention_spec attention = as_spec_attention(spec, -1, true, !parts);
    attention.layout = AS_QKV_PER_KV_HEAD;
    attention.alibi_max = 8;
    as_mlp_spec mlp = as_spec_sized_mlp(spec, AS_ACT_GELU_TANH, true);
    mlp.down_bias = !parts;
    double eps = as_config_eps(c, "layer_norm_epsilon", 1e-5);
    as_norm_spec norm = as_spec_layer_norm(AS_SLOT_NORM_1, eps);
    bool normed = as_config_bool(c, "apply_residual_connection_post_layernorm", false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm)->residual_normed = normed;
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm)->residual_normed = normed;
    }
    spec->embed_norm = as_spec_layer_norm(AS_SLOT_EMBED_NORM, eps);
    spec->names = names;
    spec->prefixes = prefixes;
    spec->ignored = parts ? ignored_in_parts : NULL;
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_bloom = {.architectures = {"BloomForCausalLM"}, .describe = describe};
