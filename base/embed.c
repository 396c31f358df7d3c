/* Data files inside the program; see embed.h. */
#include "base/embed.h"

#include <string.h>

const as_embedded *as_embedded_find(const as_embedded *table, const char *name)
{
    for (; table->name; table++) {
        if (strcmp(table->name, name) == 0) return table;
    }
    return NULL;
}
