/* The peak of AVX512_BF16 dot products; see probe_level.h. The products themselves are not used by any
 * kernel: where they exist they are slower than float32 multiply-adds or stand beside matrix tiles. */
#include <immintrin.h>

#include "kernels/cpu/probe_level.h"

enum { CHAINS = 24, ROUNDS = 4000 };

double as_probe_bf16_avx512(void)
{
    __m512 sums[CHAINS];
    __m512bh half = (__m512bh)_mm512_set1_epi16(0x3F00);
#pragma GCC unroll 32
    for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_set1_ps((float)i); /* equal ones would be merged */
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 32
        for (int i = 0; i < CHAINS; i++) sums[i] = _mm512_dpbf16_ps(sums[i], half, half);
    }
#pragma GCC unroll 32
    for (int i = 1; i < CHAINS; i++) sums[0] = _mm512_add_ps(sums[0], sums[i]);
    volatile float kept = _mm512_reduce_add_ps(sums[0]);
    (void)kept;
    return 2.0 * CHAINS * 32 * ROUNDS;
}
