/* For the tests of the rules: running them, and repositories of real dimensions that take no room. */
#ifndef AS_TESTS_RULES_RUN_H
#define AS_TESTS_RULES_RUN_H

#include <jansson.h>

#include "suites/suite.h"

/* The result of the rules suite on a repository. */
json_t *run_rules(const char *profile, const char *path, as_target *target);
/* The same with the n-th allocation of the suite failing; NULL when the suite gave up, with its code. */
json_t *try_rules(const char *profile, const char *path, as_target *target, uint64_t n, as_code *rc);
/* Ids of the checks that failed or broke, joined by spaces; "" for none. */
const char *failures(const json_t *result, char room[static 1024]);
/* The verdict of a check ("" if there is none of that id). */
const char *verdict_of(const json_t *result, const char *id);

/* A repository with a model's config.json and a safetensors file with its tensors, all header and hole. The
 * spoilers may be NULL: config changes the config before dims are taken from it, tensor changes one tensor's
 * shape (or drops it: *dims = -1). */
typedef struct big_repo {
    const char *architecture, *model_type, *base; /* base: id in the catalogue */
    void (*config)(json_t *config);
    void (*tensor)(const char *name, int64_t *shape, int *dims);
    const char *dtype; /* NULL: "F16" */
} big_repo;
void make_big_repo(const char *folder, const big_repo *big);

#endif
