/* A set of byte strings with numbers, walked byte by byte. Constant after it is built. */
#ifndef AS_ENGINE_TEXT_TRIE_H
#define AS_ENGINE_TEXT_TRIE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

typedef struct as_trie_key {
    const char *text;
    size_t size;   /* above 0 */
    int32_t value; /* 0 or more; of equal keys the last stands */
} as_trie_key;

typedef struct as_trie_node {
    uint32_t first; /* its children are nodes first .. first + count - 1, in the order of their labels */
    int32_t value;  /* -1: no key ends here */
    uint32_t count; /* 0 to 256 */
} as_trie_node;

typedef struct as_trie {
    as_trie_node *nodes; /* node 0 is the root */
    unsigned char *labels;
    size_t count;
    uint32_t roots[256]; /* the root's children by label; 0: none */
} as_trie;

enum { AS_TRIE_NONE = 0 };

/* Sorts the keys in place; they are not needed afterwards. */
AS_MUST_USE as_code as_trie_build(as_trie *trie, as_trie_key *keys, size_t count, as_error *err);
void as_trie_free(as_trie *trie);

/* The node that byte leads to, AS_TRIE_NONE if none. Start from node 0. */
static inline uint32_t as_trie_step(const as_trie *trie, uint32_t node, unsigned char byte)
{
    if (node == 0) return trie->roots[byte];
    const as_trie_node *at = &trie->nodes[node];
    const unsigned char *labels = trie->labels + at->first;
    if (at->count <= 4) {
        for (uint32_t i = 0; i < at->count; i++) {
            if (labels[i] == byte) return at->first + i;
        }
        return AS_TRIE_NONE;
    }
    const unsigned char *found = memchr(labels, byte, at->count);
    return found ? at->first + (uint32_t)(found - labels) : AS_TRIE_NONE;
}

#endif
