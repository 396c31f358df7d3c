/* DeepSeek-V4 (DeepSeek-AI 2026): transformers models/deepseek_v4. Hyper-connections around every block;
 * attention to a window and to compressed keys (blocks/compressed.h), all of them or those that an index
 * picks; experts beside a shared one in every layer, in the first layers chosen by the token alone. Layers
 * that predict further tokens are recognised and left out.
 *
 * norm_topk_prob, n_shared_experts and attention_bias mean nothing, as there. */
#include <math.h>
#include <string.h>

#include "engine/arch/experts.h"
#include "engine/arch/hyper.h"
#include "engine/blocks/compressed.h"

enum { MOST_RATE = 1 << 16, MOST_ITERATIONS = 1000 };

/* transformers' names, and behind | those of the published checkpoints. */
#define AT(ours, theirs)  "layers.%d.self_attn." ours "|layers.%d.attn." theirs
#define FFN(ours, theirs) "layers.%d.mlp." ours "|layers.%d.ffn." theirs
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|embed",
    [AS_SLOT_HEAD] = "^lm_head|^head",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.attn_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.ffn_norm",
    [AS_SLOT_Q_DOWN] = AT("q_a_proj", "wq_a"),
    [AS_SLOT_Q_DOWN_NORM] = AT("q_a_norm", "q_norm"),
    [AS_SLOT_Q_UP] = AT("q_b_proj", "wq_b"),
    [AS_SLOT_KV] = AT("kv_proj", "wkv"),
    [AS_SLOT_K_NORM] = AT("kv_norm", "kv_norm") "|layers.%d.attn.norm",
    [AS_SLOT_SINKS] = AT("sinks", "attn_sink"),
    [AS_SLOT_O_DOWN] = AT("o_a_proj", "wo_a"),
    [AS_SLOT_O] = AT("o_b_proj", "wo_b"),
    [AS_SLOT_POOL_KV] = AT("compressor.kv_proj", "compressor.wkv"),
    [AS_SLOT_POOL_GATE] = AT("compressor.gate_proj", "compressor.wgate"),
    [AS_SLOT_POOL_BIAS] = AT("compressor.position_bias", "compressor.ape"),
    [AS_SLOT_POOL_NORM] = AT("compressor.kv_norm", "compressor.norm"),
    [AS_SLOT_INDEX_K] = AT("compressor.indexer.kv_proj", "indexer.compressor.wkv"),
    [AS_SLOT_INDEX_POOL_GATE] = AT("compressor.indexer.gate_proj", "indexer.compressor.wgate"),
    [AS_SLOT_INDEX_POOL_BIAS] = AT("compressor.indexer.position_bias", "indexer.compressor.ape"),
    [AS_SLOT_INDEX_K_NORM] = AT("compressor.indexer.kv_norm", "indexer.compressor.norm"),
    [AS_SLOT_INDEX_Q] = AT("compressor.indexer.q_b_proj", "indexer.wq_b"),
    [AS_SLOT_INDEX_WEIGHTS] = AT("compressor.indexer.scorer.weights_proj", "indexer.weights_proj"),
    [AS_SLOT_HYPER_1] = "layers.%d.attn_hc.fn!|layers.%d.hc_attn_fn!",
    [AS_SLOT_HYPER_1_BASE] = "layers.%d.attn_hc.base|layers.%d.hc_attn_base",
    [AS_SLOT_HYPER_1_SCALE] = "layers.%d.attn_hc.scale|layers.%d.hc_attn_scale",
    [AS_SLOT_HYPER_2] = "layers.%d.ffn_hc.fn!|layers.%d.hc_ffn_fn!",
    [AS_SLOT_HYPER_2_BASE] = "layers.%d.ffn_hc.base|layers.%d.hc_ffn_base",
    [AS_SLOT_HYPER_2_SCALE] = "layers.%d.ffn_hc.scale|layers.%d.hc_ffn_scale",
    [AS_SLOT_HYPER_OUT] = "hc_head.hc_fn!|hc_head_fn!",
    [AS_SLOT_HYPER_OUT_BASE] = "hc_head.hc_base|hc_head_base",
    [AS_SLOT_HYPER_OUT_SCALE] = "hc_head.hc_scale|hc_head_scale",
    [AS_SLOT_ROUTER] = FFN("gate", "gate"),
    [AS_SLOT_ROUTER_CORRECTION] = FFN("gate.e_score_correction_bias", "gate.bias"),
    [AS_SLOT_ROUTER_TABLE] = FFN("gate.tid2eid", "gate.tid2eid"),
    [AS_SLOT_EXPERT_GATE] = FFN("experts.gate_up_proj!#0/2", "experts.%e.w1"),
    [AS_SLOT_EXPERT_UP] = FFN("experts.gate_up_proj!#1/2", "experts.%e.w3"),
    [AS_SLOT_EXPERT_DOWN] = FFN("experts.down_proj!", "experts.%e.w2"),
    [AS_SLOT_SHARED_GATE] = FFN("shared_experts.gate_proj", "shared_experts.w1"),
    [AS_SLOT_SHARED_UP] = FFN("shared_experts.up_proj", "shared_experts.w3"),
    [AS_SLOT_SHARED_DOWN] = FFN("shared_experts.down_proj", "shared_experts.w2"),
};
#undef AT
#undef FFN

static const char *const ignored[] = {"*rotary_emb.*inv_freq", "mtp.*", "*.mtp.*", NULL};

/* ---- rotation --------------------------------------------------------------------------------------------
 */

/* The rotary parameters under "main" (of layers without compressed keys) and "compress", as the class makes
 * them of either form: nested as they are; otherwise the scaling is that of "compress" alone, with a base of
 * its own and no factor on YaRN's cosines unless one is stated. */
static json_t *rope_of(as_config *c, double head_dim)
{
    json_t *stated = json_object_get(c->root, "rope_scaling");
    if (json_object_size(stated) == 0) stated = json_object_get(c->root, "rope_parameters");
    json_t *main = json_object_get(stated, "main"), *compress = json_object_get(stated, "compress");
    double theta = as_config_number(c, "rope_theta", 10000), share = 0;
    bool shared = as_config_has(c, "partial_rotary_factor");
    share = as_config_number(c, "partial_rotary_factor",
                             as_config_number(c, "qk_rope_head_dim", head_dim / 8) / head_dim);
    json_t *out = json_object();
    if (json_is_object(main) && json_is_object(compress)) {
        json_object_set_new(out, "main", json_copy(main));
        json_object_set_new(out, "compress", json_copy(compress));
    } else {
        json_object_set_new(out, "main", json_object());
        compress = json_is_object(stated) ? json_copy(stated) : json_object();
        json_object_set_new(out, "compress", compress);
        json_object_del(compress, "main");
        json_object_del(compress, "compress");
        json_object_set_new(compress, "rope_theta",
                            json_real(as_config_number(c, "compress_rope_theta", 160000)));
        json_object_del(compress, "partial_rotary_factor");
        const char *kind = json_string_value(json_object_get(compress, "rope_type"));
        if (!kind) kind = json_string_value(json_object_get(compress, "type"));
        if (kind && strcmp(kind, "yarn") == 0 && !json_object_get(compress, "attention_factor"))
            json_object_set_new(compress, "attention_factor", json_real(1));
        json_t *original = json_object_get(c->root, "original_max_position_embeddings");
        if (json_is_integer(original))
            json_object_set(compress, "original_max_position_embeddings", original);
        shared = true;
    }
    const char *key;
    json_t *part;
    json_object_foreach(out, key, part)
    {
        if (!json_object_get(part, "rope_theta")) json_object_set_new(part, "rope_theta", json_real(theta));
        if (shared && !json_object_get(part, "partial_rotary_factor"))
            json_object_set_new(part, "partial_rotary_factor", json_real(share));
    }
    return out;
}

/* The tables of one kind of layer. */
typedef struct layer_ropes {
    int here, back, key; /* key: by the first of `rate` tokens */
} layer_ropes;

static layer_ropes read_ropes(as_config *c, as_model_spec *spec, json_t *parameters, const char *type,
                              int64_t rate)
{
    as_config fields = *c;
    json_t *root = json_pack("{s:O}", "rope_parameters", parameters);
    fields.root = root;
    as_rope_defaults d = {.kind = AS_ROPE_INTERLEAVED,
                          .head_dim = spec->head_dim,
                          .theta = 10000,
                          .partial = 1,
                          .layer_type = type};
    layer_ropes ropes = {.here = as_config_rope(&fields, &d, spec)};
    d.every = rate;
    ropes.key = rate ? as_config_rope(&fields, &d, spec) : ropes.here;
    d.every = 0;
    d.backward = true;
    ropes.back = as_config_rope(&fields, &d, spec);
    fields.root = c->root;
    *c = fields;
    json_decref(root);
    as_spec_refuse_varying_rope(c, spec, ropes.here, "compressed keys");
    if (spec->ropes[ropes.here].rotary < 2) {
        as_config_fail(
            c, AS_E_INPUT,
            "\"qk_rope_head_dim\" or its share leaves no pair of the %lld elements of a head to rotate",
            (long long)spec->head_dim);
    }
    return ropes;
}

/* ---- attention -------------------------------------------------------------------------------------------
 */

typedef enum { SLIDING, SPARSE, HEAVY, LAYER_KINDS } layer_kind;

static const char *const kind_names[LAYER_KINDS] = {"sliding_attention", "compressed_sparse_attention",
                                                    "heavily_compressed_attention"};

/* Entry `layer` of a list, which may go on behind the last layer. */
static const json_t *entry_of(as_config *c, const char *key, const as_model_spec *spec, int64_t layer)
{
    const json_t *list = json_object_get(c->root, key);
    if (!json_is_array(list) || (int64_t)json_array_size(list) < spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" must be a list with one entry for each of the %lld layers", key,
                       (long long)spec->layer_count);
        return NULL;
    }
    return json_array_get(list, (size_t)layer);
}

static layer_kind kind_of_ratio(as_config *c, int64_t layer, const json_t *ratio)
{
    int64_t value = json_is_integer(ratio) ? json_integer_value(ratio) : -1;
    if (value != 0 && value != 4 && value != 128) {
        as_config_fail(c, AS_E_INPUT, "\"compress_ratios\"[%lld] is %lld, expected 0, 4 or 128",
                       (long long)layer, (long long)value);
    }
    return value == 4 ? SPARSE : value == 128 ? HEAVY : SLIDING;
}

static layer_kind kind_of(as_config *c, const as_model_spec *spec, int64_t layer)
{
    if (!as_config_has(c, "layer_types")) {
        if (as_config_has(c, "compress_ratios"))
            return kind_of_ratio(c, layer, entry_of(c, "compress_ratios", spec, layer));
        return layer < 2 || layer % 2 == 0 ? HEAVY : SPARSE;
    }
    const char *type = json_string_value(entry_of(c, "layer_types", spec, layer));
    for (int k = 0; type && k < LAYER_KINDS; k++) {
        if (strcmp(type, kind_names[k]) == 0) return (layer_kind)k;
    }
    as_config_fail(c, AS_E_UNSUPPORTED, "\"layer_types\"[%lld] is \"%s\", expected %s, %s or %s",
                   (long long)layer, type ? type : "", kind_names[0], kind_names[1], kind_names[2]);
    return SLIDING;
}

/* Tokens of one compressed key. */
static int64_t rate_of(as_config *c, layer_kind kind)
{
    const char *key = kind == SPARSE ? "compress_rate_csa" : "compress_rate_hca";
    if (as_config_has(c, key)) return as_config_size(c, key, MOST_RATE);
    if (!as_config_has(c, "compress_rates")) return kind == SPARSE ? 4 : 128;
    as_config rates = as_config_nested(c, "compress_rates");
    int64_t rate = as_config_size(&rates, kind_names[kind], MOST_RATE);
    as_config_return(c, &rates);
    return rate;
}

static as_compressed_spec read_attention(as_config *c, as_model_spec *spec, double eps)
{
    spec->heads = as_config_size_or(c, "num_attention_heads", 64, AS_MOST_HEADS);
    spec->kv_heads = 1;
    spec->head_dim = as_config_size_or(c, "head_dim", 512, AS_MOST_HEAD_COLS);
    as_compressed_spec m = {
        .heads = spec->heads,
        .width = spec->head_dim,
        .q_rank = as_config_size_or(c, "q_lora_rank", 1024, AS_MOST_WIDTH),
        .window = as_config_size_or(c, "sliding_window", 128, 1 << 30),
        .groups = as_config_size_or(c, "o_groups", 8, AS_MOST_HEADS),
        .group_rank = as_config_size_or(c, "o_lora_rank", 1024, AS_MOST_HEAD_ROWS),
        .q_norm = as_spec_rms(AS_SLOT_Q_DOWN_NORM, eps, 0),
        .head_norm = as_spec_rms(AS_SLOT_NONE, eps, 0),
        .kv_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 0),
        .entry_norm = as_spec_rms(AS_SLOT_POOL_NORM, eps, 0),
        .index_norm = as_spec_rms(AS_SLOT_INDEX_K_NORM, eps, 0),
        .scale = (float)(1 / sqrt((double)spec->head_dim)),
    };
    m.head_norm.weightless = true;
    int64_t all = m.heads * m.width;
    if (all % m.groups) {
        as_config_fail(c, AS_E_INPUT, "\"o_groups\" is %lld, which does not divide %lld heads of %lld",
                       (long long)m.groups, (long long)m.heads, (long long)m.width);
    } else if (all / m.groups > AS_MOST_HEAD_COLS) {
        as_config_fail(c, AS_E_LIMIT,
                       "\"o_groups\" %lld makes groups of %lld elements, at most %d are possible",
                       (long long)m.groups, (long long)(all / m.groups), AS_MOST_HEAD_COLS);
    }
    return m;
}

/* The attention of one kind of layer. */
static as_compressed_spec attention_of(as_config *c, as_model_spec *spec, const as_compressed_spec *base,
                                       json_t *ropes, layer_kind kind)
{
    as_compressed_spec m = *base;
    m.rate = kind == SLIDING ? 0 : rate_of(c, kind);
    m.overlap = kind == SPARSE;
    layer_ropes rope = read_ropes(c, spec, ropes, kind == SLIDING ? "main" : "compress", m.rate);
    m.rope = rope.here;
    m.rope_back = rope.back;
    m.rope_key = rope.key;
    if (kind != SPARSE) return m;
    m.index_heads = as_config_size_or(c, "index_n_heads", 64, AS_MOST_INDEX_HEADS);
    m.index_width = as_config_size_or(c, "index_head_dim", 128, AS_MOST_INDEX_WIDTH);
    m.index_top = as_config_size_or(c, "index_topk", 512, AS_MOST_INDEX_KEYS);
    if (m.index_width < spec->ropes[m.rope].rotary) {
        as_config_fail(c, AS_E_INPUT, "\"index_head_dim\" is %lld, of which %lld cannot be rotated",
                       (long long)m.index_width, (long long)spec->ropes[m.rope].rotary);
    }
    return m;
}

/* ---- experts ---------------------------------------------------------------------------------------------
 */

static as_moe_spec read_experts(as_config *c)
{
    as_moe_spec moe = as_spec_experts(
        c, &(as_expert_keys){.count = as_config_key(c, "num_local_experts", "n_routed_experts"),
                             .count_default = 256,
                             .top_k = "num_experts_per_tok",
                             .top_k_default = 6,
                             .width = as_config_key(c, "intermediate_size", "moe_intermediate_size"),
                             .width_default = 2048});
    const char *score = as_config_string(c, "scoring_func", "sqrtsoftplus");
    moe.route = strcmp(score, "sigmoid") == 0 ? AS_ROUTE_SIGMOID : AS_ROUTE_SQRT_SOFTPLUS;
    if (moe.route != AS_ROUTE_SIGMOID && strcmp(score, "sqrtsoftplus") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"scoring_func\" is \"%s\", expected sqrtsoftplus or sigmoid",
                       score);
    }
    moe.correction = moe.normalise = true;
    moe.scale = as_config_factor(c, "routed_scaling_factor", 1.5);
    moe.limit = (float)as_config_number_in(c, "swiglu_limit", 10, 1e-6, 1e30);
    as_spec_share(c, &moe, moe.width);
    moe.shared.limit = moe.limit;
    moe.shared.up_bias = moe.shared.down_bias = as_config_bool(c, "mlp_bias", false);
    return moe;
}

/* Whether the layer's experts are chosen by the token alone. */
static bool is_hashed(as_config *c, const as_model_spec *spec, int64_t layer)
{
    if (!as_config_has(c, "mlp_layer_types")) return layer < as_config_int(c, "num_hash_layers", 3);
    const char *type = json_string_value(entry_of(c, "mlp_layer_types", spec, layer));
    bool hashed = type && strcmp(type, "hash_moe") == 0;
    if (!hashed && (!type || strcmp(type, "moe") != 0)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"mlp_layer_types\"[%lld] is \"%s\", expected hash_moe or moe",
                       (long long)layer, type ? type : "");
    }
    return hashed;
}

/* Times that the columns of the weights between streams are brought to one, once at least. */
static int64_t read_iterations(as_config *c)
{
    int64_t count = as_config_int(c, "hc_sinkhorn_iters", 20);
    if (count > MOST_ITERATIONS) {
        as_config_fail(c, AS_E_LIMIT, "\"hc_sinkhorn_iters\" is %lld, at most %d are possible",
                       (long long)count, MOST_ITERATIONS);
    }
    return count > 1 ? count : 1;
}

static void describe(as_config *c, as_model_spec *spec)
{
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_spec_base(c, spec, 1048576);
    as_compressed_spec base = read_attention(c, spec, eps);
    as_moe_spec moe = read_experts(c);
    as_hyper_spec hyper = as_spec_hyper(c, spec, eps);
    hyper.magnitude = 2;
    hyper.iterations = read_iterations(c);
    spec->intermediate = moe.width;
    if (c->rc != AS_OK) return;
    json_t *ropes = rope_of(c, (double)spec->head_dim);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_compressed_spec attention = attention_of(c, spec, &base, ropes, kind_of(c, spec, i));
        moe.by_token = is_hashed(c, spec, i);
        moe.correction = !moe.by_token;
        as_spec_add_streamed(c, spec, i, &hyper, 0, &as_block_compressed, &attention, norm);
        as_spec_add_streamed(c, spec, i, &hyper, 1, &as_block_moe, &moe, norm);
    }
    json_decref(ropes);
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
    as_spec_ignore_next_token_layers(c, spec);
}

const as_family as_family_deepseek_v4 = {.architectures = {"DeepseekV4ForCausalLM"}, .describe = describe};
