/* What GGUF files of all families share, and the search for a family; see gguf.h. */
#include "engine/arch/gguf.h"

#include <stdio.h>
#include <string.h>

const char *const as_gguf_forms[AS_GGUF_FORMS] = {"paired_heads", "norms_folded", "qkv_rows", "ssm_a",
                                                  "plain_matrices"};

const as_gguf_name as_gguf_names[] = {
    {"token_embd", "model.embed_tokens"},
    {"output_norm", "model.norm"},
    {"output", "lm_head"},
    {"blk.%d.attn_norm", "model.layers.%d.input_layernorm"},
    {"blk.%d.attn_q", "model.layers.%d.self_attn.q_proj"},
    {"blk.%d.attn_k", "model.layers.%d.self_attn.k_proj"},
    {"blk.%d.attn_v", "model.layers.%d.self_attn.v_proj"},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.o_proj"},
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.q_norm"},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.k_norm"},
    {"blk.%d.ffn_norm", "model.layers.%d.post_attention_layernorm"},
    {"blk.%d.ffn_gate", "model.layers.%d.mlp.gate_proj"},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.up_proj"},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.down_proj"},
    {0},
};

const as_gguf_key as_gguf_keys[] = {
    {"context_length", "max_position_embeddings"},
    {"embedding_length", "hidden_size"},
    {"block_count", "num_hidden_layers"},
    {"feed_forward_length", "intermediate_size"},
    {"attention.head_count", "num_attention_heads"},
    {"attention.head_count_kv", "num_key_value_heads"},
    {"attention.key_length", "head_dim"},
    {"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
    {"attention.layer_norm_epsilon", "layer_norm_eps"},
    {"attention.sliding_window", "sliding_window"},
    {"rope.freq_base", "rope_theta"},
    {"expert_count", "num_local_experts"},
    {"expert_used_count", "num_experts_per_tok"},
    {0},
};

as_code as_gguf_family_find(const as_gguf *gguf, const as_gguf_family **out, as_error *err)
{
    const char *name = "";
    size_t size = 0;
    AS_TRY(as_gguf_get_string(gguf, "general.architecture", &name, &size, err));
    if (!size) return as_fail(err, AS_E_INPUT, "\"general.architecture\" is missing");
    char known[1024] = "";
    size_t used = 0;
    for (int i = 0; as_gguf_families[i].name; i++) {
        if (strlen(as_gguf_families[i].name) == size && memcmp(as_gguf_families[i].name, name, size) == 0) {
            *out = &as_gguf_families[i];
            return AS_OK;
        }
        used +=
            (size_t)snprintf(known + used, sizeof known - used, i ? ", %s" : "%s", as_gguf_families[i].name);
        if (used >= sizeof known) used = sizeof known - 1;
    }
    return as_fail(err, AS_E_UNSUPPORTED, "the GGUF architecture \"%.*s\" is not known here (%s are)",
                   (int)(size < 60 ? size : 60), name, known);
}
