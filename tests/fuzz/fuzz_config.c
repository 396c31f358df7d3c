/* A config.json, as far as the catalogue reads it: dimensions and class. */
#include <stdint.h>
#include <stdlib.h>

#include "base/json.h"
#include "suites/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static json_t *catalog;
    as_error err;
    if (!catalog && as_catalog_load(&catalog, &err) != AS_OK) abort();
    json_t *config = NULL, *dims = NULL;
    as_code rc = as_json_parse((const char *)data, size, AS_JSON_LENIENT, "fuzz", &config, &err);
    if (rc == AS_OK) rc = as_catalog_config_dims(catalog, config, &dims, &err);
    if (rc == AS_OK) {
        as_class_match match;
        as_catalog_match(catalog, dims, &match);
    }
    json_decref(dims);
    json_decref(config);
    return 0;
}
