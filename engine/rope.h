/* Rotary frequencies and the tables that the rope operation reads. */
#ifndef AS_ENGINE_ROPE_H
#define AS_ENGINE_ROPE_H

#include "engine/spec.h"

/* inverse frequencies [rotary/2] for a sequence that will be `length` tokens long (it matters to DYNAMIC and
 * LONGROPE alone). float32 in the same order of operations as transformers' modeling_rope_utils.py. */
void as_rope_frequencies(const as_rope_spec *rope, int64_t length, float *out);
/* The factor on cos and sin for a sequence of that length. */
double as_rope_factor(const as_rope_spec *rope, int64_t length);
/* Whether the frequencies or the factor depend on the length. */
bool as_rope_varies(const as_rope_spec *rope);
/* cos and sin [count, rotary/2] for positions first.. on, times the attention factor. */
void as_rope_table(const as_rope_spec *rope, const float *frequencies, int64_t first, int64_t count,
                   float *cos, float *sin);

#endif
