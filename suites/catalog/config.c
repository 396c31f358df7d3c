/* A config.json for one of the catalogue's models; see catalog.h. The same table that reads dimensions out of
 * configurations (architectures.json, "fields") is read backwards here. */
#include <string.h>

#include "base/json.h"
#include "suites/catalog.h"
#include "suites/catalog/internal.h"

/* The value of a word, which may name a part of a part: "mla.q_lora_rank". */
static json_t *value_of(const json_t *model, const char *word)
{
    const char *dot = strchr(word, '.');
    if (!dot) return json_object_get(model, word);
    json_t *value = NULL;
    char part[64];
    if ((size_t)(dot - word) < sizeof part) {
        memcpy(part, word, (size_t)(dot - word));
        part[dot - word] = 0;
        value = json_object_get(json_object_get(model, part), dot + 1);
    }
    return value;
}

/* A count of 0 means that the model has no such part; null means none where a config may say so. */
static bool says_nothing(const char *word, const json_t *value)
{
    if (!value) return true;
    if (json_is_null(value)) return strcmp(word, "sliding_window") != 0 && !strchr(word, '.');
    return json_is_integer(value) && json_integer_value(value) == 0;
}

static as_code put(json_t *config, const char *key, json_t *value, as_error *err)
{
    return json_object_set(config, key, value) == 0 ? AS_OK : as_fail_memory(err, "a configuration");
}

static as_code put_fields(const json_t *fields, const json_t *overriding, const json_t *model, json_t *config,
                          as_error *err)
{
    const char *word;
    json_t *keys;
    json_object_foreach((json_t *)fields, word, keys)
    {
        const char *key = json_string_value(json_array_get(keys, 0));
        json_t *value = value_of(model, word);
        if (!key || says_nothing(word, value) || (overriding && json_object_get(overriding, word))) continue;
        AS_TRY(put(config, key, value, err));
    }
    return AS_OK;
}

/* What the model's entry states under the config's own names. */
static as_code put_same(const json_t *names, const json_t *model, json_t *config, as_error *err)
{
    size_t i;
    json_t *name;
    json_array_foreach(names, i, name)
    {
        json_t *value = json_object_get(model, json_string_value(name));
        if (value && !json_is_null(value)) AS_TRY(put(config, json_string_value(name), value, err));
    }
    return AS_OK;
}

/* Lists with an entry for each layer lose those of the layers cut off. */
static as_code cut_layers(json_t *config, const char *key, int64_t layers, as_error *err)
{
    json_int_t all = json_integer_value(json_object_get(config, key));
    const char *name;
    json_t *value;
    if (layers == 0 || all == 0) return AS_OK;
    json_object_foreach(config, name, value)
    {
        if (!json_is_array(value) || (json_int_t)json_array_size(value) != all) continue;
        while ((json_int_t)json_array_size(value) > layers) {
            json_array_remove(value, json_array_size(value) - 1);
        }
    }
    return json_object_set_new(config, key, json_integer(layers)) == 0
               ? AS_OK
               : as_fail_memory(err, "a configuration");
}

static as_code fill(const json_t *catalog, const json_t *architecture, const json_t *model, json_t *text,
                    int64_t layers, as_error *err)
{
    const json_t *all = json_object_get(catalog, "architectures");
    const json_t *shared = json_object_get(all, "fields"), *own = json_object_get(architecture, "fields");
    AS_TRY(put_fields(own, NULL, model, text, err));
    AS_TRY(put_fields(shared, own, model, text, err));
    AS_TRY(put_same(json_object_get(all, "same"), model, text, err));
    const json_t *given[] = {json_object_get(architecture, "config"), json_object_get(model, "config")};
    for (size_t i = 0; i < 2; i++) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)given[i], key, value)
        {
            json_t *copy = json_deep_copy(value); /* layers may be cut off it */
            if (!copy || json_object_set_new(text, key, copy) != 0) {
                return as_fail_memory(err, "a configuration");
            }
        }
    }
    const json_t *words = json_object_get(own, "layers");
    if (!words) words = json_object_get(shared, "layers");
    return cut_layers(text, json_string_value(json_array_get(words, 0)), layers, err);
}

as_code as_catalog_model_config(const json_t *catalog, const json_t *model, int64_t layers, json_t **out,
                                as_error *err)
{
    const json_t *architecture = as_catalog_architecture(catalog, model);
    const char *part = json_string_value(json_object_get(architecture, "text"));
    json_t *config = json_pack("{s:[O], s:O}", "architectures", json_object_get(model, "architecture"),
                               "model_type", json_object_get(model, "model_type"));
    json_t *text = config && part ? json_object() : json_incref(config);
    as_code rc = config && text ? fill(catalog, architecture, model, text, layers, err)
                                : as_fail_memory(err, "a configuration");
    if (rc == AS_OK && part) rc = put(config, part, text, err);
    json_t *tied = json_object_get(model, "tie_embeddings"); /* the outer one is what counts */
    if (rc == AS_OK && part && tied) rc = put(config, "tie_word_embeddings", tied, err);
    json_decref(text);
    if (rc != AS_OK) {
        json_decref(config);
        return rc;
    }
    *out = config;
    return AS_OK;
}
