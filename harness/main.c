/* The command: finds the verb, runs it, turns its outcome into a message and an exit status. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/map_fault.h"
#include "base/nearest.h"
#include "harness/common.h"
#include "harness/machine.h"
#include "harness/verb.h"

static as_code print_overview(as_error *err)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_buf_str(&out, "assay tells, with evidence, whether a language model will run as promised.\n\n"
                     "usage: assay VERB ... (`assay VERB --help` tells more)\n\n");
    for (const as_verb *const *verb = as_verbs; *verb; verb++) {
        as_buf_printf(&out, "  %-12s%s\n", (*verb)->name, (*verb)->summary);
    }
    as_buf_str(
        &out,
        "\nMODEL is a directory, a .gguf file, a hub name org/name[@revision] in the local cache, or\n"
        "synth:<catalog id>[,layers=N][,seed=S]: real dimensions with generated weights.\n\n"
        "Exit status: 0 everything held, 1 a check failed, 2 wrong command line, 3 the model could not be\n"
        "used, 4 a fault of assay's own, 130 interrupted.\n");
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    return rc;
}

static as_code print_help(const as_verb *verb, as_error *err)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_buf_printf(&out, "assay %s: %s\n\nusage: %s\n\n%s\n\n", verb->name, verb->summary, verb->usage,
                  verb->details);
    as_options_help(verb->options(), &out);
    as_buf_printf(&out, "\nExample:\n  %s\n", verb->example);
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    return rc;
}

static as_code print_version(as_error *err)
{
    as_buf out;
    as_buf_init(&out, 0);
    as_tool_line(&out);
    as_code rc = as_print(&out, err);
    as_buf_free(&out);
    return rc;
}

static as_code find_verb(const char *name, const as_verb **out, as_error *err)
{
    as_nearest nearest = {.word = name};
    char hint[AS_NEAREST_HINT];
    for (const as_verb *const *verb = as_verbs; *verb; verb++) {
        if (strcmp((*verb)->name, name) == 0) {
            *out = *verb;
            return AS_OK;
        }
        as_nearest_offer(&nearest, (*verb)->name);
    }
    return as_fail(err, AS_E_USAGE, "%s is not a verb%s: `assay --help` lists them", name,
                   as_nearest_hint(&nearest, "", hint));
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

static as_code dispatch(int argc, char **argv, int *status, as_error *err)
{
    const as_verb *verb = NULL;
    if (argc < 2) return as_fail(err, AS_E_USAGE, "a verb is needed: `assay --help` lists them");
    if (strcmp(argv[1], "--version") == 0) return print_version(err);
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0;
    if (help && argc == 2) return print_overview(err);
    AS_TRY(find_verb(argv[help ? 2 : 1], &verb, err));
    if (help || asks_for_help(argc - 2, argv + 2)) return print_help(verb, err);
    return verb->run(verb, argc - 2, argv + 2, status, err);
}

/* A standard stream that the caller closed would be the number of the next file that is opened, and messages
 * would run into a result. What is opened here instead gives and takes no bytes: using it is still an error.
 */
static void hold_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
        if (fcntl(stream, F_GETFD) != -1) continue;
        (void)!open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY); /* takes the lowest number */
    }
}

int main(int argc, char **argv)
{
    as_error err;
    int status = 0;
    hold_standard_streams();
    as_map_fault_exit(as_exit_status(AS_E_IO));
    as_code rc = dispatch(argc, argv, &status, &err);
    if (rc == AS_OK) return status;
    fprintf(stderr, "assay: %s\n", err.text);
    return as_exit_status(rc);
}
