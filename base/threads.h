/* A pool of worker threads for loops whose iterations are independent.
 *
 * Not OpenMP: each session has its own number of threads, the thread sanitizer sees every hand-over, and the
 * workers spin shortly between the hundreds of small loops of one decoding step. */
#ifndef AS_BASE_THREADS_H
#define AS_BASE_THREADS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct as_pool as_pool;

/* threads counts the caller too: 1 makes no thread. Below 1: the processors this process may use. */
AS_MUST_USE as_code as_pool_open(int threads, as_pool **out, as_error *err);
void as_pool_close(as_pool *pool);        /* NULL is allowed */
int as_pool_threads(const as_pool *pool); /* 1 for NULL */

/* Runs body(context, i, worker) for every i in 0..count-1, each once, in any order, and returns when all are
 * done. worker is 0..threads-1, for scratch memory. Which thread runs which i is not defined: a body must not
 * let its result depend on it. One call at a time per pool; a body must not call back into the same pool.
 * A NULL pool runs in the caller. */
typedef void as_pool_body(void *context, int64_t i, int worker);
void as_pool_for(as_pool *pool, int64_t count, as_pool_body *body, void *context);

/* From now on, iterations that have not begun are passed over once *until is set: for work whose result is
 * then thrown away. NULL: never. as_pool_stopped tells that it was set. */
void as_pool_stop_at(as_pool *pool, const atomic_bool *until);
bool as_pool_stopped(const as_pool *pool);

int as_threads_available(void); /* processors in this process's affinity mask */

#endif
