/* A verb: a table entry and one function. */
#ifndef AS_HARNESS_VERB_H
#define AS_HARNESS_VERB_H

#include "base/buf.h"
#include "base/error.h"
#include "harness/options.h"

typedef struct as_verb {
    const char *name;
    const char *summary; /* one line, for `assay --help` */
    const char *usage;   /* "assay logits MODEL --tokens 1,2,3 --out F.npy" */
    const char *details; /* what it does, for its --help; ends without a newline */
    const char *example; /* a command that works as printed, from the repository's root */
    /* argv without the program and the verb. *status is what the process ends with; an error's code decides
     * otherwise. */
    as_code (*run)(const struct as_verb *verb, int argc, char **argv, int *status, as_error *err);
    /* The option tables, for --help; NULL-terminated. */
    const as_option *const *(*options)(void);
} as_verb;

extern const as_verb *const as_verbs[]; /* NULL-terminated */

#endif
