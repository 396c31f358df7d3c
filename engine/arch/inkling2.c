/* Inkling 2 (Thinking Machines 2026); transformers models/inkling2. Inkling's heads, windows, learned biases
 * of the distance and short convolutions; but each block reads a mix of what the stream was at the beginning
 * of every few layers, in layers that see everything one for queries, keys and values each; vectors are
 * shortened instead of normed; rows project their own attention sinks and, in layers that see everything,
 * part of the convolution of their keys and values; gates and units of the experts are capped. */
#include <math.h>
#include <string.h>

#include "engine/arch/inkling.h"
#include "engine/blocks/sources.h"

/* As transformers names them, and as published. */
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens|embed",
    [AS_SLOT_EMBED_NORM] = "embed_tokens.embed_norm|embed_norm",
    [AS_SLOT_HEAD] = "^lm_head|unembed",
    [AS_SLOT_SOURCES_1] = "layers.%d.attention_input.query!|attn_res.attn_queries.%b!",
    [AS_SLOT_SOURCES_2] = "layers.%d.mlp_input.query!|attn_res.mlp_queries.%d!",
    [AS_SLOT_SOURCES_OUT] = "final_input.query!|attn_res.output_query!",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm|layers.%d.q_input_layernorm|layers.%d.attn_norm|"
                       "layers.%d.q_input_norm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm|layers.%d.mlp_norm",
    [AS_SLOT_K_IN_NORM] = "layers.%d.k_input_layernorm|layers.%d.k_input_norm",
    [AS_SLOT_V_IN_NORM] = "layers.%d.v_input_layernorm|layers.%d.v_input_norm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj|layers.%d.attn.wq_du",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj|layers.%d.attn.wk_dv",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj|layers.%d.attn.wv_dv",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj|layers.%d.attn.wo_ud",
    [AS_SLOT_K_CONV] = "layers.%d.self_attn.k_sconv.conv1d|layers.%d.attn.k_sconv",
    [AS_SLOT_V_CONV] = "layers.%d.self_attn.v_sconv.conv1d|layers.%d.attn.v_sconv",
    [AS_SLOT_K_CONV_OWN] = "layers.%d.self_attn.k_sconv.weight_proj|layers.%d.attn.k_sconv.weight_proj!",
    [AS_SLOT_V_CONV_OWN] = "layers.%d.self_attn.v_sconv.weight_proj|layers.%d.attn.v_sconv.weight_proj!",
    [AS_SLOT_K_CONV_SHARED] = "layers.%d.self_attn.k_sconv.static_weight!|layers.%d.attn.k_sconv.static_w!",
    [AS_SLOT_V_CONV_SHARED] = "layers.%d.self_attn.v_sconv.static_weight!|layers.%d.attn.v_sconv.static_w!",
    [AS_SLOT_Q_SCALE] = "layers.%d.self_attn.q_l2_clip.scale!|layers.%d.attn.q_l2_clip.scale!",
    [AS_SLOT_SCORE_BIAS] = "layers.%d.self_attn.r_proj|layers.%d.attn.wr_du",
    [AS_SLOT_SCORE_BIAS_SCALE] = "layers.%d.self_attn.rel_l2_clip.scale!|layers.%d.attn.rel_l2_clip.scale!",
    [AS_SLOT_SCORE_BIAS_PROFILES] =
        "~layers.%d.self_attn.rel_logits_proj.proj!|~layers.%d.attn.rel_logits_proj.proj!",
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.gate_proj|layers.%d.attn.gate_attn",
    [AS_SLOT_SINKS] = "layers.%d.self_attn.sink_proj|layers.%d.attn.attn_sink_proj",
    /* of the stems att and mlp */
    [AS_SLOT_OUTPUT_CONV] = "layers.%d.post_%s_convolution.conv1d|layers.%d.post_%sention_convolution.conv1d|"
                            "layers.%d.%s_sconv|layers.%d.%sn_sconv",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.gate.e_score_correction_bias|layers.%d.mlp.gate.bias",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.mlp.experts.gate_up_proj!#0/2|layers.%d.mlp.experts.w13_weight!#0%2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.experts.gate_up_proj!#1/2|layers.%d.mlp.experts.w13_weight!#1%2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.experts.down_proj!|layers.%d.mlp.experts.w2_weight!",
};
static const char *const prefixes[] = {"model.", "", "model.language_model.", "model.llm.", NULL};

/* ---- where things lie in what is carried -----------------------------------------------------------------
 */

/* What blocks read, for queries, keys and values; behind them the states. */
enum { MIXES = 3 };

typedef struct places {
    int64_t hidden, every; /* layers from one state to the next */
} places;

/* States kept before layer i. */
static int64_t states_before(const places *p, int64_t layer)
{
    return (layer + p->every - 1) / p->every;
}

static as_sources_spec sources_of(const places *p, int64_t count, int64_t mixes, as_slot queries)
{
    return (as_sources_spec){
        .at = MIXES * p->hidden, .count = count, .mixes = mixes, .queries = queries, .eps = 1e-6f};
}

/* ---- parts -----------------------------------------------------------------------------------------------
 */

static float positive(as_config *c, const char *key, double otherwise)
{
    return (float)as_config_number_in(c, key, otherwise, 1e-9, 1e30);
}

static as_attention_spec attention_of(as_config *c, const as_model_spec *spec, bool sliding, double eps)
{
    static const as_inkling_defaults defaults = {.heads = 48, .kv_heads = 8, .window = 1024, .floor = 128000};
    as_attention_spec a = as_inkling_attention(c, spec, &defaults, sliding);
    int64_t terms = sliding ? a.kv_taps + 1 : 2 * a.kv_taps + 1;
    a.scale = (float)(1 / sqrt((double)a.k_width));
    a.kv_conv_scale = (float)(1 / sqrt((double)terms));
    a.most_length = positive(c, "qk_l2_clip_threshold", 22.627416997969522);
    a.score_bias.most_length = positive(c, "rel_l2_clip_threshold", 8);
    a.sinks_read = true;
    a.gate = AS_ATTENTION_GATE_ELEMENTS;
    a.gate_act = AS_ACT_SIGMOID;
    a.v_norm = as_spec_rms(AS_SLOT_NONE, eps, 0);
    a.v_norm.weightless = true;
    if (!sliding) {
        a.kv_conv_own = true;
        a.k_from = 1 + spec->hidden;
        a.v_from = 1 + 2 * spec->hidden;
        a.k_in_norm = as_spec_rms(AS_SLOT_K_IN_NORM, eps, 0);
        a.v_in_norm = as_spec_rms(AS_SLOT_V_IN_NORM, eps, 0);
    }
    return a;
}

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = {
        .experts = as_inkling_size(c, "n_routed_experts", "num_local_experts", 384, AS_MOST_EXPERTS),
        .top_k = as_config_size_or(c, "num_experts_per_tok", 8, AS_MOST_RANKS),
        .width = as_inkling_size(c, "moe_intermediate_size", "intermediate_size", 2304, AS_MOST_WIDTH),
        .act = AS_ACT_SILU,
        .gated = true,
        .gate_cap = positive(c, "mlp_gate_softcap", 4),
        .up_cap = positive(c, "mlp_up_softcap", 25),
        .route = AS_ROUTE_SIGMOID,
        .correction = true,
        .normalise = true,
        .scale = as_config_factor(c, as_config_key(c, "route_scale", "routed_scaling_factor"), 8)};
    const char *score = as_config_string(c, "scoring_func", "sigmoid");
    if (strcmp(score, "sqrtsoftplus") == 0) {
        moe.route = AS_ROUTE_SQRT_SOFTPLUS;
    } else if (strcmp(score, "sigmoid") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"scoring_func\" is \"%s\", expected sigmoid or sqrtsoftplus",
                       score);
    }
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    return moe;
}

/* ---- layers ----------------------------------------------------------------------------------------------
 */

static void add_sources(as_config *c, as_model_spec *spec, int64_t layer, const as_sources_spec *sources,
                        as_step_effect effect)
{
    as_step *step = as_spec_add_step(c, spec, layer, &as_block_sources, NULL, sources);
    if (step) step->effect = effect;
}

/* The step reads the first mix, and its output is convolved. */
static void settle(as_step *step, const char *stem, int64_t taps)
{
    if (!step) return;
    step->from_carried = 1;
    step->stem = stem;
    step->out_taps = taps;
    step->out_conv_scale = (float)(1 / sqrt((double)(taps + 1)));
}

static void add_layer(as_config *c, as_model_spec *spec, const places *p, int64_t layer,
                      const as_attention_spec *attention, const as_moe_spec *moe, as_norm_spec norm)
{
    int64_t before = states_before(p, layer);
    bool begins = layer % p->every == 0;
    as_sources_spec sources =
        sources_of(p, before, attention->k_from ? MIXES : 1, layer ? AS_SLOT_SOURCES_1 : AS_SLOT_NONE);
    sources.keeps = begins;
    add_sources(c, spec, layer, &sources, AS_STEP_KEEPS);
    as_step *step = as_spec_add_mixer(c, spec, layer, &as_block_attention, attention, norm);
    settle(step, "att", attention->kv_taps);
    if (step && begins) step->effect = AS_STEP_REPLACES;
    sources = sources_of(p, before + begins, 1, AS_SLOT_SOURCES_2);
    add_sources(c, spec, layer, &sources, AS_STEP_KEEPS);
    settle(as_spec_add_ffn(c, spec, layer, &as_block_moe, moe, norm), "mlp", attention->kv_taps);
}

static void describe(as_config *c, as_model_spec *spec)
{
    static const as_size_keys sizes = {.context = "model_max_length"};
    as_spec_sizes_named(c, spec, &sizes, 1048576);
    spec->heads = as_config_size_or(c, "num_attention_heads", 48, AS_MOST_HEADS);
    spec->kv_heads = as_config_size_or(c, "num_key_value_heads", 8, AS_MOST_HEADS);
    spec->head_dim = as_config_size_or(c, "head_dim", 128, AS_MOST_HEAD_WIDTH);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-6);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_attention_spec full = attention_of(c, spec, false, eps), sliding = attention_of(c, spec, true, eps);
    as_moe_spec moe = experts_of(c);
    spec->intermediate = moe.width;
    places p = {.hidden = spec->hidden,
                .every = as_config_size_or(c, "n_layers_per_attn_res_block", 6, AS_MOST_LAYERS)};
    int64_t states = states_before(&p, spec->layer_count);
    if (states >= AS_MOST_SOURCES) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"n_layers_per_attn_res_block\" is %lld of %lld layers: %d states at most",
                       (long long)p.every, (long long)spec->layer_count, (int)AS_MOST_SOURCES - 1);
    }
    spec->carried = (MIXES + states) * spec->hidden;
    spec->streams = true;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        add_layer(c, spec, &p, i, as_inkling_slides(c, spec, i) ? &sliding : &full, &moe, norm);
    }
    as_sources_spec last = sources_of(&p, states, 1, AS_SLOT_SOURCES_OUT);
    last.to = -1;
    if (c->rc == AS_OK) add_sources(c, spec, spec->layer_count - 1, &last, AS_STEP_REPLACES);
    spec->embed_norm = as_spec_rms(AS_SLOT_EMBED_NORM, eps, 0);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 30);
    as_inkling_cut_vocabulary(c, spec, 200058);
    spec->names = names;
    spec->prefixes = prefixes;
    as_spec_finish(c, spec, norm, false);
    spec->tied_head = false; /* never, whatever the configuration says */
}

const as_family as_family_inkling2 = {.architectures = {"Inkling2ForCausalLM"}, .describe = describe};
