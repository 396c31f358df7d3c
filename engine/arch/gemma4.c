/* Gemma 4 (text; Google 2026): Gemma 3n's per-layer inputs and shared keys and values on one residual stream,
 * full layers with heads of their own size whose values may be their keys, a factor behind each layer, and
 * experts beside the feed-forward block; transformers models/gemma4. The unified models
 * (models/gemma4_unified) have neither the per-layer inputs nor the experts. Norms are stored whole, not less
 * one. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "engine/arch/experts.h"
#include "engine/arch/gemma.h"
#include "engine/blocks/per_layer.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_NORM_1_POST] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.pre_feedforward_layernorm",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_feedforward_layernorm",
    [AS_SLOT_LAYER_SCALE] = "layers.%d.layer_scalar!",
    [AS_SLOT_PER_LAYER_EMBED] = "embed_tokens_per_layer",
    [AS_SLOT_PER_LAYER_IN] = "per_layer_model_projection",
    [AS_SLOT_PER_LAYER_IN_NORM] = "per_layer_projection_norm",
    [AS_SLOT_PER_LAYER_GATE] = "layers.%d.per_layer_input_gate",
    [AS_SLOT_PER_LAYER_OUT] = "layers.%d.per_layer_projection",
    [AS_SLOT_PER_LAYER_NORM] = "layers.%d.post_per_layer_input_norm",
    [AS_SLOT_ROUTER] = "layers.%d.router.proj",
    [AS_SLOT_ROUTER_NORM] = "layers.%d.router.scale!",
    [AS_SLOT_EXPERT_SCALE] = "layers.%d.router.per_expert_scale!",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.experts.down_proj!",
    [AS_SLOT_EXPERT_IN_NORM] = "layers.%d.pre_feedforward_layernorm_2",
    [AS_SLOT_EXPERT_OUT_NORM] = "layers.%d.post_feedforward_layernorm_2",
    [AS_SLOT_SHARED_OUT_NORM] = "layers.%d.post_feedforward_layernorm_1",
};

/* The heads of a layer, all of one kind alike. */
typedef struct heads {
    int64_t width, kv;
} heads;

/* All that a layer is made of; attention and mlp change from layer to layer. */
typedef struct parts {
    as_norm_spec norm;
    as_attention_spec attention;
    as_mlp_spec mlp;
    as_moe_spec moe;             /* experts 0: none */
    as_per_layer_spec per_layer; /* width 0: none */
    heads full, sliding;
    int full_rope, sliding_rope;
    int64_t window, first_shared;
    bool keys_are_values, wide; /* of full layers; of layers that share keys and values */
    bool *slides;               /* [layers] */
} parts;

static as_norm_spec norm_at(as_norm_spec norm, as_slot slot)
{
    norm.slot = slot;
    return norm;
}

/* ---- heads -----------------------------------------------------------------------------------------------
 */

/* per_layer_config's entry of a layer, whose number may be written with zeros in front; NULL: none. */
static const json_t *layer_entry(const json_t *entries, int64_t layer)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)entries, key, value)
    {
        if (strtoll(key, NULL, 10) == layer) return value;
    }
    return NULL;
}

/* What an entry says of other fields must be what the configuration says of all layers. */
static void check_entry(as_config *c, const json_t *entry, int64_t layer)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)entry, key, value)
    {
        if (strcmp(key, "head_dim") == 0 || strcmp(key, "num_key_value_heads") == 0) continue;
        if (json_equal(value, json_object_get(c->root, key))) continue;
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"per_layer_config\": layer %lld has a \"%s\" of its own; only \"head_dim\" and "
                       "\"num_key_value_heads\" may differ",
                       (long long)layer, key);
    }
}

static heads entry_heads(as_config *c, const as_model_spec *spec, const json_t *entry)
{
    as_config fields = {.root = entry, .outer = c->outer, .rc = c->rc, .err = c->err};
    heads found = {
        .width = as_config_size_or(&fields, "head_dim", spec->head_dim, 1 << 14),
        .kv = as_config_size_or(&fields, "num_key_value_heads", spec->kv_heads, AS_MOST_HEADS),
    };
    as_config_return(c, &fields);
    return found;
}

/* The form that transformers writes: what differs from the other fields, layer by layer. */
static void read_entries(as_config *c, const as_model_spec *spec, const json_t *entries, parts *p)
{
    heads *kinds[] = {&p->full, &p->sliding};
    bool seen[2] = {false, false};
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        const json_t *entry = layer_entry(entries, i);
        heads here = entry_heads(c, spec, entry), *kind = kinds[p->slides[i]];
        check_entry(c, entry, i);
        if (seen[p->slides[i]] && (here.width != kind->width || here.kv != kind->kv)) {
            as_config_fail(
                c, AS_E_INPUT,
                "\"per_layer_config\": layer %lld has other heads than those of its kind before it",
                (long long)i);
        }
        *kind = here;
        seen[p->slides[i]] = true;
    }
}

static void read_heads(as_config *c, as_model_spec *spec, parts *p)
{
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 256);
    p->full = p->sliding = (heads){.width = spec->head_dim, .kv = spec->kv_heads};
    p->keys_are_values = as_config_bool(c, "attention_k_eq_v", false);
    const json_t *entries = json_object_get(c->root, "per_layer_config");
    if (entries) {
        read_entries(c, spec, entries, p);
    } else {
        p->full.width = as_config_size_or(c, "global_head_dim", 512, 1 << 14);
        if (p->keys_are_values)
            p->full.kv = as_config_size_or(c, "num_global_key_value_heads", spec->kv_heads, AS_MOST_HEADS);
    }
    if (spec->heads % p->full.kv || spec->heads % p->sliding.kv) {
        as_config_fail(
            c, AS_E_INPUT, "%lld key/value heads of some layers do not divide \"num_attention_heads\" %lld",
            (long long)(spec->heads % p->full.kv ? p->full.kv : p->sliding.kv), (long long)spec->heads);
    }
}

/* ---- attention -------------------------------------------------------------------------------------------
 */

/* The last layer is full whatever the list says. */
static void read_layer_types(as_config *c, as_model_spec *spec, parts *p)
{
    p->slides = AS_ARENA_NEW_ARRAY(&spec->arena, bool, spec->layer_count);
    if (!p->slides) as_config_fail(c, AS_E_MEMORY, "out of memory for the layers");
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        p->slides[i] = as_spec_layer_slides(c, spec, i, (i + 1) % 6 != 0) && i < spec->layer_count - 1;
    }
}

static void read_attention(as_config *c, as_model_spec *spec, parts *p)
{
    if (as_config_says(c, "use_bidirectional_attention", "all")) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"use_bidirectional_attention\" is \"all\": a model that embeds text does not "
                       "generate it");
    }
    read_layer_types(c, spec, p);
    read_heads(c, spec, p);
    as_rope_defaults full = {.head_dim = p->full.width,
                             .layer_type = "full_attention",
                             .by_type = true,
                             .own_scaling = true,
                             .theta = 1e6,
                             .parameters = "{\"rope_type\": \"proportional\", \"rope_theta\": 1000000.0, "
                                           "\"partial_rotary_factor\": 0.25}"};
    as_rope_defaults sliding = {.head_dim = p->sliding.width,
                                .layer_type = "sliding_attention",
                                .by_type = true,
                                .own_scaling = true,
                                .theta = 10000,
                                .parameters = "{\"rope_theta\": 10000.0}"};
    p->full_rope = as_config_rope(c, &full, spec);
    p->sliding_rope = as_config_rope(c, &sliding, spec);
    bool bias = as_config_bool(c, "attention_bias", false);
    p->attention = as_spec_attention(spec, p->full_rope, bias, bias);
    p->attention.scale = 1;
    p->attention.q_norm = norm_at(p->norm, AS_SLOT_Q_NORM);
    p->attention.k_norm = norm_at(p->norm, AS_SLOT_K_NORM);
    p->attention.v_norm = p->norm;
    p->attention.v_norm.weightless = true;
    p->window = as_spec_window(c, 512);
    p->first_shared = as_gemma_first_shared(c, spec, 0);
    p->wide = as_config_bool(c, "use_double_wide_mlp", false);
}

/* ---- what the unified models lack ------------------------------------------------------------------------
 */

static void read_per_layer(as_config *c, as_model_spec *spec, parts *p)
{
    bool none = json_is_null(json_object_get(c->root, "hidden_size_per_layer_input"));
    int64_t width = none ? 0 : as_config_int(c, "hidden_size_per_layer_input", 256);
    if (width == 0) return;
    p->per_layer = (as_per_layer_spec){
        .width = as_config_size_or(c, "hidden_size_per_layer_input", 256, AS_MOST_WIDTH),
        .layers = spec->layer_count,
        .vocab = as_config_size_or(c, "vocab_size_per_layer_input", 262144, AS_MOST_WIDTH * 4),
        .act = p->mlp.act,
        .in_norm = norm_at(p->norm, AS_SLOT_PER_LAYER_IN_NORM),
        .out_norm = norm_at(p->norm, AS_SLOT_PER_LAYER_NORM)};
    spec->carried = spec->layer_count * p->per_layer.width;
}

/* Experts, whose router reads the stream under a norm of its own, beside the feed-forward block. */
static void read_experts(as_config *c, const as_model_spec *spec, parts *p)
{
    if (!as_config_bool(c, "enable_moe_block", false)) return;
    p->moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                  .top_k = "top_k_experts",
                                                  .width = "moe_intermediate_size"});
    p->moe.act = p->mlp.act;
    p->moe.normalise = true;
    p->moe.router_norm = norm_at(p->norm, AS_SLOT_ROUTER_NORM);
    p->moe.router_in_scale = 1 / sqrtf((float)spec->hidden);
    p->moe.expert_scale = true;
    p->moe.in_norm = norm_at(p->norm, AS_SLOT_EXPERT_IN_NORM);
    p->moe.out_norm = norm_at(p->norm, AS_SLOT_EXPERT_OUT_NORM);
    p->moe.shared_in_norm = norm_at(p->norm, AS_SLOT_NORM_2);
    p->moe.shared_out_norm = norm_at(p->norm, AS_SLOT_SHARED_OUT_NORM);
}

/* ---- layers ----------------------------------------------------------------------------------------------
 */

/* Steps before the attention of a layer. */
static int leading_steps(const parts *p, int64_t layer)
{
    return layer == 0 && p->per_layer.width > 0;
}

static void add_attention(as_config *c, as_model_spec *spec, int64_t i, const parts *p)
{
    as_step *step = as_spec_add_mixer(c, spec, i, &as_block_attention, &p->attention, p->norm);
    step->out_norm = norm_at(p->norm, AS_SLOT_NORM_1_POST);
    if (!p->attention.shared_cache) return;
    int64_t from = as_gemma_cache_layer(c, p->slides, p->first_shared, i);
    step->cache_layer = from + 1;
    step->cache_shift = leading_steps(p, from) - leading_steps(p, i);
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t i, const parts *p)
{
    if (leading_steps(p, i) > 0) {
        as_spec_add_step(c, spec, i, &as_block_per_layer_inputs, NULL, &p->per_layer)->effect = AS_STEP_KEEPS;
    }
    add_attention(c, spec, i, p);
    as_step *last = p->moe.experts ? as_spec_add_step(c, spec, i, &as_block_moe, "ffn", &p->moe)
                                   : as_spec_add_ffn(c, spec, i, &as_block_mlp, &p->mlp, p->norm);
    last->out_norm = norm_at(p->norm, AS_SLOT_NORM_2_POST);
    if (p->per_layer.width) last = as_spec_add_step(c, spec, i, &as_block_per_layer, NULL, &p->per_layer);
    last->scaled = true;
}

/* The parts that change from layer to layer. */
static void set_layer(const as_model_spec *spec, int64_t i, parts *p)
{
    const heads *own = p->slides[i] ? &p->sliding : &p->full;
    p->attention.kv_heads = own->kv;
    p->attention.k_width = p->attention.v_width = own->width;
    p->attention.keys_are_values = p->keys_are_values && !p->slides[i];
    p->attention.window = p->slides[i] ? p->window : 0;
    p->attention.rope = p->slides[i] ? p->sliding_rope : p->full_rope;
    p->attention.shared_cache = i >= p->first_shared;
    p->mlp.width = spec->intermediate * (p->wide && p->attention.shared_cache ? 2 : 1);
    if (p->moe.experts) p->moe.shared = p->mlp;
}

/* Within a model of several parts the tokens that mark an image, a video or a sound are read as padding. */
static void read_placeholders(as_config *c, as_model_spec *spec)
{
    static const struct {
        const char *key;
        int32_t otherwise;
    } marks[] = {{"image_token_id", 258880}, {"video_token_id", 258884}, {"audio_token_id", 258881}};
    if (c->outer == c->root) return;
    as_config outer = {.root = c->outer, .outer = c->outer, .rc = c->rc, .err = c->err};
    as_placeholders *out = &spec->placeholders;
    int64_t pad = as_config_int(c, "pad_token_id", 0);
    if (pad < 0 || pad >= spec->vocab) return; /* the class does not run either */
    out->read_as = (int32_t)pad;
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++) {
        int64_t token = as_config_int(&outer, marks[i].key, marks[i].otherwise);
        bool none = json_is_null(json_object_get(c->outer, marks[i].key));
        if (!none && token >= 0 && token < spec->vocab) out->tokens[out->count++] = (int32_t)token;
    }
    as_config_return(c, &outer);
}

static void describe_either(as_config *c, as_model_spec *spec, bool unified)
{
    parts p = {0};
    spec->prefixes = as_gemma_prefixes;
    spec->ignored = as_gemma_ignored;
    spec->names = names;
    as_spec_base(c, spec, unified ? 262144 : 131072);
    p.norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    if (c->rc == AS_OK) read_attention(c, spec, &p);
    p.mlp =
        as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_activation", "gelu_pytorch_tanh"), false);
    if (!unified) read_per_layer(c, spec, &p);
    if (!unified) read_experts(c, spec, &p);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        set_layer(spec, i, &p);
        add_layer(c, spec, i, &p);
    }
    read_placeholders(c, spec);
    spec->embed_scale = sqrtf((float)spec->hidden);
    spec->logit_cap = as_spec_cap(c, "final_logit_softcapping", 0);
    as_spec_finish(c, spec, p.norm, true);
}

static void describe(as_config *c, as_model_spec *spec)
{
    describe_either(c, spec, false);
}

static void describe_unified(as_config *c, as_model_spec *spec)
{
    describe_either(c, spec, true);
}

const as_family as_family_gemma4 = {
    .architectures = {"Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"},
    .nested = "text_config",
    .describe = describe,
};
const as_family as_family_gemma4_unified = {
    .architectures = {"Gemma4UnifiedForCausalLM", "Gemma4UnifiedForConditionalGeneration"},
    .nested = "text_config",
    .describe = describe_unified,
};
