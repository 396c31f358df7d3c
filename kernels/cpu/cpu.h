/* Between the CPU's backend selection and its levels. Each level overlays the operations that it implements
 * on the table of the level below it; cpu/ref fills them all. */
#ifndef AS_KERNELS_CPU_CPU_H
#define AS_KERNELS_CPU_CPU_H

#include "kernels/ops.h"

void as_cpu_overlay_ref(as_backend *table);
void as_cpu_overlay_avx2(as_backend *table);
void as_cpu_overlay_avx512(as_backend *table);
void as_cpu_overlay_amx(as_backend *table);

/* Whether this machine has the level; and AVX512_BF16. */
bool as_cpu_has(const char *level);
bool as_cpu_has_bf16(void);

/* Asks the system for the use of the matrix tiles; false where it refuses. */
bool as_cpu_amx_permit(void);

static inline int64_t as_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline int64_t as_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static inline int64_t as_ceil_div(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static inline unsigned char *as_exec_scratch(const as_exec *exec, int worker)
{
    return exec->scratch + (int64_t)worker * AS_SCRATCH_BYTES;
}

/* The first element of a row. */
static inline const unsigned char *as_matrix_row(const as_matrix *w, int64_t row)
{
    return (const unsigned char *)w->data + as_dtype_span(w->dtype, row * w->stride);
}

/* The first key that row position p sees, with window W and chunk C (0: none). */
static inline int64_t as_first_visible(int64_t p, int64_t window, int64_t chunk)
{
    int64_t first = window > 0 ? as_max_i64(0, p - window + 1) : 0;
    return chunk > 0 ? as_max_i64(first, p / chunk * chunk) : first;
}

/* The last key that row position p sees, where a key is of `every` tokens (0: of one); -1: none. */
static inline int64_t as_last_visible(int64_t p, int64_t every)
{
    return every > 0 ? (p + 1) / every - 1 : p;
}

#endif
