/* synth: models; see synth.h. */
#include "harness/synth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "suites/catalog.h"

/* By whole id, or by the part behind the organisation where only one model has it. */
static as_code find_model(const json_t *catalog, const char *id, const json_t **out, as_error *err)
{
    const json_t *found = as_catalog_model(catalog, id);
    as_nearest nearest = {.word = id};
    char hint[AS_NEAREST_HINT];
    size_t i;
    json_t *model;
    int matches = found != NULL;
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        const char *name = json_string_value(json_object_get(model, "id"));
        const char *slash = name && matches == 0 ? strchr(name, '/') : NULL;
        if (slash && strcmp(slash + 1, id) == 0) {
            found = model;
            break;
        }
        if (name) as_nearest_offer(&nearest, name);
    }
    if (!found)
        return as_fail(err, AS_E_NOT_FOUND,
                       "synth:%s: no such model in the catalog%s: `assay catalog` lists them", id,
                       as_nearest_hint(&nearest, "synth:", hint));
    *out = found;
    return AS_OK;
}

static as_code parse_count(const char *text, const char *what, int64_t least, int64_t *out, as_error *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || n < least) {
        return as_fail(err, AS_E_USAGE, "synth: %s=%s: expected a whole number, %lld or more", what, text,
                       (long long)least);
    }
    *out = n;
    return AS_OK;
}

static as_code parse(char *text, int64_t *layers, int64_t *seed, as_error *err)
{
    char *rest = strchr(text, ',');
    while (rest) {
        char *word = rest + 1;
        *rest = 0;
        rest = strchr(word, ',');
        if (rest) *rest = 0;
        if (strncmp(word, "layers=", 7) == 0) {
            AS_TRY(parse_count(word + 7, "layers", 1, layers, err));
        } else if (strncmp(word, "seed=", 5) == 0) {
            AS_TRY(parse_count(word + 5, "seed", 0, seed, err));
        } else {
            return as_fail(err, AS_E_USAGE, "synth: \"%s\" is neither layers=N nor seed=S", word);
        }
        if (rest) *rest = ',';
    }
    return AS_OK;
}

as_code as_synth_config(const char *text, json_t **config, uint64_t *seed, as_error *err)
{
    int64_t layers = 0, given_seed = 0;
    json_t *catalog = NULL;
    const json_t *model = NULL;
    char *copy = as_strdup(text);
    if (!copy) return as_fail_memory(err, "a name");
    as_code rc = parse(copy, &layers, &given_seed, err);
    if (rc == AS_OK) rc = as_catalog_load(&catalog, err);
    if (rc == AS_OK) rc = find_model(catalog, copy, &model, err);
    if (rc == AS_OK) rc = as_catalog_model_config(catalog, model, layers, config, err);
    if (rc == AS_OK) *seed = (uint64_t)given_seed;
    json_decref(catalog);
    as_free(copy);
    return rc;
}
