/* What families with Kimi Delta Attention share. */
#ifndef AS_ENGINE_ARCH_KDA_H
#define AS_ENGINE_ARCH_KDA_H

#include "engine/arch/arch.h"
#include "engine/blocks/delta.h"

/* Names of its tensors, for a family's table; decays and gates come through a low rank. */
#define AS_KDA_FORGET(part) "layers.%d.self_attn." part "|layers.%d.self_attn.forget_gate." part
#define AS_KDA_NAMES                                                                                         \
    [AS_SLOT_LINEAR_Q] = "layers.%d.self_attn.q_proj", [AS_SLOT_LINEAR_K] = "layers.%d.self_attn.k_proj",    \
    [AS_SLOT_LINEAR_V] = "layers.%d.self_attn.v_proj", [AS_SLOT_LINEAR_A_DOWN] = AS_KDA_FORGET("f_a_proj"),  \
    [AS_SLOT_LINEAR_A] = AS_KDA_FORGET("f_b_proj"), [AS_SLOT_LINEAR_A_LOG] = AS_KDA_FORGET("A_log"),         \
    [AS_SLOT_LINEAR_DT_BIAS] = AS_KDA_FORGET("dt_bias"), [AS_SLOT_LINEAR_B] = "layers.%d.self_attn.b_proj",  \
    [AS_SLOT_LINEAR_GATE_DOWN] = "layers.%d.self_attn.g_a_proj",                                             \
    [AS_SLOT_LINEAR_GATE] = "layers.%d.self_attn.g_b_proj",                                                  \
    [AS_SLOT_LINEAR_CONV] = "layers.%d.self_attn.conv1d",                                                    \
    [AS_SLOT_LINEAR_CONV_Q] = "layers.%d.self_attn.q_conv1d",                                                \
    [AS_SLOT_LINEAR_CONV_K] = "layers.%d.self_attn.k_conv1d",                                                \
    [AS_SLOT_LINEAR_CONV_V] = "layers.%d.self_attn.v_conv1d",                                                \
    [AS_SLOT_LINEAR_NORM] = "layers.%d.self_attn.o_norm",                                                    \
    [AS_SLOT_LINEAR_OUT] = "layers.%d.self_attn.o_proj"

/* Heads of one width, a decay for each of their channels. */
as_delta_spec as_spec_kda(as_config *config, int64_t heads, int64_t width, int64_t taps, double eps);

#endif
