/* Doge: Shi et al. 2024; transformers models/doge. Norms on each query and key head; a bias on the scores of
 * each key that its values give, by which, beyond keep_window_size keys, the ones to attend to are chosen;
 * the stream is weighed channel by channel before each output is added. With is_moe the feed-forward part has
 * experts of one row beside it. */
#include "engine/arch/experts.h"
#include "engine/blocks/product_keys.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_SCORE_BIAS] = "layers.%d.self_attn.dt_proj",
    [AS_SLOT_SCORE_BIAS_RATE] = "layers.%d.self_attn.A!",
    [AS_SLOT_RESIDUAL_SCALE] = "layers.%d.%s_residual!",
    [AS_SLOT_ROUTER] = "layers.%d.mlp.router_gate",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.down_embed",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.up_embed",
};

/* What a row may see at most of the keys before it; 0: all. */
static int64_t kept_keys(as_config *c, const as_model_spec *spec, int64_t window)
{
    int64_t keep = as_config_size_or(c, "keep_window_size", 2048, INT32_MAX);
    if (window > 0 && window <= keep) return 0;
    if (keep <= AS_MOST_INDEX_KEYS) return keep;
    if (spec->context > keep) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"keep_window_size\" is %lld, expected at most %d",
                       (long long)keep, AS_MOST_INDEX_KEYS);
    }
    return 0;
}

static as_product_keys_spec experts_of(as_config *c, const as_mlp_spec *mlp)
{
    as_product_keys_spec keys = {.experts = as_config_size_or(c, "num_experts", 16384, AS_MOST_EXPERTS),
                                 .top_k = as_config_size_or(c, "num_experts_per_tok", 64, AS_MOST_RANKS),
                                 .act = mlp->act,
                                 .normalise = as_config_bool(c, "norm_topk_prob", false),
                                 .shared = *mlp};
    while ((keys.keys + 1) * (keys.keys + 1) <= keys.experts) keys.keys++;
    if (keys.top_k > keys.keys * keys.keys) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts",
                       (long long)keys.top_k, (long long)(keys.keys * keys.keys));
    }
    return keys;
}

static void weigh_stream(as_step *step, const char *stem)
{
    if (!step) return;
    step->residual_affine.scale = AS_SLOT_RESIDUAL_SCALE;
    step->stem = stem;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    bool bias = as_config_bool(c, "attention_bias", false), moe = as_config_bool(c, "is_moe", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_spec_norm_heads(&attention, eps);
    attention.window = as_spec_window(c, 0);
    attention.score_bias = (as_score_bias_spec){
        .kind = AS_SCORE_BIAS_KEY, .projection_bias = bias, .keep = kept_keys(c, spec, attention.window)};
    if (spec->kv_heads > AS_MOST_INDEX_WIDTH) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"num_key_value_heads\" is %lld, expected at most %d",
                       (long long)spec->kv_heads, AS_MOST_INDEX_WIDTH);
    }
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"),
                                        as_config_bool(c, "mlp_bias", false));
    as_product_keys_spec keys = {.keys = 0};
    if (moe) keys = experts_of(c, &mlp);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        weigh_stream(as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm), "input");
        const as_block *block = moe ? &as_block_product_keys : &as_block_mlp;
        weigh_stream(as_spec_add_ffn(c, spec, i, block, moe ? (const void *)&keys : &mlp, norm),
                     "post_attention");
    }
    spec->whole_feeds = moe;
    spec->names = names;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_doge = {.architectures = {"DogeForCausalLM"}, .describe = describe};
