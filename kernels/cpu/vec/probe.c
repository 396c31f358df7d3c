/* Reading and multiplying as fast as the level's vectors can; see probe_level.h. */
#include "kernels/cpu/probe_level.h"
#include "kernels/cpu/vec/vec.h"

enum { PAGE = 4096, LINE = 64, CHAINS = LANES == 16 ? 24 : 12, ROUNDS = 4000 };

AS_INLINE uint32_t read_streams(const unsigned char *from, int64_t bytes, int streams, int64_t ahead)
{
    __m256i sums[4] = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
                       _mm256_setzero_si256()};
    for (int64_t at = 0; at < bytes; at += (int64_t)streams * PAGE) {
        for (int64_t line = 0; line < PAGE; line += LINE) {
#pragma GCC unroll 16
            for (int s = 0; s < streams; s++) {
                const unsigned char *p = from + at + s * PAGE + line;
                if (ahead) _mm_prefetch((const char *)p + ahead, _MM_HINT_T0);
                __m256i low = _mm256_loadu_si256((const __m256i *)p);
                __m256i high = _mm256_loadu_si256((const __m256i *)(p + LINE / 2));
                sums[s % 4] = _mm256_xor_si256(sums[s % 4], _mm256_xor_si256(low, high));
            }
        }
    }
    __m256i all = _mm256_xor_si256(_mm256_xor_si256(sums[0], sums[1]), _mm256_xor_si256(sums[2], sums[3]));
    return (uint32_t)_mm256_extract_epi32(all, 0) ^ (uint32_t)_mm256_extract_epi32(all, 5);
}

uint32_t AS_VARIANT(as_probe_read)(const unsigned char *from, int64_t bytes, int streams, int64_t ahead)
{
    switch (streams) {
    case 1: return read_streams(from, bytes, 1, ahead);
    case 2: return read_streams(from, bytes, 2, ahead);
    case 4: return read_streams(from, bytes, 4, ahead);
    case 8: return read_streams(from, bytes, 8, ahead);
    default: return read_streams(from, bytes, 16, ahead);
    }
}

double AS_VARIANT(as_probe_fma)(void)
{
    vf sums[CHAINS], half = vf_set(0.5f);
#pragma GCC unroll 32
    for (int i = 0; i < CHAINS; i++) sums[i] = vf_set((float)i);
    for (int round = 0; round < ROUNDS; round++) {
#pragma GCC unroll 32
        for (int i = 0; i < CHAINS; i++) sums[i] = vf_fma(sums[i], half, half);
    }
    vf total = vf_zero();
#pragma GCC unroll 32
    for (int i = 0; i < CHAINS; i++) total = vf_add(total, sums[i]);
    volatile float kept = vf_sum(total);
    (void)kept;
    return 2.0 * CHAINS * LANES * ROUNDS;
}
