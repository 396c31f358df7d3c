/* What this machine can do at best: the limits that speeds are compared with. Measured with the pool that the
 * kernels use, so that both see the same threads and the same neighbours. */
#ifndef AS_KERNELS_PROBE_H
#define AS_KERNELS_PROBE_H

#include <stdint.h>

#include "base/error.h"
#include "base/threads.h"

typedef struct as_probe {
    int threads;

    double read_gbps;   /* 1e9 bytes a second read from memory: the best pattern */
    int64_t read_bytes; /* the working set */
    int read_streams;   /* of the best pattern: places read side by side by each thread */
    int64_t read_ahead; /* of the best pattern: bytes prefetched ahead; 0: left to the hardware */
    double read_worst;  /* the worst pattern, to show the spread */

    double fma_cpu_gflops, read_cpu_gbps; /* by as_probe_again: by processor time, not wall time */
    double fma_gflops;  /* float32 multiply-adds (two operations each) by the widest vectors present */
    double avx2_gflops; /* by 8-lane vectors; 0 where absent, as below */
    double avx512_gflops;
    double bf16_gflops; /* AVX512_BF16 dot products */
    double amx_gflops;  /* AMX tiles of bf16 */
} as_probe;

/* Takes about two seconds; AS_E_CANCELLED soon after the pool is told to stop. read_bytes 0:
 * AS_PROBE_READ_BYTES, which must exceed the last-level cache by far.
 */
enum { AS_PROBE_READ_BYTES = 1 << 30 };
AS_MUST_USE as_code as_probe_machine(as_pool *pool, int64_t read_bytes, as_probe *out, as_error *err);

/* The parts: bandwidth over the buffer given (which the caller has written), and peaks. */
void as_probe_read(as_pool *pool, const void *buffer, int64_t bytes, as_probe *out);
void as_probe_peaks(as_pool *pool, as_probe *out);

/* read_gbps, fma_gflops and both by processor time once more, by the best ways that `probe` holds, in about
 * five milliseconds: for measuring next to the thing measured, where other work shares the machine. */
void as_probe_again(as_pool *pool, const void *buffer, int64_t bytes, as_probe *probe);

#endif
