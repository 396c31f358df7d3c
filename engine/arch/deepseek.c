/* DeepSeek-V2 and V3 (DeepSeek-AI 2024; also R1, V3.1, Moonlight, Kimi K2) and the families built like them:
 * latent attention, the first layers dense, then experts beside shared ones. transformers models/deepseek_v2,
 * deepseek_ocr2, deepseek_v3, glm4_moe_lite, axk1, mistral4, youtu, kimi_k25.
 *
 * What transformers leaves unread means nothing here either: norm_topk_prob of V2, moe_layer_freq of all but
 * A.X K1, which no published model sets to anything but what the other says. */
#include <string.h>

#include "engine/arch/deepseek.h"
#include "engine/arch/experts.h"

/* The other names are those of as_slot_pattern. */
const char *const as_deepseek_names[AS_SLOT_COUNT] = {
    [AS_SLOT_HEAD] = "^lm_head|^language_model.lm_head",
    [AS_SLOT_NORM_2_POST] = "layers.%d.post_mlp_layernorm|layers.%d.mlp.post_mlp_layernorm",
    [AS_SLOT_EXPERT_BIAS] = "layers.%d.mlp.shared_experts.down_proj.bias", /* of one without width */
};

static const char *const prefixes[] = {"model.", "", "model.language_model.", "language_model.model.", NULL};

static const char *const ignored[] = {"*rotary_emb.inv_freq",
                                      "*post_mlp_layernorm.weight",
                                      "*vision_tower.*",
                                      "*mm_projector.*",
                                      "*multi_modal_projector.*",
                                      "*.indexer.*",
                                      NULL};

/* ---- experts ---------------------------------------------------------------------------------------------
 */

/* The groups that the choice is limited to. */
static void read_groups(as_config *c, as_moe_spec *moe, const as_deepseek_defaults *d)
{
    moe->groups = moe->group_top = 1;
    if (!d->ungrouped) {
        moe->groups = as_config_size_or(c, "n_group", d->groups, AS_MOST_EXPERTS);
        moe->group_top = as_config_size_or(c, "topk_group", d->group_top, AS_MOST_EXPERTS);
    }
    if (moe->experts % moe->groups) {
        as_config_fail(c, AS_E_INPUT, "\"n_group\" is %lld, which does not divide \"n_routed_experts\" %lld",
                       (long long)moe->groups, (long long)moe->experts);
    }
    if (moe->group_top > moe->groups) {
        as_config_fail(c, AS_E_INPUT, "\"topk_group\" is %lld of %lld groups", (long long)moe->group_top,
                       (long long)moe->groups);
        moe->group_top = moe->groups;
    }
    moe->groups_as_zero = d->groups_as_zero;
    int64_t open = d->groups_as_zero ? moe->experts : moe->experts / moe->groups * moe->group_top;
    if (moe->top_k > open) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld, of %lld experts in the chosen groups",
                       (long long)moe->top_k, (long long)open);
    }
}

as_moe_spec as_deepseek_experts(as_config *c, const as_deepseek_defaults *d)
{
    const char *count = as_config_has(c, "n_routed_experts") ? "n_routed_experts"
                        : as_config_has(c, "num_experts")    ? "num_experts"
                                                             : "num_local_experts";
    int64_t width = as_config_size_or(c, "moe_intermediate_size", d->width, AS_MOST_WIDTH);
    int64_t shared = as_config_int(c, "n_shared_experts", d->shared);
    as_moe_spec moe = {.experts = as_config_size_or(c, count, d->experts, AS_MOST_EXPERTS),
                       .width = width,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = d->route,
                       .correction = d->route == AS_ROUTE_SIGMOID,
                       .normalise = as_config_bool(c, "norm_topk_prob", d->normalise),
                       .scale = as_config_factor(c, "routed_scaling_factor", d->scale),
                       .group_by_max = d->group_by_max};
    moe.top_k = d->top_k ? as_config_size_or(c, "num_experts_per_tok", d->top_k, 256)
                         : as_config_size(c, "num_experts_per_tok", 256);
    if (shared < 0 || shared > AS_MOST_EXPERTS) {
        as_config_fail(c, AS_E_INPUT, "\"n_shared_experts\" is %lld", (long long)shared);
        shared = 0;
    }
    if (json_is_null(json_object_get(c->root, "n_shared_experts"))) shared = 0;
    moe.shared = (as_mlp_spec){.width = shared * width,
                               .act = moe.act,
                               .gated = true,
                               .gate = AS_SLOT_SHARED_GATE,
                               .up = AS_SLOT_SHARED_UP,
                               .down = AS_SLOT_SHARED_DOWN};
    moe.correction_may_lack = d->correction_may_lack;
    read_groups(c, &moe, d);
    return moe;
}

/* moe_layer_freq at a layer: every so many layers has experts; a list says of each layer 0 or 1. */
static int64_t frequency_at(as_config *c, int64_t layer)
{
    const json_t *list = json_object_get(c->root, "moe_layer_freq");
    if (!json_is_array(list)) return as_config_size_or(c, "moe_layer_freq", 1, AS_MOST_LAYERS);
    const json_t *flag = json_array_get(list, (size_t)layer);
    if (!flag)
        as_config_fail(c, AS_E_INPUT, "\"moe_layer_freq\" has no entry for layer %lld", (long long)layer);
    return json_is_true(flag) || json_integer_value(flag) != 0;
}

bool as_deepseek_layer_is_dense(as_config *c, const as_model_spec *spec, int64_t layer,
                                const as_deepseek_defaults *d)
{
    const json_t *list = json_object_get(c->root, "mlp_layer_types");
    if (!d->listed || !as_config_has(c, "mlp_layer_types")) {
        int64_t every = d->by_frequency ? frequency_at(c, layer) : 1;
        int64_t first =
            d->first_fixed ? d->first_dense : as_config_int(c, "first_k_dense_replace", d->first_dense);
        return layer < first || every == 0 || layer % every != 0;
    }
    const char *type = json_string_value(json_array_get(list, (size_t)layer));
    if ((int64_t)json_array_size(list) != spec->layer_count || !type) {
        as_config_fail(c, AS_E_INPUT,
                       "\"mlp_layer_types\" must be a list with a name for each of the %lld layers",
                       (long long)spec->layer_count);
        return true;
    }
    if (strcmp(type, "dense") != 0 && strcmp(type, "sparse") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"mlp_layer_types\"[%lld] is \"%s\", expected dense or sparse",
                       (long long)layer, type);
    }
    return strcmp(type, "dense") == 0;
}

/* ---- the families ----------------------------------------------------------------------------------------
 */

void as_deepseek_layers(as_config *c, as_model_spec *spec, const as_deepseek_defaults *d,
                        const as_mla_spec *attention, const as_moe_spec *moe, const bool *shared_index)
{
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", d->eps), 0);
    bool all_dense = json_is_null(json_object_get(c->root, "n_routed_experts"));
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe->act, moe->shared.up_bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_mla_spec here = *attention;
        if (shared_index && shared_index[i]) here.index = AS_INDEX_SHARED;
        as_spec_add_mixer(c, spec, i, &as_block_mla, &here, norm);
        if (all_dense || as_deepseek_layer_is_dense(c, spec, i, d)) {
            as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
            continue;
        }
        as_step *step = as_spec_add_ffn(c, spec, i, &as_block_moe, moe, norm);
        if (d->norm_after_experts) {
            step->out_norm = norm;
            step->out_norm.slot = AS_SLOT_NORM_2_POST;
        }
    }
    spec->names = as_deepseek_names;
    spec->prefixes = prefixes;
    spec->ignored = ignored;
    as_spec_ignore_next_token_layers(c, spec);
    as_spec_finish(c, spec, norm, d->tied);
}

static void describe_with(as_config *c, as_model_spec *spec, const as_deepseek_defaults *d)
{
    as_spec_base(c, spec, d->context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &d->attention);
    as_moe_spec moe = as_deepseek_experts(c, d);
    as_deepseek_layers(c, spec, d, &attention, &moe, NULL);
}

/* The insides of initializers, since a constant object is none in C11. */
#define MLA_V2                                                                                               \
    .q_rank = 1536, .kv_rank = 512, .nope = 128, .rope = 64, .v_width = 128, .theta = 10000,                 \
    .kind = AS_ROPE_INTERLEAVED
#define MLA_V3 MLA_V2, .kind_by_config = true

static const as_mla_defaults mla_v3 = {MLA_V3};

static const as_deepseek_defaults defaults_v2 = {.attention = {MLA_V2},
                                                 .context = 2048,
                                                 .eps = 1e-6,
                                                 .experts = 64,
                                                 .shared = 2,
                                                 .width = 1407,
                                                 .scale = 1,
                                                 .groups = 1,
                                                 .group_top = 1,
                                                 .route = AS_ROUTE_SOFTMAX,
                                                 .group_by_max = true};

static as_moe_spec read_experts_v2(as_config *c)
{
    as_deepseek_defaults d = defaults_v2;
    as_spec_expect(c, "topk_method", "greedy", "group_limited_greedy");
    as_spec_expect(c, "scoring_func", "softmax", "softmax");
    d.ungrouped = strcmp(as_config_string(c, "topk_method", "greedy"), "greedy") == 0;
    as_moe_spec moe = as_deepseek_experts(c, &d);
    moe.normalise = false;
    moe.shared.up_bias = moe.shared.down_bias = as_config_bool(c, "mlp_bias", false);
    /* A shared expert of no width gives its last bias. */
    moe.out_bias = moe.shared.down_bias && moe.shared.width == 0 &&
                   !json_is_null(json_object_get(c->root, "n_shared_experts"));
    return moe;
}

static void describe_v2(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, defaults_v2.context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &defaults_v2.attention);
    as_moe_spec moe = read_experts_v2(c);
    as_deepseek_layers(c, spec, &defaults_v2, &attention, &moe, NULL);
}

/* Whether a layer's window, which leaves out no key of the prompt, counts: all of them, or by layer_types. */
static bool slides_behind_prompt(as_config *c, const as_model_spec *spec, int64_t layer)
{
    const char *type = as_config_layer_type(c, layer, spec->layer_count);
    if (!type || strcmp(type, "reference_sliding_attention") == 0) return true;
    if (strcmp(type, "full_attention") != 0) {
        as_config_fail(
            c, AS_E_UNSUPPORTED,
            "\"layer_types\"[%lld] is \"%s\", expected full_attention or reference_sliding_attention",
            (long long)layer, type);
    }
    return false;
}

/* DeepSeek-OCR 2: V2's experts behind grouped attention. */
static void describe_ocr(as_config *c, as_model_spec *spec, int64_t first_dense, int64_t window)
{
    as_deepseek_defaults d = defaults_v2;
    d.listed = true;
    d.first_dense = first_dense;
    as_spec_base(c, spec, d.context);
    as_spec_split_heads(c, spec, 0);
    if (c->rc != AS_OK) return;
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", d.eps), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_moe_spec moe = read_experts_v2(c);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, moe.shared.up_bias);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.keeps_prompt = window && slides_behind_prompt(c, spec, i);
        attention.window = attention.keeps_prompt ? window : 0;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        bool dense = as_deepseek_layer_is_dense(c, spec, i, &d);
        as_spec_add_either(c, spec, i, dense ? NULL : &moe, &mlp, norm);
    }
    spec->names = as_deepseek_names;
    as_spec_finish(c, spec, norm, false);
}

static void describe_ocr2(as_config *c, as_model_spec *spec)
{
    describe_ocr(c, spec, defaults_v2.first_dense, 0);
}

/* Unlimited OCR (Baidu 2026): the same with a window over what is generated; the prompt is always seen. */
static void describe_unlimited_ocr(as_config *c, as_model_spec *spec)
{
    int64_t window = as_spec_window(c, 128);
    if (window == 0) as_config_fail(c, AS_E_INPUT, "\"sliding_window\" is null, expected a number");
    describe_ocr(c, spec, 1, window);
}

const as_deepseek_defaults as_deepseek_v3 = {.attention = {MLA_V3},
                                             .context = 4096,
                                             .eps = 1e-6,
                                             .experts = 256,
                                             .top_k = 8,
                                             .shared = 1,
                                             .width = 2048,
                                             .scale = 2.5,
                                             .groups = 8,
                                             .group_top = 4,
                                             .first_dense = 3,
                                             .normalise = true,
                                             .route = AS_ROUTE_SIGMOID};

static void describe_v3(as_config *c, as_model_spec *spec)
{
    as_spec_expect(c, "topk_method", "noaux_tc", "noaux_tc");
    as_spec_expect(c, "scoring_func", "sigmoid", "sigmoid");
    describe_with(c, spec, &as_deepseek_v3);
}

/* GLM-4.7-Flash. */
static void describe_glm_lite(as_config *c, as_model_spec *spec)
{
    as_deepseek_defaults d = as_deepseek_v3;
    d.attention = (as_mla_defaults){.q_rank = 768,
                                    .kv_rank = 512,
                                    .nope = 192,
                                    .rope = 64,
                                    .v_width = 256,
                                    .theta = 10000,
                                    .kind = AS_ROPE_INTERLEAVED,
                                    .kind_by_config = true};
    d.attention.rope_key = "head_dim";
    d.context = 202752;
    d.eps = 1e-5;
    d.experts = 64;
    d.top_k = 4;
    d.width = 1536;
    d.scale = 1.8;
    d.groups = d.group_top = d.first_dense = 1;
    d.listed = d.first_fixed = true;
    describe_with(c, spec, &d);
}

/* A.X K1: a norm behind the experts, and published without the routers' correction. */
static void describe_axk1(as_config *c, as_model_spec *spec)
{
    as_deepseek_defaults d = as_deepseek_v3;
    d.context = 32768;
    d.experts = 192;
    d.first_dense = 1;
    d.norm_after_experts = d.correction_may_lack = d.listed = d.by_frequency = true;
    describe_with(c, spec, &d);
}

/* Mistral 4: softmax routing, queries that grow with their position. */
static void describe_mistral4(as_config *c, as_model_spec *spec)
{
    as_deepseek_defaults d = as_deepseek_v3;
    d.attention.q_rank = 1024;
    d.attention.kv_rank = 256;
    d.attention.nope = 64;
    d.attention.parameters = "{\"rope_type\": \"yarn\", \"rope_theta\": 10000, \"factor\": 128, "
                             "\"original_max_position_embeddings\": 8192, \"beta_fast\": 32, "
                             "\"beta_slow\": 1, \"mscale\": 1, \"mscale_all_dim\": 1}";
    d.context = 1048576;
    d.experts = 128;
    d.top_k = 4;
    d.scale = 1;
    d.groups = d.group_top = 1;
    d.first_dense = 0;
    d.route = AS_ROUTE_SOFTMAX;
    as_spec_base(c, spec, d.context);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &d.attention);
    attention.growth = as_spec_growth(c, spec, attention.rope_table, 0.1);
    as_moe_spec moe = as_deepseek_experts(c, &d);
    as_deepseek_layers(c, spec, &d, &attention, &moe, NULL);
}

/* transformers 5.23 zeroes the padding token's row after it has read the checkpoint. A negative one counts
 * from behind. */
static void blank_padding(as_config *c, as_model_spec *spec)
{
    if (!as_config_has(c, "pad_token_id")) return;
    int64_t padding = as_config_int(c, "pad_token_id", 0);
    if (padding < 0) padding += spec->vocab;
    if (padding < 0 || padding >= spec->vocab) return;
    spec->has_blank = true;
    spec->blank = (int32_t)padding;
}

/* Youtu-LLM: V3's attention in Llama's layers. */
static void describe_youtu(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 131072);
    if (c->rc != AS_OK) return;
    as_mla_spec attention = as_spec_mla(c, spec, &mla_v3);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_spec_add_mixer(c, spec, i, &as_block_mla, &attention, norm);
        as_spec_add_ffn(c, spec, i, &as_block_mlp, &mlp, norm);
    }
    blank_padding(c, spec);
    as_spec_finish(c, spec, norm, true);
}

const as_family as_family_deepseek_v2 = {.architectures = {"DeepseekV2ForCausalLM"}, .describe = describe_v2};
const as_family as_family_deepseek_ocr2 = {.describe = describe_ocr2};
const as_family as_family_unlimited_ocr = {.describe = describe_unlimited_ocr};
const as_family as_family_deepseek_v3 = {.architectures = {"DeepseekV3ForCausalLM", "KimiK2ForCausalLM"},
                                         .nested = "text_config",
                                         .describe = describe_v3};
const as_family as_family_glm4_moe_lite = {.architectures = {"Glm4MoeLiteForCausalLM"},
                                           .describe = describe_glm_lite};
const as_family as_family_axk1 = {.architectures = {"AXK1ForCausalLM"}, .describe = describe_axk1};
const as_family as_family_mistral4 = {.architectures = {"Mistral4ForCausalLM"},
                                      .describe = describe_mistral4};
const as_family as_family_youtu = {.architectures = {"YoutuForCausalLM"}, .describe = describe_youtu};
