/* What the tests of the kernels share: levels, guarded buffers, fillings, comparisons. */
#ifndef AS_TESTS_KERNELS_SUPPORT_H
#define AS_TESTS_KERNELS_SUPPORT_H

#include <criterion/criterion.h>
#include <stdint.h>

#include "kernels/ops.h"

/* The levels that this machine has, ref first; NULL behind the last. */
const as_backend *level_at(int i);

/* A pool of that many threads with its scratch. Lives until the test's process ends. */
as_exec exec_with(int threads);

/* Memory that ends where a page without access begins: reading or writing behind it is a fault. */
void *guarded(size_t size);

typedef enum {
    FILL_NORMAL,   /* -1..1 */
    FILL_POSITIVE, /* 0..1 */
    FILL_ZERO,
    FILL_HUGE,     /* about 1e15 */
    FILL_TINY,     /* about 1e-15 */
    FILL_DENORMAL, /* about 1e-40 */
    FILL_SPREAD,   /* from 1e-6 to 1e6 */
    FILL_KINDS
} fill_kind;

extern const char *const fill_names[FILL_KINDS];

void fill(float *p, int64_t count, fill_kind kind, uint64_t stream);
float *filled(int64_t count, fill_kind kind, uint64_t stream); /* guarded */

/* A guarded copy of the values in another type. */
void *stored_as(as_dtype type, const float *values, int64_t count);

/* Fails unless |got - want| <= tolerance[i] at each of count places, and NaN only where want is not finite.
 * Prints the largest and mean error as parts of the tolerance, and where. */
void expect_close(const char *what, const char *level, const float *got, const float *want,
                  const double *tolerance, int64_t count, int64_t width);

/* The same with one tolerance relative to max(|want|, floor). */
void expect_near(const char *what, const char *level, const float *got, const float *want, double relative,
                 double floor, int64_t count, int64_t width);

void expect_same_bits(const char *what, const char *level, const float *got, const float *want, int64_t count,
                      int64_t width);

#endif
