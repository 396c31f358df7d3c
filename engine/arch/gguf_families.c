/* The families of GGUF files; see gguf.h. The names are those of the gguf package (constants.py), the changes
 * to tensors those of llama.cpp's converter (convert_hf_to_gguf.py, conversion/). */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/arch/gguf.h"

/* ---- names ---- */

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

static const as_gguf_name post_norm_names[] = {
    {"blk.%d.post_attention_norm", "model.layers.%d.post_attention_layernorm"},
    {"blk.%d.post_ffw_norm", "model.layers.%d.post_feedforward_layernorm"},
    {0},
};

static const as_gguf_name expert_names[] = {
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.mlp.experts.%e.gate_proj"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.mlp.experts.%e.down_proj"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.mlp.experts.%e.up_proj"},
    {0},
};

static const as_gguf_name qwen2moe_names[] = {
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.mlp.experts.%e.gate_proj"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.mlp.experts.%e.down_proj"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.mlp.experts.%e.up_proj"},
    {"blk.%d.ffn_gate_inp_shexp", "model.layers.%d.mlp.shared_expert_gate"},
    {"blk.%d.ffn_gate_shexp", "model.layers.%d.mlp.shared_expert.gate_proj"},
    {"blk.%d.ffn_down_shexp", "model.layers.%d.mlp.shared_expert.down_proj"},
    {"blk.%d.ffn_up_shexp", "model.layers.%d.mlp.shared_expert.up_proj"},
    {0},
};

static const as_gguf_name dots1_names[] = {
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.mlp.experts.%e.gate_proj"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.mlp.experts.%e.down_proj"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.mlp.experts.%e.up_proj"},
    {"blk.%d.ffn_gate_shexp", "model.layers.%d.mlp.shared_experts.gate_proj"},
    {"blk.%d.ffn_down_shexp", "model.layers.%d.mlp.shared_experts.down_proj"},
    {"blk.%d.ffn_up_shexp", "model.layers.%d.mlp.shared_experts.up_proj"},
    {"blk.%d.exp_probs_b.bias", "model.layers.%d.mlp.gate.e_score_correction_bias"},
    {0},
};

/* Layers of predictions further ahead, which the engine leaves out, keep their hub's names too. */
static const as_gguf_name glm4moe_names[] = {
    {"blk.%d.post_attention_norm", "model.layers.%d.post_attention_layernorm"},
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.mlp.experts.%e.gate_proj"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.mlp.experts.%e.down_proj"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.mlp.experts.%e.up_proj"},
    {"blk.%d.ffn_gate_shexp", "model.layers.%d.mlp.shared_experts.gate_proj"},
    {"blk.%d.ffn_down_shexp", "model.layers.%d.mlp.shared_experts.down_proj"},
    {"blk.%d.ffn_up_shexp", "model.layers.%d.mlp.shared_experts.up_proj"},
    {"blk.%d.exp_probs_b.bias", "model.layers.%d.mlp.gate.e_score_correction_bias"},
    {"blk.%d.nextn.eh_proj", "model.layers.%d.eh_proj"},
    {"blk.%d.nextn.enorm", "model.layers.%d.enorm"},
    {"blk.%d.nextn.hnorm", "model.layers.%d.hnorm"},
    {"blk.%d.nextn.embed_tokens", "model.layers.%d.embed_tokens"},
    {"blk.%d.nextn.shared_head_head", "model.layers.%d.shared_head.head"},
    {"blk.%d.nextn.shared_head_norm", "model.layers.%d.shared_head.norm"},
    {0},
};

static const as_gguf_name phi2_names[] = {
    {"output_norm", "model.final_layernorm"},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.dense"},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.fc1"},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.fc2"},
    {"blk.%d.attn_qkv", "model.layers.%d.self_attn.qkv_proj"},
    {0},
};

static const as_gguf_name fused_names[] = {
    {"blk.%d.attn_qkv", "model.layers.%d.self_attn.qkv_proj"},
    {"blk.%d.ffn_up", "model.layers.%d.mlp.gate_up_proj"},
    {0},
};

static const as_gguf_name glm4_names[] = {
    {"blk.%d.ffn_up", "model.layers.%d.mlp.gate_up_proj"},
    {"blk.%d.post_attention_norm", "model.layers.%d.post_self_attn_layernorm"},
    {"blk.%d.post_ffw_norm", "model.layers.%d.post_mlp_layernorm"},
    {0},
};

static const as_gguf_name starcoder2_names[] = {
    {"blk.%d.ffn_up", "model.layers.%d.mlp.c_fc"},
    {"blk.%d.ffn_down", "model.layers.%d.mlp.c_proj"},
    {0},
};

static const as_gguf_name seed_oss_names[] = {
    {"blk.%d.post_attention_norm", "model.layers.%d.post_attention_layernorm"},
    {0},
};

static const as_gguf_name hunyuan_names[] = {
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.query_layernorm"},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.key_layernorm"},
    {0},
};

static const as_gguf_name exaone_names[] = {
    {"token_embd", "transformer.wte"},
    {"output_norm", "transformer.ln_f"},
    {"blk.%d.attn_norm", "transformer.h.%d.ln_1"},
    {"blk.%d.ffn_norm", "transformer.h.%d.ln_2"},
    {"blk.%d.attn_q", "transformer.h.%d.attn.attention.q_proj"},
    {"blk.%d.attn_k", "transformer.h.%d.attn.attention.k_proj"},
    {"blk.%d.attn_v", "transformer.h.%d.attn.attention.v_proj"},
    {"blk.%d.attn_output", "transformer.h.%d.attn.attention.out_proj"},
    {"blk.%d.ffn_gate", "transformer.h.%d.mlp.c_fc_0"},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.c_fc_1"},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.c_proj"},
    {0},
};

static const as_gguf_name gpt2_names[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.ln_f"},
    {"blk.%d.attn_norm", "transformer.h.%d.ln_1"},
    {"blk.%d.ffn_norm", "transformer.h.%d.ln_2"},
    {"blk.%d.attn_qkv", "transformer.h.%d.attn.c_attn"},
    {"blk.%d.attn_output", "transformer.h.%d.attn.c_proj"},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.c_fc"},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.c_proj"},
    {0},
};

static const as_gguf_name qwen1_names[] = {
    {"token_embd", "transformer.wte"},
    {"output_norm", "transformer.ln_f"},
    {"blk.%d.attn_norm", "transformer.h.%d.ln_1"},
    {"blk.%d.ffn_norm", "transformer.h.%d.ln_2"},
    {"blk.%d.attn_qkv", "transformer.h.%d.attn.c_attn"},
    {"blk.%d.attn_output", "transformer.h.%d.attn.c_proj"},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.w1"},
    {"blk.%d.ffn_gate", "transformer.h.%d.mlp.w2"},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.c_proj"},
    {0},
};

static const as_gguf_name bloom_names[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"token_embd_norm", "transformer.word_embeddings_layernorm"},
    {"output_norm", "transformer.ln_f"},
    {"blk.%d.attn_norm", "transformer.h.%d.input_layernorm"},
    {"blk.%d.ffn_norm", "transformer.h.%d.post_attention_layernorm"},
    {"blk.%d.attn_qkv", "transformer.h.%d.self_attention.query_key_value"},
    {"blk.%d.attn_output", "transformer.h.%d.self_attention.dense"},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.dense_h_to_4h"},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.dense_4h_to_h"},
    {0},
};

static const as_gguf_name falcon_names[] = {
    {"token_embd", "transformer.word_embeddings"},
    {"output_norm", "transformer.ln_f"},
    {"blk.%d.attn_norm_2", "transformer.h.%d.ln_attn"},
    {"blk.%d.attn_norm", "transformer.h.%d.input_layernorm"},
    {"blk.%d.attn_qkv", "transformer.h.%d.self_attention.query_key_value"},
    {"blk.%d.attn_output", "transformer.h.%d.self_attention.dense"},
    {"blk.%d.ffn_up", "transformer.h.%d.mlp.dense_h_to_4h"},
    {"blk.%d.ffn_down", "transformer.h.%d.mlp.dense_4h_to_h"},
    {0},
};

static const as_gguf_name mpt_names[] = {
    {"token_embd", "transformer.wte"},
    {"position_embd", "transformer.wpe"},
    {"output_norm", "transformer.norm_f"},
    {"blk.%d.attn_norm", "transformer.blocks.%d.norm_1"},
    {"blk.%d.ffn_norm", "transformer.blocks.%d.norm_2"},
    {"blk.%d.attn_qkv", "transformer.blocks.%d.attn.Wqkv"},
    {"blk.%d.attn_q_norm", "transformer.blocks.%d.attn.q_ln"},
    {"blk.%d.attn_k_norm", "transformer.blocks.%d.attn.k_ln"},
    {"blk.%d.attn_output", "transformer.blocks.%d.attn.out_proj"},
    {"blk.%d.ffn_up", "transformer.blocks.%d.ffn.up_proj"},
    {"blk.%d.ffn_down", "transformer.blocks.%d.ffn.down_proj"},
    {0},
};

static const as_gguf_name lfm2_names[] = {
    {"token_embd_norm", "model.embedding_norm"},
    {"blk.%d.attn_norm", "model.layers.%d.operator_norm"},
    {"blk.%d.ffn_norm", "model.layers.%d.ffn_norm"},
    {"blk.%d.shortconv.conv", "model.layers.%d.conv.conv"},
    {"blk.%d.shortconv.in_proj", "model.layers.%d.conv.in_proj"},
    {"blk.%d.shortconv.out_proj", "model.layers.%d.conv.out_proj"},
    {"blk.%d.attn_output", "model.layers.%d.self_attn.out_proj"},
    {"blk.%d.attn_q_norm", "model.layers.%d.self_attn.q_layernorm"},
    {"blk.%d.attn_k_norm", "model.layers.%d.self_attn.k_layernorm"},
    {"blk.%d.ffn_gate", "model.layers.%d.feed_forward.w1"},
    {"blk.%d.ffn_down", "model.layers.%d.feed_forward.w2"},
    {"blk.%d.ffn_up", "model.layers.%d.feed_forward.w3"},
    {0},
};

static const as_gguf_name minimax_m2_names[] = {
    {"blk.%d.exp_probs_b.bias", "model.layers.%d.block_sparse_moe.e_score_correction_bias"},
    {"blk.%d.ffn_gate_inp", "model.layers.%d.block_sparse_moe.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.block_sparse_moe.experts.%e.w1"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.block_sparse_moe.experts.%e.w2"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.block_sparse_moe.experts.%e.w3"},
    {0},
};

static const as_gguf_name ernie_moe_names[] = {
    {"blk.%d.ffn_gate_inp", "model.layers.%d.mlp.gate"},
    {"blk.%d.ffn_gate_exps", "model.layers.%d.mlp.experts.%e.gate_proj"},
    {"blk.%d.ffn_down_exps", "model.layers.%d.mlp.experts.%e.down_proj"},
    {"blk.%d.ffn_up_exps", "model.layers.%d.mlp.experts.%e.up_proj"},
    {"blk.%d.ffn_gate_shexp", "model.layers.%d.mlp.shared_experts.gate_proj"},
    {"blk.%d.ffn_down_shexp", "model.layers.%d.mlp.shared_experts.down_proj"},
    {"blk.%d.ffn_up_shexp", "model.layers.%d.mlp.shared_experts.up_proj"},
    {"blk.%d.exp_probs_b.bias", "model.layers.%d.mlp.moe_statics.e_score_correction_bias"},
    {0},
};

/* ---- keys ---- */

static const as_gguf_key gemma2_keys[] = {
    {"attn_logit_softcapping", "attn_logit_softcapping"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {0},
};

static const as_gguf_key gemma3_keys[] = {
    {"rope.freq_base_swa", "rope_local_base_freq"},
    {"final_logit_softcapping", "final_logit_softcapping"},
    {0},
};

static const as_gguf_key gptneox_keys[] = {
    {"rope.freq_base", "rotary_emb_base"},
    {"use_parallel_residual", "use_parallel_residual"},
    {0},
};

static const as_gguf_key mamba_keys[] = {
    {"attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
    {"ssm.conv_kernel", "conv_kernel"},
    {"ssm.state_size", "state_size"},
    {"ssm.time_step_rank", "time_step_rank"},
    {0},
};

static const as_gguf_key granite_keys[] = {
    {"attention.scale", "attention_multiplier"},
    {"embedding_scale", "embedding_multiplier"},
    {"residual_scale", "residual_multiplier"},
    {"logit_scale", "logits_scaling"},
    {0},
};

static const as_gguf_key olmo_keys[] = {
    {"attention.clamp_kqv", "clip_qkv"},
    {0},
};

static const as_gguf_key expert_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {0},
};

static const as_gguf_key dots1_keys[] = {
    {"expert_count", "n_routed_experts"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"expert_shared_count", "n_shared_experts"},
    {"expert_group_count", "n_group"},
    {"expert_group_used_count", "topk_group"},
    {"expert_weights_scale", "routed_scaling_factor"},
    {"expert_weights_norm", "norm_topk_prob"},
    {"leading_dense_block_count", "first_k_dense_replace"},
    {0},
};

static const as_gguf_key starcoder2_keys[] = {
    {"attention.layer_norm_epsilon", "norm_epsilon"},
    {0},
};

static const as_gguf_key nemotron_keys[] = {
    {"attention.layer_norm_epsilon", "norm_eps"},
    {0},
};

static const as_gguf_key cohere_keys[] = {
    {"logit_scale", "logit_scale"},
    {0},
};

static const as_gguf_key exaone_keys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"block_count", "num_layers"},
    {0},
};

static const as_gguf_key gpt2_keys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"context_length", "n_positions"},
    {"embedding_length", "n_embd"},
    {"block_count", "n_layer"},
    {"attention.head_count", "n_head"},
    {"feed_forward_length", "n_inner"},
    {0},
};

static const as_gguf_key bloom_keys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"context_length", "seq_length"},
    {"block_count", "n_layer"},
    {"attention.head_count", "n_head"},
    {0},
};

static const as_gguf_key mpt_keys[] = {
    {"context_length", "max_seq_len"},
    {"embedding_length", "d_model"},
    {"block_count", "n_layers"},
    {"attention.head_count", "n_heads"},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {0},
};

static const as_gguf_key lfm2_keys[] = {
    {"attention.layer_norm_rms_epsilon", "norm_eps"},
    {"shortconv.l_cache", "conv_L_cache"},
    {0},
};

static const as_gguf_key minimax_m2_keys[] = {
    {"rope.dimension_count", "rotary_dim"},
    {"expert_feed_forward_length", "intermediate_size"},
    {0},
};

static const as_gguf_key ernie_moe_keys[] = {
    {"expert_count", "moe_num_experts"},
    {"expert_used_count", "moe_k"},
    {"expert_feed_forward_length", "moe_intermediate_size"},
    {"leading_dense_block_count", "moe_layer_start_index"},
    {"interleave_moe_layer_step", "moe_layer_interval"},
    {0},
};

static const as_gguf_key minicpm_keys[] = {
    {"embedding_scale", "scale_emb"},
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

static const as_gguf_tensor *find_tensor(const as_gguf *gguf, const char *name)
{
    for (int64_t i = 0; i < gguf->tensor_count; i++) {
        if (strcmp(gguf->tensors[i].name, name) == 0) return &gguf->tensors[i];
    }
    return NULL;
}

static bool has_tensor(const as_gguf *gguf, const char *name)
{
    return find_tensor(gguf, name) != NULL;
}

/* Rows of a matrix; 0 where it is none. */
static int64_t rows_of(const as_gguf *gguf, const char *name)
{
    const as_gguf_tensor *t = find_tensor(gguf, name);
    return t && t->dims == 2 ? t->shape[1] : 0;
}

/* The width of the feed-forward part. Some converters write four times the model's, whatever it is. */
static as_code set_width(const as_gguf *gguf, json_t *config, const char *field, as_error *err)
{
    int64_t rows = rows_of(gguf, "blk.0.ffn_up.weight");
    return rows > 0 ? set(config, field, json_integer(rows), err) : AS_OK;
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

/* What the files do not say: every sixth layer sees all, and the largest model scales as Gemma 2's does. */
static as_code complete_gemma3(const as_gguf *gguf, json_t *config, as_error *err)
{
    enum { LAYERS_OF_27B = 62 };
    double heads = number_of(config, "num_attention_heads"), width = number_of(config, "head_dim");
    if (number_of(config, "num_hidden_layers") == LAYERS_OF_27B && heads > 0) {
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
    bool norms = false;
    double inner = (double)rows_of(gguf, "blk.0.ssm_in.weight") / 2;
    double hidden = number_of(config, "hidden_size");
    AS_TRY(as_gguf_get_bool(gguf, "mamba.ssm.dt_b_c_rms", &norms, err));
    if (inner > 0 && hidden > 0) AS_TRY(set(config, "expand", json_real(inner / hidden), err));
    if (norms) {
        AS_TRY(set(config, "architectures", json_pack("[s]", "FalconMambaForCausalLM"), err));
        AS_TRY(set(config, "mixer_rms_eps", json_real(number_of(config, "layer_norm_epsilon")), err));
    }
    AS_TRY(set(config, "use_conv_bias", json_boolean(has_tensor(gguf, "blk.0.ssm_conv1d.bias")), err));
    return set(config, "use_bias", json_boolean(has_tensor(gguf, "blk.0.ssm_in.bias")), err);
}

/* Gives the share of a head that is rotated, from the width that ARCH.rope.dimension_count says. */
static as_code set_rotated_share(const as_gguf *gguf, const char *key, const char *field, json_t *config,
                                 as_error *err)
{
    int64_t rotated = 0;
    double heads = number_of(config, "num_attention_heads"), width = number_of(config, "head_dim");
    AS_TRY(as_gguf_get_int(gguf, key, &rotated, err));
    if (width <= 0 && heads > 0) width = number_of(config, "hidden_size") / heads;
    if (rotated <= 0 || width <= 0) return AS_OK;
    return set(config, field, json_real((double)rotated / width), err);
}

/* Olmo 3 is written as Olmo 2 with a window. */
static as_code complete_olmo2(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(complete_llama(gguf, config, err));
    if (!json_object_get(config, "sliding_window")) return AS_OK;
    return set(config, "architectures", json_pack("[s]", "Olmo3ForCausalLM"), err);
}

static as_code complete_phi2(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set_width(gguf, config, "intermediate_size", err));
    return set_rotated_share(gguf, "phi2.rope.dimension_count", "partial_rotary_factor", config, err);
}

static as_code complete_phi3(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set_rotated_share(gguf, "phi3.rope.dimension_count", "partial_rotary_factor", config, err);
}

/* One key and value for all heads, or the three of each head together. */
static as_code complete_gpt2(const as_gguf *gguf, json_t *config, as_error *err)
{
    bool own_keys = (double)rows_of(gguf, "blk.0.attn_qkv.weight") >= 3 * number_of(config, "n_embd");
    AS_TRY(set(config, "multi_query", json_boolean(!own_keys), err));
    return set_width(gguf, config, "n_inner", err);
}

static as_code complete_starcoder2(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set(config, "use_bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err);
}

static as_code complete_cohere(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set(config, "use_qk_norm", json_boolean(has_tensor(gguf, "blk.0.attn_q_norm.weight")), err);
}

static as_code complete_stablelm(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set_rotated_share(gguf, "stablelm.rope.dimension_count", "partial_rotary_factor", config, err));
    AS_TRY(set(config, "qk_layernorm", json_boolean(has_tensor(gguf, "blk.0.attn_q_norm.weight")), err));
    bool parallel = !has_tensor(gguf, "blk.0.ffn_norm.weight"); /* converters say so of all */
    AS_TRY(set(config, "use_parallel_residual", json_boolean(parallel), err));
    return set(config, "use_qkv_bias", json_boolean(has_tensor(gguf, "blk.0.attn_q.bias")), err);
}

static as_code complete_nemotron(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set_rotated_share(gguf, "nemotron.rope.dimension_count", "partial_rotary_factor", config, err));
    return complete_llama(gguf, config, err);
}

static as_code complete_glm4(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set_rotated_share(gguf, "glm4.rope.dimension_count", "partial_rotary_factor", config, err));
    return set(config, "attention_bias", json_boolean(has_tensor(gguf, "blk.0.attn_q.bias")), err);
}

static as_code complete_glm4moe(const as_gguf *gguf, json_t *config, as_error *err)
{
    int64_t further = 0;
    AS_TRY(set_rotated_share(gguf, "glm4moe.rope.dimension_count", "partial_rotary_factor", config, err));
    AS_TRY(as_gguf_get_int(gguf, "glm4moe.nextn_predict_layers", &further, err));
    json_int_t layers = json_integer_value(json_object_get(config, "num_hidden_layers"));
    if (further > 0 && further < layers) {
        AS_TRY(set(config, "num_hidden_layers", json_integer(layers - further), err));
        AS_TRY(set(config, "num_nextn_predict_layers", json_integer(further), err));
    }
    AS_TRY(set(config, "use_qk_norm", json_boolean(has_tensor(gguf, "blk.0.attn_q_norm.weight")), err));
    return set(config, "attention_bias", json_boolean(has_tensor(gguf, "blk.0.attn_q.bias")), err);
}

static as_code complete_seed_oss(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set(config, "attention_bias", json_boolean(has_tensor(gguf, "blk.0.attn_q.bias")), err));
    AS_TRY(set(config, "mlp_bias", json_boolean(has_tensor(gguf, "blk.0.ffn_up.bias")), err));
    return set(config, "attention_out_bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err);
}

static as_code complete_ernie(const as_gguf *gguf, json_t *config, as_error *err)
{
    return set(config, "use_bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err);
}

/* Only the middle of these three numbers is in the file as it was; the others come back from what was
 * computed of them. */
static as_code complete_minicpm(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *residual = as_gguf_find(gguf, "minicpm.residual_scale");
    const as_gguf_value *logit = as_gguf_find(gguf, "minicpm.logit_scale");
    double layers = number_of(config, "num_hidden_layers"), hidden = number_of(config, "hidden_size");
    if (residual && residual->type == AS_GGUF_F32 && layers > 0) {
        double depth = as_gguf_number(residual, 0) * sqrt(layers);
        AS_TRY(set(config, "scale_depth", json_real(depth), err));
    }
    if (logit && logit->type == AS_GGUF_F32 && as_gguf_number(logit, 0) > 0) {
        AS_TRY(set(config, "dim_model_base", json_real(hidden / as_gguf_number(logit, 0)), err));
    }
    return complete_llama(gguf, config, err);
}

/* One key and value for all heads, or for groups of them; what Falcon RW has else (ALiBi) no converter
 * writes. */
static as_code complete_falcon(const as_gguf *gguf, json_t *config, as_error *err)
{
    json_int_t kv_heads = json_integer_value(json_object_get(config, "num_key_value_heads"));
    int norms = has_tensor(gguf, "blk.0.attn_norm_2.weight") ? 2 : 1;
    AS_TRY(set(config, "new_decoder_architecture", json_boolean(kv_heads > 1), err));
    AS_TRY(set(config, "num_ln_in_parallel_attn", json_integer(norms), err));
    AS_TRY(set(config, "multi_query", json_boolean(kv_heads <= 1), err));
    AS_TRY(set(config, "num_kv_heads", json_integer(kv_heads > 1 ? kv_heads : 1), err));
    return set(config, "bias", json_boolean(has_tensor(gguf, "blk.0.attn_output.bias")), err);
}

static as_code complete_mpt(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *clip = as_gguf_find(gguf, "mpt.attention.clamp_kqv");
    const as_gguf_value *bias = as_gguf_find(gguf, "mpt.attention.max_alibi_bias");
    double most = bias && bias->type == AS_GGUF_F32 ? as_gguf_number(bias, 0) : 0;
    json_t *attention =
        json_pack("{s:b, s:b}", "alibi", most > 0, "qk_ln", has_tensor(gguf, "blk.0.attn_q_norm.weight"));
    AS_TRY(set(config, "attn_config", attention, err));
    if (most > 0) AS_TRY(set(attention, "alibi_bias_max", json_real(most), err));
    if (clip && clip->type == AS_GGUF_F32) {
        AS_TRY(set(attention, "clip_qkv", json_real(as_gguf_number(clip, 0)), err));
    }
    double width = number_of(config, "d_model"), rows = (double)rows_of(gguf, "blk.0.ffn_up.weight");
    if (width > 0 && rows > 0) AS_TRY(set(config, "expansion_ratio", json_real(rows / width), err));
    AS_TRY(set(config, "learned_pos_emb", json_boolean(has_tensor(gguf, "position_embd.weight")), err));
    return set(config, "no_bias", json_boolean(!has_tensor(gguf, "blk.0.attn_output.bias")), err);
}

/* Layers without keys are convolutions. The width of the feed-forward part stands as it is. */
static as_code complete_lfm2(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *kv = as_gguf_find(gguf, "lfm2.attention.head_count_kv");
    AS_TRY(set(config, "block_auto_adjust_ff_dim", json_false(), err));
    if (!kv || kv->type != AS_GGUF_ARRAY) return AS_OK;
    json_t *types = json_array();
    AS_TRY(set(config, "layer_types", types, err));
    int64_t heads = 0;
    for (uint64_t i = 0; i < kv->count; i++) {
        int64_t count = 0;
        if (kv->item == AS_GGUF_STRING || kv->item == AS_GGUF_ARRAY || !as_gguf_integer(kv, i, &count)) {
            return as_fail(err, AS_E_INPUT,
                           "\"lfm2.attention.head_count_kv\" is not a list of whole numbers");
        }
        if (count > heads) heads = count;
        if (json_array_append_new(types, json_string(count > 0 ? "full_attention" : "conv")) != 0) {
            return as_fail_memory(err, "the configuration");
        }
    }
    return set(config, "num_key_value_heads", json_integer(heads), err);
}

/* Qwen's intermediate_size counts both of the matrices that a feed-forward part multiplies. */
static as_code complete_qwen1(const as_gguf *gguf, json_t *config, as_error *err)
{
    json_int_t heads = json_integer_value(json_object_get(config, "num_attention_heads"));
    int64_t width = heads > 0 ? rows_of(gguf, "blk.0.attn_qkv.weight") / 3 / heads : 0;
    if (width > 0) AS_TRY(set(config, "kv_channels", json_integer(width), err));
    AS_TRY(set(config, "no_bias", json_boolean(!has_tensor(gguf, "blk.0.attn_output.bias")), err));
    AS_TRY(set(config, "layer_norm_epsilon", json_real(number_of(config, "layer_norm_eps")), err));
    return set(config, "rotary_emb_base", json_real(number_of(config, "rope_theta")), err);
}

/* The order in which layers with a window and without alternate, where a list says so. */
static as_code complete_windows(const as_gguf *gguf, json_t *config, as_error *err)
{
    const as_gguf_value *windows = as_gguf_find(gguf, "exaone4.attention.sliding_window_pattern");
    if (!windows || windows->type != AS_GGUF_ARRAY || windows->item != AS_GGUF_BOOL) return AS_OK;
    json_t *types = json_array();
    AS_TRY(set(config, "layer_types", types, err));
    for (uint64_t i = 0; i < windows->count; i++) {
        const char *type = windows->at[i] ? "sliding_attention" : "full_attention";
        if (json_array_append_new(types, json_string(type)) != 0) {
            return as_fail_memory(err, "the configuration");
        }
    }
    return AS_OK;
}

/* Whether the experts' weights are made to sum to one is said by the architecture. */
static as_code complete_qwen3moe(const as_gguf *gguf, json_t *config, as_error *err)
{
    AS_TRY(set(config, "norm_topk_prob", json_true(), err));
    return complete_llama(gguf, config, err);
}

/* ---- the families ---- */

const as_gguf_family as_gguf_families[] = {
    {"arcee", "ArceeForCausalLM", NULL, NULL, NULL, AS_GGUF_PAIRED_HEADS, complete_llama},
    {"bloom", "BloomForCausalLM", NULL, bloom_names, bloom_keys, AS_GGUF_QKV_ROWS, NULL},
    {"cohere2", "Cohere2ForCausalLM", NULL, NULL, cohere_keys, 0, NULL},
    {"command-r", "CohereForCausalLM", NULL, NULL, cohere_keys, 0, complete_cohere},
    {"dots1", "Dots1ForCausalLM", "Dots1ForCausalLM", dots1_names, dots1_keys, 0, complete_llama},
    {"ernie4_5", "Ernie4_5ForCausalLM", NULL, NULL, NULL, 0, complete_ernie},
    {"ernie4_5-moe", "Ernie4_5_MoeForCausalLM", "Ernie4_5_MoeForCausalLM", ernie_moe_names, ernie_moe_keys, 0,
     complete_ernie},
    {"exaone", "ExaoneForCausalLM", NULL, exaone_names, exaone_keys, 0, NULL},
    {"exaone4", "Exaone4ForCausalLM", NULL, post_norm_names, NULL, 0, complete_windows},
    {"falcon", "FalconForCausalLM", NULL, falcon_names, bloom_keys, AS_GGUF_QKV_ROWS, complete_falcon},
    {"gemma", "GemmaForCausalLM", NULL, NULL, NULL, AS_GGUF_NORMS_FOLDED, complete_llama},
    {"gemma2", "Gemma2ForCausalLM", NULL, gemma2_names, gemma2_keys, AS_GGUF_NORMS_FOLDED, complete_gemma2},
    {"gemma3", "Gemma3ForCausalLM", NULL, gemma2_names, gemma3_keys, AS_GGUF_NORMS_FOLDED, complete_gemma3},
    {"glm4", "Glm4ForCausalLM", NULL, glm4_names, NULL, 0, complete_glm4},
    {"glm4moe", "Glm4MoeForCausalLM", "Glm4MoeForCausalLM", glm4moe_names, dots1_keys, 0, complete_glm4moe},
    {"gpt2", "GPT2LMHeadModel", NULL, gpt2_names, gpt2_keys, AS_GGUF_PLAIN_MATRICES, complete_gpt2},
    {"gptneox", "GPTNeoXForCausalLM", NULL, gptneox_names, gptneox_keys, AS_GGUF_QKV_ROWS, complete_gptneox},
    {"granite", "GraniteForCausalLM", NULL, NULL, granite_keys, AS_GGUF_PAIRED_HEADS, complete_llama},
    {"hunyuan-dense", "HunYuanDenseV1ForCausalLM", NULL, hunyuan_names, NULL, 0, complete_llama},
    {"internlm2", "LlamaForCausalLM", NULL, NULL, NULL, AS_GGUF_PAIRED_HEADS, complete_llama},
    {"lfm2", "Lfm2ForCausalLM", NULL, lfm2_names, lfm2_keys, 0, complete_lfm2},
    {"llama", "LlamaForCausalLM", "MixtralForCausalLM", llama_names, NULL, AS_GGUF_PAIRED_HEADS,
     complete_llama},
    {"mamba", "MambaForCausalLM", NULL, mamba_names, mamba_keys, AS_GGUF_SSM_A, complete_mamba},
    {"minicpm", "MiniCPMForCausalLM", NULL, NULL, minicpm_keys, AS_GGUF_PAIRED_HEADS, complete_minicpm},
    {"minimax-m2", "MiniMaxM2ForCausalLM", "MiniMaxM2ForCausalLM", minimax_m2_names, minimax_m2_keys, 0,
     NULL},
    {"mpt", "MPTForCausalLM", NULL, mpt_names, mpt_keys, 0, complete_mpt},
    {"nemotron", "NemotronForCausalLM", NULL, NULL, nemotron_keys, AS_GGUF_NORMS_FOLDED, complete_nemotron},
    {"olmo", "OlmoForCausalLM", NULL, NULL, olmo_keys, AS_GGUF_PAIRED_HEADS, complete_llama},
    {"olmo2", "Olmo2ForCausalLM", NULL, post_norm_names, NULL, 0, complete_olmo2},
    {"olmoe", "OlmoeForCausalLM", "OlmoeForCausalLM", expert_names, expert_keys, 0, complete_llama},
    {"orion", "OrionForCausalLM", NULL, NULL, NULL, 0, NULL},
    {"phi2", "PhiForCausalLM", NULL, phi2_names, NULL, 0, complete_phi2},
    {"phi3", "Phi3ForCausalLM", NULL, fused_names, NULL, 0, complete_phi3},
    {"qwen", "QWenLMHeadModel", NULL, qwen1_names, NULL, 0, complete_qwen1},
    {"qwen2", "Qwen2ForCausalLM", NULL, NULL, NULL, 0, NULL},
    {"qwen2moe", "Qwen2MoeForCausalLM", "Qwen2MoeForCausalLM", qwen2moe_names, expert_keys, 0, NULL},
    {"qwen3", "Qwen3ForCausalLM", NULL, NULL, NULL, 0, complete_llama},
    {"qwen3moe", "Qwen3MoeForCausalLM", "Qwen3MoeForCausalLM", expert_names, expert_keys, 0,
     complete_qwen3moe},
    {"seed_oss", "SeedOssForCausalLM", NULL, seed_oss_names, NULL, 0, complete_seed_oss},
    {"smollm3", "SmolLM3ForCausalLM", NULL, NULL, NULL, AS_GGUF_PAIRED_HEADS, complete_llama},
    {"stablelm", "StableLmForCausalLM", NULL, NULL, NULL, 0, complete_stablelm},
    {"starcoder", "GPTBigCodeForCausalLM", NULL, gpt2_names, gpt2_keys, 0, complete_gpt2},
    {"starcoder2", "Starcoder2ForCausalLM", NULL, starcoder2_names, starcoder2_keys, 0, complete_starcoder2},
    {0},
};
