/* Which two symbols a merge can ever bring together: a set of pairs that may say yes too often, never no. */
#ifndef AS_ENGINE_TEXT_PAIR_SET_H
#define AS_ENGINE_TEXT_PAIR_SET_H

#include <stdbool.h>
#include <stdint.h>

enum { AS_PAIR_SET_BITS = 1 << 20 };

typedef struct as_pair_set {
    uint64_t words[AS_PAIR_SET_BITS / 64];
} as_pair_set;

static inline uint32_t as_pair_set_slot(int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    return (uint32_t)(h >> 44); /* 20 bits */
}

static inline void as_pair_set_add(as_pair_set *set, int32_t left, int32_t right)
{
    uint32_t slot = as_pair_set_slot(left, right);
    set->words[slot / 64] |= (uint64_t)1 << slot % 64;
}

static inline bool as_pair_set_has(const as_pair_set *set, int32_t left, int32_t right)
{
    uint32_t slot = as_pair_set_slot(left, right);
    return set->words[slot / 64] >> slot % 64 & 1;
}

#endif
