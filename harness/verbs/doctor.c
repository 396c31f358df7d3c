/* assay doctor: what this machine and this build can do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "harness/common.h"
#include "harness/machine.h"
#include "harness/verb.h"
#include "kernels/ops.h"

static const as_option *const tables[] = {as_output_options_table, NULL};

static const as_option *const *options(void)
{
    return tables;
}

/* Every environment variable that changes what assay does. */
static const struct {
    const char *name, *meaning;
} switches[] = {
    {"AS_CPU", "kernel level to use: ref, avx2, avx512, amx"},
    {"HF_HUB_CACHE", "the hub cache's folder"},
    {"HF_HOME", "its parent: $HF_HOME/hub"},
    {"NO_COLOR", "no colours on a terminal"},
};

static bool on_path(const char *program)
{
    const char *path = getenv("PATH");
    while (path && *path) {
        char file[4096];
        size_t size = strcspn(path, ":");
        snprintf(file, sizeof file, "%.*s/%s", (int)size, path, program);
        if (access(file, X_OK) == 0) return true;
        path += size + (path[size] == ':');
    }
    return false;
}

static json_t *findings(void)
{
    static const char *const levels[] = {"ref", "avx2", "avx512", "amx"};
    json_t *all = json_pack("{s:o, s:o, s:[], s:{}, s:b}", "tool", as_tool_facts(), "machine",
                            as_machine_facts(), "levels", "switches", "gnuplot", on_path("gnuplot"));
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        const as_backend *backend;
        if (as_backend_cpu(levels[i], &backend, NULL) != AS_OK) continue;
        json_array_append_new(json_object_get(all, "levels"), json_string(levels[i]));
    }
    for (size_t i = 0; i < sizeof switches / sizeof switches[0]; i++) {
        const char *value = getenv(switches[i].name);
        json_object_set_new(json_object_get(all, "switches"), switches[i].name,
                            value ? json_string(value) : json_null());
    }
    return all;
}

static void describe(const json_t *all, as_buf *out)
{
    const json_t *machine = json_object_get(all, "machine");
    size_t i;
    json_t *level;
    as_tool_line(out);
    as_buf_printf(out, "machine   %s, %lld processors, %.1f GB of memory\n",
                  json_string_value(json_object_get(machine, "cpu")),
                  (long long)json_integer_value(json_object_get(machine, "cores")),
                  (double)json_integer_value(json_object_get(machine, "memory_bytes")) * 1e-9);
    as_buf_str(out, "kernels  ");
    json_array_foreach(json_object_get(all, "levels"), i, level)
        as_buf_printf(out, " %s", json_string_value(level));
    as_buf_printf(out, " (in use: %s)\n", json_string_value(json_object_get(machine, "level")));
    as_buf_str(out, "cuda      not in this build\n");
    as_buf_printf(out, "gnuplot   %s\n",
                  json_is_true(json_object_get(all, "gnuplot"))
                      ? "found"
                      : "not found: reports will have tables but no plots (install gnuplot-nox)");
    for (size_t s = 0; s < sizeof switches / sizeof switches[0]; s++) {
        const char *value = getenv(switches[s].name);
        as_buf_printf(out, "%-14s%s: %s\n", switches[s].name, value ? value : "(not set)",
                      switches[s].meaning);
    }
}

static as_code run(const as_verb *verb, int argc, char **argv, int *status, as_error *err)
{
    (void)status;
    as_text_list words;
    as_command_line line = {.usage = verb->usage, .tables = tables, .least = 0, .most = 0};
    AS_TRY(as_options_parse(&line, argc, argv, &words, err));
    json_t *all = findings();
    as_buf out;
    as_buf_init(&out, 0);
    if (as_common.json) {
        as_json_write(all, 2, &out);
        as_buf_char(&out, '\n');
    } else {
        describe(all, &out);
    }
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    json_decref(all);
    return rc;
}

const as_verb as_verb_doctor = {
    .name = "doctor",
    .summary = "what this machine and this build can do",
    .usage = "assay doctor [--json]",
    .details = "Prints the machine, the kernel levels that run on it, the programs that are found, and every "
               "switch.",
    .example = "assay doctor --json",
    .run = run,
    .options = options,
};
