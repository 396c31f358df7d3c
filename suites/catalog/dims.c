/* Dimensions in the catalogue's words, out of a config.json or out of the catalogue's own models; see
 * catalog.h. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "suites/catalog.h"
#include "suites/catalog/expression.h"
#include "suites/catalog/internal.h"

bool as_dims_get(const json_t *dims, const char *name, int64_t *out)
{
    const json_t *value = json_object_get(dims, name);
    if (!json_is_integer(value)) return false;
    *out = json_integer_value(value);
    return true;
}

int64_t as_dims_value(const json_t *dims, const char *name)
{
    int64_t value = -1;
    (void)as_dims_get(dims, name, &value);
    return value;
}

static bool look_up(const void *context, const char *name, size_t size, int64_t *out)
{
    char copy[64];
    if (size >= sizeof copy) return false;
    memcpy(copy, name, size);
    copy[size] = 0;
    return as_dims_get(context, copy, out);
}

static as_code set(json_t *dims, const char *key, json_t *value, as_error *err)
{
    return value && json_object_set_new(dims, key, value) == 0 ? AS_OK : as_fail_memory(err, "dimensions");
}

/* A number or truth value that is whole; anything else ("auto", a fraction) counts as not stated. */
static bool is_whole(const json_t *value, int64_t *out)
{
    double real = json_real_value(value);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
    } else if (json_is_boolean(value)) {
        *out = json_is_true(value);
    } else if (json_is_real(value) && real > -9e15 && real < 9e15 && real == (double)(int64_t)real) {
        *out = (int64_t)real;
    } else {
        return false;
    }
    return true;
}

/* config[key] for each word of the fields table, unless an earlier table stated the word. */
static as_code take_fields(const json_t *fields, const json_t *overriding, const json_t *config, json_t *dims,
                           as_error *err)
{
    const char *word;
    json_t *keys;
    json_object_foreach((json_t *)fields, word, keys)
    {
        if (overriding && json_object_get(overriding, word)) continue;
        size_t i;
        json_t *key;
        json_array_foreach(keys, i, key)
        {
            const json_t *value = json_object_get(config, json_string_value(key));
            if (!value || json_is_null(value)) continue;
            if (json_is_number(value) && json_number_value(value) > 4e18) {
                return as_fail(err, AS_E_INPUT, "\"%s\" is beyond all measure", json_string_value(key));
            }
            int64_t number;
            if (!is_whole(value, &number)) continue;
            AS_TRY(set(dims, word, json_integer(number), err));
            break;
        }
    }
    return AS_OK;
}

/* The key of config.json that states a word, for messages. */
static const char *key_of(const json_t *shared, const json_t *own, const char *word)
{
    const json_t *keys = json_object_get(own, word);
    if (!keys) keys = json_object_get(shared, word);
    const char *key = json_string_value(json_array_get(keys, 0));
    return key ? key : word;
}

static as_code take_defaults(const json_t *defaults, json_t *dims, as_error *err)
{
    const char *word;
    json_t *formula;
    json_object_foreach((json_t *)defaults, word, formula)
    {
        int64_t value;
        if (json_object_get(dims, word)) continue;
        AS_TRY(as_expression_evaluate(json_string_value(formula), look_up, dims, &value, err));
        AS_TRY(set(dims, word, json_integer(value), err));
    }
    return AS_OK;
}

/* An architecture's own defaults go first: the shared ones may build on them. */
static as_code fill_defaults(const json_t *catalog, const json_t *architecture, json_t *dims, as_error *err)
{
    const json_t *shared = json_object_get(catalog, "architectures");
    as_error why;
    as_code rc = take_defaults(json_object_get(architecture, "defaults"), dims, &why);
    if (rc == AS_OK) rc = take_defaults(json_object_get(shared, "defaults"), dims, &why);
    if (rc == AS_E_NOT_FOUND) {
        return as_fail(
            err, AS_E_INPUT, "\"%s\" is missing",
            key_of(json_object_get(shared, "fields"), json_object_get(architecture, "fields"), why.text));
    }
    return rc == AS_OK ? AS_OK : as_fail(err, rc, "%s", why.text);
}

static const char *first_text(const json_t *object, const char *first, const char *second)
{
    const char *text = json_string_value(json_object_get(object, first));
    return text ? text : json_string_value(json_object_get(object, second));
}

/* The rotary settings in both forms of config.json. */
static as_code take_rope(const json_t *config, json_t *dims, as_error *err)
{
    const json_t *newer = json_object_get(config, "rope_parameters");
    const json_t *scaling = newer ? newer : json_object_get(config, "rope_scaling");
    const char *type = first_text(scaling, "rope_type", "type");
    double theta = 0;
    if (!as_json_number(json_object_get(newer, "rope_theta"), &theta)) {
        (void)as_json_number(json_object_get(config, "rope_theta"), &theta);
    }
    AS_TRY(set(dims, "rope_theta", json_real(theta == theta && theta < 1e300 && theta > -1e300 ? theta : 0),
               err));
    return set(dims, "rope_type", json_string(type && strcmp(type, "default") != 0 ? type : ""), err);
}

static const json_t *find_architecture(const json_t *catalog, const json_t *config, const char **name)
{
    json_t *all = json_object_get(json_object_get(catalog, "architectures"), "architectures");
    const char *stated = json_string_value(json_array_get(json_object_get(config, "architectures"), 0));
    *name = stated;
    if (stated) return json_object_get(all, stated);
    const char *model_type = json_string_value(json_object_get(config, "model_type"));
    json_t *entry;
    if (!model_type) return NULL;
    json_object_foreach(all, *name, entry)
    {
        if (strcmp(json_string_value(json_object_get(entry, "model_type")), model_type) == 0) return entry;
    }
    *name = model_type;
    return NULL;
}

static as_code fill_from_config(const json_t *catalog, const json_t *architecture, const json_t *config,
                                const char *name, json_t *dims, as_error *err)
{
    const json_t *shared = json_object_get(json_object_get(catalog, "architectures"), "fields");
    const json_t *own = json_object_get(architecture, "fields");
    const char *part = json_string_value(json_object_get(architecture, "text"));
    const json_t *text = part ? json_object_get(config, part) : config;
    if (!json_is_object(text)) return as_fail(err, AS_E_INPUT, "\"%s\" is missing", part);
    const char *model_type = json_string_value(json_object_get(config, "model_type"));
    AS_TRY(set(dims, "architecture", json_string(name), err));
    AS_TRY(set(dims, "model_type", json_string(model_type ? model_type : ""), err));
    AS_TRY(take_fields(own, NULL, text, dims, err));
    AS_TRY(take_fields(shared, own, text, dims, err));
    int64_t tied;
    if (text != config && is_whole(json_object_get(config, "tie_word_embeddings"), &tied)) {
        /* the outer one is what the loader of a model of several parts obeys */
        AS_TRY(set(dims, "tie_embeddings", json_integer(tied), err));
    }
    AS_TRY(take_rope(text, dims, err));
    AS_TRY(fill_defaults(catalog, architecture, dims, err));
    static const char *const needed[] = {"layers", "hidden", "vocab"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        int64_t value;
        if (!as_dims_get(dims, needed[i], &value)) {
            return as_fail(err, AS_E_INPUT, "\"%s\" is missing", key_of(shared, own, needed[i]));
        }
        if (value < 1) {
            return as_fail(err, AS_E_INPUT, "\"%s\" is %lld, expected at least 1",
                           key_of(shared, own, needed[i]), (long long)value);
        }
    }
    return AS_OK;
}

as_code as_catalog_config_dims(const json_t *catalog, const json_t *config, json_t **out, as_error *err)
{
    const char *name;
    const json_t *architecture = find_architecture(catalog, config, &name);
    if (!name) return as_fail(err, AS_E_INPUT, "config.json: \"architectures\" is missing");
    if (!architecture) {
        return as_fail(err, AS_E_UNSUPPORTED, "the architecture %.80s is not in the catalogue", name);
    }
    json_t *dims = json_object();
    if (!dims) return as_fail_memory(err, "dimensions");
    if (fill_from_config(catalog, architecture, config, name, dims, err) != AS_OK) {
        json_decref(dims);
        return as_wrap(err, "config.json");
    }
    *out = dims;
    return AS_OK;
}

/* The numbers of a model's entry, those of its parts under "part.name". */
static as_code flatten(const json_t *object, const char *prefix, json_t *dims, as_error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        char word[128];
        if (json_is_object(value) && !*prefix) {
            snprintf(word, sizeof word, "%s.", key);
            AS_TRY(flatten(value, word, dims, err));
            continue;
        }
        int64_t number = 0;
        bool stated = is_whole(value, &number) || (json_is_null(value) && *prefix);
        snprintf(word, sizeof word, "%s%s", prefix, key);
        if (stated) AS_TRY(set(dims, word, json_integer(number), err));
    }
    return AS_OK;
}

static as_code fill_from_model(const json_t *catalog, const json_t *model, json_t *dims, as_error *err)
{
    AS_TRY(flatten(model, "", dims, err));
    static const char *const texts[] = {"architecture", "model_type"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = json_string_value(json_object_get(model, texts[i]));
        AS_TRY(set(dims, texts[i], json_string(text ? text : ""), err));
    }
    AS_TRY(take_rope(model, dims, err));
    const json_t *architecture = as_catalog_architecture(catalog, dims);
    return architecture ? fill_defaults(catalog, architecture, dims, err)
                        : as_fail(err, AS_E_UNSUPPORTED, "the tensors of this architecture are not known");
}

as_code as_catalog_model_dims(const json_t *catalog, const json_t *model, json_t **out, as_error *err)
{
    json_t *dims = json_object();
    if (!dims) return as_fail_memory(err, "dimensions");
    if (fill_from_model(catalog, model, dims, err) != AS_OK) {
        json_decref(dims);
        return as_wrap(err, "%s", json_string_value(json_object_get(model, "id")));
    }
    *out = dims;
    return AS_OK;
}
