/* What a level contributes to the probe. */
#ifndef AS_KERNELS_CPU_PROBE_LEVEL_H
#define AS_KERNELS_CPU_PROBE_LEVEL_H

#include <stdint.h>

/* Reads bytes (a multiple of streams * 4096) in `streams` places side by side, each 4096 bytes at a time,
 * prefetching `ahead` bytes ahead where it is not 0. The result only keeps the reads alive. */
typedef uint32_t as_probe_reader(const unsigned char *from, int64_t bytes, int streams, int64_t ahead);

/* Carries out about a million operations of its kind and returns how many exactly. */
typedef double as_probe_worker(void);

as_probe_reader as_probe_read_plain, as_probe_read_avx2, as_probe_read_avx512;
as_probe_worker as_probe_fma_plain, as_probe_fma_avx2, as_probe_fma_avx512;
as_probe_worker as_probe_bf16_avx512, as_probe_bf16_amx;

#endif
