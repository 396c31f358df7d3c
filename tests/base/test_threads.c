/* base/threads.h: every iteration once, whatever the number of threads. */
#include <criterion/criterion.h>
#include <stdatomic.h>
#include <string.h>

#include "base/threads.h"

enum { COUNT = 1000 };

typedef struct counts {
    atomic_int seen[COUNT];
    atomic_int wrong_worker;
    int threads;
} counts;

static void mark(void *context, int64_t i, int worker)
{
    counts *c = context;
    atomic_fetch_add(&c->seen[i], 1);
    if (worker < 0 || worker >= c->threads) atomic_store(&c->wrong_worker, 1);
}

Test(threads, runs_each_iteration_once)
{
    for (int threads = 1; threads <= 5; threads++) {
        as_pool *pool;
        as_error err;
        cr_assert_eq(as_pool_open(threads, &pool, &err), AS_OK);
        for (int round = 0; round < 200; round++) {
            static counts c;
            memset(&c, 0, sizeof c);
            c.threads = threads;
            as_pool_for(pool, round % 7 == 0 ? 1 : COUNT, mark, &c);
            for (int i = 0; i < (round % 7 == 0 ? 1 : COUNT); i++) cr_assert_eq(c.seen[i], 1);
            cr_assert_eq(c.wrong_worker, 0);
        }
        as_pool_close(pool);
    }
}

static atomic_bool until;
static atomic_int begun;

static void stop_at_tenth(void *context, int64_t i, int worker)
{
    (void)context;
    (void)i;
    (void)worker;
    if (atomic_fetch_add(&begun, 1) == 9) atomic_store(&until, true);
}

Test(threads, passes_over_what_has_not_begun_when_told_to_stop)
{
    for (int threads = 1; threads <= 3; threads++) {
        as_pool *pool;
        as_error err;
        cr_assert_eq(as_pool_open(threads, &pool, &err), AS_OK);
        atomic_store(&until, false);
        atomic_store(&begun, 0);
        as_pool_stop_at(pool, &until);
        cr_assert(!as_pool_stopped(pool));
        as_pool_for(pool, 1000000, stop_at_tenth, NULL);
        cr_assert(as_pool_stopped(pool));
        int found = atomic_load(&begun);
        cr_assert(found >= 10 && found < 10 + threads, "%d iterations ran on %d threads", found, threads);
        as_pool_close(pool);
    }
}

Test(threads, refuses_an_absurd_count)
{
    as_pool *pool = NULL;
    as_error err;
    cr_assert_eq(as_pool_open(100000, &pool, &err), AS_E_LIMIT);
    cr_assert_null(pool);
}
