/* MiniMax-Text-01 and M1: MiniMax 2025; transformers models/minimax, and the published
 * modeling_minimax_text_01 (the same model under other keys). Lightning attention and softmax attention by
 * layer, experts in every layer. The residual is the normed input: stream = alpha norm(stream) + beta
 * block(norm(stream)). The rates of decay are computed; a checkpoint may carry them as buffers, which
 * transformers reads: those that were rounded to 16 bits are not what it would compute. */
#include <stdio.h>
#include <string.h>

#include "engine/arch/arch.h"
#include "engine/blocks/lightning.h"
#include "engine/blocks/moe.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_LINEAR_QKV] = "layers.%d.self_attn.qkv_proj",
    [AS_SLOT_LINEAR_GATE] = "layers.%d.self_attn.output_gate",
    [AS_SLOT_LINEAR_NORM] = "layers.%d.self_attn.norm",
    [AS_SLOT_LINEAR_OUT] = "layers.%d.self_attn.out_proj",
    [AS_SLOT_LINEAR_SLOPES] = "layers.%d.self_attn.slope_rate",
    [AS_SLOT_LINEAR_FROM_START] = "layers.%d.self_attn.query_decay",
    [AS_SLOT_LINEAR_TO_END] = "layers.%d.self_attn.key_decay",
    [AS_SLOT_ROUTER] = "layers.%d.block_sparse_moe.gate|layers.%d.mlp.gate",
    [AS_SLOT_EXPERT_GATE] =
        "layers.%d.block_sparse_moe.experts.%e.w1|layers.%d.mlp.experts.gate_up_proj!#0/2",
    [AS_SLOT_EXPERT_UP] = "layers.%d.block_sparse_moe.experts.%e.w3|layers.%d.mlp.experts.gate_up_proj!#1/2",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.block_sparse_moe.experts.%e.w2|layers.%d.mlp.experts.down_proj!",
};

static const char *const ignored[] = {"*rotary_emb.inv_freq",       "*.self_attn.slope_rate",
                                      "*.self_attn.query_decay",    "*.self_attn.key_decay",
                                      "*.self_attn.diagonal_decay", NULL};

/* The factors of the residual: transformers' key, or the published one. */
typedef struct factors {
    float alpha, beta;
} factors;

static factors read_factors(as_config *c, const char *kind, const char *published)
{
    char alpha[64], beta[64], old_alpha[64], old_beta[64];
    snprintf(alpha, sizeof alpha, "%s_alpha_factor", kind);
    snprintf(beta, sizeof beta, "%s_beta_factor", kind);
    snprintf(old_alpha, sizeof old_alpha, "layernorm_%s_alpha", published);
    snprintf(old_beta, sizeof old_beta, "layernorm_%s_beta", published);
    return (factors){.alpha = as_config_factor(c, alpha, as_config_number(c, old_alpha, 1)),
                     .beta = as_config_factor(c, beta, as_config_number(c, old_beta, 1))};
}

static void wire(as_step *step, factors by)
{
    step->residual_normed = true;
    step->stream_scale = by.alpha;
    step->residual_scale = by.beta;
}

/* By layer_types, the published attn_type_list (0: lightning), or every other layer from the second on. */
static bool is_lightning(as_config *c, int64_t layer, int64_t layers)
{
    const char *type = as_config_layer_type(c, layer, layers);
    const json_t *list = json_object_get(c->root, "attn_type_list");
    if (!type && list) {
        if ((int64_t)json_array_size(list) != layers) {
            as_config_fail(c, AS_E_INPUT, "\"attn_type_list\" has %zu entries, expected %lld",
                           json_array_size(list), (long long)layers);
        }
        return json_integer_value(json_array_get(list, (size_t)layer)) == 0;
    }
    if (!type) return layer % 2 == 1;
    if (strcmp(type, "full_attention") != 0 && strcmp(type, "linear_attention") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED,
                       "\"layer_types\"[%lld] is \"%s\", expected full_attention or linear_attention",
                       (long long)layer, type);
    }
    return strcmp(type, "linear_attention") == 0;
}

static as_moe_spec describe_experts(as_config *c, as_model_spec *spec)
{
    const char *count = as_config_has(c, "num_experts") ? "num_experts" : "num_local_experts";
    spec->intermediate = as_config_size_or(c, "intermediate_size", 14336, AS_MOST_WIDTH);
    as_moe_spec moe = {.experts = as_config_size_or(c, count, 8, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS),
                       .width = spec->intermediate,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .gated = true,
                       .route = AS_ROUTE_SOFTMAX,
                       .normalise = true,
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    return moe;
}

/* The published configuration rotates rotary_dim elements of a head; transformers leaves it unread. 0: all.
 */
static double rotated_share(as_config *c, const as_model_spec *spec)
{
    int64_t rotary = as_config_size_or(c, "rotary_dim", spec->head_dim, 1 << 14);
    return rotary < spec->head_dim ? (double)rotary / (double)spec->head_dim : 0;
}

/* The block of the decay's tables where they may have been rounded; 0: they were not. */
static int64_t rounded_block(as_config *c)
{
    const char *key = as_config_key(c, "dtype", "torch_dtype");
    bool rounded = as_config_says(c, key, "float16") || as_config_says(c, key, "bfloat16");
    return rounded ? as_config_size_or(c, "block_size", 256, 4096) : 0;
}

/* The table [heads, block, block] depends on the distance alone: its first column is read. */
static void name_tables(as_config *c, as_model_spec *spec, int64_t block)
{
    enum { MOST = 64 };
    const char **slots = AS_ARENA_NEW_ARRAY(&spec->arena, const char *, AS_SLOT_COUNT);
    char *within = as_arena_alloc(&spec->arena, MOST);
    if (!slots || !within) {
        as_config_fail(c, AS_E_MEMORY, "out of memory for the names");
        return;
    }
    memcpy(slots, names, sizeof names);
    snprintf(within, MOST, "layers.%%d.self_attn.diagonal_decay#0%%%lld", (long long)block);
    slots[AS_SLOT_LINEAR_WITHIN] = within;
    spec->names = slots;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-5), 0);
    as_rope_defaults rope = {.head_dim = spec->head_dim, .theta = 1e6, .partial = rotated_share(c, spec)};
    as_attention_spec attention = as_spec_attention(spec, as_config_rope(c, &rope, spec), false, false);
    attention.window = as_spec_window(c, 0);
    as_lightning_spec lightning = {.heads = spec->heads,
                                   .head_dim = spec->head_dim,
                                   .act = as_config_activation(c, "hidden_act", "silu"),
                                   .eps = 1e-6f, /* whatever rms_norm_eps says */
                                   .block = rounded_block(c)};
    as_moe_spec moe = describe_experts(c, spec);
    factors full = read_factors(c, "full_attn", "full_attention");
    factors linear = read_factors(c, "linear_attn", "linear_attention");
    factors mlp = read_factors(c, "mlp", "mlp");
    if (as_config_int(c, "shared_intermediate_size", 0) > 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"shared_intermediate_size\" above 0 is not supported");
    }
    if (!as_config_bool(c, "postnorm", true)) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"postnorm\" false is not supported");
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        if (is_lightning(c, i, spec->layer_count)) {
            lightning.slope = 1 - (double)i / ((double)(spec->layer_count - 1) + 1e-5) + 1e-5;
            wire(as_spec_add_mixer(c, spec, i, &as_block_lightning, &lightning, norm), linear);
        } else {
            wire(as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm), full);
        }
        wire(as_spec_add_ffn(c, spec, i, &as_block_moe, &moe, norm), mlp);
    }
    spec->names = names;
    if (lightning.block) name_tables(c, spec, lightning.block);
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_minimax = {
    .architectures = {"MiniMaxForCausalLM", "MiniMaxText01ForCausalLM", "MiniMaxM1ForCausalLM"},
    .describe = describe};
