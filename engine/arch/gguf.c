/* What GGUF files of all families share, and the search for a family; see gguf.h. The names are those of the
 * gguf package (constants.py). */
#include "engine/arch/gguf.h"

#include <stdio.h>
#include <string.h>

#include "base/nearest.h"

#define AT "^blk.%d."
/* Experts stand in one tensor, gate and up together or apart; in older files each alone. */
const char *const as_gguf_slots[AS_SLOT_COUNT] = {
    [AS_SLOT_EMBED] = "^token_embd",
    [AS_SLOT_POSITIONS] = "^position_embd",
    [AS_SLOT_EMBED_NORM] = "^token_embd_norm",
    [AS_SLOT_FINAL_NORM] = "^output_norm",
    [AS_SLOT_HEAD] = "^output",
    [AS_SLOT_NORM_1] = AT "attn_norm",
    [AS_SLOT_NORM_1_POST] = AT "post_attention_norm",
    [AS_SLOT_NORM_2] = AT "ffn_norm|" AT "post_attention_norm|" AT "ffn_norm!",
    [AS_SLOT_NORM_2_POST] = AT "post_ffw_norm",
    [AS_SLOT_Q] = AT "attn_q",
    [AS_SLOT_K] = AT "attn_k",
    [AS_SLOT_V] = AT "attn_v",
    [AS_SLOT_QKV] = AT "attn_qkv",
    [AS_SLOT_O] = AT "attn_output",
    [AS_SLOT_Q_NORM] = AT "attn_q_norm",
    [AS_SLOT_K_NORM] = AT "attn_k_norm",
    [AS_SLOT_SINKS] = AT "attn_sinks.weight|" AT "attn_sinks",
    [AS_SLOT_ATTENTION_GATE] = AT "attn_gate",
    [AS_SLOT_Q_DOWN] = AT "attn_q_a",
    [AS_SLOT_Q_DOWN_NORM] = AT "attn_q_a_norm",
    [AS_SLOT_Q_UP] = AT "attn_q_b",
    [AS_SLOT_KV_DOWN] = AT "attn_kv_a_mqa",
    [AS_SLOT_KV_DOWN_NORM] = AT "attn_kv_a_norm",
    [AS_SLOT_KV_UP] = AT "attn_kv_b",
    [AS_SLOT_K_UP] = AT "attn_k_b",
    [AS_SLOT_V_UP] = AT "attn_v_b",
    [AS_SLOT_GATE] = AT "ffn_gate",
    [AS_SLOT_UP] = AT "ffn_up",
    [AS_SLOT_DOWN] = AT "ffn_down",
    [AS_SLOT_DOWN_NORM] = AT "ffn_sub_norm",
    [AS_SLOT_O_NORM] = AT "attn_sub_norm",
    [AS_SLOT_ROUTER] = AT "ffn_gate_inp",
    [AS_SLOT_ROUTER_CORRECTION] = AT "exp_probs_b.bias|" AT "exp_probs_b",
    [AS_SLOT_EXPERT_GATE] = AT "ffn_gate_exps|" AT "ffn_gate_up_exps#0/2|" AT "ffn_gate.%e",
    [AS_SLOT_EXPERT_UP] = AT "ffn_up_exps|" AT "ffn_gate_up_exps#1/2|" AT "ffn_up.%e",
    [AS_SLOT_EXPERT_DOWN] = AT "ffn_down_exps|" AT "ffn_down.%e",
    [AS_SLOT_SHARED_GATE] = AT "ffn_gate_shexp",
    [AS_SLOT_SHARED_UP] = AT "ffn_up_shexp",
    [AS_SLOT_SHARED_DOWN] = AT "ffn_down_shexp",
    [AS_SLOT_SHARED_SIGMOID] = AT "ffn_gate_inp_shexp",
    [AS_SLOT_LATENT_IN] = AT "ffn_latent_down",
    [AS_SLOT_LATENT_OUT] = AT "ffn_latent_up",
    [AS_SLOT_PER_LAYER_EMBED] = "^per_layer_token_embd",
    [AS_SLOT_PER_LAYER_IN] = "^per_layer_model_proj",
    [AS_SLOT_PER_LAYER_IN_NORM] = "^per_layer_proj_norm",
    [AS_SLOT_PER_LAYER_GATE] = AT "inp_gate",
    [AS_SLOT_PER_LAYER_OUT] = AT "proj",
    [AS_SLOT_PER_LAYER_NORM] = AT "post_norm",
    [AS_SLOT_SSM_IN] = AT "ssm_in",
    [AS_SLOT_SSM_CONV] = AT "ssm_conv1d",
    [AS_SLOT_SSM_X] = AT "ssm_x",
    [AS_SLOT_SSM_DT] = AT "ssm_dt",
    [AS_SLOT_SSM_DT_BIAS] = AT "ssm_dt.bias",
    [AS_SLOT_SSM_A_LOG] = AT "ssm_a",
    [AS_SLOT_SSM_D] = AT "ssm_d",
    [AS_SLOT_SSM_OUT] = AT "ssm_out",
    [AS_SLOT_SSM_NORM] = AT "ssm_norm",
    [AS_SLOT_SSM_DT_NORM] = AT "ssm_dt_norm",
    [AS_SLOT_SSM_B_NORM] = AT "ssm_b_norm",
    [AS_SLOT_SSM_C_NORM] = AT "ssm_c_norm",
};
#undef AT

/* Frequencies that older converters kept. */
const char *const as_gguf_leftovers[] = {"*rot_embd*", "*rotary_emb.inv_freq", "blk.0.time_mix_v[012].weight",
                                         NULL};

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
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor"},
    {"expert_weights_norm", "norm_topk_prob"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {0},
};

const as_gguf_family *as_gguf_family_named(const char *name, size_t size)
{
    for (const as_gguf_family *at = as_gguf_families; at->name; at++) {
        if (strlen(at->name) == size && memcmp(at->name, name, size) == 0) return at;
    }
    return NULL;
}

static as_code unknown(const char *name, size_t size, as_error *err)
{
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)(size < 60 ? size : 60), name);
    as_nearest nearest = {.word = word, .anyway = true};
    for (const as_gguf_family *at = as_gguf_families; at->name; at++) as_nearest_offer(&nearest, at->name);
    return as_fail(err, AS_E_UNSUPPORTED,
                   "the GGUF architecture \"%s\" is not known here; the nearest known is \"%s\" "
                   "(docs/architecture.md lists all)",
                   word, nearest.best);
}

as_code as_gguf_family_find(const as_gguf *gguf, const as_gguf_family **out, as_error *err)
{
    const char *name = "";
    size_t size = 0;
    AS_TRY(as_gguf_get_string(gguf, "general.architecture", &name, &size, err));
    if (!size) return as_fail(err, AS_E_INPUT, "\"general.architecture\" is missing");
    const as_gguf_family *found = as_gguf_family_named(name, size);
    if (!found) return unknown(name, size, err);
    *out = found;
    return AS_OK;
}

/* ---- what the families' functions ask ---- */

const as_gguf_tensor *as_gguf_tensor_named(const as_gguf *gguf, const char *name)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        if (strcmp(gguf->tensors[i].name, name) == 0) return &gguf->tensors[i];
    }
    return NULL;
}

bool as_gguf_layers_have(const as_gguf *gguf, const char *name)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        const char *at = gguf->tensors[i].name;
        if (strncmp(at, "blk.", 4) != 0) continue;
        at += 4 + strspn(at + 4, "0123456789");
        if (*at == '.' && strcmp(at + 1, name) == 0) return true;
    }
    return false;
}

const as_gguf_value *as_gguf_own(const as_gguf *gguf, const char *name)
{
    enum { KEY_BYTES = 160 };
    char key[KEY_BYTES];
    const as_gguf_value *arch = as_gguf_find(gguf, "general.architecture");
    if (!arch || arch->type != AS_GGUF_STRING || arch->count > 60) return NULL;
    snprintf(key, sizeof key, "%.*s.%s", (int)arch->count, (const char *)arch->at, name);
    return as_gguf_find(gguf, key);
}
