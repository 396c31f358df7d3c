/* DeepSeekMoE 16B: Dai et al. 2024; the code beside the weights (modeling_deepseek.py; transformers has no
 * class for it). Llama with many small experts, softmax over all of them, shared ones beside, the first
 * layers dense. */
#include <string.h>

#include "engine/arch/experts.h"

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 2048);
    as_spec_heads(c, spec, as_spec_kv_default(c, 32), 0);
    as_norm_spec norm = as_spec_rms(AS_SLOT_NORM_1, as_config_eps(c, "rms_norm_eps", 1e-6), 0);
    bool bias = as_config_bool(c, "attention_bias", false);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 10000}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, bias, bias);
    as_mlp_spec mlp = as_spec_gated_mlp(c, spec, as_config_activation(c, "hidden_act", "silu"), false);
    bool experts = as_config_has(c, "n_routed_experts");
    as_moe_spec moe = {0};
    if (experts) {
        moe = as_spec_experts(c, &(as_expert_keys){.count = "n_routed_experts",
                                                   .top_k = "num_experts_per_tok",
                                                   .width = "moe_intermediate_size",
                                                   .width_default = 1407});
        moe.normalise = moe.top_k > 1 && as_config_bool(c, "norm_topk_prob", false);
        as_spec_share(c, &moe, moe.width * as_spec_shared_count(c, "n_shared_experts", 0));
    }
    const char *score = as_config_string(c, "scoring_func", "softmax");
    if (strcmp(score, "softmax") != 0) {
        as_config_fail(c, AS_E_UNSUPPORTED, "\"scoring_func\" is \"%s\", expected softmax", score);
    }
    int64_t first = as_config_int(c, "first_k_dense_replace", 0),
            every = as_config_size_or(c, "moe_layer_freq", 1, AS_MOST_LAYERS);
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        bool sparse = experts && i >= first && i % every == 0;
        as_spec_add_mixer(c, spec, i, &as_block_attention, &attention, norm);
        as_spec_add_either(c, spec, i, sparse ? &moe : NULL, &mlp, norm);
    }
    as_spec_finish(c, spec, norm, false);
}

const as_family as_family_deepseek_moe = {.architectures = {"DeepseekForCausalLM"}, .describe = describe};
