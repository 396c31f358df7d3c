/* Picks the CPU's level at run time; see as_backend_cpu in ops.h. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/cpu.h"

static bool has_ref(void)
{
    return true;
}

#ifdef AS_CPU_X86

#include <cpuid.h>

/* The registers that the system saves: bits of XCR0. */
enum { SAVES_YMM = 0x06, SAVES_ZMM = 0xE6, SAVES_TILES = 0x60000 };

static bool system_saves(uint32_t what)
{
    uint32_t a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return false;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & what) == what;
}

static bool has_avx2(void)
{
    uint32_t a, b, c, d;
    if (!system_saves(SAVES_YMM) || !__get_cpuid(1, &a, &b, &c, &d)) return false;
    if (!(c & bit_FMA) || !(c & bit_F16C)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2) && (b & bit_BMI2);
}

static bool has_avx512(void)
{
    uint32_t a, b, c, d, needed = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if (!has_avx2() || !system_saves(SAVES_ZMM)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & needed) == needed;
}

static bool has_amx(void)
{
    uint32_t a, b, c, d, needed = 1u << 22 | 1u << 24; /* AMX-BF16, AMX-TILE */
    if (!has_avx512() || !system_saves(SAVES_TILES)) return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & needed) == needed && as_cpu_amx_permit();
}

bool as_cpu_has_bf16(void)
{
    uint32_t a, b, c, d;
    return has_avx512() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 5);
}

#endif

typedef struct level {
    const char *name;
    bool (*present)(void);
    void (*overlay)(as_backend *table);
} level;

/* Ascending: each is laid over those before it. */
static const level levels[] = {
    {"ref", has_ref, as_cpu_overlay_ref},
#ifdef AS_CPU_X86
    {"avx2", has_avx2, as_cpu_overlay_avx2},
    {"avx512", has_avx512, as_cpu_overlay_avx512},
    {"amx", has_amx, as_cpu_overlay_amx},
#endif
};

enum { LEVELS = sizeof levels / sizeof levels[0] };

static pthread_once_t once = PTHREAD_ONCE_INIT;
static as_backend tables[LEVELS]; /* without a name where the level is not present */
static const as_backend *best;

static void fill_tables(void)
{
    as_backend table = {.name = "cpu"};
    for (int i = 0; i < LEVELS && levels[i].present(); i++) {
        table.level = levels[i].name;
        levels[i].overlay(&table);
        tables[i] = table;
        best = &tables[i];
    }
}

bool as_cpu_has(const char *name)
{
    pthread_once(&once, fill_tables);
    for (int i = 0; i < LEVELS; i++) {
        if (strcmp(name, levels[i].name) == 0) return tables[i].name != NULL;
    }
    return false;
}

as_code as_backend_cpu(const char *name, const as_backend **out, as_error *err)
{
    pthread_once(&once, fill_tables);
    if (!name) name = getenv("AS_CPU");
    if (!name || !*name) {
        *out = best;
        return AS_OK;
    }
    for (int i = 0; i < LEVELS; i++) {
        if (strcmp(name, levels[i].name) != 0) continue;
        if (!tables[i].name) {
            return as_fail(err, AS_E_UNSUPPORTED, "CPU level \"%s\" asked for, this machine has up to \"%s\"",
                           name, best->level);
        }
        *out = &tables[i];
        return AS_OK;
    }
    return as_fail(err, AS_E_UNSUPPORTED, "no CPU level \"%s\"; there are ref, avx2, avx512, amx", name);
}
