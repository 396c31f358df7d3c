/* The engine's specs against the catalogue: a model of every entry whose architecture runs has the entry's
 * parameters, active parameters and cache bytes. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/engine.h"
#include "suites/catalog.h"

static bool runs(const char *architecture)
{
    for (int64_t i = 0; as_architecture_at(i); i++) {
        if (strcmp(as_architecture_at(i), architecture) == 0) return true;
    }
    return false;
}

static int64_t stated(const json_t *model, const char *key)
{
    const json_t *value = json_object_get(model, key);
    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static void check_size(const char *id, const char *what, int64_t found, int64_t expected)
{
    cr_expect_eq(found, expected, "%s: %lld %s, expected %lld", id, (long long)found, what,
                 (long long)expected);
}

static void check_model(const json_t *catalog, const json_t *model)
{
    const char *id = json_string_value(json_object_get(model, "id"));
    json_t *config = NULL;
    as_model *sizes = NULL;
    as_error err;
    cr_assert_eq(as_catalog_model_config(catalog, model, 0, &config, &err), AS_OK, "%s: %s", id, err.text);
    as_model_options options = {.synth = config, .sizes_only = true};
    cr_assert_eq(as_model_open(id, &options, &sizes, &err), AS_OK, "%s", err.text);
    const as_model_info *info = as_model_facts(sizes);
    /* Of a model with a vision tower the engine runs the text part. */
    const json_t *parts = json_object_get(model, "params_by_part");
    int64_t others = stated(model, "params") - (parts ? stated(parts, "text") : stated(model, "params"));
    check_size(id, "parameters", info->parameters, stated(model, "params") - others);
    check_size(id, "active parameters", info->active_parameters, stated(model, "active_params") - others);
    check_size(id, "cache bytes a token", info->kv_bytes_per_token,
               stated(model, "kv_bytes_per_token_16bit"));
    as_model_close(sizes);
    json_decref(config);
}

Test(catalog_models, sizes_agree)
{
    json_t *catalog, *model;
    size_t i, count = 0;
    cr_assert_eq(as_catalog_load(&catalog, NULL), AS_OK);
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        if (!runs(json_string_value(json_object_get(model, "architecture")))) continue;
        check_model(catalog, model);
        count++;
    }
    cr_assert_geq(count, 165);
    json_decref(catalog);
}
