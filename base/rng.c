/* Philox 4x32-10; see rng.h. */
#include "base/rng.h"

#include <math.h>

void as_rng_block(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4])
{
    uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void as_rng_init(as_rng *rng, uint64_t seed, uint64_t stream)
{
    *rng = (as_rng){.seed = seed, .stream = stream};
}

uint32_t as_rng_u32(as_rng *rng)
{
    if (rng->left == 0) {
        as_rng_block(rng->seed, rng->stream, rng->counter++, rng->words);
        rng->left = 4;
    }
    return rng->words[--rng->left];
}

static uint64_t u64(as_rng *rng)
{
    uint64_t high = as_rng_u32(rng);
    return high << 32 | as_rng_u32(rng);
}

uint64_t as_rng_below(as_rng *rng, uint64_t bound)
{
    uint64_t reject = (0 - bound) % bound; /* 2^64 mod bound */
    uint64_t value;
    do value = u64(rng);
    while (value < reject);
    return value % bound;
}

double as_rng_unit(as_rng *rng)
{
    return (double)(u64(rng) >> 11) * 0x1p-53;
}

double as_rng_normal(as_rng *rng)
{
    double radius = sqrt(-2 * log(1 - as_rng_unit(rng)));
    return radius * cos(6.283185307179586476925 * as_rng_unit(rng));
}

double as_rng_exponential(as_rng *rng)
{
    return -log(1 - as_rng_unit(rng));
}
