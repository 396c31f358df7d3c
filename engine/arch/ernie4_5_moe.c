/* ERNIE 4.5 with experts (Baidu 2025); transformers models/ernie4_5_moe. Interleaved rotary positions;
 * softmax routing whose choice alone takes a correction; shared experts; experts in every
 * moe_layer_interval-th layer between two ends. */
#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.moe_statics.e_score_correction_bias|"
                                  "layers.%d.mlp.gate.moe_statics.e_score_correction_bias",
};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "*mtp*", NULL};

/* ERNIE 4.5 VL (models/ernie4_5_vl_moe) has experts for text and others for images, chosen by the kind of
 * token; text takes none of the latter. Published, they stand behind those of text, the routers transposed
 * and the corrections of both in one tensor. */
static const char *const vl_names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER] = "layers.%d.mlp.text_moe.gate|~layers.%d.mlp.gate",
    [AS_SLOT_ROUTER_CORRECTION] = "layers.%d.mlp.text_moe.gate.moe_statics.e_score_correction_bias|"
                                  "layers.%d.mlp.moe_statics.e_score_correction_bias#0/2",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.mlp.text_moe.experts.gate_up_proj!#0/2|layers.%d.mlp.experts.%e.gate_proj",
    [AS_SLOT_EXPERT_UP] = "layers.%d.mlp.text_moe.experts.gate_up_proj!#1/2|layers.%d.mlp.experts.%e.up_proj",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.mlp.text_moe.experts.down_proj!|layers.%d.mlp.experts.%e.down_proj",
};

static const char *const vl_ignored[] = {"*rotary_emb.inv_freq", "*.mlp.vision_moe.*", "*.mlp.gate.weight_1",
                                         "*.mlp.experts.*", NULL};

static as_moe_spec experts_of(as_config *c)
{
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "moe_num_experts",
                                                           .other_count = "num_experts",
                                                           .count_default = 64,
                                                           .top_k = "moe_k",
                                                           .top_k_default = 6,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 1536});
    moe.correction = moe.normalise = true;
    moe.norm_least = (float)as_config_number_in(c, "moe_norm_min", 1e-12, 0, 1e6);
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "moe_num_shared_experts", 2));
    moe.shared.up_bias = moe.shared.down_bias = as_config_bool(c, "use_bias", false);
    return moe;
}

/* Layers between two ends, in steps; or as mlp_layer_types says, by default all but the first. */
typedef struct sparse_rule {
    bool by_type;
    int64_t start, end, interval;
} sparse_rule;

static sparse_rule read_rule(as_config *c, const as_model_spec *spec)
{
    sparse_rule rule = {.start = as_config_int(c, "moe_layer_start_index", 1),
                        .end = as_config_int(c, "moe_layer_end_index", -1),
                        .interval = as_config_size_or(c, "moe_layer_interval", 1, AS_MOST_LAYERS)};
    if (rule.end == -1) rule.end = spec->layer_count - 1;
    return rule;
}

static bool is_sparse(as_config *c, const as_model_spec *spec, const sparse_rule *rule, int64_t layer)
{
    if (rule->by_type) return as_spec_is_sparse(c, spec, layer, 1);
    return (layer + 1) % rule->interval == 0 && layer >= rule->start && layer <= rule->end;
}

static void describe_by(as_config *c, as_model_spec *spec, const sparse_rule *rule)
{
    as_spec_heads(c, spec, as_spec_kv_default(c, 4), 0);
    bool bias = as_config_bool(c, "use_bias", false);
    as_rope_defaults rotary = {.kind = AS_ROPE_INTERLEAVED, .head_dim = spec->head_dim, .theta = 500000};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rotary, spec), bias, bias);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_moe_spec moe = experts_of(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, is_sparse(c, spec, rule, i) ? &moe : NULL, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, true);
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    sparse_rule rule = read_rule(c, spec);
    spec->ignored = ignored;
    describe_by(c, spec, &rule);
    spec->head_bias = as_config_bool(c, "use_bias", false);
    spec->names = names;
}

/* Of a list of one for text and one for images, the first. */
static void take_first(json_t *fields, const char *key)
{
    json_t *first = json_array_get(json_object_get(fields, key), 0);
    if (first) (void)json_object_set(fields, key, first); /* without memory it stays, and is refused */
}

static void describe_vl(as_config *c, as_model_spec *spec)
{
    const json_t *given = c->root;
    json_t *fields = json_copy((json_t *)given);
    if (!fields) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the configuration");
        return;
    }
    take_first(fields, "moe_intermediate_size");
    take_first(fields, "moe_num_experts");
    c->root = fields;
    as_spec_base(c, spec, 131072);
    spec->ignored = vl_ignored;
    describe_by(c, spec, &(sparse_rule){.by_type = true});
    spec->names = vl_names;
    c->root = given;
    json_decref(fields);
}

const as_family as_family_ernie4_5_moe = {.architectures = {"Ernie4_5_MoeForCausalLM"}, .describe = describe};
const as_family as_family_ernie4_5_vl_moe = {.describe = describe_vl};
