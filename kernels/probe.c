/* Measures the machine's limits; see probe.h. */
#include "kernels/probe.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/probe_level.h"

enum {
    PORTION = 1 << 20, /* bytes that a worker takes at a time */
    PEAK_NS = 120000000,
    TURNS = 2, /* each pattern is tried this often */
};

uint32_t as_probe_read_plain(const unsigned char *from, int64_t bytes, int streams, int64_t ahead)
{
    (void)streams;
    (void)ahead;
    uint64_t sum = 0, word;
    for (int64_t i = 0; i < bytes; i += (int64_t)sizeof word) {
        memcpy(&word, from + i, sizeof word);
        sum ^= word;
    }
    return (uint32_t)(sum ^ sum >> 32);
}

double as_probe_fma_plain(void)
{
    enum { CHAINS = 8, ROUNDS = 20000 };
    float sums[CHAINS] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * 0.5f + 0.5f;
    }
    volatile float kept = 0;
    (void)kept;
    for (int i = 0; i < CHAINS; i++) kept += sums[i];
    return 2.0 * CHAINS * ROUNDS;
}

typedef struct read_job {
    as_probe_reader *read;
    const unsigned char *buffer;
    int streams;
    int64_t ahead;
} read_job;

static void read_portion(void *context, int64_t i, int worker)
{
    (void)worker;
    const read_job *job = context;
    volatile uint32_t kept = job->read(job->buffer + i * PORTION, PORTION, job->streams, job->ahead);
    (void)kept;
}

static as_probe_reader *best_reader(void)
{
#ifdef AS_CPU_X86
    if (as_cpu_has("avx512")) return as_probe_read_avx512;
    if (as_cpu_has("avx2")) return as_probe_read_avx2;
#endif
    return as_probe_read_plain;
}

void as_probe_read(as_pool *pool, const void *buffer, int64_t bytes, as_probe *out)
{
    static const int streams[] = {1, 2, 4, 8, 16};
    static const int64_t aheads[] = {0, 4096, 65536};
    out->threads = as_pool_threads(pool);
    out->read_bytes = bytes / PORTION * PORTION;
    out->read_gbps = 0;
    out->read_worst = 0;
    for (int turn = 0; turn < TURNS; turn++) {
        for (int pattern = 0; pattern < 15 && !as_pool_stopped(pool); pattern++) {
            read_job job = {best_reader(), buffer, streams[pattern / 3], aheads[pattern % 3]};
            double start = as_clock_seconds();
            as_pool_for(pool, bytes / PORTION, read_portion, &job);
            double rate = (double)out->read_bytes / (as_clock_seconds() - start) * 1e-9;
            if (out->read_worst == 0 || rate < out->read_worst) out->read_worst = rate;
            if (rate <= out->read_gbps) continue;
            out->read_gbps = rate;
            out->read_streams = job.streams;
            out->read_ahead = job.ahead;
        }
    }
}

typedef struct peak_job {
    as_probe_worker *work;
    double done; /* operations of one call */
} peak_job;

static void peak_call(void *context, int64_t i, int worker)
{
    (void)i;
    (void)worker;
    const peak_job *job = context;
    job->work();
}

/* Operations per nanosecond over the whole pool, the best of several short runs. */
static double peak_of(as_pool *pool, as_probe_worker *work)
{
    peak_job job = {.work = work};
    int64_t start = as_clock_ns();
    job.done = work();
    int64_t calls = as_max_i64(1, (PEAK_NS / 8) / as_max_i64(1, as_clock_ns() - start));
    calls *= as_pool_threads(pool);
    double best = 0;
    for (int64_t until = as_clock_ns() + PEAK_NS; as_clock_ns() < until && !as_pool_stopped(pool);) {
        start = as_clock_ns();
        as_pool_for(pool, calls, peak_call, &job);
        double rate = job.done * (double)calls / (double)(as_clock_ns() - start);
        if (rate > best) best = rate;
    }
    return best;
}

void as_probe_peaks(as_pool *pool, as_probe *out)
{
    out->threads = as_pool_threads(pool);
    out->avx2_gflops = out->avx512_gflops = out->bf16_gflops = out->amx_gflops = 0;
#ifdef AS_CPU_X86
    if (as_cpu_has("avx2")) out->avx2_gflops = peak_of(pool, as_probe_fma_avx2);
    if (as_cpu_has("avx512")) out->avx512_gflops = peak_of(pool, as_probe_fma_avx512);
    if (as_cpu_has_bf16()) out->bf16_gflops = peak_of(pool, as_probe_bf16_avx512);
    if (as_cpu_has("amx")) out->amx_gflops = peak_of(pool, as_probe_bf16_amx);
#endif
    out->fma_gflops = out->avx512_gflops > out->avx2_gflops ? out->avx512_gflops : out->avx2_gflops;
    if (out->fma_gflops == 0) out->fma_gflops = peak_of(pool, as_probe_fma_plain);
}

static as_probe_worker *best_fma(void)
{
#ifdef AS_CPU_X86
    if (as_cpu_has("avx512")) return as_probe_fma_avx512;
    if (as_cpu_has("avx2")) return as_probe_fma_avx2;
#endif
    return as_probe_fma_plain;
}

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

void as_probe_again(as_pool *pool, const void *buffer, int64_t bytes, as_probe *probe)
{
    enum { PORTIONS = 32, CALLS = 64 };
    static int64_t turn; /* another part of the buffer each time */
    int64_t parts = as_max_i64(1, bytes / PORTION / PORTIONS),
            portions = as_min_i64(PORTIONS, bytes / PORTION);
    read_job job = {best_reader(), (const unsigned char *)buffer + turn++ % parts * PORTIONS * PORTION,
                    probe->read_streams, probe->read_ahead};
    double start_cpu = cpu_ns();
    int64_t start = as_clock_ns();
    as_pool_for(pool, portions, read_portion, &job);
    int64_t middle = as_clock_ns();
    double middle_cpu = cpu_ns();
    peak_job peak = {.work = best_fma()};
    as_pool_for(pool, CALLS * as_pool_threads(pool), peak_call, &peak);
    int64_t end = as_clock_ns();
    probe->read_gbps = (double)(portions * PORTION) / (double)(middle - start);
    double used = cpu_ns() - middle_cpu, done = best_fma()() * CALLS * as_pool_threads(pool);
    probe->read_cpu_gbps = (double)(portions * PORTION) * as_pool_threads(pool) / (middle_cpu - start_cpu);
    probe->fma_gflops = done / (double)(end - middle);
    probe->fma_cpu_gflops = done * as_pool_threads(pool) / used;
}

as_code as_probe_machine(as_pool *pool, int64_t read_bytes, as_probe *out, as_error *err)
{
    size_t size = (size_t)(read_bytes > 0 ? as_max_i64(read_bytes, PORTION) : AS_PROBE_READ_BYTES);
    unsigned char *buffer = as_alloc_pages(size);
    if (!buffer) return as_fail_memory(err, "the buffer that read bandwidth is measured on");
    for (size_t at = 0; at < size && !as_pool_stopped(pool); at += PORTION) {
        memset(buffer + at, 1, size - at < PORTION ? size - at : PORTION);
    }
    as_probe probe = {0};
    as_probe_read(pool, buffer, (int64_t)size, &probe);
    as_free_pages(buffer, size);
    as_probe_peaks(pool, &probe);
    if (as_pool_stopped(pool)) return as_fail(err, AS_E_CANCELLED, "interrupted");
    *out = probe;
    return AS_OK;
}
