/* Qwen4 (Qwen 2026): transformers models/qwen4_exp. Layers of the gated delta rule and of gated attention as
 * in Qwen3.5, with experts in each, between residual streams behind low-rank gates (blocks/gated_streams.h).
 * The attention sees the keys that an index over pools of them picks (blocks/pool_index.h); some layers of
 * the delta rule add hashed n-grams to the streams (blocks/ngram.h). There is no final norm: the streams are
 * gathered as before a block. */
#include "engine/arch/hyper.h"
#include "engine/arch/qwen_next.h"
#include "engine/blocks/gated_streams.h"
#include "engine/blocks/ngram.h"

#define STREAMS(n, place)                                                                                    \
    [AS_SLOT_STREAMS_##n##_NORM] = place ".hc_norm",                                                         \
    [AS_SLOT_STREAMS_##n##_DOWN] = place ".input_mix_weight_down",                                           \
    [AS_SLOT_STREAMS_##n##_UP] = place ".input_mix_weight_up"
#define PLE  "layers.%d.ple."
#define HASH PLE "ple_embedding."

static const char *const names[AS_SLOT_COUNT] = {
    AS_QWEN_NEXT_NAMES,
    STREAMS(1, "layers.%d.attn_hyper_connection"),
    STREAMS(2, "layers.%d.mlp_hyper_connection"),
    STREAMS(OUT, "hyper_connection_mixer"),
    [AS_SLOT_STREAMS_1_INJECT] = "layers.%d.attn_hyper_connection.block_inject_weight",
    [AS_SLOT_STREAMS_2_INJECT] = "layers.%d.mlp_hyper_connection.block_inject_weight",
    [AS_SLOT_INDEX_QK] = "layers.%d.self_attn.indexer.index_qk_proj",
    [AS_SLOT_INDEX_Q_NORM] = "layers.%d.self_attn.indexer.q_layernorm",
    [AS_SLOT_INDEX_K_NORM] = "layers.%d.self_attn.indexer.k_layernorm",
    [AS_SLOT_NGRAM_EMBED] = HASH "ngram_embedding",
    [AS_SLOT_NGRAM_EMBED_PART] = HASH "ngram_embedding.shard_%e",
    [AS_SLOT_NGRAM_FACTORS] = HASH "layer_multipliers",
    [AS_SLOT_NGRAM_SIZES] = HASH "ngram_heads_vocab_sizes",
    [AS_SLOT_NGRAM_OFFSETS] = HASH "ngram_heads_offsets",
    [AS_SLOT_NGRAM_KEY] = PLE "key_proj",
    [AS_SLOT_NGRAM_KEY_NORM] = PLE "norm_key",
    [AS_SLOT_NGRAM_QUERY_NORM] = PLE "norm_query",
    [AS_SLOT_NGRAM_VALUE] = PLE "value_proj",
    [AS_SLOT_NGRAM_CONV_NORM] = PLE "norm_conv",
    [AS_SLOT_NGRAM_CONV] = PLE "conv1d",
};

/* ---- attention -------------------------------------------------------------------------------------------
 */

static as_pool_index_spec read_index(as_config *c, as_model_spec *spec, int rope, double eps)
{
    enum { MOST_POOL = 1 << 12 };
    as_pool_index_spec index = {.heads = as_config_size(c, "indexer_n_heads", AS_MOST_INDEX_HEADS),
                                .width = as_config_size(c, "indexer_head_dim", AS_MOST_INDEX_WIDTH),
                                .every = as_config_size(c, "indexer_compress_ratio", MOST_POOL),
                                .rope = rope,
                                .q_norm = as_spec_rms(AS_SLOT_INDEX_Q_NORM, eps, 1),
                                .k_norm = as_spec_rms(AS_SLOT_INDEX_K_NORM, eps, 1)};
    int64_t budget = as_config_size(c, "indexer_budget", AS_MOST_INDEX_KEYS - MOST_POOL);
    if (c->rc != AS_OK) return index;
    index.top = budget / index.every;
    if (budget % index.every) {
        as_config_fail(c, AS_E_INPUT,
                       "\"indexer_budget\" is %lld, not a multiple of \"indexer_compress_ratio\" %lld",
                       (long long)budget, (long long)index.every);
    }
    if (as_config_int(c, "indexer_kv_heads", 1) != 1) {
        as_config_fail(c, AS_E_INPUT, "\"indexer_kv_heads\" is not 1");
    }
    index.rope_key = as_config_rope(
        c,
        &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000, .partial = 1, .every = index.every},
        spec);
    if (index.width < spec->ropes[rope].rotary) {
        as_config_fail(c, AS_E_INPUT, "\"indexer_head_dim\" is %lld, of which %lld cannot be rotated",
                       (long long)index.width, (long long)spec->ropes[rope].rotary);
    }
    as_spec_refuse_varying_rope(c, spec, rope, "an index over pools of keys");
    return index;
}

/* ---- n-grams ---------------------------------------------------------------------------------------------
 */

static uint64_t splitmix(uint64_t value)
{
    value += 0x9E3779B97F4A7C15U;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
    return value ^ (value >> 31);
}

/* Odd factors of which none times a token leaves 63 bits. */
static void fill_factors(int64_t *out, int64_t count, int64_t vocab, int64_t index, int64_t seed)
{
    uint64_t half = (uint64_t)(INT64_MAX / vocab / 2), base = (uint64_t)seed + 10007 * (uint64_t)index;
    if (half < 1) half = 1;
    for (int64_t i = 0; i < count; i++) {
        uint64_t value = base + 0x9E3779B97F4A7C15U * (uint64_t)(i + 1);
        out[i] = (int64_t)(2 * (splitmix(value) % half) + 1);
    }
}

static bool is_prime(int64_t value)
{
    if (value < 4) return value > 1;
    if (value % 2 == 0) return false;
    for (int64_t d = 3; d * d <= value; d += 2) {
        if (value % d == 0) return false;
    }
    return true;
}

static int64_t next_prime(int64_t value)
{
    do value++;
    while (!is_prime(value));
    return value;
}

/* Sizes of the heads of n-gram layer `index`: the primes from the base on that those before it have left; and
 * the rows of its table. */
static int64_t fill_sizes(as_config *c, const as_ngram_spec *g, int64_t index, int64_t base, int64_t *sizes,
                          int64_t *offsets)
{
    int64_t prime = base - 1, total = 0;
    for (int64_t i = 0; i < index * g->heads; i++) prime = next_prime(prime);
    for (int64_t h = 0; h < g->heads; h++) {
        sizes[h] = prime = next_prime(prime);
        offsets[h] = total;
        total += prime;
    }
    int64_t unit = as_config_size_or(c, "make_ngram_vocab_size_divisible_by", 128, 1 << 20);
    total += (unit - total % unit) % unit;
    if (total > INT32_MAX) {
        as_config_fail(c, AS_E_LIMIT,
                       "\"ngram_vocab_size_base\" %lld makes a table of %lld rows, at most %d "
                       "are possible",
                       (long long)base, (long long)total, INT32_MAX);
    }
    return total;
}

static int64_t read_end(as_config *c)
{
    const json_t *end = json_object_get(c->root, "eos_token_id");
    if (json_is_array(end)) end = json_array_get(end, 0);
    if (!json_is_integer(end)) {
        as_config_fail(c, AS_E_INPUT, "\"eos_token_id\" is missing, which hashed n-grams cannot do without");
        return 0;
    }
    return json_integer_value(end);
}

/* What all n-gram layers have in common. */
static as_ngram_spec read_ngrams(as_config *c, const as_model_spec *spec, const as_hyper_spec *streams,
                                 double eps)
{
    as_ngram_spec g = {.streams = streams->streams,
                       .at = streams->at,
                       .orders = as_config_size_or(c, "ngram_size", 3, AS_MOST_NGRAM),
                       .width = as_config_size_or(c, "ple_embed_dim", spec->hidden, AS_MOST_WIDTH),
                       .parts = as_config_size_or(c, "split_ngram_parts", 512, 1 << 16),
                       .taps = as_config_size_or(c, "ple_conv_kernel_size", 4, AS_MOST_TAPS),
                       .end = read_end(c),
                       .key_norm = as_spec_rms(AS_SLOT_NGRAM_KEY_NORM, eps, 1),
                       .query_norm = as_spec_rms(AS_SLOT_NGRAM_QUERY_NORM, eps, 1),
                       .conv_norm = as_spec_rms(AS_SLOT_NGRAM_CONV_NORM, eps, 1)};
    g.heads = (g.orders - 1) * as_config_size_or(c, "heads_per_ngram", 8, AS_MOST_NGRAM_HEADS);
    if (g.heads < 1 || g.heads > AS_MOST_NGRAM_HEADS || g.width % g.heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"ple_embed_dim\" is %lld, which %lld heads of n-grams (at most %d) do not divide",
                       (long long)g.width, (long long)g.heads, AS_MOST_NGRAM_HEADS);
    }
    return g;
}

/* The place of a layer's n-grams among those of all layers: ple_layer_ids counts from one; -1: it has none.
 */
static int64_t ngram_index(as_config *c, int64_t layer)
{
    int64_t before = 0;
    if (!as_config_lists(c, "ple_layer_ids", layer + 1)) return -1;
    for (int64_t i = 0; i < layer; i++) before += as_config_lists(c, "ple_layer_ids", i + 1);
    return before;
}

static void add_ngrams(as_config *c, as_model_spec *spec, int64_t layer, int64_t index,
                       const as_ngram_spec *shared)
{
    enum { MOST_IN_ALL = 1 << 14 };
    as_ngram_spec g = *shared;
    int64_t *numbers = AS_ARENA_NEW_ARRAY(&spec->arena, int64_t, g.orders + 2 * g.heads);
    if (!numbers) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
        return;
    }
    if (index * g.heads > MOST_IN_ALL) {
        as_config_fail(c, AS_E_LIMIT, "more than %d heads of n-grams", MOST_IN_ALL);
        return;
    }
    int64_t base = as_config_size_or(c, "ngram_vocab_size_base", 20000000, INT32_MAX);
    g.rows = fill_sizes(c, &g, index, base, numbers, numbers + g.heads);
    fill_factors(numbers + 2 * g.heads, g.orders, spec->vocab, index, as_config_int(c, "seed", 1234));
    g.sizes = numbers;
    g.offsets = numbers + g.heads;
    g.factors = numbers + 2 * g.heads;
    as_spec_add_step(c, spec, layer, &as_block_ngram, NULL, &g)->effect = AS_STEP_KEEPS;
}

/* ---- layers ----------------------------------------------------------------------------------------------
 */

/* A block of a layer between its streams. */
static void add_between(as_config *c, as_model_spec *spec, int64_t layer, const as_hyper_spec *streams,
                        const as_gated_streams_spec *gates, const as_block *block, const char *trace,
                        const void *form)
{
    as_spec_add_step(c, spec, layer, &as_block_gated_enter, NULL, gates)->effect = AS_STEP_REPLACES;
    as_spec_add_step(c, spec, layer, block, trace, form)->effect = AS_STEP_REPLACES;
    as_spec_add_step(c, spec, layer, &as_block_hyper_leave, NULL, streams)->effect = AS_STEP_KEEPS;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 32768);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 2, 256);
    if (c->rc != AS_OK) return;
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_attention_spec attention = as_spec_gated_attention(c, spec, eps, 1);
    as_delta_spec delta = as_spec_gated_delta(c, AS_DELTA_QKV, eps);
    delta.gate_act = as_config_activation(c, "output_gate_type", as_config_string(c, "hidden_act", "silu"));
    if (delta.gate_act != AS_ACT_SILU && delta.gate_act != AS_ACT_SIGMOID) {
        as_config_fail(c, AS_E_INPUT,
                       "\"output_gate_type\" (or \"hidden_act\") is %s, expected silu or sigmoid",
                       as_activation_name(delta.gate_act));
    }
    as_moe_spec moe = as_spec_gated_experts(c, as_config_size_or(c, "num_experts", 512, AS_MOST_EXPERTS), 10);
    as_hyper_spec streams = {.streams = as_config_size_or(c, "hc_count", 4, AS_MOST_HYPER_STREAMS),
                             .at = spec->carried,
                             .independent = true};
    as_norm_spec norm = as_spec_rms(AS_SLOT_STREAMS_1_NORM, eps, 1);
    as_gated_streams_spec first = {.streams = streams.streams,
                                   .at = streams.at,
                                   .rank = as_config_size_or(c, "hc_lowrank", 320, AS_MOST_WIDTH),
                                   .norm = norm,
                                   .down = AS_SLOT_STREAMS_1_DOWN,
                                   .up = AS_SLOT_STREAMS_1_UP,
                                   .inject = AS_SLOT_STREAMS_1_INJECT};
    as_gated_streams_spec second = first, last = first;
    second.norm.slot = AS_SLOT_STREAMS_2_NORM;
    second.down = AS_SLOT_STREAMS_2_DOWN;
    second.up = AS_SLOT_STREAMS_2_UP;
    second.inject = AS_SLOT_STREAMS_2_INJECT;
    last.norm.slot = AS_SLOT_STREAMS_OUT_NORM;
    last.down = AS_SLOT_STREAMS_OUT_DOWN;
    last.up = AS_SLOT_STREAMS_OUT_UP;
    last.inject = AS_SLOT_NONE;
    spec->carried += as_hyper_carried(streams.streams, spec->hidden);
    spec->streams = true;
    spec->intermediate = moe.width;
    as_ngram_spec ngrams = {0};
    const json_t *listed = json_object_get(c->root, "ple_layer_ids");
    if (json_array_size(listed)) ngrams = read_ngrams(c, spec, &streams, eps);
    int64_t interval = as_config_size_or(c, "full_attention_interval", 4, AS_MOST_LAYERS);
    as_spec_spread(c, spec, &streams);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool attends = as_spec_layer_is_indexed(c, spec, i, (i + 1) % interval == 0);
        int64_t index = ngram_index(c, i);
        if (attends && index >= 0) {
            as_config_fail(c, AS_E_INPUT,
                           "\"ple_layer_ids\" names layer %lld, which is not one of linear_attention",
                           (long long)i + 1);
        }
        if (attends && !attention.pools.top) attention.pools = read_index(c, spec, attention.rope, eps);
        if (c->rc != AS_OK) return;
        if (index >= 0) add_ngrams(c, spec, i, index, &ngrams);
        if (attends) {
            add_between(c, spec, i, &streams, &first, &as_block_attention, "mixer", &attention);
        } else {
            add_between(c, spec, i, &streams, &first, &as_block_delta, "mixer", &delta);
        }
        add_between(c, spec, i, &streams, &second, &as_block_moe, "ffn", &moe);
    }
    if (c->rc != AS_OK) return;
    as_spec_add_step(c, spec, spec->layer_count - 1, &as_block_gated_gather, NULL, &last)->effect =
        AS_STEP_REPLACES;
    spec->names = names;
    spec->prefixes = as_qwen_next_prefixes;
    spec->ignored = as_qwen_next_ignored;
    as_spec_finish(c, spec, (as_norm_spec){.present = false}, false);
}

const as_family as_family_qwen4_exp = {
    .architectures = {"Qwen4ExpForCausalLM"}, .nested = "text_config", .describe = describe};
