#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"

const char *const fill_names[FILL_KINDS] = {"normal", "positive", "zero",  "huge",
                                            "tiny",   "denormal", "spread"};

const as_backend *level_at(int i)
{
    static const char *const names[] = {"ref", "avx2", "avx512", "amx"};
    const as_backend *backend;
    as_error err;
    if (i >= 4 || as_backend_cpu(names[i], &backend, &err) != AS_OK) return NULL;
    return backend;
}

as_exec exec_with(int threads)
{
    as_exec exec;
    as_error err;
    cr_assert_eq(as_pool_open(threads, &exec.pool, &err), AS_OK, "%s", err.text);
    exec.scratch = as_alloc_pages((size_t)threads * AS_SCRATCH_BYTES);
    cr_assert_not_null(exec.scratch);
    memset(exec.scratch, 0xFF, (size_t)threads * AS_SCRATCH_BYTES); /* NaN: nothing may rely on zeros */
    return exec;
}

void *guarded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    unsigned char *p = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(p, MAP_FAILED);
    cr_assert_eq(mprotect(p + whole, page, PROT_NONE), 0);
    return p + whole - size;
}

static float element(as_rng *rng, fill_kind kind)
{
    float unit = (float)as_rng_u32(rng) * 0x1p-31f - 1;
    switch (kind) {
    case FILL_POSITIVE: return fabsf(unit);
    case FILL_ZERO: return 0;
    case FILL_HUGE: return unit * 1e15f;
    case FILL_TINY: return unit * 1e-15f;
    case FILL_DENORMAL: return unit * 1e-40f;
    case FILL_SPREAD: return unit * powf(10, (float)as_rng_below(rng, 13) - 6);
    default: return unit;
    }
}

void fill(float *p, int64_t count, fill_kind kind, uint64_t stream)
{
    as_rng rng;
    as_rng_init(&rng, 42, stream);
    for (int64_t i = 0; i < count; i++) p[i] = element(&rng, kind);
}

float *filled(int64_t count, fill_kind kind, uint64_t stream)
{
    float *p = guarded((size_t)count * sizeof *p);
    fill(p, count, kind, stream);
    return p;
}

void *stored_as(as_dtype type, const float *values, int64_t count)
{
    void *p = guarded((size_t)as_dtype_span(type, count));
    as_convert_from_f32(type, values, p, count);
    return p;
}

void expect_close(const char *what, const char *level, const float *got, const float *want,
                  const double *tolerance, int64_t count, int64_t width)
{
    double largest = 0, total = 0;
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(want[i])) {
            cr_assert(!isfinite(got[i]), "%s %s: [%ld,%ld] is %g, expected %g", level, what,
                      (long)(i / width), (long)(i % width), (double)got[i], (double)want[i]);
            continue;
        }
        double error = fabs((double)got[i] - want[i]);
        double part = error == 0 ? 0 : error / tolerance[i];
        total += part;
        if (part <= largest) continue; /* a NaN passes */
        largest = isnan(part) ? INFINITY : part;
        at = i;
        if (isinf(largest)) break;
    }
    printf("%-6s %-56s error/tolerance max %.3g at [%ld,%ld], mean %.3g\n", level, what, largest,
           (long)(at / width), (long)(at % width), total / (double)(count > 0 ? count : 1));
    cr_assert(largest <= 1, "%s %s: [%ld,%ld] is %.9g, expected %.9g within %.3g", level, what,
              (long)(at / width), (long)(at % width), (double)got[at], (double)want[at], tolerance[at]);
}

void expect_near(const char *what, const char *level, const float *got, const float *want, double relative,
                 double floor, int64_t count, int64_t width)
{
    double *tolerance = as_alloc((size_t)count * sizeof *tolerance);
    for (int64_t i = 0; i < count; i++) tolerance[i] = relative * fmax(fabs((double)want[i]), floor);
    expect_close(what, level, got, want, tolerance, count, width);
    as_free(tolerance);
}

void expect_same_bits(const char *what, const char *level, const float *got, const float *want, int64_t count,
                      int64_t width)
{
    for (int64_t i = 0; i < count; i++) {
        cr_assert(memcmp(&got[i], &want[i], sizeof *got) == 0, "%s %s: [%ld,%ld] is %a, expected %a", level,
                  what, (long)(i / width), (long)(i % width), (double)got[i], (double)want[i]);
    }
}
