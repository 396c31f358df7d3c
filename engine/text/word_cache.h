/* Words met before and their ids. Each word has one place; a newer word takes it over. */
#ifndef AS_ENGINE_TEXT_WORD_CACHE_H
#define AS_ENGINE_TEXT_WORD_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

enum { AS_WORD_MAX = 25, AS_WORD_IDS = 7, AS_WORD_CACHE = 1 << 14 };

typedef struct as_word { /* 64 bytes */
    uint64_t hash;
    uint8_t size; /* 0: an empty place */
    uint8_t count;
    char text[AS_WORD_MAX + 1];
    int32_t ids[AS_WORD_IDS];
} as_word;

typedef struct as_word_cache {
    as_word words[AS_WORD_CACHE];
} as_word_cache;

static inline uint64_t as_word_cache_hash(const char *text, size_t size) /* size 1 to AS_WORD_MAX */
{
    uint64_t a = 0, b = 0, c = 0;
    if (size <= 8) {
        memcpy(&a, text, size);
    } else {
        memcpy(&a, text, 8);
        memcpy(&b, text + size - 8, 8);
        if (size > 16) memcpy(&c, text + 8, 8);
        if (size > 24) c ^= (uint64_t)(unsigned char)text[16] << 5;
    }
    a = (a ^ size * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
    a = (a ^ a >> 32 ^ b) * 0xA0761D6478BD642Fu;
    a = (a ^ a >> 32 ^ c) * 0xE7037ED1A0B428DBu;
    return a ^ a >> 32;
}

static inline const as_word *as_word_cache_find(const as_word_cache *cache, uint64_t hash, const char *text,
                                                size_t size)
{
    const as_word *word = &cache->words[hash % AS_WORD_CACHE];
    return word->hash == hash && word->size == size && memcmp(word->text, text, size) == 0 ? word : NULL;
}

static inline void as_word_cache_put(as_word_cache *cache, uint64_t hash, const char *text, size_t size,
                                     const int32_t *ids, size_t count)
{
    if (count > AS_WORD_IDS) return;
    as_word *word = &cache->words[hash % AS_WORD_CACHE];
    word->hash = hash;
    word->size = (uint8_t)size;
    word->count = (uint8_t)count;
    memcpy(word->text, text, size);
    if (count) memcpy(word->ids, ids, count * sizeof *ids);
}

#endif
