/* Granite's models with experts: GraniteMoe (IBM 2024), GraniteMoeShared (with a shared expert),
 * GraniteMoeSWA (with windows, sinks and a rotary base of each layer's own); transformers models/granitemoe,
 * models/granitemoeshared, models/granitemoe_swa. The best experts, then a softmax over them; multipliers on
 * embedding, scores, residuals and logits. */
#include <string.h>

#include "base/json.h"
#include "engine/arch/experts.h"

#define AT "layers.%d.block_sparse_moe."
static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_SINKS] = "layers.%d.self_attn.sinks",
    [AS_SLOT_ROUTER] = AT "router.layer|" AT "router",
    [AS_SLOT_EXPERT_GATE] = AT "input_linear#0/2|" AT "experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = AT "input_linear#1/2|" AT "experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = AT "output_linear|" AT "experts.down_proj!",
    [AS_SLOT_SHARED_GATE] = "layers.%d.shared_mlp.input_linear#0/2",
    [AS_SLOT_SHARED_UP] = "layers.%d.shared_mlp.input_linear#1/2",
    [AS_SLOT_SHARED_DOWN] = "layers.%d.shared_mlp.output_linear",
};
#undef AT

static float multiplier(as_config *c, const char *key)
{
    return as_config_factor(c, key, 1);
}

/* Everything but the windows. */
typedef struct granite {
    as_attention_spec attention;
    as_moe_spec moe;
    as_norm_spec norm;
    float residual;
    int rope;
} granite;

static granite describe_base(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, 0, 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    granite g = {.attention = as_spec_attention(spec, rope, bias, bias),
                 .moe = as_spec_experts(c, &(as_expert_keys){.count = "num_local_experts",
                                                             .count_default = 8,
                                                             .top_k = "num_experts_per_tok",
                                                             .top_k_default = 2,
                                                             .width = "intermediate_size"}),
                 .norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0),
                 .residual = multiplier(c, "residual_multiplier"),
                 .rope = rope};
    g.attention.scale = multiplier(c, "attention_multiplier");
    g.moe.route = AS_ROUTE_SOFTMAX_TOPK;
    spec->intermediate = g.moe.width;
    spec->embed_scale = multiplier(c, "embedding_multiplier");
    spec->logit_scale = (float)(1 / as_config_number_in(c, "logits_scaling", 1, 1e-9, 1e9));
    spec->names = names;
    return g;
}

static void add_layer(as_config *c, as_model_spec *spec, int64_t layer, const granite *g)
{
    as_step *mixer = as_spec_add_mixer(c, spec, layer, &as_block_attention, &g->attention, g->norm);
    as_step *ffn = as_spec_add_ffn(c, spec, layer, &as_block_moe, &g->moe, g->norm);
    mixer->residual_scale = ffn->residual_scale = g->residual;
}

static void describe_plain(as_config *c, as_model_spec *spec)
{
    granite g = describe_base(c, spec);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) add_layer(c, spec, i, &g);
    as_spec_finish(c, spec, g.norm, false);
}

static void describe_shared(as_config *c, as_model_spec *spec)
{
    granite g = describe_base(c, spec);
    as_spec_share_by(c, &g.moe, "shared_intermediate_size", 0);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) add_layer(c, spec, i, &g);
    as_spec_finish(c, spec, g.norm, false);
}

/* layer_rope_theta: a base for each layer, 0 or null for none. */
static int layer_rope(as_config *c, as_model_spec *spec, int64_t layer, int otherwise)
{
    if (!as_config_has(c, "layer_rope_theta")) return otherwise;
    json_t *list = json_object_get(c->root, "layer_rope_theta");
    if (!json_is_array(list) || (int64_t)json_array_size(list) != spec->layer_count) {
        as_config_fail(c, AS_E_INPUT, "\"layer_rope_theta\" must be a list with one entry for each layer");
        return -1;
    }
    json_t *entry = json_array_get(list, (size_t)layer);
    double theta = 0;
    if (json_is_null(entry)) return -1;
    if (!as_json_number(entry, &theta) || theta < 0 || theta > 1e30) {
        as_config_fail(c, AS_E_INPUT, "\"layer_rope_theta\"[%lld] is not a base of rotations",
                       (long long)layer);
        return -1;
    }
    if (theta == 0) return -1;
    as_rope_spec rope = spec->ropes[otherwise];
    rope.theta = theta;
    for (int i = 0; i < spec->rope_count; i++) {
        if (spec->ropes[i].theta == theta) return i;
    }
    if (spec->rope_count == AS_MAX_ROPES) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"layer_rope_theta\" has more than %d different bases",
                       AS_MAX_ROPES - 1);
        return -1;
    }
    spec->ropes[spec->rope_count] = rope;
    return spec->rope_count++;
}

static void describe_swa(as_config *c, as_model_spec *spec)
{
    granite g = describe_base(c, spec);
    as_spec_share_by(c, &g.moe, "shared_intermediate_size", 0);
    g.attention.sinks = true;
    int64_t window = as_spec_window(c, 128);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        g.attention.window = as_spec_layer_window(c, spec, i, i % 4 != 0, window);
        g.attention.rope = layer_rope(c, spec, i, g.rope);
        add_layer(c, spec, i, &g);
    }
    as_spec_finish(c, spec, g.norm, false);
}

const as_family as_family_granite_moe = {.architectures = {"GraniteMoeForCausalLM"},
                                         .describe = describe_plain};
const as_family as_family_granite_moe_shared = {.architectures = {"GraniteMoeSharedForCausalLM"},
                                                .describe = describe_shared};
const as_family as_family_granite_moe_swa = {.architectures = {"GraniteMoeSWAForCausalLM"},
                                             .describe = describe_swa};
