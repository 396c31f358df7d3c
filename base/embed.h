/* Data files inside the program; tables of them are made by cmake/embed.cmake. */
#ifndef AS_BASE_EMBED_H
#define AS_BASE_EMBED_H

#include <stddef.h>

typedef struct as_embedded {
    const char *name;          /* as given to assay_embed; NULL ends a table */
    const unsigned char *data; /* followed by a terminator that does not count */
    size_t size;
} as_embedded;

/* The entry of that name, or NULL. */
const as_embedded *as_embedded_find(const as_embedded *table, const char *name);

#endif
