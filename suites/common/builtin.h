/* The texts of suites/common/text/, put into the program by the build. */
#ifndef AS_SUITES_COMMON_BUILTIN_H
#define AS_SUITES_COMMON_BUILTIN_H

#include <stddef.h>

typedef struct as_builtin_text {
    const char *name; /* the file's, without its ending */
    const char *text; /* terminated */
    size_t size;
} as_builtin_text;

extern const as_builtin_text as_builtin_texts[]; /* ends with a NULL name */

#endif
