/* Mixtral: Jiang et al. 2024; transformers models/mixtral. Mistral's attention, no window unless the config
 * sets one, and eight experts of which two: softmax over all, the best, renormalised. */
#include "engine/arch/arch.h"
#include "engine/blocks/block.h"

static const char *const names[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "embed_tokens",
    [AS_SLOT_FINAL_NORM] = "norm",
    [AS_SLOT_HEAD] = "^lm_head",
    [AS_SLOT_NORM_1] = "layers.%d.input_layernorm",
    [AS_SLOT_NORM_2] = "layers.%d.post_attention_layernorm",
    [AS_SLOT_Q] = "layers.%d.self_attn.q_proj",
    [AS_SLOT_K] = "layers.%d.self_attn.k_proj",
    [AS_SLOT_V] = "layers.%d.self_attn.v_proj",
    [AS_SLOT_O] = "layers.%d.self_attn.o_proj",
    [AS_SLOT_ROUTER] = "layers.%d.block_sparse_moe.gate",
    [AS_SLOT_EXPERT_GATE] = "layers.%d.block_sparse_moe.experts.%e.w1",
    [AS_SLOT_EXPERT_UP] = "layers.%d.block_sparse_moe.experts.%e.w3",
    [AS_SLOT_EXPERT_DOWN] = "layers.%d.block_sparse_moe.experts.%e.w2",
};

static void describe(as_config *c, as_model_spec *spec)
{
    as_spec_base(c, spec, 4096 * 32);
    as_spec_heads(c, spec, json_object_get(c->root, "num_key_value_heads") ? 0 : 8, 0);
    double eps = as_config_eps(c, "rms_norm_eps", 1e-5);
    int rope = as_config_rope(c, &(as_rope_defaults){.head_dim = spec->head_dim, .theta = 1e6}, spec);
    as_attention_spec attention = as_spec_attention(spec, rope, false, false);
    if (as_config_has(c, "sliding_window")) attention.window = as_config_size(c, "sliding_window", 1 << 30);
    spec->intermediate = as_config_size(c, "intermediate_size", AS_MOST_WIDTH);
    const char *count = as_config_has(c, "num_experts") ? "num_experts" : "num_local_experts";
    as_moe_spec moe = {.experts = as_config_size_or(c, count, 8, AS_MOST_EXPERTS),
                       .top_k = as_config_size_or(c, "num_experts_per_tok", 2, AS_MOST_EXPERTS),
                       .width = spec->intermediate,
                       .act = as_config_activation(c, "hidden_act", "silu"),
                       .route = AS_ROUTE_SOFTMAX,
                       .normalise = true,
                       .scale = 1,
                       .groups = 1};
    if (moe.top_k > moe.experts) {
        as_config_fail(c, AS_E_INPUT, "\"num_experts_per_tok\" is %lld of %lld experts", (long long)moe.top_k,
                       (long long)moe.experts);
    }
    for (int64_t i = 0; c->rc == AS_OK && i < spec->layer_count; i++) {
        as_step *mixer = as_spec_add_step(&spec->layers[i], &as_block_attention, "mixer");
        mixer->in_norm = as_spec_rms(AS_SLOT_NORM_1, eps, 0);
        mixer->u.attention = attention;
        as_step *ffn = as_spec_add_step(&spec->layers[i], &as_block_moe, "ffn");
        ffn->in_norm = as_spec_rms(AS_SLOT_NORM_2, eps, 0);
        ffn->u.moe = moe;
    }
    spec->final_norm = as_spec_rms(AS_SLOT_FINAL_NORM, eps, 0);
    spec->tied_head = as_config_bool(c, "tie_word_embeddings", false);
    spec->names = names;
    spec->prefixes = as_llama_prefixes;
    spec->ignored = as_llama_ignored;
}

const as_family as_family_mixtral = {.architectures = {"MixtralForCausalLM"}, .describe = describe};
