/* Step 3.5 and 3.7 Flash (StepFun 2026); transformers models/step3p7. A sigmoid gate on each head, more heads
 * in layers with a window than in the others, rotation by kind of layer, sigmoid routing with a correction of
 * the choice beside a shared expert, and in some layers a limit on what the feed-forward parts multiply. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ATTENTION_GATE] = "layers.%d.self_attn.g_proj",
    [AS_SLOT_ROUTER] = "layers.%d.moe.gate|layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.moe.router_bias|layers.%d.mlp.gate.e_score_correction_bias",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.moe.gate_proj|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.moe.up_proj|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.moe.down_proj|layers.%d.mlp.experts.down_proj!",
    [AS_SLOT_SHARED_GATE] = "layers.%d.share_expert.gate_proj|layers.%d.mlp.shared_experts.gate_proj",
    [AS_SLOT_SHARED_UP] = "layers.%d.share_expert.up_proj|layers.%d.mlp.shared_experts.up_proj",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.share_expert.down_proj|layers.%d.mlp.shared_experts.down_proj",
};

/* ---- the configuration as the class reads it -------------------------------------------------------------
 */

/* A list of one entry for each layer, without those of the layers that predict further tokens; false: out of
 * memory. */
static bool trim_list(json_t *fields, const char *key, int64_t layers)
{
    json_t *list = json_object_get(fields, key);
    int64_t more = json_integer_value(json_object_get(fields, "num_nextn_predict_layers"));
    if (more < 1 || (int64_t)json_array_size(list) != layers + more) return true;
    json_t *cut = json_array();
    bool good = cut;
    for (int64_t i = 0; good && i < layers; i++) {
        good = json_array_append(cut, json_array_get(list, (size_t)i)) == 0;
    }
    good = good && json_object_set(fields, key, cut) == 0;
    json_decref(cut);
    return good;
}

/* moe_layers_enum: the layers with experts, as a list or as text with commas. */
static bool enumerates(const json_t *given, int64_t layer)
{
    const char *at = json_string_value(given);
    while (at && *at) {
        char *end;
        if (strtoll(at, &end, 10) == layer && end != at) return true;
        at += strcspn(at, ",");
        at += *at == ',';
    }
    for (size_t i = 0; i < json_array_size(given); i++) {
        if (json_integer_value(json_array_get(given, i)) == layer) return true;
    }
    return false;
}

static bool is_sparse(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const json_t *given = json_object_get(c->root, "moe_layers_enum");
    bool listed = as_config_has(c, "mlp_layer_types") || !given || json_is_null(given);
    return listed ? as_spec_is_sparse(c, spec, layer, 3) : enumerates(given, layer);
}

/* A value that is one for all layers or a list; the layer's, or NULL. */
static json_t *at_layer(json_t *given, int64_t layer)
{
    return json_is_array(given) ? json_array_get(given, (size_t)layer) : given;
}

/* The parameters of a kind of layer, from those of its first one, in the older form; NULL: out of memory. */
static json_t *older_rope(json_t *fields, int64_t first, bool sliding)
{
    json_t *theta = at_layer(json_object_get(fields, "rope_theta"), first),
           *share = at_layer(json_object_get(fields, "partial_rotary_factors"), first),
           *scaling = json_object_get(fields, "rope_scaling");
    json_t *made = json_pack("{s:s, s:o}", "rope_type", "default", "rope_theta",
                             json_is_number(theta) ? json_incref(theta) : json_real(10000));
    bool good = made && (!share || json_object_set(made, "partial_rotary_factor", share) == 0) &&
                (sliding || !json_is_object(scaling) || json_object_update(made, scaling) == 0);
    if (good) return made;
    json_decref(made);
    return NULL;
}

static const char *const kinds[] = {"full_attention", "sliding_attention"};

/* Rotary parameters that do not name every kind of layer count for nothing, and the older fields stand.
 * first: of each kind, or -1; false: out of memory. */
static bool settle_rope(json_t *fields, const int64_t *first)
{
    json_t *stated = json_object_get(fields, "rope_parameters");
    bool named = true, good = true;
    for (int k = 0; k < 2; k++) {
        named = named && (first[k] < 0 || json_is_object(json_object_get(stated, kinds[k])));
    }
    json_t *settled = named ? json_incref(stated) : json_object();
    for (int k = 0; k < 2 && good && !named; k++) {
        json_t *kind = first[k] < 0 ? NULL : older_rope(fields, first[k], k);
        good = first[k] < 0 || (kind && json_object_set(settled, kinds[k], kind) == 0);
        json_decref(kind);
    }
    good = good && (!settled || json_object_set(fields, "rope_parameters", settled) == 0);
    json_decref(settled);
    static const char *const older[] = {"rope_theta", "rope_scaling", "partial_rotary_factor"};
    for (int i = 0; i < (named ? 2 : 3); i++) json_object_del(fields, older[i]);
    return good;
}

/* Makes the fields those that the class works with: lists with one entry for each layer, rotary parameters by
 * kind of layer, the newer names. false: out of memory. */
static bool settle(as_config *c, const as_model_spec *spec, json_t *fields)
{
    static const char *const lists[] = {"layer_types", "mlp_layer_types", "rope_theta",
                                        "partial_rotary_factors"};
    bool good = fields;
    for (size_t i = 0; good && i < sizeof lists / sizeof lists[0]; i++) {
        good = trim_list(fields, lists[i], spec->layer_count);
    }
    json_object_del(fields, "hidden_act"); /* the class has silu whatever it says */
    json_t *groups = json_object_get(fields, "num_attention_groups");
    if (good && groups) good = json_object_set(fields, "num_key_value_heads", groups) == 0;
    if (!good) return false;
    int64_t first[2] = {-1, -1};
    as_config here = *c;
    here.root = fields;
    for (int64_t i = spec->layer_count - 1; i >= 0; i--)
        first[as_spec_layer_slides(&here, spec, i, false)] = i;
    as_config_return(c, &here);
    return settle_rope(fields, first);
}

/* ---- the model -------------------------------------------------------------------------------------------
 */

static int64_t heads_of(as_config *c, const as_model_spec *spec, int64_t layer, bool sliding)
{
    char number[24];
    snprintf(number, sizeof number, "%lld", (long long)layer);
    const json_t *own = json_object_get(c->root, "per_layer_config"),
                 *other = json_object_get(c->root, "attention_other_setting");
    as_config fields = *c;
    int64_t otherwise = spec->heads;
    if (json_is_object(own)) {
        fields.root = json_object_get(own, number);
    } else if (!sliding) {
        return spec->heads;
    } else if (as_config_has(c, "num_sliding_attention_heads")) {
        otherwise = as_config_size(&fields, "num_sliding_attention_heads", AS_MOST_HEADS);
        fields.root = NULL;
    } else {
        fields.root = other;
    }
    int64_t heads = as_config_size_or(&fields, "num_attention_heads", otherwise, AS_MOST_HEADS);
    as_config_return(c, &fields);
    if (heads % spec->kv_heads) {
        as_config_fail(c, AS_E_INPUT,
                       "\"num_attention_heads\" of layer %lld is %lld, not a multiple of "
                       "\"num_attention_groups\" %lld",
                       (long long)layer, (long long)heads, (long long)spec->kv_heads);
    }
    return heads;
}

/* What a list of limits says of a layer; 0 and null: none. */
static float limit_of(as_config *c, const char *key, int64_t layer)
{
    const json_t *list = json_object_get(c->root, key);
    const json_t *limit = json_array_get(list, (size_t)layer);
    double value = json_number_value(limit);
    if (json_array_size(list) && (!limit || !(value >= 0))) {
        as_config_fail(c, AS_E_INPUT, "\"%s\" must be a list with a limit or null for each layer", key);
    }
    return (float)value;
}

static as_moe_spec experts_of(as_config *c, bool bias)
{
    as_moe_spec moe =
        as_spec_experts(c, &(as_expert_keys){.count = as_config_key(c, "moe_num_experts", "n_routed_experts"),
                                             .count_default = 288,
                                             .top_k = as_config_key(c, "moe_top_k", "num_experts_per_tok"),
                                             .top_k_default = 8,
                                             .width = "moe_intermediate_size",
                                             .width_default = 1280});
    moe.route = AS_ROUTE_SIGMOID;
    moe.correction = moe.normalise = true;
    moe.scale = (float)as_config_number_in(c, "moe_router_scaling_factor", 1, 1e-6, 1e6);
    as_spec_share_by(c, &moe, as_config_key(c, "share_expert_dims", "share_expert_dim"), 1280);
    moe.shared.up_bias = moe.shared.down_bias = bias;
    moe.limit_act = moe.shared.limit_act = true;
    return moe;
}

static void add_layers(as_config *c, as_model_spec *spec, as_attention_spec attention, double eps)
{
    bool bias = as_config_bool(c, "mlp_bias", false);
    as_moe_spec moe = experts_of(c, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, bias);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 1);
    int64_t window = as_spec_window(c, 0);
    mlp.limit_act = true;
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sliding = as_spec_layer_slides(c, spec, i, false);
        as_rope_defaults rotary = {
            .head_dim = spec->head_dim, .theta = 10000, .partial = 1, .layer_type = kinds[sliding]};
        attention.heads = heads_of(c, spec, i, sliding);
        attention.window = sliding ? window : 0;
        attention.rope = as_config_rope(c, &rotary, spec);
        moe.limit = limit_of(c, "swiglu_limits", i);
        moe.shared.limit = mlp.limit = limit_of(c, "swiglu_limits_shared", i);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, is_sparse(c, spec, i) ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    spec->ignored = as_llama_ignored;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, false);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 128000);
    if (c->rc != AS_OK) return;
    const json_t *given = c->root;
    json_t *fields = json_copy((json_t *)given);
    if (!settle(c, spec, fields)) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the configuration");
        json_decref(fields);
        return;
    }
    c->root = fields;
    as_spec_heads(c, spec, as_spec_kv_default(c, 8), 128);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    bool bias = as_config_bool(c, "attention_bias", false);
    as_attention_spec attention = as_spec_attention(spec, -1, bias, bias);
    attention.q_norm = as_spec_rms(AS_SLOT_Q_NORM, eps, 1);
    attention.k_norm = as_spec_rms(AS_SLOT_K_NORM, eps, 1);
    attention.gate = AS_ATTENTION_GATE_HEADS;
    attention.gate_act = AS_ACT_SIGMOID;
    double scalar = as_config_number_in(c, "query_pre_attn_scalar", (double)spec->head_dim, 1e-9, 1e9);
    attention.scale = (float)(1 / sqrt(scalar));
    add_layers(c, spec, attention, eps);
    c->root = given;
    json_decref(fields);
}

const as_family as_family_step3p5 = {.describe = describe};
