/* Arenas; see arena.h. Blocks double up to 1 MiB; a larger request gets a block of its own. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct as_arena_block {
    struct as_arena_block *next;
    size_t size, used; /* of the bytes behind this header */
    _Alignas(16) unsigned char bytes[];
};

enum { FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20, ALIGNMENT = 16 };

void as_arena_init(as_arena *arena, size_t limit)
{
    *arena = (as_arena){.limit = limit};
}

void as_arena_free(as_arena *arena)
{
    struct as_arena_block *block = arena->blocks;
    while (block) {
        struct as_arena_block *next = block->next;
        as_free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used = 0;
}

void *as_arena_alloc(as_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) return NULL;
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (arena->limit && (size > arena->limit || arena->used > arena->limit - size)) return NULL;
    struct as_arena_block *block = arena->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = block ? block->size * 2 : FIRST_BLOCK;
        if (room > LARGEST_BLOCK) room = LARGEST_BLOCK;
        if (room < size) room = size;
        struct as_arena_block *fresh = as_alloc(sizeof *fresh + room);
        if (!fresh) return NULL;
        *fresh = (struct as_arena_block){.next = block, .size = room};
        arena->blocks = block = fresh;
    }
    void *at = block->bytes + block->used;
    block->used += size;
    arena->used += size;
    return at;
}

void *as_arena_calloc(as_arena *arena, size_t count, size_t size)
{
    size_t total;
    if (!as_mul_size(count, size, &total)) return NULL;
    void *at = as_arena_alloc(arena, total);
    if (at) memset(at, 0, total);
    return at;
}

char *as_arena_strndup(as_arena *arena, const char *text, size_t size)
{
    char *copy = as_arena_alloc(arena, size + 1);
    if (!copy) return NULL;
    memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

char *as_arena_strdup(as_arena *arena, const char *text)
{
    return as_arena_strndup(arena, text, strlen(text));
}

char *as_arena_printf(as_arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : as_arena_alloc(arena, (size_t)size + 1);
    if (text) vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}
