/* K-EXAONE (LG AI Research 2026); transformers models/exaone_moe. Three layers with a window and rotary
 * positions, then one that sees everything without positions; norms on each query and key head; experts
 * routed as in DeepSeek-V3. */
#include <string.h>

#include "engine/arch/experts.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_ROUTER_CORRECTION] =
        "layers.%d.mlp.e_score_correction_bias|layers.%d.mlp.gate.e_score_correction_bias",
};

static const char *const ignored[] = {"*rotary_emb.inv_freq", "mtp.*", "model.mtp.*", NULL};

/* sliding_window_pattern: every n-th layer sees everything, or a text such as "LLLG". */
static bool is_sliding_by_rule(as_config *c, int64_t layer)
{
    const char *text = json_string_value(json_object_get(c->root, "sliding_window_pattern"));
    if (text && *text) return text[(size_t)layer % strlen(text)] == 'L';
    return (layer + 1) % as_config_size_or(c, "sliding_window_pattern", 4, AS_MOST_LAYERS) != 0;
}

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, as_spec_kv_default(c, 32), 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    as_spec_norm_heads(&attention, eps);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
    as_moe_spec moe = as_spec_experts(c, &(as_expert_keys){.count = "num_experts",
                                                           .count_default = 64,
                                                           .top_k = "num_experts_per_tok",
                                                           .top_k_default = 8,
                                                           .width = "moe_intermediate_size",
                                                           .width_default = 1024});
    as_spec_route_by_sigmoid(c, &moe, &(as_route_defaults){.normalise = true, .scale = 2.5});
    as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "num_shared_experts", 1));
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, moe.act, false);
    int64_t window = as_spec_window(c, 4096), first = as_config_int(c, "first_k_dense_replace", 1);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        attention.window = as_spec_layer_window(c, spec, i, window > 0 && is_sliding_by_rule(c, i), window);
        attention.rope = window == 0 || attention.window ? rope : -1;
        bool sparse = as_spec_is_sparse(c, spec, i, first);
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    spec->names = names;
    spec->ignored = ignored;
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_exaone_moe = {.architectures = {"ExaoneMoeForCausalLM"}, .describe = describe};
