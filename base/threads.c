/* Worker threads; see threads.h.
 *
 * A loop is published by raising `generation`. Workers watch it for SPIN_NS, then sleep on a condition. The
 * caller takes part in the loop, then waits until every worker has left it, so that the loop's context may
 * live on the caller's stack. */
#include "base/threads.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { SPIN_NS = 100000, MAX_THREADS = 256 };

typedef struct worker {
    pthread_t thread;
    as_pool *pool;
    int index;
} worker;

struct as_pool {
    int threads;
    worker *workers; /* threads - 1 of them; index 0 is the caller */

    as_pool_body *body;
    void *context;
    int64_t count;
    _Alignas(64) atomic_int_fast64_t next; /* next iteration to hand out */
    _Alignas(64) atomic_uint generation;   /* raised for each loop and at the end */
    _Alignas(64) atomic_int inside;        /* workers that have not yet left the loop */
    atomic_bool stop;
    const atomic_bool *until; /* as_pool_stop_at; NULL: none */
    atomic_int sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
};

static inline void pause_cpu(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

bool as_pool_stopped(const as_pool *pool)
{
    return pool && pool->until && atomic_load_explicit(pool->until, memory_order_relaxed);
}

void as_pool_stop_at(as_pool *pool, const atomic_bool *until)
{
    pool->until = until;
}

static void take_part(as_pool *pool, int index)
{
    while (!as_pool_stopped(pool)) {
        int64_t i = atomic_fetch_add_explicit(&pool->next, 1, memory_order_relaxed);
        if (i >= pool->count) return;
        pool->body(pool->context, i, index);
    }
}

/* Until generation differs from `seen`. */
static unsigned wait_for_work(as_pool *pool, unsigned seen)
{
    int64_t until = as_clock_ns() + SPIN_NS;
    for (unsigned turn = 0;; turn++) {
        unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen) return now;
        pause_cpu();
        if (turn % 64 == 63 && as_clock_ns() > until) break;
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleeping, 1);
    unsigned now;
    while ((now = atomic_load(&pool->generation)) == seen) pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleeping, 1);
    pthread_mutex_unlock(&pool->lock);
    return now;
}

static void *run_worker(void *arg)
{
    worker *self = arg;
    as_pool *pool = self->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_work(pool, seen);
        if (atomic_load(&pool->stop)) return NULL;
        take_part(pool, self->index);
        atomic_fetch_sub_explicit(&pool->inside, 1, memory_order_release);
    }
}

static void raise_generation(as_pool *pool)
{
    atomic_fetch_add(&pool->generation, 1);
    if (atomic_load(&pool->sleeping) == 0) return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
}

int as_threads_available(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count < 1 ? 1 : count > MAX_THREADS ? MAX_THREADS : count;
}

as_code as_pool_open(int threads, as_pool **out, as_error *err)
{
    if (threads < 1) threads = as_threads_available();
    if (threads > MAX_THREADS) {
        return as_fail(err, AS_E_LIMIT, "%d threads asked for, at most %d are possible", threads,
                       MAX_THREADS);
    }
    as_pool *pool = AS_NEW(as_pool);
    worker *workers = AS_NEW_ARRAY(worker, threads);
    if (!pool || !workers) {
        as_free(pool);
        as_free(workers);
        return as_fail_memory(err, "a thread pool");
    }
    pool->workers = workers;
    pool->threads = 1;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (int i = 1; i < threads; i++) {
        workers[i] = (worker){.pool = pool, .index = i};
        int failed = pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]);
        if (failed) {
            as_pool_close(pool);
            return as_fail_at(err, AS_E_MEMORY, failed, __FILE__, __LINE__, "cannot start %d threads",
                              threads);
        }
        pool->threads++;
    }
    *out = pool;
    return AS_OK;
}

void as_pool_close(as_pool *pool)
{
    if (!pool) return;
    atomic_store(&pool->stop, true);
    raise_generation(pool);
    for (int i = 1; i < pool->threads; i++) pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    as_free(pool->workers);
    as_free(pool);
}

int as_pool_threads(const as_pool *pool)
{
    return pool ? pool->threads : 1;
}

void as_pool_for(as_pool *pool, int64_t count, as_pool_body *body, void *context)
{
    if (!pool || pool->threads == 1 || count == 1) {
        for (int64_t i = 0; i < count && !as_pool_stopped(pool); i++) body(context, i, 0);
        return;
    }
    if (count <= 0) return;
    pool->body = body;
    pool->context = context;
    pool->count = count;
    atomic_store_explicit(&pool->next, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->inside, pool->threads - 1, memory_order_relaxed);
    raise_generation(pool);
    take_part(pool, 0);
    for (unsigned turn = 0; atomic_load_explicit(&pool->inside, memory_order_acquire) != 0; turn++) {
        pause_cpu();
        if (turn > 10000) sched_yield(); /* more threads than processors */
    }
}
