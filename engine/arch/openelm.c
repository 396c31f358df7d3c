/* OpenELM: Mehta et al. 2024; modeling_openelm.py of the repositories. Heads and feed-forward width by layer,
 * norms of queries and keys, one projection for query, key and value and one for gate and up. */
#include "base/json.h"
#include "engine/arch/arch.h"

static const as_size_keys keys = {.hidden = "model_dim", .layers = "num_transformer_layers"};

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "token_embeddings",        [AS_SLOT_FINAL_NORM] = "norm",
    [AS_SLOT_NORM_1] = "layers.%d.attn_norm",    [AS_SLOT_NORM_2] = "layers.%d.ffn_norm",
    [AS_SLOT_QKV] = "layers.%d.attn.qkv_proj",   [AS_SLOT_Q_NORM] = "layers.%d.attn.q_norm",
    [AS_SLOT_K_NORM] = "layers.%d.attn.k_norm",  [AS_SLOT_O] = "layers.%d.attn.out_proj",
    [AS_SLOT_GATE] = "layers.%d.ffn.proj_1#0/2", [AS_SLOT_UP] = "layers.%d.ffn.proj_1#1/2",
    [AS_SLOT_DOWN] = "layers.%d.ffn.proj_2",
};

static const char *const plain_names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "token_embeddings",       [AS_SLOT_FINAL_NORM] = "norm",
    [AS_SLOT_NORM_1] = "layers.%d.attn_norm",   [AS_SLOT_NORM_2] = "layers.%d.ffn_norm",
    [AS_SLOT_QKV] = "layers.%d.attn.qkv_proj",  [AS_SLOT_Q_NORM] = "layers.%d.attn.q_norm",
    [AS_SLOT_K_NORM] = "layers.%d.attn.k_norm", [AS_SLOT_O] = "layers.%d.attn.out_proj",
    [AS_SLOT_UP] = "layers.%d.ffn.proj_1",      [AS_SLOT_DOWN] = "layers.%d.ffn.proj_2",
};

static const char *const prefixes[] = {"transformer.", "", NULL};

static const char *const ignored[] = {"*pos_embedding.inv_freq", "*causal_mask", NULL};

/* A layer's entry of a list of numbers, or the one number for all. */
static double of_layer(as_config *c, const as_model_spec *spec, const char *key, int64_t layer,
                       double otherwise)
{
    const json_t *list = json_object_get(c->root, key);
    double value = otherwise;
    if (json_is_array(list)) {
        if ((int64_t)json_array_size(list) != spec->layer_count) {
            as_config_fail(c, AS_E_INPUT, "\"%s\" has %zu entries, expected one for each of %lld layers", key,
                           json_array_size(list), (long long)spec->layer_count);
        } else if (!as_json_number(json_array_get(list, (size_t)layer), &value)) {
            as_config_fail(c, AS_E_INPUT, "\"%s\"[%lld] is not a number", key, (long long)layer);
        }
    } else {
        value = as_config_number(c, key, otherwise);
    }
    if (!(value > 0 && value <= AS_MOST_HEADS)) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" is %g in layer %lld, expected more than 0", key, value,
                       (long long)layer);
        return 1;
    }
    return value;
}

/* The nearest multiple of the divisor, but not below nine tenths of what was asked (make_divisible there). */
static int64_t divisible(double wanted, int64_t divisor)
{
    int64_t width = (int64_t)(wanted + (double)divisor / 2) / divisor * divisor;
    if (width < divisor) width = divisor;
    return (double)width < 0.9 * wanted ? width + divisor : width;
}

/* Whole heads of a layer. */
static int64_t heads_of(as_config *c, const as_model_spec *spec, const char *own, const char *other,
                        int64_t layer)
{
    double count = of_layer(c, spec, as_config_key(c, own, other), layer, 1);
    return count < 1 ? 1 : (int64_t)count;
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, as_attention_spec attention,
                      as_mlp_spec mlp, as_norm_spec norm)
{
    attention.heads = heads_of(c, spec, "num_query_heads", "num_attention_heads", layer);
    attention.kv_heads = heads_of(c, spec, "num_kv_heads", "num_key_value_heads", layer);
    if (attention.heads % attention.kv_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"%s\": layer %lld has %lld key/value heads, which do not divide its %lld heads",
                       as_config_key(c, "num_kv_heads", "num_key_value_heads"), (long long)layer,
                       (long long)attention.kv_heads, (long long)attention.heads);
    }
    int64_t divisor = as_config_size_or(c, "ffn_dim_divisor", 256, AS_MOST_WIDTH);
    double wanted = of_layer(c, spec, "ffn_multipliers", layer, 4) * (double)spec->hidden;
    if (wanted > AS_MOST_WIDTH) {
        as_config_fail(c, AS_E_INPUT, "\"ffn_multipliers\": layer %lld is %g wide", (long long)layer, wanted);
        return;
    }
    mlp.width = divisible(wanted, divisor);
    as_spec_pre_norm_layer(c, spec, layer, &attention, &mlp, norm);
    if (attention.heads > spec->heads) spec->heads = attention.heads;
    if (attention.kv_heads > spec->kv_heads) spec->kv_heads = attention.kv_heads;
    if (mlp.width > spec->intermediate) spec->intermediate = mlp.width;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_size_keys named = keys;
    named.context = as_config_key(c, "max_context_length", "rope_max_length");
    as_spec_sizes_named(c, spec, &named, 2048);
    spec->head_dim = as_config_size_or(c, "head_dim", 128, 1 << 14);
    spec->heads = spec->kv_heads = 1;
    int rope = as_spec_plain_rope(c, spec, AS_ROPE_HALF, spec->head_dim,
                                  as_config_number_in(c, "rope_freq_constant", 10000, 1e-6, 1e30));
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    attention.layout = AS_QKV_ROWS;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, 1e-6, 0);
    if (as_config_bool(c, "normalize_qk_projections", false)) {
        attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, 1e-6, 0);
        attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, 1e-6, 0);
    }
    as_mlp_spec mlp = as_spec_sized_mlp(spec, as_config_activation(c, "activation_fn_name", "swish"), false);
    mlp.gated = as_config_bool(c, "ffn_with_glu", true);
    mlp.gate = AS_SLOT_GATE;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, i, attention, mlp, norm);
    }
    spec->names = mlp.gated ? names : plain_names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, true);
    spec->tied_head = as_config_bool(c, "share_input_output_layers", true);
}

const as_family as_family_openelm = {.architectures = {"OpenELMForCausalLM"}, .describe = describe};
