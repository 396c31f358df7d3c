/* Arenas: many small allocations with one end of life. Not thread-safe; one arena, one thread at a time. */
#ifndef AS_BASE_ARENA_H
#define AS_BASE_ARENA_H

#include <stddef.h>

#include "base/error.h"

typedef struct as_arena {
    struct as_arena_block *blocks; /* newest first */
    size_t used;                   /* bytes handed out in total */
    size_t limit;                  /* 0: none; a request beyond it fails */
} as_arena;

void as_arena_init(as_arena *arena, size_t limit);
void as_arena_free(as_arena *arena); /* frees everything; the arena can be used again */

/* NULL when memory or the limit is spent. 16-byte aligned; as_arena_calloc is zeroed. */
void *as_arena_alloc(as_arena *arena, size_t size);
void *as_arena_calloc(as_arena *arena, size_t count, size_t size);
char *as_arena_strndup(as_arena *arena, const char *text, size_t size);
char *as_arena_strdup(as_arena *arena, const char *text);
char *as_arena_printf(as_arena *arena, const char *format, ...) AS_PRINTF(2, 3);

#define AS_ARENA_NEW(arena, type)          ((type *)as_arena_calloc((arena), 1, sizeof(type)))
#define AS_ARENA_NEW_ARRAY(arena, type, n) ((type *)as_arena_calloc((arena), (size_t)(n), sizeof(type)))

#endif
