/* The command: finds the verb, runs it, turns its outcome into a message and an exit status. */
#include <stdio.h>
#include <string.h>

#include "harness/common.h"
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
        "\nMODEL is a directory, a hub name org/name[@revision] in the local cache, or\n"
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

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    }
    return false;
}

static as_code dispatch(int argc, char **argv, int *status, as_error *err)
{
    if (argc < 2) return as_fail(err, AS_E_USAGE, "a verb is needed: `assay --help` lists them");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        return print_overview(err);
    }
    for (const as_verb *const *verb = as_verbs; *verb; verb++) {
        if (strcmp((*verb)->name, argv[1]) != 0) continue;
        if (asks_for_help(argc - 2, argv + 2)) return print_help(*verb, err);
        return (*verb)->run(*verb, argc - 2, argv + 2, status, err);
    }
    return as_fail(err, AS_E_USAGE, "%s is not a verb: `assay --help` lists them", argv[1]);
}

int main(int argc, char **argv)
{
    as_error err;
    int status = 0;
    as_code rc = dispatch(argc, argv, &status, &err);
    if (rc == AS_OK) return status;
    fprintf(stderr, "assay: %s\n", err.text);
    return as_exit_status(rc);
}
