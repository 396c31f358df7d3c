/* Gemma 3n (text; Google 2025): Gemma 3 with alternating updates of several residual streams, a learned
 * low-rank residual beside the attention, per-layer inputs, feed-forward blocks whose gate keeps its largest
 * values alone, and last layers that read the keys and values of earlier ones; transformers models/gemma3n.
 * Norms here are stored whole, not less one. */
#include <math.h>

#include "engine/arch/gemma.h"
#include "engine/blocks/altup.h"
#include "engine/blocks/per_layer.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_PER_LAYER_EMBED] = "embed_tokens_per_layer",
    [AS_SLOT_PER_LAYER_IN] = "per_layer_model_projection",
    [AS_SLOT_PER_LAYER_IN_NORM] = "per_layer_projection_norm",
    [AS_SLOT_STREAMS_IN] = "altup_projections.%e",
    [AS_SLOT_STREAMS_OUT] = "altup_unembed_projections.%e",
    [AS_SLOT_PER_LAYER_GATE] = "layers.%d.per_layer_input_gate",
    [AS_SLOT_PER_LAYER_OUT] = "layers.%d.per_layer_projection",
    [AS_SLOT_PER_LAYER_NORM] = "layers.%d.post_per_layer_input_norm",
    [AS_SLOT_ALTUP_ROUTER] = "layers.%d.altup.modality_router",
    [AS_SLOT_ALTUP_ROUTER_NORM] = "layers.%d.altup.router_norm",
    [AS_SLOT_ALTUP_PREDICT] = "layers.%d.altup.prediction_coefs",
    [AS_SLOT_ALTUP_CORRECT] = "layers.%d.altup.correction_coefs",
    [AS_SLOT_ALTUP_SCALE] = "layers.%d.altup.correct_output_scale",
    [AS_SLOT_LAUREL_DOWN] = "layers.%d.laurel.linear_left",
    [AS_SLOT_LAUREL_UP] = "layers.%d.laurel.linear_right",
    [AS_SLOT_LAUREL_NORM] = "layers.%d.laurel.post_laurel_norm",
};

/* All that a layer is made of; attention and mlp change from layer to layer. */
typedef struct parts {
    as_norm_spec norm;
    as_attention_spec attention;
    as_mlp_spec mlp;
    as_altup_spec altup;
    as_laurel_spec laurel;
    as_per_layer_spec per_layer;
    int full_rope, sliding_rope;
    int64_t window, first_shared;
    bool *slides; /* [layers] */
} parts;

/* Below which of its values a share p of a normal distribution lies. */
static double normal_quantile(double p)
{
    double low = -40, high = 40;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;
        *(0.5 * erfc(-middle * M_SQRT1_2) < p ? &low : &high) = middle;
    }
    return (low + high) / 2;
}

/* activation_sparsity_pattern: the share of the gate's values that are cut off. */
static void read_sparsity(as_config *c, const as_model_spec *spec, int64_t layer, as_mlp_spec *mlp)
{
    const json_t *list = json_object_get(c->root, "activation_sparsity_pattern");
    double share = spec->layer_count > 10 && layer < 10 ? 0.95 : 0;
    if (list && !json_is_null(list)) {
        const json_t *item = json_array_get(list, (size_t)layer);
        if ((int64_t)json_array_size(list) != spec->layer_count || !json_is_number(item) ||
            !(json_number_value(item) >= 0 && json_number_value(item) < 1)) {
            as_config_fail(c, AS_E_INPUT,
                           "\"activation_sparsity_pattern\" must be a list of %lld numbers from 0 to less "
                           "than 1, one for each layer",
                           (long long)spec->layer_count);
            return;
        }
        share = json_number_value(item);
    }
    mlp->sparse = share > 0;
    mlp->deviations = share > 0 ? (float)normal_quantile((float)share) : 0;
}

/* intermediate_size: one for all layers or a list. */
static int64_t read_width(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const json_t *value = json_object_get(c->root, "intermediate_size");
    if (!json_is_array(value)) return as_config_size_or(c, "intermediate_size", 16384, AS_MOST_WIDTH);
    json_int_t width = json_integer_value(json_array_get(value, (size_t)layer));
    if ((int64_t)json_array_size(value) == spec->layer_count && width >= 1 && width <= AS_MOST_WIDTH)
        return width;
    as_config_fail(c, AS_E_INPUT,
                   "\"intermediate_size\" must be a size or a list of %lld sizes, one for each layer",
                   (long long)spec->layer_count);
    return 1;
}

static void read_attention(as_config *c, as_model_spec *spec, parts *p)
{
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 2, 256);
    as_gemma_ropes(c, spec, &p->full_rope, &p->sliding_rope);
    bool bias = as_config_bool(c, "attention_bias", false);
    p->attention = as_spec_attention(spec, p->full_rope, bias, bias);
    as_gemma_norm_heads(&p->attention, p->norm);
    p->window = as_spec_window(c, 512);
    p->first_shared = as_gemma_first_shared(c, spec, 15);
    p->slides = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!p->slides) as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        p->slides[i] = as_spec_layer_slides(c, spec, i, (i + 1) % 5 != 0);
    }
}

/* The streams and the per-layer inputs, and their places in what is carried. */
static void read_streams(as_config *c, as_model_spec *spec, parts *p)
{
    int64_t streams = as_config_size_or(c, "altup_num_inputs", 4, AS_MOST_STREAMS);
    int64_t active = as_config_int(c, "altup_active_idx", 0);
    if (active < 0 || active >= streams) {
        as_config_fail(c, AS_E_INPUT,
                       "\"altup_active_idx\" is %lld, expected 0 to less than \"altup_num_inputs\" %lld",
                       (long long)active, (long long)streams);
    }
    p->altup = (as_altup_spec){.streams = streams,
                               .active = active,
                               .router_norm = as_gemma_norm_at(p->norm, AS_SLOT_ALTUP_ROUTER_NORM)};
    p->laurel = (as_laurel_spec){.rank = as_config_size_or(c, "laurel_rank", 64, AS_MOST_WIDTH),
                                 .norm = as_gemma_norm_at(p->norm, AS_SLOT_LAUREL_NORM)};
    p->per_layer = (as_per_layer_spec){
        .width = as_config_size_or(c, "hidden_size_per_layer_input", 256, AS_MOST_WIDTH),
        .layers = spec->layer_count,
        .vocab = as_config_size_or(c, "vocab_size_per_layer_input", 262144, AS_MOST_WIDTH * 4),
        .at = streams * spec->hidden,
        .act = p->mlp.act,
        .in_norm = as_gemma_norm_at(p->norm, AS_SLOT_PER_LAYER_IN_NORM),
        .out_norm = as_gemma_norm_at(p->norm, AS_SLOT_PER_LAYER_NORM),
        .scaled = as_config_bool(c, "altup_correct_scale", true),
        .other_streams = streams - 1,
        .other_at = spec->hidden};
    spec->streams = true;
    spec->carried = streams * spec->hidden + spec->layer_count * p->per_layer.width;
}

static void add_edge(as_config *c, as_model_spec *spec, int64_t layer, const as_block *block,
                     const void *form, as_step_effect effect)
{
    as_spec_add_step(c, spec, layer, block, NULL, form)->effect = effect;
}

/* Steps before the attention of a layer. */
static int leading_steps(int64_t layer)
{
    return layer == 0 ? 3 : 1;
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t i, const parts *p)
{
    if (i == 0) {
        add_edge(c, spec, i, &as_block_per_layer_inputs, &p->per_layer, AS_STEP_KEEPS);
        add_edge(c, spec, i, &as_block_altup_spread, &p->altup, AS_STEP_KEEPS);
    }
    add_edge(c, spec, i, &as_block_altup_predict, &p->altup, AS_STEP_REPLACES);
    as_step *step = as_spec_add_mixer(c, spec, i, &as_block_attention, &p->attention, p->norm);
    step->out_norm = as_gemma_norm_at(p->norm, AS_SLOT_NORM_1_POST);
    if (p->attention.shared_cache) {
        int64_t from = as_gemma_cache_layer(c, p->slides, p->first_shared, i);
        step->cache_layer = from + 1;
        step->cache_shift = leading_steps(from) - leading_steps(i);
    }
    step = as_spec_add_step(c, spec, i, &as_block_laurel, NULL, &p->laurel);
    step->in_norm = as_gemma_norm_at(p->norm, AS_SLOT_NORM_1);
    step->parallel = true;
    step->residual_scale = step->stream_scale = (float)M_SQRT1_2;
    step = as_spec_add_ffn(c, spec, i, &as_block_mlp, &p->mlp, p->norm);
    step->out_norm = as_gemma_norm_at(p->norm, AS_SLOT_NORM_2_POST);
    add_edge(c, spec, i, &as_block_altup_correct, &p->altup, AS_STEP_REPLACES);
    add_edge(c, spec, i, &as_block_per_layer, &p->per_layer, AS_STEP_KEEPS);
    if (i == spec->layer_count - 1) {
        add_edge(c, spec, i, &as_block_altup_gather, &p->altup, AS_STEP_REPLACES);
    }
}

static void describe(as_config *c, as_model_spec *spec)
{
    parts p = {0};
    spec->prefixes = as_gemma_prefixes;
    spec->ignored = as_gemma_ignored;
    spec->names = names;
    as_spec_base(c, spec, 32768);
    p.norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    if (c->rc == AS_OK) read_attention(c, spec, &p);
    p.mlp = (as_mlp_spec){.act = as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"),
                          .gated = true,
                          .gate = AS_SLOT_GATE,
                          .up = AS_SLOT_UP,
                          .down = AS_SLOT_DOWN};
    read_streams(c, spec, &p);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        p.attention.window = p.slides[i] ? p.window : 0;
        p.attention.rope = p.slides[i] ? p.sliding_rope : p.full_rope;
        p.attention.shared_cache = i >= p.first_shared;
        p.mlp.width = read_width(c, spec, i);
        if (p.mlp.width > spec->intermediate) spec->intermediate = p.mlp.width;
        read_sparsity(c, spec, i, &p.mlp);
        add_layer(c, spec, i, &p);
    }
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 30);
    as_spec_finish(c, spec, p.norm, true);
}

const as_family as_family_gemma3n = {
    .architectures = {"Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"},
    .nested = "text_config",
    .describe = describe,
};
