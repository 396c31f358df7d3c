/* The families of GGUF files; see gguf.h. The names are those of the gguf package (constants.py), the changes
 * to tensors those of llama.cpp's converter (convert_hf_to_gguf.py, conversion/). */
#include "engine/arch/gguf_complete.h"

#define AT "^blk.%d."

/* ---- slots -----------------------------------------------------------------------------------------------
 */

static const as_gguf_slot fused_slots[] = {
    {AS_SLOT_GATE, AT "ffn_up#0/2"},
    {AS_SLOT_UP, AT "ffn_up#1/2"},
    {0},
};

/* The larger models have a norm for each side. */
static const as_gguf_slot falcon_slots[] = {
    {AS_SLOT_NORM_1, AT "attn_norm_2|" AT "attn_norm"},
    {AS_SLOT_NORM_2, AT "attn_norm"},
    {0},
};

static const as_gguf_slot lfm2_slots[] = {
    {AS_SLOT_FINAL_NORM, "^token_embd_norm|^output_norm"},
    {AS_SLOT_SSM_IN, AT "shortconv.in_proj"},
    {AS_SLOT_SSM_CONV, AT "shortconv.conv"},
    {AS_SLOT_SSM_OUT, AT "shortconv.out_proj"},
    {0},
};

static const as_gguf_slot dbrx_slots[] = {
    {AS_SLOT_NORM_2, AT "attn_output_norm"},
    {0},
};

static const as_gguf_slot deci_slots[] = {
    {AS_SLOT_MIXER_LINEAR, AT "attn_output"},
    {0},
};

static const as_gguf_slot index_slots[] = {
    {AS_SLOT_INDEX_Q, AT "indexer.attn_q_b"},
    {AS_SLOT_INDEX_K, AT "indexer.attn_k"},
    {AS_SLOT_INDEX_K_NORM, AT "indexer.k_norm"},
    {AS_SLOT_INDEX_WEIGHTS, AT "indexer.proj"},
    {0},
};

/* The shared expert's gate and up stand in one tensor. */
static const as_gguf_slot granite_swa_slots[] = {
    {AS_SLOT_SHARED_GATE, AT "ffn_up_shexp#0/2"},
    {AS_SLOT_SHARED_UP, AT "ffn_up_shexp#1/2"},
    {0},
};

static const as_gguf_slot qwen_next_slots[] = {
    {AS_SLOT_LINEAR_QKVZ, AT "ssm_in"},     {AS_SLOT_LINEAR_QKV, AT "attn_qkv"},
    {AS_SLOT_LINEAR_GATE, AT "attn_gate"},  {AS_SLOT_LINEAR_BA, AT "ssm_ba"},
    {AS_SLOT_LINEAR_A, AT "ssm_alpha"},     {AS_SLOT_LINEAR_B, AT "ssm_beta"},
    {AS_SLOT_LINEAR_CONV, AT "ssm_conv1d"}, {AS_SLOT_LINEAR_DT_BIAS, AT "ssm_dt.bias"},
    {AS_SLOT_LINEAR_A_LOG, AT "ssm_a"},     {AS_SLOT_LINEAR_NORM, AT "ssm_norm"},
    {AS_SLOT_LINEAR_OUT, AT "ssm_out"},     {0},
};

static const as_gguf_slot chameleon_slots[] = {
    {AS_SLOT_NORM_1_POST, AT "attn_norm"},
    {AS_SLOT_NORM_2_POST, AT "ffn_norm"},
    {0},
};

static const as_gguf_slot gemma3n_slots[] = {
    {AS_SLOT_STREAMS_IN, "^altup_proj"},
    {AS_SLOT_STREAMS_OUT, "^altup_unembd_proj"},
    {AS_SLOT_ALTUP_ROUTER, AT "altup_router"},
    {AS_SLOT_ALTUP_ROUTER_NORM, AT "altup_router_norm"},
    {AS_SLOT_ALTUP_PREDICT, AT "altup_predict_coef"},
    {AS_SLOT_ALTUP_CORRECT, AT "altup_correct_coef"},
    {AS_SLOT_ALTUP_SCALE, AT "altup_correct_scale.weight"},
    {AS_SLOT_LAUREL_DOWN, AT "laurel_l"},
    {AS_SLOT_LAUREL_UP, AT "laurel_r"},
    {AS_SLOT_LAUREL_NORM, AT "laurel_post_norm"},
    {0},
};

static const as_gguf_slot gemma4_slots[] = {
    {AS_SLOT_LAYER_SCALE, AT "layer_output_scale"},
    {AS_SLOT_ROUTER_NORM, AT "ffn_gate_inp.scale!"},
    {AS_SLOT_EXPERT_SCALE, AT "ffn_down_exps.scale!"},
    {AS_SLOT_EXPERT_IN_NORM, AT "pre_ffw_norm_2"},
    {AS_SLOT_EXPERT_OUT_NORM, AT "post_ffw_norm_2"},
    {AS_SLOT_SHARED_OUT_NORM, AT "post_ffw_norm_1"},
    {0},
};

/* Both stacks' blocks are counted through; see stored.c. */
#define PART "^blk.%p."
static const as_gguf_slot hrm_text_slots[] = {
    {AS_SLOT_FAST_STATE, "^hrm.z_l_init!"},
    {AS_SLOT_ATTENTION_GATE, PART "attn_gate"},
    {AS_SLOT_Q, PART "attn_q"},
    {AS_SLOT_K, PART "attn_k"},
    {AS_SLOT_V, PART "attn_v"},
    {AS_SLOT_O, PART "attn_output"},
    {AS_SLOT_GATE, PART "ffn_gate"},
    {AS_SLOT_UP, PART "ffn_up"},
    {AS_SLOT_DOWN, PART "ffn_down"},
    {0},
};
#undef PART

static const as_gguf_slot kimi_linear_slots[] = {
    {AS_SLOT_LINEAR_Q, AT "attn_q"},
    {AS_SLOT_LINEAR_K, AT "attn_k"},
    {AS_SLOT_LINEAR_V, AT "attn_v"},
    {AS_SLOT_LINEAR_A_DOWN, AT "ssm_f_a"},
    {AS_SLOT_LINEAR_A, AT "ssm_f_b"},
    {AS_SLOT_LINEAR_A_LOG, AT "ssm_a"},
    {AS_SLOT_LINEAR_DT_BIAS, AT "ssm_dt.bias"},
    {AS_SLOT_LINEAR_B, AT "ssm_beta"},
    {AS_SLOT_LINEAR_GATE_DOWN, AT "ssm_g_a"},
    {AS_SLOT_LINEAR_GATE, AT "ssm_g_b"},
    {AS_SLOT_LINEAR_CONV_Q, AT "ssm_conv1d_q"},
    {AS_SLOT_LINEAR_CONV_K, AT "ssm_conv1d_k"},
    {AS_SLOT_LINEAR_CONV_V, AT "ssm_conv1d_v"},
    {AS_SLOT_LINEAR_NORM, AT "ssm_norm"},
    {AS_SLOT_LINEAR_OUT, AT "attn_output"},
    {0},
};

static const as_gguf_slot minimax01_slots[] = {
    {AS_SLOT_LINEAR_QKV, AT "attn_qkv"},
    {AS_SLOT_LINEAR_GATE, AT "attn_gate"},
    {AS_SLOT_LINEAR_NORM, AT "attn_norm_2"},
    {AS_SLOT_LINEAR_OUT, AT "attn_output"},
    {0},
};

#define RWKV_SLOTS                                                                                           \
    {AS_SLOT_LINEAR_Q, AT "time_mix_receptance"}, {AS_SLOT_LINEAR_K, AT "time_mix_key"},                     \
        {AS_SLOT_LINEAR_V, AT "time_mix_value"}, {AS_SLOT_LINEAR_OUT, AT "time_mix_output"},                 \
    {                                                                                                        \
        AS_SLOT_LINEAR_NORM, AT "time_mix_ln"                                                                \
    }
#define CHANNEL_MIX_SLOTS                                                                                    \
    {AS_SLOT_NORM_2, AT "attn_norm_2"}, {AS_SLOT_UP, AT "channel_mix_key"},                                  \
        {AS_SLOT_DOWN, AT "channel_mix_value"}, {AS_SLOT_GATE, AT "channel_mix_receptance"},                 \
        {AS_SLOT_FFN_MIX_K, AT "channel_mix_lerp_k.weight"},                                                 \
    {                                                                                                        \
        AS_SLOT_FFN_MIX_R, AT "channel_mix_lerp_r.weight"                                                    \
    }
#define MIX(letter, place) AT "time_mix_lerp_fused.weight" place "|" AT "time_mix_lerp_" letter ".weight"
#define RWKV6_SLOTS                                                                                          \
    RWKV_SLOTS, {AS_SLOT_LINEAR_GATE, AT "time_mix_gate"}, {AS_SLOT_DECAY, AT "time_mix_decay.weight"},      \
        {AS_SLOT_DECAY_DOWN, AT "time_mix_decay_w1"}, {AS_SLOT_DECAY_UP, AT "time_mix_decay_w2"},            \
        {AS_SLOT_BONUS, AT "time_mix_first.weight"}, {AS_SLOT_MIX_X, AT "time_mix_lerp_x.weight"},           \
        {AS_SLOT_MIX_DOWN, AT "time_mix_w1"}, {AS_SLOT_MIX_UP, AT "time_mix_w2"},                            \
        {AS_SLOT_MIX_W, MIX("w", "#0/5")}, {AS_SLOT_MIX_K, MIX("k", "#1/5")},                                \
        {AS_SLOT_MIX_V, MIX("v", "#2/5")}, {AS_SLOT_MIX_R, MIX("r", "#3/5")},                                \
    {                                                                                                        \
        AS_SLOT_MIX_G, MIX("g", "#4/5")                                                                      \
    }

static const as_gguf_slot rwkv6_slots[] = {RWKV6_SLOTS, CHANNEL_MIX_SLOTS, {0}};
static const as_gguf_slot rwkv6qwen2_slots[] = {RWKV6_SLOTS, {0}};

static const as_gguf_slot rwkv7_slots[] = {
    RWKV_SLOTS,
    CHANNEL_MIX_SLOTS,
    {AS_SLOT_MIX_R, MIX("r", "#0/6")},
    {AS_SLOT_MIX_W, MIX("w", "#1/6")},
    {AS_SLOT_MIX_K, MIX("k", "#2/6")},
    {AS_SLOT_MIX_V, MIX("v", "#3/6")},
    {AS_SLOT_MIX_A, MIX("a", "#4/6")},
    {AS_SLOT_MIX_G, MIX("g", "#5/6")},
    {AS_SLOT_DECAY, AT "time_mix_w0.weight"},
    {AS_SLOT_DECAY_DOWN, AT "time_mix_w1"},
    {AS_SLOT_DECAY_UP, AT "time_mix_w2"},
    {AS_SLOT_RATE, AT "time_mix_a0.weight"},
    {AS_SLOT_RATE_DOWN, AT "time_mix_a1"},
    {AS_SLOT_RATE_UP, AT "time_mix_a2"},
    {AS_SLOT_VALUE, AT "time_mix_v0.weight"},
    {AS_SLOT_VALUE_DOWN, AT "time_mix_v1"},
    {AS_SLOT_VALUE_UP, AT "time_mix_v2"},
    {AS_SLOT_LINEAR_GATE_DOWN, AT "time_mix_g1"},
    {AS_SLOT_LINEAR_GATE, AT "time_mix_g2"},
    {AS_SLOT_KEY_ERASE, AT "time_mix_k_k.weight"},
    {AS_SLOT_KEY_RATE, AT "time_mix_k_a.weight"},
    {AS_SLOT_BONUS, AT "time_mix_r_k.weight"},
    {0},
};
#undef AT

/* ---- keys ------------------------------------------------------------------------------------------------
 */

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
    {"ssm.group_count", "n_groups"},
    {0},
};

#define MAMBA2_KEYS                                                                                          \
    {"ssm.conv_kernel", "mamba_d_conv"}, {"ssm.state_size", "mamba_d_state"},                                \
    {                                                                                                        \
        "ssm.group_count", "mamba_n_groups"                                                                  \
    }

static const as_gguf_key falcon_h1_keys[] = {MAMBA2_KEYS, {"ssm.inner_size", "mamba_d_ssm"}, {0}};

#define GRANITE_KEYS                                                                                         \
    {"attention.scale", "attention_multiplier"}, {"embedding_scale", "embedding_multiplier"},                \
        {"residual_scale", "residual_multiplier"}, {"logit_scale", "logits_scaling"},                        \
    {                                                                                                        \
        "expert_shared_feed_forward_length", "shared_intermediate_size"                                      \
    }

static const as_gguf_key granite_keys[] = {GRANITE_KEYS, {0}};
static const as_gguf_key granitehybrid_keys[] = {GRANITE_KEYS, MAMBA2_KEYS, {0}};

static const as_gguf_key jamba_keys[] = {
    {"ssm.conv_kernel", "mamba_d_conv"},
    {"ssm.state_size", "mamba_d_state"},
    {"ssm.time_step_rank", "mamba_dt_rank"},
    {"expert_count", "num_experts"},
    {0},
};

static const as_gguf_key nemotron_h_keys[] = {
    {"attention.layer_norm_rms_epsilon", "layer_norm_epsilon"},
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"ssm.conv_kernel", "conv_kernel"},
    {"ssm.state_size", "ssm_state_size"},
    {"ssm.group_count", "n_groups"},
    {"expert_count", "n_routed_experts"},
    {"expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"},
    {"moe_latent_size", "moe_latent_size"},
    {0},
};

static const as_gguf_key olmo_keys[] = {
    {"attention.clamp_kqv", "clip_qkv"},
    {0},
};

static const as_gguf_key expert_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {0},
};

static const as_gguf_key shared_expert_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_count", "num_shared_experts"},
    {0},
};

static const as_gguf_key afmoe_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_count", "num_shared_experts"},
    {"leading_dense_block_count", "num_dense_layers"},
    {"expert_weights_scale", "route_scale"},
    {0},
};

static const as_gguf_key hunyuan_moe_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_count", "num_shared_expert"},
    {0},
};

static const as_gguf_key dots1_keys[] = {
    {"expert_count", "n_routed_experts"},
    {0},
};

static const as_gguf_key deepseek2_keys[] = {
    {"expert_count", "n_routed_experts"},
    {"attention.q_lora_rank", "q_lora_rank"},
    {"attention.kv_lora_rank", "kv_lora_rank"},
    {"rope.dimension_count", "qk_rope_head_dim"},
    {"attention.indexer.head_count", "index_n_heads"},
    {"attention.indexer.key_length", "index_head_dim"},
    {"attention.indexer.top_k", "index_topk"},
    {0},
};

static const as_gguf_key chameleon_keys[] = {
    {"swin_norm", "swin_norm"},
    {0},
};

#define PER_LAYER_KEYS                                                                                       \
    {"embedding_length_per_layer_input", "hidden_size_per_layer_input"},                                     \
        {"attention.shared_kv_layers", "num_kv_shared_layers"},                                              \
    {                                                                                                        \
        "final_logit_softcapping", "final_logit_softcapping"                                                 \
    }

static const as_gguf_key gemma3n_keys[] = {
    PER_LAYER_KEYS,
    {"rope.freq_base_swa", "rope_local_base_freq"},
    {"altup.active_idx", "altup_active_idx"},
    {"altup.num_inputs", "altup_num_inputs"},
    {0},
};

static const as_gguf_key gemma4_keys[] = {
    PER_LAYER_KEYS,
    {"attention.key_length_swa", "head_dim"},
    {"expert_count", "num_experts"},
    {"expert_used_count", "top_k_experts"},
    {0},
};

static const as_gguf_key hrm_text_keys[] = {
    {"hrm.layers_per_stack", "num_layers_per_stack"},
    {"hrm.h_cycles", "H_cycles"},
    {"hrm.l_cycles", "L_cycles"},
    {"embedding_scale", "embedding_scale"},
    {0},
};

static const as_gguf_key hy_v3_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_weights_scale", "router_scaling_factor"},
    {0},
};

static const as_gguf_key kimi_linear_keys[] = {
    {"expert_count", "num_experts"},
    {"attention.q_lora_rank", "q_lora_rank"},
    {"attention.kv_lora_rank", "kv_lora_rank"},
    {"rope.dimension_count", "qk_rope_head_dim"},
    {"kda.head_dim", "linear_head_dim"},
    {"ssm.conv_kernel", "linear_conv_kernel_dim"},
    {0},
};

static const as_gguf_key laguna_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"expert_weights_scale", "moe_routed_scaling_factor"},
    {0},
};

static const as_gguf_key minimax01_keys[] = {
    {"rope.dimension_count", "rotary_dim"},
    {0},
};

static const as_gguf_key muse_glimmer_keys[] = {
    {"final_logit_softcapping", "final_logit_softcapping"},
    {"logit_scale", "output_multiplier"},
    {0},
};

static const as_gguf_key step35_keys[] = {
    {"expert_count", "moe_num_experts"},
    {"expert_used_count", "moe_top_k"},
    {"expert_shared_feed_forward_length", "share_expert_dim"},
    {"expert_weights_scale", "moe_router_scaling_factor"},
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
    {"expert_count", "num_experts"},
    {"expert_shared_count", "num_shared_experts"},
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

static const as_gguf_key openelm_keys[] = {
    {"rope.freq_base", "rope_freq_constant"},
    {0},
};

static const as_gguf_key lfm2_keys[] = {
    {"attention.layer_norm_rms_epsilon", "norm_eps"},
    {"shortconv.l_cache", "conv_L_cache"},
    {"expert_count", "num_experts"},
    {"leading_dense_block_count", "num_dense_layers"},
    {0},
};

static const as_gguf_key llama4_keys[] = {
    {"feed_forward_length", "intermediate_size_mlp"},
    {"expert_feed_forward_length", "intermediate_size"},
    {"interleave_moe_layer_step", "interleave_moe_layer_step"},
    {0},
};

static const as_gguf_key minimax_m2_keys[] = {
    {"rope.dimension_count", "rotary_dim"},
    {"expert_feed_forward_length", "intermediate_size"},
    {0},
};

static const as_gguf_key gpt_oss_keys[] = {
    {"expert_feed_forward_length", "intermediate_size"},
    {0},
};

static const as_gguf_key ernie_moe_keys[] = {
    {"expert_count", "moe_num_experts"},
    {"expert_used_count", "moe_k"},
    {"leading_dense_block_count", "moe_layer_start_index"},
    {"interleave_moe_layer_step", "moe_layer_interval"},
    {0},
};

static const as_gguf_key minicpm_keys[] = {
    {"embedding_scale", "scale_emb"},
    {0},
};

static const as_gguf_key qwen_next_keys[] = {
    {"expert_count", "num_experts"},
    {"expert_shared_feed_forward_length", "shared_expert_intermediate_size"},
    {"ssm.conv_kernel", "linear_conv_kernel_dim"},
    {"ssm.state_size", "linear_key_head_dim"},
    {"ssm.group_count", "linear_num_key_heads"},
    {"full_attention_interval", "full_attention_interval"},
    {0},
};

static const as_gguf_key rwkv_keys[] = {
    {"attention.layer_norm_epsilon", "layer_norm_epsilon"},
    {"wkv.head_size", "head_size"},
    {"rescale_every_n_layers", "rescale_every"},
    {"time_mix_extra_dim", "lora_rank_tokenshift"},
    {"time_decay_extra_dim", "lora_rank_decay"},
    {"attention.decay_lora_rank", "decay_low_rank_dim"},
    {"attention.iclr_lora_rank", "a_low_rank_dim"},
    {"attention.value_residual_mix_lora_rank", "v_low_rank_dim"},
    {"attention.gate_lora_rank", "gate_low_rank_dim"},
    {0},
};

/* ---- signs -----------------------------------------------------------------------------------------------
 */

static const as_gguf_sign llama_signs[] = {
    {"attention_bias", "attn_output.bias"},
    {"mlp_bias", "ffn_up.bias"},
    {0},
};

/* Biases of queries, keys and values alone, and norms of heads. */
static const as_gguf_sign glm_signs[] = {
    {"attention_bias", "attn_q.bias"},
    {"use_qk_norm", "attn_q_norm.weight"},
    {0},
};

static const as_gguf_sign hunyuan_moe_signs[] = {
    {"attention_bias", "attn_output.bias"},
    {"use_qk_norm", "attn_q_norm.weight"},
    {0},
};

static const as_gguf_sign chatglm_signs[] = {
    {"attention_bias", "attn_q.bias|attn_qkv.bias"},
    {0},
};

static const as_gguf_sign latent_signs[] = {
    {"attention_bias", "attn_kv_a_mqa.bias"},
    {"mlp_bias", "ffn_up.bias|ffn_up_shexp.bias"},
    {0},
};

static const as_gguf_sign hy_v3_signs[] = {
    {"attention_bias", "attn_q.bias"},
    {"mlp_bias", "ffn_up.bias|ffn_up_shexp.bias"},
    {0},
};

static const as_gguf_sign seed_oss_signs[] = {
    {"attention_bias", "attn_q.bias"},
    {"attention_out_bias", "attn_output.bias"},
    {"mlp_bias", "ffn_up.bias"},
    {0},
};

static const as_gguf_sign use_bias_signs[] = {
    {"use_bias", "attn_output.bias"},
    {0},
};

static const as_gguf_sign bias_signs[] = {
    {"bias", "attn_output.bias"},
    {0},
};

static const as_gguf_sign no_bias_signs[] = {
    {"!no_bias", "attn_output.bias"},
    {0},
};

static const as_gguf_sign stablelm_signs[] = {
    {"qk_layernorm", "attn_q_norm.weight"},
    {"use_qkv_bias", "attn_q.bias"},
    {0},
};

static const as_gguf_sign openelm_signs[] = {
    {"normalize_qk_projections", "attn_q_norm.weight"},
    {0},
};

static const as_gguf_sign mamba_signs[] = {
    {"use_conv_bias", "ssm_conv1d.bias"},
    {"use_bias", "ssm_in.bias"},
    {0},
};

static const as_gguf_sign hybrid_signs[] = {
    {"attention_bias", "attn_output.bias"},
    {"mlp_bias", "ffn_up.bias"},
    {"mamba_conv_bias", "ssm_conv1d.bias"},
    {"mamba_proj_bias", "ssm_in.bias"},
    {"projectors_bias", "ssm_out.bias"},
    {"mamba_rms_norm", "ssm_norm.weight"},
    {0},
};

static const as_gguf_sign nemotron_h_signs[] = {
    {"use_bias", "ssm_in.bias"},
    {"use_conv_bias", "ssm_conv1d.bias"},
    {"mlp_bias", "ffn_up.bias|ffn_up_shexp.bias"},
    {0},
};

static const as_gguf_sign lfm2_signs[] = {
    {"conv_bias", "shortconv.conv.bias"},
    {"use_expert_bias", "exp_probs_b.bias"},
    {0},
};

static const as_gguf_sign rwkv6qwen2_signs[] = {
    {"attention_bias", "time_mix_receptance.bias"},
    {"attention_output_bias", "time_mix_output.bias"},
    {"groupnorm_att", "time_mix_ln.weight"},
    {0},
};

static const as_gguf_sign rwkv7_signs[] = {
    {"norm_bias", "attn_norm.bias"},
    {0},
};

/* ---- the families ----------------------------------------------------------------------------------------
 */

#define CLASS(name)    name, NULL
#define EITHER(name)   name, name
#define PAIRED         AS_GGUF_PAIRED_HEADS
#define FOLDED         AS_GGUF_NORMS_FOLDED
#define COMPLETE(name) as_gguf_complete_##name

const as_gguf_family as_gguf_families[] = {
    {"afmoe", EITHER("AfmoeForCausalLM"), NULL, afmoe_keys, llama_signs, 0, COMPLETE(afmoe)},
    {"apertus", CLASS("ApertusForCausalLM"), NULL, NULL, llama_signs, 0, COMPLETE(apertus)},
    {"arcee", CLASS("ArceeForCausalLM"), NULL, NULL, llama_signs, PAIRED, NULL},
    {"baichuan", CLASS("BaichuanForCausalLM"), NULL, NULL, NULL, PAIRED, COMPLETE(baichuan)},
    {"bitnet", CLASS("BitNetForCausalLM"), NULL, NULL, glm_signs, 0, COMPLETE(bitnet)},
    {"bloom", CLASS("BloomForCausalLM"), NULL, bloom_keys, NULL, 0, NULL},
    {"chameleon", CLASS("ChameleonForConditionalGeneration"), chameleon_slots, chameleon_keys, llama_signs,
     PAIRED | AS_GGUF_PAIRED_NORMS, COMPLETE(chameleon)},
    {"chatglm", CLASS("GlmForCausalLM"), fused_slots, NULL, chatglm_signs, 0, NULL},
    {"cohere2", CLASS("Cohere2ForCausalLM"), NULL, cohere_keys, NULL, 0, NULL},
    {"cohere2moe", EITHER("Cohere2MoeForCausalLM"), NULL, cohere_keys, llama_signs, 0, COMPLETE(cohere2moe)},
    {"command-r", CLASS("CohereForCausalLM"), NULL, cohere_keys, glm_signs, 0, NULL},
    {"dbrx", EITHER("DbrxForCausalLM"), dbrx_slots, NULL, NULL, 0, COMPLETE(dbrx)},
    {"deci", CLASS("DeciLMForCausalLM"), deci_slots, NULL, llama_signs, PAIRED, COMPLETE(deci)},
    {"deepseek", EITHER("DeepseekForCausalLM"), NULL, dots1_keys, llama_signs, PAIRED, COMPLETE(deepseek)},
    {"deepseek2", "YoutuForCausalLM", "DeepseekV2ForCausalLM", NULL, deepseek2_keys, latent_signs, 0,
     COMPLETE(deepseek2)},
    {"deepseek32", EITHER("DeepseekV32ForCausalLM"), index_slots, deepseek2_keys, latent_signs, 0,
     COMPLETE(deepseek32)},
    {"dots1", EITHER("Dots1ForCausalLM"), NULL, dots1_keys, llama_signs, 0, NULL},
    {"ernie4_5", CLASS("Ernie4_5ForCausalLM"), NULL, NULL, use_bias_signs, 0, NULL},
    {"ernie4_5-moe", EITHER("Ernie4_5_MoeForCausalLM"), NULL, ernie_moe_keys, use_bias_signs, 0, NULL},
    {"exaone", CLASS("ExaoneForCausalLM"), NULL, exaone_keys, NULL, 0, NULL},
    {"exaone-moe", EITHER("ExaoneMoeForCausalLM"), NULL, shared_expert_keys, NULL, 0, NULL},
    {"exaone4", CLASS("Exaone4ForCausalLM"), NULL, NULL, NULL, 0, NULL},
    {"falcon", CLASS("FalconForCausalLM"), falcon_slots, bloom_keys, bias_signs, 0, COMPLETE(falcon)},
    {"falcon-h1", CLASS("FalconH1ForCausalLM"), NULL, falcon_h1_keys, hybrid_signs, 0, COMPLETE(falcon_h1)},
    {"gemma", CLASS("GemmaForCausalLM"), NULL, NULL, llama_signs, FOLDED, NULL},
    {"gemma2", CLASS("Gemma2ForCausalLM"), NULL, gemma2_keys, llama_signs, FOLDED, COMPLETE(gemma2)},
    {"gemma3", CLASS("Gemma3ForCausalLM"), NULL, gemma3_keys, llama_signs, FOLDED, COMPLETE(gemma3)},
    {"gemma3n", CLASS("Gemma3nForCausalLM"), gemma3n_slots, gemma3n_keys, llama_signs, 0, COMPLETE(gemma3n)},
    {"gemma4", EITHER("Gemma4ForCausalLM"), gemma4_slots, gemma4_keys, llama_signs, 0, COMPLETE(gemma4)},
    {"glm-dsa", EITHER("GlmMoeDsaForCausalLM"), index_slots, deepseek2_keys, latent_signs, 0,
     COMPLETE(glm_dsa)},
    {"glm4", CLASS("Glm4ForCausalLM"), fused_slots, NULL, glm_signs, 0, NULL},
    {"glm4moe", EITHER("Glm4MoeForCausalLM"), NULL, dots1_keys, glm_signs, 0, NULL},
    {"gpt-oss", EITHER("GptOssForCausalLM"), NULL, gpt_oss_keys, glm_signs, 0, COMPLETE(gpt_oss)},
    {"gpt2", CLASS("GPT2LMHeadModel"), NULL, gpt2_keys, NULL, 0, COMPLETE(gpt2)},
    {"gptneox", CLASS("GPTNeoXForCausalLM"), NULL, gptneox_keys, llama_signs, 0, COMPLETE(gptneox)},
    {"granite", CLASS("GraniteForCausalLM"), NULL, granite_keys, llama_signs, PAIRED, NULL},
    {"granite_swa", "GraniteSWAForCausalLM", "GraniteMoeSWAForCausalLM", granite_swa_slots, granite_keys,
     llama_signs, PAIRED, COMPLETE(granite_swa)},
    {"granitehybrid", EITHER("GraniteMoeHybridForCausalLM"), NULL, granitehybrid_keys, hybrid_signs, PAIRED,
     COMPLETE(granitehybrid)},
    {"granitemoe", EITHER("GraniteMoeForCausalLM"), NULL, granite_keys, llama_signs, PAIRED,
     COMPLETE(granitemoe)},
    {"hrm_text", CLASS("HrmTextForCausalLM"), hrm_text_slots, hrm_text_keys, llama_signs, 0, NULL},
    {"hunyuan-dense", CLASS("HunYuanDenseV1ForCausalLM"), NULL, NULL, llama_signs, 0, NULL},
    {"hunyuan-moe", EITHER("HunYuanMoEV1ForCausalLM"), NULL, hunyuan_moe_keys, hunyuan_moe_signs, 0, NULL},
    {"hunyuan_vl", CLASS("HunYuanVLForConditionalGeneration"), NULL, NULL, llama_signs, 0,
     COMPLETE(hunyuan_vl)},
    {"hy_v3", EITHER("HYV3ForCausalLM"), NULL, hy_v3_keys, hy_v3_signs, 0, COMPLETE(hy_v3)},
    {"internlm2", CLASS("LlamaForCausalLM"), NULL, NULL, llama_signs, PAIRED, NULL},
    {"jais", CLASS("JAISLMHeadModel"), NULL, gpt2_keys, NULL, 0, COMPLETE(jais)},
    {"jais2", CLASS("Jais2ForCausalLM"), NULL, NULL, llama_signs, 0, NULL},
    {"jamba", EITHER("JambaForCausalLM"), NULL, jamba_keys, hybrid_signs, 0, COMPLETE(jamba)},
    {"kimi-linear", EITHER("KimiLinearForCausalLM"), kimi_linear_slots, kimi_linear_keys, latent_signs, 0,
     COMPLETE(kimi_linear)},
    {"laguna", EITHER("LagunaForCausalLM"), NULL, laguna_keys, llama_signs, 0, COMPLETE(laguna)},
    {"lfm2", CLASS("Lfm2ForCausalLM"), lfm2_slots, lfm2_keys, lfm2_signs, 0, COMPLETE(lfm2)},
    {"lfm2moe", EITHER("Lfm2MoeForCausalLM"), lfm2_slots, lfm2_keys, lfm2_signs, 0, COMPLETE(lfm2moe)},
    {"llama", "LlamaForCausalLM", "MixtralForCausalLM", NULL, NULL, llama_signs, PAIRED, NULL},
    {"llama4", EITHER("Llama4ForCausalLM"), NULL, llama4_keys, llama_signs, 0, COMPLETE(llama4)},
    {"mamba", CLASS("MambaForCausalLM"), NULL, mamba_keys, mamba_signs, 0, COMPLETE(mamba)},
    {"mamba2", CLASS("Mamba2ForCausalLM"), NULL, mamba_keys, mamba_signs, 0, COMPLETE(mamba2)},
    {"mellum", EITHER("MellumForCausalLM"), NULL, NULL, llama_signs, 0, COMPLETE(mellum)},
    {"mimo2", EITHER("MiMoV2FlashForCausalLM"), NULL, dots1_keys, glm_signs, 0, COMPLETE(mimo2)},
    {"minicpm", CLASS("MiniCPMForCausalLM"), NULL, minicpm_keys, llama_signs, PAIRED, COMPLETE(minicpm)},
    {"minicpm3", CLASS("MiniCPM3ForCausalLM"), NULL, deepseek2_keys, latent_signs, 0, COMPLETE(minicpm3)},
    {"minimax-01", EITHER("MiniMaxText01ForCausalLM"), minimax01_slots, minimax01_keys, NULL, 0,
     COMPLETE(minimax01)},
    {"minimax-m2", EITHER("MiniMaxM2ForCausalLM"), NULL, minimax_m2_keys, NULL, 0, NULL},
    {"mistral3", CLASS("LlamaForCausalLM"), NULL, NULL, llama_signs, PAIRED, COMPLETE(mistral3)},
    {"mistral4", EITHER("Mistral4ForCausalLM"), NULL, deepseek2_keys, latent_signs, 0, COMPLETE(mistral4)},
    {"mpt", CLASS("MPTForCausalLM"), NULL, mpt_keys, no_bias_signs, 0, COMPLETE(mpt)},
    {"muse-glimmer", CLASS("MuseGlimmerForConditionalGeneration"), NULL, muse_glimmer_keys, llama_signs,
     PAIRED | FOLDED | AS_GGUF_WEIGHTED_HEADS, COMPLETE(muse_glimmer)},
    {"nemotron", CLASS("NemotronForCausalLM"), NULL, nemotron_keys, llama_signs, FOLDED, NULL},
    {"nemotron_h", CLASS("NemotronHForCausalLM"), NULL, nemotron_h_keys, nemotron_h_signs, 0,
     COMPLETE(nemotron_h)},
    {"nemotron_h_moe", EITHER("NemotronHForCausalLM"), NULL, nemotron_h_keys, nemotron_h_signs, 0,
     COMPLETE(nemotron_h)},
    {"olmo", CLASS("OlmoForCausalLM"), NULL, olmo_keys, llama_signs, PAIRED, NULL},
    {"olmo2", CLASS("Olmo2ForCausalLM"), NULL, NULL, llama_signs, 0, COMPLETE(olmo2)},
    {"olmoe", EITHER("OlmoeForCausalLM"), NULL, expert_keys, llama_signs, 0, NULL},
    {"openelm", CLASS("OpenELMForCausalLM"), NULL, openelm_keys, openelm_signs, 0, COMPLETE(openelm)},
    {"orion", CLASS("OrionForCausalLM"), NULL, NULL, NULL, 0, NULL},
    {"paddleocr", CLASS("PaddleOCRVLForConditionalGeneration"), NULL, NULL, use_bias_signs, 0, NULL},
    {"phi2", CLASS("PhiForCausalLM"), NULL, NULL, NULL, 0, COMPLETE(phi2)},
    {"phi3", CLASS("Phi3ForCausalLM"), fused_slots, NULL, NULL, 0, NULL},
    {"phimoe", EITHER("PhiMoEForCausalLM"), NULL, NULL, glm_signs, 0, COMPLETE(phimoe)},
    {"qwen", CLASS("QWenLMHeadModel"), NULL, NULL, no_bias_signs, 0, COMPLETE(qwen1)},
    {"qwen2", CLASS("Qwen2ForCausalLM"), NULL, NULL, NULL, 0, NULL},
    {"qwen2moe", EITHER("Qwen2MoeForCausalLM"), NULL, expert_keys, NULL, 0, NULL},
    {"qwen2vl", CLASS("Qwen2ForCausalLM"), NULL, NULL, NULL, 0, NULL},
    {"qwen3", CLASS("Qwen3ForCausalLM"), NULL, NULL, llama_signs, 0, NULL},
    {"qwen35", CLASS("Qwen3_5ForCausalLM"), qwen_next_slots, qwen_next_keys, llama_signs, FOLDED,
     COMPLETE(qwen35)},
    {"qwen35moe", EITHER("Qwen3_5MoeForCausalLM"), qwen_next_slots, qwen_next_keys, llama_signs, FOLDED,
     COMPLETE(qwen35)},
    {"qwen3moe", EITHER("Qwen3MoeForCausalLM"), NULL, expert_keys, llama_signs, 0, COMPLETE(qwen3moe)},
    {"qwen3next", EITHER("Qwen3NextForCausalLM"), qwen_next_slots, qwen_next_keys, llama_signs, FOLDED,
     COMPLETE(qwen3next)},
    {"qwen3vl", CLASS("Qwen3ForCausalLM"), NULL, NULL, llama_signs, 0, NULL},
    {"qwen3vlmoe", EITHER("Qwen3MoeForCausalLM"), NULL, expert_keys, llama_signs, 0, COMPLETE(qwen3moe)},
    {"rwkv6", CLASS("Rwkv6ForCausalLM"), rwkv6_slots, rwkv_keys, NULL, 0, COMPLETE(rwkv6)},
    {"rwkv6qwen2", CLASS("RWKV6Qwen2ForCausalLM"), rwkv6qwen2_slots, rwkv_keys, rwkv6qwen2_signs, 0,
     COMPLETE(rwkv6qwen2)},
    {"rwkv7", CLASS("RWKV7ForCausalLM"), rwkv7_slots, rwkv_keys, rwkv7_signs, 0, COMPLETE(rwkv7)},
    {"seed_oss", CLASS("SeedOssForCausalLM"), NULL, NULL, seed_oss_signs, 0, NULL},
    {"smollm3", CLASS("SmolLM3ForCausalLM"), NULL, NULL, llama_signs, PAIRED, NULL},
    {"stablelm", CLASS("StableLmForCausalLM"), NULL, NULL, stablelm_signs, 0, COMPLETE(stablelm)},
    {"starcoder", CLASS("GPTBigCodeForCausalLM"), NULL, gpt2_keys, NULL, AS_GGUF_HUB_QKV, COMPLETE(gpt2)},
    {"starcoder2", CLASS("Starcoder2ForCausalLM"), NULL, starcoder2_keys, use_bias_signs, 0, NULL},
    {"step35", EITHER("Step3p7ForConditionalGeneration"), NULL, step35_keys, llama_signs, FOLDED,
     COMPLETE(step35)},
    {"xverse", CLASS("XverseForCausalLM"), NULL, NULL, NULL, PAIRED, NULL},
    {0},
};
