/* What Qwen3-Next, Qwen3.5 and Qwen4 share. */
#ifndef AS_ENGINE_ARCH_QWEN_NEXT_H
#define AS_ENGINE_ARCH_QWEN_NEXT_H

#include "engine/arch/arch.h"
#include "engine/blocks/delta.h"
#include "engine/blocks/moe.h"

/* The names of Qwen3.5's tensors beside Llama's, for a family's table. */
#define AS_QWEN_NEXT_NAMES                                                                                   \
    [AS_SLOT_LINEAR_QKVZ] = "layers.%d.linear_attn.in_proj_qkvz",                                            \
    [AS_SLOT_LINEAR_BA] = "layers.%d.linear_attn.in_proj_ba",                                                \
    [AS_SLOT_LINEAR_QKV] = "layers.%d.linear_attn.in_proj_qkv",                                              \
    [AS_SLOT_LINEAR_GATE] = "layers.%d.linear_attn.in_proj_z",                                               \
    [AS_SLOT_LINEAR_B] = "layers.%d.linear_attn.in_proj_b",                                                  \
    [AS_SLOT_LINEAR_A] = "layers.%d.linear_attn.in_proj_a",                                                  \
    [AS_SLOT_LINEAR_CONV] = "layers.%d.linear_attn.conv1d",                                                  \
    [AS_SLOT_LINEAR_A_LOG] = "layers.%d.linear_attn.A_log",                                                  \
    [AS_SLOT_LINEAR_DT_BIAS] = "layers.%d.linear_attn.dt_bias",                                              \
    [AS_SLOT_LINEAR_NORM] = "layers.%d.linear_attn.norm",                                                    \
    [AS_SLOT_LINEAR_OUT] = "layers.%d.linear_attn.out_proj",                                                 \
    [AS_SLOT_SHARED_GATE] = "layers.%d.mlp.shared_expert.gate_proj",                                         \
    [AS_SLOT_SHARED_UP] = "layers.%d.mlp.shared_expert.up_proj",                                             \
    [AS_SLOT_SHARED_DOWN] = "layers.%d.mlp.shared_expert.down_proj",                                         \
    [AS_SLOT_SHARED_SIGMOID] = "layers.%d.mlp.shared_expert_gate"

extern const char *const as_qwen_next_prefixes[];
/* The layer that predicts further tokens and the vision tower. */
extern const char *const as_qwen_next_ignored[];

as_delta_spec as_spec_gated_delta(as_config *config, as_delta_layout layout, double eps);
/* Attention whose query projection holds a gate, with norms of 1 + w on the heads; `partial`: rotated share
 * of a head that says nothing. */
as_attention_spec as_spec_gated_attention(as_config *config, as_model_spec *spec, double eps, double partial);
/* Experts chosen by a softmax beside a shared one behind a sigmoid. */
as_moe_spec as_spec_gated_experts(as_config *config, int64_t experts, int64_t top_k);

#endif
