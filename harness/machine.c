/* Machine facts; see machine.h. */
#include "harness/machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/threads.h"
#include "harness/common.h"
#include "harness/version.h"
#include "kernels/ops.h"
#include "kernels/probe.h"

/* The value of a line "key : value" of /proc/cpuinfo. */
static void cpuinfo(const char *key, char *out, size_t size)
{
    char line[8192];
    FILE *file = fopen("/proc/cpuinfo", "r");
    out[0] = 0;
    while (file && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        const char *colon = strchr(line, ':');
        if (!colon) continue;
        snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        out[strcspn(out, "\n")] = 0;
        break;
    }
    if (file) fclose(file);
}

/* The instruction sets that make a difference to the kernels. */
static json_t *instruction_sets(void)
{
    static const char *const sets[] = {"avx2",     "fma",         "f16c",        "avx512f",
                                       "avx512bw", "avx512_vnni", "avx512_bf16", "avx512_fp16",
                                       "amx_bf16", "amx_int8",    "asimd",       "sve"};
    char flags[8192];
    json_t *list = json_array();
    cpuinfo("flags", flags + 1, sizeof flags - 2);
    flags[0] = ' ';
    strncat(flags, " ", sizeof flags - strlen(flags) - 1);
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        char word[32];
        snprintf(word, sizeof word, " %s ", sets[i]);
        if (strstr(flags, word)) json_array_append_new(list, json_string(sets[i]));
    }
    return list;
}

json_t *as_machine_facts(void)
{
    char cpu[256], os[256] = "unknown";
    struct utsname name;
    const as_backend *backend = NULL;
    cpuinfo("model name", cpu, sizeof cpu);
    if (uname(&name) == 0) snprintf(os, sizeof os, "%s %s %s", name.sysname, name.release, name.machine);
    const char *level = as_backend_cpu(NULL, &backend, NULL) == AS_OK ? backend->level : "none";
    return json_pack("{s:s, s:i, s:I, s:s, s:o, s:s}", "cpu", cpu[0] ? cpu : "unknown", "cores",
                     as_threads_available(), "memory_bytes",
                     (json_int_t)sysconf(_SC_PHYS_PAGES) * (json_int_t)sysconf(_SC_PAGESIZE), "os", os,
                     "instruction_sets", instruction_sets(), "level", level);
}

static const char commit[] = ASSAY_COMMIT; /* empty: not built from a checkout */

void as_tool_line(as_buf *out)
{
    as_buf_printf(out, "assay %s%s%s%s, %s\n", ASSAY_VERSION, *commit ? " (" : "", commit, *commit ? ")" : "",
                  ASSAY_BUILD);
}

json_t *as_tool_facts(void)
{
    return json_pack("{s:s, s:o, s:s}", "version", ASSAY_VERSION, "commit",
                     *commit ? json_string(commit) : json_null(), "build", ASSAY_BUILD);
}

/* A peak of instructions that this machine lacks is not 0, there is none. */
static json_t *reached(double gflops)
{
    return gflops > 0 ? json_real(gflops) : json_null();
}

as_code as_machine_limits(int threads, json_t **out, as_error *err)
{
    as_pool *pool;
    as_probe probe;
    AS_TRY(as_pool_open(threads, &pool, err));
    as_pool_stop_at(pool, as_interrupt_flag());
    as_code rc = as_probe_machine(pool, 0, &probe, err);
    as_pool_close(pool);
    AS_TRY(rc);
    json_t *limits = json_pack(
        "{s:i, s:f, s:I, s:f, s:o, s:o, s:o, s:o}", "threads", probe.threads, "read_gbps", probe.read_gbps,
        "read_buffer_bytes", (json_int_t)probe.read_bytes, "fma_gflops", probe.fma_gflops, "avx2_gflops",
        reached(probe.avx2_gflops), "avx512_gflops", reached(probe.avx512_gflops), "bf16_gflops",
        reached(probe.bf16_gflops), "amx_gflops", reached(probe.amx_gflops));
    if (!limits) return as_fail(err, AS_E_MEMORY, "out of memory for the machine's limits");
    *out = limits;
    return AS_OK;
}
