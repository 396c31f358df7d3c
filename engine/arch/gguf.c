/* Families as GGUF files hold them; see gguf.h. The names are those of the gguf package (constants.py), the
 * changes to tensors those of llama.cpp's convert_hf_to_gguf.py. */
#include "engine/arch/gguf.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

const char *const as_gguf_forms[AS_GGUF_FORMS] = {"paired_heads", "norms_folded", "qkv_rows", "ssm_a"};

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

/* ---- families ---- */

/* Older files hold each expert alone. */
static const as_gguf_name llama_names[] = {
    {"blk.%d.ffn_gate_inp", "model.layers.%d.block_sparse_moe.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.block_sparse_moe.experts.%e.w1"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.block_sparse_moe.experts.%e.w2"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.block_sparse_moe.experts.%e.w3"},
    {"blk.%d.ffn_gate.%e", "model.layers.%d.block_sparse_moe.experts.%e.w1"},
    {"blk.%d.ffn_down.%e", "model.layers.%d.block_sparse_moe.experts.%e.w2"},
    {"blk.%d.ffn_up.%e", "model.layers.%d.block_sparse_moe.experts.%e.w3"},
    {0},
};

static const as_gguf_name gemma2_names[] = {
    {"blk.%d.post_attention_norm", "model.layers.%d.post_attention_layernorm"},
    {"blk.%d.ffn_norm", "model.layers.%d.pre_feedforward_layernorm"},
    {"blk.%d.post_ffw_norm", "model.layers.%d.post_feedforward_layernorm"},
    {0},
};

static const as_gguf_key gemma2_keys[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {0},
};

static const as_gguf_name gptneox_names[] = {
    {"token_embd", "gpt_neox.embed_in"},
    {"output_norm", "gpt_neox.final_layer_norm"},
    {"output", "embed_out"},
    {"blk.%d.attn_norm", "gpt_neox.layers.%d.input_layernorm"},
    {"blk.%d.attn_qkv", "gpt_neox.layers.%d.attention.query_key_value"},
    {"blk.%d.attn_output", "gpt_neox.layers.%d.attention.dense"},
    {"blk.%d.ffn_norm", "gpt_neox.layers.%d.post_attention_layernorm"},
    {"blk.%d.ffn_up", "gpt_neox.layers.%d.mlp.dense_h_to_4h"},
    {"blk.%d.ffn_down", "gpt_neox.layers.%d.mlp.dense_4h_to_h"},
    {0},
};

static const as_gguf_key gptneox_keys[] = {
    {"rope.freq_base", "rotary_emb_base"},
    {"use_parallel_residual", "use_parallel_residual"},
    {0},
};

static const as_gguf_name mamba_names[] = {
    {"token_embd", "backbone.embeddings"},
    {"output_norm", "backbone.norm_f"},
    {"blk.%d.attn_norm", "backbone.layers.%d.norm"},
    {"blk.%d.ssm_in", "backbone.layers.%d.mixer.in_proj"},
    {"blk.%d.ssm_conv1d", "backbone.layers.%d.mixer.conv1d"},
    {"blk.%d.ssm_x", "backbone.layers.%d.mixer.x_proj"},
    {"blk.%d.ssm_dt", "backbone.layers.%d.mixer.dt_proj"},
    {"blk.%d.ssm_a", "backbone.layers.%d.mixer.A_log"},
    {"blk.%d.ssm_d", "backbone.layers.%d.mixer.D"},
    {"blk.%d.ssm_out", "backbone.layers.%d.mixer.out_proj"},
    {0},
};

static const as_gguf_key mamba_keys[] = {
    {"attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
    {"ssm.conv_kernel", "conv_kernel"},
    {"ssm.state_size", "state_size"},
    {"ssm.time_step_rank", "time_step_rank"},
    {0},
};

/* ---- what no key says ---- */

static double number_of(const json_t *config, const char *key)
{
    return json_number_value(json_object_get(config, key));
}

static as_code set(json_t *config, const char *key, json_t *value, as_error *err)
{
    return json_object_set_new(config, key, value) == 0 ? AS_OK : as_fail_memory(err, "the configuration");
}

static bool has_tensor(const as_gguf *gguf, const char *name)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        if (strcmp(gguf->tensors[i].name, name) == 0) return true;
    }
    return false;
}

static as_code complete_llama(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set(config, "attention_bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err));
    return set(config, "mlp_bias", json_boolean(has_tensor(gguf, "blk.0.ffn_up.bias")), err);
}

/* Files without attention.scale: of the three sizes published, the largest alone scales by the width of a
 * head as if the heads made up the model's width. */
static as_code complete_gemma2(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { LAYERS_OF_27B = 46 };
    const as_gguf_value *scale = as_gguf_find(gguf, "gemma2.attention.scale");
    double heads = number_of(config, "num_attention_heads"), width = number_of(config, "head_dim");
    if (scale && scale->type == AS_GGUF_F32 && as_gguf_number(scale, 0) > 0) {
        width = 1 / (as_gguf_number(scale, 0) * as_gguf_number(scale, 0));
    } else if (number_of(config, "num_hidden_layers") == LAYERS_OF_27B && heads > 0) {
        width = number_of(config, "hidden_size") / heads;
    }
    AS_TRY(complete_llama(gguf, config, err));
    return width > 0 ? set(config, "query_pre_attn_scalar", json_real(width), err) : AS_OK;
}

static as_code complete_gptneox(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t rotary = 0;
    double heads = number_of(config, "num_attention_heads"), hidden = number_of(config, "hidden_size");
    AS_TRY(as_gguf_get_int(gguf, "gptneox.rope.dimension_count", &rotary, err));
    AS_TRY(set(config, "attention_bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err));
    if (rotary <= 0 || heads <= 0 || hidden <= 0) return AS_OK;
    return set(config, "rotary_pct", json_real((double)rotary / (hidden / heads)), err);
}

static as_code complete_mamba(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t inner = 0;
    double hidden = number_of(config, "hidden_size");
    AS_TRY(as_gguf_get_int(gguf, "mamba.ssm.inner_size", &inner, err));
    if (inner > 0 && hidden > 0) AS_TRY(set(config, "expand", json_real((double)inner / hidden), err));
    AS_TRY(set(config, "use_conv_bias", json_boolean(has_tensor(gguf, "blk.0.ssm_conv1d.bias")), err));
    return set(config, "use_bias", json_boolean(has_tensor(gguf, "blk.0.ssm_in.bias")), err);
}

static const as_gguf_family families[] = {
    {"gemma2", "Gemma2ForCausalLM", NULL, gemma2_names, gemma2_keys, AS_GGUF_NORMS_FOLDED, complete_gemma2},
    {"gptneox", "GPTNeoXForCausalLM", NULL, gptneox_names, gptneox_keys, AS_GGUF_QKV_ROWS, complete_gptneox},
    {"llama", "LlamaForCausalLM", "MixtralForCausalLM", llama_names, NULL, AS_GGUF_PAIRED_HEADS,
     complete_llama},
    {"mamba", "MambaForCausalLM", NULL, mamba_names, mamba_keys, AS_GGUF_SSM_A, complete_mamba},
    {"qwen2", "Qwen2ForCausalLM", NULL, NULL, NULL, 0, NULL},
    {"qwen3", "Qwen3ForCausalLM", NULL, NULL, NULL, 0, complete_llama},
};
enum { FAMILIES = sizeof families / sizeof families[0] };

as_code as_gguf_family_find(const as_gguf *gguf, const as_gguf_family **out, as_error *err)
{
    const char *name = "";
    size_t size = 0;
    AS_TRY(as_gguf_get_string(gguf, "general.architecture", &name, &size, err));
    if (!size) return as_fail(err, AS_E_INPUT, "\"general.architecture\" is missing");
    char known[256] = "";
    size_t used = 0;
    for (size_t i = 0; i < FAMILIES; i++) {
        if (strlen(families[i].name) == size && memcmp(families[i].name, name, size) == 0) {
            *out = &families[i];
            return AS_OK;
        }
        used += (size_t)snprintf(known + used, sizeof known - used, i ? ", %s" : "%s", families[i].name);
        if (used >= sizeof known) used = sizeof known - 1;
    }
    return as_fail(err, AS_E_UNSUPPORTED, "the GGUF architecture \"%.*s\" is not known here (%s are)",
                   (int)(size < 60 ? size : 60), name, known);
}
