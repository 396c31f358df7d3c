/* synth: models; see synth.h. */
#include "harness/synth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "suites/catalog.h"

/* The catalogue's words for a config's fields. */
static const struct {
    const char *catalog, *config;
} fields[] = {
    {"model_type", "model_type"},
    {"hidden", "hidden_size"},
    {"layers", "num_hidden_layers"},
    {"heads", "num_attention_heads"},
    {"kv_heads", "num_key_value_heads"},
    {"head_dim", "head_dim"},
    {"intermediate", "intermediate_size"},
    {"vocab", "vocab_size"},
    {"experts", "num_local_experts"},
    {"experts_per_token", "num_experts_per_tok"},
    {"tie_embeddings", "tie_word_embeddings"},
    {"rope_theta", "rope_theta"},
    {"rope_scaling", "rope_scaling"},
    {"sliding_window", "sliding_window"},
    {"native_context", "max_position_embeddings"},
    {"dtype", "torch_dtype"},
};

/* A count of 0 means that the model has no such part; a window of null means none. */
static bool says_nothing(const char *key, const json_t *value)
{
    if (!value) return true;
    if (json_is_null(value)) return strcmp(key, "sliding_window") != 0;
    return json_is_integer(value) && json_integer_value(value) == 0;
}

static as_code config_of(const json_t *model, int64_t layers, json_t **out, as_error *err)
{
    json_t *config = json_pack("{s:[O]}", "architectures", json_object_get(model, "architecture"));
    bool ok = config != NULL;
    for (size_t i = 0; ok && i < sizeof fields / sizeof fields[0]; i++) {
        json_t *value = json_object_get(model, fields[i].catalog);
        if (!says_nothing(fields[i].config, value))
            ok = json_object_set(config, fields[i].config, value) == 0;
    }
    if (ok && layers) ok = json_object_set_new(config, "num_hidden_layers", json_integer(layers)) == 0;
    if (!ok) {
        json_decref(config);
        return as_fail_memory(err, "a configuration");
    }
    *out = config;
    return AS_OK;
}

/* By whole id, or by the part behind the organisation where only one model has it. */
static as_code find_model(const json_t *catalog, const char *id, const json_t **out, as_error *err)
{
    const json_t *found = as_catalog_model(catalog, id);
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
    }
    if (!found)
        return as_fail(err, AS_E_NOT_FOUND,
                       "synth:%s: no such model in the catalog (`assay catalog` lists them)", id);
    *out = found;
    return AS_OK;
}

static as_code parse_count(const char *text, const char *what, int64_t *out, as_error *err)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (end == text || *end || errno || n < 0) {
        return as_fail(err, AS_E_USAGE, "synth: %s=%s: expected a whole number", what, text);
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
            AS_TRY(parse_count(word + 7, "layers", layers, err));
        } else if (strncmp(word, "seed=", 5) == 0) {
            AS_TRY(parse_count(word + 5, "seed", seed, err));
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
    if (rc == AS_OK) rc = config_of(model, layers, config, err);
    if (rc == AS_OK) *seed = (uint64_t)given_seed;
    json_decref(catalog);
    as_free(copy);
    return rc;
}
