/* Loading the catalogue and finding entries; see catalog.h. */
#include "suites/catalog.h"

#include <string.h>

#include "base/embed.h"
#include "base/json.h"
#include "suites/catalog/internal.h"

extern const as_embedded as_catalog_files[];

as_code as_catalog_load(json_t **out, as_error *err)
{
    static const char *const parts[] = {"models", "classes", "architectures", "accelerators"};
    json_t *catalog = NULL;
    AS_TRY(as_json_parse("{}", 2, AS_JSON_LENIENT, "catalog", &catalog, err));
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        char name[64] = "catalog/";
        strcat(strcat(name, parts[i]), ".json");
        const as_embedded *file = as_embedded_find(as_catalog_files, name);
        AS_BUG(!file);
        json_t *part = NULL;
        as_code rc =
            as_json_parse((const char *)file->data, file->size, AS_JSON_NO_DUPLICATES, name, &part, err);
        if (rc == AS_OK && json_object_set_new(catalog, parts[i], part) != 0) {
            rc = as_fail_memory(err, name);
        }
        if (rc != AS_OK) {
            json_decref(catalog);
            return rc;
        }
    }
    *out = catalog;
    return AS_OK;
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *found = json_string_value(json_object_get(object, key));
    return found && strcmp(found, text) == 0;
}

const json_t *as_catalog_model(const json_t *catalog, const char *id)
{
    size_t i;
    json_t *model;
    json_array_foreach(json_object_get(catalog, "models"), i, model)
    {
        if (is_text(model, "id", id) || is_text(model, "former_id", id)) return model;
    }
    return NULL;
}

const json_t *as_catalog_class(const json_t *catalog, const char *name)
{
    size_t i;
    json_t *entry;
    json_array_foreach(json_object_get(catalog, "classes"), i, entry)
    {
        if (is_text(entry, "class", name)) return entry;
    }
    return NULL;
}

const json_t *as_catalog_architecture(const json_t *catalog, const json_t *dims)
{
    const json_t *all = json_object_get(json_object_get(catalog, "architectures"), "architectures");
    const char *name = json_string_value(json_object_get(dims, "architecture"));
    return name ? json_object_get(all, name) : NULL;
}

bool as_catalog_is_recurrent(const json_t *catalog, const json_t *dims)
{
    return json_is_true(json_object_get(as_catalog_architecture(catalog, dims), "recurrent"));
}
