/* Shared by the files of the catalogue only. */
#ifndef AS_SUITES_CATALOG_INTERNAL_H
#define AS_SUITES_CATALOG_INTERNAL_H

#include <jansson.h>

#include "base/error.h"
#include "base/mem.h"

/* The entry of architectures.json for the dimensions' "architecture", or NULL. */
const json_t *as_catalog_architecture(const json_t *catalog, const json_t *dims);

/* The dimension of that name as an integer; false where there is none. */
bool as_dims_get(const json_t *dims, const char *name, int64_t *out);
/* as_dims_get, or -1. */
int64_t as_dims_value(const json_t *dims, const char *name);

#endif
